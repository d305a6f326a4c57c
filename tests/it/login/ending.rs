//! Logins that are given up: tokens are wiped, the work stops, the provider is told as soon as it can be.

use mailagent_client::v1::{
    AgentHealthState, AuthenticationMethod, AuthenticationState, DeleteAgentRequest, RevokeLoginRequest, TenantSettings, TokenEventKind,
};
use sea_orm::{ConnectionTrait, Statement};

use super::{ANNA, Place};
use crate::harness::{Harness, Mail};

/// How many rows a table has.
async fn rows(h: &Harness, table: &str) -> i64 {
    let database = h.database().await;
    let count = Statement::from_string(database.get_database_backend(), format!("SELECT COUNT(*) AS n FROM {table}"));
    let row = database.query_one_raw(count).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_given_up_leaves_no_token_and_stops_the_work() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let revoke = async || {
        let request = RevokeLoginRequest { name: agent.name.clone() };
        p.client.clone().agents.revoke_login(request).await.unwrap().into_inner()
    };
    assert!(!revoke().await.provider_notified, "there is none");
    p.log_in(&agent.name).await;
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
    assert_eq!(rows(&p.h, "login").await, 1);
    assert!(!revoke().await.provider_notified, "Microsoft takes no such call");
    assert_eq!((rows(&p.h, "login").await, rows(&p.h, "token_revocation").await), (0, 0));
    let health = p
        .health(&agent.name, AgentHealthState::AuthenticationRequired)
        .await
        .health
        .unwrap();
    assert!(health.problem.starts_with("Nobody has logged in"), "{health:?}");
    let kinds: Vec<TokenEventKind> = p.told(2).await.iter().map(mailagent_client::v1::TokenEvent::kind).collect();
    assert_eq!(kinds, [TokenEventKind::Renewed, TokenEventKind::LoginRevoked]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_takes_its_login_along() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    let request = DeleteAgentRequest {
        name: agent.name.clone(),
        ..DeleteAgentRequest::default()
    };
    p.client.clone().agents.delete_agent(request).await.unwrap();
    assert_eq!(rows(&p.h, "login").await, 0);
    let last = p.told(2).await.pop().unwrap();
    assert_eq!(
        (last.kind(), last.owner_user.as_str()),
        (TokenEventKind::LoginRevoked, "users/anna")
    );
    // A login that was under way finds nothing to log in to.
    let agent = p.agent(ANNA).await;
    let begun = p.begin(&agent.name).await.unwrap();
    let request = DeleteAgentRequest {
        name: agent.name.clone(),
        ..DeleteAgentRequest::default()
    };
    p.client.clone().agents.delete_agent(request).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    let (status, page) = super::open(back.as_str()).await;
    assert_eq!(status, 400);
    assert!(page.contains("does not exist"), "{page}");
    assert_eq!(rows(&p.h, "login").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_passwords_and_back_keeps_the_login() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.log_in(&agent.name).await;
    let method = async |method: AuthenticationMethod| {
        let settings = TenantSettings {
            authentication_method: method.into(),
            ..TenantSettings::default()
        };
        p.h.change_settings(&p.client, settings).await;
    };
    method(AuthenticationMethod::Basic).await;
    let without = p.get(&agent.name).await;
    assert_eq!(without.authentication, None);
    assert_eq!(without.health.unwrap().state(), AgentHealthState::AuthenticationRequired);
    method(AuthenticationMethod::Modern).await;
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
    p.h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    p.h.handled(&p.client, &agent.name, 1).await;
}
