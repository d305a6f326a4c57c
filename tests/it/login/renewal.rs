//! Access tokens in time: renewed early, an outage is no refusal, and a refusal stops the work and is told.

use std::time::Duration;

use mailagent_client::v1::{AgentHealthState, Authentication, AuthenticationState, TokenEventKind};
use mailagent_sim::entra::{Rotation, TokenFault};

use serde_json::json;

use super::{ANNA, APP, BERT, HOUR, Place, SECRET};
use crate::harness::{Engine, Mail, PATIENCE, eventually};

/// Waits until renewing fails, and returns how.
async fn failing(p: &Place, agent: &str) -> Authentication {
    eventually(PATIENCE, "renewing fails", async || {
        let login = p.authentication(agent).await;
        if login.renewal_problem.is_empty() { Err(login) } else { Ok(login) }
    })
    .await
}

/// Waits until the mailbox has handled so much; the clock goes on meanwhile.
async fn handled(p: &Place, agent: &str, count: i64) {
    eventually(PATIENCE, "the mailbox is read again", async || {
        p.h.clock.advance(Duration::from_secs(1));
        let health = p.get(agent).await.health.unwrap();
        if health.handled_count == count && health.state() == AgentHealthState::Ok {
            Ok(())
        } else {
            Err(health)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_provider_is_never_a_refused_login() {
    let busy = |retry_after| TokenFault::Status {
        status: 429,
        body: String::new(),
        retry_after,
    };
    let faults = [
        TokenFault::status(500),
        TokenFault::status(502),
        TokenFault::status(503),
        TokenFault::status(504),
        busy(None),
        busy(Some(30)),
        TokenFault::error("temporarily_unavailable", "AADSTS90033: A transient error has occurred."),
        TokenFault::error("server_error", ""),
        TokenFault::error("something_new", "AADSTS999999: nobody knows"),
        TokenFault::status(403),
        TokenFault::CutBefore,
        TokenFault::CutAfter,
        TokenFault::Garbage,
        TokenFault::Hang,
    ];
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
    for (fault, count) in faults.into_iter().zip(2..) {
        println!("{fault:?}");
        p.entra.fail(fault, 1);
        // Past its end, so that it is needed.
        p.h.clock.advance(HOUR);
        let login = failing(&p, &agent.name).await;
        assert_eq!(login.state(), AuthenticationState::Active, "{login:?}");
        assert!(login.renewal_problem_time.is_some());
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", &format!("CS-0000001 {count}")));
        handled(&p, &agent.name, count).await;
        let login = p.authentication(&agent.name).await;
        assert_eq!((login.renewal_problem.as_str(), login.renewal_problem_time), ("", None));
    }
    let kinds: Vec<TokenEventKind> = p.told(1).await.iter().map(mailagent_client::v1::TokenEvent::kind).collect();
    assert_eq!(kinds, [TokenEventKind::Renewed], "people are told of nothing that heals by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_with_small_defects_loses_no_refresh_token() {
    // A refresh token that was replaced ends the login if it is shown again.
    let p = Place::with(Engine::Sqlite, |platform| platform.rotation(Rotation::Strict), "").await;
    let agent = p.agent(ANNA).await;
    p.entra
        .fail(TokenFault::Careless(json!({"expires_in": "3599", "token_type": null})), 1);
    p.log_in(&agent.name).await;
    for (fields, count) in [
        json!({"expires_in": "3599"}),
        json!({"expires_in": 3599.5}),
        json!({"expires_in": -1}),
        json!({"expires_in": null, "token_type": null, "scope": null}),
        json!({"token_type": ["Bearer"], "scope": ["a", "b"], "more": {}}),
    ]
    .into_iter()
    .zip(1..)
    {
        println!("{fields}");
        p.entra.fail(TokenFault::Careless(fields), 1);
        p.h.clock.advance(HOUR);
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", &format!("CS-0000001 {count}")));
        handled(&p, &agent.name, count).await;
        let login = p.authentication(&agent.name).await;
        assert_eq!((login.state(), login.renewal_problem.as_str()), (AuthenticationState::Active, ""));
    }
    p.h.clock.advance(HOUR);
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001 at last"));
    handled(&p, &agent.name, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_for_good_stops_the_work_and_is_told() {
    for (error, description) in [
        ("invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity."),
        ("interaction_required", "AADSTS50076: you must use multi-factor authentication"),
        ("consent_required", ""),
        ("login_required", ""),
    ] {
        let p = Place::new().await;
        let agent = p.agent(ANNA).await;
        p.log_in(&agent.name).await;
        p.entra.fail(TokenFault::error(error, description), 1);
        p.h.clock.advance(HOUR);
        let login = p.state(&agent.name, AuthenticationState::LoginRequired).await;
        assert!(login.provider_reply.starts_with(error), "{login:?}");
        let agent = p.health(&agent.name, AgentHealthState::AuthenticationRequired).await;
        assert_eq!(agent.health.unwrap().problem, login.problem);
        let event = p.told(2).await.pop().unwrap();
        assert_eq!(
            (event.kind(), &event.source, &event.problem),
            (TokenEventKind::LoginRequired, &agent.name, &login.problem)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_operators_settings_is_not_put_on_the_person() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    p.entra.expire_secret(APP);
    p.h.clock.advance(HOUR);
    let login = failing(&p, &agent.name).await;
    assert_eq!(login.state(), AuthenticationState::Active);
    assert!(
        login.renewal_problem.contains("client secret") && login.renewal_problem.contains("operator"),
        "{login:?}"
    );
    assert!(login.provider_reply.contains("AADSTS7000222"), "{login:?}");
    let health = p.health(&agent.name, AgentHealthState::Degraded).await.health.unwrap();
    assert!(health.problem.contains("client secret"), "{health:?}");
    p.entra.set_secret(APP, SECRET);
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    handled(&p, &agent.name, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_proves_the_service_and_its_end_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["crm-app".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2026, 12, 30);
    let certificate = parameters.self_signed(&key).unwrap();
    let (certificate_file, key_file) = (folder.path().join("app.crt"), folder.path().join("app.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let settings = format!(
        "certificate_file = \"{}\"\ncertificate_key_file = \"{}\"\n",
        certificate_file.display(),
        key_file.display()
    );
    let p = Place::with(Engine::Sqlite, |platform| platform, &settings).await;
    p.entra.set_certificate(APP, &certificate.pem());
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    p.h.clock.advance(HOUR);
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    handled(&p, &agent.name, 1).await;
    assert!(p.renewals() >= 1);
    let ends = p.authentication(&agent.name).await.client_secret_expire_time.unwrap();
    assert_eq!(ends.seconds, parameters_end(&certificate));
    p.h.clock.advance(24 * 24 * HOUR);
    let kinds: Vec<TokenEventKind> = p.told(2).await.iter().map(mailagent_client::v1::TokenEvent::kind).collect();
    assert_eq!(kinds, [TokenEventKind::Renewed, TokenEventKind::SecretExpiring]);
}

fn parameters_end(certificate: &rcgen::Certificate) -> i64 {
    use std::ops::Deref;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der().deref()).unwrap();
    parsed.validity().not_after.timestamp()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_refuses_before_its_time_is_replaced_once() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
    p.entra.forget_access_tokens();
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001 again"));
    p.h.handled(&p.client, &agent.name, 2).await;
    assert_eq!(p.renewals(), 1);
    // A server that takes no token at all is told apart from a login that ended.
    p.h.exchange.set_tokens(None);
    let health = p
        .health(&agent.name, AgentHealthState::AuthenticationRequired)
        .await
        .health
        .unwrap();
    assert!(health.problem.contains("accepts no access tokens at this address"), "{health:?}");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
    let renewals = p.renewals();
    p.h.clock.advance(Duration::from_mins(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(p.renewals() <= renewals + 1, "it is not asked again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_nobody_uses_are_kept_alive_and_one_that_ends_hurts_no_other() {
    let p = Place::with(Engine::Sqlite, |platform| platform.rotation(Rotation::Strict), "").await;
    // Nothing is read by it.
    let sender = p.sender(ANNA).await;
    let reader = p.agent(BERT).await;
    p.log_in(&sender.name).await;
    p.log_in(&reader.name).await;
    p.entra.revoke(BERT);
    for round in 1..=4 {
        p.h.clock.advance(HOUR);
        eventually(PATIENCE, "it is renewed", async || {
            let login = p.authentication(&sender.name).await;
            let renewed = login.renew_time.unwrap().seconds - login.login_time.unwrap().seconds;
            if renewed == round * 3600 { Ok(()) } else { Err(renewed) }
        })
        .await;
    }
    assert_eq!(p.authentication(&sender.name).await.state(), AuthenticationState::Active);
    assert_eq!(p.authentication(&reader.name).await.state(), AuthenticationState::LoginRequired);
}
