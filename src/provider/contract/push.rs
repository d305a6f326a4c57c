//! Who waits is woken.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::RawQuery};
use mailagent_sim::{MimeMode, exchange::FolderKind};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

use super::{ANNA, Bench, MODES, message, open};
use crate::{
    domain::{SystemClock, Timestamp},
    provider::{
        ExchangeProtocol, FolderRole,
        exchange::graph::{GraphPush, Waker},
    },
};

/// Longest wait that is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the calls of Graph. It stops when dropped.
pub(super) struct Receiver {
    url: String,
    waker: Arc<Waker>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let waker = Arc::<Waker>::default();
        let woken = waker.clone();
        let app = Router::new().fallback(async move |RawQuery(query): RawQuery| {
            let query = query.unwrap_or_default();
            let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken");
            match token {
                Some((_, token)) => token.into_owned(),
                None => {
                    woken.wake(false);
                    String::new()
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, waker, serving }
    }

    pub(super) fn push(&self) -> GraphPush {
        GraphPush {
            url: self.url.clone(),
            client_state: "anna".to_owned(),
            waker: self.waker.clone(),
            clock: Arc::new(SystemClock),
        }
    }
}

#[tokio::test]
async fn who_waits_is_woken_by_what_arrives_in_either_folder() {
    for protocol in [ExchangeProtocol::Ews, ExchangeProtocol::Graph] {
        for mode in MODES {
            let bench = Bench::new(protocol, mode, true).await;
            assert_eq!(bench.receiver.is_some(), protocol == ExchangeProtocol::Graph);
            let folders = bench.mailbox.folders().await.unwrap();
            // The first one only subscribes.
            bench.mailbox.wait(&folders, PATIENCE).await.unwrap();
            for (number, folder, role) in [
                (1, FolderKind::Inbox, FolderRole::Inbox),
                (2, FolderKind::Sent, FolderRole::Sent),
                (3, FolderKind::Inbox, FolderRole::Inbox),
            ] {
                let known = bench.changes(&bench.folder(role).await, None).await.upserts.len();
                let wait = bench.mailbox.wait(&folders, 2 * PATIENCE);
                let deliver = async {
                    bench
                        .exchange
                        .deliver(ANNA, folder, message(number), Timestamp::from_seconds(1000 + number as i64));
                };
                let (woken, ()) = tokio::join!(timeout(PATIENCE, wait), deliver);
                woken.expect("it is woken in time").unwrap();
                let now = bench.changes(&bench.folder(role).await, None).await.upserts;
                assert_eq!(now.len(), known + 1, "{protocol:?}, {mode:?}, {number}");
            }
            bench.exchange.stop().await;
        }
    }
}

#[tokio::test]
async fn subscriptions_end_with_those_who_waited() {
    for protocol in [ExchangeProtocol::Ews, ExchangeProtocol::Graph] {
        let bench = Bench::new(protocol, MimeMode::KeepBytes, true).await;
        let mailbox = open(&bench.exchange, protocol, None, bench.receiver.as_ref());
        let folders = mailbox.folders().await.unwrap();
        // The first one only subscribes: over EWS once, over Graph to each folder.
        mailbox.wait(&folders, PATIENCE).await.unwrap();
        let made = bench.exchange.count(bench.operation("Subscribe", "graph/post subscription"));
        assert!(made > 0);
        drop(mailbox);
        let ended = bench.operation("Unsubscribe", "graph/delete subscription");
        let all_ended = async {
            while bench.exchange.count(ended) < made {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, all_ended).await.expect("they are ended");
        bench.exchange.stop().await;
    }
}
