//! What a person does who sets up an SMTP agent: create it, test it, mend what is wrong, and get a message.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentHealthState, AgentKind, BatchUpsertUsersRequest, CheckFault, CheckStage, CheckStageKind, CheckStageState,
        CreateAgentRequest, GetAgentRequest, SmtpSettings, TenantSettings, TestAgentRequest, TrustedCertificate, UpdateAgentRequest,
    },
};

use super::postfix::Postfix;
use crate::harness::{Harness, TENANT, user};

async fn test(client: &Clients, name: &str) -> Vec<CheckStage> {
    let request = TestAgentRequest { name: name.to_owned() };
    let mut stream = client.clone().agents.test_agent(request).await.unwrap().into_inner();
    let mut stages = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        assert_eq!(answer.recipient, "tester@example.com");
        stages.extend(answer.stage);
    }
    stages
}

fn failed(stages: &[CheckStage], kind: CheckStageKind, fault: CheckFault, words: &str) {
    let last = stages.last().unwrap();
    assert_eq!(
        (last.kind(), last.state(), last.fault()),
        (kind, CheckStageState::Failed, fault),
        "{stages:#?}"
    );
    assert!(last.summary.contains(words), "{last:#?}");
}

async fn change(client: &Clients, agent: &Agent, smtp: SmtpSettings) {
    let changed = Agent {
        name: agent.name.clone(),
        smtp: Some(smtp),
        ..Agent::default()
    };
    let request = UpdateAgentRequest {
        agent: Some(changed),
        update_mask: None,
    };
    client.clone().agents.update_agent(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_set_up_tested_and_mended_until_its_message_arrives() {
    let postfix = Postfix::running().await;
    let h = Harness::new().await;
    let client = h.seed().await;
    let users = vec![user("tester", &["tester@example.com"])];
    client
        .clone()
        .directory
        .batch_upsert_users(BatchUpsertUsersRequest { users })
        .await
        .unwrap();
    // The message goes to whoever asks for it.
    let tester = h.client_as(TENANT, "tester", Scope::ALL).await;
    let agent = Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::Smtp.into(),
        from_name: "Anna Berg".to_owned(),
        from_address: "anna@example.com".to_owned(),
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: postfix.starttls.into(),
            username: "anna".to_owned(),
            password: "wrong horse".to_owned(),
            ..SmtpSettings::default()
        }),
        ..Agent::default()
    };
    let request = CreateAgentRequest {
        agent: Some(agent),
        request_id: String::new(),
    };
    let agent = client.clone().agents.create_agent(request).await.unwrap().into_inner();

    let stages = test(&tester, &agent.name).await;
    failed(
        &stages,
        CheckStageKind::Tls,
        CheckFault::Unreachable,
        "an issuer that is not trusted here",
    );
    let shown = stages.last().unwrap().certificate.clone().unwrap();
    let settings = TenantSettings {
        trusted_certificates: vec![TrustedCertificate {
            host: "127.0.0.1".to_owned(),
            sha256_fingerprint: shown.sha256_fingerprint,
        }],
        ..TenantSettings::default()
    };
    h.change_settings(&client, settings).await;

    let stages = test(&tester, &agent.name).await;
    failed(&stages, CheckStageKind::Authenticate, CheckFault::Login, "password");
    assert!(stages.last().unwrap().server_reply.starts_with("535 5.7.8"), "{stages:#?}");
    let health = client
        .clone()
        .agents
        .get_agent(GetAgentRequest { name: agent.name.clone() })
        .await
        .unwrap();
    let health = health.into_inner().health.unwrap();
    assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
    assert_eq!(health.retry_time, None, "a person must act");

    let right = SmtpSettings {
        password: "correct horse".to_owned(),
        ..SmtpSettings::default()
    };
    change(&client, &agent, right).await;
    let stages = test(&tester, &agent.name).await;
    let kinds: Vec<CheckStageKind> = stages.iter().map(CheckStage::kind).collect();
    let all = [
        CheckStageKind::Resolve,
        CheckStageKind::Connect,
        CheckStageKind::Tls,
        CheckStageKind::Authenticate,
        CheckStageKind::Send,
    ];
    assert_eq!(kinds, all, "{stages:#?}");
    assert!(stages.iter().all(|stage| stage.state() == CheckStageState::Passed), "{stages:#?}");
    assert!(stages[2].certificate.as_ref().unwrap().trusted_by_fingerprint);
    assert!(stages[4].server_reply.starts_with("250 2.0.0 Ok: queued as "), "{stages:#?}");
    let delivered = postfix.delivered("tester", 1).await;
    for part in [
        "Subject: Mail agent test",
        "Anna Berg",
        "To: <tester@example.com>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(delivered[0].contains(part), "{part}: {}", delivered[0]);
    }
}
