//! Tokens of somebody else's OpenID issuer: oidc-provider, in Node.

use mailagent::testing::domain::{Clock, SystemClock};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::settings_of;
use crate::harness::{Choices, Engine, Harness, NOW, NodePeer, PATIENCE, eventually, reason};

const SETTINGS: &str = "mailagent.v1.SettingsService/GetTenantSettings";

/// The issuer in a process of its own, which ends when this is dropped.
struct Peer {
    _process: NodePeer,
    issuer: String,
    http: reqwest::Client,
}

impl Peer {
    fn start() -> Self {
        let process = NodePeer::start("oidc_issuer.mjs", "oidc-provider", &[]);
        Self {
            issuer: process.told("issuer"),
            _process: process,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// A token for a service that calls for itself, signed in this way, for this resource.
    async fn token(&self, algorithm: &str, resource: &str) -> String {
        let form = format!("grant_type=client_credentials&scope=agent.read+tenant.admin&resource=urn:{resource}");
        let response = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth(format!("crm.{algorithm}"), Some("a-secret-of-the-test"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer: Value = response.send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{algorithm}: {answer}")).to_owned()
    }

    /// Makes new keys of these kinds; with `keep` the ones before are published too.
    async fn rotate(&self, kinds: &[&str], keep: bool) {
        let body = json!({ "kinds": kinds, "keep": keep }).to_string();
        let answer = self
            .http
            .post(format!("{}/test/keys", self.issuer))
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

async fn call(h: &Harness, token: &str) -> Result<(), Status> {
    h.call(SETTINGS, token, &[], HeaderMap::new()).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_oidc_provider_are_believed() {
    let peer = Peer::start();
    let auth = settings_of(&format!("[auth]\nissuer = \"{}\"\nunknown_key_pause = \"100ms\"", peer.issuer)).auth;
    let h = Harness::with(Choices {
        configure: Box::new(move |config| config.auth = auth),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    // The issuer goes by the machine's clock.
    h.clock.advance(SystemClock.now().since(NOW));
    let algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
    let mut tokens = Vec::new();
    for algorithm in algorithms {
        let token = peer.token(algorithm, "mailagent").await;
        call(&h, &token).await.unwrap_or_else(|status| panic!("{algorithm}: {status:?}"));
        tokens.push(token);
    }
    let status = call(&h, &peer.token("RS256", "another").await).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
    assert!(status.message().contains("another audience"), "{status:?}");
    let user = h
        .call("mailagent.v1.DirectoryService/GetUser", &tokens[0], &[], HeaderMap::new())
        .await;
    assert_eq!(reason(&user.unwrap_err()), "SCOPE_MISSING", "the scope was not asked for");

    // New keys beside the old ones: both serve, without a restart.
    peer.rotate(&["EC"], true).await;
    let token = peer.token("ES256", "mailagent").await;
    eventually(PATIENCE, "the token is believed", async || {
        call(&h, &token).await.map_err(|status| format!("{status:?}"))
    })
    .await;
    for token in &tokens {
        call(&h, token).await.expect("the keys before are still published");
    }
    // Only new ones.
    peer.rotate(&["RSA", "OKP"], false).await;
    let token = peer.token("EdDSA", "mailagent").await;
    eventually(PATIENCE, "the token is believed", async || {
        call(&h, &token).await.map_err(|status| format!("{status:?}"))
    })
    .await;
    for token in &tokens {
        let status = call(&h, token).await.expect_err("its key is withdrawn");
        assert!(status.message().contains("does not publish"), "{status:?}");
    }
}
