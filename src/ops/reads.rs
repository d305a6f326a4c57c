//! Who read which message, on its way into the audit log.
//!
//! A read is noted in memory and written with others within a second, so that it costs its caller nothing noticeable. Nothing is dropped:
//! once 10,000 entries wait because the database does not take them, further reads wait for a place and then fail. A stop writes what
//! is left; only a process that is killed loses its last second.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

use super::Ops;
use crate::{
    domain::{Caller, Error, Result},
    store::{BodyRead, Store},
};

/// Entries that may wait. One has some 200 bytes.
const CAPACITY: usize = 10_000;
/// Entries of one transaction.
const BATCH: usize = 512;
/// How long a read waits for a place.
const PATIENCE: Duration = Duration::from_secs(5);

/// Entries that are still to be written.
pub struct ReadLog {
    places: Semaphore,
    // Held to move entries only, never across an await.
    waiting: Mutex<VecDeque<BodyRead>>,
    /// Held while entries are written, so that they are written once.
    writing: tokio::sync::Mutex<()>,
    noted: Notify,
}

impl Default for ReadLog {
    fn default() -> Self {
        Self {
            places: Semaphore::new(CAPACITY),
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            noted: Notify::new(),
        }
    }
}

impl ReadLog {
    /// Waits until there is something to write. Cancel safe.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Writes what waits. Returns how many entries that were.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when the database is away; what is not written then waits on. The same when it is given up.
    pub async fn flush(&self, store: &Store) -> Result<usize> {
        let _one = self.writing.lock().await;
        let mut written = 0;
        loop {
            let batch: Vec<BodyRead> = self.waiting().iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(written);
            }
            store.insert_reads(&batch).await?;
            self.waiting().drain(..batch.len());
            self.places.add_permits(batch.len());
            written += batch.len();
        }
    }

    /// How many entries wait.
    pub fn waiting_count(&self) -> usize {
        self.waiting().len()
    }

    /// Waits for a place at most as long as `patience`.
    async fn add(&self, read: BodyRead, patience: Duration) -> Result<()> {
        let place = tokio::time::timeout(patience, self.places.acquire()).await;
        let place = place.map_err(|_| Error::store_unavailable("the audit log of reads is full"))?;
        place.map_err(Error::internal)?.forget();
        self.waiting().push_back(read);
        self.noted.notify_one();
        Ok(())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<BodyRead>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that the caller is about to be given the text or bytes of a message or note, also when it is only a part of it.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when it cannot be noted: then nothing may be given out.
pub(super) async fn record(ops: &Ops, caller: &Caller, method: &'static str, resource: String) -> Result<()> {
    tracing::info!(target: "mailagent::audit", tenant = caller.tenant.as_str(), user = caller.user.as_str(), resource, method, "message read");
    let read = BodyRead {
        tenant: caller.tenant.clone(),
        id: ops.ids.next(),
        time: ops.now(),
        user: caller.user.clone(),
        resource,
        method,
    };
    ops.reads.add(read, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, Timestamp};

    #[tokio::test]
    async fn a_full_log_makes_reads_wait_and_then_fail() {
        let log = ReadLog::default();
        let read = || BodyRead {
            tenant: "acme".into(),
            id: String::new(),
            time: Timestamp::from_seconds(0),
            user: "anna".into(),
            resource: "messages/1".to_owned(),
            method: "GetMessage",
        };
        for _ in 0..CAPACITY {
            log.add(read(), PATIENCE).await.unwrap();
        }
        let refused = log.add(read(), Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(refused.kind, Kind::Unavailable { .. }), "{refused:?}");
        assert_eq!(log.waiting_count(), CAPACITY, "nothing is dropped");
        log.places.add_permits(1);
        log.add(read(), PATIENCE).await.unwrap();
    }
}
