//! Who may see and change which agents.

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{Agent, AgentFilter};
use tonic::Code;

use super::{create, delete, exchange, get, list, update};
use crate::harness::{Harness, TENANT, metadata, on_both_engines};

#[tokio::test(flavor = "multi_thread")]
async fn owners_see_and_change_their_own_agents_only() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let annas = h.agent(&client, "anna@example.com").await;
        let berts = h.agent(&client, "bert@example.com").await;
        let anna = h.client_as(TENANT, "anna", &[Scope::AgentRead, Scope::AgentUse]).await;
        assert_eq!(get(&anna, &annas.name).await.unwrap().name, annas.name);
        assert_eq!(list(&anna, 0, None).await.0, std::slice::from_ref(&annas.name));
        let of_bert = AgentFilter {
            owner_user: "users/bert".to_owned(),
            ..AgentFilter::default()
        };
        assert_eq!(list(&anna, 0, Some(of_bert)).await.0, Vec::<String>::new());
        let change = |name: &str, owner: &str| Agent {
            name: name.to_owned(),
            from_name: "Changed".to_owned(),
            owner_user: owner.to_owned(),
            ..Agent::default()
        };
        assert_eq!(get(&anna, &berts.name).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(
            update(&anna, change(&berts.name, ""), None).await.unwrap_err().code(),
            Code::NotFound
        );
        assert_eq!(delete(&anna, &berts.name, "").await.unwrap_err().code(), Code::NotFound);
        update(&anna, change(&annas.name, ""), None).await.unwrap();
        let given_away = update(&anna, change(&annas.name, "users/bert"), None).await.unwrap_err();
        assert_eq!(
            (given_away.code(), metadata(&given_away, "scope").as_str()),
            (Code::PermissionDenied, "agent.write")
        );

        let mut for_bert = h.agent_for("bert@example.com");
        exchange(&mut for_bert).archive = None;
        let refused = create(&anna, for_bert.clone(), "").await.unwrap_err();
        assert_eq!(
            (refused.code(), metadata(&refused, "scope").as_str()),
            (Code::PermissionDenied, "agent.write")
        );
        let mut own = h.agent_for("anna@example.com");
        exchange(&mut own).archive = None;
        let own = create(&anna, own, "").await.unwrap();
        delete(&anna, &own.name, &own.etag).await.unwrap();

        // Who may only read changes nothing.
        let reader = h.client_as(TENANT, "anna", &[Scope::AgentRead]).await;
        assert_eq!(delete(&reader, &annas.name, "").await.unwrap_err().code(), Code::PermissionDenied);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_field_needs_its_scope() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = h.agent(&client, "anna@example.com").await;
    let writer = h.client_as(TENANT, "anna", &[Scope::AgentRead, Scope::AgentWrite]).await;
    let seen = get(&writer, &made.name).await.unwrap();
    assert_eq!(seen.exchange.as_ref().unwrap().archive, None, "not even seen");
    // Writing back what was read keeps it.
    update(&writer, seen.clone(), Some(&["*"])).await.unwrap();
    assert_eq!(get(&client, &made.name).await.unwrap().exchange.unwrap().archive, Some(true));
    let mut set = seen;
    set.etag.clear();
    for value in [true, false] {
        exchange(&mut set).archive = Some(value);
        for paths in [None, Some(&["exchange.archive"][..]), Some(&["*"][..])] {
            let refused = update(&writer, set.clone(), paths).await.unwrap_err();
            assert_eq!(
                (refused.code(), metadata(&refused, "scope").as_str()),
                (Code::PermissionDenied, "archive.configure")
            );
        }
    }
    let refused = create(&writer, h.agent_for("anna@example.com"), "").await.unwrap_err();
    assert_eq!(metadata(&refused, "scope"), "archive.configure");
}
