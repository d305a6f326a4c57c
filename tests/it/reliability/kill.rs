//! The process is killed at any moment of a sweep, again and again, and goes on from what is on disk.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use mailagent::testing::{
    app::{self, Environment},
    config::{self, Config},
    crypto::Secret,
    domain::{AgentId, AgentKind, AuthenticationMethod, Clock, LoginSource, Scope, SystemClock, TenantChoices},
    lifecycle::Lifecycle,
    ops::{
        Ops,
        login::{self, CALLBACK, CallbackResult},
        settings::{self, SettingsPatch},
    },
};
use mailagent_client::{
    Backoff, EARLIEST, connect,
    v1::{Match, WatchMatchesRequest},
};
use mailagent_sim::{
    MimeMode,
    entra::Entra,
    exchange::{Exchange, FolderKind},
};
use sea_orm::{ConnectionTrait, Database, Statement};
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;

use super::sample::{self, Sample};
use crate::harness::{Engine, PATIENCE, PostgresDatabase, TENANT, USER, eventually, free_address, local_token};

/// The mailbox that is swept.
const MAILBOX: &str = "service@example.com";
/// The service at the platform where people log in: id and secret.
const APP: &str = "mailagent";
/// Messages in a request over Graph.
const BATCH: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_during_a_sweep() {
    let plan = Plan {
        protocol: AgentKind::ExchangeEws,
        engine: Engine::Sqlite,
        // The server makes the MIME of a message anew each time.
        mode: MimeMode::Rebuild,
        rounds: 50,
        messages: 2000,
        seed: 1,
    };
    plan.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_ten_times_during_a_sweep_into_postgresql() {
    let plan = Plan {
        protocol: AgentKind::ExchangeEws,
        engine: Engine::Postgres,
        mode: MimeMode::KeepBytes,
        rounds: 10,
        messages: 400,
        seed: 2,
    };
    plan.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_five_times_during_a_sweep_over_graph() {
    let plan = Plan {
        protocol: AgentKind::ExchangeGraph,
        engine: Engine::Sqlite,
        mode: MimeMode::Rebuild,
        rounds: 25,
        messages: 1000,
        seed: 3,
    };
    plan.run().await;
}

struct Plan {
    protocol: AgentKind,
    engine: Engine,
    mode: MimeMode,
    rounds: usize,
    messages: usize,
    seed: u64,
}

/// When a process is killed.
#[derive(Debug)]
enum Moment {
    /// So long after its first request to the mail server.
    After(Duration),
    /// So long after the server has answered so many requests for messages: what they brought is being handled or committed.
    Fetched(u64, Duration),
    /// So long after the database's files have grown so often since then: in the middle of a commit, or right behind it.
    Committed(u32, Duration),
}

impl Moment {
    fn choose(chance: &mut fastrand::Rng, engine: Engine) -> Self {
        match chance.u8(..3) {
            0 => Self::After(Duration::from_millis(chance.u64(50..400))),
            1 if engine == Engine::Sqlite => Self::Committed(chance.u32(1..6), Duration::from_micros(chance.u64(..3000))),
            _ => Self::Fetched(chance.u64(1..8), Duration::from_micros(chance.u64(..100_000))),
        }
    }

    /// Waits for it, though not for ever: the process may have less to do.
    async fn come(&self, exchange: &Exchange, data: &Path) {
        let requests = exchange.requests().len();
        let now = || exchange.count("GetItem") + exchange.count("graph/value").div_ceil(BATCH);
        let fetches = now();
        let fetched = |count: u64| until(move || now() >= fetches + count);
        let then = match self {
            Self::After(then) => {
                until(|| exchange.requests().len() > requests).await;
                then
            }
            Self::Fetched(count, then) => {
                fetched(*count).await;
                then
            }
            Self::Committed(count, then) => {
                fetched(1).await;
                for _ in 0..*count {
                    let size = database_size(data);
                    until(|| database_size(data) != size).await;
                }
                then
            }
        };
        sleep(*then).await;
    }
}

/// Waits for a condition, though not for long.
async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            sleep(Duration::from_micros(300)).await;
        }
    };
    // When it does not happen there is less to do than was thought, and the process is killed while it rests.
    let _ = timeout(Duration::from_secs(2), waiting).await;
}

/// Size of the SQLite database with its log.
fn database_size(data: &Path) -> u64 {
    let size = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |file| file.len());
    size("mailagent.db") + size("mailagent.db-wal")
}

