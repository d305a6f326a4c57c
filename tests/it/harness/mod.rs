//! Starts the real service for a test: on a free port, in a folder of its own, with a database of its own, a clock that the test moves
//! by hand, and a simulated Exchange server.
//!
//! | file | holds |
//! |---|---|
//! | `clock` | the clock |
//! | `config` | settings with short waits |
//! | `database` | a fresh PostgreSQL database |
//! | `files` | files on the disk |
//! | `fill` | a sample directory, agents, waiting for mail to be handled |
//! | `mail` | messages |
//! | `old_mail` | very many archived messages at once |
//! | `peer` | servers of others that run in Node |
//! | `status` | what a status says |
//! | `streams` | reading what is streamed |
//! | `wait` | waiting for a condition |
//! | `wire` | calls without a generated client |

mod clock;
mod config;
mod database;
mod files;
mod fill;
mod mail;
mod old_mail;
mod peer;
mod status;
mod streams;
mod wait;
mod wire;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use mailagent::testing::{
    app::{Environment, Running, open_issuer, start_in},
    config::Config,
    crypto::{Claims, LOCAL_ISSUER},
    domain::{Clock, Scope, SystemClock},
    lifecycle::Stopped,
    net::{Names, SystemNames},
    ops::Ops,
    telemetry::Metrics,
};
use mailagent_client::{Clients, connect};
use mailagent_sim::{
    MimeMode,
    exchange::{Exchange, Tokens},
};
use sea_orm::{Database, DatabaseConnection};
use tokio::net::TcpListener;

pub use self::{
    clock::{NOW, TestClock},
    database::PostgresDatabase,
    files::files_below,
    fill::{account, case, contact, create_account, customer, password_of, user},
    mail::{Mail, raw},
    old_mail::old_mail,
    peer::NodePeer,
    status::{metadata, reason, violations},
    streams::{download, events, take},
    wait::{PATIENCE, at_rest, eventually},
    wire::{frame, free_address, http1},
};

/// Which database the service runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the service's folder.
    Sqlite,
    /// A database made for the test.
    Postgres,
}

/// The tenant that tests work in, unless they need another.
pub const TENANT: &str = "acme";
/// The user whose token tests show, unless they need another.
pub const USER: &str = "anna";

/// A running service and what is around it. Dropped, it stops, and its folder and database are gone.
pub struct Harness {
    /// The database that it runs on.
    pub engine: Engine,
    /// Its time.
    pub clock: Arc<TestClock>,
    /// The mail server.
    pub exchange: Exchange,
    /// Its settings; changes are seen after [`Harness::restart`].
    pub config: Config,
    running: Option<Running>,
    address: SocketAddr,
    names: Arc<dyn Names>,
    // Dropped last: the service holds them open.
    folder: tempfile::TempDir,
    database: Option<PostgresDatabase>,
}

/// What a test may choose about its service.
pub struct Choices {
    /// The database.
    pub engine: Engine,
    /// How the mail server gives out MIME.
    pub mode: MimeMode,
    /// Changes the settings before the start.
    pub configure: Box<dyn FnOnce(&mut Config)>,
    /// Its time.
    pub clock: Arc<TestClock>,
    /// Which logins access tokens stand for at the mail server. None: it takes passwords only.
    pub tokens: Option<Tokens>,
    /// What names of mail servers mean.
    pub names: Arc<dyn Names>,
}

impl Harness {
    /// A service on SQLite.
    pub async fn new() -> Self {
        Self::on(Engine::Sqlite).await
    }

    /// A service on this database.
    pub async fn on(engine: Engine) -> Self {
        Self::with(Choices::of(engine)).await
    }

