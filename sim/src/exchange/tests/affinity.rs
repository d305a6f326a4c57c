//! Streams of several mailboxes, and the servers behind the address.

use super::*;

const BERT: &str = "bert@example.com";
const SERVICE: &str = "service";

/// Two mailboxes on two servers, and a maintenance account for both.
async fn two_servers(limits: Limits) -> Client {
    let builder = Exchange::builder().back_ends(2).limits(limits).minute(Duration::from_millis(200));
    let mut client = Client::with(builder, 0).await;
    client.exchange.add_mailbox(BERT, "bert", "secret");
    client.exchange.add_maintenance_account(SERVICE, "secret");
    client.login = SERVICE;
    client
}

/// Subscribes to a mailbox at the server that this anchor or cookie leads to. Returns the subscription, or the code, and the cookie.
async fn subscribed(client: &Client, mailbox: &str, anchor: &str, cookie: &str) -> (String, String) {
    let request = client
        .post(&acting_for(mailbox), &subscribe())
        .header("X-AnchorMailbox", anchor)
        .header("X-PreferServerAffinity", "true")
        .header("Cookie", cookie);
    let response = request.send().await.unwrap();
    let set = response.headers()["set-cookie"].to_str().unwrap();
    let cookie = set.split(';').next().unwrap().to_owned();
    let document = response.text().await.unwrap();
    let made = texts(&document, "SubscriptionId").pop();
    (made.unwrap_or_else(|| texts(&document, "ResponseCode").remove(0)), cookie)
}

fn acting_for(mailbox: &str) -> String {
    format!(
        "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID>\
         </t:ExchangeImpersonation>"
    )
}

/// The envelopes of a stream, or the one that refuses it.
async fn streamed(client: &Client, subscriptions: &[&str], cookie: &str) -> Vec<String> {
    let ids: String = subscriptions
        .iter()
        .map(|id| format!("<t:SubscriptionId>{id}</t:SubscriptionId>"))
        .collect();
    let body = format!(
        "<GetStreamingEvents><SubscriptionIds>{ids}</SubscriptionIds><ConnectionTimeout>2</ConnectionTimeout></GetStreamingEvents>"
    );
    let request = client.post(&acting_for(ANNA), &body).header("Cookie", cookie);
    let text = request.send().await.unwrap().text().await.unwrap();
    text.split_inclusive("</Envelope>").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stream_is_of_subscriptions_that_its_server_has() {
    let client = two_servers(Limits::default()).await;
    let (anna, cookie) = subscribed(&client, ANNA, ANNA, "").await;
    let (away, elsewhere) = subscribed(&client, BERT, BERT, "").await;
    let (near, same) = subscribed(&client, BERT, ANNA, &cookie).await;
    assert_ne!(cookie, elsewhere);
    assert_eq!(cookie, same);

    client.exchange.deliver(BERT, FolderKind::Inbox, mail(1).into_bytes(), at(0));
    let all = streamed(&client, &[&anna, &away, &near], &cookie).await;
    let refused: Vec<&String> = all.iter().filter(|one| one.contains("ErrorProxyRequestNotAllowed")).collect();
    let [refused] = refused.as_slice() else { panic!("{all:#?}") };
    assert_eq!(texts(refused, "SubscriptionId"), [away.as_str()]);
    let told: Vec<&String> = all.iter().filter(|one| one.contains("NewMailEvent")).collect();
    let [told] = told.as_slice() else { panic!("{all:#?}") };
    assert_eq!(texts(told, "SubscriptionId"), [near.as_str()]);

    // The other server knows the other one only.
    let other = streamed(&client, &[&anna, &near], &elsewhere).await.concat();
    assert_eq!(texts(&other, "ResponseCode"), ["ErrorProxyRequestNotAllowed"]);
    assert_eq!(texts(&other, "SubscriptionId"), [anna, near]);
}

#[tokio::test]
async fn limits_are_those_of_the_mailbox_that_is_acted_for() {
    let limits = Limits {
        subscriptions: 1,
        streams: 1,
        ..Limits::default()
    };
    let client = two_servers(limits).await;
    let (first, cookie) = subscribed(&client, ANNA, ANNA, "").await;
    assert_eq!(subscribed(&client, ANNA, ANNA, &cookie).await.0, "ErrorExceededSubscriptionCount");
    let (second, _) = subscribed(&client, BERT, ANNA, &cookie).await;
    // Both of anna's streams: the second one is one too many.
    let (served, refused) = futures::future::join(async { streamed(&client, &[&first], &cookie).await }, async {
        while client.exchange.streams(ANNA) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        streamed(&client, &[&second], &cookie).await
    })
    .await;
    assert!(served.concat().contains("Closed"));
    assert_eq!(texts(&refused.concat(), "ResponseCode"), ["ErrorExceededConnectionCount"]);
    assert_eq!((client.exchange.streams(BERT), client.exchange.open_streams()), (0, 0));
}
