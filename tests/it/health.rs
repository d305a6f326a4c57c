//! What goes wrong with one mailbox is told in plain words, hurts no other, and heals by itself or by changing the agent.

use std::{sync::Arc, time::Duration};

use mailagent_client::{
    Clients,
    v1::{Agent, AgentHealth, AgentHealthState, ExchangeSettings, UpdateAgentRequest},
};
use mailagent_sim::exchange::{Exchange, Fault, FaultKind};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Choices, Engine, Harness, Mail, PATIENCE, eventually};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

/// A service that waits a second for answers, with the mailbox of bert that all is well with.
async fn service() -> (Harness, Clients, Agent) {
    let mut choices = Choices::of(Engine::Sqlite);
    choices.configure = Box::new(|config| config.exchange.request_timeout = Duration::from_secs(1));
    let h = Harness::with(choices).await;
    let client = h.seed().await;
    let bert = h.agent(&client, BERT).await;
    (h, client, bert)
}

async fn health(h: &Harness, client: &Clients, agent: &str) -> AgentHealth {
    h.get_agent(client, agent).await.health.unwrap()
}

/// Waits until an agent is in trouble, and returns how.
async fn trouble(h: &Harness, client: &Clients, agent: &str) -> AgentHealth {
    eventually(PATIENCE, "the agent is in trouble", async || {
        let health = health(h, client, agent).await;
        if health.state() == AgentHealthState::Ok {
            Err(health)
        } else {
            Ok(health)
        }
    })
    .await
}

/// Waits until an agent is well again and has handled so many messages; the clock goes on meanwhile.
async fn healed(h: &Harness, client: &Clients, agent: &str, handled: i64) {
    eventually(PATIENCE, "the agent is well again", async || {
        h.clock.advance(Duration::from_millis(100));
        let health = health(h, client, agent).await;
        // An agent that was just changed is well until it is tried.
        if health.state() == AgentHealthState::Ok && health.handled_count == handled && health.last_success_time.is_some() {
            let times = (health.problem.as_str(), health.problem_time, health.retry_time);
            assert_eq!(times, ("", None, None), "{health:?}");
            Ok(())
        } else {
            Err(health)
        }
    })
    .await;
}

fn check(what: &str, health: &AgentHealth, state: AgentHealthState, words: &str) {
    assert_eq!(health.state(), state, "{what}: {health:#?}");
    assert!(health.problem.contains(words), "{what}: {health:#?}");
    assert!(
        health.problem.ends_with('.') && !health.problem.contains(['{', '<']),
        "{what}: {health:#?}"
    );
    assert!(health.problem_time.is_some(), "{what}: {health:#?}");
    let retried = state != AgentHealthState::AuthenticationRequired;
    assert_eq!(health.retry_time.is_some(), retried, "{what}: {health:#?}");
}

