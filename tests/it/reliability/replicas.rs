//! Two services on one PostgreSQL database.

use std::{sync::Arc, time::Duration};

use mailagent::testing::{
    app::{self, Environment, Running},
    config::{self, Config, DatabaseUrl, Flag},
    domain::{AgentId, AgentSettings, Clock, Contact, HealthState, Kind},
    lifecycle::Lifecycle,
    ops::{
        Ops,
        agents::{self, AgentPatch},
        directory, import,
        mailbox::ReadError,
        sweep,
    },
};
use mailagent_sim::exchange::{Exchange, FolderKind};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, time::sleep};

use super::sample::{self, Sample, admin};
use crate::harness::{Choices, Engine, Harness, PATIENCE, TENANT, TestClock, eventually};

const MAILBOX: &str = "service@example.com";
/// How long a lease lasts that nobody prolongs.
const LEASE: Duration = Duration::from_secs(20);
/// How soon another replica must have a dead one's mailboxes.
const TAKEOVER: Duration = Duration::from_secs(30);

/// A second service with threads of its own, so that it can die like a process.
pub(super) struct Replica {
    runtime: Option<Runtime>,
    running: Option<Running>,
}

impl Replica {
    pub(super) async fn start(config: &Config, clock: &Arc<TestClock>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads can be had");
        let (config, clock) = (config.clone(), clock.clone());
        let starting = runtime.spawn(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
            let environment = Environment {
                clock,
                ..Environment::default()
            };
            app::start_in(config, listener, environment).await
        });
        let running = starting.await.expect("it does not panic").expect("it starts");
        Self {
            runtime: Some(runtime),
            running: Some(running),
        }
    }

    pub(super) fn ops(&self) -> Ops {
        self.running.as_ref().expect("it runs").ops.clone()
    }

    /// Sweeps on demand, without regard to who has the mailbox. Returns how often another reader was faster.
    fn sweep(&self, agent: &AgentId, times: usize) -> tokio::task::JoinHandle<usize> {
        let runtime = self.runtime.as_ref().expect("it runs");
        runtime.spawn(sweep_on_demand(self.ops(), agent.to_owned(), times))
    }

    pub(super) async fn stop(mut self) {
        let running = self.running.take().expect("it runs");
        let stopping = self.runtime.as_ref().expect("it runs").spawn(running.stop());
        assert_eq!(stopping.await.expect("it does not panic").died, None);
    }

    /// Gone between two instructions: nothing is finished, released or told.
    pub(super) fn die(mut self) {
        self.runtime.take().expect("it runs").shutdown_background();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn sweep_on_demand(ops: Ops, agent: AgentId, times: usize) -> usize {
    let mut collisions = 0;
    for _ in 0..times {
        let (agent, source) = sweep::prepare_sweep(&ops, &admin(), &agent).await.expect("the agent is active");
        match sweep::run_sweep(&ops, &admin().tenant, &agent, source, &mut |_| {}).await {
            Ok(_) => {}
            Err(ReadError::Service(error)) if error.kind == Kind::Stale => collisions += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    collisions
}

fn deliver(exchange: &Exchange, samples: &[Sample], h: &Harness) {
    for sample in samples {
        exchange.deliver(MAILBOX, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_sweep_one_mailbox_into_one_note_each() {
    let h = Harness::with(Choices {
        // The server takes four requests at once, and up to four readers come at the same time.
        configure: Box::new(|config| config.exchange.requests_per_mailbox = 1),
        ..Choices::of(Engine::Postgres)
    })
    .await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(300, "two", 21);
    deliver(&h.exchange, &samples[..200], &h);
    let agent = sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    let other = Replica::start(&h.config, &h.clock).await;
    // Beside the job that has the lease, both read the mailbox on demand: three readers at once.
    let there = other.sweep(&agent, 6);
    let here = tokio::spawn(sweep_on_demand(h.ops().clone(), agent.clone(), 6));
    deliver(&h.exchange, &samples[200..240], &h);
    let collisions = there.await.expect("it does not panic") + here.await.expect("it does not panic");
    assert_eq!(collisions, 0, "that another reader was faster is nobody's business");
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples[..240], &[], true).await;
    // Both go on, and the one that is left too.
    deliver(&h.exchange, &samples[240..270], &h);
    sample::all_handled(&h, MAILBOX).await;
    other.stop().await;
    deliver(&h.exchange, &samples[270..], &h);
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_replicas_mailbox_is_taken_over_in_time() {
    let mut h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(300, "dead", 22);
    sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    // It gives its mailbox up, so that the other one has it from now on.
    h.stop().await;
    let first = Replica::start(&h.config, &h.clock).await;
    deliver(&h.exchange, &samples[..50], &h);
    let fetched = |count: u64| {
        let exchange = h.exchange.clone();
        async move || {
            if exchange.count("GetItem") >= count {
                Ok(())
            } else {
                Err(exchange.count("GetItem"))
            }
        }
    };
    eventually(PATIENCE, "the first replica reads", fetched(5)).await;
    h.start().await;
    sample::all_handled(&h, MAILBOX).await;
    // It dies in the middle of the next stretch.
    let before = h.exchange.count("GetItem");
    deliver(&h.exchange, &samples[50..], &h);
    eventually(PATIENCE, "the first replica goes on", {
        let exchange = h.exchange.clone();
        async move || if exchange.count("GetItem") > before + 3 { Ok(()) } else { Err(()) }
    })
    .await;
    first.die();
    assert!(
        sample::missing(h.ops(), &h.exchange, MAILBOX).await > 0,
        "it died too late for this test"
    );
    let began = tokio::time::Instant::now();
    let before = h.exchange.count("GetItem");
    while h.exchange.count("GetItem") == before {
        assert!(began.elapsed() < TAKEOVER, "nobody took the mailbox over");
        sleep(Duration::from_millis(50)).await;
    }
    let waited = began.elapsed();
    println!("taken over after {waited:?}");
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_replica_is_back_at_once() {
    let mut h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(20, "back", 24);
    sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    h.stop().await;
    let first = Replica::start(&h.config, &h.clock).await;
    deliver(&h.exchange, &samples[..10], &h);
    let listed = || h.exchange.count("SyncFolderItems");
    eventually(
        PATIENCE,
        "the first one reads",
        async || if listed() > 0 { Ok(()) } else { Err(()) },
    )
    .await;
    first.die();
    let before = listed();
    // Sooner than any lease ends by itself.
    let began = tokio::time::Instant::now();
    let second = Replica::start(&h.config, &h.clock).await;
    deliver(&h.exchange, &samples[10..], &h);
    eventually(
        PATIENCE,
        "the second one reads",
        async || if listed() > before { Ok(()) } else { Err(()) },
    )
    .await;
    assert!(began.elapsed() < LEASE, "it waited for its own lease");
    second.stop().await;
    h.start().await;
    sample::all_handled(&h, MAILBOX).await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_database_falls_silent_loses_its_mailboxes() {
    let mut h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(60, "silent", 25);
    sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    h.stop().await;
    let mut config = h.config.clone();
    let proxy = SilentProxy::before(&mut config).await;
    // A folder of its own, as on another machine.
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    config.data_dir = data.path().to_owned();
    let first = Replica::start(&config, &h.clock).await;
    deliver(&h.exchange, &samples[..20], &h);
    let listed = || h.exchange.count("SyncFolderItems");
    eventually(
        PATIENCE,
        "the first one reads",
        async || if listed() > 2 { Ok(()) } else { Err(()) },
    )
    .await;
    h.start().await;
    sample::all_handled(&h, MAILBOX).await;
    proxy.silence();
    deliver(&h.exchange, &samples[20..], &h);
    let began = tokio::time::Instant::now();
    let step = Duration::from_millis(100);
    while sample::missing(h.ops(), &h.exchange, MAILBOX).await > 0 {
        let waited = began.elapsed();
        assert!(waited < TAKEOVER * 2, "nobody took the mailbox over");
        sleep(step).await;
        h.clock.advance(began.elapsed().saturating_sub(waited));
    }
    println!("taken over after {:?}", began.elapsed());
    sample::check_end_state(h.ops(), &samples, &[], true).await;
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_not_read_is_not_called_well() {
    let h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(20, "stuck", 26);
    let agent = sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    deliver(&h.exchange, &samples[..10], &h);
    sample::all_handled(&h, MAILBOX).await;
    let database = h.database().await;
    let held = database.begin().await.expect("a transaction begins");
    held.execute_unprepared("SELECT * FROM folder_position FOR UPDATE")
        .await
        .expect("the rows are there");
    deliver(&h.exchange, &samples[10..], &h);
    let health = async || {
        let health = h
            .ops()
            .store
            .tenant(&TENANT.into())
            .agent_health(std::slice::from_ref(&agent))
            .await;
        health.ok().and_then(|mut found| found.pop()).unwrap_or_default()
    };
    eventually(PATIENCE * 2, "the health says that the mailbox is not read", async || {
        let health = health().await;
        let named = health.state == HealthState::Degraded && health.problem.contains("has not been read for");
        if named { Ok(()) } else { Err(health) }
    })
    .await;
    held.rollback().await.expect("the transaction ends");
    // The lease was given up, and is taken again.
    sample::all_handled(&h, MAILBOX).await;
    eventually(2 * PATIENCE, "all is well", async || {
        let health = health().await;
        if health.state == HealthState::Ok { Ok(()) } else { Err(health) }
    })
    .await;
    sample::check_end_state(h.ops(), &samples, &[], true).await;
}

async fn set_archive(ops: &Ops, agent: &AgentId, archive: bool) {
    let mut wanted = AgentSettings::default();
    wanted.exchange.archive = archive;
    let patch = AgentPatch {
        wanted,
        fields: vec!["exchange.archive"],
        ..AgentPatch::default()
    };
    agents::update(ops, &admin(), agent, "", patch)
        .await
        .expect("the settings are fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_old_settings_moves_no_position() {
    let mut h = Harness::on(Engine::Sqlite).await;
    sample::fill(h.ops()).await;
    let samples = sample::samples(3, "late", 27);
    let agent = sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
    // Nobody else reads.
    h.stop().await;
    let environment = Environment {
        clock: h.clock.clone(),
        ..Environment::default()
    };
    let ops = app::build_ops(&h.config, environment, &Lifecycle::new())
        .await
        .expect("the database is there");
    set_archive(&ops, &agent, false).await;
    deliver(&h.exchange, &samples, &h);
    let prepare = async || sweep::prepare_sweep(&ops, &admin(), &agent).await.expect("it is active");
    let (known, opened) = prepare().await;
    let swept = sweep::run_sweep(&ops, &TENANT.into(), &known, opened, &mut |_| {})
        .await
        .expect("the server is there");
    assert_eq!((swept.progress.handled, swept.progress.archived), (3, 0));

    // Whoever began to read before the agent archived must not come to the end for what was wanted then.
    let (old, opened) = prepare().await;
    set_archive(&ops, &agent, true).await;
    match sweep::run_sweep(&ops, &TENANT.into(), &old, opened, &mut |_| {}).await {
        Err(ReadError::Service(error)) if error.kind == Kind::Stale => {}
        other => panic!("{other:?}"),
    }
    let (known, opened) = prepare().await;
    let swept = sweep::run_sweep(&ops, &TENANT.into(), &known, opened, &mut |_| {})
        .await
        .expect("the server is there");
    assert_eq!(swept.progress.archived, 3);
    ops.store.close().await;
}

/// Stands before PostgreSQL. Connections fall silent when told, as when a firewall forgets them; new ones are fine.
struct SilentProxy(watch::Sender<u32>);

impl SilentProxy {
    /// Puts one before the database of a service.
    async fn before(config: &mut Config) -> Self {
        let DatabaseUrl::Postgres(url) = &config.database.url else {
            panic!("the database is PostgreSQL")
        };
        let mut url = url::Url::parse(url.expose()).expect("it is a URL");
        let server = (url.host_str().expect("it names a host").to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        url.set_host(Some("127.0.0.1")).expect("it is a host");
        url.set_port(Some(port)).expect("it is a port");
        let settings = [("data", config.data_dir.display().to_string()), ("database.url", url.into())];
        let flags = settings.map(|(key, value)| Flag { key, value, name: key });
        config.database.url = config::load(None, [], &flags).expect("they are settings").database.url;
        let silent = watch::Sender::new(0);
        let told = silent.subscribe();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut told) = (server.clone(), told.clone());
                told.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = tokio::net::TcpStream::connect(server).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        changed = told.changed() => if changed.is_err() { return },
                    }
                    // Nothing is closed, nothing is said.
                    let _ = told.wait_for(|_| false).await;
                });
            }
        });
        Self(silent)
    }

    fn silence(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_and_a_message_that_come_at_the_same_time_find_each_other() {
    let seed = 23;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    let environment = Environment {
        clock: h.clock.clone(),
        ..Environment::default()
    };
    let other = app::build_ops(&h.config, environment, &Lifecycle::new())
        .await
        .expect("the database opens again");
    for number in 0..150 {
        let address = format!("race{number}@outside.example");
        let raw = format!(
            "From: {address}\r\nTo: anna@example.com\r\nMessage-ID: <race{number}@outside.example>\r\nSubject: race\r\n\r\nNow.\r\n"
        );
        let message = import::ImportedMessage {
            origin: address.clone(),
            raw: raw.into_bytes(),
            time: None,
        };
        let prepared = import::prepare(h.ops(), &TENANT.into(), vec![message]).await;
        let prepared = prepared.expect("it is prepared");
        let contact = Contact {
            id: format!("race{number}").into(),
            customer: "oak".into(),
            display_name: String::new(),
            addresses: vec![address],
            revision: 1,
            created_by_service: false,
        };
        let head_start = Duration::from_micros(chance.u64(..4000));
        let late = chance.bool();
        let message = async {
            sleep(if late { head_start } else { Duration::ZERO }).await;
            import::store(h.ops(), &TENANT.into(), prepared).await
        };
        let contact = async {
            sleep(if late { Duration::ZERO } else { head_start }).await;
            directory::upsert_contacts(&other, &admin(), vec![contact]).await
        };
        let (message, contact) = tokio::join!(message, contact);
        message.expect("the message is archived");
        contact.expect("the contact is written");
    }
    let archived = sample::archived(h.ops()).await;
    assert_eq!(archived.len(), 150);
    let lonely: Vec<&str> = archived
        .iter()
        .filter(|one| one.links.is_empty())
        .map(|one| one.message_id.as_str())
        .collect();
    assert!(lonely.is_empty(), "{} messages missed their contact: {lonely:?}", lonely.len());
    other.store.close().await;
}
