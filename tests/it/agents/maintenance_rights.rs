//! Who may see, use and choose maintenance accounts.

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{AgentFilter, ExchangeSettings, MaintenanceAccount};
use sea_orm::ConnectionTrait;
use tonic::Code;

use super::{
    Refusal, add_users, agent_through, assert_refused, create, create_account, exchange, get, list,
    maintenance::{ENDPOINT, delete_account, get_account, named},
    rules::strict,
    unknown, update, update_account,
};
use crate::harness::{TENANT, account, metadata, on_both_engines};

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_the_same_ids_do_not_meet() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
        let mut agent = agent_through(&made.name, "anna@example.com");
        agent.disabled = true;
        let agent = create(&client, agent, "").await.unwrap();
        let other = h.client_as("other", "anna", Scope::ALL).await;
        for refused in [
            get_account(&other, &made.name).await.unwrap_err(),
            update_account(&other, named(&made), None).await.unwrap_err(),
            delete_account(&other, &made.name, "").await.unwrap_err(),
        ] {
            assert_eq!(
                (refused.code(), metadata(&refused, "resource")),
                (Code::NotFound, made.name.clone())
            );
        }
        add_users(&other, &["anna"]).await;
        let through = create(&other, agent_through(&made.name, "anna@example.com"), "").await;
        assert_refused("an agent", through, unknown("agent.exchange.maintenance_account", "does not exist"));

        // The same account and the same agent, as if ids had met.
        let database = h.database().await;
        let columns = "id, display_name, kind, endpoint, username, password_sealed, problem, version, create_time, update_time";
        let copy = format!("INSERT INTO maintenance_account (tenant_id, {columns}) SELECT 'other', {columns} FROM maintenance_account");
        database.execute_unprepared(&copy).await.unwrap();
        database.close().await.unwrap();
        assert_eq!(get_account(&other, &made.name).await.unwrap().agent_count, 0);
        let renamed = MaintenanceAccount {
            display_name: "Theirs".to_owned(),
            ..named(&made)
        };
        update_account(&other, renamed, None).await.unwrap();
        delete_account(&other, &made.name, "").await.unwrap();
        let ours = get_account(&client, &made.name).await.unwrap();
        assert_eq!((ours.agent_count, ours.display_name.as_str()), (1, "Service"));
        assert_eq!(
            get(&client, &agent.name).await.unwrap().exchange.unwrap().maintenance_account,
            made.name
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_neither_see_nor_choose_accounts() {
    let (h, client) = strict().await;
    let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
    let mut through = agent_through(&made.name, "anna@example.com");
    through.disabled = true;
    let mine = create(&client, through.clone(), "").await.unwrap();
    let mut own = through.clone();
    *exchange(&mut own) = ExchangeSettings {
        endpoint: ENDPOINT.to_owned(),
        username: "anna".to_owned(),
        ..Default::default()
    };
    let own = create(&client, own, "").await.unwrap();
    let berts = create(&client, agent_through(&made.name, "bert@example.com"), "").await.unwrap();

    let anna = h.client_as(TENANT, "anna", &[Scope::AgentRead, Scope::AgentUse]).await;
    let denied = |field| Refusal {
        code: Code::PermissionDenied,
        reason: "SCOPE_MISSING",
        field: "agent.write",
        words: field,
    };
    for refused in [
        create_account(&anna, account(ENDPOINT), "").await.unwrap_err(),
        get_account(&anna, &made.name).await.unwrap_err(),
        update_account(&anna, named(&made), None).await.unwrap_err(),
        delete_account(&anna, &made.name, "").await.unwrap_err(),
    ] {
        assert_eq!(
            (refused.code(), metadata(&refused, "scope").as_str()),
            (Code::PermissionDenied, "agent.write")
        );
    }
    const ACCOUNT: &str = "agent.exchange.maintenance_account: This requires the scope agent.write";
    // Whether it exists or not: nothing can be found out by trying.
    for account in [made.name.as_str(), "maintenanceAccounts/01J"] {
        let new = create(&anna, agent_through(account, "anna@example.com"), "").await;
        assert_refused("a new one", new, denied(ACCOUNT));
        let mut switched = agent_through(account, "anna@example.com");
        switched.name.clone_from(&own.name);
        exchange(&mut switched).username = "anna".to_owned();
        assert_refused(
            "one with a login",
            update(&anna, switched, Some(&["exchange"])).await,
            denied(ACCOUNT),
        );
    }
    let mut change = super::named(&mine);
    change.from_address = "bert@example.com".to_owned();
    assert_refused("another address", update(&anna, change, None).await, denied(ACCOUNT));
    let mut change = super::named(&mine);
    change.exchange = Some(ExchangeSettings {
        mailbox: "bert@example.com".to_owned(),
        ..Default::default()
    });
    assert_refused("another mailbox", update(&anna, change, None).await, denied(ACCOUNT));
    // What does not decide that is theirs to change.
    let mut change = super::named(&mine);
    change.from_name = "Anna B.".to_owned();
    change.exchange = Some(ExchangeSettings {
        mailbox: "ANNA@example.com".to_owned(),
        calendar: true,
        ..Default::default()
    });
    assert!(update(&anna, change, None).await.unwrap().exchange.unwrap().calendar);
    let filter = AgentFilter {
        maintenance_account: made.name.clone(),
        ..Default::default()
    };
    assert_eq!(list(&anna, 0, Some(filter.clone())).await.0, std::slice::from_ref(&mine.name));
    assert_eq!(list(&client, 0, Some(filter)).await.0, [mine.name, berts.name]);
}