async fn change(client: &Clients, agent: &Agent, exchange: ExchangeSettings) {
    let request = UpdateAgentRequest {
        agent: Some(Agent {
            name: agent.name.clone(),
            exchange: Some(exchange),
            ..Agent::default()
        }),
        update_mask: None,
    };
    client.clone().agents.update_agent(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_heal_by_themselves() {
    use AgentHealthState::{Degraded, Unreachable};
    let (h, client, bert) = service().await;
    let anna = h.agent(&client, ANNA).await;
    let pause = Some(Duration::from_mins(1));
    let http = |status: u16| FaultKind::Http {
        status,
        retry_after: pause,
    };
    let rows = [
        (FaultKind::SoapFaultBusy { backoff: pause }, Degraded, "requested"),
        (FaultKind::MessageBusy { backoff: pause }, Degraded, "requested"),
        (http(503), Degraded, "is busy or under maintenance"),
        (http(429), Degraded, "requested a pause"),
        (FaultKind::SoapFault("ErrorInternalServerError"), Degraded, ""),
        (http(500), Degraded, "has an internal error"),
        (http(403), Degraded, "does not let it use EWS"),
        (http(404), Unreachable, "There is no EWS service at this address"),
        (FaultKind::Html, Unreachable, "answered with a web page"),
        (FaultKind::Garbage, Degraded, "The response of"),
        (
            FaultKind::Slow(Duration::from_secs(3)),
            Unreachable,
            "did not finish its response in time",
        ),
        (FaultKind::DropBeforeAnswer, Unreachable, ""),
        (FaultKind::DropAfterWrite, Unreachable, ""),
        (FaultKind::TruncateBody, Unreachable, "unexpectedly"),
        (FaultKind::WrongContentLength, Unreachable, "unexpectedly"),
    ];
    let mut handled = 0;
    for (kind, state, words) in rows {
        let what = format!("{kind:?}");
        h.exchange.script(Fault::sometimes("*", 1.0, kind).in_mailbox(ANNA));
        let subject = "CS-0000001";
        h.deliver(ANNA, &Mail::new("eva@oak.example", subject));
        let seen = trouble(&h, &client, &anna.name).await;
        // Who waits for notifications may be told first; what is seen then is that the pause is kept.
        let kept = state == Degraded && seen.problem.starts_with("The server requested a pause for this mailbox");
        check(&what, &seen, state, if kept { "requested a pause" } else { words });
        // Others go on meanwhile.
        h.deliver(BERT, &Mail::new("eva@oak.example", subject));
        handled += 1;
        h.handled(&client, &bert.name, handled).await;
        assert_ne!(health(&h, &client, &anna.name).await.state(), AgentHealthState::Ok, "{what}");
        h.exchange.clear_script();
        healed(&h, &client, &anna.name, handled).await;
        h.clock.advance(Duration::from_hours(1));
    }
    assert_eq!(
        h.notes(&client).await.len(),
        2 * usize::try_from(handled).unwrap(),
        "one note for each"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_waits_for_a_person() {
    let (h, client, bert) = service().await;
    let anna = h.agent(&client, ANNA).await;
    h.sweep_one(&client, &Mail::new("eva@oak.example", "CS-0000001")).await;
    h.exchange.set_password(ANNA, "a new one");
    let told = trouble(&h, &client, &anna.name).await;
    let words = "rejects the user name or the password";
    check("wrong password", &told, AgentHealthState::AuthenticationRequired, words);
    assert!(told.server_reply.contains("401"), "{told:?}");
    // No further try, which could lock the account, however much time goes by.
    let refused = || h.exchange.requests().iter().filter(|request| request.status == Some(401)).count();
    let before = refused();
    for round in 1..4 {
        h.clock.advance(Duration::from_hours(24));
        h.deliver(BERT, &Mail::new("eva@oak.example", "CS-0000001"));
        h.handled(&client, &bert.name, round).await;
    }
    assert_eq!(refused(), before, "it was tried again");
    h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    change(
        &client,
        &anna,
        ExchangeSettings {
            password: "a new one".to_owned(),
            ..ExchangeSettings::default()
        },
    )
    .await;
    healed(&h, &client, &anna.name, 2).await;
    // Without a password there is nothing to try.
    let request = UpdateAgentRequest {
        agent: Some(Agent {
            name: anna.name.clone(),
            ..Agent::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["exchange.password".to_owned()],
        }),
    };
    client.clone().agents.update_agent(request).await.unwrap();
    let told = trouble(&h, &client, &anna.name).await;
    check(
        "no password",
        &told,
        AgentHealthState::AuthenticationRequired,
        "No password is stored",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_put_right() {
    let (h, client, bert) = service().await;
    let good = h.exchange.endpoint();
    // A port that was free a moment ago, and that nothing listens on.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut elsewhere = good.clone();
    elsewhere.set_path("/nothing");
    let rows = [
        (format!("http://{closed}/EWS/Exchange.asmx"), "refuses the connection"),
        (elsewhere.to_string(), "There is no EWS service at this address"),
        (good.as_str().replace("http:", "https:"), "does not speak TLS"),
        ("https://does-not-exist.invalid/EWS/Exchange.asmx".to_owned(), ""),
        // Its port for callers is no mail server, but speaks HTTP.
        (format!("{}/EWS/Exchange.asmx", h.url()), "There is no EWS service at this address"),
    ];
    for (index, (endpoint, words)) in rows.into_iter().enumerate() {
        let handled = i64::try_from(index).unwrap() + 1;
        let anna = h
            .agent_with(&client, ANNA, |settings| settings.endpoint.clone_from(&endpoint))
            .await;
        check(
            &endpoint,
            &trouble(&h, &client, &anna.name).await,
            AgentHealthState::Unreachable,
            words,
        );
        h.deliver(BERT, &Mail::new("eva@oak.example", "CS-0000001"));
        h.handled(&client, &bert.name, handled).await;
        h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        let settings = ExchangeSettings {
            endpoint: good.to_string(),
            password: format!("password of {ANNA}"),
            ..ExchangeSettings::default()
        };
        change(&client, &anna, settings).await;
        healed(&h, &client, &anna.name, handled).await;
        let request = mailagent_client::v1::DeleteAgentRequest {
            name: anna.name,
            etag: String::new(),
        };
        client.clone().agents.delete_agent(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_certificate_has_to_be_trusted_first() {
    let (mut h, client, bert) = service().await;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let secure = Exchange::builder().tls(move |tcp| acceptor.accept(tcp)).start().await.unwrap();
    secure.add_mailbox(ANNA, ANNA, &format!("password of {ANNA}"));
    let endpoint = secure.endpoint().to_string();
    let anna = h
        .agent_with(&client, ANNA, |settings| settings.endpoint.clone_from(&endpoint))
        .await;
    check(
        "self-signed",
        &trouble(&h, &client, &anna.name).await,
        AgentHealthState::Unreachable,
        "not trusted here",
    );
    assert_eq!(secure.requests().len(), 0, "nothing was said to it");
    h.deliver(BERT, &Mail::new("eva@oak.example", "CS-0000001"));
    h.handled(&client, &bert.name, 1).await;

    let roots = h.folder().join("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    h.config.network.root_certificates_file = Some(roots);
    h.restart().await;
    healed(&h, &h.client().await, &anna.name, 0).await;
    assert!(!secure.requests().is_empty());
    secure.stop().await;
}
