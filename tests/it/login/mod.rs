//! Logins by OAuth, at a simulated platform like Microsoft's and at providers of others.
//!
//! | file | holds |
//! |---|---|
//! | `browser` | the same in headless Chromium |
//! | `asked` | who may log in to what, and what they are asked before anything is stored |
//! | `person` | a person logs in, at the service's page and through the front end |
//! | `refusals` | logins that are not begun, or begun and not accepted |
//! | `renewal` | access tokens in time, outages, logins that end |
//! | `replicas` | several replicas, and one that dies in between |
//! | `warnings` | what is told as time goes by |
//! | `watch` | who is told what |
//! | `consent` | administrators' consent |
//! | `ending` | logins that are given up |
//! | `shared` | accounts that several tenants log in with |
//! | `smtp` | sending with access tokens |
//! | `oidc` | a certified provider of others: rotation with reuse detection, revocation, crashes |
//! | `errors` | Microsoft's error answers, from another mock of others |

mod asked;
mod browser;
pub mod consent;
mod ending;
mod errors;
mod oidc;
mod person;
mod refusals;
mod renewal;
pub mod replicas;
mod shared;
mod smtp;
mod warnings;
mod watch;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use mailagent::testing::{
    config::{self, OAuth},
    domain::Clock,
};
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentHealthState, AgentKind, Authentication, AuthenticationMethod, AuthenticationState, BeginLoginRequest,
        BeginLoginResponse, CreateAgentRequest, SmtpAuthentication, SmtpSettings, TenantSettings, TokenEvent, WatchTokensRequest,
    },
};
use mailagent_sim::{
    MimeMode,
    entra::{Builder, Entra},
    exchange::Tokens,
};
use tonic::Status;

use crate::harness::{Choices, Engine, Harness, PATIENCE, TestClock, eventually};

/// This service at the platform.
pub const APP: &str = "crm-app";
const SECRET: &str = "the secret of the app";
pub const DIRECTORY: &str = "11111111-2222-3333-4444-555555555555";
pub const ANNA: &str = "anna@example.com";
pub const BERT: &str = "bert@example.com";
/// A page of the CRM.
const FRONT_END: &str = "https://crm.example.com/mail/callback";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A service under MODERN with a platform to log in at, and the mailboxes of anna and bert, which take its tokens.
pub struct Place {
    pub h: Harness,
    pub entra: Entra,
    pub client: Clients,
}

impl Place {
    pub async fn new() -> Self {
        Self::on(Engine::Sqlite).await
    }

    pub async fn on(engine: Engine) -> Self {
        Self::with(engine, |platform| platform, "").await
    }

    /// With mail given out in this way.
    pub async fn in_mode(engine: Engine, mode: MimeMode) -> Self {
        let p = Self::unfilled(engine, mode, |platform| platform, "").await;
        p.fill().await
    }

    /// With a platform of the test's choice, and further settings of its provider.
    pub async fn with(engine: Engine, choose: impl FnOnce(Builder) -> Builder, settings: &str) -> Self {
        let p = Self::unfilled(engine, MimeMode::KeepBytes, choose, settings).await;
        p.fill().await
    }

    /// Without a directory, and without mailboxes.
    pub async fn unfilled(engine: Engine, mode: MimeMode, choose: impl FnOnce(Builder) -> Builder, settings: &str) -> Self {
        let clock = Arc::<TestClock>::default();
        let shown = clock.clone();
        let entra = choose(Entra::builder().clock(move || shown.now()))
            .start()
            .await
            .expect("a port is free");
        entra.add_directory(DIRECTORY, &["example.com"]);
        entra.add_user(ANNA);
        entra.add_user(BERT);
        let platform = entra.clone();
        let tokens: Tokens = Arc::new(move |token| platform.identify(token));
        let mut provider = provider(&entra);
        if settings.contains("certificate_file") {
            provider = provider.replace(&format!("client_secret = \"{SECRET}\"\n"), "");
        }
        let oauth = oauth(&format!("{provider}{settings}"));
        let h = Harness::with(Choices {
            mode,
            clock,
            tokens: Some(tokens),
            configure: Box::new(move |config| config.oauth = oauth),
            ..Choices::of(engine)
        })
        .await;
        entra.add_app(APP, SECRET, &[&format!("{}/oauth/callback", h.url()), FRONT_END]);
        let client = h.client().await;
        modern(&h, &client).await;
        Self { h, entra, client }
    }

