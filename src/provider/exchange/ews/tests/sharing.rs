//! Mailboxes of one login that share notification streams, against the simulated server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::header;
use mailagent_sim::exchange::{Exchange, Fault, FaultKind, FolderKind, Limits};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use zeroize::Zeroizing;

use super::{Server, file, inbox, network, source, xml};
use crate::{
    domain::Timestamp,
    net::EndpointRules,
    provider::{
        Folder, FolderRole, MailSource,
        exchange::ews::{EwsConfig, EwsProof, EwsSource, EwsStreams, LoginStreams, SharedLogin, StreamLimits},
    },
};

const LOGIN: &str = "CORP\\service";
const SETTLE: Duration = Duration::from_millis(100);

fn address(number: usize) -> String {
    format!("user{number}@corp.test")
}

fn password() -> Zeroizing<String> {
    Zeroizing::new("pässword".to_owned())
}

/// A task that waits for news of a mailbox again and again, as the service does; it ends, and its source with it, when this is dropped.
struct Watcher {
    source: Arc<EwsSource>,
    looks: Arc<AtomicUsize>,
    troubles: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watcher {
    fn new(exchange: &Exchange, streams: &EwsStreams, number: usize) -> Self {
        let endpoint = exchange.endpoint();
        let proof = EwsProof::Password(password());
        let login = SharedLogin {
            owner: "acme",
            endpoint: &endpoint,
            username: LOGIN,
            proof: &proof,
            impersonate: true,
            rules: &EndpointRules::default(),
        };
        let config = EwsConfig {
            mailbox: Some(address(number)),
            impersonate: true,
            streams: streams.of(&login),
            ..EwsConfig::new(network(Vec::new(), Duration::from_secs(5)), LOGIN, password())
        };
        let source = Arc::new(EwsSource::new(endpoint.clone(), config).unwrap());
        let (looks, troubles) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let task = tokio::spawn({
            let (source, looks, troubles) = (source.clone(), looks.clone(), troubles.clone());
            async move {
                let folders: Vec<Folder> = source.folders().await.unwrap();
                let inbox: Vec<Folder> = folders.into_iter().filter(|folder| folder.role == FolderRole::Inbox).collect();
                loop {
                    match source.wait(&inbox, Duration::from_mins(1)).await {
                        Ok(()) => {
                            looks.fetch_add(1, SeqCst);
                        }
                        Err(error) => {
                            troubles.lock().unwrap().push(error.problem);
                            // The service polls meanwhile.
                            sleep(Duration::from_millis(300)).await;
                        }
                    }
                }
            }
        });
        Self {
            source,
            looks,
            troubles,
            task,
        }
    }

    fn looks(&self) -> usize {
        self.looks.load(SeqCst)
    }

    fn troubles(&self) -> usize {
        self.troubles.lock().unwrap().len()
    }
}

struct Crowd {
    exchange: Exchange,
    streams: EwsStreams,
    watchers: Vec<Watcher>,
}

impl Crowd {
    /// So many mailboxes of one maintenance account, spread over three servers, that all begin at once.
    async fn new(count: usize, mailboxes: usize, limits: Limits) -> Self {
        let exchange = Exchange::builder()
            .back_ends(3)
            .limits(limits)
            .heartbeat(Duration::from_millis(200))
            .start()
            .await
            .unwrap();
        exchange.add_maintenance_account(LOGIN, &password());
        for number in 0..count {
            exchange.add_mailbox(&address(number), &address(number), "another");
        }
        let streams = EwsStreams::new(StreamLimits { mailboxes, settle: SETTLE });
        let watchers = (0..count).map(|number| Watcher::new(&exchange, &streams, number)).collect();
        Self {
            exchange,
            streams,
            watchers,
        }
    }

    /// Waits until all have been served, and there are so many streams; a single one must be for all.
    async fn settled(&self, streams: usize) {
        eventually(|| {
            let open = self.exchange.open_streams();
            let looked = self.watchers.iter().all(|watcher| watcher.looks() > 0);
            let requests = self.exchange.requests();
            let last = requests.iter().rev().find(|one| one.operation == "GetStreamingEvents");
            let whole = streams > 1 || last.is_some_and(|last| last.entries == self.watchers.len());
            let state = (open, looked, whole);
            (state == (streams, true, true)).then_some(()).ok_or(state)
        })
        .await;
    }

