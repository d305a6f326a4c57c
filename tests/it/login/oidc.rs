//! At a certified provider of others (oidc-provider): login, rotation with reuse detection, three-second tokens, revocation, and a service that
//! is killed at each step of a renewal.

use std::{
    collections::BTreeMap,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use mailagent::testing::domain::{Clock, Scope, SystemClock};
use mailagent_client::{
    Clients, connect,
    v1::{
        Agent, AgentKind, Authentication, AuthenticationState, BatchUpsertUsersRequest, CreateAgentRequest, GetAgentRequest,
        RevokeLoginRequest, SmtpAuthentication, SmtpSettings,
    },
};
use reqwest::{Url, header, redirect::Policy};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{ANNA, begin, oauth, open};
use crate::harness::{Choices, Engine, Harness, NOW, NodePeer, PATIENCE, TENANT, eventually, free_address, local_token, user};

/// The provider, which ends when this is dropped.
pub(super) struct Provider {
    _process: NodePeer,
    issuer: String,
    http: reqwest::Client,
}

impl Provider {
    pub(super) fn start(options: &Value) -> Self {
        let process = NodePeer::start("login_provider.mjs", "oidc-provider", &[options.to_string()]);
        Self {
            issuer: process.told("issuer"),
            _process: process,
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(Policy::none())
                .build()
                .expect("it can be built"),
        }
    }

    /// The settings for it.
    fn settings(&self) -> String {
        format!(
            "[[oauth.providers]]\nname = \"corporate\"\npreset = \"openid\"\nissuer = \"{}\"\nclient_id = \"mailagent\"\n\
             client_secret = \"a-secret-of-the-test\"\nsmtp_scopes = [\"openid\", \"email\", \"offline_access\", \"mail.send\"]\n\
             hosts = [\"127.0.0.1\"]\n",
            self.issuer
        )
    }

    /// Follows a login page as a browser does, with its cookies, as far as this service's own page.
    async fn sign_in(&self, page: &str) -> Url {
        let mut place = Url::parse(page).expect("it is a URL");
        let mut cookies = BTreeMap::new();
        while place.as_str().starts_with(&self.issuer) {
            let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = self.http.get(place.clone()).header(header::COOKIE, jar.join("; "));
            let response = request.send().await.expect("the provider answers");
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let next = response.headers().get(header::LOCATION).cloned();
            let status = response.status();
            let Some(next) = next else {
                panic!("{status} at {place}: {}", response.text().await.unwrap());
            };
            place = place.join(next.to_str().unwrap()).expect("it is a URL");
        }
        place
    }

    async fn post(&self, path: &str, body: Value) {
        let request = self.http.post(format!("{}{path}", self.issuer)).body(body.to_string());
        let answer = request.send().await.expect("the provider answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Requests for a refresh token that ended with this status.
    async fn refreshes(&self, status: u64) -> usize {
        let answer = self.http.get(format!("{}/test/requests", self.issuer)).send().await;
        let text = answer.expect("the provider answers").text().await.expect("it is whole");
        let all: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
        let is_one = |request: &&Value| request["grant"] == "refresh_token" && request["status"] == status;
        all.iter().filter(is_one).count()
    }
}

/// An agent that sends over SMTP with access tokens.
fn sender() -> Agent {
    Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::Smtp.into(),
        from_name: "Anna".to_owned(),
        from_address: ANNA.to_owned(),
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: 2525,
            authentication: SmtpAuthentication::Oauth.into(),
            ..SmtpSettings::default()
        }),
        ..Agent::default()
    }
}

pub async fn create(client: &Clients) -> String {
    let request = CreateAgentRequest {
        agent: Some(sender()),
        ..CreateAgentRequest::default()
    };
    let created = client.clone().agents.create_agent(request).await;
    created.expect("the agent is created").into_inner().name
}

pub async fn authentication(client: &Clients, agent: &str) -> Authentication {
    let request = GetAgentRequest { name: agent.to_owned() };
    let agent = client.clone().agents.get_agent(request).await;
    agent.expect("it is read").into_inner().authentication.expect("it logs in by OAuth")
}

