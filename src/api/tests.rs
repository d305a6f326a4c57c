//! The edge as a whole: a port of its own, a temporary database, and a mailbox that is played.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{Request, header};
use mailagent_client::{Auth, Clients, v1};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;
use tower::ServiceExt;

use super::{Edge, ServeError, guard, serve};
use crate::{
    blobs::MemoryStore,
    config::{self, Config},
    crypto::{Claims, Ids, LOCAL_ISSUER, LocalIssuer, MasterKey},
    domain::{Clock, Scope, SystemClock},
    lifecycle::Lifecycle,
    ops::{KeyedLocks, Keys, Limits, Ops},
    provider::{ChangePage, ExchangeLogin, Fetched, Folder, FolderRole, ItemId, MailConnector, MailSource, ProviderError},
    store::{DatabaseLocation, Store},
    telemetry::Metrics,
};

const MAIL: &[u8] = b"From: Eva <eva@customer.example>\r\nTo: support@mail.example\r\nSubject: CS-0012345 pump\r\n\
    Message-ID: <1@customer.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nIt hums.\r\n";

/// A mailbox with one message about a case.
struct Mailbox;

impl MailConnector for Mailbox {
    fn exchange(&self, _: ExchangeLogin) -> Result<Arc<dyn MailSource>, ProviderError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl MailSource for Mailbox {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        Ok(vec![Folder {
            role: FolderRole::Inbox,
            id: "inbox".to_owned(),
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

    async fn fetch(&self, ids: &[ItemId], _: u64) -> Result<Vec<Fetched>, ProviderError> {
        let message = Fetched::Message {
            raw: Bytes::from_static(MAIL),
            received: Some(SystemClock.now()),
        };
        Ok(vec![message; ids.len()])
    }

    async fn wait(&self, _: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        tokio::time::sleep(limit).await;
        Ok(())
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
        let keys = Keys::new(MasterKey::from_bytes([7; 32]));
        let location = DatabaseLocation::Sqlite(folder.path().join("mailagent.db"));
        let ops = Ops {
            store: Store::open(&location, 4).await.unwrap(),
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
                max_backoff: Duration::from_secs(60),
                bookmark_interval: Duration::from_secs(15),
            }),
            metrics: Metrics::default(),
            stopping: lifecycle.soft().clone(),
            mailbox_locks: Arc::new(KeyedLocks::default()),
            agents_changed: Arc::default(),
        };
        let mut server = Config::default().server;
        change(&mut server);
        let edge = Edge {
            ops,
            verifier: Arc::new(issuer.verifier("mailagent")),
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
            tenant: tenant.to_owned(),
            scope: scopes.to_vec(),
            aud: vec!["mailagent".to_owned()],
            exp: now.after(Duration::from_secs(600)),
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

#[tokio::test]
async fn a_message_becomes_a_note_and_is_streamed() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let agent = t.furnish(&mut clients).await;
    let exchange = agent.exchange.clone().unwrap();
    assert_eq!(
        (exchange.password.as_str(), exchange.password_set, exchange.archive),
        ("", true, Some(true))
    );

    let request = v1::SweepAgentRequest { name: agent.name.clone() };
    let mut progress = clients.sweep.sweep_agent(request).await.unwrap().into_inner();
    let mut last = None;
    while let Some(response) = progress.message().await.unwrap() {
        last = Some(response);
    }
    let expected = v1::SweepAgentResponse {
        handled_count: 1,
        matched_count: 1,
        archived_count: 1,
        done: true,
        problem: String::new(),
    };
    assert_eq!(last, Some(expected));

    let request = v1::WatchMatchesRequest {
        cursor: "EARLIEST".to_owned(),
        filter: None,
    };
    let mut matches = clients.sweep.watch_matches(request).await.unwrap().into_inner();
    let bookmark = matches.message().await.unwrap().unwrap();
    assert_eq!(bookmark.r#match, None);
    let delivery = matches.message().await.unwrap().unwrap();
    let note = delivery.r#match.unwrap().note.unwrap();
    assert_eq!((note.case.as_str(), note.contact.as_str()), ("cases/7", "contacts/eva"));
    assert_eq!(note.text.trim(), "It hums.");

    let mut messages = clients
        .archive
        .stream_messages(v1::StreamMessagesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(messages.message().await.unwrap().unwrap().message, None);
    let message = messages.message().await.unwrap().unwrap().message.unwrap();
    assert_eq!(message.customers[0].customer, "customers/9");
    assert_eq!(message.agents, [agent.name]);

    // A cursor of one stream is not one of another.
    let request = v1::StreamMessagesRequest {
        cursor: delivery.cursor,
        filter: None,
    };
    let status = clients.archive.stream_messages(request).await.unwrap_err();
    assert_eq!(
        (status.code(), violations(&status)),
        (Code::InvalidArgument, vec!["cursor".to_owned()])
    );

    let request = v1::DownloadMessageRequest {
        name: message.name.clone(),
        offset_bytes: 6,
    };
    let mut download = clients.archive.download_message(request).await.unwrap().into_inner();
    let header = download.message().await.unwrap().unwrap().header.unwrap();
    assert_eq!((header.size_bytes, &header.sha256), (MAIL.len() as i64, &message.sha256));
    let mut bytes = Vec::new();
    while let Some(piece) = download.message().await.unwrap() {
        assert_eq!(piece.offset_bytes, 6 + bytes.len() as i64);
        bytes.extend(piece.data);
    }
    assert_eq!(bytes, &MAIL[6..]);

    let request = v1::GetMessageRequest {
        name: message.name,
        view: v1::MessageView::Full.into(),
    };
    let content = clients.archive.get_message(request).await.unwrap().into_inner().content.unwrap();
    assert_eq!(content.text.trim(), "It hums.");
}

#[tokio::test]
async fn a_sweep_that_cannot_be_done_says_why() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let agent = t.furnish(&mut clients).await;
    let mut update = async |agent: v1::Agent, path: &str| {
        let request = v1::UpdateAgentRequest {
            agent: Some(agent),
            update_mask: Some(prost_types::FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        clients.agents.update_agent(request).await.unwrap().into_inner()
    };
    let changed = v1::Agent {
        name: agent.name.clone(),
        disabled: true,
        ..v1::Agent::default()
    };
    let sweep = v1::SweepAgentRequest { name: agent.name.clone() };
    update(changed.clone(), "exchange.password").await;
    let mut progress = clients.sweep.sweep_agent(sweep.clone()).await.unwrap().into_inner();
    let last = progress.message().await.unwrap().unwrap();
    assert!(!last.done && last.problem.contains("No password is stored"), "{last:?}");
    assert_eq!(progress.message().await.unwrap(), None);
    update(changed, "disabled").await;
    let status = clients.sweep.sweep_agent(sweep).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "AGENT_NOT_ACTIVE")
    );
    assert_eq!(
        status.get_error_details().precondition_failure().unwrap().violations[0].subject,
        agent.name
    );
}

#[tokio::test]
async fn agents_are_changed_by_mask() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let created = t.furnish(&mut clients).await;
    let mut update = async |agent: v1::Agent, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateAgentRequest {
            agent: Some(v1::Agent {
                name: created.name.clone(),
                ..agent
            }),
            update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
        };
        clients.agents.update_agent(request).await.map(tonic::Response::into_inner)
    };

    // Writing back what was read changes nothing but the etag, whatever the mask.
    for paths in [&[][..], &["*"], &["exchange"]] {
        let same = update(
            v1::Agent {
                etag: String::new(),
                ..created.clone()
            },
            paths,
        )
        .await
        .unwrap();
        let expected = v1::Agent {
            etag: same.etag.clone(),
            update_time: same.update_time,
            ..created.clone()
        };
        assert_eq!(same, expected, "{paths:?}");
    }
    let paused = v1::Agent {
        disabled: true,
        ..v1::Agent::default()
    };
    let paused = update(paused, &["disabled"]).await.unwrap();
    assert_eq!(paused.health.unwrap().state, i32::from(v1::AgentHealthState::Disabled));
    assert_eq!(paused.from_name, "Support");
    let erased = update(v1::Agent::default(), &["exchange.password"]).await.unwrap();
    assert!(!erased.exchange.unwrap().password_set);

    let status = update(v1::Agent::default(), &["colour", "from_name", "kind"]).await.unwrap_err();
    assert_eq!(violations(&status), ["update_mask", "agent.kind", "agent.from_name"]);
    let stale = v1::Agent {
        etag: "AAAAAAAAAAAA".to_owned(),
        ..v1::Agent::default()
    };
    assert_eq!(reason(&update(stale, &["disabled"]).await.unwrap_err()), "ETAG_MISMATCH");
}

#[tokio::test]
async fn settings_are_changed_by_mask() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", &[Scope::TenantAdmin]).await;
    let mut update = async |settings: v1::TenantSettings, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
        };
        clients
            .settings
            .update_tenant_settings(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let changed = v1::TenantSettings {
        internal_domains: vec!["Ours.example".to_owned()],
        loop_limit_per_sender: Some(0),
        ..v1::TenantSettings::default()
    };
    let changed = update(changed, &[]).await.unwrap();
    assert_eq!(changed.internal_domains, ["ours.example"]);
    assert_eq!(
        (changed.loop_limit_per_sender_and_case, changed.loop_limit_per_sender),
        (Some(20), Some(0))
    );
    let reset = update(v1::TenantSettings::default(), &["loop_limit_per_sender"]).await.unwrap();
    assert_eq!((reset.loop_limit_per_sender, reset.internal_domains.len()), (Some(200), 1));
    let wrong = v1::TenantSettings {
        sender_check: 7,
        ..v1::TenantSettings::default()
    };
    let status = update(wrong, &["case_reference_format.prefix"]).await.unwrap_err();
    assert_eq!(violations(&status), ["update_mask", "tenant_settings.sender_check"]);
}

#[tokio::test]
async fn callers_see_what_they_may() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let created = t.furnish(&mut clients).await;
    let request = v1::GetAgentRequest {
        name: created.name.clone(),
    };

    let mut reader = t.clients("acme", &[Scope::AgentRead]).await;
    let seen = reader.agents.get_agent(request.clone()).await.unwrap().into_inner();
    assert_eq!(seen.exchange.unwrap().archive, None, "archive.configure is missing");
    let status = reader.sweep.list_notes(v1::ListNotesRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["scope"], "sweep.read");

    let mut stranger = t.clients("other", Scope::ALL).await;
    let status = stranger.agents.get_agent(request.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
    assert_eq!(status.get_error_details().resource_info().unwrap().resource_name, created.name);

    for token in ["", "secretsecret"] {
        let mut unknown = Clients::new(t.channel().await, Auth::new(token).unwrap());
        let status = unknown.agents.get_agent(request.clone()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
        assert!(!status.message().contains("secret"), "{}", status.message());
    }
    let mut again = agent();
    again.name = "agents/mine".to_owned();
    again.kind = 0;
    again.owner_user = "anna".to_owned();
    let request = v1::CreateAgentRequest {
        agent: Some(again),
        request_id: "r 2".to_owned(),
    };
    let status = clients.agents.create_agent(request).await.unwrap_err();
    assert_eq!(violations(&status), ["agent.name", "agent.kind", "request_id", "agent.owner_user"]);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", Scope::ALL).await;
    let users = (0..5).map(|number| v1::User {
        name: format!("users/u{number}"),
        display_name: "Somebody".to_owned(),
        ..v1::User::default()
    });
    let request = v1::BatchUpsertUsersRequest { users: users.collect() };
    clients.directory.batch_upsert_users(request).await.unwrap();
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListUsersRequest { page_size: 2, page_token };
        let page = clients.directory.list_users(request).await.unwrap().into_inner();
        names.extend(page.users.into_iter().map(|user| user.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let foreign = v1::ListContactsRequest {
            page_token: page_token.clone(),
            ..v1::ListContactsRequest::default()
        };
        let status = clients.directory.list_contacts(foreign).await.unwrap_err();
        assert_eq!(
            (reason(&status).as_str(), violations(&status)),
            ("PAGE_TOKEN_INVALID", vec!["page_token".to_owned()])
        );
    }
    assert_eq!(names, ["users/u0", "users/u1", "users/u2", "users/u3", "users/u4"]);

    let users = ["u1", "users/", "customers/1"].map(|name| v1::User {
        name: name.to_owned(),
        display_name: "Somebody".to_owned(),
        ..v1::User::default()
    });
    let request = v1::BatchUpsertUsersRequest { users: users.to_vec() };
    let status = clients.directory.batch_upsert_users(request).await.unwrap_err();
    assert_eq!(violations(&status), ["users[0].name", "users[1].name", "users[2].name"]);
}

#[tokio::test]
async fn a_caller_has_a_limited_number_of_streams() {
    let t = Harness::with(|server| server.max_streams_per_caller = 1).await;
    let mut clients = t.clients("acme", &[Scope::SweepRead]).await;
    let first = clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap();
    let status = clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_STREAMS")
    );
    assert_eq!(
        status.get_error_details().quota_failure().unwrap().violations[0].subject,
        "tenant:acme user:anna"
    );
    let mut other = t.clients("other", &[Scope::SweepRead]).await;
    other.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap();
    drop(first);
    // The service learns of it a moment later.
    let again = tokio::time::timeout(Duration::from_secs(10), async {
        while clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(again.await.is_ok(), "the stream still counts");
}

#[tokio::test]
async fn a_stop_ends_streams_and_the_port() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", &[Scope::SweepRead]).await;
    let mut matches = clients
        .sweep
        .watch_matches(v1::WatchMatchesRequest::default())
        .await
        .unwrap()
        .into_inner();
    matches.message().await.unwrap().unwrap();
    let request = HealthCheckRequest {
        service: "mailagent.v1.SweepService".to_owned(),
    };
    let mut health = HealthClient::new(t.channel().await).watch(request).await.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status, 1);
    assert!(t.http("GET /readyz HTTP/1.1", b"").await.starts_with("HTTP/1.1 200 "));

    t.edge.lifecycle.request_stop();
    let status = matches.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(health.message().await.unwrap().unwrap().status, 2, "not serving");
    assert_eq!(health.message().await.unwrap_err().code(), Code::Unavailable);
    t.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_peer_does_not_hold_the_port() {
    let t = Harness::new().await;
    // A connection that says nothing after its beginning.
    let mut silent = TcpStream::connect(&t.address).await.unwrap();
    silent
        .write_all(b"POST /mailagent.v1.SweepService/WatchMatches HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert!(t.http("GET /healthz HTTP/1.1", b"").await.ends_with("ok\n"));
    let stopped = t.edge.lifecycle.stop(Duration::from_millis(50)).await;
    assert_eq!(stopped.exit_code(), 0);
    let ended = tokio::time::timeout(Duration::from_secs(10), t.serving).await;
    ended.expect("the hard token ends it").unwrap().unwrap();
}

#[tokio::test]
async fn plain_http_is_answered() {
    let t = Harness::new().await;
    let check = async |request: &str, status: &str, body: &str| {
        let answer = t.http(request, b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(body), "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
    };
    check("GET /healthz HTTP/1.1", "200", "\r\n\r\nok\n").await;
    check("GET /readyz HTTP/1.1", "200", "\r\n\r\nok\n").await;
    check("GET / HTTP/1.1", "200", concat!("mailagent ", env!("CARGO_PKG_VERSION"))).await;
    check("GET /metrics HTTP/1.1", "404", "There is nothing here.").await;
    check("GET /healthz HTTP/1.1\r\nX-Request-Id: crm-42", "200", "x-request-id: crm-42\r\n").await;
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_call() {
    let t = Harness::new().await;
    let preflight = "OPTIONS /mailagent.v1.AgentService/GetAgent HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: authorization,content-type,x-grpc-web\r\nOrigin: ";
    let answer = t.http(&format!("{preflight}http://localhost:8080"), b"").await;
    assert!(
        answer.contains("access-control-allow-origin: http://localhost:8080\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("access-control-allow-headers: authorization,content-type,x-grpc-web\r\n"),
        "{answer}"
    );
    let answer = t.http(&format!("{preflight}https://elsewhere.example"), b"").await;
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");

    // A call in grpc-web: an empty message in one frame.
    let call = |path: &str, token: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\nOrigin: http://localhost:8080\r\nAuthorization: Bearer {token}"
        )
    };
    let token = t.token("acme", &[Scope::TenantAdmin]);
    let path = "/mailagent.v1.SettingsService/GetTenantSettings";
    let answer = t.http(&call(path, &token), &[0; 5]).await;
    assert!(answer.contains("tenantSettings") && answer.contains("grpc-status:0"), "{answer}");
    let exposed = answer
        .lines()
        .find(|line| line.starts_with("access-control-expose-headers:"))
        .unwrap_or_default();
    for header in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"] {
        assert!(exposed.contains(header), "{exposed}");
    }
    let answer = t.http(&call(path, "rubbish"), &[0; 5]).await;
    assert!(
        answer.contains("grpc-status: 16\r\n") && answer.contains("grpc-status-details-bin: "),
        "{answer}"
    );
    for path in ["/mailagent.v1.SettingsService/Nothing", "/mailagent.v1.Nothing/Get"] {
        let answer = t.http(&call(path, &token), &[0; 5]).await;
        assert!(answer.contains("grpc-status: 12\r\n"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn slow_and_panicking_calls_end_with_a_status() {
    let t = Harness::with(|server| server.call_timeout = Duration::from_millis(20)).await;
    let router = Router::new()
        .route("/mailagent.v1.AgentService/GetAgent", any(std::future::pending::<()>))
        .route(
            "/mailagent.v1.AgentService/ListAgents",
            any(async || -> () { panic!("a panic of the test") }),
        )
        .layer(axum::middleware::from_fn_with_state(
            guard::Guard::new(&t.edge, t.edge.lifecycle.soft().clone()),
            guard::guard,
        ));
    let check = async |method: &str, code: Code, wanted: &str| {
        let request = Request::post(format!("/mailagent.v1.AgentService/{method}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", t.token("acme", &[Scope::AgentRead])))
            .body(Body::empty())
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (code, wanted));
        assert!(!status.message().contains("test"));
    };
    check("GetAgent", Code::DeadlineExceeded, "CALL_TIMED_OUT").await;
    check("ListAgents", Code::Internal, "INTERNAL_FAULT").await;
    t.edge.lifecycle.request_stop();
    t.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_port_speaks_tls_when_it_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let tls = config::Tls {
        certificate_file: certificate_file.clone(),
        key_file: key_file.clone(),
    };
    let without_files = Harness::with(|server| server.tls = Some(tls.clone())).await;
    let error = without_files.serving.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::CertificateFile { path, .. } if path == certificate_file));

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    let t = Harness::with(|server| server.tls = Some(tls)).await;
    let trusted = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(made.cert.pem()))
        .domain_name("localhost");
    let endpoint = Channel::from_shared(format!("https://{}", t.address)).unwrap();
    let channel = endpoint.tls_config(trusted).unwrap().connect().await.unwrap();
    let mut clients = Clients::new(channel, Auth::new(&t.token("acme", &[Scope::TenantAdmin])).unwrap());
    let settings = clients.settings.get_tenant_settings(v1::GetTenantSettingsRequest {}).await.unwrap();
    assert_eq!(settings.into_inner().name, "tenantSettings");
}

#[tokio::test]
async fn reflection_describes_the_services_in_both_versions() {
    let t = Harness::new().await;
    let channel = t.channel().await;
    let wanted = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(wanted))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    for service in super::auth::services().chain(["grpc.health.v1.Health"]) {
        assert!(answer.contains(service), "{answer}");
    }
    let wanted = tonic_reflection::pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol("mailagent.v1.Agent".to_owned()),
        ),
    };
    let mut client = tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client
        .server_reflection_info(tokio_stream::once(wanted))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap().message_response);
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");
}