impl Plan {
    async fn run(&self) {
        println!("seed {}", self.seed);
        let mut chance = fastrand::Rng::with_seed(self.seed);
        let database = match self.engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await),
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let entra = Entra::builder().start().await.expect("a port is free");
        let service = Service::new(folder.path().join("data"), database.as_ref().map(PostgresDatabase::url), &entra);
        let platform = entra.clone();
        let exchange = Exchange::builder()
            .mode(self.mode)
            .seed(self.seed)
            .tokens(Arc::new(move |token| platform.identify(token)))
            .start()
            .await
            .expect("a port is free");

        // Looks at the database from outside, so that a dead process can be judged too.
        let ops = service.open().await;
        sample::fill(&ops).await;
        let agent = match self.protocol {
            AgentKind::ExchangeGraph => {
                use_logins(&ops).await;
                let agent = sample::create_agent_over(&ops, &exchange, MAILBOX, self.protocol).await;
                log_in(&ops, &service, &entra, &agent).await;
                agent
            }
            AgentKind::ExchangeEws | AgentKind::Smtp => sample::create_agent(&ops, &exchange, MAILBOX).await,
        };
        let seen: Arc<Mutex<Vec<Match>>> = Arc::default();

        let all = sample::samples(self.messages, "kill", self.seed);
        let (swept, other) = all.split_at(self.messages - self.messages / 20);
        let portion = swept.len().div_ceil(self.rounds);
        let mut watching = None;
        let mut at_work = 0;
        // On a busy machine nothing may get done before the chosen moment: each life in vain makes the next ones longer.
        let (mut done_before, mut grace) = (0, Duration::ZERO);
        for (round, fresh) in swept.chunks(portion).enumerate() {
            let other = &other[other.len() * round / self.rounds..other.len() * (round + 1) / self.rounds];
            Self::shuffle(&exchange, &mut chance, &swept[..round * portion], fresh, other);
            if let Some(database) = &database {
                release_leases(database.url()).await;
            }
            let mut process = service.start();
            process.ready(service.address).await;
            watching.get_or_insert_with(|| tokio::spawn(watch(service.url(), service.token(), seen.clone())));
            let before = exchange.requests().len();
            let moment = Moment::choose(&mut chance, self.engine);
            moment.come(&exchange, &service.data).await;
            sleep(grace).await;
            at_work += usize::from(exchange.requests().len() > before);
            process.kill();
            let done = sample::outcomes(&ops).await.len();
            if done == done_before {
                grace = (grace * 2).clamp(Duration::from_millis(100), Duration::from_secs(3));
            }
            done_before = done;
        }
        let handled = sample::outcomes(&ops).await.len();
        println!(
            "{at_work} of {} rounds were killed at work; {handled} outcomes by then",
            self.rounds
        );
        assert!(at_work * 10 >= self.rounds * 8, "the test kills processes that do nothing");
        assert!(handled > 0, "the test never lets a process finish anything");

