//! CheckAgent and TestAgent: each stage is told as it ends, so that a person can mend what is wrong.

use mailagent::testing::domain::{Scope, Timestamp};
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentHealthState, AgentKind, CheckAgentRequest, CheckFault, CheckStage, CheckStageKind, CheckStageState, ConnectionType,
        CreateAgentRequest, ExchangeSettings, GetAgentRequest, SmtpSettings, TestAgentRequest, UpdateAgentRequest,
    },
};
use mailagent_sim::exchange::{Fault, FaultKind, FolderKind};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{Harness, TENANT, account, create_account, metadata, reason, user};

pub(crate) async fn check(client: &Clients, name: &str) -> Result<Vec<CheckStage>, Status> {
    let request = CheckAgentRequest { name: name.to_owned() };
    let mut stream = client.clone().agents.check_agent(request).await?.into_inner();
    let mut stages = Vec::new();
    while let Some(answer) = stream.message().await? {
        stages.extend(answer.stage);
    }
    Ok(stages)
}

async fn test(client: &Clients, name: &str) -> Result<(Vec<CheckStage>, String), Status> {
    let request = TestAgentRequest { name: name.to_owned() };
    let mut stream = client.clone().agents.test_agent(request).await?.into_inner();
    let (mut stages, mut recipient) = (Vec::new(), String::new());
    while let Some(answer) = stream.message().await? {
        stages.extend(answer.stage);
        recipient = answer.recipient;
    }
    Ok((stages, recipient))
}

fn kinds(stages: &[CheckStage]) -> Vec<CheckStageKind> {
    stages.iter().map(CheckStage::kind).collect()
}

/// The last stage, which must be this one, have failed in this way and say these words; those before it are well.
pub(crate) fn failed(stages: &[CheckStage], kind: CheckStageKind, fault: CheckFault, words: &[&str]) {
    let (last, before) = stages.split_last().expect("there is a stage");
    assert!(before.iter().all(|stage| stage.state() == CheckStageState::Passed), "{stages:#?}");
    assert_eq!(
        (last.kind(), last.state(), last.fault()),
        (kind, CheckStageState::Failed, fault),
        "{last:#?}"
    );
    for word in words {
        assert!(last.summary.contains(word), "{word}: {last:#?}");
    }
    assert!(last.duration.is_some());
}

