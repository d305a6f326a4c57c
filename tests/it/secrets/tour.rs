//! What the service is taken through.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use mailagent::testing::domain::{Clock, Scope, SystemClock};
use mailagent_client::{
    EARLIEST,
    v1::{
        AcknowledgeStorageTermsRequest, Agent, AgentKind, AuthenticationState, BatchUpsertCasesRequest, BatchUpsertContactsRequest,
        BatchUpsertCustomersRequest, BatchUpsertUsersRequest, BeginLoginRequest, BeginLoginResponse, Case, CheckAgentRequest,
        CompleteLoginRequest, ConnectionType, CreateAgentRequest, CreateMaintenanceAccountRequest, Customer, DeleteAgentRequest,
        ExchangeSettings, GetAgentRequest, ListAgentsRequest, ListAgentsResponse, ListAuditEntriesRequest, ListAuditEntriesResponse,
        ListNotesRequest, ListNotesResponse, MaintenanceAccount, SmtpAuthentication, SmtpSecurity, SmtpSettings, StreamMessagesRequest,
        StreamMessagesResponse, SweepAgentRequest, SweepOptions, TenantSettings, TestAgentRequest, UpdateAgentRequest,
        UpdateMaintenanceAccountRequest, UpdateTenantSettingsRequest, WatchChangesRequest, WatchChangesResponse, WatchMatchesRequest,
        WatchMatchesResponse, WatchTokensRequest, WatchTokensResponse,
    },
};
use mailagent_sim::{
    entra::TokenFault,
    exchange::{Exchange, FolderKind},
};
use prost::Message;
use prost_types::FieldMask;
use tonic::{Code, Status};

use super::{
    evidence::Evidence,
    plant::Planted,
    service::{EchoServers, Platform},
    token,
    wire::{Caller, filled_requests},
};
use crate::harness::{Mail, PATIENCE, contact, eventually, http1, user};

/// Who sends mail by a login at the platform.
const SENDER: &str = "sender@example.com";

/// Whose secrets are planted.
pub struct Tour {
    data: PathBuf,
    url: String,
    beacon: String,
    planted: Arc<Planted>,
    evidence: Arc<Evidence>,
    caller: Caller,
    exchange: Exchange,
    platform: Platform,
    echo: EchoServers,
    /// The password of anna's mailbox, once it was changed.
    password: String,
}

/// The service that is toured.
pub struct Visited<'a> {
    pub address: SocketAddr,
    pub data: &'a Path,
    /// A word that must be found wherever secrets are searched for.
    pub beacon: &'a str,
}

impl Tour {
    pub async fn new(visited: Visited<'_>, platform: Platform, planted: &Arc<Planted>, evidence: &Arc<Evidence>) -> Self {
        let Visited { address, data, beacon } = visited;
        let url = format!("http://{address}");
        platform.serve(address, SENDER);
        let bearer = format!("Bearer {}", token(data, beacon, Scope::ALL, planted));
        Self {
            caller: Caller::new(&url, &bearer, evidence).await,
            data: data.to_owned(),
            url,
            beacon: beacon.to_owned(),
            planted: planted.clone(),
            evidence: evidence.clone(),
            exchange: Exchange::builder().start().await.expect("a port is free"),
            platform,
            echo: EchoServers::start().await,
            password: planted.secret("right password"),
        }
    }

    /// The whole tour.
    pub async fn walk(&self) {
        self.directory().await;
        self.agents().await;
        self.logins().await;
        self.oauth().await;
        self.sweep().await;
        self.refusals().await;
        self.strangers().await;
        self.plain_http().await;
        self.read_all().await;
    }

    /// What can be seen of it later.
    pub async fn walk_again(&self) {
        let caller = Caller::new(&self.url, "", &self.evidence).await;
        let refused = caller.call::<Agent>("AgentService/GetAgent", &GetAgentRequest::default()).await;
        assert_eq!(refused.expect_err("there is no token").code(), Code::Unauthenticated);
        self.sweep().await;
        self.read_all().await;
    }

