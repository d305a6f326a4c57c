//! The database goes away and comes back.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use futures::poll;
use mailagent::testing::{
    config::{self, Config, DatabaseUrl, Flag},
    domain::{Clock, Customer, Kind},
    ops::directory,
};
use mailagent_sim::exchange::FolderKind;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::sleep,
};
use url::Url;

use super::sample::{self, Sample, admin};
use crate::harness::{Choices, Engine, Harness, PATIENCE, TENANT, eventually, on_both_engines};

const MAILBOX: &str = "service@example.com";
/// A call must have failed by then: callers give up on it soon after.
const SOON: Duration = Duration::from_secs(25);

/// Stands between the service and PostgreSQL, and can cut what passes through it.
#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    open: Arc<Mutex<JoinSet<()>>>,
    accepting: Arc<Mutex<JoinSet<()>>>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let proxy = Self {
            address: listener.local_addr().expect("it has an address"),
            target: Arc::default(),
            open: Arc::default(),
            accepting: Arc::default(),
        };
        proxy.accept(listener);
        proxy
    }

    fn accept(&self, listener: TcpListener) {
        let (target, open) = (self.target.clone(), self.open.clone());
        let accepting = async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let target = *target.get().expect("the target is known before it is used");
                open.lock().expect("nobody panics with it").spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        // An error is a connection that was cut, which is what this is for.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        };
        self.accepting.lock().expect("nobody panics with it").spawn(accepting);
    }

    /// Cuts all connections; new ones are let through.
    fn cut(&self) {
        self.open.lock().expect("nobody panics with it").abort_all();
    }

    /// As when the server is stopped: connections are cut, new ones are refused.
    async fn stop(&self) {
        let mut accepting = std::mem::take(&mut *self.accepting.lock().expect("nobody panics with it"));
        accepting.shutdown().await;
        self.cut();
    }

    async fn restart(&self) {
        self.accept(TcpListener::bind(self.address).await.expect("the port is still free"));
    }

    /// Puts itself between the service and its database.
    fn configure(self) -> Box<dyn FnOnce(&mut Config)> {
        Box::new(move |config| {
            let DatabaseUrl::Postgres(url) = &config.database.url else {
                panic!("the proxy is for PostgreSQL");
            };
            let mut url = Url::parse(url.expose()).expect("it is a URL");
            let target = (url.host_str().expect("it has a host"), url.port().unwrap_or(5432));
            let target = std::net::ToSocketAddrs::to_socket_addrs(&target)
                .expect("the host has an address")
                .next();
            self.target.set(target.expect("the host has an address")).expect("it is set once");
            url.set_host(Some("127.0.0.1")).expect("a URL with another host");
            url.set_port(Some(self.address.port())).expect("a URL with another port");
            let flag = Flag {
                key: "database.url",
                value: url.into(),
                name: "--database",
            };
            let other = config::load(None, [], &[flag]).expect("the URL is good");
            config.database.url = other.database.url;
        })
    }
}

