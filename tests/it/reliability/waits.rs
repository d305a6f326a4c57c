//! No wait in PostgreSQL is without a bound: who stalls in a transaction delays its tenant for a while and others not at all, and what
//! failed or was given up gives its connection back.

use std::time::{Duration, Instant};

use mailagent::testing::{
    config::Config,
    domain::{Caller, Customer, Kind, Result},
    ops::directory,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait};
use tokio::task::JoinSet;

use super::sample::admin;
use crate::harness::{Choices, Engine, Harness, PATIENCE, TENANT, eventually, http1};

/// How long somebody else waits for a connection at most before a call fails.
const SOON: Duration = Duration::from_secs(9);

async fn harness() -> Harness {
    let configure = |config: &mut Config| {
        config.database.statement_timeout = Duration::from_secs(10);
        config.database.lock_timeout = Duration::from_secs(2);
        config.database.idle_in_transaction_timeout = Duration::from_secs(1);
    };
    Harness::with(Choices {
        configure: Box::new(configure),
        ..Choices::of(Engine::Postgres)
    })
    .await
}

fn caller(tenant: &str) -> Caller {
    Caller {
        tenant: tenant.into(),
        ..admin()
    }
}

async fn upsert(h: &Harness, tenant: &str, id: &str) -> Result<()> {
    let customer = Customer {
        id: id.into(),
        display_name: "Oak".to_owned(),
        revision: 1,
    };
    directory::upsert_customers(h.ops(), &caller(tenant), vec![customer])
        .await
        .map(drop)
}

/// Takes the lock on a tenant's counter as a foreign connection does that nobody bounds.
async fn hold(database: &DatabaseConnection) -> DatabaseTransaction {
    let foreign = database.begin().await.expect("a transaction begins");
    let held = foreign
        .execute_unprepared(&format!("UPDATE tenant_position SET last = last WHERE tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(held.expect("the row is free").rows_affected(), 1);
    foreign
}

async fn is_seen(database: &DatabaseConnection, id: &str) -> bool {
    let sql = "SELECT 1 AS one FROM customer WHERE tenant_id = $1 AND id = $2";
    let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, [TENANT.into(), id.into()]);
    database.query_one_raw(statement).await.expect("it is read").is_some()
}

#[track_caller]
fn assert_unavailable(error: &mailagent::testing::domain::Error) {
    assert!(matches!(error.kind, Kind::Unavailable { .. }), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_tenant_delays_no_other() {
    let h = harness().await;
    upsert(&h, TENANT, "first").await.expect("all is well");
    let database = h.database().await;
    let foreign = hold(&database).await;

    let mut stuck = JoinSet::new();
    for number in 0..12 {
        let ops = h.ops().clone();
        let customer = Customer {
            id: format!("stuck{number}").into(),
            display_name: "Oak".to_owned(),
            revision: 1,
        };
        let work = async move { directory::upsert_customers(&ops, &admin(), vec![customer]).await.map(drop) };
        let task = stuck.spawn(work);
        if number % 3 == 2 {
            // Some callers hang up.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                task.abort();
            });
        }
    }
    let mut round = 0;
    while !stuck.is_empty() {
        let began = Instant::now();
        upsert(&h, "other", &format!("free{round}")).await.expect("others write");
        let ready = http1().get(format!("{}/readyz", h.url())).send().await.expect("it answers");
        assert_eq!(ready.status(), 200, "the service is ready");
        assert!(began.elapsed() < SOON, "another tenant waited {:?}", began.elapsed());
        round += 1;
        while let Some(done) = stuck.try_join_next() {
            match done {
                Ok(result) => assert_unavailable(&result.expect_err("nobody can write")),
                Err(stopped) => assert!(stopped.is_cancelled(), "{stopped}"),
            }
        }
    }
    foreign.rollback().await.expect("it lets go");
    // No connection was lost.
    let mut all = JoinSet::new();
    for number in 0..12 {
        let (ops, id) = (h.ops().clone(), format!("after{number}"));
        all.spawn(async move {
            let customer = Customer {
                id: id.into(),
                display_name: "Oak".to_owned(),
                revision: 1,
            };
            directory::upsert_customers(&ops, &admin(), vec![customer]).await.map(drop)
        });
    }
    for done in all.join_all().await {
        done.expect("the tenant works again");
    }
    assert!(is_seen(&database, "after11").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stalls_in_a_transaction_loses_it() {
    let h = harness().await;
    upsert(&h, TENANT, "first").await.expect("all is well");
    let mut stalled = h.ops().store.begin(&TENANT.into()).await.expect("it begins");
    stalled.allocate_positions(1).await.expect("the counter is free");
    // The lock is free again when the server has ended the transaction.
    eventually(PATIENCE, "the tenant works again", async || upsert(&h, TENANT, "second").await).await;
    assert_unavailable(&stalled.commit().await.expect_err("the transaction is over"));
    upsert(&h, TENANT, "third").await.expect("the connection was given up");
    assert!(is_seen(&h.database().await, "third").await);
}

/// What PostgreSQL ends: a statement, or a connection.
#[tokio::test(flavor = "multi_thread")]
async fn commits_after_an_ended_statement_are_durable() {
    let h = harness().await;
    upsert(&h, TENANT, "first").await.expect("all is well");
    let database = h.database().await;
    for ending in ["pg_cancel_backend", "pg_terminate_backend"] {
        for overlooked in [false, true] {
            let foreign = hold(&database).await;
            let mut writer = h.ops().store.begin(&TENANT.into()).await.expect("it begins");
            let blocked = writer.allocate_positions(1);
            let end = async {
                let sql = format!(
                    "SELECT {ending}(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
                );
                eventually(PATIENCE, "the statement waits", async || {
                    let statement = Statement::from_string(database.get_database_backend(), sql.clone());
                    let ended = database.query_all_raw(statement).await.expect("it may");
                    if ended.is_empty() { Err(()) } else { Ok(()) }
                })
                .await;
            };
            let (error, ()) = tokio::join!(blocked, end);
            assert_unavailable(&error.expect_err("it was ended"));
            foreign.rollback().await.expect("it lets go");
            if overlooked {
                assert_unavailable(&writer.commit().await.expect_err("a rollback is no commit"));
            } else {
                drop(writer);
            }
            let id = format!("{ending}-{overlooked}");
            upsert(&h, TENANT, &id).await.expect("the tenant works again");
            assert!(is_seen(&database, &id).await, "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_limits_go_before_ours() {
    let url = |config: &Config| match &config.database.url {
        mailagent::testing::config::DatabaseUrl::Postgres(url) => format!("{}?options=-c%20lock_timeout%3D77ms", url.expose()),
        mailagent::testing::config::DatabaseUrl::Sqlite(_) => unreachable!("it is PostgreSQL"),
    };
    let h = Harness::with(Choices {
        configure: Box::new(move |config| {
            let flag = mailagent::testing::config::Flag {
                key: "database.url",
                value: url(config),
                name: "--database",
            };
            config.database.url = mailagent::testing::config::load(None, [], &[flag])
                .expect("the URL is good")
                .database
                .url;
        }),
        ..Choices::of(Engine::Postgres)
    })
    .await;
    upsert(&h, TENANT, "first").await.expect("all is well");
    let database = h.database().await;
    let foreign = hold(&database).await;
    let began = Instant::now();
    assert_unavailable(&upsert(&h, TENANT, "second").await.expect_err("nobody can write"));
    assert!(began.elapsed() < SOON, "it waited {:?}", began.elapsed());
    foreign.rollback().await.expect("it lets go");
}