async fn change(client: &Clients, agent: Agent, paths: &[&str]) -> Agent {
    let request = UpdateAgentRequest {
        agent: Some(agent),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    client
        .clone()
        .agents
        .update_agent(request)
        .await
        .expect("the agent is changed")
        .into_inner()
}

async fn health(client: &Clients, name: &str) -> (AgentHealthState, String) {
    let request = GetAgentRequest { name: name.to_owned() };
    let health = client.clone().agents.get_agent(request).await.unwrap().into_inner().health.unwrap();
    (health.state(), health.problem)
}

/// An agent that neither sweeps nor archives, so that only checks call its server.
async fn quiet(h: &Harness, client: &Clients, address: &str, settings: impl FnOnce(&mut ExchangeSettings)) -> Agent {
    let mut agent = h.agent_for(address);
    let exchange = agent.exchange.as_mut().unwrap();
    exchange.case_sweep = false;
    exchange.archive = None;
    exchange.sweep_options = None;
    settings(exchange);
    let request = CreateAgentRequest {
        agent: Some(agent),
        request_id: String::new(),
    };
    client
        .clone()
        .agents
        .create_agent(request)
        .await
        .expect("the agent is created")
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_goes_through_every_stage_and_sends_nothing() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.exchange
        .add_mailbox("anna@example.com", "anna@example.com", "password of anna@example.com");
    h.exchange.deliver(
        "anna@example.com",
        FolderKind::Inbox,
        b"Subject: one\r\n\r\nx\r\n".to_vec(),
        Timestamp::default(),
    );
    let agent = quiet(&h, &client, "anna@example.com", |_| ()).await;
    let stages = check(&client, &agent.name).await.unwrap();
    use CheckStageKind::{Authenticate, Connect, OpenInbox, Resolve, Send};
    assert_eq!(kinds(&stages), [Resolve, Connect, Authenticate, OpenInbox]);
    assert!(stages.iter().all(|stage| stage.state() == CheckStageState::Passed), "{stages:#?}");
    assert!(
        stages[0].summary.contains("127.0.0.1") && stages[3].summary.contains("1 message."),
        "{stages:#?}"
    );
    assert_eq!(h.exchange.sent_messages().len(), 0);

    let (stages, recipient) = test(&client, &agent.name).await.unwrap();
    assert_eq!(kinds(&stages), [Resolve, Connect, Authenticate, OpenInbox, Send]);
    assert_eq!(recipient, "anna@example.com");
    let sent = h.exchange.sent_messages();
    let [message] = sent.as_slice() else { panic!("{sent:?}") };
    let text = String::from_utf8_lossy(&message.raw).into_owned();
    assert!(
        text.contains("Subject: Mail agent test") && text.contains("X-Mailagent-Id:"),
        "{text}"
    );
    assert!(
        text.contains("To: <anna@example.com>") && text.contains("Auto-Submitted: auto-generated"),
        "{text}"
    );
    assert_eq!(health(&client, &agent.name).await, (AgentHealthState::Ok, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_an_exchange_server_are_told_where_they_are() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.exchange
        .add_mailbox("anna@example.com", "anna@example.com", "password of anna@example.com");
    let endpoint = h.exchange.endpoint();
    let port = endpoint.port().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let none = format!("{}.invalid", "a".repeat(63));
    let rows = [
        (
            format!("http://{none}/EWS/Exchange.asmx"),
            CheckStageKind::Resolve,
            CheckFault::Unreachable,
            &["cannot be resolved"][..],
        ),
        (
            format!("http://127.0.0.1:{closed}/EWS/Exchange.asmx"),
            CheckStageKind::Connect,
            CheckFault::Unreachable,
            &["nothing listens on that port"],
        ),
        (
            format!("https://127.0.0.1:{port}/EWS/Exchange.asmx"),
            CheckStageKind::Tls,
            CheckFault::Unreachable,
            &["does not speak TLS on this port"],
        ),
        (
            format!("http://127.0.0.1:{port}/elsewhere"),
            CheckStageKind::Authenticate,
            CheckFault::Unreachable,
            &["There is no EWS service at this address"],
        ),
    ];
    for (url, kind, fault, words) in rows {
        let agent = quiet(&h, &client, "anna@example.com", |exchange| exchange.endpoint = url.clone()).await;
        let stages = check(&client, &agent.name).await.unwrap();
        failed(&stages, kind, fault, words);
        assert_eq!(health(&client, &agent.name).await.0, AgentHealthState::Unreachable, "{url}");
    }

    let agent = quiet(&h, &client, "anna@example.com", |exchange| exchange.password = "wrong".to_owned()).await;
    let stages = check(&client, &agent.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::Authenticate,
        CheckFault::Login,
        &["rejects the user name or the password"],
    );
    assert_eq!(health(&client, &agent.name).await.0, AgentHealthState::AuthenticationRequired);
    let mended = Agent {
        name: agent.name.clone(),
        exchange: Some(ExchangeSettings {
            password: "password of anna@example.com".to_owned(),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    change(&client, mended, &["exchange.password"]).await;
    assert!(
        check(&client, &agent.name)
            .await
            .unwrap()
            .iter()
            .all(|stage| stage.state() == CheckStageState::Passed)
    );

    let elsewhere = quiet(&h, &client, "anna@example.com", |exchange| {
        exchange.mailbox = "nobody@example.com".to_owned();
    })
    .await;
    let stages = check(&client, &elsewhere.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::OpenInbox,
        CheckFault::Refused,
        &["has no mailbox with this address"],
    );

    h.exchange
        .script(Fault::next("SendItem", 1, FaultKind::SoapFault("ErrorSendAsDenied")));
    let (stages, _) = test(&client, &agent.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::Send,
        CheckFault::Refused,
        &["has no permission to send as this address"],
    );
    assert!(stages.last().unwrap().server_reply.contains("ErrorSendAsDenied"));
    assert_eq!(
        health(&client, &agent.name).await.0,
        AgentHealthState::Ok,
        "one message says nothing about the agent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_accounts_are_told_apart_from_the_mailboxes_they_open() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.exchange.add_mailbox("anna@example.com", "anna", "unknown to the service");
    h.exchange.add_maintenance_account("service", "password of service");
    let made = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let through = |exchange: &mut ExchangeSettings| {
        *exchange = ExchangeSettings {
            maintenance_account: made.name.clone(),
            ..ExchangeSettings::default()
        };
        exchange.set_connection_type(ConnectionType::MaintenanceAccount);
    };
    let agent = quiet(&h, &client, "anna@example.com", through).await;
    let (stages, _) = test(&client, &agent.name).await.unwrap();
    assert!(stages.iter().all(|stage| stage.state() == CheckStageState::Passed), "{stages:#?}");
    assert_eq!(h.exchange.sent_messages().len(), 1);

    let missing = quiet(&h, &client, "anna@example.com", |exchange| {
        through(exchange);
        exchange.mailbox = "nobody@example.com".to_owned();
    })
    .await;
    let stages = check(&client, &missing.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::OpenInbox,
        CheckFault::Refused,
        &["has no mailbox with this address"],
    );

    // Without the right, and with a wrong password: two different things to mend.
    h.exchange.add_mailbox("service@example.com", "plain", "password of plain");
    let mut plain = account(h.exchange.endpoint().as_str());
    plain.username = "plain".to_owned();
    plain.password = "password of plain".to_owned();
    let plain = create_account(&client, plain, "").await.unwrap();
    let without = quiet(&h, &client, "anna@example.com", |exchange| {
        through(exchange);
        exchange.maintenance_account.clone_from(&plain.name);
    })
    .await;
    let stages = check(&client, &without.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::OpenInbox,
        CheckFault::Refused,
        &["ApplicationImpersonation"],
    );

    h.exchange.set_password("service", "another one");
    let stages = check(&client, &agent.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::Authenticate,
        CheckFault::Login,
        &["rejects the user name or the password"],
    );
    // The others do not try it as well.
    let stages = check(&client, &missing.name).await.unwrap();
    assert_eq!(kinds(&stages), [CheckStageKind::Authenticate], "{stages:#?}");
    failed(
        &stages,
        CheckStageKind::Authenticate,
        CheckFault::Login,
        &["The login of the maintenance account Service was rejected."],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_check_what() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.exchange
        .add_mailbox("anna@example.com", "anna@example.com", "password of anna@example.com");
    let agent = quiet(&h, &client, "anna@example.com", |_| ()).await;
    let bert = h.client_as(TENANT, "bert", &[Scope::AgentUse]).await;
    assert_eq!(check(&bert, &agent.name).await.unwrap_err().code(), Code::NotFound);
    let anna = h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
    check(&anna, &agent.name).await.unwrap();
    // Nobody to send to.
    let mut nobody = user("anna", &[]);
    nobody.revision = 2;
    let request = mailagent_client::v1::BatchUpsertUsersRequest { users: vec![nobody] };
    client.clone().directory.batch_upsert_users(request).await.unwrap();
    let refused = test(&anna, &agent.name).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "USER_WITHOUT_ADDRESS")
    );
    assert_eq!(metadata(&refused, "resource"), "users/anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smtp_agent_without_a_server_says_so() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let agent = Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::Smtp.into(),
        from_name: "Anna".to_owned(),
        from_address: "anna@example.com".to_owned(),
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: closed.into(),
            username: "anna".to_owned(),
            password: "secret".to_owned(),
            ..SmtpSettings::default()
        }),
        ..Agent::default()
    };
    let request = CreateAgentRequest {
        agent: Some(agent),
        request_id: String::new(),
    };
    let agent = client.clone().agents.create_agent(request).await.unwrap().into_inner();
    let (stages, _) = test(&client, &agent.name).await.unwrap();
    failed(
        &stages,
        CheckStageKind::Connect,
        CheckFault::Unreachable,
        &["nothing listens on that port"],
    );
    let (state, problem) = health(&client, &agent.name).await;
    assert_eq!(state, AgentHealthState::Unreachable, "{problem}");
}
