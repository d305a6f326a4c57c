//! What every protocol owes its callers, run on the simulated server over EWS and over Graph, with bytes that are kept and with MIME made anew.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    AccessTokens, BudgetLimits, Budgets, Credentials, DiscoveryRules, Endpoint, EndpointRules, ErrorClass, ExchangeLogin, ExchangeMailbox,
    ExchangeProtocol, Fetched, Folder, FolderRole, ItemId, MailConnector, NetworkConnector, OutgoingMessage, ProviderError, SmtpConfig,
    net::{Network, NetworkConfig},
};
use crate::{
    crypto::Secret,
    domain::Timestamp,
    sim::{
        MimeMode,
        entra::TokenHolder,
        exchange::{Exchange, Fault, FaultKind, FolderKind},
    },
};

const ANNA: &str = "anna@corp.test";
const LIMIT: u64 = 10_000;
const MODES: [MimeMode; 2] = [MimeMode::KeepBytes, MimeMode::Rebuild];

/// A login whose token is always the same, until the server wants another.
#[derive(Debug)]
struct Tokens;

#[async_trait]
impl AccessTokens for Tokens {
    async fn current(&self) -> Result<Secret, ProviderError> {
        Ok("first".into())
    }

    async fn instead_of(&self, _: &Secret) -> Result<Secret, ProviderError> {
        Ok("second".into())
    }

    fn given(&self) -> Vec<Secret> {
        vec!["first".into(), "second".into()]
    }
}

/// A mailbox over one of the protocols.
struct Bench {
    exchange: Exchange,
    mailbox: Arc<dyn ExchangeMailbox>,
    protocol: ExchangeProtocol,
}

impl Bench {
    /// The mailbox of anna, with a token of hers.
    async fn new(protocol: ExchangeProtocol, mode: MimeMode) -> Self {
        let exchange = Exchange::builder().mode(mode).tokens(Arc::new(|token| by_anna(token, true)));
        let exchange = exchange.start().await.unwrap();
        exchange.add_mailbox(ANNA, ANNA, "no password");
        let mailbox = open(&exchange, protocol, None);
        Self {
            exchange,
            mailbox,
            protocol,
        }
    }

    /// Runs a test over both protocols, in both modes.
    async fn each(test: impl AsyncFn(&Bench)) {
        for protocol in [ExchangeProtocol::Ews, ExchangeProtocol::Graph] {
            for mode in MODES {
                println!("{protocol:?}, {mode:?}");
                let bench = Self::new(protocol, mode).await;
                test(&bench).await;
                bench.exchange.stop().await;
            }
        }
    }

    /// The operation over EWS, or over Graph.
    fn operation(&self, ews: &'static str, graph: &'static str) -> &'static str {
        match self.protocol {
            ExchangeProtocol::Ews => ews,
            ExchangeProtocol::Graph => graph,
        }
    }

    fn deliver(&self, number: usize) -> String {
        self.exchange.deliver(
            ANNA,
            FolderKind::Inbox,
            message(number),
            Timestamp::from_seconds(1000 + number as i64),
        )
    }

    async fn folder(&self, role: FolderRole) -> Folder {
        let folders = self.mailbox.folders().await.unwrap();
        folders.into_iter().find(|folder| folder.role == role).unwrap()
    }

    /// What changed since a state, page by page; and the state after it.
    async fn changes(&self, folder: &Folder, mut state: Option<String>) -> (Vec<ItemId>, Vec<ItemId>, String) {
        let (mut upserts, mut removals) = (Vec::new(), Vec::new());
        loop {
            let page = self.mailbox.changes(folder, state.as_deref()).await.unwrap();
            upserts.extend(page.upserts);
            removals.extend(page.removals);
            if page.last {
                return (upserts, removals, page.state);
            }
            state = Some(page.state);
        }
    }

    async fn fetch(&self, ids: &[ItemId]) -> Vec<Fetched> {
        let fetched = self.mailbox.fetch(ids, LIMIT).await.unwrap();
        assert_eq!(fetched.len(), ids.len());
        fetched
    }
}

fn by_anna(token: &str, first_is_good: bool) -> Option<TokenHolder> {
    let good = token == "second" || token == "first" && first_is_good;
    good.then(|| TokenHolder {
        account: Some(ANNA.to_owned()),
        scopes: ["Mail.ReadWrite", "Mail.ReadWrite.Shared", "Mail.Send", "Mail.Send.Shared"]
            .map(str::to_owned)
            .to_vec(),
        application: false,
        directory: "directory".to_owned(),
    })
}