    async fn fill(self) -> Self {
        self.h.seed_for(self.client.clone()).await;
        for address in [ANNA, BERT] {
            self.h.exchange.add_mailbox(address, address, "no password");
        }
        self
    }

    /// An agent over EWS, by the user's own login, to which nobody has logged in.
    pub async fn agent(&self, address: &str) -> Agent {
        let mut agent = self.h.agent_for(address);
        let exchange = agent.exchange.as_mut().expect("it has them");
        exchange.username.clear();
        exchange.password.clear();
        self.create(agent).await
    }

    /// An agent that sends over SMTP with access tokens.
    async fn sender(&self, address: &str) -> Agent {
        self.create(Agent {
            owner_user: format!("users/{}", address.split('@').next().unwrap_or_default()),
            kind: AgentKind::Smtp.into(),
            from_name: "Sender".to_owned(),
            from_address: address.to_owned(),
            smtp: Some(SmtpSettings {
                host: "127.0.0.1".to_owned(),
                port: 2525,
                authentication: SmtpAuthentication::Oauth.into(),
                ..SmtpSettings::default()
            }),
            ..Agent::default()
        })
        .await
    }

    pub async fn create(&self, agent: Agent) -> Agent {
        let request = CreateAgentRequest {
            agent: Some(agent),
            ..CreateAgentRequest::default()
        };
        let created = self.client.clone().agents.create_agent(request).await;
        created.expect("the agent is created").into_inner()
    }

    pub async fn get(&self, name: &str) -> Agent {
        self.h.get_agent(&self.client, name).await
    }

    /// The login of an agent, as it is shown.
    async fn authentication(&self, name: &str) -> Authentication {
        self.get(name).await.authentication.expect("it logs in by OAuth")
    }

    pub async fn begin(&self, name: &str) -> Result<BeginLoginResponse, Status> {
        begin(&self.client, name, "").await
    }

    /// Logs in as this account, in a browser that comes back to the service's own page. Returns what that says.
    async fn log_in_as(&self, name: &str, account: &str) -> (u16, String) {
        let begun = self.begin(name).await.expect("the login begins");
        let back = self
            .entra
            .sign_in(&begun.authorization_url, account)
            .expect("the page takes the account");
        open(back.as_str()).await
    }

    /// Logs in as the agent's own account.
    pub async fn log_in(&self, name: &str) {
        let begun = self.begin(name).await.expect("the login begins");
        let back = self
            .entra
            .sign_in(&begun.authorization_url, &begun.account)
            .expect("the page takes the account");
        let (status, page) = open(back.as_str()).await;
        assert_eq!(status, 200, "{page}");
    }

    /// Waits until an agent's login is in this state.
    pub async fn state(&self, name: &str, wanted: AuthenticationState) -> Authentication {
        eventually(PATIENCE, "the login is in the state", async || {
            let authentication = self.authentication(name).await;
            if authentication.state() == wanted {
                Ok(authentication)
            } else {
                Err(authentication)
            }
        })
        .await
    }

    /// Waits until an agent's health is this one.
    pub async fn health(&self, name: &str, wanted: AgentHealthState) -> Agent {
        eventually(PATIENCE, "the agent has the health", async || {
            let agent = self.get(name).await;
            let state = agent.health.as_ref().expect("it has one").state();
            if state == wanted { Ok(agent) } else { Err(agent) }
        })
        .await
    }

    /// Renewals that the platform was asked for.
    fn renewals(&self) -> usize {
        let requests = self.entra.token_requests();
        requests.iter().filter(|request| request.grant_type == "refresh_token").count()
    }

