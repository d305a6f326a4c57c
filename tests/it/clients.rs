//! The Python and TypeScript clients against a running service, in Node and in a browser.
//!
//! They need packages that cargo does not bring. `make test` installs them and says so by two variables:
//! - `MAILAGENT_TEST_PYTHON`: an interpreter that has `tests/clients/requirements.txt`;
//! - `MAILAGENT_TEST_NODE_MODULES`: the folder in which `tests/clients/package.json` is installed.

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use mailagent::testing::domain::Scope;

use crate::harness::{Harness, Mail, TENANT};

/// What the service holds when a script follows its streams.
#[derive(Clone, Copy, Debug)]
struct Expected {
    /// Different events that WatchMatches gives from `EARLIEST` on.
    matches: usize,
    /// Different messages that StreamMessages gives from the start.
    messages: usize,
}

/// A service with mail in it, and what its streams have to give.
async fn filled() -> (Harness, String, Expected) {
    let h = Harness::new().await;
    let client = h.seed().await;
    let agent = h.agent(&client, "anna@example.com").await;
    let expected = Expected { matches: 12, messages: 30 };
    for index in 0..expected.messages {
        let subject = if index < expected.matches {
            "CS-0000001"
        } else {
            "nothing in particular"
        };
        h.deliver("anna@example.com", &Mail::new("eva@oak.example", subject));
    }
    h.handled(&client, &agent.name, i64::try_from(expected.messages).expect("it is small"))
        .await;
    let token = h.token(TENANT, "anna", &[Scope::AgentRead, Scope::SweepRead, Scope::ArchiveRead]);
    (h, token, expected)
}

/// Value of a variable that says where something is installed.
fn needed(variable: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: this test needs packages; run `make test`, which installs them"))
}

#[tokio::test(flavor = "multi_thread")]
async fn python_follows_the_streams() {
    let python = needed("MAILAGENT_TEST_PYTHON");
    let (h, token, expected) = filled().await;
    run(python, "smoke.py", &h.url(), &token, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_follows_the_streams() {
    typescript("smoke.mjs").await;
}

/// In headless Chromium, from a page of another origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_follows_the_streams() {
    typescript("browser.mjs").await;
}

async fn typescript(script: &str) {
    let modules = needed("MAILAGENT_TEST_NODE_MODULES");
    // Node looks for packages beside the script, so no other place will do.
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules");
    assert_eq!(
        Path::new(&modules).canonicalize().ok(),
        beside.canonicalize().ok(),
        "MAILAGENT_TEST_NODE_MODULES must be {}",
        beside.display()
    );
    let (h, token, expected) = filled().await;
    run("node".into(), script, &h.url(), &token, expected).await;
}

/// Runs a script of `tests/clients` to its end, for which it has a time limit itself, and asserts that it found nothing wrong.
async fn run(interpreter: OsString, script: &str, endpoint: &str, token: &str, expected: Expected) {
    let mut command = Command::new(interpreter);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script))
        .env("MAILAGENT_TEST_ENDPOINT", endpoint)
        .env("MAILAGENT_TEST_TOKEN", token)
        .env("MAILAGENT_TEST_MATCHES", expected.matches.to_string())
        .env("MAILAGENT_TEST_MESSAGES", expected.messages.to_string())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("running a command does not panic")
        .unwrap_or_else(|error| panic!("{script} cannot be started: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} ended with {}\n{said}{complained}", output.status);
    print!("{said}");
}
