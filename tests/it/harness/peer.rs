//! Servers of others that run in Node.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A script of `tests/peers` that serves, in a process of its own, which ends when this is dropped.
pub struct NodePeer {
    child: Child,
    told: Value,
}

impl NodePeer {
    /// Starts it and waits until it tells where it serves. `package` is what must be installed.
    pub fn start(script: &str, package: &str, arguments: &[String]) -> Self {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        assert!(
            peers.join("node_modules").join(package).exists(),
            "{package} is not installed in {}: run `make test`",
            peers.display()
        );
        let mut child = Command::new("node")
            .arg(peers.join(script))
            .args(arguments)
            // It ends with this pipe, also when the tests are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is there");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped"))
            .read_line(&mut line)
            .expect("it tells something");
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{script}: {error}: {line:?}"));
        Self { child, told }
    }

    /// What it told under this name.
    pub fn told(&self, name: &str) -> String {
        let value = self.told[name].as_str();
        value.unwrap_or_else(|| panic!("no {name} in {}", self.told)).to_owned()
    }

    /// The port, of one that tells nothing else.
    pub fn port(&self) -> u16 {
        let port = self.told.as_u64().and_then(|port| port.try_into().ok());
        port.unwrap_or_else(|| panic!("no port: {}", self.told))
    }
}

impl Drop for NodePeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