async fn begin(h: &Harness, samples: &[Sample]) {
    sample::fill(h.ops()).await;
    for sample in samples {
        h.exchange.deliver(MAILBOX, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
    }
    // Without push every look is the same, so that the pace is even.
    sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
}

/// A read and a write fail as what they are, soon enough for the caller to be told.
async fn check_away(h: &Harness, reads_too: bool) {
    if reads_too {
        let began = Instant::now();
        let read = directory::get_customer(h.ops(), &admin(), &"oak".into()).await;
        check_unavailable("a read", read.err(), began);
    }
    let began = Instant::now();
    let customer = Customer {
        id: "never".into(),
        display_name: "Never".to_owned(),
        revision: 1,
    };
    let written = directory::upsert_customers(h.ops(), &admin(), vec![customer]).await;
    check_unavailable("a write", written.err(), began);
}

fn check_unavailable(what: &str, error: Option<mailagent::testing::domain::Error>, began: Instant) {
    let error = error.unwrap_or_else(|| panic!("{what} without the database"));
    println!("{what} failed after {:?}", began.elapsed());
    assert!(matches!(error.kind, Kind::Unavailable { .. }), "{what}: {error:?}");
    assert!(began.elapsed() < SOON, "{what} took {:?} to fail", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_postgresql_comes_back() {
    let seed = 41;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let proxy = Proxy::start().await;
    let h = Harness::with(Choices {
        configure: proxy.clone().configure(),
        ..Choices::of(Engine::Postgres)
    })
    .await;
    let samples = sample::samples(400, "away", seed);
    begin(&h, &samples[..300]).await;
    // Cut in the middle of whatever is under way.
    for _ in 0..12 {
        sleep(Duration::from_millis(chance.u64(20..250))).await;
        proxy.cut();
    }
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples[..300], &[], true).await;

    for sample in &samples[300..] {
        h.exchange.deliver(MAILBOX, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
    }
    let fetches = h.exchange.count("GetItem");
    let busy = async || if h.exchange.count("GetItem") > fetches { Ok(()) } else { Err(()) };
    eventually(PATIENCE, "it is at work", busy).await;
    proxy.stop().await;
    check_away(&h, true).await;
    proxy.restart().await;
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
    let error = directory::get_customer(h.ops(), &admin(), &"never".into())
        .await
        .expect_err("the call failed");
    assert_eq!(error.kind, Kind::NotFound, "nothing of it was written");
}

/// Takes SQLite's write lock as another process would.
async fn lock(h: &Harness) -> DatabaseConnection {
    let path = h.config.data_dir.join("mailagent.db");
    let mut options = ConnectOptions::new(format!("sqlite:{}", path.display()));
    options.max_connections(1);
    let connection = Database::connect(options).await.expect("the file opens");
    connection
        .execute_unprepared("PRAGMA busy_timeout = 20000")
        .await
        .expect("it can be set");
    connection
        .execute_unprepared("BEGIN IMMEDIATE")
        .await
        .expect("the lock is free in the end");
    connection
}

async fn unlock(connection: DatabaseConnection) {
    connection.execute_unprepared("ROLLBACK").await.expect("it was locked");
    connection.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_waits_while_another_process_locks_the_sqlite_file() {
    let h = Harness::new().await;
    let samples = sample::samples(300, "locked", 42);
    begin(&h, &samples[..200]).await;
    for _ in 0..5 {
        let locked = lock(&h).await;
        sleep(Duration::from_millis(300)).await;
        // Readers do not mind.
        directory::get_customer(h.ops(), &admin(), &"oak".into())
            .await
            .expect("reading goes on");
        unlock(locked).await;
        sleep(Duration::from_millis(100)).await;
    }
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples[..200], &[], true).await;

    let locked = lock(&h).await;
    for sample in &samples[200..] {
        h.exchange.deliver(MAILBOX, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
    }
    check_away(&h, false).await;
    unlock(locked).await;
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
}

/// Callers hang up, mailboxes are no longer to be read: whatever is dropped at any moment keeps nothing of the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_given_up_while_it_begins_holds_no_locks() {
    let h = Harness::on(Engine::Postgres).await;
    let store = &h.ops().store;
    let seed = 7;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let database = h.database().await;
    let open = "SELECT COUNT(*) AS n FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
    for round in 0..300 {
        // Begun or not, it is dropped then.
        let moment = Instant::now() + Duration::from_micros(chance.u64(0..600));
        let tenant = "acme".into();
        let mut beginning = Box::pin(store.begin(&tenant));
        while Instant::now() < moment && poll!(beginning.as_mut()).is_pending() {
            yield_now().await;
        }
        drop(beginning);
        eventually(PATIENCE, &format!("no transaction is open after round {round}"), async || {
            let open = Statement::from_string(database.get_database_backend(), open);
            let row = database.query_one_raw(open).await.expect("it is read").expect("there is a row");
            match row.try_get::<i64>("", "n").expect("it is a number") {
                0 => Ok(()),
                count => Err(count),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_are_counted_for_each_message_until_it_is_forgotten() {
    on_both_engines(async |h| {
        let (ops, key) = (h.ops(), vec![7; 16]);
        let deaths = async |tenant: &str| {
            ops.store
                .tenant(&tenant.into())
                .suspects(&"agent".into())
                .await
                .expect("they are read")
        };
        for count in 1..=2 {
            let mut writer = ops.store.begin(&TENANT.into()).await.expect("it begins");
            writer.add_suspect(&"agent".into(), &key, ops.now()).await.expect("it is counted");
            writer.commit().await.expect("it is committed");
            assert_eq!(deaths(TENANT).await.get(&key), Some(&count));
        }
        assert!(deaths("another").await.is_empty(), "it is another tenant's");
        let mut writer = ops.store.begin(&TENANT.into()).await.expect("it begins");
        writer
            .forget_suspects(&"agent".into(), std::slice::from_ref(&key))
            .await
            .expect("it is forgotten");
        writer.commit().await.expect("it is committed");
        assert!(deaths(TENANT).await.is_empty());
    })
    .await;
}
