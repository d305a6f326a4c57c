//! A person logs in in headless Chromium, through the provider's page to the service's own.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use mailagent_client::v1::AuthenticationState;
use serde_json::json;

use super::{ANNA, BERT, Place};

/// The folder of the test's packages is told by `make test`, see `clients.rs`. With MAILAGENT_TEST_SCREENSHOTS, what was seen is kept there.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_in_a_browser() {
    assert!(
        env::var_os("MAILAGENT_TEST_NODE_MODULES").is_some(),
        "MAILAGENT_TEST_NODE_MODULES is not set: this test needs packages; run `make test`, which installs them"
    );
    let p = Place::new().await;
    let mut pages = Vec::new();
    let mut agents = Vec::new();
    // Another agent each time: a later attempt would end an earlier one.
    for _ in 0..4 {
        let agent = p.agent(ANNA).await;
        pages.push(p.begin(&agent.name).await.unwrap().authorization_url);
        agents.push(agent.name);
    }
    let told = json!({
        "pages": pages,
        "other": BERT,
        "account": ANNA,
        "screenshots": env::var("MAILAGENT_TEST_SCREENSHOTS").unwrap_or_default(),
    });
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/login.mjs"))
        .env("MAILAGENT_TEST_LOGIN", told.to_string())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("running a command does not panic").expect("node is there");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}{complained}", output.status);
    let states = [
        p.authentication(&agents[0]).await.state(),
        p.authentication(&agents[1]).await.state(),
        p.authentication(&agents[2]).await.state(),
        p.authentication(&agents[3]).await.state(),
    ];
    assert_eq!(
        states,
        [
            AuthenticationState::None,
            AuthenticationState::None,
            AuthenticationState::None,
            AuthenticationState::Active
        ]
    );
}
