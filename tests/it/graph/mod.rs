//! Mailboxes in Exchange Online, over Microsoft Graph: by a user's login, by an administrator's consent, and moved there from EWS.
//!
//! | file | holds |
//! |---|---|
//! | `push` | calls from Graph that something arrived |

mod push;

use mailagent_client::v1::{
    Agent, AgentHealthState, AgentKind, AuthenticationState, CheckStage, CheckStageKind, CheckStageState, ConnectionType, ExchangeSettings,
    GetNoteRequest, MaintenanceAccount, OutcomeResult, TestAgentRequest, UpdateAgentRequest,
};
use mailagent_sim::{
    MimeMode,
    exchange::{Fault, FaultKind, FolderKind},
};
use prost_types::FieldMask;

use crate::{
    harness::{Engine, Mail, PATIENCE, create_account, eventually, take},
    login::{ANNA, APP, BERT, DIRECTORY, Place, consent, open},
};

/// An agent over Graph by the user's own login, to which nobody has logged in.
async fn graph_agent(p: &Place, address: &str) -> Agent {
    let mut agent = p.h.agent_for(address);
    agent.kind = AgentKind::ExchangeGraph.into();
    let exchange = agent.exchange.as_mut().expect("it has them");
    exchange.username.clear();
    exchange.password.clear();
    exchange.endpoint = p.h.exchange.graph().into();
    p.create(agent).await
}

