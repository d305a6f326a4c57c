//! A message that kills the process that reads it is set aside with its bytes after the second death, and what is beside it goes on.

use std::{process::Stdio, time::Duration};

use mailagent::testing::domain::{Clock, SystemClock};
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentKind, BatchUpsertUsersRequest, CreateAgentRequest, DownloadMessageRequest, ExchangeSettings, ListOutcomesRequest,
        Outcome, OutcomeResult, User,
    },
};
use mailagent_sim::exchange::{Exchange, FolderKind};

use crate::service::{Limits, Service, TENANT, program};

/// What a test build of the program dies of when it prepares a message with it.
const DEADLY: &str = "deadly nightshade";
const ABORT: &str = "TEST_ABORT_IN_PREPARATION";
const MAILBOX: &str = "anna@example.com";
const PATIENCE: Duration = Duration::from_mins(1);

fn limits() -> Limits {
    let setting = |name, value: &str| (name, value.to_owned());
    Limits {
        settings: vec![
            setting(ABORT, DEADLY),
            setting("MAILAGENT_EXCHANGE__ALLOW_HTTP", "true"),
            setting("MAILAGENT_NETWORK__ALLOW_LOOPBACK", "true"),
            setting("MAILAGENT_EXCHANGE__POLL_INTERVAL", "200ms"),
        ],
        ..Limits::default()
    }
}

fn mail(number: usize, text: &str) -> Vec<u8> {
    format!(
        "From: Eva <eva@oak.example>\r\nTo: {MAILBOX}\r\nSubject: Number {number}\r\nMessage-ID: <{number}@oak.example>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_the_service_is_set_aside() {
    let exchange = Exchange::builder().start().await.expect("a port is free");
    exchange.add_mailbox(MAILBOX, MAILBOX, "password");
    let mut service = Service::start(&limits());
    add_agent(&mut service.client("anna").await, &exchange).await;
    for number in 0..7 {
        let text = if number == 3 { DEADLY } else { "harmless" };
        exchange.deliver(MAILBOX, FolderKind::Inbox, mail(number, text), SystemClock.now());
    }
    service.wait_for_death(PATIENCE);

    // From here on the service lives: the second to die is the process in which it tries the message.
    let mut service = Service::start_in(service.kill(), &limits());
    let mut client = service.client("anna").await;
    let began = std::time::Instant::now();
    let outcomes = loop {
        let outcomes = outcomes(&mut client).await;
        if outcomes.len() == 7 {
            break outcomes;
        }
        assert!(began.elapsed() < PATIENCE, "{outcomes:#?}\n{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let aside: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.result() == OutcomeResult::Unparsable)
        .collect();
    let [aside] = aside[..] else { panic!("{outcomes:#?}") };
    assert!(aside.detail.contains("a trial in a separate process"), "{}", aside.detail);
    let bytes = download(&mut client, &aside.message).await;
    assert_eq!(bytes, mail(3, DEADLY));
    service.assert_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_the_import_is_set_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for number in 0..5 {
        let text = if number == 2 { DEADLY } else { "harmless" };
        std::fs::write(folder.path().join(format!("{number}.eml")), mail(number, text)).expect("the file is written");
    }
    let import = || {
        let mut command = program(folder.path(), &limits());
        command.args(["archive", "import", "--quiet", "--tenant", TENANT]);
        command.args((0..5).map(|number| format!("{number}.eml")));
        command.stdin(Stdio::null()).output().expect("the program runs")
    };
    let died = import();
    assert_eq!(died.status.code(), None, "{died:?}");
    let lived = import();
    assert!(lived.status.success(), "{lived:?}");
    assert!(
        String::from_utf8_lossy(&lived.stdout).starts_with("5 messages read, 5 archived"),
        "{lived:?}"
    );
}

async fn add_agent(client: &mut Clients, exchange: &Exchange) {
    let users = vec![User {
        name: "users/anna".to_owned(),
        display_name: "Anna".to_owned(),
        email_addresses: vec![MAILBOX.to_owned()],
        revision: 1,
    }];
    let written = client.directory.batch_upsert_users(BatchUpsertUsersRequest { users }).await;
    written.expect("the user is written");
    let agent = Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        from_name: "Anna".to_owned(),
        from_address: MAILBOX.to_owned(),
        exchange: Some(ExchangeSettings {
            endpoint: exchange.endpoint().to_string(),
            username: MAILBOX.to_owned(),
            password: "password".to_owned(),
            case_sweep: true,
            archive: Some(true),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let request = CreateAgentRequest {
        agent: Some(agent),
        request_id: "agent".to_owned(),
    };
    client.agents.create_agent(request).await.expect("the agent is made");
}

async fn outcomes(client: &mut Clients) -> Vec<Outcome> {
    let listed = client.sweep.list_outcomes(ListOutcomesRequest::default()).await;
    listed.expect("the outcomes are listed").into_inner().outcomes
}

async fn download(client: &mut Clients, message: &str) -> Vec<u8> {
    let request = DownloadMessageRequest {
        name: message.to_owned(),
        ..DownloadMessageRequest::default()
    };
    let mut stream = client.archive.download_message(request).await.expect("it begins").into_inner();
    let mut bytes = Vec::new();
    while let Some(response) = stream.message().await.expect("it goes on") {
        bytes.extend(response.data);
    }
    bytes
}
