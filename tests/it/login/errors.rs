//! Microsoft's error answers, given by another mock of others (oauth2-mock-server), and what becomes of the login.

use std::time::Duration;

use mailagent_client::v1::{AuthenticationState, RevokeLoginRequest};
use reqwest::{Url, redirect::Policy};
use serde_json::{Value, json};

use super::{ANNA, begin, oauth, open};
use crate::harness::{Choices, Engine, Harness, NodePeer, PATIENCE, eventually};

/// An answer, and what the login is after it: asked for again, or kept and tried again.
const ANSWERS: &[(u16, &str, &str, bool)] = &[
    (
        400,
        "invalid_grant",
        "AADSTS700082: The refresh token has expired due to inactivity.",
        true,
    ),
    (
        400,
        "invalid_grant",
        "AADSTS70008: The provided authorization code or refresh token has expired.",
        true,
    ),
    (
        400,
        "invalid_grant",
        "AADSTS50173: The provided grant has expired due to it being revoked.",
        true,
    ),
    (
        400,
        "invalid_grant",
        "AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency checks.",
        true,
    ),
    (400, "invalid_grant", "AADSTS50057: The user account is disabled.", true),
    (
        400,
        "invalid_grant",
        "AADSTS65001: The user or administrator has not consented to use the application.",
        true,
    ),
    (
        400,
        "interaction_required",
        "AADSTS50076: Due to a configuration change you must use multi-factor authentication.",
        true,
    ),
    (
        400,
        "interaction_required",
        "AADSTS50079: you must enroll in multi-factor authentication.",
        true,
    ),
    (
        400,
        "interaction_required",
        "AADSTS53003: Access has been blocked by Conditional Access policies.",
        true,
    ),
    (401, "invalid_client", "AADSTS7000215: Invalid client secret provided.", false),
    (
        401,
        "invalid_client",
        "AADSTS7000222: The provided client secret keys are expired.",
        false,
    ),
    (
        400,
        "unauthorized_client",
        "AADSTS700016: Application was not found in the directory.",
        false,
    ),
    (
        503,
        "temporarily_unavailable",
        "AADSTS90033: A transient error has occurred.",
        false,
    ),
    (429, "temporarily_unavailable", "AADSTS90055: too many requests", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_microsofts_means_what_the_table_says() {
    let peer = NodePeer::start("entra_errors.mjs", "oauth2-mock-server", &[]);
    let issuer = peer.told("issuer");
    let oauth = oauth(&format!(
        "[oauth]\ncheck_interval = \"50ms\"\n[[oauth.providers]]\nname = \"mock\"\npreset = \"openid\"\nissuer = \"{issuer}\"\n\
         client_id = \"mailagent\"\nclient_secret = \"x\"\nsmtp_scopes = [\"openid\", \"offline_access\"]\nhosts = [\"127.0.0.1\"]\n"
    ));
    let h = Harness::with(Choices {
        configure: Box::new(move |config| config.oauth = oauth),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    // The mock's ID tokens go by the machine's clock.
    h.clock
        .advance(mailagent::testing::domain::Clock::now(&mailagent::testing::domain::SystemClock).since(crate::harness::NOW));
    let client = h.seed().await;
    let agent = super::oidc::create(&client).await;
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    for (status, error, description, ends) in ANSWERS {
        let begun = begin(&client, &agent, "").await.unwrap();
        let page = http.get(&begun.authorization_url).send().await.unwrap();
        let back = Url::parse(page.headers()["location"].to_str().unwrap()).unwrap();
        let (code, text) = open(back.as_str()).await;
        assert_eq!(code, 200, "{text}");
        let answer: Value = json!({ "status": status, "body": { "error": error, "error_description": description } });
        http.post(peer.told("control")).body(answer.to_string()).send().await.unwrap();
        h.clock.advance(Duration::from_hours(1));
        let wanted = if *ends {
            AuthenticationState::LoginRequired
        } else {
            AuthenticationState::Active
        };
        let login = eventually(PATIENCE, "the answer has its effect", async || {
            let login = super::oidc::authentication(&client, &agent).await;
            let heard = login.state() == AuthenticationState::LoginRequired || !login.renewal_problem.is_empty();
            if heard { Ok(login) } else { Err(login) }
        })
        .await;
        assert_eq!(login.state(), wanted, "{description}: {login:?}");
        assert_eq!(login.account, ANNA);
        let request = RevokeLoginRequest { name: agent.clone() };
        client.clone().agents.revoke_login(request).await.unwrap();
    }
}