        // So that it is known where everything ends: bring it all back.
        for item in exchange.items(MAILBOX, FolderKind::Deleted) {
            exchange.move_item(MAILBOX, &item.id, FolderKind::Inbox).expect("the item is there");
        }
        if let Some(database) = &database {
            release_leases(database.url()).await;
        }
        let mut process = service.start();
        process.ready(service.address).await;
        let expected_sent = exchange.items(MAILBOX, FolderKind::Sent).len();
        let url = match &database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", service.data.join("mailagent.db").display()),
        };
        let done = async || match sample::missing(&ops, &exchange, MAILBOX).await {
            0 if sample::archived(&ops).await.len() == self.messages => Ok(()),
            missing => Err((missing, process.log())),
        };
        eventually(2 * PATIENCE, "everything is handled", done).await;
        // The counts were moved in the same transactions.
        let counted = async || {
            let counts = (sample::health(&ops, &agent).await.handled, handled_items(&url).await);
            // Over Graph, where ids stay, what moved is known without being handled again.
            let moved = self.protocol == AgentKind::ExchangeGraph;
            if counts.0 == counts.1 || (moved && counts.0 < counts.1) {
                Ok(())
            } else {
                Err(counts)
            }
        };
        eventually(PATIENCE, "each item counts once", counted).await;
        println!("{expected_sent} sent messages are archived too");
        sample::check_end_state(&ops, swept, other, self.mode == MimeMode::KeepBytes).await;

        let notes = sample::notes(&ops).await.len();
        let health = sample::health(&ops, &agent).await;
        assert_eq!(usize::try_from(health.matched), Ok(notes), "each note counts once");

        self.check_watch(&service, &seen, notes).await;
        process.terminate().await;
        ops.store.close().await;
        exchange.stop().await;
    }

    /// Between two lives: new mail, old mail that comes again, mail that is moved, and a server that forgets.
    fn shuffle(exchange: &Exchange, chance: &mut fastrand::Rng, old: &[Sample], fresh: &[Sample], other: &[Sample]) {
        let now = SystemClock.now();
        let deliver = |folder, sample: &Sample| exchange.deliver(MAILBOX, folder, sample.raw.clone(), now);
        for sample in fresh {
            deliver(FolderKind::Inbox, sample);
        }
        for sample in other {
            deliver(FolderKind::Sent, sample);
        }
        for _ in 0..2.min(old.len()) {
            deliver(FolderKind::Inbox, &old[chance.usize(..old.len())]);
        }
        let inbox = exchange.items(MAILBOX, FolderKind::Inbox);
        let bin = exchange.items(MAILBOX, FolderKind::Deleted);
        for _ in 0..2 {
            // It may be the same one twice, which is gone the second time.
            exchange.move_item(MAILBOX, &inbox[chance.usize(..inbox.len())].id, FolderKind::Deleted);
        }
        if let Some(item) = chance.choice(&bin) {
            exchange.move_item(MAILBOX, &item.id, FolderKind::Inbox);
        }
        if chance.u8(..10) < 3 {
            exchange.reset_sync_state(MAILBOX);
        }
    }

    /// The reader that went on with its last cursor after every death saw what a reader sees who begins now: all of it, in order.
    async fn check_watch(&self, service: &Service, seen: &Mutex<Vec<Match>>, notes: usize) {
        let all: Arc<Mutex<Vec<Match>>> = Arc::default();
        let reading = tokio::spawn(watch(service.url(), service.token(), all.clone()));
        let ids = |seen: &Mutex<Vec<Match>>| -> Vec<String> {
            let mut known = std::collections::HashSet::new();
            let seen = seen.lock().expect("no reader panics");
            let ids = seen.iter().map(|one| one.event_id.clone());
            ids.filter(|id| known.insert(id.clone())).collect()
        };
        let both = async || match (ids(&all).len(), ids(seen).len()) {
            (all, seen) if all == notes && seen == notes => Ok(()),
            state => Err(state),
        };
        eventually(PATIENCE, "both readers have all matches", both).await;
        assert_eq!(ids(seen), ids(&all), "the order is that of the log");
        reading.abort();
    }
}

/// Lets people log in by OAuth, which Graph wants.
async fn use_logins(ops: &Ops) {
    let patch = SettingsPatch {
        wanted: TenantChoices {
            authentication_method: AuthenticationMethod::Modern,
            ..TenantChoices::default()
        },
        fields: vec!["authentication_method"],
        violations: Vec::new(),
    };
    settings::update(ops, &sample::admin(), "", patch)
        .await
        .expect("the settings are changed");
}

/// Logs in to an agent's mailbox, as a person does whose browser comes back to the service.
async fn log_in(ops: &Ops, service: &Service, entra: &Entra, agent: &AgentId) {
    entra.add_directory("directory", &["example.com"]);
    entra.add_user(MAILBOX);
    entra.add_app(APP, APP, &[&format!("{}{CALLBACK}", service.url())]);
    let admin = sample::admin();
    let source = LoginSource::Agent(agent.clone());
    let begun = login::begin(ops, &admin, &source, "", "").await.expect("the login begins");
    let back = entra.sign_in(&begun.url, &begun.account).expect("the page takes the account");
    let told = |name: &str| {
        let found = back.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).expect("the platform sends it along")
    };
    let code = CallbackResult::Code(Secret::new(told("code")));
    let question = login::ask(ops, &told("state"), code).await.expect("the page asks");
    login::confirm(ops, &question.ticket).await.expect("the login is completed");
}

