//! Accounts that several tenants log in with, at a provider that ends tokens on request.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{AuthenticationState, RevokeLoginRequest},
};
use serde_json::json;

use super::oidc::{Provider, authentication, create, log_in, service};
use crate::harness::{PATIENCE, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_login_leaves_another_tenants_alone() {
    let (h, provider, client) =
        service(|callback| Provider::start(&json!({ "redirectUrls": [callback], "accessSeconds": 3, "rotate": false, "graceSeconds": 0 })))
            .await;
    let other = h.client_as("other", "anna", Scope::ALL).await;
    h.seed_for(other.clone()).await;
    let (ours, theirs) = (create(&client).await, create(&other).await);
    for (client, agent) in [(&client, &ours), (&other, &theirs)] {
        let (status, page) = log_in(&h, &provider, client, agent).await;
        assert_eq!(status, 200, "{page}");
    }
    let revoke = async |client: &Clients, name: &str| {
        let request = RevokeLoginRequest { name: name.to_owned() };
        client
            .clone()
            .agents
            .revoke_login(request)
            .await
            .unwrap()
            .into_inner()
            .provider_notified
    };
    assert!(!revoke(&client, &ours).await, "the provider may have one grant for both");
    assert_eq!(authentication(&client, &ours).await.state(), AuthenticationState::None);
    let before = authentication(&other, &theirs).await.access_token_expire_time;
    eventually(PATIENCE, "the other tenant's login is renewed as before", async || {
        h.clock.advance(Duration::from_millis(500));
        let login = authentication(&other, &theirs).await;
        assert_eq!(login.state(), AuthenticationState::Active, "{login:?}");
        if login.access_token_expire_time == before {
            Err(login)
        } else {
            Ok(())
        }
    })
    .await;
    assert!(revoke(&other, &theirs).await, "the last one is told");
}
