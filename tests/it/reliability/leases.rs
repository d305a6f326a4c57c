//! Leases: they are over by the database's clock, change hands with a new fencing number, and are spread fairly over replicas.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use mailagent::testing::{
    domain::{Clock, Kind, TenantId},
    store::{LeaseKey, LeaseKind, LeaseTerms},
};
use mailagent_sim::exchange::FolderKind;
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::sleep;

use super::{replicas::Replica, sample};
use crate::harness::{Engine, Harness, PATIENCE, TENANT, TestClock, eventually, on_both_engines};

const LONG: Duration = Duration::from_mins(10);

static OURS: LazyLock<TenantId> = LazyLock::new(|| TENANT.into());

fn key(id: &str) -> LeaseKey<'_> {
    LeaseKey {
        kind: LeaseKind::Login,
        tenant: Some(&OURS),
        id,
    }
}

fn terms(holder: &str, span: Duration) -> LeaseTerms<'_> {
    LeaseTerms {
        holder,
        span,
        grace: Duration::ZERO,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_and_its_fence_counts_the_changes() {
    on_both_engines(async |h| {
        let store = &h.ops().store;
        assert_eq!(store.take_lease(key("a"), terms("anna", LONG)).await.unwrap(), Some(1));
        assert_eq!(store.take_lease(key("a"), terms("bert", LONG)).await.unwrap(), None);
        assert_eq!(
            store.take_lease(key("a"), terms("anna", LONG)).await.unwrap(),
            Some(1),
            "a holder prolongs its own"
        );
        // Another id, and another tenant, are other leases.
        assert_eq!(store.take_lease(key("b"), terms("bert", LONG)).await.unwrap(), Some(1));
        let foreign = LeaseKey {
            tenant: Some(&"other".into()),
            ..key("a")
        };
        assert_eq!(store.take_lease(foreign, terms("bert", LONG)).await.unwrap(), Some(1));

        assert!(!store.release_lease(key("a"), "bert").await.unwrap());
        assert!(store.release_lease(key("a"), "anna").await.unwrap());
        // Who should leave it to others waits, who need not takes it.
        let patient = LeaseTerms {
            grace: LONG,
            ..terms("carl", LONG)
        };
        assert_eq!(store.take_lease(key("a"), patient).await.unwrap(), None);
        assert_eq!(store.take_lease(key("a"), terms("bert", LONG)).await.unwrap(), Some(2));

        // What is written under the lease that was lost is not written.
        let writer = store.begin(&TENANT.into()).await.unwrap();
        writer.check_lease(key("a"), 2).await.unwrap();
        let lost = writer.check_lease(key("a"), 1).await.unwrap_err();
        assert_eq!(lost.kind, Kind::Stale, "{lost:?}");
        let unknown = writer.check_lease(key("never"), 1).await.unwrap_err();
        assert_eq!(unknown.kind, Kind::Stale, "{unknown:?}");
        drop(writer);

        // All of a holder's at once, but for what it is stuck on.
        store.release_leases("bert").await.unwrap();
        let soon = Duration::from_millis(1);
        for id in ["x", "y"] {
            assert_eq!(store.take_lease(key(id), terms("anna", soon)).await.unwrap(), Some(1));
        }
        store.prolong_leases(LeaseKind::Login, "anna", LONG, &["y"]).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(store.take_lease(key("x"), terms("bert", LONG)).await.unwrap(), None);
        assert_eq!(store.take_lease(key("y"), terms("bert", LONG)).await.unwrap(), Some(2));

        // Signals wait for whoever holds it.
        store.signal_holder(LeaseKind::Login, "x", 1).await.unwrap();
        store.signal_holder(LeaseKind::Login, "x", 2).await.unwrap();
        store.signal_holder(LeaseKind::Login, "x", 1).await.unwrap();
        assert_eq!(store.take_signals(LeaseKind::Login, "bert").await.unwrap(), []);
        let signals = store.take_signals(LeaseKind::Login, "anna").await.unwrap();
        assert_eq!(signals, [("x".to_owned(), 2)]);
        assert_eq!(store.take_signals(LeaseKind::Login, "anna").await.unwrap(), []);

        // What has been over for a day is forgotten, and nothing else.
        let database = h.database().await;
        let old = "UPDATE lease SET until = until - 100000000000 WHERE id = 'b'";
        database.execute_unprepared(old).await.unwrap();
        assert_eq!(store.drop_leases().await.unwrap(), 1);
        assert_eq!(store.drop_leases().await.unwrap(), 0);
    })
    .await;
}

/// Mailboxes of the fair tests.
const MAILBOXES: usize = 9;

/// A service on PostgreSQL that has stopped, with agents whose mailboxes wait for replicas.
async fn mailboxes() -> Harness {
    let mut h = Harness::on(Engine::Postgres).await;
    sample::fill(h.ops()).await;
    for number in 0..MAILBOXES {
        sample::create_agent(h.ops(), &h.exchange, &format!("box{number}@example.com")).await;
    }
    h.stop().await;
    h
}

/// How many mailboxes each replica has, the fewest first.
async fn shares(h: &Harness) -> Vec<i64> {
    let database = h.database().await;
    let sql = "SELECT count(*) AS held FROM lease WHERE kind = 'mailbox' AND holder <> '' \
               AND until > EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 GROUP BY holder ORDER BY held";
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.unwrap();
    let held = rows.iter().map(|row| row.try_get("", "held").unwrap()).collect();
    database.close().await.unwrap();
    held
}

async fn shares_become(h: &Harness, wanted: &[i64]) {
    eventually(PATIENCE * 2, &format!("the replicas have {wanted:?}"), async || {
        let shares = shares(h).await;
        if shares == wanted { Ok(()) } else { Err(shares) }
    })
    .await;
}

/// A replica with a data folder and a clock of its own, as on another machine.
async fn replica(h: &Harness, clock: &Arc<TestClock>) -> (Replica, tempfile::TempDir) {
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let mut config = h.config.clone();
    config.data_dir = data.path().to_owned();
    (Replica::start(&config, clock).await, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_are_spread_fairly_over_replicas() {
    let h = mailboxes().await;
    let (first, _first_data) = replica(&h, &h.clock).await;
    shares_become(&h, &[9]).await;
    // Who joins gets its part.
    let (second, _second_data) = replica(&h, &h.clock).await;
    let (third, _third_data) = replica(&h, &h.clock).await;
    shares_become(&h, &[3, 3, 3]).await;
    // And what is given from one to the other is read all the same.
    for number in 0..MAILBOXES {
        let raw =
            format!("From: eva@oak.example\r\nMessage-ID: <{number}@oak.example>\r\nSubject: [CS-9000001] {number}\r\n\r\nHello.\r\n");
        let address = format!("box{number}@example.com");
        h.exchange.deliver(&address, FolderKind::Inbox, raw.into_bytes(), h.clock.now());
    }
    let ops = first.ops();
    eventually(PATIENCE, "all mailboxes are read", async || {
        match sample::outcomes(&ops).await.len() {
            MAILBOXES => Ok(()),
            read => Err(read),
        }
    })
    .await;
    // What one leaves behind is divided.
    second.stop().await;
    shares_become(&h, &[4, 5]).await;
    third.die();
    shares_become(&h, &[9]).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_clock_is_ahead_takes_nothing_and_keeps_nothing() {
    let h = mailboxes().await;
    let (first, _first_data) = replica(&h, &h.clock).await;
    shares_become(&h, &[9]).await;
    let held = holders(&h).await;
    let ahead = Arc::new(TestClock::at(h.clock.now().after(Duration::from_mins(10))));
    let (second, _second_data) = replica(&h, &ahead).await;
    shares_become(&h, &[4, 5]).await;
    let kept = holders(&h).await.into_iter().filter(|(id, holder)| held[id] == *holder).count();
    assert_eq!(kept, 5, "it got what was given to it, and no more");
    // Dead, it is no longer in the way than any other.
    second.die();
    shares_become(&h, &[9]).await;
    first.stop().await;
}

/// Who has each mailbox.
async fn holders(h: &Harness) -> BTreeMap<String, String> {
    let database = h.database().await;
    let sql = "SELECT id, holder FROM lease WHERE kind = 'mailbox'";
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.unwrap();
    let text = |row: &sea_orm::QueryResult, column| row.try_get("", column).unwrap();
    let held = rows.iter().map(|row| (text(row, "id"), text(row, "holder"))).collect();
    database.close().await.unwrap();
    held
}
