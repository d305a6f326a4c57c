//! The Python and TypeScript clients against a running service, in Node and in a browser.
//!
//! They need packages that cargo does not bring. `make test` installs them and says so by two variables; without these a test says
//! that it is skipped:
//! - `MAILAGENT_TEST_PYTHON`: an interpreter that has `tests/clients/requirements.txt`;
//! - `MAILAGENT_TEST_NODE_MODULES`: the folder in which `tests/clients/package.json` is installed.

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

/// What the service holds when a script follows its streams.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Different events that WatchMatches gives from `EARLIEST` on.
    pub matches: usize,
    /// Different messages that StreamMessages gives from the start.
    pub messages: usize,
}

/// Runs the Python client. `endpoint` is an `http://` URL; `token` needs the scopes `agent.read`, `sweep.read` and `archive.read`.
pub async fn check_python(endpoint: &str, token: &str, expected: Expected) {
    match env::var_os("MAILAGENT_TEST_PYTHON") {
        Some(python) => run(python, "smoke.py", endpoint, token, expected).await,
        None => eprintln!("skipped: MAILAGENT_TEST_PYTHON is not set"),
    }
}

/// Runs the TypeScript client in Node, as [`check_python`] does.
pub async fn check_node(endpoint: &str, token: &str, expected: Expected) {
    check_typescript("smoke.mjs", endpoint, token, expected).await;
}

/// Runs the TypeScript client in headless Chromium, from a page of another origin, as [`check_python`] does.
pub async fn check_browser(endpoint: &str, token: &str, expected: Expected) {
    check_typescript("browser.mjs", endpoint, token, expected).await;
}

async fn check_typescript(script: &str, endpoint: &str, token: &str, expected: Expected) {
    match env::var_os("MAILAGENT_TEST_NODE_MODULES") {
        Some(modules) => {
            // Node looks for packages beside the script, so no other place will do.
            let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules");
            assert_eq!(
                Path::new(&modules).canonicalize().ok(),
                beside.canonicalize().ok(),
                "MAILAGENT_TEST_NODE_MODULES must be {beside:?}"
            );
            run("node".into(), script, endpoint, token, expected).await;
        }
        None => eprintln!("skipped: MAILAGENT_TEST_NODE_MODULES is not set"),
    }
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
