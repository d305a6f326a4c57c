//! Passwords stay secret.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use mailagent_client::v1::AgentHealthState;

use super::{create, exchange, get};
use crate::harness::{Harness, files_below};

/// What the service logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One thread, so that the log of this test is the log of this service.
#[tokio::test]
async fn passwords_are_nowhere_in_clear() {
    const PASSWORD: &str = "Kraut-und-Rueben-4711";
    const WRONG: &str = "Rueben-und-Kraut-1174";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("mailagent=trace,info")
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut h = Harness::new().await;
    let client = h.seed().await;
    h.exchange.add_mailbox("anna@example.com", "anna@example.com", PASSWORD);
    let mut agent = h.agent_for("anna@example.com");
    exchange(&mut agent).password = PASSWORD.to_owned();
    let made = create(&client, agent.clone(), "request").await.unwrap();
    let mut said = format!("{made:?}{:?}", get(&client, &made.name).await.unwrap());
    // Faults of every kind, with a password in the request.
    exchange(&mut agent).password = WRONG.to_owned();
    agent.from_address = "not an address".to_owned();
    said += &format!("{:?}", create(&client, agent.clone(), "").await.unwrap_err());
    agent.from_address = "anna@example.com".to_owned();
    said += &format!("{:?}", create(&client, agent.clone(), "request").await.unwrap_err());
    let wrong = create(&client, agent, "").await.unwrap();
    let health = crate::harness::eventually(crate::harness::PATIENCE, "the login is refused", async || {
        let health = get(&client, &wrong.name).await.unwrap().health.unwrap();
        if health.problem.is_empty() { Err(health) } else { Ok(health) }
    })
    .await;
    assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
    said += &format!("{health:?}");
    h.stop().await;

    let mut places = vec![
        ("the answers".to_owned(), said.into_bytes()),
        ("the log".to_owned(), log.0.lock().unwrap().clone()),
    ];
    let files = files_below(h.folder());
    places.extend(
        files
            .into_iter()
            .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())),
    );
    assert!(places.iter().any(|(name, _)| name.ends_with(".db")), "the database was looked at");
    assert!(places[1].1.len() > 100, "something was logged");
    for (place, bytes) in places {
        for secret in [PASSWORD, WRONG] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a password stands in {place}");
        }
    }
}