    /// A service of the test's choice.
    pub async fn with(choices: Choices) -> Self {
        install_tls();
        let database = match choices.engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await),
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut config = config::quick(&folder.path().join("data"), database.as_ref().map(PostgresDatabase::url));
        (choices.configure)(&mut config);
        let clock = choices.clock;
        let shown = clock.clone();
        let mut exchange = Exchange::builder()
            .mode(choices.mode)
            .clock(move || shown.now())
            .heartbeat(Duration::from_secs(1));
        if let Some(tokens) = choices.tokens {
            exchange = exchange.tokens(tokens);
        }
        let exchange = exchange.start().await.expect("a port is free");
        let mut harness = Self {
            engine: choices.engine,
            clock,
            exchange,
            config,
            running: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            names: choices.names,
            folder,
            database,
        };
        harness.start().await;
        harness
    }

    /// Starts the service after [`Harness::stop`], with what it had kept, on the same port.
    pub async fn start(&mut self) {
        assert!(self.running.is_none(), "the service runs already");
        let listener = TcpListener::bind(self.address).await.expect("the port is free");
        let environment = Environment {
            clock: self.clock.clone(),
            metrics: Metrics::default(),
            names: self.names.clone(),
            ..Environment::default()
        };
        let running = start_in(self.config.clone(), listener, environment).await;
        let running = running.unwrap_or_else(|error| panic!("the service does not start: {error:?}"));
        self.address = running.address;
        self.running = Some(running);
    }

    /// Stops the service within its grace time.
    pub async fn stop(&mut self) -> Stopped {
        self.running.take().expect("the service runs").stop().await
    }

    /// Stops the service, which must go well, and starts it again with what it had kept, on the same port.
    pub async fn restart(&mut self) {
        let stopped = self.stop().await;
        assert_eq!(stopped.died, None, "a task died");
        self.start().await;
    }

    /// Whether the service runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a stop without waiting for it.
    pub fn begin_stop(&self) {
        self.ops().stopping.cancel();
    }

    /// What the service does, without the edge.
    pub fn ops(&self) -> &Ops {
        &self.running.as_ref().expect("the service runs").ops
    }

    /// A connection of the test's own to the service's database.
    pub async fn database(&self) -> DatabaseConnection {
        let url = match &self.database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}?mode=rwc", self.config.data_dir.join("mailagent.db").display()),
        };
        Database::connect(url).await.expect("the database answers")
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folder of the test; the service keeps its things in `data` in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A caller who may do everything in the usual tenant.
    pub async fn client(&self) -> Clients {
        self.client_as(TENANT, USER, Scope::ALL).await
    }

    /// A caller.
    pub async fn client_as(&self, tenant: &str, user: &str, scopes: &[Scope]) -> Clients {
        self.client_with(&self.token(tenant, user, scopes)).await
    }

    /// A caller with any token; with none when it is empty.
    pub async fn client_with(&self, token: &str) -> Clients {
        connect(&self.url(), token).await.expect("the service answers")
    }

    /// A token of the local issuer, good for a year of the test's clock, so that tests may move it on.
    pub fn token(&self, tenant: &str, user: &str, scopes: &[Scope]) -> String {
        self.sign(self.claims(tenant, user, scopes))
    }

    /// What [`Harness::token`] says, for tests that want to change it before [`Harness::sign`].
    pub fn claims(&self, tenant: &str, user: &str, scopes: &[Scope]) -> Claims {
        let now = self.clock.now();
        Claims {
            iss: LOCAL_ISSUER.to_owned(),
            sub: user.to_owned(),
            tenant: tenant.into(),
            scope: scopes.to_vec(),
            aud: vec![self.config.auth.audience.clone()],
            exp: now.after(Duration::from_hours(365 * 24)),
            nbf: None,
            iat: now,
            jti: "test".to_owned(),
        }
    }

    /// Signs what a token says with the local issuer's key.
    pub fn sign(&self, claims: Claims) -> String {
        let issuer = open_issuer(&self.config.data_dir).expect("the service made the key");
        issuer.issue(&claims).expect("the claims can be signed")
    }
}

/// A token of the local issuer in a service's data folder, good from now on for an hour of the machine's clock: for services that run as
/// processes of their own.
pub fn local_token(data: &Path, tenant: &str, user: &str, scopes: &[Scope]) -> String {
    let now = SystemClock.now();
    let claims = Claims {
        iss: LOCAL_ISSUER.to_owned(),
        sub: user.to_owned(),
        tenant: tenant.into(),
        scope: scopes.to_vec(),
        aud: vec![Config::default().auth.audience],
        exp: now.after(Duration::from_hours(1)),
        nbf: None,
        iat: now,
        jti: "test".to_owned(),
    };
    let issuer = open_issuer(data).expect("the key can be used");
    issuer.issue(&claims).expect("the claims can be signed")
}

impl Drop for Harness {
    fn drop(&mut self) {
        // What is left ends with the test's runtime; dropping the database cuts its connections.
        if let Some(running) = &self.running {
            running.ops.stopping.cancel();
        }
    }
}

impl Choices {
    /// The usual choices on this database.
    pub fn of(engine: Engine) -> Self {
        Self {
            engine,
            mode: MimeMode::KeepBytes,
            configure: Box::new(|_| {}),
            clock: Arc::default(),
            tokens: None,
            names: Arc::new(SystemNames),
        }
    }
}

/// Runs a test with a fresh service on SQLite, then with one on PostgreSQL.
pub async fn on_both_engines(test: impl AsyncFn(&mut Harness)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        test(&mut Harness::on(engine).await).await;
    }
}

/// The service's program does this at its start.
fn install_tls() {
    // An error says that another test was faster.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
