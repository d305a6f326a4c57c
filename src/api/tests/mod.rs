//! The edge as a whole: a port of its own, a temporary database, and a mailbox that is played. Here is that harness; the tests lie by
//! topic below.
//!
//! | module | tests |
//! |---|---|
//! | `calls` | what the calls of the services do |
//! | `edge` | the port: its stop, TLS, limits, browsers, plain HTTP, reflection |
//! | `anonymous` | limits for anonymous callers, malformed requests |

mod anonymous;
mod calls;
mod edge;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use mailagent_client::{Auth, Clients, v1};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

use super::{Callers, Edge, ServeError, serve};
use crate::{
    blobs::MemoryStore,
    config::{self, Config},
    crypto::{Claims, Ids, KeySource, LOCAL_ISSUER, LocalIssuer, Verifier},
    domain::{Clock, Scope, SystemClock},
    lifecycle::Lifecycle,
    net::{ProviderError, Stage, StageFacts, StageKind, StageReport},
    ops::{AnswerMemory, Journal, Keys, Limits, Ops, Preparation, Processor, ProcessorLimits},
    provider::{
        ChangePage, ExchangeLogin, ExchangeMailbox, Fetched, Folder, FolderRole, ItemId, MailConnector, MailSink, MailSource, Newest,
        OutgoingMessage, Sent, SmtpLogin,
    },
    store::{DatabaseLocation, Store},
    telemetry::Metrics,
};

const MAIL: &[u8] = b"From: Eva <eva@customer.example>\r\nTo: support@mail.example\r\nSubject: CS-0012345 pump\r\n\
    Message-ID: <1@customer.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nIt hums.\r\n";

/// A mailbox with one message about a case.
struct Mailbox;

impl MailConnector for Mailbox {
    fn exchange(&self, _: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        Ok(Arc::new(Self))
    }

    fn smtp(&self, _: SmtpLogin) -> Result<Arc<dyn MailSink>, ProviderError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl MailSource for Mailbox {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        Ok(vec![Folder {
            role: FolderRole::Inbox,
            id: "inbox".to_owned(),
            path: String::new(),
            total: Some(1),
        }])
    }

    async fn changes(&self, _: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        Ok(ChangePage {
            upserts: state.is_none().then(|| ItemId("item-1".to_owned())).into_iter().collect(),
            removals: Vec::new(),
            state: "read".to_owned(),
            last: true,
            ..ChangePage::default()
        })
    }

    async fn newest(&self, _: &Folder, _: u32) -> Result<Newest, ProviderError> {
        Ok(Newest::default())
    }

    async fn fetch(&self, ids: &[ItemId], _: u64) -> Result<Vec<Fetched>, ProviderError> {
        let message = Fetched::Message {
            raw: Bytes::from_static(MAIL),
            received: Some(SystemClock.now()),
        };
        Ok(vec![message; ids.len()])
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        Ok(vec![None; ids.len()])
    }

    async fn wait(&self, _: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        tokio::time::sleep(limit).await;
        Ok(())
    }
}

#[async_trait]
impl MailSink for Mailbox {
    async fn send(&self, _: &OutgoingMessage) -> Result<Sent, ProviderError> {
        Ok(Sent {
            server_reply: "250 2.0.0 Ok".to_owned(),
        })
    }

    async fn check(&self, _: Option<&OutgoingMessage>, report: StageReport<'_>) {
        report(Stage {
            kind: StageKind::Resolve,
            took: Duration::ZERO,
            outcome: Ok(StageFacts::default()),
        });
    }
}