/// Follows the matches for ever; the client resumes with its last cursor by itself.
async fn watch(url: String, token: String, seen: Arc<Mutex<Vec<Match>>>) {
    let mut clients = connect(&url, &token).await.expect("the service answers");
    clients.backoff = Backoff {
        first: Duration::from_millis(20),
        max: Duration::from_millis(100),
        give_up_after: None,
    };
    let mut matches = clients.watch_matches(WatchMatchesRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    });
    while let Some(delivery) = matches.next().await {
        let delivery = delivery.expect("only breaks that pass");
        seen.lock().expect("no reader panics").extend(delivery.event);
    }
}

/// Stands for the half minute after which a dead replica's mailboxes are free: the next process need not wait for it.
async fn release_leases(url: &str) {
    let connection = Database::connect(url).await.expect("the database answers");
    connection
        .execute_unprepared("DELETE FROM lease")
        .await
        .expect("leases can be deleted");
    connection.close().await.expect("the connection closes");
}

/// Messages of the mailbox that are known as handled.
async fn handled_items(url: &str) -> i64 {
    let connection = Database::connect(url).await.expect("the database answers");
    let statement = Statement::from_string(connection.get_database_backend(), "SELECT COUNT(*) FROM mailbox_item");
    let row = connection
        .query_one_raw(statement)
        .await
        .expect("the items are counted")
        .expect("a count is one row");
    let count = row.try_get_by_index(0).expect("it is a number");
    connection.close().await.expect("the connection closes");
    count
}

/// A service that lives in a folder, on one port.
struct Service {
    data: PathBuf,
    address: SocketAddr,
    /// The variables of its process.
    environment: Vec<(String, String)>,
    config: Config,
}

impl Service {
    fn new(data: PathBuf, postgres: Option<&str>, entra: &Entra) -> Self {
        // A port that is free now; it stays the service's through all its lives.
        let address = free_address();
        let mut settings = vec![
            ("data", data.to_str().expect("temporary folders have plain names").to_owned()),
            ("server.listen", address.to_string()),
            ("exchange.allow_http", "true".to_owned()),
            ("network.allow_loopback", "true".to_owned()),
            ("exchange.poll_interval", "200ms".to_owned()),
            ("exchange.max_backoff", "200ms".to_owned()),
            ("events.bookmark_interval", "100ms".to_owned()),
            ("oauth.providers.0.name", "platform".to_owned()),
            ("oauth.providers.0.preset", "microsoft".to_owned()),
            ("oauth.providers.0.client_id", APP.to_owned()),
            ("oauth.providers.0.client_secret", APP.to_owned()),
            ("oauth.providers.0.authority", entra.authority().into()),
            ("oauth.providers.0.graph_url", entra.graph().into()),
            ("oauth.providers.0.hosts", "127.0.0.1".to_owned()),
        ];
        settings.extend(postgres.map(|url| ("database.url", url.to_owned())));
        let variable = |(key, value): (&str, String)| (format!("MAILAGENT_{}", key.to_uppercase().replace('.', "__")), value);
        let environment: Vec<(String, String)> = settings.into_iter().map(variable).collect();
        let config = config::load(None, environment.clone(), &[]).unwrap_or_else(|errors| panic!("{errors}"));
        Self {
            data,
            address,
            environment,
            config,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn token(&self) -> String {
        local_token(&self.data, TENANT, USER, Scope::ALL)
    }

    async fn open(&self) -> Ops {
        let built = app::build_ops(&self.config, Environment::default(), &Lifecycle::new()).await;
        built.unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn start(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailagent"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAILAGENT_")) {
            command.env_remove(name);
        }
        command
            .envs(self.environment.clone())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("it is piped");
        let kept = log.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().expect("nobody panics with it");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Process { child, log }
    }
}

/// A running service. Dropped, it is killed, also when the test panics.
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits until it takes connections.
    async fn ready(&mut self, address: SocketAddr) {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.log());
            assert!(began.elapsed() < PATIENCE, "it does not start:\n{}", self.log());
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        let ended = self.child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "it ended by itself: {ended:?}\n{}", self.log());
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
        let log = self.log();
        assert!(
            !log.contains("panic") && !log.contains(" ERROR "),
            "it had a fault of its own:\n{log}"
        );
    }

    /// SIGTERM, after which it must end well and soon.
    async fn terminate(mut self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
        let child = &mut self.child;
        let ended = eventually(PATIENCE, "it ends", async || {
            child.try_wait().expect("it can be asked").ok_or("runs")
        })
        .await;
        assert_eq!(ended.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the end of its log, newest first:\n{}", tail.join("\n"));
        }
    }
}
