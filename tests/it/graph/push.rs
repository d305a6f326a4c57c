//! Microsoft Graph calls the service when something arrives.

#![expect(clippy::cast_possible_wrap, reason = "small counts")]

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::RawQuery};
use mailagent::testing::ops::{Ops, push};
use mailagent_client::v1::AgentHealthState;
use tokio::net::TcpListener;

use super::{about_oak, graph_agent};
use crate::{
    harness::{Engine, PATIENCE, eventually, http1},
    login::{ANNA, Place, oauth, replicas::replica},
};

/// Lets the service be called at this address, and look at its mailboxes after so long without a call.
async fn call_at(p: &mut Place, public: &str, poll_interval: Duration) {
    p.h.stop().await;
    p.h.config.oauth.public_url = oauth(&format!("[oauth]\npublic_url = \"{public}\"\n")).public_url;
    p.h.config.exchange.poll_interval = poll_interval;
    p.h.start().await;
}

/// A service that looks at mailboxes only when it is called, and an agent that somebody logged in to.
async fn only_by_push(engine: Engine, address: Option<SocketAddr>) -> (Place, String) {
    let mut p = Place::on(engine).await;
    let agent = graph_agent(&p, ANNA).await;
    p.log_in(&agent.name).await;
    let public = address.map_or_else(|| p.h.url(), |address| format!("http://{address}"));
    call_at(&mut p, &public, Duration::from_hours(1)).await;
    subscribed(&p).await;
    (p, agent.name)
}

async fn subscribed(p: &Place) {
    eventually(PATIENCE, "both folders are subscribed to", async || {
        match p.h.exchange.hooks(ANNA) {
            2 => Ok(()),
            hooks => Err(hooks),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_wakes_the_sweep_and_lost_subscriptions_are_made_anew() {
    let (p, agent) = only_by_push(Engine::Sqlite, None).await;
    for number in 1..=3 {
        p.h.deliver(ANNA, &about_oak(number));
        p.h.handled(&p.client, &agent, number as i64).await;
    }
    // The server forgets them, and says so.
    p.h.exchange.forget_subscriptions(ANNA);
    eventually(PATIENCE, "they are forgotten", async || {
        match p.h.exchange.count("graph/post subscription") {
            4.. => Ok(()),
            made => Err(made),
        }
    })
    .await;
    subscribed(&p).await;
    p.h.deliver(ANNA, &about_oak(4));
    p.h.handled(&p.client, &agent, 4).await;
    // It asks for a sign of life, and says that calls may have been lost.
    for (number, event) in [(1, "reauthorizationRequired"), (2, "missed")] {
        let before = p.h.exchange.count("graph/patch subscription");
        p.h.exchange.tell_lifecycle(ANNA, event).await;
        eventually(PATIENCE, "they are prolonged", async || {
            match p.h.exchange.count("graph/patch subscription") {
                now if now >= before + 2 => Ok(number),
                now => Err(now),
            }
        })
        .await;
    }
    assert_eq!(p.h.exchange.hooks(ANNA), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_another_replica_gets_reaches_the_one_that_reads_the_mailbox() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It shares the address with the other one, as behind a load balancer, and gets all calls.
    let other: Arc<OnceLock<Ops>> = Arc::default();
    async fn answer(ops: Arc<OnceLock<Ops>>, query: Option<String>, body: Bytes) -> String {
        let query = query.unwrap_or_default();
        let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken");
        match token {
            Some((_, token)) => token.into_owned(),
            None => {
                let ops = ops.get().expect("nothing arrives before it is there");
                push::received(ops, &body).await.expect("it is a call");
                String::new()
            }
        }
    }
    let told = other.clone();
    let app = Router::new().fallback(move |RawQuery(query): RawQuery, body: Bytes| answer(told.clone(), query, body));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let (p, agent) = only_by_push(Engine::Postgres, Some(address)).await;
    assert!(other.set(replica(&p, &p.h.config).await).is_ok());
    p.h.deliver(ANNA, &about_oak(1));
    p.h.handled(&p.client, &agent, 1).await;
    p.h.exchange.forget_subscriptions(ANNA);
    subscribed(&p).await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_subscribed_to_is_polled() {
    let mut p = Place::new().await;
    let (public, poll_interval) = (p.h.url(), p.h.config.exchange.poll_interval);
    call_at(&mut p, &public, poll_interval).await;
    // A user's login is told of nothing in a shared mailbox.
    let shared = "cases@example.com";
    p.h.exchange.grant(ANNA, shared);
    let mut agent = graph_agent(&p, ANNA).await;
    agent.exchange.as_mut().unwrap().mailbox = shared.to_owned();
    let request = mailagent_client::v1::UpdateAgentRequest {
        agent: Some(agent.clone()),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["exchange.mailbox".to_owned()],
        }),
    };
    p.client.clone().agents.update_agent(request).await.unwrap();
    p.log_in(&agent.name).await;
    for number in 1..=3 {
        p.h.deliver(shared, &about_oak(number));
        p.h.handled(&p.client, &agent.name, number as i64).await;
    }
    p.health(&agent.name, AgentHealthState::Ok).await;
    assert_eq!(
        p.h.exchange.count("graph/post subscription"),
        1,
        "it is not asked for again and again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_move_nothing() {
    let (p, agent) = only_by_push(Engine::Sqlite, None).await;
    let page = format!("{}/graph/notifications", p.h.url());
    let post = async |query: &str, body: String| {
        let request = http1().post(format!("{page}{query}")).header("content-type", "application/json");
        let answer = request.body(body).send().await.expect("the service answers");
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (answer.status().as_u16(), kind.unwrap_or_default(), answer.text().await.unwrap())
    };
    // A validation is repeated, as text.
    let (status, kind, said) = post("?validationToken=%3Cscript%3Ealert(1)%3C%2Fscript%3E%20%26%20more", String::new()).await;
    assert_eq!(
        (status, kind.as_str(), said.as_str()),
        (200, "text/plain; charset=utf-8", "<script>alert(1)</script> & more")
    );
    let (status, ..) = post(&format!("?validationToken={}", "x".repeat(5000)), String::new()).await;
    assert_eq!(status, 400);

    let looks = p.h.exchange.count("graph/delta");
    let agent_id = agent.trim_start_matches("agents/");
    for state in ["", "guessed", agent_id, "AAAA"] {
        let call = serde_json::json!({ "value": [{ "clientState": state, "subscriptionId": "s", "changeType": "created" }] });
        let (status, _, said) = post("", call.to_string()).await;
        assert_eq!((status, said.as_str()), (202, ""), "it is not told what is right");
    }
    for nonsense in ["", "[]", "{\"value\": 1}", "not JSON"] {
        let (status, ..) = post("", nonsense.to_owned()).await;
        assert_eq!(status, 400, "{nonsense}");
    }
    let (status, ..) = post("", format!("{{\"value\": [], \"more\": \"{}\"}}", "x".repeat(2 << 20))).await;
    assert_eq!(status, 413);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(p.h.exchange.count("graph/delta"), looks, "nobody was woken");
}
