//! Who is told what of logins, and from where on.

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{TokenEventFilter, TokenEventKind, WatchTokensRequest};
use tonic::Code;

use super::{ANNA, BERT, Place, told};
use crate::harness::{TENANT, events, take, violations};

#[tokio::test(flavor = "multi_thread")]
async fn owners_hear_of_their_own_logins_only() {
    let p = Place::new().await;
    let (anna, bert) = (p.agent(ANNA).await, p.agent(BERT).await);
    p.log_in(&anna.name).await;
    p.log_in(&bert.name).await;
    for scope in [Scope::AgentRead, Scope::AgentUse] {
        let owner = p.h.client_as(TENANT, "bert", &[scope]).await;
        let events = told(&owner, 1).await;
        assert_eq!((&events[0].source, events[0].owner_user.as_str()), (&bert.name, "users/bert"));
    }
    let all = p.h.client_as(TENANT, "carl", &[Scope::AgentWrite]).await;
    assert_eq!(told(&all, 2).await.len(), 2);
    let foreign = p.h.client_as("other", "bert", Scope::ALL).await;
    assert!(told(&foreign, 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_goes_on_where_it_stopped_and_chooses_what_it_hears() {
    let mut p = Place::new().await;
    let (anna, bert) = (p.agent(ANNA).await, p.agent(BERT).await);
    p.log_in(&anna.name).await;
    let request = |cursor: &str, filter| WatchTokensRequest {
        cursor: cursor.to_owned(),
        filter,
    };
    let mut watch = p.client.watch_tokens(request("EARLIEST", None));
    let cursor = loop {
        let delivery = take(&mut watch).await.unwrap().unwrap();
        if delivery.event.is_some() {
            break delivery.cursor;
        }
    };
    drop(watch);
    p.h.restart().await;
    p.client = p.h.client().await;
    p.log_in(&bert.name).await;
    p.client
        .clone()
        .agents
        .revoke_login(mailagent_client::v1::RevokeLoginRequest { name: anna.name.clone() })
        .await
        .unwrap();
    let mut watch = p.client.watch_tokens(request(&cursor, None));
    let seen: Vec<_> = events(&mut watch, 2)
        .await
        .into_iter()
        .map(|event| (event.source.clone(), event.kind()))
        .collect();
    assert_eq!(
        seen,
        [
            (bert.name.clone(), TokenEventKind::Renewed),
            (anna.name.clone(), TokenEventKind::LoginRevoked)
        ]
    );
    let only = |filter: TokenEventFilter| {
        let mut watch = p.client.watch_tokens(request("EARLIEST", Some(filter)));
        async move {
            let mut kinds = Vec::new();
            // The bookmark at the log's end says that there is no more.
            let mut bookmarks = 0;
            while bookmarks < 2 {
                match take(&mut watch).await.unwrap().unwrap().event {
                    Some(event) => kinds.push((event.source.clone(), event.kind())),
                    None => bookmarks += 1,
                }
            }
            kinds
        }
    };
    let of_anna = TokenEventFilter {
        source: anna.name.clone(),
        ..TokenEventFilter::default()
    };
    assert_eq!(only(of_anna).await.len(), 2);
    let revoked = TokenEventFilter {
        kinds: vec![TokenEventKind::LoginRevoked.into()],
        ..TokenEventFilter::default()
    };
    assert_eq!(only(revoked).await, [(anna.name.clone(), TokenEventKind::LoginRevoked)]);
    for (filter, field) in [
        (
            TokenEventFilter {
                source: "users/anna".to_owned(),
                ..TokenEventFilter::default()
            },
            "filter.source",
        ),
        (
            TokenEventFilter {
                kinds: vec![99],
                ..TokenEventFilter::default()
            },
            "filter.kinds",
        ),
    ] {
        let status = p.client.clone().agents.watch_tokens(request("", Some(filter))).await.unwrap_err();
        assert_eq!(
            (status.code(), violations(&status)),
            (Code::InvalidArgument, vec![field.to_owned()])
        );
    }
}
