//! Many mailboxes under one maintenance account: they share notification streams over EWS, and mail is told of at once.

use std::time::Duration;

use mailagent_client::{
    Clients,
    v1::{Agent, ConnectionType, DeleteAgentRequest, ExchangeSettings},
};
use mailagent_sim::exchange::{Fault, FaultKind};

use crate::harness::{Choices, Engine, Harness, Mail, PATIENCE, account, at_rest, create_account, eventually};

fn address(number: usize) -> String {
    format!("user{number}@example.com")
}

/// A service that looks at mailboxes this often when it is not told of mail, and as many agents of anna's through a maintenance account.
async fn crowd(count: usize, poll_interval: Duration) -> (Harness, Clients, Vec<Agent>) {
    let h = Harness::with(Choices {
        configure: Box::new(move |config| config.exchange.poll_interval = poll_interval),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    let client = h.seed().await;
    h.exchange.add_maintenance_account("service", "password of service");
    let made = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let mut agents = Vec::new();
    for number in 0..count {
        h.exchange.add_mailbox(&address(number), &address(number), "unknown to the service");
        let mut agent = h.agent_for(&address(number));
        agent.owner_user = "users/anna".to_owned();
        let mut exchange = ExchangeSettings {
            maintenance_account: made.name.clone(),
            case_sweep: true,
            ..ExchangeSettings::default()
        };
        exchange.set_connection_type(ConnectionType::MaintenanceAccount);
        agent.exchange = Some(exchange);
        agents.push(h.create(&client, agent).await);
    }
    (h, client, agents)
}

fn about_oak() -> Mail {
    Mail::new("eva@oak.example", "About CS-0000001")
}

/// Waits until one stream serves so many mailboxes.
async fn one_stream(h: &Harness, mailboxes: usize) {
    eventually(PATIENCE, "one stream serves all", async || {
        let requests = h.exchange.requests();
        let last = requests.iter().rev().find(|one| one.operation == "GetStreamingEvents");
        match (h.exchange.open_streams(), last.map_or(0, |last| last.entries)) {
            (1, entries) if entries == mailboxes => Ok(()),
            state => Err(state),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_mailboxes_of_a_maintenance_account_are_told_of_mail_by_one_stream() {
    let (h, client, agents) = crowd(30, Duration::from_hours(1)).await;
    one_stream(&h, 30).await;
    // All have looked once more since they are subscribed; from here on nobody looks unless told to.
    at_rest("all mailboxes are waited for", || h.exchange.count("SyncFolderItems")).await;
    h.exchange.clear_requests();
    h.deliver(&address(7), &about_oak());
    h.handled(&client, &agents[7].name, 1).await;
    let requests = h.exchange.requests();
    let others: Vec<_> = requests.iter().filter(|one| one.mailbox.as_deref() != Some(&*address(7))).collect();
    assert!(!requests.is_empty() && others.is_empty(), "{others:#?}");
    for (number, agent) in agents.iter().enumerate().skip(8) {
        h.deliver(&address(number), &about_oak());
        h.handled(&client, &agent.name, 1).await;
    }
    assert_eq!((h.exchange.open_streams(), h.exchange.count("GetStreamingEvents")), (1, 0));

    // An agent that is gone is unsubscribed, and the others are served on.
    let request = DeleteAgentRequest {
        name: agents[3].name.clone(),
        etag: String::new(),
    };
    client.clone().agents.delete_agent(request).await.unwrap();
    one_stream(&h, 29).await;
    assert_eq!(h.exchange.subscriptions(&address(3)), 0);
    h.deliver(&address(4), &about_oak());
    h.handled(&client, &agents[4].name, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_read_at_intervals_where_the_server_gives_no_streams() {
    let (h, client, agents) = crowd(5, Duration::from_millis(200)).await;
    let refused = FaultKind::ItemError("ErrorExceededConnectionCount");
    h.exchange.script(Fault::next("GetStreamingEvents", u32::MAX, refused));
    h.exchange.cut_streams();
    for (number, agent) in agents.iter().enumerate() {
        h.deliver(&address(number), &about_oak());
        h.handled(&client, &agent.name, 1).await;
    }
    assert_eq!(h.exchange.open_streams(), 0);
}
