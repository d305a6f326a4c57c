//! What is told as time goes by: each threshold once, over restarts and replicas.

use std::time::Duration;

use mailagent::testing::{
    app::{self, Environment},
    domain::Clock,
    lifecycle::Lifecycle,
    ops::login::notify,
};
use mailagent_client::v1::{AgentHealthState, AuthenticationState, TokenEvent, TokenEventKind};

use super::{ANNA, DAY, HOUR, Place};
use crate::harness::{Engine, Mail, PATIENCE, eventually};

/// The last event, once there are so many; they are shown by kind and threshold in hours.
async fn told(p: &Place, count: usize) -> Vec<(TokenEventKind, Option<i64>)> {
    let hours = |event: &TokenEvent| event.threshold.as_ref().map(|threshold| threshold.seconds / 3600);
    p.told(count).await.iter().map(|event| (event.kind(), hours(event))).collect()
}

use TokenEventKind::{Expired, Expiring, Renewed};

/// A login that does not slide, as some companies have it: it ends 30 days after it was made.
const FIXED: &str = "login_lifetime = \"30d\"\nlogin_slides = false\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_threshold_is_told_once_over_restarts_and_replicas() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        let mut p = Place::with(engine, |platform| platform, FIXED).await;
        let agent = p.agent(ANNA).await;
        p.log_in(&agent.name).await;
        let made = p.h.clock.now();
        let environment = || Environment {
            clock: p.h.clock.clone(),
            ..Environment::default()
        };
        // A second replica, where there can be one, that tells at the same time.
        let other = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(app::build_ops(&p.h.config, environment(), &Lifecycle::new()).await.unwrap()),
        };
        let mut expected = vec![(Renewed, None)];
        let lead = [14 * DAY, 7 * DAY, 3 * DAY, DAY, HOUR];
        for before in lead {
            let at = made.after(30 * DAY).before(before);
            // A moment earlier there is nothing to tell.
            p.h.clock
                .advance(at.since(p.h.clock.now()).checked_sub(Duration::from_secs(1)).unwrap());
            tokio::time::sleep(Duration::from_millis(150)).await;
            assert_eq!(told(&p, expected.len()).await, expected, "{before:?}");
            p.h.clock.advance(Duration::from_secs(1));
            if let Some(other) = &other {
                let source = mailagent::testing::domain::LoginSource::parse(&agent.name).unwrap();
                let tenant = crate::harness::TENANT.into();
                let both = (0..4).map(|_| notify::notify(other, &tenant, &source));
                for result in futures::future::join_all(both).await {
                    result.unwrap();
                }
            }
            expected.push((Expiring, Some(i64::try_from(before.as_secs() / 3600).unwrap())));
            assert_eq!(told(&p, expected.len()).await, expected, "{before:?}");
            p.h.restart().await;
            p.client = p.h.client().await;
            tokio::time::sleep(Duration::from_millis(150)).await;
            assert_eq!(told(&p, expected.len()).await, expected, "after a restart");
            assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
        }
        p.h.clock.advance(HOUR);
        expected.push((Expired, None));
        assert_eq!(told(&p, expected.len()).await, expected);
        let login = p.authentication(&agent.name).await;
        assert_eq!(login.state(), AuthenticationState::Expired);
        assert_eq!((login.time_left.unwrap().seconds, login.fraction_left), (0, Some(0.0)));
        assert!(login.problem.contains("has expired. Log in again"), "{}", login.problem);
        let health = p
            .health(&agent.name, AgentHealthState::AuthenticationRequired)
            .await
            .health
            .unwrap();
        assert_eq!(health.problem, login.problem);
        // A new login begins a new life.
        p.log_in(&agent.name).await;
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        p.h.handled(&p.client, &agent.name, 1).await;
        expected.push((Renewed, None));
        p.h.clock.advance(17 * DAY);
        expected.push((Expiring, Some(14 * 24)));
        assert_eq!(told(&p, expected.len()).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pause_only_the_threshold_that_was_passed_last_is_told() {
    let mut p = Place::with(Engine::Sqlite, |platform| platform, FIXED).await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    assert_eq!(p.h.stop().await.died, None);
    p.h.clock.advance(28 * DAY);
    p.h.start().await;
    p.client = p.h.client().await;
    let told = p.told(2).await;
    let event = &told[1];
    assert_eq!((event.kind(), event.threshold.as_ref().unwrap().seconds), (Expiring, 3 * 24 * 3600));
    let left = event.expire_time.as_ref().unwrap().seconds - p.h.clock.now().seconds();
    assert_eq!(left, 2 * 24 * 3600, "the time itself is exact");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_slides_is_warned_of_only_while_it_cannot_be_renewed() {
    let p = Place::with(Engine::Sqlite, |platform| platform, "login_lifetime = \"10d\"\n").await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    // In daily use nothing is ever told.
    for day in 1..=12 {
        p.h.clock.advance(DAY);
        eventually(PATIENCE, "it is renewed", async || {
            let login = p.authentication(&agent.name).await;
            let renewed = login.renew_time.as_ref().unwrap().seconds - login.login_time.as_ref().unwrap().seconds;
            if renewed >= day * 86_400 { Ok(()) } else { Err(login) }
        })
        .await;
    }
    assert_eq!(told(&p, 1).await, [(Renewed, None)]);
    // The platform is away for four days: seven days are left, then six. Once it is back, that is told too.
    p.entra.fail(mailagent_sim::entra::TokenFault::status(503), 100);
    p.h.clock.advance(4 * DAY);
    assert_eq!(told(&p, 2).await, [(Renewed, None), (Expiring, Some(7 * 24))]);
    p.entra.forget_faults();
    eventually(PATIENCE, "it is renewed again", async || {
        p.h.clock.advance(Duration::from_mins(1));
        let login = p.authentication(&agent.name).await;
        if login.fraction_left > Some(0.99) { Ok(()) } else { Err(login) }
    })
    .await;
    assert_eq!(told(&p, 3).await, [(Renewed, None), (Expiring, Some(7 * 24)), (Renewed, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_of_its_refresh_tokens_counts() {
    let p = Place::with(Engine::Sqlite, |platform| platform.refresh_lifetime(Some(2 * DAY)), "").await;
    let agent = p.sender(ANNA).await;
    p.log_in(&agent.name).await;
    let login = p.authentication(&agent.name).await;
    assert_eq!(login.time_left.unwrap().seconds, 2 * 24 * 3600, "not the 90 days of the settings");
    assert_eq!(
        told(&p, 1).await,
        [(Renewed, None)],
        "of a short life, longer thresholds are not told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_operators_secret_is_told_to_those_it_concerns() {
    // The tests' clock begins on 23 November.
    let mut p = Place::with(Engine::Sqlite, |platform| platform, "client_secret_expires = \"2026-12-01\"\n").await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    let secret = |events: Vec<TokenEvent>| -> Vec<i64> {
        let of_secrets = events.into_iter().filter(|event| event.kind() == TokenEventKind::SecretExpiring);
        of_secrets
            .map(|event| {
                assert_eq!((event.source.as_str(), event.provider.as_str()), ("providers/contoso", "contoso"));
                assert!(event.problem.contains("Have the operator create a new one"), "{event:?}");
                event.threshold.unwrap().seconds / 86_400
            })
            .collect()
    };
    p.h.clock.advance(Duration::from_secs(61));
    assert_eq!(secret(p.told(2).await), [14], "half of it is over already");
    assert!(p.authentication(&agent.name).await.client_secret_expire_time.is_some());
    p.h.clock.advance(DAY);
    assert_eq!(secret(p.told(3).await), [14, 7]);
    p.h.restart().await;
    p.client = p.h.client().await;
    p.h.clock.advance(HOUR);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(secret(p.told(3).await), [14, 7], "once");
    // Whose logins are elsewhere is not told.
    let other = p.h.client_as("other", "anna", mailagent::testing::domain::Scope::ALL).await;
    assert!(super::told(&other, 0).await.is_empty());
}