struct Harness {
    edge: Edge,
    issuer: LocalIssuer,
    address: String,
    serving: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

impl Harness {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut config::Server)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer = LocalIssuer::load_or_create(&folder.path().join("issuer.pem")).unwrap();
        let clock = Arc::new(SystemClock);
        let lifecycle = Lifecycle::new();
        let location = DatabaseLocation::Sqlite(folder.path().join("mailagent.db"));
        let store = Store::open(&location, &crate::store::DatabaseLimits::default(), Metrics::default())
            .await
            .unwrap();
        let source = KeySource::File(folder.path().join("master.key"));
        let keys = Keys::open(&store, source, clock.clone()).await.unwrap();
        let ops = Ops {
            store,
            blobs: Arc::new(MemoryStore::new()),
            vault: keys.vault,
            sealer: keys.sealer,
            ids: Arc::new(Ids::new(clock.clone())),
            clock,
            connector: Arc::new(Mailbox),
            limits: Arc::new(Limits {
                max_message_bytes: 1 << 20,
                inline_bytes: 1 << 18,
                allow_http: false,
                allow_loopback: false,
                max_backoff: Duration::from_mins(1),
                bookmark_interval: Duration::from_secs(15),
            }),
            metrics: Metrics::default(),
            processor: Processor::new(
                ProcessorLimits {
                    at_once: ProcessorLimits::at_once_here(),
                    bytes: 64 << 20,
                    waiting: 10,
                },
                Metrics::default(),
            ),
            answers: Arc::new(AnswerMemory::new(64 << 20)),
            stopping: lifecycle.soft().clone(),
            locks: Arc::default(),
            known_logins: Arc::default(),
            agents_changed: Arc::default(),
            logins: Arc::default(),
            wakers: Arc::default(),
            logins_changed: Arc::default(),
            mail_to_link: Arc::default(),
            reads: Arc::default(),
            lifecycle: lifecycle.clone(),
            preparation: Arc::new(Preparation {
                journal: Journal::open(&folder.path().join("preparing"), "test").unwrap(),
                program: None,
            }),
        };
        let mut server = Config::default().server;
        change(&mut server);
        let tokens = Verifier::new("mailagent", Duration::from_secs(30)).with_local(&issuer);
        let edge = Edge {
            ops,
            callers: Arc::new(Callers::new(tokens, &[])),
            server,
            lifecycle,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(serve(edge.clone(), listener));
        Self {
            edge,
            issuer,
            address,
            serving,
            _folder: folder,
        }
    }

    fn token(&self, tenant: &str, scopes: &[Scope]) -> String {
        let now = SystemClock.now();
        let claims = Claims {
            iss: LOCAL_ISSUER.to_owned(),
            sub: "anna".to_owned(),
            tenant: tenant.into(),
            scope: scopes.to_vec(),
            aud: vec!["mailagent".to_owned()],
            exp: now.after(Duration::from_mins(10)),
            nbf: None,
            iat: now,
            jti: String::new(),
        };
        self.issuer.issue(&claims).unwrap()
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    async fn clients(&self, tenant: &str, scopes: &[Scope]) -> Clients {
        Clients::new(self.channel().await, Auth::new(&self.token(tenant, scopes)).unwrap())
    }

    /// Sends a request over HTTP/1.1 as it stands, and returns the whole answer.
    async fn http(&self, request: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{request}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Fills the directory and makes an agent whose mailbox has one message about its case.
    async fn furnish(&self, clients: &mut Clients) -> v1::Agent {
        let users = vec![v1::User {
            name: "users/anna".to_owned(),
            display_name: "Anna".to_owned(),
            ..v1::User::default()
        }];
        clients
            .directory
            .batch_upsert_users(v1::BatchUpsertUsersRequest { users })
            .await
            .unwrap();
        let customers = vec![v1::Customer {
            name: "customers/9".to_owned(),
            display_name: "Customer".to_owned(),
            revision: 1,
        }];
        let request = v1::BatchUpsertCustomersRequest { customers };
        clients.directory.batch_upsert_customers(request).await.unwrap();
        let contacts = vec![v1::Contact {
            name: "contacts/eva".to_owned(),
            customer: "customers/9".to_owned(),
            email_addresses: vec!["eva@customer.example".to_owned()],
            ..v1::Contact::default()
        }];
        let request = v1::BatchUpsertContactsRequest { contacts };
        clients.directory.batch_upsert_contacts(request).await.unwrap();
        let cases = vec![v1::Case {
            name: "cases/7".to_owned(),
            reference: "CS-0012345".to_owned(),
            customer: "customers/9".to_owned(),
            ..v1::Case::default()
        }];
        let written = clients
            .directory
            .batch_upsert_cases(v1::BatchUpsertCasesRequest { cases })
            .await
            .unwrap();
        let expected = v1::WriteResult {
            name: "cases/7".to_owned(),
            applied: true,
            stored_revision: 0,
        };
        assert_eq!(written.into_inner().results, [expected]);
        let request = v1::CreateAgentRequest {
            agent: Some(agent()),
            request_id: "r-1".to_owned(),
        };
        clients.agents.create_agent(request).await.unwrap().into_inner()
    }
}

fn agent() -> v1::Agent {
    v1::Agent {
        owner_user: "users/anna".to_owned(),
        kind: v1::AgentKind::ExchangeEws.into(),
        from_name: "Support".to_owned(),
        from_address: "support@mail.example".to_owned(),
        exchange: Some(v1::ExchangeSettings {
            endpoint: "https://mail.example/EWS/Exchange.asmx".to_owned(),
            username: "MAIL\\support".to_owned(),
            password: "correct horse".to_owned(),
            case_sweep: true,
            archive: Some(true),
            ..v1::ExchangeSettings::default()
        }),
        ..v1::Agent::default()
    }
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

fn violations(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let wrong = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    wrong.iter().map(|wrong| wrong.field.clone()).collect()
}