/// A service on a port of its own whose time is the provider's.
pub(super) async fn service(provider: impl FnOnce(&str) -> Provider) -> (Harness, Provider, Clients) {
    // The port is known before the service, as the provider has to know where people come back to.
    let port = free_address().port();
    let public = format!("http://127.0.0.1:{port}");
    let provider = provider(&format!("{public}/oauth/callback"));
    let oauth = oauth(&format!(
        "[oauth]\npublic_url = \"{public}\"\ncheck_interval = \"50ms\"\nrequest_timeout = \"2s\"\n{}",
        provider.settings()
    ));
    let h = Harness::with(Choices {
        configure: Box::new(move |config| config.oauth = oauth),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    h.clock.advance(SystemClock.now().since(NOW));
    let client = h.seed().await;
    (h, provider, client)
}

/// Logs in; what the provider sends goes to where the service really listens.
pub(super) async fn log_in(h: &Harness, provider: &Provider, client: &Clients, agent: &str) -> (u16, String) {
    let begun = begin(client, agent, "").await.expect("the login begins");
    let back = provider.sign_in(&begun.authorization_url).await;
    open(&format!("{}/oauth/callback?{}", h.url(), back.query().unwrap_or_default())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_and_every_rotated_token_is_kept() {
    let (h, provider, client) =
        service(|callback| Provider::start(&json!({ "redirectUrls": [callback], "accessSeconds": 3, "rotate": true, "graceSeconds": 0 })))
            .await;
    let agent = create(&client).await;
    let (status, page) = log_in(&h, &provider, &client, &agent).await;
    assert_eq!(status, 200, "{page}");
    let login = authentication(&client, &agent).await;
    assert_eq!((login.account.as_str(), login.provider.as_str()), (ANNA, "corporate"));
    // Each of them is good once: one that was lost, or came twice, would end the login.
    eventually(PATIENCE, "it is renewed again and again", async || {
        h.clock.advance(Duration::from_millis(100));
        match provider.refreshes(200).await {
            seen if seen >= 10 => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
    assert_eq!(authentication(&client, &agent).await.state(), AuthenticationState::Active);
    assert_eq!(provider.refreshes(400).await, 0);

    // Given up here, it is ended there.
    let request = RevokeLoginRequest { name: agent.clone() };
    let revoked = client.clone().agents.revoke_login(request).await.unwrap().into_inner();
    assert!(revoked.provider_notified);
    let database = h.database().await;
    eventually(PATIENCE, "the provider was told", async || {
        use sea_orm::{ConnectionTrait, Statement};
        let count = Statement::from_string(database.get_database_backend(), "SELECT COUNT(*) AS n FROM token_revocation");
        let row = database.query_one_raw(count).await.unwrap().unwrap();
        match row.try_get::<i64>("", "n").unwrap() {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await;
    assert_eq!(authentication(&client, &agent).await.state(), AuthenticationState::None);

    // A new login; withdrawn at the provider, it is asked for again.
    let (status, page) = log_in(&h, &provider, &client, &agent).await;
    assert_eq!(status, 200, "{page}");
    provider.post("/test/withdraw", json!({ "account": ANNA })).await;
    h.clock.advance(Duration::from_secs(3));
    eventually(PATIENCE, "somebody has to log in", async || {
        let login = authentication(&client, &agent).await;
        if login.state() == AuthenticationState::LoginRequired {
            Ok(())
        } else {
            Err(login)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_provider_did_not_verify_counts_for_nothing() {
    let (h, provider, client) = service(|callback| Provider::start(&json!({ "redirectUrls": [callback], "unverified": true }))).await;
    let agent = create(&client).await;
    let (status, page) = log_in(&h, &provider, &client, &agent).await;
    assert_eq!(status, 400);
    assert!(page.contains("an account without a verified e-mail address"), "{page}");
    assert_eq!(authentication(&client, &agent).await.state(), AuthenticationState::None);
}

/// At which step the service is killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The lease is taken and the provider asked; it has done nothing.
    Asked,
    /// The provider has given new tokens and made the old one worthless, and the service has not got them.
    Given,
    /// The service has got them, so many microseconds ago: it stores them, or has done so, or uses them.
    Got(u64),
}

/// Killed where the provider has done nothing, or the service has stored what it gave, a login survives even the strictest provider. Killed in
/// between it survives where old refresh tokens stay good for a moment after their use, as with Microsoft, Okta and Auth0.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_survives_a_service_that_is_killed_at_any_step_fifty_times() {
    let seed = 4;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let (place, mut process, provider, agent) = installed(30).await;
    for round in 0..50 {
        let step = match round % 3 {
            0 => Step::Asked,
            1 => Step::Given,
            _ => Step::Got(chance.u64(0..20_000)),
        };
        match step {
            Step::Asked | Step::Given => {
                let when = if matches!(step, Step::Asked) { "before" } else { "after" };
                provider.post("/test/hold", json!({ "when": when })).await;
                process.kill();
                provider.post("/test/drop", json!({})).await;
            }
            Step::Got(then) => {
                let before = provider.refreshes(200).await;
                eventually(PATIENCE, "a renewal comes", async || match provider.refreshes(200).await {
                    seen if seen > before => Ok(()),
                    seen => Err(seen),
                })
                .await;
                sleep(Duration::from_micros(then)).await;
                process.kill();
            }
        }
        process = place.start();
        place.ready(&mut process).await;
    }
    let before = provider.refreshes(200).await;
    eventually(PATIENCE, "it is renewed again", async || match provider.refreshes(200).await {
        seen if seen > before + 1 => Ok(()),
        seen => Err(seen),
    })
    .await;
    let login = authentication(&place.client().await, &agent).await;
    assert_eq!(login.state(), AuthenticationState::Active, "{login:?}");
    println!(
        "{} renewals, {} of them refused",
        provider.refreshes(200).await,
        provider.refreshes(400).await
    );
    assert_eq!(provider.refreshes(400).await, 0);
    process.kill();
}

/// The same at the strictest provider, killed where that can be survived.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_provider_never_sees_a_refresh_token_twice() {
    let (place, mut process, provider, agent) = installed(0).await;
    for round in 0..10 {
        if round % 2 == 0 {
            provider.post("/test/hold", json!({ "when": "before" })).await;
            process.kill();
            provider.post("/test/drop", json!({})).await;
        } else {
            // Once it is stored it is shown.
            let before = authentication(&place.client().await, &agent).await.access_token_expire_time;
            let client = place.client().await;
            eventually(PATIENCE, "the renewal is stored", async || {
                match authentication(&client, &agent).await.access_token_expire_time {
                    now if now != before => Ok(()),
                    now => Err(now),
                }
            })
            .await;
            process.kill();
        }
        process = place.start();
        place.ready(&mut process).await;
    }
    let before = provider.refreshes(200).await;
    eventually(PATIENCE, "it is renewed again", async || match provider.refreshes(200).await {
        seen if seen > before + 1 => Ok(()),
        seen => Err(seen),
    })
    .await;
    assert_eq!(provider.refreshes(400).await, 0, "none came twice");
    assert_eq!(
        authentication(&place.client().await, &agent).await.state(),
        AuthenticationState::Active
    );
    process.kill();
}

/// A running service of its own, with an agent that somebody logged in to, at a provider where refresh tokens stay good for so long
/// after their use.
async fn installed(grace_seconds: u64) -> (Installation, Process, Provider, String) {
    let port = free_address().port();
    let callback = format!("http://127.0.0.1:{port}/oauth/callback");
    let provider =
        Provider::start(&json!({ "redirectUrls": [callback], "accessSeconds": 3, "rotate": true, "graceSeconds": grace_seconds }));
    let place = Installation::new(port, &provider);
    let mut process = place.start();
    place.ready(&mut process).await;
    let client = place.client().await;
    let users = vec![user("anna", &[ANNA])];
    client
        .clone()
        .directory
        .batch_upsert_users(BatchUpsertUsersRequest { users })
        .await
        .unwrap();
    let agent = create(&client).await;
    // A busy machine may make the provider slower than the service has patience for.
    let begun = eventually(PATIENCE, "the login begins", async || begin(&client, &agent, "").await).await;
    let (status, page) = open(provider.sign_in(&begun.authorization_url).await.as_str()).await;
    assert_eq!(status, 200, "{page}");
    (place, process, provider, agent)
}

/// A service in a folder of its own, run as a process.
struct Installation {
    _folder: TempDir,
    config: PathBuf,
    data: PathBuf,
    address: SocketAddr,
}

impl Installation {
    fn new(port: u16, provider: &Provider) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (config, data) = (folder.path().join("mailagent.toml"), folder.path().join("data"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // Short waits: who comes after a killed one waits for its lease, which is three times the limit of a request.
        let settings = format!(
            "data = \"{}\"\n[server]\nlisten = \"{address}\"\n[network]\nallow_loopback = true\n[oauth]\ncheck_interval = \"50ms\"\nrequest_timeout = \"300ms\"\n{}",
            data.display(),
            provider.settings()
        );
        std::fs::write(&config, settings).expect("it can be written");
        Self {
            _folder: folder,
            config,
            data,
            address,
        }
    }

    fn start(&self) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_mailagent"))
            .args(["serve", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Process(child.expect("the program starts"))
    }

    /// Waits until it takes calls.
    async fn ready(&self, process: &mut Process) {
        eventually(PATIENCE, "the service listens", async || {
            if let Ok(Some(status)) = process.0.try_wait() {
                panic!("it ended with {status}: {}", process.log());
            }
            TcpStream::connect(self.address).map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
    }

    async fn client(&self) -> Clients {
        let token = local_token(&self.data, TENANT, "anna", Scope::ALL);
        connect(&format!("http://{}", self.address), &token)
            .await
            .expect("the service answers")
    }
}

struct Process(Child);

impl Process {
    /// SIGKILL: it does nothing more.
    fn kill(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it is gone");
    }

    /// What it wrote, once it is dead.
    fn log(&mut self) -> String {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let mut text = String::new();
        for pipe in [
            self.0.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read>),
            self.0.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read>),
        ] {
            let _ = pipe.map(|mut pipe| pipe.read_to_string(&mut text));
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
