//! The contract of every protocol, run on the simulated server over EWS and over Graph, with original bytes and with regenerated MIME.
//! What concerns reading holds with and without somebody who waits for changes beside it.
//!
//! | module | holds |
//! |---|---|
//! | `reading` | folders, changes, whole messages |
//! | `faults` | what faults of a server are taken for |
//! | `complete` | after any fault at any operation, all is read in the end |
//! | `push` | who waits is woken |
//! | `sending` | messages the other way |

#![expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "small counts")]

mod complete;
mod faults;
mod push;
mod reading;
mod sending;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mailagent_sim::{
    MimeMode,
    entra::TokenHolder,
    exchange::{Exchange, FolderKind},
};
use tokio::task::JoinHandle;

use self::push::Receiver;
use super::{
    AccessTokens, BudgetLimits, Budgets, CheckSchedule, Credentials, DiscoveryRules, Endpoint, ExchangeLogin, ExchangeMailbox,
    ExchangeProtocol, Fetched, Folder, FolderRole, ItemId, MailConnector, NetworkConnector, OutgoingMessage, SmtpConfig,
};
use crate::{
    crypto::Secret,
    domain::Timestamp,
    net::{EndpointRules, Network, NetworkConfig, ProviderError},
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
    /// Where the server calls, with push over Graph.
    receiver: Option<Receiver>,
    /// Who waits for changes all the time, with push.
    waiting: Option<JoinHandle<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.abort();
        }
    }
}

impl Bench {
    /// The mailbox of anna, with a token of hers.
    async fn new(protocol: ExchangeProtocol, mode: MimeMode, push: bool) -> Self {
        let exchange = Exchange::builder().mode(mode).tokens(Arc::new(|token| by_anna(token, true)));
        let exchange = exchange.start().await.unwrap();
        exchange.add_mailbox(ANNA, ANNA, "no password");
        let receiver = match (protocol, push) {
            (ExchangeProtocol::Graph, true) => Some(Receiver::start().await),
            _ => None,
        };
        let mailbox = open(&exchange, protocol, None, receiver.as_ref());
        Self {
            exchange,
            mailbox,
            protocol,
            receiver,
            waiting: None,
        }
    }

    /// Runs a test over both protocols, in both modes.
    async fn each(test: impl AsyncFn(&Bench)) {
        for protocol in [ExchangeProtocol::Ews, ExchangeProtocol::Graph] {
            for mode in MODES {
                println!("{protocol:?}, {mode:?}");
                let bench = Self::new(protocol, mode, false).await;
                test(&bench).await;
                bench.exchange.stop().await;
            }
        }
    }

    /// The same, and then with somebody who waits for changes all the while.
    async fn each_with_push(test: impl AsyncFn(&Bench)) {
        Self::each(&test).await;
        for protocol in [ExchangeProtocol::Ews, ExchangeProtocol::Graph] {
            for mode in MODES {
                println!("{protocol:?}, {mode:?}, with push");
                let mut bench = Self::new(protocol, mode, true).await;
                bench.wait_beside().await;
                test(&bench).await;
                let ended = bench.waiting.as_ref().is_some_and(JoinHandle::is_finished);
                assert!(!ended, "who waits fares well");
                bench.exchange.stop().await;
            }
        }
    }

    /// Lets somebody wait for changes of both folders, over and over.
    async fn wait_beside(&mut self) {
        let folders = self.mailbox.folders().await.unwrap();
        let mailbox = self.mailbox.clone();
        self.waiting = Some(tokio::spawn(async move {
            loop {
                if mailbox.wait(&folders, Duration::from_secs(1)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }));
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
    async fn changes(&self, folder: &Folder, mut state: Option<String>) -> Changed {
        let (mut upserts, mut removals) = (Vec::new(), Vec::new());
        loop {
            let page = self.mailbox.changes(folder, state.as_deref()).await.unwrap();
            upserts.extend(page.upserts);
            removals.extend(page.removals);
            if page.last {
                return Changed {
                    upserts,
                    removals,
                    state: page.state,
                };
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

/// What changed in a folder.
struct Changed {
    upserts: Vec<ItemId>,
    removals: Vec<ItemId>,
    /// The folder's state after it.
    state: String,
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

fn open(exchange: &Exchange, protocol: ExchangeProtocol, mailbox: Option<&str>, receiver: Option<&Receiver>) -> Arc<dyn ExchangeMailbox> {
    let connector = NetworkConnector {
        network: Network::new(NetworkConfig {
            allow_loopback: true,
            connect_timeout: Duration::from_secs(5),
            root_certificates: Vec::new(),
            ..NetworkConfig::default()
        }),
        request_timeout: Duration::from_secs(3),
        looks: CheckSchedule {
            times: 5,
            pause: Duration::from_millis(10),
        },
        max_message_bytes: LIMIT,
        budgets: Arc::new(Budgets::new(BudgetLimits {
            per_mailbox: 4,
            per_application: 100,
            graph_in_ten_minutes: 10_000,
            longest_pause: Duration::ZERO,
        })),
        streams: Arc::default(),
        discovery: DiscoveryRules::default(),
        fetch_batch: 10,
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
        owner: "acme".to_owned(),
        credentials: Credentials::Token {
            username: ANNA.to_owned(),
            tokens: Arc::new(Tokens),
        },
        mailbox: mailbox.map(str::to_owned),
        impersonate: false,
        rules: EndpointRules::default(),
        push: receiver.map(Receiver::push),
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
