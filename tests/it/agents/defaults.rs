//! The agent that sends for a user when none is named.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{Agent, AuditAction, SetDefaultAgentRequest},
};
use tonic::Code;

use super::{
    Refusal, add_users, assert_refused, create, default_of, delete, last_change, named, needs, row, set_default, smtp_agent, unknown,
    update,
};
use crate::harness::{Harness, TENANT, metadata, on_both_engines, violations};

async fn agent_of(client: &Clients, user: &str) -> Agent {
    let agent = Agent {
        owner_user: format!("users/{user}"),
        ..smtp_agent()
    };
    create(client, agent, "").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_default_agent_or_none() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (first, second) = (agent_of(&client, "anna").await, agent_of(&client, "anna").await);
        assert_eq!(default_of(&client, "anna").await.unwrap(), "");
        let set = set_default(&client, "anna", &first.name).await.unwrap();
        assert_eq!(
            (set.name.as_str(), set.agent.as_str()),
            ("users/anna/defaultAgent", first.name.as_str())
        );
        assert_eq!(default_of(&client, "anna").await.unwrap(), first.name);
        assert_eq!(default_of(&client, "bert").await.unwrap(), "");
        set_default(&client, "anna", &second.name).await.unwrap();
        h.restart().await;
        // Ids of different runs of the service are in order only when time has gone by.
        h.clock.advance(Duration::from_secs(1));
        let client = h.client().await;
        assert_eq!(default_of(&client, "anna").await.unwrap(), second.name);
        set_default(&client, "anna", "").await.unwrap();
        set_default(&client, "anna", "").await.unwrap();
        assert_eq!(default_of(&client, "anna").await.unwrap(), "");

        // Every change has its entry, and what changes nothing has none.
        set_default(&client, "anna", &first.name).await.unwrap();
        set_default(&client, "anna", &first.name).await.unwrap();
        let (action, changes) = last_change(&client, "users/anna/defaultAgent", 4).await;
        assert_eq!(action, i32::from(AuditAction::Updated));
        assert_eq!(changes, [row("agent", "", &first.name)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_deleted_or_given_away_is_nobodys_default() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (first, second) = (agent_of(&client, "anna").await, agent_of(&client, "anna").await);
        set_default(&client, "anna", &first.name).await.unwrap();
        delete(&client, &first.name, "").await.unwrap();
        assert_eq!(default_of(&client, "anna").await.unwrap(), "");
        let (_, changes) = last_change(&client, "users/anna/defaultAgent", 2).await;
        assert_eq!(changes, [row("agent", &first.name, "")]);

        set_default(&client, "anna", &second.name).await.unwrap();
        let renamed = Agent {
            from_name: "Anna B.".to_owned(),
            ..named(&second)
        };
        update(&client, renamed, None).await.unwrap();
        assert_eq!(default_of(&client, "anna").await.unwrap(), second.name, "other changes leave it");
        let given = Agent {
            owner_user: "users/bert".to_owned(),
            ..named(&second)
        };
        update(&client, given, None).await.unwrap();
        assert_eq!(default_of(&client, "anna").await.unwrap(), "");
        assert_eq!(default_of(&client, "bert").await.unwrap(), "");
        let (_, changes) = last_change(&client, "users/anna/defaultAgent", 4).await;
        assert_eq!(changes, [row("agent", &second.name, "")]);

        // Whoever is first: there is never a default that is not there.
        for _ in 0..5 {
            let agent = agent_of(&client, "anna").await;
            let (set, deleted) = tokio::join!(set_default(&client, "anna", &agent.name), delete(&client, &agent.name, ""));
            deleted.unwrap();
            if let Err(refused) = set {
                assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
            }
            assert_eq!(default_of(&client, "anna").await.unwrap(), "");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ones_own_agents_can_be_the_default() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let annas = agent_of(&client, "anna").await;
    let refused = set_default(&client, "bert", &annas.name).await;
    let status = refused.clone().unwrap_err();
    assert_eq!(metadata(&status, "user"), "users/bert");
    let other_user = needs("AGENT_OF_ANOTHER_USER", &annas.name, "Choose one of their own agents");
    assert_refused("of another user", refused, other_user);
    assert_refused(
        "no such agent",
        set_default(&client, "anna", "agents/01J").await,
        unknown("default_agent.agent", "agents/01J does not exist. Choose another agent"),
    );
    assert_refused(
        "no such user",
        set_default(&client, "nobody", &annas.name).await,
        unknown("default_agent.name", "users/nobody does not exist. Choose a user in the directory"),
    );
    assert_eq!(default_of(&client, "nobody").await.unwrap_err().code(), Code::NotFound);
    let refused = set_default(&client, "anna", "annas").await.unwrap_err();
    assert_eq!(violations(&refused), ["default_agent.agent"]);
    for name in ["", "users/anna", "users//defaultAgent", "anna/defaultAgent"] {
        let mut default_agent = mailagent_client::v1::DefaultAgent::default();
        name.clone_into(&mut default_agent.name);
        let request = SetDefaultAgentRequest {
            default_agent: Some(default_agent),
        };
        let refused = client.clone().agents.set_default_agent(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["default_agent.name"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_choose_for_themselves_and_administrators_for_all() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (annas, berts) = (agent_of(&client, "anna").await, agent_of(&client, "bert").await);
        let denied = Refusal {
            code: Code::PermissionDenied,
            reason: "SCOPE_MISSING",
            field: "agent.write",
            words: "agent.write",
        };
        let anna = h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
        set_default(&anna, "anna", &annas.name).await.unwrap();
        assert_eq!(default_of(&anna, "anna").await.unwrap(), annas.name);
        assert_refused("another user's", set_default(&anna, "bert", &berts.name).await, denied);
        assert_refused("another user's", default_of(&anna, "bert").await, denied);
        // An agent that they may not see does not exist for them.
        assert_refused(
            "an agent of another user",
            set_default(&anna, "anna", &berts.name).await,
            unknown("default_agent.agent", "does not exist"),
        );
        let reader = h.client_as(TENANT, "anna", &[Scope::AgentRead]).await;
        assert_eq!(default_of(&reader, "anna").await.unwrap(), annas.name);
        assert_eq!(set_default(&reader, "anna", "").await.unwrap_err().code(), Code::PermissionDenied);

        let administrator = h.client_as(TENANT, "carl", &[Scope::AgentWrite]).await;
        set_default(&administrator, "bert", &berts.name).await.unwrap();
        assert_eq!(default_of(&administrator, "bert").await.unwrap(), berts.name);
        // The other tenant has a bert too.
        let other = h.client_as("other", "bert", Scope::ALL).await;
        add_users(&other, &["bert"]).await;
        assert_eq!(default_of(&other, "bert").await.unwrap(), "");
        assert_eq!(set_default(&other, "bert", &berts.name).await.unwrap_err().code(), Code::NotFound);
    })
    .await;
}