/// Changes the kind of an agent, as its owner does when the mailbox moves or EWS ends.
async fn move_to_graph(p: &Place, agent: &Agent) {
    let request = UpdateAgentRequest {
        agent: Some(Agent {
            name: agent.name.clone(),
            kind: AgentKind::ExchangeGraph.into(),
            exchange: Some(ExchangeSettings {
                endpoint: p.h.exchange.graph().into(),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        }),
        update_mask: Some(FieldMask {
            paths: ["kind", "exchange.endpoint"].map(str::to_owned).to_vec(),
        }),
    };
    p.client.clone().agents.update_agent(request).await.expect("the agent is changed");
}

fn about_oak(number: usize) -> Mail {
    Mail::new(&format!("Eva <eva{number}@oak.example>"), &format!("Re: CS-0000001 {number}")).body(&format!("Text {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_swept_and_archived_by_a_users_login() {
    for (engine, mode) in [
        (Engine::Sqlite, MimeMode::KeepBytes),
        (Engine::Postgres, MimeMode::Rebuild),
        (Engine::Sqlite, MimeMode::Rebuild),
    ] {
        println!("{engine:?}, {mode:?}");
        let p = Place::in_mode(engine, mode).await;
        let agent = graph_agent(&p, ANNA).await;
        p.log_in(&agent.name).await;
        let before: Vec<String> = (0..250).map(|number| p.h.deliver(ANNA, &about_oak(number))).collect();
        p.h.deliver_raw(
            ANNA,
            FolderKind::Sent,
            Mail::new(ANNA, "Sent").header("To", "eva@oak.example").bytes(),
        );
        p.h.handled(&p.client, &agent.name, 251).await;
        assert_eq!(p.h.notes(&p.client).await.len(), 250);

        // What is moved about in the mailbox is the same mail.
        p.h.exchange.set_read(ANNA, &before[0], true);
        let moved = p.h.exchange.move_item(ANNA, &before[1], FolderKind::Deleted).unwrap();
        p.h.exchange.move_item(ANNA, &moved, FolderKind::Inbox).unwrap();
        p.h.deliver(ANNA, &about_oak(250));
        p.h.handled(&p.client, &agent.name, 252).await;
        // A server that forgets the position lists everything again.
        p.h.exchange.reset_sync_state(ANNA);
        p.h.deliver(ANNA, &about_oak(251));
        p.h.handled(&p.client, &agent.name, 253).await;
        let notes = p.h.notes(&p.client).await;
        assert_eq!(notes.len(), 252);
        let request = GetNoteRequest {
            name: notes[0].name.clone(),
        };
        let note = p.client.clone().sweep.get_note(request).await.unwrap().into_inner();
        assert!(note.text.contains("Text"), "{note:?}");
        assert!(
            p.h.outcomes(&p.client)
                .await
                .iter()
                .all(|outcome| outcome.result() == OutcomeResult::Matched),
            "none came twice"
        );
        assert!(p.h.exchange.peak_concurrency(ANNA) <= 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_consent_opens_the_mailboxes_that_the_company_allows() {
    let p = Place::new().await;
    let account = MaintenanceAccount {
        display_name: "By consent".to_owned(),
        kind: AgentKind::ExchangeGraph.into(),
        endpoint: p.h.exchange.graph().into(),
        ..MaintenanceAccount::default()
    };
    let account = create_account(&p.client, account, "").await.unwrap();
    let open_by_consent = async |address: &str| {
        let mut agent = p.h.agent_for(address);
        agent.kind = AgentKind::ExchangeGraph.into();
        let exchange = agent.exchange.as_mut().expect("it has them");
        *exchange = ExchangeSettings {
            connection_type: ConnectionType::MaintenanceAccount.into(),
            maintenance_account: account.name.clone(),
            case_sweep: true,
            ..ExchangeSettings::default()
        };
        p.create(agent).await.name
    };
    let anna = open_by_consent(ANNA).await;
    let begun = consent::begin(&p.client, "example.com").await.unwrap();
    let back = p.entra.sign_in(&begun.consent_url, "admin").unwrap();
    let (status, page) = open(back.as_str()).await;
    assert_eq!(status, 200, "{page}");
    p.h.deliver(ANNA, &about_oak(1));
    p.h.handled(&p.client, &anna, 1).await;

    p.h.exchange.limit_applications(Some(&[ANNA]));
    let bert = open_by_consent(BERT).await;
    let health = p.health(&bert, AgentHealthState::Degraded).await.health.unwrap();
    assert!(health.problem.contains("RBAC for Applications"), "{health:?}");
    assert!(health.server_reply.contains("AppOnly AccessPolicy"), "{health:?}");
    assert_eq!(
        p.get(&bert).await.authentication.unwrap().state(),
        AuthenticationState::Active,
        "the consent is good"
    );
    // One mailbox that is not open stops no other.
    p.h.deliver(ANNA, &about_oak(2));
    p.h.handled(&p.client, &anna, 2).await;
    p.entra.withdraw_consent(APP, DIRECTORY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_moves_from_ews_to_graph_keeps_its_history() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let p = Place::on(engine).await;
        let agent = p.agent(ANNA).await;
        p.log_in(&agent.name).await;
        for number in 0..60 {
            p.h.deliver(ANNA, &about_oak(number));
        }
        p.h.deliver_raw(
            ANNA,
            FolderKind::Sent,
            Mail::new(ANNA, "Sent").header("To", "eva@oak.example").bytes(),
        );
        p.h.handled(&p.client, &agent.name, 61).await;
        let (notes, outcomes) = (p.h.notes(&p.client).await, p.h.outcomes(&p.client).await);

        move_to_graph(&p, &agent).await;
        // The access that EWS had is no good here.
        p.state(&agent.name, AuthenticationState::None).await;
        // While nobody has logged in yet, more mail comes.
        p.h.deliver(ANNA, &about_oak(60));
        p.log_in(&agent.name).await;
        p.h.handled(&p.client, &agent.name, 62).await;
        assert_eq!(p.h.exchange.count("graph/value"), 1, "what was handled is not read again");
        let (notes_now, outcomes_now) = (p.h.notes(&p.client).await, p.h.outcomes(&p.client).await);
        assert_eq!((notes_now.len(), outcomes_now.len()), (notes.len() + 1, outcomes.len() + 1));
        // Once known by its new id, it stays known.
        p.h.exchange.reset_sync_state(ANNA);
        p.h.deliver(ANNA, &about_oak(61));
        p.h.handled(&p.client, &agent.name, 63).await;
        assert_eq!(p.h.exchange.count("graph/value"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_translates_no_ids_costs_time_and_makes_no_second_note() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    for number in 0..5 {
        p.h.deliver(ANNA, &about_oak(number));
    }
    p.h.handled(&p.client, &agent.name, 5).await;
    let fault = FaultKind::Graph {
        status: 400,
        code: "BadRequest",
        retry_after: None,
    };
    p.h.exchange.script(Fault::next("graph/translate", 1000, fault));
    move_to_graph(&p, &agent).await;
    p.log_in(&agent.name).await;
    eventually(PATIENCE, "all is read again", async || match p.h.exchange.count("graph/value") {
        5.. => Ok(()),
        read => Err(read),
    })
    .await;
    p.h.deliver(ANNA, &about_oak(5));
    eventually(PATIENCE, "the new one is a note", async || match p.h.notes(&p.client).await.len() {
        6 => Ok(()),
        notes => Err(notes),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_through_its_stages_and_sends() {
    let p = Place::new().await;
    let agent = graph_agent(&p, ANNA).await;
    p.log_in(&agent.name).await;
    let request = TestAgentRequest { name: agent.name.clone() };
    let mut stream = p.client.clone().agents.test_agent(request).await.unwrap().into_inner();
    let mut stages: Vec<CheckStage> = Vec::new();
    while let Some(answer) = take(&mut stream).await {
        stages.extend(answer.unwrap().stage);
    }
    let kinds: Vec<_> = stages.iter().map(|stage| (stage.kind(), stage.state())).collect();
    let passed = |kind| (kind, CheckStageState::Passed);
    assert_eq!(
        kinds,
        [
            passed(CheckStageKind::Resolve),
            passed(CheckStageKind::Connect),
            passed(CheckStageKind::Authenticate),
            passed(CheckStageKind::OpenInbox),
            passed(CheckStageKind::Send),
        ],
        "{stages:#?}"
    );
    assert_eq!(p.h.exchange.sent_messages().len(), 1);
}
