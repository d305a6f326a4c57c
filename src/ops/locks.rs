//! What is done one at a time in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Guarded, PoisonError},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::{AgentId, MaintenanceAccountId, TenantId};

/// What is done one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockKey {
    /// Reading the mailbox of this agent.
    Mailbox(AgentId),
    /// Reading a folder of an agent's mailbox, by the folder's key.
    Folder(AgentId, String),
    /// Trying the login of this maintenance account.
    Account(MaintenanceAccountId),
    /// Checking the connection of this agent.
    Check(AgentId),
}

/// A lock for each key of each tenant, kept only while somebody holds or awaits it.
#[derive(Default)]
pub(crate) struct Locks {
    // Held for a map look-up only.
    kept: Guarded<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<(TenantId, LockKey), Arc<Mutex<()>>>,
    /// How many there were when those that nobody wants were last taken out.
    wanted: usize,
}

impl Locks {
    /// Waits for a tenant's lock. Cancel safe.
    pub(crate) async fn lock(&self, tenant: &TenantId, key: LockKey) -> OwnedMutexGuard<()> {
        self.find(tenant, key).lock_owned().await
    }

    /// The lock, if nobody has it.
    pub(crate) fn try_lock(&self, tenant: &TenantId, key: LockKey) -> Option<OwnedMutexGuard<()>> {
        self.find(tenant, key).try_lock_owned().ok()
    }

    fn find(&self, tenant: &TenantId, key: LockKey) -> Arc<Mutex<()>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Not each time: there may be several for each of many thousand mailboxes.
        if kept.by_key.len() > 2 * kept.wanted + 64 {
            kept.by_key.retain(|_, lock| Arc::strong_count(lock) > 1);
            kept.wanted = kept.by_key.len();
        }
        kept.by_key.entry((tenant.to_owned(), key)).or_default().clone()
    }
}
