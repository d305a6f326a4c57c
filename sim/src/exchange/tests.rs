//! The server over real connections, by requests written out. Independent clients judge it in `tests/it/peers.rs`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::join_all;
use time::OffsetDateTime;

mod affinity;
mod calendar;

use super::{
    Builder, Exchange, Fault, FaultKind, FolderKind, Limits,
    xml::{Element, MESSAGES, SOAP, TYPES},
};
use crate::MimeMode;

const ANNA: &str = "anna@example.com";
const INBOX: &str = r#"<t:DistinguishedFolderId Id="inbox"/>"#;

/// Seconds after 1970.
fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

struct Client {
    http: reqwest::Client,
    exchange: Exchange,
    login: &'static str,
}

/// What came back: status, and the document if it is one.
type Reply = Result<(u16, String), reqwest::Error>;

impl Client {
    async fn with(builder: Builder, messages: i64) -> Self {
        let exchange = builder.start().await.unwrap();
        exchange.add_mailbox(ANNA, "CORP\\anna", "secret");
        for n in 0..messages {
            exchange.deliver(ANNA, FolderKind::Inbox, mail(n).into_bytes(), at(n));
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self {
            http,
            exchange,
            login: "corp\\Anna",
        }
    }

    async fn new(messages: i64) -> Self {
        Self::with(Exchange::builder().seed(1), messages).await
    }

    /// A request with this header and body in its envelope.
    fn post(&self, header: &str, body: &str) -> reqwest::RequestBuilder {
        let envelope = format!(
            r#"<s:Envelope xmlns:s="{SOAP}" xmlns:t="{TYPES}"><s:Header>{header}</s:Header><s:Body xmlns="{MESSAGES}">{body}</s:Body></s:Envelope>"#
        );
        let request = self.http.post(self.exchange.endpoint()).basic_auth(self.login, Some("secret"));
        request.header("Content-Type", "text/xml; charset=utf-8").body(envelope)
    }

    async fn send(&self, header: &str, body: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.post(header, body).send().await
    }

    async fn call(&self, body: &str) -> Reply {
        let response = self.send("", body).await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The response codes of an answer or fault.
    async fn codes(&self, body: &str) -> Vec<String> {
        let (_, document) = self.call(body).await.unwrap();
        texts(&document, "ResponseCode")
    }

    async fn sync(&self, state: &str, max: usize) -> (Vec<String>, String, bool) {
        let (_, document) = self.call(&sync(state, max)).await.unwrap();
        let ids = elements(&document, "ItemId")
            .iter()
            .map(|id| id.attribute("Id").unwrap().to_owned())
            .collect();
        (
            ids,
            texts(&document, "SyncState").remove(0),
            texts(&document, "IncludesLastItemInRange") == ["true"],
        )
    }
}

fn mail(n: i64) -> String {
    format!("From: c@example.org\r\nTo: {ANNA}\r\nSubject: Number {n}\r\nMessage-ID: <{n}@example.org>\r\nX-N: {n}\r\n\r\nHello\r\n")
}

fn sync(state: &str, max: usize) -> String {
    let state = if state.is_empty() {
        String::new()
    } else {
        format!("<SyncState>{state}</SyncState>")
    };
    format!(
        "<SyncFolderItems><ItemShape><t:BaseShape>IdOnly</t:BaseShape></ItemShape><SyncFolderId>{INBOX}</SyncFolderId>{state}\
         <MaxChangesReturned>{max}</MaxChangesReturned></SyncFolderItems>"
    )
}

fn get_folder(id: &str) -> String {
    format!("<GetFolder><FolderShape><t:BaseShape>Default</t:BaseShape></FolderShape><FolderIds>{id}</FolderIds></GetFolder>")
}

fn get_items(ids: &[String]) -> String {
    let ids: String = ids.iter().map(|id| format!("<t:ItemId Id=\"{id}\"/>")).collect();
    format!(
        "<GetItem><ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent></ItemShape>\
         <ItemIds>{ids}</ItemIds></GetItem>"
    )
}

fn create(disposition: &str, mime: &str) -> String {
    let mime = STANDARD.encode(mime);
    format!(
        "<CreateItem MessageDisposition=\"{disposition}\"><Items><t:Message><t:MimeContent>{mime}</t:MimeContent></t:Message></Items>\
         </CreateItem>"
    )
}

fn elements(document: &str, name: &str) -> Vec<Element> {
    fn collect(element: &Element, name: &str, found: &mut Vec<Element>) {
        if element.name == name {
            found.push(element.clone());
        }
        element.children.iter().for_each(|child| collect(child, name, found));
    }
    let mut found = Vec::new();
    collect(&Element::parse(document).unwrap(), name, &mut found);
    found
}

fn texts(document: &str, name: &str) -> Vec<String> {
    elements(document, name).into_iter().map(|element| element.text).collect()
}

#[tokio::test]
async fn logins_are_checked() {
    let mut client = Client::new(0).await;
    assert_eq!(client.codes(&get_folder(INBOX)).await, ["NoError"]);
    client.exchange.set_password("CORP\\anna", "another");
    let refused = client.send("", &get_folder(INBOX)).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    client.login = "nobody";
    assert_eq!(client.call(&get_folder(INBOX)).await.unwrap().0, 401);
}

#[tokio::test]
async fn only_granted_mailboxes_can_be_used() {
    let client = Client::new(0).await;
    client.exchange.add_mailbox("office@example.com", "office", "x");
    let folder = |address| {
        get_folder(&format!(
            "<t:DistinguishedFolderId Id=\"inbox\"><t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"
        ))
    };
    assert_eq!(client.codes(&folder("office@example.com")).await, ["ErrorAccessDenied"]);
    assert_eq!(client.codes(&folder("none@example.com")).await, ["ErrorNonExistentMailbox"]);
    client.exchange.grant("corp\\anna", "Office@example.com");
    assert_eq!(client.codes(&folder("OFFICE@example.com")).await, ["NoError"]);
    let id = client
        .exchange
        .deliver("office@example.com", FolderKind::Inbox, mail(1).into_bytes(), at(0));
    assert_eq!(client.codes(&get_items(std::slice::from_ref(&id))).await, ["NoError"]);
    client.exchange.revoke("corp\\anna", "office@example.com");
    assert_eq!(client.codes(&get_items(&[id])).await, ["ErrorAccessDenied"]);
}

#[tokio::test]
async fn impersonation_needs_its_right() {
    let mut client = Client::new(1).await;
    client.exchange.add_maintenance_account("svc", "secret");
    let sid = |address: &str| {
        format!(
            "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{address}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
        )
    };
    for (login, address, status, code) in [
        ("svc", ANNA, 200, "NoError"),
        ("svc", "none@example.com", 500, "ErrorNonExistentMailbox"),
        ("corp\\anna", ANNA, 500, "ErrorImpersonateUserDenied"),
    ] {
        client.login = login;
        let response = client.send(&sid(address), &get_folder(INBOX)).await.unwrap();
        assert_eq!(response.status(), status, "{login} {address}");
        assert_eq!(texts(&response.text().await.unwrap(), "ResponseCode"), [code], "{login} {address}");
    }
    client.login = "svc";
    assert_eq!(
        client.codes(&get_folder(INBOX)).await,
        ["ErrorNonExistentMailbox"],
        "it has no mailbox of its own"
    );
}

#[tokio::test]
async fn a_folder_is_synced_in_pages_and_then_by_changes() {
    let client = Client::new(1_200).await;
    let (mut state, mut ids, mut lengths, mut last) = (String::new(), Vec::new(), Vec::new(), false);
    while !last {
        let (page, next, end) = client.sync(&state, 512).await;
        lengths.push(page.len());
        ids.extend(page);
        (state, last) = (next, end);
    }
    assert_eq!(lengths, [512, 512, 176]);
    let expected: Vec<_> = client
        .exchange
        .items(ANNA, FolderKind::Inbox)
        .into_iter()
        .map(|item| item.id)
        .collect();
    assert_eq!(ids, expected, "newest first");

    let moved = client.exchange.move_item(ANNA, &ids[3], FolderKind::Junk).unwrap();
    assert_ne!(moved, ids[3]);
    assert!(client.exchange.delete_item(ANNA, &ids[4]) && client.exchange.set_read(ANNA, &ids[5], true));
    assert!(!client.exchange.delete_item(ANNA, &ids[4]), "it is gone");
    let (_, document) = client.call(&sync(&state, 512)).await.unwrap();
    let changes: Vec<_> = elements(&document, "Changes")[0]
        .children
        .iter()
        .map(|change| change.name.clone())
        .collect();
    assert_eq!(changes, ["Delete", "Delete", "ReadFlagChange"]);

    assert_eq!(client.codes(&sync("bm8=", 512)).await, ["ErrorInvalidSyncStateData"]);
    client.exchange.reset_sync_state(ANNA);
    assert_eq!(client.codes(&sync(&state, 512)).await, ["ErrorInvalidSyncStateData"]);
    assert_eq!(client.codes(&sync("", 513)).await, ["ErrorSchemaValidation"]);
}

#[tokio::test]
async fn find_item_pages_both_ways() {
    let client = Client::new(25).await;
    let find = |offset, order: &str| {
        let sort = format!(
            "<SortOrder><t:FieldOrder Order=\"{order}\"><t:FieldURI FieldURI=\"item:DateTimeReceived\"/></t:FieldOrder></SortOrder>"
        );
        format!(
            "<FindItem Traversal=\"Shallow\"><ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             <t:FieldURI FieldURI=\"item:Subject\"/><t:FieldURI FieldURI=\"message:InternetMessageId\"/></t:AdditionalProperties></ItemShape>\
             <IndexedPageItemView MaxEntriesReturned=\"10\" Offset=\"{offset}\" BasePoint=\"Beginning\"/>{sort}\
             <ParentFolderIds>{INBOX}</ParentFolderIds></FindItem>"
        )
    };
    for (offset, order, first, count, last) in [
        (0, "Descending", 24, 10, "false"),
        (20, "Descending", 4, 5, "true"),
        (10, "Ascending", 10, 10, "false"),
    ] {
        let (_, document) = client.call(&find(offset, order)).await.unwrap();
        let subjects = texts(&document, "Subject");
        assert_eq!((subjects[0].as_str(), subjects.len()), (format!("Number {first}").as_str(), count));
        assert_eq!(texts(&document, "InternetMessageId")[0], format!("<{first}@example.org>"));
        let root = &elements(&document, "RootFolder")[0];
        assert_eq!(
            (root.attribute("TotalItemsInView"), root.attribute("IncludesLastItemInRange")),
            (Some("25"), Some(last))
        );
    }
}

#[tokio::test]
async fn find_item_searches_by_message_id() {
    let client = Client::new(25).await;
    let find = |field, value| {
        format!(
            "<FindItem Traversal=\"Shallow\"><ItemShape><t:BaseShape>IdOnly</t:BaseShape></ItemShape><Restriction><t:IsEqualTo>\
             <t:FieldURI FieldURI=\"{field}\"/><t:FieldURIOrConstant><t:Constant Value=\"{value}\"/></t:FieldURIOrConstant></t:IsEqualTo>\
             </Restriction><ParentFolderIds>{INBOX}</ParentFolderIds></FindItem>"
        )
    };
    for (value, found) in [("&lt;7@example.org&gt;", 1), ("&lt;99@example.org&gt;", 0)] {
        let (_, document) = client.call(&find("message:InternetMessageId", value)).await.unwrap();
        assert_eq!(elements(&document, "ItemId").len(), found, "{value}");
        assert_eq!(
            elements(&document, "RootFolder")[0].attribute("TotalItemsInView"),
            Some(found.to_string().as_str())
        );
    }
    assert_eq!(client.codes(&find("item:Subject", "x")).await, ["ErrorUnsupportedPathForQuery"]);
}

#[tokio::test]
async fn mime_is_kept_or_made_anew() {
    for mode in [MimeMode::KeepBytes, MimeMode::Rebuild] {
        let client = Client::with(Exchange::builder().mode(mode), 1).await;
        let id = client.exchange.items(ANNA, FolderKind::Inbox).remove(0).id;
        let (_, document) = client.call(&get_items(&[id])).await.unwrap();
        let mime = String::from_utf8(STANDARD.decode(&texts(&document, "MimeContent")[0]).unwrap()).unwrap();
        assert_eq!(mime == mail(0), mode == MimeMode::KeepBytes);
        assert_eq!(mime.contains("X-N:"), mode == MimeMode::KeepBytes);
        assert!(mime.contains("<0@example.org>"));
    }
}

#[tokio::test]
async fn faults_look_like_the_real_ones() {
    let client = Client::new(4).await;
    let ids: Vec<_> = client
        .exchange
        .items(ANNA, FolderKind::Inbox)
        .into_iter()
        .map(|item| item.id)
        .collect();
    let request = get_items(&ids);
    let strike = |kind| {
        client.exchange.script(Fault::next("GetItem", 1, kind));
        client.call(&request)
    };
    let backoff = Some(Duration::from_millis(1500));

    let (status, document) = strike(FaultKind::SoapFaultBusy { backoff }).await.unwrap();
    assert_eq!(
        (status, texts(&document, "ResponseCode"), texts(&document, "Value")),
        (500, vec!["ErrorServerBusy".into()], vec!["1500".into()])
    );
    assert_eq!(elements(&document, "Value")[0].attribute("Name"), Some("BackOffMilliseconds"));

    let (status, document) = strike(FaultKind::MessageBusy { backoff }).await.unwrap();
    assert_eq!((status, texts(&document, "ResponseCode")), (200, vec!["ErrorServerBusy".into(); 4]));
    assert_eq!(texts(&document, "Value").len(), 4);

    let (_, document) = strike(FaultKind::HalfFailedBatch("ErrorInternalServerError")).await.unwrap();
    assert_eq!(
        texts(&document, "ResponseCode"),
        ["NoError", "NoError", "ErrorInternalServerError", "ErrorInternalServerError"]
    );
    let (_, document) = strike(FaultKind::ItemError("ErrorItemCorrupt")).await.unwrap();
    assert_eq!(texts(&document, "ResponseCode"), ["ErrorItemCorrupt"; 4]);
    let (status, document) = strike(FaultKind::SoapFault("ErrorMailboxStoreUnavailable")).await.unwrap();
    assert_eq!(
        (status, texts(&document, "ResponseCode")),
        (500, vec!["ErrorMailboxStoreUnavailable".into()])
    );

    assert!(strike(FaultKind::DropBeforeAnswer).await.unwrap_err().is_request());
    assert!(strike(FaultKind::TruncateBody).await.is_err());
    assert!(strike(FaultKind::WrongContentLength).await.is_err());
    assert!(Element::parse(&strike(FaultKind::Garbage).await.unwrap().1).is_err());
    assert!(strike(FaultKind::Html).await.unwrap().1.contains("<html>"));
    assert_eq!(
        strike(FaultKind::Http {
            status: 401,
            retry_after: None
        })
        .await
        .unwrap()
        .0,
        401
    );

    client.exchange.script(Fault::nth(
        "GetItem",
        2,
        FaultKind::Http {
            status: 503,
            retry_after: Some(Duration::from_secs(7)),
        },
    ));
    assert_eq!(client.send("", &request).await.unwrap().status(), 200);
    let response = client.send("", &request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    assert_eq!(client.codes(&request).await, ["NoError"; 4], "the script is over");

    let requests = client.exchange.requests();
    assert_eq!(requests.len(), 14);
    assert_eq!(requests.iter().filter(|request| request.faulty).count(), 12);
    assert_eq!(
        (requests[5].status, requests[5].entries, requests[5].mailbox.as_deref()),
        (None, 4, Some(ANNA))
    );
    assert_eq!(client.exchange.count("GetItem"), 14);
}

#[tokio::test]
async fn sync_states_can_be_lost_in_two_ways() {
    let client = Client::new(3).await;
    let (_, state, last) = client.sync("", 512).await;
    assert!(last);
    client
        .exchange
        .script(Fault::next("SyncFolderItems", 1, FaultKind::StaleSyncStateFullListing));
    assert_eq!(client.sync(&state, 512).await.0.len(), 3);
    client
        .exchange
        .script(Fault::next("SyncFolderItems", 1, FaultKind::InvalidSyncState));
    assert_eq!(client.codes(&sync(&state, 512)).await, ["ErrorInvalidSyncStateData"]);
    assert_eq!(client.sync(&state, 512).await.0.len(), 0);
}

#[tokio::test]
async fn a_send_without_an_answer_may_have_happened() {
    let client = Client::new(0).await;
    client.exchange.add_mailbox("bob@example.com", "bob", "x");
    let mime = format!("From: {ANNA}\r\nTo: bob@example.com, out@example.org\r\nBcc: {ANNA}\r\nMessage-ID: <s@x>\r\n\r\nHi\r\n");
    for (kind, sent) in [(FaultKind::DropBeforeAnswer, 0), (FaultKind::DropAfterWrite, 1)] {
        client.exchange.script(Fault::next("CreateItem", 1, kind));
        assert!(client.call(&create("SendAndSaveCopy", &mime)).await.is_err());
        assert_eq!(client.exchange.items(ANNA, FolderKind::Sent).len(), sent);
        assert_eq!(client.exchange.items("bob@example.com", FolderKind::Inbox).len(), sent);
    }
    let sent = client.exchange.sent_messages().remove(0);
    assert_eq!(sent.recipients, [ANNA, "bob@example.com", "out@example.org"]);
    let copy = client.exchange.items("bob@example.com", FolderKind::Inbox).remove(0).id;
    let copy = client.exchange.raw("bob@example.com", &copy).unwrap().unwrap();
    let copy = String::from_utf8(copy.to_vec()).unwrap();
    assert!(
        copy.starts_with("Date: ") && copy.contains("To: bob@example.com") && !copy.contains("Bcc"),
        "{copy}"
    );
}

#[tokio::test]
async fn sending_is_refused_for_good_reasons() {
    let client = Client::with(
        Exchange::builder().limits(Limits {
            message_bytes: 2_000,
            ..Limits::default()
        }),
        0,
    )
    .await;
    let from = |address: &str, rest: &str| format!("From: {address}\r\nMessage-ID: <s@x>\r\n{rest}\r\n\r\nHi\r\n");
    for (mime, code) in [
        (from(ANNA, "To: b@example.org"), "NoError"),
        (from("ceo@example.com", "To: b@example.org"), "ErrorSendAsDenied"),
        (from(ANNA, "Subject: to nobody"), "ErrorInvalidRecipients"),
        (
            from(ANNA, &format!("To: b@example.org\r\n\r\n{}", "x".repeat(2_000))),
            "ErrorMessageSizeExceeded",
        ),
    ] {
        assert_eq!(client.codes(&create("SendOnly", &mime)).await, [code]);
    }
    let bad =
        "<CreateItem MessageDisposition=\"SendOnly\"><Items><t:Message><t:MimeContent>?</t:MimeContent></t:Message></Items></CreateItem>";
    assert_eq!(client.codes(bad).await, ["ErrorMimeContentInvalidBase64String"]);
    assert_eq!(client.exchange.sent_messages().len(), 1);
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused() {
    let limits = Limits {
        body_bytes: 10_000,
        ..Limits::default()
    };
    let client = Client::with(Exchange::builder().limits(limits), 0).await;
    client
        .exchange
        .script(Fault::next("GetFolder", 4, FaultKind::Slow(Duration::from_millis(700))));
    let requests: Vec<_> = (0..6).map(|_| get_folder(INBOX)).collect();
    let mut codes: Vec<_> = join_all(requests.iter().map(|request| client.codes(request))).await.concat();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["ErrorServerBusy", "ErrorServerBusy", "NoError", "NoError", "NoError", "NoError"]
    );
    assert_eq!(
        client.exchange.peak_concurrency("Anna@example.com"),
        5,
        "each refused one is gone before the next comes"
    );

    assert_eq!(client.call(&create("SaveOnly", &"x".repeat(10_000))).await.unwrap().0, 413);
    assert_eq!(
        client.codes("<GetFolder><FolderIds/><FolderShape/></GetFolder>").await,
        ["ErrorSchemaValidation"]
    );
    assert_eq!(client.codes("<ArchiveItem/>").await, ["ErrorInvalidRequest"]);
    let response = client
        .http
        .post(client.exchange.endpoint())
        .basic_auth(client.login, Some("secret"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 415);
}

fn subscribe() -> String {
    format!(
        "<Subscribe><StreamingSubscriptionRequest><t:FolderIds>{INBOX}</t:FolderIds><t:EventTypes><t:EventType>NewMailEvent</t:EventType>\
         <t:EventType>MovedEvent</t:EventType></t:EventTypes></StreamingSubscriptionRequest></Subscribe>"
    )
}

fn stream(subscription: &str) -> String {
    format!(
        "<GetStreamingEvents><SubscriptionIds><t:SubscriptionId>{subscription}</t:SubscriptionId></SubscriptionIds>\
         <ConnectionTimeout>2</ConnectionTimeout></GetStreamingEvents>"
    )
}

/// A server whose minutes and heartbeats are short, and a subscription.
async fn streaming() -> (Client, String) {
    let builder = Exchange::builder()
        .minute(Duration::from_millis(250))
        .heartbeat(Duration::from_millis(200));
    let client = Client::with(builder, 0).await;
    let (_, document) = client.call(&subscribe()).await.unwrap();
    let subscription = texts(&document, "SubscriptionId").remove(0);
    (client, subscription)
}

/// The whole envelopes in what a stream brought, and what is left over.
async fn envelopes(mut response: reqwest::Response) -> (Vec<String>, String, bool) {
    let (mut rest, mut whole) = (String::new(), Vec::new());
    let clean = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => rest.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    while let Some((envelope, after)) = rest.split_once("</Envelope>") {
        whole.push(format!("{envelope}</Envelope>"));
        rest = after.to_owned();
    }
    (whole, rest, clean)
}

#[tokio::test]
async fn a_stream_brings_events_heartbeats_and_an_end() {
    let (client, subscription) = streaming().await;
    let id = client.exchange.deliver(ANNA, FolderKind::Inbox, mail(1).into_bytes(), at(0));
    client.exchange.move_item(ANNA, &id, FolderKind::Junk).unwrap();
    let response = client.send("", &stream(&subscription)).await.unwrap();
    let (whole, rest, clean) = envelopes(response).await;
    assert!(rest.is_empty() && clean);
    let statuses: Vec<_> = whole.iter().flat_map(|envelope| texts(envelope, "ConnectionStatus")).collect();
    assert_eq!(
        (statuses.first().map(String::as_str), statuses.last().map(String::as_str)),
        (Some("OK"), Some("Closed"))
    );
    assert!(statuses.len() >= 4, "heartbeats: {statuses:?}");
    let news = elements(&whole[1], "Notification").remove(0);
    let names: Vec<_> = news.children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["SubscriptionId", "NewMailEvent", "MovedEvent"]);
    assert_eq!(news.at(&["MovedEvent", "OldItemId"]).unwrap().attribute("Id"), Some(id.as_str()));
    assert_eq!(client.exchange.streams(ANNA), 0);
}

#[tokio::test]
async fn streams_are_cut() {
    let (client, subscription) = streaming().await;
    for (kind, complete, cut_inside) in [
        (FaultKind::StreamCutBetween, 1, false),
        (FaultKind::StreamCutInsideEnvelope, 1, true),
    ] {
        client.exchange.deliver(ANNA, FolderKind::Inbox, mail(1).into_bytes(), at(0));
        client.exchange.script(Fault::next("GetStreamingEvents", 1, kind));
        let response = client.send("", &stream(&subscription)).await.unwrap();
        let (whole, rest, clean) = envelopes(response).await;
        assert_eq!((whole.len(), rest.contains("<Envelope"), clean), (complete, cut_inside, false));
    }
    client.exchange.forget_subscriptions(ANNA);
    assert_eq!(client.codes(&stream(&subscription)).await, ["ErrorSubscriptionNotFound"]);
}

#[tokio::test]
async fn a_fourth_stream_is_refused_and_a_stop_ends_all() {
    let (client, _) = streaming().await;
    let mut open = Vec::new();
    for n in 0..4 {
        let (_, document) = client.call(&subscribe()).await.unwrap();
        client
            .exchange
            .script(Fault::next("GetStreamingEvents", 1, FaultKind::StreamSilent));
        let response = client.send("", &stream(&texts(&document, "SubscriptionId")[0])).await.unwrap();
        if n < 3 {
            open.push(response);
        } else {
            assert_eq!(
                texts(&response.text().await.unwrap(), "ResponseCode"),
                ["ErrorExceededConnectionCount"]
            );
        }
    }
    assert_eq!(client.exchange.streams(ANNA), 3);
    client.exchange.stop().await;
    for response in open {
        assert!(!envelopes(response).await.2);
    }
    assert!(client.call(&get_folder(INBOX)).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn it_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let mut client = Client::with(Exchange::builder().tls(move |tcp| acceptor.accept(tcp)), 1).await;
    assert_eq!(client.exchange.endpoint().scheme(), "https");
    let certificate = reqwest::Certificate::from_der(made.cert.der()).unwrap();
    client.http = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
    assert_eq!(client.codes(&get_folder(INBOX)).await, ["NoError"]);
    client.exchange.script(Fault::next("*", 1, FaultKind::DropBeforeAnswer));
    assert!(client.call(&get_folder(INBOX)).await.is_err());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let (one, two) = (Client::new(2).await, Client::new(2).await);
    let other = Client::with(Exchange::builder().seed(2), 2).await;
    let ids = |client: &Client| client.exchange.items(ANNA, FolderKind::Inbox);
    assert_eq!(ids(&one), ids(&two));
    assert_ne!(ids(&one), ids(&other));
}
