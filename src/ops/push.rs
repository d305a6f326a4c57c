//! Calls from Microsoft Graph that something happened in a mailbox. They wake the replica that reads it, and carry no data that counts.
//!
//! Anybody can call. A call counts by what it repeats of the subscription, the client state, which only this service can make: it names the
//! agent. So any replica understands every call, and nothing is kept for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use serde::Deserialize;

use super::Ops;
use crate::{
    crypto::Sealer,
    domain::{AgentId, Error, Result},
    provider::exchange::graph::{GraphPush, Waker},
    store::{INSTALLATION, LeaseKind},
};

/// Where Graph calls.
pub const NOTIFICATIONS: &str = "/graph/notifications";
/// What is left for the replica that reads a mailbox: to look at it, or to look after its subscriptions too.
const LOOK: i32 = 1;
const LOOK_AFTER_SUBSCRIPTIONS: i32 = 2;
/// What the client state is sealed for.
const PURPOSE: &str = "graph.push";

/// Those who wait for mailboxes here, by their agents.
#[derive(Debug, Default)]
pub struct Wakers {
    /// The public address of this service's page for notifications. `None`: mailboxes are polled only.
    pub url: Option<String>,
    // Held for a map look-up only.
    waiting: Mutex<HashMap<AgentId, Weak<Waker>>>,
}

impl Wakers {
    /// With this public address.
    pub fn new(url: Option<String>) -> Self {
        Self {
            url,
            waiting: Mutex::default(),
        }
    }

    /// Wakes who waits for an agent's mailbox here. Whether there is somebody.
    pub fn wake(&self, agent: &AgentId, renew: bool) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = waiting.get(agent).and_then(Weak::upgrade);
        if let Some(waker) = &waker {
            waker.wake(renew);
        }
        waker.is_some()
    }

    fn register(&self, agent: &AgentId) -> Arc<Waker> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, waker| waker.strong_count() > 0);
        let known = waiting.get(agent).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let waker = Arc::<Waker>::default();
            waiting.insert(agent.to_owned(), Arc::downgrade(&waker));
            waker
        })
    }
}

/// How an agent's mailbox over Graph is told of changes. `None` where the operator has given no public address.
pub(super) fn of_agent(ops: &Ops, agent: &AgentId) -> Option<GraphPush> {
    Some(GraphPush {
        url: ops.wakers.url.clone()?,
        client_state: client_state(&ops.sealer, agent),
        waker: ops.wakers.register(agent),
        clock: ops.clock.clone(),
    })
}

fn client_state(sealer: &Sealer, agent: &AgentId) -> String {
    sealer.seal(PURPOSE, &INSTALLATION, agent.as_str().as_bytes())
}

#[derive(Deserialize)]
struct Notifications {
    value: Vec<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(default)]
    client_state: String,
    lifecycle_event: Option<String>,
}

/// Takes a call. What is not of this service's subscriptions is passed over.
///
/// # Errors
/// [`crate::domain::Kind::Invalid`] when it is no call of that kind; the database's.
pub async fn received(ops: &Ops, body: &[u8]) -> Result<()> {
    let calls: Notifications =
        serde_json::from_slice(body).map_err(|_| Error::invalid_field("body", "must be change notifications of Microsoft Graph."))?;
    // One call may have hundreds for the same mailbox.
    let mut agents: HashMap<AgentId, bool> = HashMap::new();
    for call in calls.value {
        let Ok(agent) = ops.sealer.open(PURPOSE, &INSTALLATION, &call.client_state) else {
            continue;
        };
        if let Ok(agent) = String::from_utf8(agent) {
            *agents.entry(agent.into()).or_default() |= call.lifecycle_event.is_some();
        }
    }
    for (agent, renew) in agents {
        if !ops.wakers.wake(&agent, renew) {
            // Another replica may read it.
            let signal = if renew { LOOK_AFTER_SUBSCRIPTIONS } else { LOOK };
            ops.store.signal_holder(LeaseKind::Mailbox, agent.as_str(), signal).await?;
        }
    }
    Ok(())
}

/// Wakes the mailboxes read here that other replicas were called about.
pub async fn wake_called(ops: &Ops, holder: &str) -> Result<()> {
    for (agent, signal) in ops.store.take_signals(LeaseKind::Mailbox, holder).await? {
        ops.wakers.wake(&agent.into(), signal >= LOOK_AFTER_SUBSCRIPTIONS);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::DataKey;

    #[test]
    fn client_states_are_short_enough_and_nobody_else_makes_them() {
        let sealer = Sealer::new(&DataKey::generate());
        let agent = "01JDC7Q3ZJ8V8Q4J5K6M7N8P9R";
        let state = client_state(&sealer, &agent.into());
        assert!(state.len() <= 128, "{}", state.len());
        assert_eq!(sealer.open(PURPOSE, &INSTALLATION, &state).unwrap(), agent.as_bytes());
        assert!(Sealer::new(&DataKey::generate()).open(PURPOSE, &INSTALLATION, &state).is_err());
        assert!(sealer.open("login.state", &INSTALLATION, &state).is_err());
    }

    #[test]
    fn who_does_not_wait_any_more_is_forgotten() {
        let wakers = Wakers::default();
        assert!(!wakers.wake(&"a".into(), false));
        let waker = wakers.register(&"a".into());
        assert!(Arc::ptr_eq(&waker, &wakers.register(&"a".into())), "one for each agent");
        assert!(wakers.wake(&"a".into(), true));
        drop(waker);
        assert!(!wakers.wake(&"a".into(), false));
        wakers.register(&"b".into());
        assert_eq!(wakers.waiting.lock().unwrap().len(), 1);
    }
}