fn open(exchange: &Exchange, protocol: ExchangeProtocol, mailbox: Option<&str>) -> Arc<dyn ExchangeMailbox> {
    let connector = NetworkConnector {
        network: Network::new(NetworkConfig {
            allow_loopback: true,
            connect_timeout: Duration::from_secs(5),
            root_certificates: Vec::new(),
        }),
        request_timeout: Duration::from_secs(3),
        max_message_bytes: LIMIT,
        budgets: Arc::new(Budgets::new(BudgetLimits {
            per_mailbox: 4,
            per_application: 100,
            graph_in_ten_minutes: 10_000,
            longest_pause: Duration::ZERO,
        })),
        streams: Arc::default(),
        fetch_batch: 10,
        discovery: DiscoveryRules::default(),
        smtp: SmtpConfig {
            request_timeout: Duration::from_secs(3),
            delivery_timeout: Duration::from_secs(3),
            max_connections: 1,
        },
    };
    let endpoint = match protocol {
        ExchangeProtocol::Ews => exchange.endpoint(),
        ExchangeProtocol::Graph => exchange.graph(),
    };
    let login = ExchangeLogin {
        protocol,
        endpoint: Endpoint::Url(endpoint.into()),
        credentials: Credentials::Token {
            username: ANNA.to_owned(),
            tokens: Arc::new(Tokens),
        },
        owner: "acme".to_owned(),
        mailbox: mailbox.map(str::to_owned),
        impersonate: false,
        rules: EndpointRules::default(),
        push: None,
    };
    connector.exchange(login).unwrap()
}

fn message(number: usize) -> Vec<u8> {
    format!(
        "From: Eva <eva@oak.test>\r\nTo: {ANNA}\r\nSubject: Number {number}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{number}@oak.test>\r\nX-Own: {number}\r\n\r\nText {number}\r\n"
    )
    .into_bytes()
}

fn outgoing(from: &str, recipients: &[&str]) -> OutgoingMessage {
    OutgoingMessage {
        sender: from.to_owned(),
        recipients: recipients.iter().map(|recipient| (*recipient).to_owned()).collect(),
        raw: format!(
            "From: {from}\r\nTo: bert@corp.test\r\nSubject: Out\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <out@corp.test>\r\n\r\n\
             Hello\r\n"
        )
        .into(),
    }
}

#[tokio::test]
async fn folders_are_found() {
    Bench::each(async |bench| {
        bench.deliver(1);
        let made = |parent, name| bench.exchange.make_folder(ANNA, parent, name);
        let acme = made(made(FolderKind::Inbox, "Customers"), "Acme & Söhne");
        made(FolderKind::Drafts, "Templates");
        bench.exchange.deliver(ANNA, acme, message(7), Timestamp::from_seconds(7));
        // What is not known yet and what is.
        for _ in 0..2 {
            let folders = bench.mailbox.folders().await.unwrap();
            let seen: Vec<_> = folders
                .iter()
                .map(|folder| (folder.role, folder.path.as_str(), folder.total))
                .collect();
            let expected = [
                (FolderRole::Inbox, "Inbox", Some(1)),
                (FolderRole::Sent, "Sent Items", Some(0)),
                (FolderRole::Other, "Deleted Items", Some(0)),
                (FolderRole::Other, "Inbox/Customers", Some(0)),
                (FolderRole::Other, "Inbox/Customers/Acme & Söhne", Some(1)),
            ];
            assert_eq!(seen, expected);
            let filed = bench.mailbox.changes(&folders[4], None).await.unwrap();
            assert_eq!(filed.upserts.len(), 1);
            assert_eq!(filed.received.get(&filed.upserts[0]), Some(&Timestamp::from_seconds(7)));
        }
    })
    .await;
}

