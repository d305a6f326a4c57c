//! One message in several mailboxes; and many mailboxes, some of which do not answer.

use std::time::Duration;

use mailagent::testing::{
    domain::{AgentKind, Clock, OutcomeResult},
    ops::agents::{self, AgentPatch},
};
use mailagent_sim::{
    MimeMode,
    exchange::{Exchange, Fault, FaultKind, FolderKind},
};

use super::sample::{self, admin};
use crate::{
    harness::{Engine, Harness, PATIENCE, eventually, on_both_engines},
    login::Place,
};

async fn handled(h: &Harness, address: &str) {
    let done = async || match sample::missing(h.ops(), &h.exchange, address).await {
        0 => Ok(()),
        missing => Err(missing),
    };
    eventually(PATIENCE, &format!("{address} is read to its end"), done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_four_mailboxes_at_once_is_noted_and_archived_once() {
    on_both_engines(async |h| {
        sample::fill(h.ops()).await;
        let samples = sample::samples(100, "shared", 61);
        let mut ids = Vec::new();
        for number in 0..4 {
            let address = format!("team{number}@example.com");
            h.exchange.add_mailbox(&address, &address, "password");
            for sample in &samples {
                h.exchange.deliver(&address, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
            }
        }
        for number in 0..4 {
            ids.push(sample::create_agent(h.ops(), &h.exchange, &format!("team{number}@example.com")).await);
        }
        for number in 0..4 {
            handled(h, &format!("team{number}@example.com")).await;
        }
        sample::check_end_state(h.ops(), &samples, &[], true).await;
        ids.sort();
        for mut message in sample::archived(h.ops()).await {
            message.agents.sort();
            assert_eq!(message.agents, ids, "{} was found in all of them", message.message_id);
        }
        let outcomes = sample::outcomes(h.ops()).await;
        assert_eq!(outcomes.len(), 400, "one for each copy");
        let duplicates = outcomes.iter().filter(|outcome| outcome.result == OutcomeResult::Duplicate).count();
        assert_eq!(duplicates, 300, "all copies but one");
    })
    .await;
}

/// What a mailbox's own settings decide about a message is no answer for the other mailboxes that it is in.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_makes_no_note_keeps_no_other_from_making_it() {
    let h = Harness::on(Engine::Sqlite).await;
    sample::fill(h.ops()).await;
    let [first, second] = ["first@example.com", "second@example.com"];
    let agent = sample::create_agent(h.ops(), &h.exchange, first).await;
    sample::create_agent(h.ops(), &h.exchange, second).await;
    let patch = AgentPatch {
        fields: vec!["exchange.sweep_options.create_non_matching_contacts"],
        ..AgentPatch::default()
    };
    agents::update(h.ops(), &admin(), &agent, "", patch)
        .await
        .expect("the agent is changed");
    let check = async |from: &str, in_first: OutcomeResult| {
        let raw = format!("From: {from}\r\nTo: {first}, {second}\r\nMessage-ID: <{from}>\r\nSubject: [CS-9000001] both\r\n\r\nHello.\r\n");
        for address in [first, second] {
            h.exchange
                .deliver(address, FolderKind::Inbox, raw.clone().into_bytes(), h.clock.now());
            // One after the other: it is the order that must not matter.
            handled(&h, address).await;
        }
        let mut outcomes = sample::outcomes(h.ops()).await;
        outcomes.retain(|outcome| outcome.message_id == from);
        let results: Vec<OutcomeResult> = outcomes.iter().rev().map(|outcome| outcome.result).collect();
        assert_eq!(results, [in_first, OutcomeResult::Matched], "{from}: {outcomes:#?}");
    };
    check("stranger@outside.example", OutcomeResult::NonMatchingContact).await;
    check(first, OutcomeResult::OwnMessage).await;
}

/// Of 200 mailboxes 20 take a connection and never answer.
#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_that_hang_keep_no_other_waiting() {
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        println!("{kind:?}");
        let mut p = Place::unfilled(Engine::Sqlite, MimeMode::KeepBytes, |platform| platform, "").await;
        // Two hundred mailboxes that are read five times a second would only keep the machine busy.
        p.h.config.exchange.poll_interval = Duration::from_secs(5);
        p.h.restart().await;
        sample::fill(p.h.ops()).await;
        let address = |number: usize| format!("box{number}@example.com");
        let hangs = |number: usize| number % 10 == 3;
        for number in 0..200 {
            if hangs(number) {
                let fault = Fault::next("*", 10_000, FaultKind::Slow(Duration::from_hours(1)));
                p.h.exchange.script(fault.in_mailbox(&address(number)));
            }
            let agent = sample::create_agent_over(p.h.ops(), &p.h.exchange, &address(number), kind).await;
            let raw = format!("From: eva@oak.example\r\nMessage-ID: <{number}@oak.example>\r\nSubject: Hello\r\n\r\nHello.\r\n");
            p.h.exchange
                .deliver(&address(number), FolderKind::Inbox, raw.into_bytes(), p.h.clock.now());
            p.entra.add_user(&address(number));
            p.log_in(&format!("agents/{agent}")).await;
        }
        let asked_for = |exchange: &Exchange, number: usize| {
            let requests = exchange.requests();
            requests.iter().any(|request| request.mailbox.as_deref() == Some(&address(number)))
        };
        // While every hanging one is still being waited for.
        eventually(PATIENCE / 2, "all others are read", async || {
            match sample::outcomes(p.h.ops()).await.len() {
                180 => Ok(()),
                handled => Err(handled),
            }
        })
        .await;
        assert!(
            (0..200)
                .filter(|number| hangs(*number))
                .all(|number| !asked_for(&p.h.exchange, number)),
            "they hang"
        );
    }
}
