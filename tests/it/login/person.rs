//! A person logs in, at the service's page and through the front end.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{
    Agent, AgentHealthState, AuditFilter, AuthenticationState, CheckAgentRequest, CheckStageState, CompleteLoginRequest, ExchangeSettings,
    ListAuditEntriesRequest, TokenEventKind, UpdateAgentRequest,
};
use mailagent_sim::entra::Rotation;
use tonic::Code;

use super::{ANNA, BERT, DAY, FRONT_END, HOUR, Place, begin, open, query};
use crate::harness::{Engine, Mail, TENANT, at_rest, reason, take};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_and_the_mailbox_is_read() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        let p = Place::on(engine).await;
        let agent = p.agent(ANNA).await;
        let health = agent.health.as_ref().unwrap();
        assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
        assert!(
            health.problem.starts_with("Nobody has logged in to this mailbox yet."),
            "{health:?}"
        );
        let before = agent.authentication.unwrap();
        assert_eq!((before.state(), &before.source), (AuthenticationState::None, &agent.name));
        assert_eq!(before.available_providers, ["contoso"]);
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));

        let begun = p.begin(&agent.name).await.unwrap();
        assert_eq!(begun.account, ANNA);
        assert_eq!(query(&begun.authorization_url, "login_hint"), ANNA);
        assert_eq!(query(&begun.authorization_url, "code_challenge_method"), "S256");
        let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
        let (status, page) = open(back.as_str()).await;
        assert_eq!(status, 200, "{page}");
        for words in ["You are logged in", ANNA, "You may close this page"] {
            assert!(page.contains(words), "{page}");
        }

        p.h.handled(&p.client, &agent.name, 1).await;
        let login = p.authentication(&agent.name).await;
        assert_eq!(login.state(), AuthenticationState::Active);
        assert_eq!(
            (login.account.as_str(), login.provider.as_str(), login.login_user.as_str()),
            (ANNA, "contoso", "users/anna")
        );
        let seconds = |duration: Option<prost_types::Duration>| duration.unwrap().seconds;
        assert_eq!(seconds(login.time_left), 90 * 24 * 3600);
        assert_eq!(login.fraction_left, Some(1.0));
        let clocks = [&login.login_time, &login.expire_time, &login.access_token_expire_time].map(|time| time.as_ref().unwrap().seconds);
        assert_eq!((clocks[1] - clocks[0], clocks[2] - clocks[0]), (90 * 24 * 3600, 3600), "two clocks");
        assert_eq!((login.problem.as_str(), login.renewal_problem.as_str()), ("", ""));

        // The clock of the login goes on by itself; that of the access token only until it is renewed, early, which begins both anew.
        p.h.clock.advance(Duration::from_mins(45));
        let later = p.authentication(&agent.name).await;
        assert_eq!(seconds(later.time_left), 90 * 24 * 3600 - 2700);
        assert!(later.fraction_left.unwrap() < 1.0);
        assert_eq!(p.renewals(), 0);
        p.h.clock.advance(Duration::from_secs(601));
        let renewed = crate::harness::eventually(crate::harness::PATIENCE, "it is renewed before its end", async || {
            let login = p.authentication(&agent.name).await;
            if login.renew_time == login.login_time {
                Err(login)
            } else {
                Ok(login)
            }
        })
        .await;
        assert_eq!(renewed.fraction_left, Some(1.0));
        assert_eq!(p.renewals(), 1);
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001 again"));
        p.h.handled(&p.client, &agent.name, 2).await;
        let told = p.told(1).await;
        assert_eq!(
            (told[0].kind(), told[0].owner_user.as_str()),
            (TokenEventKind::Renewed, "users/anna")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_uses_the_login() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let stages = async || {
        let request = CheckAgentRequest { name: agent.name.clone() };
        let mut stages = p.client.clone().agents.check_agent(request).await.unwrap().into_inner();
        let mut seen = Vec::new();
        while let Some(stage) = take(&mut stages).await {
            let stage = stage.unwrap().stage.unwrap();
            seen.push((stage.state(), stage.summary));
        }
        seen
    };
    let refused = stages().await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].1.contains("Nobody has logged in"), "{refused:?}");
    p.log_in(&agent.name).await;
    let passed = stages().await;
    assert!(passed.iter().all(|(state, _)| *state == CheckStageState::Passed), "{passed:?}");
    assert_eq!(passed.len(), 4, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_end_completes_what_its_user_began() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let complete = |state: &str, code: &str| CompleteLoginRequest {
        state: state.to_owned(),
        authorization_code: code.to_owned(),
        ..CompleteLoginRequest::default()
    };
    let refused = async |client: &mailagent_client::Clients, request: CompleteLoginRequest| {
        let status = client.clone().agents.complete_login(request).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "LOGIN_STATE_INVALID"),
            "{status:?}"
        );
    };
    let begun = begin(&p.client, &agent.name, FRONT_END).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    assert!(back.as_str().starts_with(FRONT_END), "{back}");
    let (state, code) = (query(back.as_str(), "state"), query(back.as_str(), "code"));

    // Not somebody else, not with something else, not in a browser at the service's own page; it stays for whom it is for.
    for (tenant, user) in [(TENANT, "bert"), ("other", "anna")] {
        let other = p.h.client_as(tenant, user, Scope::ALL).await;
        refused(&other, complete(&state, &code)).await;
    }
    for state in ["", "x", &state[..state.len() - 1], &format!("{state}A")] {
        refused(&p.client, complete(state, &code)).await;
    }
    let (status, page) = open(&format!("{}/oauth/callback?state={state}&code={code}", p.h.url())).await;
    assert_eq!(status, 400, "{page}");

    let completed = p
        .client
        .clone()
        .agents
        .complete_login(complete(&state, &code))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(completed.name, agent.name);
    assert_eq!(completed.authentication.unwrap().state(), AuthenticationState::Active);
    // Once.
    refused(&p.client, complete(&state, &code)).await;

    // Within ten minutes.
    let begun = begin(&p.client, &agent.name, FRONT_END).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    p.h.clock.advance(Duration::from_mins(10));
    refused(&p.client, complete(&query(back.as_str(), "state"), &query(back.as_str(), "code"))).await;
    // A later attempt ends an earlier one.
    let first = begin(&p.client, &agent.name, FRONT_END).await.unwrap();
    begin(&p.client, &agent.name, FRONT_END).await.unwrap();
    let back = p.entra.sign_in(&first.authorization_url, ANNA).unwrap();
    refused(&p.client, complete(&query(back.as_str(), "state"), &query(back.as_str(), "code"))).await;
    // What the provider refused ends there.
    let begun = begin(&p.client, &agent.name, FRONT_END).await.unwrap();
    let request = CompleteLoginRequest {
        state: query(&begun.authorization_url, "state"),
        error: "access_denied".to_owned(),
        error_description: "AADSTS65004: User declined to consent.".to_owned(),
        ..CompleteLoginRequest::default()
    };
    let status = p.client.clone().agents.complete_login(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "LOGIN_REFUSED")
    );
    assert!(
        status.message().contains("was declined") && status.message().contains("AADSTS65004"),
        "{status:?}"
    );
    assert_eq!(
        p.authentication(&agent.name).await.state(),
        AuthenticationState::Active,
        "the login before stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_login_goes_on_where_the_old_one_stopped() {
    for rotation in [Rotation::KeepOld, Rotation::Strict, Rotation::Fixed] {
        let p = Place::with(Engine::Sqlite, |platform| platform.rotation(rotation), "").await;
        let agent = p.agent(ANNA).await;
        p.log_in(&agent.name).await;
        for number in 0..3 {
            p.h.deliver(ANNA, &Mail::new("eva@oak.example", &format!("CS-0000001 {number}")));
        }
        p.h.handled(&p.client, &agent.name, 3).await;
        p.entra.revoke(ANNA);
        p.h.clock.advance(HOUR);
        p.health(&agent.name, AgentHealthState::AuthenticationRequired).await;
        let ended = p.state(&agent.name, AuthenticationState::LoginRequired).await;
        assert!(ended.problem.contains("password was changed"), "{ended:?}");
        assert!(ended.provider_reply.contains("AADSTS50173"), "{ended:?}");
        assert_eq!(ended.account, ANNA, "who it was stays known");
        // Once the requests that were under way when the login ended are over, nothing is asked any more, neither here nor there.
        let asked = at_rest("the mailbox is left alone", || p.h.exchange.requests().len()).await;
        let renewals = p.renewals();
        p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001 meanwhile"));
        p.h.clock.advance(DAY);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!((p.h.exchange.requests().len(), p.renewals()), (asked, renewals));

        p.log_in(&agent.name).await;
        p.h.handled(&p.client, &agent.name, 4).await;
        assert_eq!(p.h.notes(&p.client).await.len(), 4, "each once");
        let kinds: Vec<TokenEventKind> = p.told(3).await.iter().map(mailagent_client::v1::TokenEvent::kind).collect();
        assert_eq!(
            kinds,
            [TokenEventKind::Renewed, TokenEventKind::LoginRequired, TokenEventKind::Renewed]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logged_in_is_in_the_audit_log_and_no_token_is() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    let request = ListAuditEntriesRequest {
        filter: Some(AuditFilter {
            resource: agent.name.clone(),
            ..AuditFilter::default()
        }),
        ..ListAuditEntriesRequest::default()
    };
    let entries = p
        .client
        .clone()
        .settings
        .list_audit_entries(request)
        .await
        .unwrap()
        .into_inner()
        .audit_entries;
    let change = &entries[0].changes[0];
    assert_eq!((change.field.as_str(), change.old_value.as_str()), ("authentication", ""));
    assert_eq!(change.new_value, "anna@example.com at contoso since 2026-11-23T10:00:00Z");
    let confirmed = &entries[0].changes[1];
    assert_eq!(confirmed.field, "authentication.confirmed_by");
    assert!(confirmed.new_value.contains("anna@example.com, with the button"), "{confirmed:?}");
    assert_eq!(entries[0].user, "users/anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_mailbox_is_opened_by_its_owners_login() {
    let p = Place::new().await;
    p.h.exchange.grant(ANNA, "support@example.com");
    let mut agent = p.h.agent_for("support@example.com");
    agent.owner_user = "users/anna".to_owned();
    let exchange = agent.exchange.as_mut().unwrap();
    exchange.username.clear();
    exchange.password.clear();
    exchange.mailbox = "support@example.com".to_owned();
    let agent = p.create(agent).await;
    let (status, page) = p.log_in_as(&agent.name, BERT).await;
    assert_eq!(status, 400, "{page}");
    let (status, page) = p.log_in_as(&agent.name, ANNA).await;
    assert_eq!(status, 200, "{page}");
    p.h.deliver("support@example.com", &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_or_server_ends_the_login() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let change = async |agent: Agent| {
        let request = UpdateAgentRequest {
            agent: Some(agent),
            update_mask: None,
        };
        p.client
            .clone()
            .agents
            .update_agent(request)
            .await
            .unwrap()
            .into_inner()
            .authentication
            .unwrap()
    };
    let named = || Agent {
        name: agent.name.clone(),
        ..Agent::default()
    };
    p.log_in(&agent.name).await;
    let renamed = change(Agent {
        from_name: "Anna B.".to_owned(),
        ..named()
    })
    .await;
    assert_eq!(renamed.state(), AuthenticationState::Active, "the name has nothing to do with it");
    let other_server = ExchangeSettings {
        endpoint: "https://mail.example.com/EWS/Exchange.asmx".to_owned(),
        ..ExchangeSettings::default()
    };
    let moved = change(Agent {
        exchange: Some(other_server),
        ..named()
    })
    .await;
    assert_eq!(
        moved.state(),
        AuthenticationState::None,
        "tokens never go to a server that they were not meant for"
    );
    let status = p.begin(&agent.name).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "LOGIN_PROVIDER_FOREIGN")
    );
    let home = ExchangeSettings {
        endpoint: p.h.exchange.endpoint().into(),
        ..ExchangeSettings::default()
    };
    change(Agent {
        exchange: Some(home),
        ..named()
    })
    .await;
    p.log_in(&agent.name).await;
    let other_mailbox = change(Agent {
        from_address: BERT.to_owned(),
        ..named()
    })
    .await;
    assert_eq!(other_mailbox.state(), AuthenticationState::None);
}