    /// Everything that was told of logins, from the oldest on, once there are so many.
    async fn told(&self, count: usize) -> Vec<TokenEvent> {
        told(&self.client, count).await
    }
}

/// The settings of the provider at this platform.
fn provider(entra: &Entra) -> String {
    format!(
        "[oauth]\ncheck_interval = \"50ms\"\nrequest_timeout = \"2s\"\nredirect_urls = [\"{FRONT_END}\"]\n[[oauth.providers]]\n\
         name = \"contoso\"\npreset = \"microsoft\"\nclient_id = \"{APP}\"\nclient_secret = \"{SECRET}\"\nauthority = \"{}\"\n\
         graph_url = \"{}\"\nhosts = [\"127.0.0.1\"]\n",
        entra.authority(),
        entra.graph()
    )
}

/// The settings in a file with this content.
pub fn oauth(file: &str) -> OAuth {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("mailagent.toml");
    std::fs::write(&path, file).expect("it can be written");
    config::load(Some(&path), [], &[]).unwrap_or_else(|errors| panic!("{errors}")).oauth
}

async fn modern(h: &Harness, client: &Clients) {
    let settings = TenantSettings {
        authentication_method: AuthenticationMethod::Modern.into(),
        ..TenantSettings::default()
    };
    h.change_settings(client, settings).await;
}

async fn begin(client: &Clients, name: &str, redirect_url: &str) -> Result<BeginLoginResponse, Status> {
    let request = BeginLoginRequest {
        name: name.to_owned(),
        redirect_url: redirect_url.to_owned(),
        ..BeginLoginRequest::default()
    };
    Ok(client.clone().agents.begin_login(request).await?.into_inner())
}

fn browser() -> &'static reqwest::Client {
    static BROWSER: OnceLock<reqwest::Client> = OnceLock::new();
    BROWSER.get_or_init(|| reqwest::Client::builder().no_proxy().build().expect("it can be built"))
}

/// Opens a page, as a browser does, and touches nothing on it. Returns its status and text.
pub async fn look(url: &str) -> (u16, String) {
    let response = browser().get(url).send().await.expect("the page answers");
    (response.status().as_u16(), response.text().await.expect("it is whole"))
}

/// Opens a page, and presses the button that connects if it asks. Returns the status and text of what is there in the end.
pub async fn open(url: &str) -> (u16, String) {
    let (status, page) = look(url).await;
    match ticket(&page) {
        Some(ticket) => press(url, &ticket, "connect").await,
        None => (status, page),
    }
}

/// What the service's own page is answered with. `None` when it asks nothing.
fn ticket(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"ticket\" value=\"")?;
    Some(rest.split_once('"').expect("the value ends").0.to_owned())
}

/// Presses a button of the service's own page.
async fn press(url: &str, ticket: &str, decision: &str) -> (u16, String) {
    let action = reqwest::Url::parse(url).and_then(|url| url.join("callback")).expect("it is a URL");
    let form = [("ticket", ticket), ("decision", decision)];
    let body = form_urlencoded(&form);
    let request = browser().post(action).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(body).send().await.expect("the page answers");
    (response.status().as_u16(), response.text().await.expect("it is whole"))
}

fn form_urlencoded(form: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form.example").expect("it is a URL");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

/// A value in the query of a page's address.
fn query(url: &str, name: &str) -> String {
    let url = reqwest::Url::parse(url).expect("it is a URL");
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("{name} is in {url}")).1.into_owned()
}

/// Everything that this caller is told of logins, from the oldest on, once there are so many.
async fn told(client: &Clients, count: usize) -> Vec<TokenEvent> {
    let mut watch = client.watch_tokens(WatchTokensRequest {
        cursor: mailagent_client::EARLIEST.to_owned(),
        filter: None,
    });
    let events = crate::harness::events(&mut watch, count).await;
    // A bookmark says that there is no more.
    let next = crate::harness::take(&mut watch)
        .await
        .expect("a watch does not end")
        .expect("it goes on");
    assert_eq!(next.event, None, "no more was told than {events:#?}");
    events
}
