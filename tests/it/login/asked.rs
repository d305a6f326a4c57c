//! A link to a login can be sent to anybody: whose accounts may log in to what, and what people are asked before anything is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        Agent, AuditFilter, AuthenticationState, BatchUpsertUsersRequest, CreateAgentRequest, ExchangeSettings, ListAuditEntriesRequest,
        UpdateAgentRequest, User,
    },
};
use tonic::Code;

use super::{ANNA, BERT, FRONT_END, Place, begin, look, modern, open, press, query, ticket};
use crate::harness::{Mail, TENANT, metadata, reason, user};

async fn create(client: &Clients, agent: Agent) -> Agent {
    let request = CreateAgentRequest {
        agent: Some(agent),
        ..CreateAgentRequest::default()
    };
    client.clone().agents.create_agent(request).await.unwrap().into_inner()
}

/// An agent of bert's that he made himself, without any right over others'.
async fn of_bert(p: &Place, change: impl FnOnce(&mut Agent)) -> (Clients, Agent) {
    let bert = p.h.client_as(TENANT, "bert", &[Scope::AgentUse]).await;
    let mut agent = p.h.agent_for(BERT);
    let exchange = agent.exchange.as_mut().unwrap();
    exchange.username.clear();
    exchange.password.clear();
    exchange.archive = None;
    change(&mut agent);
    let agent = create(&bert, agent).await;
    (bert, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_takes_no_colleagues_mailbox() {
    let p = Place::new().await;
    let (bert, agent) = of_bert(&p, |agent| agent.from_address = ANNA.to_owned()).await;
    for redirect_url in ["", FRONT_END] {
        let status = begin(&bert, &agent.name, redirect_url).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::FailedPrecondition, "LOGIN_ACCOUNT_NOT_OWNED"),
            "{status:?}"
        );
        assert_eq!(
            (metadata(&status, "account"), metadata(&status, "owner")),
            (ANNA.to_owned(), "users/bert".to_owned())
        );
        assert!(status.message().contains("exchange.mailbox"), "{status:?}");
    }
    // By the way of a shared mailbox, the account is still bert's own: anna's is refused also when she presses.
    let (bert, agent) = of_bert(&p, |agent| agent.exchange.as_mut().unwrap().mailbox = ANNA.to_owned()).await;
    let begun = begin(&bert, &agent.name, "").await.unwrap();
    assert_eq!(begun.account, BERT);
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    let (status, page) = open(back.as_str()).await;
    assert_eq!(status, 400, "{page}");
    assert!(
        page.contains("anna@example.com logged in, but bert@example.com was expected"),
        "{page}"
    );
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    // His own opens it, if the mail server lets it.
    let begun = begin(&bert, &agent.name, "").await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, BERT).unwrap();
    assert_eq!(open(back.as_str()).await.0, 200);
    // An address that the directory has of him may be his account.
    let users = vec![User {
        revision: 9,
        ..user("bert", &[BERT, "sales@example.com"])
    }];
    let request = BatchUpsertUsersRequest { users };
    p.client.clone().directory.batch_upsert_users(request).await.unwrap();
    let (bert, agent) = of_bert(&p, |agent| agent.from_address = "Sales@example.com".to_owned()).await;
    assert_eq!(begin(&bert, &agent.name, "").await.unwrap().account, "Sales@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_before_anything_is_stored() {
    let p = Place::new().await;
    // Anna, who may change all agents, begins for bert.
    let agent = p.agent(BERT).await;
    let begun = p.begin(&agent.name).await.unwrap();
    assert_eq!(query(&begun.authorization_url, "prompt"), "select_account");
    let back = p.entra.sign_in(&begun.authorization_url, BERT).unwrap();
    let code = query(back.as_str(), "code");
    let mut tickets = Vec::new();
    // A page that is only looked at changes nothing, however often.
    for _ in 0..2 {
        let (status, page) = look(back.as_str()).await;
        assert_eq!(status, 200, "{page}");
        for words in [
            BERT,
            "users/bert",
            "users/anna",
            "requested this login",
            "contoso",
            TENANT,
            "Do not connect",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains(&code), "the code is concealed");
        tickets.push(ticket(&page).unwrap());
    }
    assert!(p.entra.token_requests().is_empty(), "the code is not redeemed");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    // What is no ticket does not use it up.
    for (ticket, decision) in [
        ("", "connect"),
        ("x", "connect"),
        (&*tickets[0], "yes"),
        (&tickets[0][1..], "connect"),
    ] {
        assert_eq!(press(back.as_str(), ticket, decision).await.0, 400, "{ticket} {decision}");
    }
    let (status, page) = press(back.as_str(), &tickets[0], "connect").await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
    for ticket in &tickets {
        let (status, page) = press(back.as_str(), ticket, "connect").await;
        assert_eq!((status, page.contains("already completed")), (400, true), "{page}");
    }

    let request = ListAuditEntriesRequest {
        filter: Some(AuditFilter {
            resource: agent.name.clone(),
            ..AuditFilter::default()
        }),
        ..ListAuditEntriesRequest::default()
    };
    let entries = p.client.clone().settings.list_audit_entries(request).await.unwrap().into_inner();
    let entry = &entries.audit_entries[0];
    assert_eq!(entry.user, "users/anna", "who began");
    let pressed = entry
        .changes
        .iter()
        .find(|change| change.field == "authentication.confirmed_by")
        .unwrap();
    assert_eq!(
        pressed.new_value,
        "whoever logged in as bert@example.com, with the button on the service's page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_leaves_nothing_behind() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let begun = p.begin(&agent.name).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    let (_, page) = look(back.as_str()).await;
    assert!(!page.contains("requested this login"), "her own is no warning: {page}");
    let ticket = ticket(&page).unwrap();
    let (status, page) = press(back.as_str(), &ticket, "decline").await;
    assert_eq!((status, page.contains("Nothing was connected")), (200, true), "{page}");
    for decision in ["connect", "decline"] {
        assert_eq!(press(back.as_str(), &ticket, decision).await.0, 400);
    }
    assert_eq!(look(back.as_str()).await.0, 400);
    assert!(p.entra.token_requests().is_empty());
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_what_is_connected() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let begun = p.begin(&agent.name).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    let (_, page) = look(back.as_str()).await;
    let request = UpdateAgentRequest {
        agent: Some(Agent {
            name: agent.name.clone(),
            exchange: Some(ExchangeSettings {
                mailbox: "board@example.com".to_owned(),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        }),
        update_mask: None,
    };
    p.client.clone().agents.update_agent(request).await.unwrap();
    let (status, page) = press(back.as_str(), &ticket(&page).unwrap(), "connect").await;
    assert_eq!((status, page.contains("has changed in the meantime")), (400, true), "{page}");
    assert!(p.entra.token_requests().is_empty(), "the code is not redeemed");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_mailbox_is_still_logged_in_to_by_whoever_opens_it() {
    let p = Place::new().await;
    p.entra.add_user("support@example.com");
    p.h.exchange
        .add_mailbox("support@example.com", "support@example.com", "no password");
    // An administrator's attempt takes the mailbox's own account.
    let mut agent = p.h.agent_for("support@example.com");
    agent.owner_user = "users/anna".to_owned();
    let exchange = agent.exchange.as_mut().unwrap();
    exchange.username.clear();
    exchange.password.clear();
    let agent = p.create(agent).await;
    p.log_in(&agent.name).await;
    p.h.deliver("support@example.com", &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
    // Her own, without the right, does not.
    let anna = p.h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
    let status = begin(&anna, &agent.name, "").await.unwrap_err();
    assert_eq!(reason(&status), "LOGIN_ACCOUNT_NOT_OWNED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_shows_nothing() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let other = p.h.client_as("a-tenant-with-a-much-longer-name", "anna", Scope::ALL).await;
    p.h.seed_for(other.clone()).await;
    modern(&p.h, &other).await;
    let theirs = create(&other, of(&agent)).await;
    let state = async |client: &Clients, agent: &Agent| {
        let begun = begin(client, &agent.name, "").await.unwrap();
        query(&begun.authorization_url, "state")
    };
    let (one, two) = (state(&p.client, &agent).await, state(&other, &theirs).await);
    assert_eq!(one.len(), two.len());
    for (state, tenant) in [(one, TENANT), (two, "a-tenant")] {
        let bytes = URL_SAFE_NO_PAD.decode(&state).unwrap();
        assert!(!bytes.windows(tenant.len()).any(|window| window == tenant.as_bytes()), "{bytes:?}");
    }
}

/// What an agent is made by.
fn of(agent: &Agent) -> Agent {
    Agent {
        owner_user: agent.owner_user.clone(),
        kind: agent.kind,
        from_name: agent.from_name.clone(),
        from_address: agent.from_address.clone(),
        exchange: agent.exchange.clone(),
        ..Agent::default()
    }
}