#[tokio::test]
async fn each_message_is_listed_once_and_then_what_changed() {
    Bench::each(async |bench| {
        let keys: Vec<String> = (0..700).map(|number| bench.deliver(number)).collect();
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (listed, removed, state) = bench.changes(&inbox, None).await;
        assert_eq!(listed.iter().collect::<HashSet<_>>().len(), 700);
        assert_eq!((listed.len(), removed.len()), (700, 0));
        // Nothing new, as often as it is asked.
        let (none, gone, state) = bench.changes(&inbox, Some(state)).await;
        assert_eq!((none.len(), gone.len()), (0, 0));

        let new = bench.deliver(700);
        assert!(bench.exchange.touch_item(ANNA, &keys[3]));
        assert!(bench.exchange.delete_item(ANNA, &keys[4]));
        bench.exchange.move_item(ANNA, &keys[5], FolderKind::Deleted).unwrap();
        let (changed, removed, later) = bench.changes(&inbox, Some(state.clone())).await;
        assert_eq!((changed.len(), removed.len()), (2, 2), "{new}");
        assert!(removed.iter().all(|id| listed.contains(id)), "they are known by the same ids");
        assert_eq!(changed.iter().filter(|id| listed.contains(id)).count(), 1);
        // The older position is still good.
        let (again, ..) = bench.changes(&inbox, Some(state)).await;
        assert_eq!(again, changed);
        let (none, ..) = bench.changes(&inbox, Some(later)).await;
        assert_eq!(none, []);
    })
    .await;
}