    /// Waits until each has looked so many times more often than before.
    async fn have_looked(&self, before: &[usize], times: usize) {
        eventually(|| {
            let looks = self.looks();
            let all = looks.iter().zip(before).all(|(after, before)| after - before == times);
            all.then_some(()).ok_or(looks)
        })
        .await;
    }

    fn looks(&self) -> Vec<usize> {
        self.watchers.iter().map(Watcher::looks).collect()
    }

    fn deliver(&self, number: usize) {
        let mail = format!("Subject: x\r\nMessage-ID: <{number}@x>\r\n\r\nx\r\n");
        self.exchange
            .deliver(&address(number), FolderKind::Inbox, mail.into_bytes(), Timestamp(0));
    }

    /// Waits until a message to this mailbox has woken it.
    async fn wakes(&self, number: usize) {
        let before = self.watchers[number].looks();
        self.deliver(number);
        eventually(|| (self.watchers[number].looks() > before).then_some(()).ok_or(before)).await;
    }
}

async fn eventually<S: std::fmt::Debug>(look: impl Fn() -> Result<(), S>) {
    let begin = Instant::now();
    while let Err(state) = look() {
        assert!(begin.elapsed() < Duration::from_secs(30), "last seen: {state:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn thirty_mailboxes_share_a_stream_and_a_message_wakes_its_own() {
    let crowd = Crowd::new(30, 200, Limits::default()).await;
    crowd.settled(1).await;
    let opened = crowd.exchange.count("GetStreamingEvents");
    assert!(opened <= 12, "streams wait for others to come: {opened}");
    let before = crowd.looks();
    crowd.wakes(7).await;
    crowd.wakes(21).await;
    let after = crowd.looks();
    let woken: Vec<usize> = (0..30).filter(|number| after[*number] != before[*number]).collect();
    assert_eq!(woken, [7, 21]);
    assert!(crowd.watchers.iter().all(|watcher| watcher.troubles() == 0));
    assert_eq!(crowd.exchange.count("GetStreamingEvents"), opened);
    // All subscriptions are at one of the servers, whichever holds the mailbox.
    assert_eq!(crowd.exchange.count("Subscribe"), 30);
}

#[tokio::test]
async fn groups_have_a_size_and_those_who_come_and_go_are_heeded() {
    let mut crowd = Crowd::new(12, 10, Limits::default()).await;
    crowd.settled(2).await;
    // Who leaves is unsubscribed, and makes room for another.
    crowd.watchers.remove(0);
    eventually(|| match crowd.exchange.subscriptions(&address(0)) {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    crowd.exchange.add_mailbox(&address(12), &address(12), "another");
    crowd.watchers.push(Watcher::new(&crowd.exchange, &crowd.streams, 12));
    crowd.settled(2).await;
    for number in [0, 5, 11] {
        let before = crowd.watchers[number].looks();
        crowd.deliver(number + 1);
        eventually(|| (crowd.watchers[number].looks() > before).then_some(()).ok_or(before)).await;
    }
}

#[tokio::test]
async fn a_subscription_that_dies_is_no_business_of_the_others() {
    let crowd = Crowd::new(6, 200, Limits::default()).await;
    crowd.settled(1).await;
    crowd.watchers[3].source.subscriber.age(Duration::from_secs(61));
    let (before, opened) = (crowd.looks(), crowd.exchange.count("Subscribe"));
    crowd.exchange.forget_subscriptions(&address(3));
    eventually(|| (crowd.watchers[3].looks() == before[3] + 1).then_some(()).ok_or(())).await;
    crowd.settled(1).await;
    assert_eq!(crowd.exchange.count("Subscribe"), opened + 1);
    crowd.wakes(3).await;
    crowd.wakes(4).await;
    let after = crowd.looks();
    for number in [0, 1, 2, 5] {
        assert_eq!((after[number], crowd.watchers[number].troubles()), (before[number], 0), "{number}");
    }
    // One that dies young polls once and goes on with others.
    crowd.exchange.forget_subscriptions(&address(3));
    eventually(|| (crowd.watchers[3].troubles() == 1).then_some(()).ok_or(())).await;
    eventually(|| {
        (crowd.exchange.open_streams() == 2)
            .then_some(())
            .ok_or(crowd.exchange.open_streams())
    })
    .await;
    crowd.wakes(3).await;
    crowd.wakes(4).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_wakes_all_once() {
    let crowd = Crowd::new(6, 200, Limits::default()).await;
    crowd.settled(1).await;
    crowd.watchers[0].source.subscriber.age(Duration::from_secs(11));
    let before = crowd.looks();
    crowd.exchange.cut_streams();
    crowd.have_looked(&before, 1).await;
    crowd.settled(1).await;
    crowd.wakes(5).await;
    let grown: Vec<usize> = crowd.looks().iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(grown, [1, 1, 1, 1, 1, 2]);
    assert!(crowd.watchers.iter().all(|watcher| watcher.troubles() == 0));
    // A young one was never any good: all poll, and then it is opened once for all.
    let opened = crowd.exchange.count("GetStreamingEvents");
    crowd.exchange.cut_streams();
    eventually(|| crowd.watchers.iter().all(|watcher| watcher.troubles() == 1).then_some(()).ok_or(())).await;
    crowd.settled(1).await;
    crowd.wakes(2).await;
    assert_eq!(crowd.exchange.count("GetStreamingEvents"), opened + 1);
}

#[tokio::test]
async fn limits_of_the_server_end_in_polling() {
    let none = Limits {
        streams: 0,
        ..Limits::default()
    };
    let crowd = Crowd::new(6, 200, none).await;
    eventually(|| crowd.watchers.iter().all(|watcher| watcher.troubles() > 2).then_some(()).ok_or(())).await;
    let troubles: usize = crowd.watchers.iter().map(Watcher::troubles).sum();
    let asked = usize::try_from(crowd.exchange.count("GetStreamingEvents")).unwrap();
    assert!(asked <= troubles, "{asked} requests, {troubles} polls");
    assert_eq!((crowd.exchange.open_streams(), crowd.exchange.count("Subscribe")), (0, 6));
    let told = crowd.watchers[0].troubles.lock().unwrap().clone();
    assert!(told.iter().all(|told| told.contains("too many notification streams")), "{told:?}");

    let none = Limits {
        subscriptions: 0,
        ..Limits::default()
    };
    let crowd = Crowd::new(3, 200, none).await;
    eventually(|| crowd.watchers.iter().all(|watcher| watcher.troubles() > 1).then_some(()).ok_or(())).await;
    assert_eq!(crowd.exchange.count("GetStreamingEvents"), 0);
}

#[tokio::test]
async fn what_the_server_has_against_one_mailbox_leaves_the_others_their_stream() {
    let crowd = Crowd::new(4, 200, Limits::default()).await;
    crowd.settled(1).await;
    crowd.watchers[0].source.subscriber.age(Duration::from_secs(11));
    let anchor = crowd.exchange.requests().iter().rev().find_map(|one| {
        let stream = one.operation == "GetStreamingEvents";
        stream.then(|| one.mailbox.clone()).flatten()
    });
    let anchor = anchor.unwrap();
    // Nobody may act for the anchor any more, so that it cannot subscribe either.
    for operation in ["GetStreamingEvents", "Subscribe"] {
        let fault = Fault::next(operation, 1, FaultKind::SoapFault("ErrorImpersonateUserDenied"));
        crowd.exchange.script(fault.in_mailbox(&anchor));
    }
    crowd.exchange.cut_streams();
    for (number, watcher) in crowd.watchers.iter().enumerate() {
        let refused = address(number) == anchor;
        eventually(|| ((watcher.troubles() > 0) == refused).then_some(()).ok_or(watcher.troubles())).await;
    }
    crowd.settled(1).await;
    for number in 0..4 {
        crowd.wakes(number).await;
    }
}

#[tokio::test]
async fn a_mailbox_that_the_others_server_cannot_have_goes_elsewhere() {
    let mut crowd = Crowd::new(3, 200, Limits::default()).await;
    crowd.settled(1).await;
    crowd.exchange.add_mailbox(&address(3), &address(3), "another");
    let refused = Fault::next("Subscribe", 1, FaultKind::ItemError("ErrorProxyRequestNotAllowed"));
    crowd.exchange.script(refused.in_mailbox(&address(3)));
    crowd.watchers.push(Watcher::new(&crowd.exchange, &crowd.streams, 3));
    crowd.settled(2).await;
    assert_eq!(crowd.watchers[3].troubles(), 1);
    for number in 0..4 {
        crowd.wakes(number).await;
    }
}

#[tokio::test]
async fn what_leads_to_the_others_server_is_sent_with_what_is_shared_alone() {
    // Each anchor leads to a server of its own, which wants to be found again.
    let server = Server::start(|number, call| {
        let anchor = call.headers["x-anchormailbox"].to_str().unwrap().to_owned();
        let body = match call.operation.as_str() {
            "Subscribe" => file("subscribed").replace("sub-1", &format!("sub-{number}")),
            "GetFolder" => file("inbox"),
            _ => file("stream"),
        };
        let mut response = xml(body);
        let cookie = format!("X-BackEndOverrideCookie=of-{anchor}; path=/; HttpOnly");
        response.headers_mut().append(header::SET_COOKIE, cookie.parse().unwrap());
        response
    })
    .await;
    let streams = LoginStreams::new(StreamLimits::default());
    let open = |number| {
        source(server.url.clone(), |config| {
            config.mailbox = Some(address(number));
            config.impersonate = true;
            config.streams = streams.clone();
        })
    };
    let (first, second) = (open(1), open(2));
    first.wait(&[inbox()], Duration::from_secs(5)).await.unwrap();
    // The stream that the canned answer is has come to its end, so that the second one opens another.
    let _ = second.wait(&[inbox()], Duration::from_secs(5)).await;
    second.inbox().await.unwrap();
    second.inbox().await.unwrap();
    let told: Vec<(String, String, Option<String>)> = server
        .calls()
        .into_iter()
        .map(|call| {
            let text = |name: &str| call.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            (call.operation.clone(), text("x-anchormailbox").unwrap(), text("cookie"))
        })
        .collect();
    let (one, two) = (address(1), address(2));
    let cookie = |of: &str| Some(format!("X-BackEndOverrideCookie=of-{of}"));
    let expected = [
        ("Subscribe", &one, None),
        ("GetStreamingEvents", &one, cookie(&one)),
        ("Subscribe", &one, cookie(&one)),
        ("GetFolder", &two, None),
        ("GetFolder", &two, cookie(&two)),
    ];
    for (operation, anchor, cookie) in expected {
        let told = told
            .iter()
            .filter(|told| told.0 == operation && told.1 == *anchor && told.2 == cookie);
        assert!(told.count() > 0, "{operation} {anchor} {cookie:?}: {:?}", server.calls());
    }
    // Each acts for its own mailbox all the same.
    let subscribed: Vec<String> = server
        .calls()
        .into_iter()
        .filter(|call| call.operation == "Subscribe")
        .map(|call| call.body)
        .collect();
    assert!(subscribed[0].contains(&one) && subscribed[1].contains(&two));
}

#[tokio::test]
async fn only_who_proves_the_same_login_shares_its_streams() {
    let endpoint = super::endpoint("https", 443);
    let (right, wrong) = (
        EwsProof::Password(password()),
        EwsProof::Password(Zeroizing::new("wrong".to_owned())),
    );
    let strict = EndpointRules::default();
    let loose = EndpointRules {
        allow_private: true,
        ..EndpointRules::default()
    };
    let login = |owner: &'static str, proof, rules| SharedLogin {
        owner,
        endpoint: &endpoint,
        username: LOGIN,
        proof,
        impersonate: true,
        rules,
    };
    let streams = EwsStreams::default();
    let first = streams.of(&login("acme", &right, &strict));
    let again = SharedLogin {
        username: "corp\\SERVICE",
        ..login("acme", &right, &strict)
    };
    assert!(Arc::ptr_eq(&first, &streams.of(&again)));
    for other in [
        login("other", &right, &strict),
        login("acme", &wrong, &strict),
        login("acme", &right, &loose),
        SharedLogin {
            impersonate: false,
            ..login("acme", &right, &strict)
        },
    ] {
        assert!(!Arc::ptr_eq(&first, &streams.of(&other)));
    }
}