    async fn directory(&self) {
        let caller = &self.caller;
        let settings = TenantSettings {
            internal_domains: vec!["example.com".to_owned()],
            allow_private_networks: true,
            allow_unencrypted_smtp: true,
            ..TenantSettings::default()
        };
        let update = UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: None,
        };
        let done = caller.call::<TenantSettings>("SettingsService/UpdateTenantSettings", &update).await;
        done.expect("the settings are changed");
        let done = caller
            .call::<TenantSettings>("SettingsService/AcknowledgeStorageTerms", &AcknowledgeStorageTermsRequest {})
            .await;
        done.expect("the terms are accepted");
        let users = vec![user("anna", &["anna@example.com"]), user("bert", &["bert@example.com"])];
        self.done("DirectoryService/BatchUpsertUsers", &BatchUpsertUsersRequest { users })
            .await;
        let customers = vec![Customer {
            name: "customers/oak".to_owned(),
            display_name: self.beacon.clone(),
            revision: 1,
        }];
        self.done("DirectoryService/BatchUpsertCustomers", &BatchUpsertCustomersRequest { customers })
            .await;
        let contacts = vec![contact("eva", "oak", &["eva@oak.example"])];
        self.done("DirectoryService/BatchUpsertContacts", &BatchUpsertContactsRequest { contacts })
            .await;
        let cases = vec![Case {
            name: "cases/oak".to_owned(),
            reference: "CS-0000001".to_owned(),
            customer: "customers/oak".to_owned(),
            title: self.beacon.clone(),
            revision: 1,
        }];
        self.done("DirectoryService/BatchUpsertCases", &BatchUpsertCasesRequest { cases })
            .await;
    }

    /// A call that must go well and whose answer does not matter here.
    async fn done(&self, method: &str, request: &impl Message) {
        let done = self.caller.call::<()>(method, request).await;
        done.unwrap_or_else(|status| panic!("{method}: {status:?}"));
    }

    fn agent(&self, address: &str, password: &str) -> Agent {
        Agent {
            owner_user: "users/anna".to_owned(),
            kind: AgentKind::ExchangeEws.into(),
            from_name: self.beacon.clone(),
            from_address: address.to_owned(),
            exchange: Some(ExchangeSettings {
                endpoint: self.exchange.endpoint().into(),
                username: address.to_owned(),
                password: password.to_owned(),
                case_sweep: true,
                archive: Some(true),
                sweep_options: Some(SweepOptions {
                    create_non_matching_contacts: true,
                    keep_full_message: true,
                }),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        }
    }

    async fn create(&self, agent: Agent, request_id: &str) -> Result<Agent, Status> {
        let request = CreateAgentRequest {
            agent: Some(agent),
            request_id: request_id.to_owned(),
        };
        self.caller.call("AgentService/CreateAgent", &request).await
    }

    /// Changes an agent by the paths that are named.
    async fn update(&self, agent: Agent, paths: &[&str]) -> Result<Agent, Status> {
        let request = UpdateAgentRequest {
            agent: Some(agent),
            update_mask: Some(FieldMask {
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            }),
        };
        self.caller.call("AgentService/UpdateAgent", &request).await
    }

    /// Agents are created, repeated, changed and deleted, with passwords that come and go.
    async fn agents(&self) {
        let first = self.planted.secret("first password");
        self.exchange.add_mailbox("anna@example.com", "anna@example.com", &first);
        let agent = self.agent("anna@example.com", &first);
        let created = self.create(agent.clone(), "once").await.expect("the agent is created");
        let again = self.create(agent.clone(), "once").await.expect("a repeat is answered");
        assert_eq!(again.name, created.name);
        let mut other = agent.clone();
        exchange_of(&mut other).password = self.planted.secret("password of a repeat");
        let refused = self.create(other, "once").await.expect_err("it is another request");
        assert_eq!(refused.code(), Code::AlreadyExists);

        // Too early, too late, for another server, and as it should be.
        let mut changed = Agent {
            name: created.name.clone(),
            etag: "stale".to_owned(),
            exchange: Some(ExchangeSettings {
                password: self.planted.secret("password of a stale update"),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        };
        let refused = self
            .update(changed.clone(), &["exchange.password"])
            .await
            .expect_err("the etag is stale");
        assert_eq!(refused.code(), Code::Aborted);
        changed.etag = String::new();
        exchange_of(&mut changed).endpoint = "https://elsewhere.example/EWS/Exchange.asmx".to_owned();
        let refused = self
            .update(changed.clone(), &["exchange.endpoint"])
            .await
            .expect_err("the password is missing");
        assert_eq!(refused.code(), Code::InvalidArgument);
        exchange_of(&mut changed).password.clone_from(&self.password);
        self.exchange.set_password("anna@example.com", &self.password);
        let updated = self.update(changed, &["exchange.password"]).await.expect("the password is changed");
        assert!(updated.exchange.is_some_and(|exchange| exchange.password_set));

        let gone = self.agent("gone@example.com", &self.planted.secret("password of a deleted agent"));
        let gone = self.create(gone, "").await.expect("the agent is created");
        let request = DeleteAgentRequest {
            name: gone.name,
            etag: String::new(),
        };
        self.done("AgentService/DeleteAgent", &request).await;
        let mut smtp = self.smtp_agent("anna@example.com", SmtpAuthentication::Password);
        let settings = smtp.smtp.as_mut().expect("it has them");
        settings.username.clone_from(&self.beacon);
        settings.password = self.planted.secret("SMTP password");
        self.create(smtp, "").await.expect("the agent is created");
    }

    /// An agent at the server that repeats logins.
    fn smtp_agent(&self, address: &str, authentication: SmtpAuthentication) -> Agent {
        Agent {
            owner_user: "users/anna".to_owned(),
            kind: AgentKind::Smtp.into(),
            from_name: self.beacon.clone(),
            from_address: address.to_owned(),
            smtp: Some(SmtpSettings {
                host: "127.0.0.1".to_owned(),
                port: self.echo.smtp.port().into(),
                security: SmtpSecurity::None.into(),
                authentication: authentication.into(),
                ..SmtpSettings::default()
            }),
            ..Agent::default()
        }
    }

    /// Logins that are refused, by servers that keep quiet and by one that repeats them; and one through a maintenance account.
    async fn logins(&self) {
        self.exchange.add_mailbox("bert@example.com", "bert@example.com", "another");
        let wrong = self.agent("bert@example.com", &self.planted.secret("wrong password"));
        let wrong = self.create(wrong, "").await.expect("the agent is created");
        let mut repeated = self.agent("echo@example.com", &self.planted.secret("password that a server repeats"));
        exchange_of(&mut repeated).endpoint.clone_from(&self.echo.url);
        let repeated = self.create(repeated, "").await.expect("the agent is created");

        self.exchange.add_maintenance_account("service@example.com", "another");
        self.exchange.add_mailbox("carl@example.com", "carl@example.com", "another");
        let account = CreateMaintenanceAccountRequest {
            maintenance_account: Some(MaintenanceAccount {
                display_name: self.beacon.clone(),
                kind: AgentKind::ExchangeEws.into(),
                endpoint: self.exchange.endpoint().into(),
                username: "service@example.com".to_owned(),
                password: self.planted.secret("wrong password of a maintenance account"),
                ..MaintenanceAccount::default()
            }),
            request_id: "account".to_owned(),
        };
        let account: MaintenanceAccount = self
            .caller
            .call("AgentService/CreateMaintenanceAccount", &account)
            .await
            .expect("the account is created");
        let mut through = self.agent("carl@example.com", "");
        let exchange = exchange_of(&mut through);
        exchange.username.clear();
        exchange.endpoint.clear();
        exchange.connection_type = ConnectionType::MaintenanceAccount.into();
        exchange.maintenance_account.clone_from(&account.name);
        let through = self.create(through, "").await.expect("the agent is created");
        for name in [&wrong.name, &repeated.name, &through.name] {
            self.until(name, "has a problem", |agent| {
                !agent.health.as_ref().is_some_and(|health| health.problem.is_empty())
            })
            .await;
        }
        let password = self.planted.secret("right password of a maintenance account");
        self.exchange.add_maintenance_account("service@example.com", &password);
        let update = UpdateMaintenanceAccountRequest {
            maintenance_account: Some(MaintenanceAccount { password, ..account }),
            update_mask: Some(FieldMask {
                paths: vec!["password".to_owned()],
            }),
        };
        self.done("AgentService/UpdateMaintenanceAccount", &update).await;
    }

    /// Somebody logs in at the platform, in the browser and through the front end; then it answers with what it was asked by.
    async fn oauth(&self) {
        let agent = self.create(self.smtp_agent(SENDER, SmtpAuthentication::Oauth), "").await;
        let agent = agent.expect("the agent is created").name;
        let begin = async |redirect_url: &str| {
            let request = BeginLoginRequest {
                name: agent.clone(),
                redirect_url: redirect_url.to_owned(),
                ..BeginLoginRequest::default()
            };
            let begun: BeginLoginResponse = self
                .caller
                .call("AgentService/BeginLogin", &request)
                .await
                .expect("the login begins");
            let page = &begun.authorization_url;
            let back = self.platform.entra.sign_in(page, SENDER).expect("the page takes the account");
            let value = |name: &str| {
                let found = back.query_pairs().find(|(key, _)| key == name);
                found.expect("the platform sends it back").1.into_owned()
            };
            self.planted.token("authorisation code", &value("code"));
            (back.clone(), value("code"), value("state"))
        };
        let is_good = |agent: &Agent| {
            let authentication = agent.authentication.as_ref();
            authentication.is_some_and(|authentication| authentication.state() == AuthenticationState::Active)
        };

        let (back, ..) = begin("").await;
        let page = self.keep("callback", http1().get(back.clone())).await;
        let ticket = page
            .split("name=\"ticket\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let ticket = ticket.expect("the page asks");
        // The second time it is over.
        for _ in 0..2 {
            let mut answer = back.clone();
            answer.set_query(None);
            let request = http1().post(answer).header("content-type", "application/x-www-form-urlencoded");
            self.keep("callback", request.body(format!("decision=connect&ticket={ticket}")))
                .await;
        }
        self.until(&agent, "has a login", is_good).await;
        let (_, code, state) = begin(Platform::FRONT_END).await;
        let complete = |state: &str| CompleteLoginRequest {
            state: state.to_owned(),
            authorization_code: code.clone(),
            ..CompleteLoginRequest::default()
        };
        let refused = self.caller.call::<()>("AgentService/CompleteLogin", &complete("another")).await;
        assert_eq!(refused.expect_err("there is no such login").code(), Code::InvalidArgument);
        self.done("AgentService/CompleteLogin", &complete(&state)).await;
        // A code that is of nobody's.
        let (_, code, state) = begin(Platform::FRONT_END).await;
        let request = CompleteLoginRequest {
            state,
            authorization_code: format!("{code}{}", self.planted.word("code that is of nobody's")),
            ..CompleteLoginRequest::default()
        };
        let refused = self.caller.call::<()>("AgentService/CompleteLogin", &request).await;
        refused.expect_err("the platform does not know it");

        // Answers that repeat what they were asked by.
        let entra = &self.platform.entra;
        let words = "You asked by {asked}.";
        let asked = entra.token_requests().len();
        entra.fail(TokenFault::error("temporarily_unavailable", words), 1);
        eventually(PATIENCE, "a renewal fails, and the next one does not", async || {
            let answers: Vec<u16> = entra.token_requests()[asked..].iter().map(|request| request.status).collect();
            let failed = answers.iter().position(|status| *status == 400);
            let mended = failed.is_some_and(|failed| answers[failed..].contains(&200));
            if mended { Ok(()) } else { Err(answers) }
        })
        .await;
        let (_, code, state) = begin(Platform::FRONT_END).await;
        entra.fail(TokenFault::error("invalid_client", words), 1);
        let request = CompleteLoginRequest {
            state,
            authorization_code: code,
            ..CompleteLoginRequest::default()
        };
        let refused = self.caller.call::<()>("AgentService/CompleteLogin", &request).await;
        let refused = refused.expect_err("the platform refuses this service");
        assert!(String::from_utf8_lossy(refused.details()).contains("[secret]"), "{refused:?}");
        self.until(&agent, "has a login", is_good).await;
    }

    /// What the platform gave out until now, and what codes were redeemed with.
    fn watch_tokens(&self) {
        for token in self.platform.entra.tokens() {
            self.planted.token("token of the platform", &token);
        }
        for request in self.platform.entra.token_requests() {
            if !request.verifier.is_empty() {
                // Its hash goes along with the browser.
                self.planted.watch("verifier of a login", request.verifier.as_bytes());
            }
        }
    }

    /// Waits until an agent is as wanted.
    async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Agent) -> bool) {
        let request = GetAgentRequest { name: name.to_owned() };
        eventually(PATIENCE, &format!("{name} {what}"), async || {
            let agent: Agent = self
                .caller
                .call("AgentService/GetAgent", &request)
                .await
                .expect("the agent is there");
            if wanted(&agent) { Ok(()) } else { Err(agent) }
        })
        .await;
    }

    /// Mail comes, and somebody waits for what becomes of it.
    async fn sweep(&self) {
        let mail = Mail::new(&format!("{} <eva@oak.example>", self.beacon), "About CS-0000001").body(&self.beacon);
        let watch = WatchMatchesRequest::default().encode_to_vec();
        let matched = |answer: &[u8]| WatchMatchesResponse::decode(answer).is_ok_and(|answer| answer.r#match.is_some());
        let caller = self.caller.clone();
        let watching = tokio::spawn(async move { caller.raw("SweepService/WatchMatches", watch, matched).await });
        // Until the watch has begun, more than one message may be needed.
        let watching = async { watching.await.expect("it does not panic").expect("the match comes") };
        tokio::pin!(watching);
        loop {
            let mail = mail
                .clone()
                .header("Message-ID", &format!("<{}@mail.example>", super::plant::word()));
            self.exchange
                .deliver("anna@example.com", FolderKind::Inbox, mail.bytes(), SystemClock.now());
            let pause = tokio::time::sleep(std::time::Duration::from_millis(500));
            tokio::select! {
                _ = &mut watching => break,
                () = pause => {}
            }
        }
        let mut repeated = 0;
        for agent in self.all_agents().await {
            let request = SweepAgentRequest { name: agent.name.clone() };
            // Some of them cannot.
            let _ = self.caller.raw("SweepService/SweepAgent", request.encode_to_vec(), |_| false).await;
            let request = CheckAgentRequest { name: agent.name.clone() };
            let stages = self.caller.raw("AgentService/CheckAgent", request.encode_to_vec(), |_| false).await;
            let stages = stages.expect("the check begins").concat();
            repeated += usize::from(String::from_utf8_lossy(&stages).contains("[secret]"));
            let request = TestAgentRequest { name: agent.name };
            let _ = self.caller.raw("AgentService/TestAgent", request.encode_to_vec(), |_| false).await;
        }
        assert_eq!(
            repeated, 3,
            "the servers that repeat logins are the only ones with something to hide"
        );
    }

    async fn all_agents(&self) -> Vec<Agent> {
        let listed: ListAgentsResponse = self
            .caller
            .call("AgentService/ListAgents", &ListAgentsRequest::default())
            .await
            .expect("the agents are listed");
        listed.agents
    }

    /// Requests with a secret where none belongs, for every method.
    async fn refusals(&self) {
        let requests = filled_requests(&self.planted.secret("secret in a wrong field"));
        assert!(requests.len() > 40, "{} methods", requests.len());
        for (method, request) in requests {
            // What it says is evidence; a filter for something that does not exist may well be answered.
            let _ = self.caller.raw(&method, request, |_| true).await;
        }
        let word = |kind: &str| self.planted.word(kind);
        let endpoint = format!("https://anna:{}@mail.example/EWS/Exchange.asmx", word("password in an endpoint"));
        let query = format!("https://mail.example/EWS/Exchange.asmx?password={}", word("password in a query"));
        let username = format!("anna:{}", word("password behind a user name"));
        let changes: [&dyn Fn(&mut Agent); 6] = [
            &|agent| exchange_of(agent).endpoint.clone_from(&endpoint),
            &|agent| exchange_of(agent).endpoint.clone_from(&query),
            &|agent| exchange_of(agent).username.clone_from(&username),
            &|agent| exchange_of(agent).mailbox = word("password in place of a mailbox"),
            &|agent| agent.from_address = word("password in place of an address"),
            &|agent| agent.owner_user = word("password in place of a user"),
        ];
        for change in changes {
            let mut agent = self.agent("dora@example.com", &word("password of a refused agent"));
            change(&mut agent);
            let refused = self.create(agent, "").await.expect_err("it makes no sense");
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        let mut agent = self.agent("dora@example.com", "");
        exchange_of(&mut agent).password = format!("line\nbreak {}", word("password with a line break"));
        self.create(agent.clone(), "").await.expect_err("it makes no sense");
        exchange_of(&mut agent).password = word("password that is too long").repeat(100);
        self.create(agent, "").await.expect_err("it makes no sense");
        let unknown = GetAgentRequest {
            name: format!("agents/{}", self.beacon),
        };
        let refused = self.caller.call::<Agent>("AgentService/GetAgent", &unknown).await;
        assert_eq!(refused.expect_err("it does not exist").code(), Code::NotFound);
        // No message at all, with a secret in it.
        let garbage = self.planted.secret("secret in garbage");
        for method in ["AgentService/CreateAgent", "SweepService/WatchMatches", "NoService/NoMethod"] {
            self.caller
                .raw(method, garbage.clone().into_bytes(), |_| true)
                .await
                .expect_err("it is no message");
        }
    }

    /// Tokens that are not good, and who may not.
    async fn strangers(&self) {
        let good = token(&self.data, &self.beacon, &[Scope::SweepRead], &self.planted);
        let basic = STANDARD.encode(format!("anna:{}", self.planted.word("password in place of a token")));
        let foreign = format!(
            "eyJhbGciOiJFZERTQSJ9.{}.{}",
            basic,
            self.planted.word("signature of a foreign token")
        );
        let wrong = [
            format!("Bearer {}", self.planted.word("token that is none")),
            format!("Bearer {good}x"),
            format!("Bearer {foreign}"),
            format!("Basic {basic}"),
            self.planted.word("header of one word"),
            format!("Bearer {good}"),
        ];
        for authorization in wrong {
            let caller = self.caller.with(&authorization);
            for method in ["AgentService/ListAgents", "SweepService/SweepAgent"] {
                let refused = caller.raw(method, Vec::new(), |_| true).await.expect_err("it is refused");
                assert!(
                    matches!(refused.code(), Code::Unauthenticated | Code::PermissionDenied),
                    "{refused:?}"
                );
            }
        }
    }

    /// The pages beside gRPC, and grpc-web, with secrets where careless clients put them.
    async fn plain_http(&self) {
        let bearer = format!("Bearer {}", token(&self.data, &self.beacon, Scope::ALL, &self.planted));
        let secret = self.planted.word("token in a URL");
        for path in ["/", "/healthz", "/readyz", "/metrics", "/nothing", "/oauth/callback"] {
            for query in ["", "?access_token=", "/"] {
                let end = if query.is_empty() { "" } else { &secret };
                let request = http1().get(format!("{}{path}{query}{end}", self.url));
                self.keep(path, request.header("authorization", &bearer)).await;
            }
        }
        let web = http1().post(format!("{}/mailagent.v1.AgentService/ListAgents", self.url));
        let web = web
            .header("content-type", "application/grpc-web+proto")
            .header("authorization", &bearer);
        self.keep("grpc-web", web.body(vec![0; 5])).await;
        let preflight = http1().request(
            reqwest::Method::OPTIONS,
            format!("{}/mailagent.v1.AgentService/ListAgents", self.url),
        );
        let preflight = preflight
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        self.keep("preflight", preflight).await;
    }

    async fn keep(&self, label: &str, request: reqwest::RequestBuilder) -> String {
        let answer = request
            .header("x-request-id", &self.beacon)
            .send()
            .await
            .expect("the service answers");
        let head = format!("{} {:?}", answer.status(), answer.headers());
        self.evidence.add("plain HTTP", label, head);
        let body = answer.bytes().await.expect("the answer ends");
        let text = String::from_utf8_lossy(&body).into_owned();
        self.evidence.add("plain HTTP", label, body);
        text
    }

    /// Everything that can be read.
    async fn read_all(&self) {
        let anna = self
            .all_agents()
            .await
            .into_iter()
            .find(|agent| agent.from_address == "anna@example.com" && agent.smtp.is_none());
        self.until(&anna.expect("it is listed").name, "is well", |agent| {
            agent
                .health
                .as_ref()
                .is_some_and(|health| health.problem.is_empty() && health.handled_count > 0)
        })
        .await;
        let notes: ListNotesResponse = self
            .caller
            .call("SweepService/ListNotes", &ListNotesRequest::default())
            .await
            .expect("the notes are listed");
        let note = notes.notes.first().expect("there is a note").name.clone();
        let audit: ListAuditEntriesResponse = self
            .caller
            .call("SettingsService/ListAuditEntries", &ListAuditEntriesRequest::default())
            .await
            .expect("the audit log is read");
        assert!(audit.audit_entries.len() > 5);
        // Lists answer to an empty request; what wants a name is refused, and that is evidence too.
        for (method, _) in filled_requests("") {
            let _ = self.caller.raw(&method, Vec::new(), |_| true).await;
        }
        for (method, request) in named_requests(&note) {
            let _ = self.caller.raw(method, request, |_| false).await;
        }
        let cursor = || EARLIEST.to_owned();
        let matches = WatchMatchesRequest {
            cursor: cursor(),
            filter: None,
        };
        let event = |answer: &[u8]| WatchMatchesResponse::decode(answer).is_ok_and(|answer| answer.r#match.is_some());
        self.follow("SweepService/WatchMatches", &matches, event).await;
        let changes = WatchChangesRequest { cursor: cursor() };
        let event = |answer: &[u8]| WatchChangesResponse::decode(answer).is_ok_and(|answer| answer.change.is_some());
        self.follow("DirectoryService/WatchChanges", &changes, event).await;
        let messages = StreamMessagesRequest {
            cursor: cursor(),
            ..StreamMessagesRequest::default()
        };
        let event = |answer: &[u8]| StreamMessagesResponse::decode(answer).is_ok_and(|answer| answer.message.is_some());
        self.follow("ArchiveService/StreamMessages", &messages, event).await;
        let tokens = WatchTokensRequest {
            cursor: cursor(),
            filter: None,
        };
        let event = |answer: &[u8]| WatchTokensResponse::decode(answer).is_ok_and(|answer| answer.event.is_some());
        self.follow("AgentService/WatchTokens", &tokens, event).await;
        self.watch_tokens();
    }

    /// Reads a stream of events from its beginning until it has nothing but bookmarks.
    async fn follow(&self, method: &str, request: &impl Message, event: impl Fn(&[u8]) -> bool) {
        let bookmarks = Cell::new(0);
        let enough = |answer: &[u8]| {
            bookmarks.set(if event(answer) { 0 } else { bookmarks.get() + 1 });
            bookmarks.get() == 3
        };
        let read = self.caller.raw(method, request.encode_to_vec(), enough).await;
        let read = read.unwrap_or_else(|status| panic!("{method}: {status:?}"));
        assert!(read.iter().any(|answer| event(answer)), "{method} has no events");
    }
}

/// Requests for the things behind a note, and the note itself.
fn named_requests(note: &str) -> Vec<(&'static str, Vec<u8>)> {
    use mailagent_client::v1::{DownloadNoteMessageRequest, GetNoteRequest, SearchMessagesRequest};
    let name = note.to_owned();
    vec![
        ("SweepService/GetNote", GetNoteRequest { name: name.clone() }.encode_to_vec()),
        (
            "SweepService/DownloadNoteMessage",
            DownloadNoteMessageRequest {
                name,
                ..DownloadNoteMessageRequest::default()
            }
            .encode_to_vec(),
        ),
        (
            "ArchiveService/SearchMessages",
            SearchMessagesRequest {
                query: "message".to_owned(),
                ..SearchMessagesRequest::default()
            }
            .encode_to_vec(),
        ),
    ]
}

fn exchange_of(agent: &mut Agent) -> &mut ExchangeSettings {
    agent.exchange.as_mut().expect("it has Exchange settings")
}
