//! How many connections the writers of one tenant may hold, so that a tenant whose writers all wait for a lock leaves room for others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::connect::ACQUIRE;
use crate::domain::{Error, Result, TenantId};

/// The turns of all tenants.
pub(super) struct Turns {
    /// Writers of one tenant at a time. `None` for any number.
    each: Option<usize>,
    /// Those with writers. Held only for a lookup.
    tenants: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
}

impl Turns {
    /// A quarter of the connections for each tenant: its writers wait for one another in the end in any case.
    pub(super) fn of(connections: u32) -> Self {
        Self {
            each: Some((connections as usize / 4).max(2)),
            tenants: Mutex::default(),
        }
    }

    /// Any number of writers.
    pub(super) fn unlimited() -> Self {
        Self {
            each: None,
            tenants: Mutex::default(),
        }
    }

    /// Waits for the tenant's turn.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when none comes within 10 s.
    pub(super) async fn take(&self, tenant: &TenantId) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(each) = self.each else { return Ok(None) };
        let turns = self.of_tenant(tenant, each);
        match timeout(ACQUIRE, turns.acquire_owned()).await {
            Ok(turn) => Ok(Some(turn.map_err(Error::internal)?)),
            Err(_) => Err(Error::store_unavailable("the tenant's other writers wait in the database")),
        }
    }

    fn of_tenant(&self, tenant: &TenantId, each: usize) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.get(tenant).and_then(Weak::upgrade) {
            return turns;
        }
        tenants.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(each));
        tenants.insert(tenant.to_owned(), Arc::downgrade(&turns));
        turns
    }
}
