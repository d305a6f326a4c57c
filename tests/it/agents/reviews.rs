//! Many agents follow a change of the login that they share, in stretches, whatever stops the service meanwhile.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{AgentHealthState, ListAgentsRequest, MaintenanceAccount},
};
use sea_orm::ConnectionTrait;

use super::{add_users, agent_through, create, exchange, maintenance::ENDPOINT, smtp_agent, update_account};
use crate::harness::{Harness, PATIENCE, account, create_account, eventually, on_both_engines};

/// More than two stretches.
const AGENTS: usize = 430;
/// What the change itself settles.
const AT_ONCE: usize = 200;

/// How many agents are in which state.
async fn states(client: &Clients) -> BTreeMap<AgentHealthState, usize> {
    let (mut states, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = ListAgentsRequest {
            page_size: 500,
            page_token,
            filter: None,
        };
        let page = client.clone().agents.list_agents(request).await.unwrap().into_inner();
        for agent in page.agents {
            *states.entry(agent.health.unwrap().state()).or_default() += 1;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return states;
        }
    }
}

/// Leaves a review that cannot be done, of the tenant that comes first.
async fn leave_one_that_fails(h: &Harness) {
    let client = h.client_as("aaa", "anna", Scope::ALL).await;
    add_users(&client, &["anna"]).await;
    create(&client, smtp_agent(), "").await.unwrap();
    let database = h.database().await;
    for statement in [
        "UPDATE agent SET kind = 'telex' WHERE tenant_id = 'aaa'",
        "INSERT INTO agent_review (tenant_id, change, done_to) VALUES ('aaa', 'method', '')",
    ] {
        database.execute_unprepared(statement).await.unwrap();
    }
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_follow_their_account_across_a_restart() {
    on_both_engines(async |h| {
        leave_one_that_fails(h).await;
        let client = h.client().await;
        add_users(&client, &["anna"]).await;
        let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
        let agents = stream::iter(0..AGENTS).map(|number| {
            let mut agent = agent_through(&made.name, &format!("user{number}@example.com"));
            agent.owner_user = "users/anna".to_owned();
            // None of them is read.
            exchange(&mut agent).case_sweep = false;
            let client = client.clone();
            async move { create(&client, agent, "").await.unwrap() }
        });
        agents.buffer_unordered(16).collect::<Vec<_>>().await;
        assert_eq!(states(&client).await, BTreeMap::from([(AgentHealthState::Ok, AGENTS)]));

        // Without a password nobody can log in.
        let change = MaintenanceAccount {
            name: made.name.clone(),
            ..MaintenanceAccount::default()
        };
        update_account(&client, change, Some(&["password"])).await.unwrap();
        let at_once = states(&client).await;
        assert!(at_once[&AgentHealthState::AuthenticationRequired] >= AT_ONCE, "{at_once:?}");
        h.restart().await;
        let client = h.client().await;
        eventually(PATIENCE, "every agent needs a login", async || {
            let states = states(&client).await;
            let all = states == BTreeMap::from([(AgentHealthState::AuthenticationRequired, AGENTS)]);
            if all { Ok(()) } else { Err(states) }
        })
        .await;

        let change = MaintenanceAccount {
            name: made.name.clone(),
            password: "another password".to_owned(),
            ..MaintenanceAccount::default()
        };
        update_account(&client, change, Some(&["password"])).await.unwrap();
        eventually(PATIENCE, "every agent has a login", async || {
            let states = states(&client).await;
            let none = states.contains_key(&AgentHealthState::AuthenticationRequired);
            if none { Err(states) } else { Ok(()) }
        })
        .await;
    })
    .await;
}
