//! Triage licences: never more agents use one than there are.

use mailagent_client::{
    Clients,
    v1::{Agent, AgentKind, ExchangeSettings, SmtpSettings, TriageOptions},
};
use tonic::{Code, Status};

use super::{Refusal, allowance, assert_refused, create, delete, exchange, named, needs, set_licences, update};
use crate::harness::{Harness, metadata, on_both_engines, reason};

/// A paused agent of anna that wants a licence, or none.
fn agent(h: &Harness, triage: bool) -> Agent {
    let mut agent = h.agent_for("anna@example.com");
    agent.disabled = true;
    exchange(&mut agent).triage = triage;
    agent
}

fn triage(agent: &Agent, on: bool) -> Agent {
    Agent {
        exchange: Some(ExchangeSettings {
            triage: on,
            ..ExchangeSettings::default()
        }),
        ..named(agent)
    }
}

async fn switch(client: &Clients, agent: &Agent, on: bool) -> Result<Agent, Status> {
    update(client, triage(agent, on), Some(&["exchange.triage"])).await
}

/// The refusal of one more agent.
const USED_UP: Refusal<'static> = Refusal {
    code: Code::ResourceExhausted,
    reason: "TRIAGE_LICENCES_IN_USE",
    field: "triageAllowance",
    words: "Turn triage off for another agent, or have an administrator raise the number",
};

#[tokio::test(flavor = "multi_thread")]
async fn licences_are_taken_and_given_back() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        assert_eq!(allowance(&client).await, (0, 0));
        set_licences(&client, 2).await.unwrap();
        let first = create(&client, agent(h, true), "").await.unwrap();
        let second = create(&client, agent(h, false), "").await.unwrap();
        assert_eq!(allowance(&client).await, (2, 1), "paused ones count");
        switch(&client, &second, true).await.unwrap();
        assert_eq!(allowance(&client).await, (2, 2));
        let refused = create(&client, agent(h, true), "").await;
        let status = refused.clone().unwrap_err();
        assert_eq!(
            (metadata(&status, "total").as_str(), metadata(&status, "used").as_str()),
            ("2", "2")
        );
        assert_refused("a third", refused, USED_UP);
        // Who has one keeps it, also when written again.
        switch(&client, &second, true).await.unwrap();
        let mut renamed = named(&second);
        renamed.from_name = "Second".to_owned();
        update(&client, renamed, None).await.unwrap();
        let lowered = set_licences(&client, 1).await;
        let status = lowered.clone().unwrap_err();
        assert_eq!(
            (metadata(&status, "total").as_str(), metadata(&status, "used").as_str()),
            ("1", "2")
        );
        let refusal = needs(
            "TRIAGE_LICENCES_IN_USE",
            "tenant_settings.triage_licence_count",
            "2 agents are triage agents. Turn triage off for 1 of them first",
        );
        assert_refused("fewer than are in use", lowered, refusal);

        // Given back by an update, a change of kind, and deletion.
        let third = create(&client, agent(h, false), "").await.unwrap();
        let back = async |how: &str, gives_back: Result<(), Status>| {
            gives_back.unwrap_or_else(|refused| panic!("{how}: {refused:?}"));
            assert_eq!(allowance(&client).await, (2, 1), "{how}");
            switch(&client, &third, true).await.unwrap();
            assert_eq!(allowance(&client).await, (2, 2), "{how}");
            switch(&client, &third, false).await.unwrap();
        };
        back("an update", switch(&client, &first, false).await.map(drop)).await;
        switch(&client, &first, true).await.unwrap();
        let mut as_smtp = named(&first);
        as_smtp.set_kind(AgentKind::Smtp);
        as_smtp.smtp = Some(SmtpSettings {
            host: "smtp.example.com".to_owned(),
            ..SmtpSettings::default()
        });
        back("a change of kind", update(&client, as_smtp, None).await.map(drop)).await;
        let fourth = create(&client, agent(h, true), "").await.unwrap();
        back("deletion", delete(&client, &fourth.name, "").await).await;
        set_licences(&client, 1).await.unwrap();
        assert_eq!(allowance(&client).await, (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purging_needs_triage_to_stay_on() {
    let h = Harness::new().await;
    let client = h.seed().await;
    set_licences(&client, 1).await.unwrap();
    let mut wanted = agent(&h, true);
    exchange(&mut wanted).triage_options = Some(TriageOptions {
        case_reference_purge: true,
    });
    let made = create(&client, wanted, "").await.unwrap();
    let refusal = needs(
        "OPTION_NEEDS_ANOTHER",
        "agent.exchange.triage_options.case_reference_purge",
        "Turn that on, or this off",
    );
    assert_refused("triage alone", switch(&client, &made, false).await, refusal);
    let off = update(&client, triage(&made, false), Some(&["exchange.triage", "exchange.triage_options"])).await;
    assert_eq!(off.unwrap().exchange.unwrap().triage_options, Some(TriageOptions::default()));
    assert_eq!(allowance(&client).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_take_no_more_than_there_are() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        set_licences(&client, 10).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..25 {
            waiting.push(create(&client, agent(h, false), "").await.unwrap());
        }
        let creates = (0..25).map(|_| create(&client, agent(h, true), ""));
        let updates = waiting.iter().map(|agent| switch(&client, agent, true));
        let (created, updated) = tokio::join!(futures::future::join_all(creates), futures::future::join_all(updates));
        let (taken, refused): (Vec<_>, Vec<_>) = created.into_iter().chain(updated).partition(Result::is_ok);
        assert_eq!((taken.len(), refused.len()), (10, 40));
        for refused in refused {
            let status = refused.clone().unwrap_err();
            assert_eq!(
                (metadata(&status, "total").as_str(), metadata(&status, "used").as_str()),
                ("10", "10")
            );
            assert_refused("one too many", refused, USED_UP);
        }
        assert_eq!(allowance(&client).await, (10, 10));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_lowered_at_the_same_time_is_never_exceeded() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        set_licences(&client, 30).await.unwrap();
        let creates = (0..40).map(|_| create(&client, agent(h, true), ""));
        let lower = async {
            for count in (2..30).rev().step_by(3) {
                match set_licences(&client, count).await {
                    Ok(settings) => assert_eq!(settings.triage_licence_count, count),
                    Err(status) => {
                        assert_eq!(
                            (status.code(), reason(&status).as_str()),
                            (Code::FailedPrecondition, "TRIAGE_LICENCES_IN_USE")
                        );
                    }
                }
                let (total, used) = allowance(&client).await;
                assert!(used <= total, "{used} of {total}");
            }
        };
        let (created, ()) = tokio::join!(futures::future::join_all(creates), lower);
        let taken = created.iter().filter(|made| made.is_ok()).count();
        for status in created.into_iter().filter_map(Result::err) {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        }
        let (total, used) = allowance(&client).await;
        assert!(used <= total, "{used} of {total}");
        assert_eq!(i32::try_from(taken).unwrap(), used);
        assert!(set_licences(&client, used - 1).await.is_err(), "as many as are in use are needed");
        set_licences(&client, used).await.unwrap();
    })
    .await;
}