#[tokio::test]
async fn messages_come_whole_with_the_time_of_their_arrival() {
    Bench::each(async |bench| {
        for number in 0..25 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (ids, _, _) = bench.changes(&inbox, None).await;
        // Also where nothing is remembered of them, as after a restart.
        for bench in [
            bench,
            &Bench {
                exchange: bench.exchange.clone(),
                mailbox: open(&bench.exchange, bench.protocol, None),
                protocol: bench.protocol,
            },
        ] {
            for (place, fetched) in bench.fetch(&ids).await.into_iter().enumerate() {
                // Newest first.
                let number = 24 - place;
                let Fetched::Message { raw, received } = fetched else {
                    panic!("{fetched:?}")
                };
                assert_eq!(received, Some(Timestamp::from_seconds(1000 + number as i64)));
                let text = String::from_utf8_lossy(&raw);
                assert!(text.contains(&format!("<{number}@oak.test>")), "{text}");
                let kept = raw == message(number);
                let rebuilt = !text.contains("X-Own");
                assert!(kept != rebuilt, "{text}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn each_message_has_its_own_outcome() {
    Bench::each(async |bench| {
        bench.deliver(1);
        let large = [message(2), vec![b'x'; 2 * LIMIT as usize]].concat();
        bench.exchange.deliver(ANNA, FolderKind::Inbox, large, Timestamp::from_seconds(2));
        let gone = bench.deliver(3);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (ids, _, _) = bench.changes(&inbox, None).await;
        assert!(bench.exchange.delete_item(ANNA, &gone));
        let fetched = bench.fetch(&ids).await;
        assert!(matches!(fetched[0], Fetched::Gone), "{fetched:?}");
        assert!(matches!(fetched[1], Fetched::Message { .. }), "{fetched:?}");
        let Fetched::TooLarge {
            size,
            subject,
            from,
            message_id,
            received,
        } = &fetched[2]
        else {
            panic!("{fetched:?}")
        };
        assert!(*size > LIMIT);
        assert_eq!((subject.as_str(), message_id.as_str()), ("Number 2", "<2@oak.test>"));
        assert_eq!((from.0.as_str(), from.1.as_str()), ("Eva", "eva@oak.test"));
        assert_eq!(*received, Some(Timestamp::from_seconds(2)));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_always_fails_is_broken_in_the_end() {
    Bench::each(async |bench| {
        bench.deliver(1);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (ids, _, _) = bench.changes(&inbox, None).await;
        let kind = match bench.protocol {
            ExchangeProtocol::Ews => FaultKind::ItemError("ErrorInternalServerError"),
            ExchangeProtocol::Graph => FaultKind::Graph {
                status: 500,
                code: "ErrorInternalServerError",
                retry_after: None,
            },
        };
        bench
            .exchange
            .script(Fault::next(bench.operation("GetItem", "graph/value"), 1000, kind));
        let mut passing = 0;
        let broken = loop {
            match bench.mailbox.fetch(&ids, LIMIT).await {
                Ok(fetched) => break fetched,
                Err(error) => {
                    assert!(matches!(error.class, ErrorClass::Retry { .. }), "{error:?}");
                    passing += 1;
                }
            }
        };
        assert_eq!(passing, 4);
        let Fetched::Broken { server_reply } = &broken[0] else {
            panic!("{broken:?}")
        };
        assert!(server_reply.contains("ErrorInternalServerError"), "{server_reply}");
        // For good, and one only.
        bench.exchange.clear_script();
        assert!(matches!(bench.fetch(&ids).await[0], Fetched::Message { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_denied_stops_no_other() {
    Bench::each(async |bench| {
        for number in 0..3 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (ids, _, _) = bench.changes(&inbox, None).await;
        let (operation, kind) = match bench.protocol {
            ExchangeProtocol::Ews => ("GetItem", FaultKind::HalfFailedBatch("ErrorAccessDenied")),
            ExchangeProtocol::Graph => (
                "graph/value",
                FaultKind::Graph {
                    status: 403,
                    code: "ErrorAccessDenied",
                    retry_after: None,
                },
            ),
        };
        bench.exchange.script(Fault::next(operation, 1, kind));
        let fetched = bench.fetch(&ids).await;
        let broken = fetched.iter().filter(|one| matches!(one, Fetched::Broken { .. })).count();
        let whole = fetched.iter().filter(|one| matches!(one, Fetched::Message { .. })).count();
        assert!(broken > 0 && whole > 0 && broken + whole == 3, "{fetched:?}");
        // Where the whole mailbox is closed, nothing is broken.
        let kind = match bench.protocol {
            ExchangeProtocol::Ews => FaultKind::ItemError("ErrorAccessDenied"),
            ExchangeProtocol::Graph => FaultKind::Graph {
                status: 403,
                code: "ErrorAccessDenied",
                retry_after: None,
            },
        };
        bench.exchange.script(Fault::next("*", 1000, kind));
        let error = bench.mailbox.fetch(&ids, LIMIT).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_lost_position_is_told_apart_and_everything_can_be_listed_anew() {
    Bench::each(async |bench| {
        for number in 0..5 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (listed, _, state) = bench.changes(&inbox, None).await;
        bench.exchange.reset_sync_state(ANNA);
        for lost in [state.as_str(), "no position at all"] {
            let error = bench.mailbox.changes(&inbox, Some(lost)).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::StateLost, "{error:?}");
        }
        let (again, _, state) = bench.changes(&inbox, None).await;
        assert_eq!(again, listed, "by the same ids");
        // A server that has forgotten and does not say so lists everything again.
        let operation = bench.operation("SyncFolderItems", "graph/delta");
        bench
            .exchange
            .script(Fault::next(operation, 1, FaultKind::StaleSyncStateFullListing));
        let (all, _, _) = bench.changes(&inbox, Some(state)).await;
        assert_eq!(all, listed);
    })
    .await;
}

#[tokio::test]
async fn faults_have_their_classes_and_pass() {
    let pause = Duration::from_secs(7);
    let later = |after| ErrorClass::Retry { after };
    Bench::each(async |bench| {
        bench.deliver(1);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let http = |status, retry_after| FaultKind::Http { status, retry_after };
        let mut faults = vec![
            (http(503, Some(pause)), later(Some(pause))),
            (http(503, None), later(None)),
            (http(429, Some(pause)), later(Some(pause))),
            (http(429, None), later(None)),
            (http(502, None), later(None)),
            (http(403, None), ErrorClass::Refused),
            (http(302, None), ErrorClass::Unreachable),
            (FaultKind::DropBeforeAnswer, ErrorClass::Unreachable),
            (FaultKind::TruncateBody, ErrorClass::Unreachable),
            (FaultKind::WrongContentLength, ErrorClass::Unreachable),
            (FaultKind::Slow(Duration::from_secs(5)), ErrorClass::Unreachable),
            (FaultKind::Garbage, ErrorClass::Malformed),
            (FaultKind::Html, ErrorClass::Unreachable),
        ];
        match bench.protocol {
            ExchangeProtocol::Ews => faults.extend([
                (FaultKind::SoapFaultBusy { backoff: Some(pause) }, later(Some(pause))),
                (FaultKind::MessageBusy { backoff: Some(pause) }, later(Some(pause))),
            ]),
            ExchangeProtocol::Graph => {
                let graph = |status, code| FaultKind::Graph {
                    status,
                    code,
                    retry_after: None,
                };
                faults.extend([
                    (graph(429, "ApplicationThrottled"), later(None)),
                    (graph(404, "MailboxNotEnabledForRESTAPI"), ErrorClass::Refused),
                    (graph(410, "resyncRequired"), ErrorClass::StateLost),
                    (graph(400, "SyncStateNotFound"), ErrorClass::StateLost),
                ]);
            }
        }
        let operation = bench.operation("SyncFolderItems", "graph/delta");
        for (kind, class) in faults {
            // Idle connections may be replaced once, so more than one request may fail.
            let count = if kind == FaultKind::DropBeforeAnswer { 2 } else { 1 };
            bench.exchange.script(Fault::next(operation, count, kind.clone()));
            let error = bench.mailbox.changes(&inbox, None).await.unwrap_err();
            assert_eq!(error.class, class, "{kind:?}: {error:?}");
            assert!(!error.problem.is_empty() && !error.problem.contains('{'), "{error:?}");
            bench.exchange.clear_script();
            bench.changes(&inbox, None).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    Bench::each(async |bench| {
        bench.exchange.set_tokens(Some(Arc::new(|token| by_anna(token, false))));
        assert_eq!(bench.mailbox.folders().await.unwrap().len(), 3);
        bench.exchange.set_tokens(Some(Arc::new(|_| None)));
        let error = bench.mailbox.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::LoginRequired, "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_servers_allow() {
    Bench::each(async |bench| {
        for number in 0..60 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let (ids, _, _) = bench.changes(&inbox, None).await;
        bench.exchange.clear_requests();
        let (first, rest) = ids.split_at(20);
        let (second, third) = rest.split_at(20);
        tokio::join!(bench.fetch(first), bench.fetch(second), bench.fetch(third));
        assert!(bench.exchange.peak_concurrency(ANNA) <= 4);
        assert!(bench.exchange.requests().iter().all(|request| request.status == Some(200)));
    })
    .await;
}

#[tokio::test]
async fn a_shared_mailbox_opens_for_who_may() {
    Bench::each(async |bench| {
        let shared = "cases@corp.test";
        bench.exchange.add_mailbox(shared, "nobody", "no password");
        bench
            .exchange
            .deliver(shared, FolderKind::Inbox, message(1), Timestamp::from_seconds(1));
        let mailbox = open(&bench.exchange, bench.protocol, Some(shared));
        let error = mailbox.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
        bench.exchange.grant(ANNA, shared);
        let folders = mailbox.folders().await.unwrap();
        assert_eq!(folders[0].total, Some(1));
        let unknown = open(&bench.exchange, bench.protocol, Some("nobody@corp.test"));
        let error = unknown.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_message_is_sent_once_to_all_and_kept() {
    Bench::each(async |bench| {
        for other in ["bert@corp.test", "cara@corp.test"] {
            bench.exchange.add_mailbox(other, other, "no password");
        }
        let sent = bench
            .mailbox
            .send(&outgoing(ANNA, &["bert@corp.test", "cara@corp.test"]))
            .await
            .unwrap();
        assert!(!sent.server_reply.is_empty());
        for reader in ["bert@corp.test", "cara@corp.test"] {
            let inbox = bench.exchange.items(reader, FolderKind::Inbox);
            assert_eq!(inbox.len(), 1, "{reader}");
            let raw = bench.exchange.raw(reader, &inbox[0].id).unwrap().unwrap();
            assert!(!String::from_utf8_lossy(&raw).contains("cara"), "she is hidden");
        }
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Sent).len(), 1);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);

        let refused = bench
            .mailbox
            .send(&outgoing("bert@corp.test", &["cara@corp.test"]))
            .await
            .unwrap_err();
        assert_eq!(refused.class, ErrorClass::Refused, "{refused:?}");
        assert!(refused.problem.contains("Send As"), "{refused:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 1);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0, "nothing is left behind");
    })
    .await;
}

#[tokio::test]
async fn what_became_of_a_message_is_known_or_said_not_to_be() {
    Bench::each(async |bench| {
        let send = bench.operation("CreateItem", "graph/send");
        let message = outgoing(ANNA, &["bert@corp.test"]);
        bench.exchange.script(Fault::next(send, 1, FaultKind::DropAfterWrite));
        // A draft can be asked what became of it; else the copy tells.
        let outcome = bench.mailbox.send(&message).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 1);
        // Nor can it be found out.
        let ask = bench.operation("FindItem", "graph/message");
        bench.exchange.script(Fault::next(send, 1, FaultKind::DropAfterWrite));
        bench.exchange.script(Fault::next(ask, 2, FaultKind::DropBeforeAnswer));
        let error = bench.mailbox.send(&message).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreachable);
        assert!(error.problem.contains("not known whether"), "{error:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 2);
        bench.exchange.clear_script();
        // Nothing was done, and nothing is left behind.
        bench.exchange.script(Fault::next(
            send,
            1,
            FaultKind::Http {
                status: 503,
                retry_after: None,
            },
        ));
        let error = bench.mailbox.send(&message).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry { after: None }, "{error:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 2);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);
    })
    .await;
}
