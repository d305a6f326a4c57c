//! Several replicas on one database, and one whose process is gone in the middle.

use std::time::Duration;

use mailagent::testing::{
    app::{self, Environment},
    config::Config,
    domain::LoginSource,
    lifecycle::Lifecycle,
    ops::{Ops, login::tokens},
};
use mailagent_client::v1::{AuthenticationState, TokenEvent, TokenEventKind};
use mailagent_sim::entra::{Rotation, TokenFault};
use sea_orm::ConnectionTrait;

use super::{ANNA, HOUR, Place};
use crate::harness::{Engine, PATIENCE, TENANT, eventually};

/// A further replica: what it works with, without its jobs and port.
pub async fn replica(p: &Place, config: &Config) -> Ops {
    let environment = Environment {
        clock: p.h.clock.clone(),
        ..Environment::default()
    };
    app::build_ops(config, environment, &Lifecycle::new())
        .await
        .expect("the database opens again")
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_for_a_renewal_make_one_fifty_times() {
    // The strictest provider: a second use of a refresh token would end the login.
    let p = Place::with(Engine::Postgres, |platform| platform.rotation(Rotation::Strict), "").await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    let source = LoginSource::parse(&agent.name).unwrap();
    let others = [replica(&p, &p.h.config).await, replica(&p, &p.h.config).await];
    for round in 1..=50 {
        p.h.clock.advance(HOUR);
        // Three replicas, of which one has its own job at it as well, and each is asked twice.
        let replicas = [&others[0], &others[1], p.h.ops()];
        let tenant = TENANT.into();
        let asked = replicas
            .iter()
            .chain(&replicas)
            .map(|ops| tokens::access(ops, &tenant, &source, None));
        let tokens: Vec<String> = futures::future::join_all(asked)
            .await
            .into_iter()
            .map(|token| token.unwrap_or_else(|error| panic!("round {round}: {error:?}")).expose().clone())
            .collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "round {round}: all have the same");
        assert_eq!(p.renewals(), round, "one renewal in each round");
        assert_eq!(p.entra.identify(&tokens[0]).unwrap().account.as_deref(), Some(ANNA));
    }
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_for_a_renewal_report_its_end_once() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let p = Place::on(engine).await;
        let agent = p.sender(ANNA).await;
        let source = LoginSource::parse(&agent.name).unwrap();
        let other = match engine {
            Engine::Sqlite => p.h.ops().clone(),
            Engine::Postgres => replica(&p, &p.h.config).await,
        };
        let race = async || {
            let replicas = [&other, p.h.ops(), &other, p.h.ops(), &other, p.h.ops()];
            let tenant = TENANT.into();
            let asked = replicas.map(|ops| tokens::access(ops, &tenant, &source, None));
            for result in futures::future::join_all(asked).await {
                result.expect_err("no token is given");
            }
        };
        for round in 1..=20 {
            p.log_in(&agent.name).await;
            // A failure is one failure, and the provider is not asked again before its time.
            p.entra.fail(TokenFault::status(503), 1);
            p.h.clock.advance(HOUR);
            race().await;
            assert_eq!(p.renewals(), 2 * round - 1, "{engine:?}");
            // The end is one end.
            p.entra.revoke(ANNA);
            p.h.clock.advance(HOUR);
            race().await;
            assert_eq!(p.renewals(), 2 * round, "{engine:?}");
        }
        let kinds: Vec<TokenEventKind> = p.told(40).await.iter().map(TokenEvent::kind).collect();
        assert_eq!(
            kinds,
            [TokenEventKind::Renewed, TokenEventKind::LoginRequired].repeat(20),
            "{engine:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_goes_on_although_nobody_waits_for_it() {
    let p = Place::with(Engine::Sqlite, |platform| platform.rotation(Rotation::Strict), "").await;
    let agent = p.sender(ANNA).await;
    p.log_in(&agent.name).await;
    let source = LoginSource::parse(&agent.name).unwrap();
    for _ in 0..20 {
        p.h.clock.advance(HOUR);
        // Given up at some point of it, again and again.
        for patience in [0, 1, 2, 4, 8] {
            let tenant = TENANT.into();
            let asked = tokens::access(p.h.ops(), &tenant, &source, None);
            let _ = tokio::time::timeout(Duration::from_millis(patience), asked).await;
        }
        tokens::access(p.h.ops(), &TENANT.into(), &source, None)
            .await
            .expect("the login is good");
    }
    assert_eq!(p.renewals(), 20);
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_with_the_lease_holds_nobody_up_for_long() {
    let p = Place::with(Engine::Postgres, |platform| platform.rotation(Rotation::Strict), "").await;
    let agent = p.sender(ANNA).await;
    p.log_in(&agent.name).await;
    let source = LoginSource::parse(&agent.name).unwrap();
    let database = p.h.database().await;
    // As a process leaves it that is killed before it asks. The clock that counts is the database's.
    let dead = "INSERT INTO lease SELECT 'login', tenant_id, id, 'dead', \
        CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + 3000000, 7, 0 FROM login";
    database.execute_unprepared(dead).await.unwrap();
    p.h.clock.advance(HOUR);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(p.renewals(), 0, "somebody may still be at it");
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokens::access(p.h.ops(), &TENANT.into(), &source, None)
        .await
        .expect("the lease is over");
    assert_eq!(p.renewals(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_gave_is_stored_as_soon_as_the_database_is_back() {
    let p = Place::with(Engine::Sqlite, |platform| platform.rotation(Rotation::Strict), "").await;
    let agent = p.sender(ANNA).await;
    p.log_in(&agent.name).await;
    let database = p.h.database().await;
    let block = "CREATE TRIGGER full BEFORE UPDATE OF access_sealed ON login BEGIN SELECT RAISE(FAIL, 'disk full'); END";
    database.execute_unprepared(block).await.unwrap();
    p.h.clock.advance(HOUR);
    eventually(PATIENCE, "the provider was asked", async || match p.renewals() {
        0 => Err(()),
        _ => Ok(()),
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(p.renewals(), 1, "the old token is not shown again");
    database.execute_unprepared("DROP TRIGGER full").await.unwrap();
    let source = LoginSource::parse(&agent.name).unwrap();
    tokens::access(p.h.ops(), &TENANT.into(), &source, None)
        .await
        .expect("the login is good");
    assert_eq!(p.renewals(), 1);
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
    // What the provider itself fails at does not stop the next one either.
    p.entra.fail(TokenFault::CutBefore, 1);
    p.h.clock.advance(HOUR);
    eventually(PATIENCE, "it is renewed", async || {
        p.h.clock.advance(Duration::from_secs(1));
        let login = p.authentication(&agent.name).await;
        if login.renewal_problem.is_empty() && p.renewals() == 3 {
            Ok(())
        } else {
            Err(login)
        }
    })
    .await;
}
