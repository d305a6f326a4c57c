//! Whether the database accepts writes: a full disk can still be read.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sea_orm::ConnectionTrait;
use tokio::time::{Instant, timeout};

use super::{Store, store_error};
use crate::domain::{Error, Reason, Result};

/// How long one durable write proves that the next one will succeed.
const PROOF: Duration = Duration::from_secs(5);
/// How long a fault is cached, so that many checks do not cause many writes.
const DOUBT: Duration = Duration::from_secs(1);
/// How long the write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A row of its own, which no reader ever waits for.
const WRITE: &str = "INSERT INTO installation (name, value) VALUES ('ready', '1') \
    ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(installation.value AS BIGINT) + 1 AS TEXT)";

/// Why a write failed.
struct Fault {
    when: Instant,
    is_read_only: bool,
    text: String,
}

impl Fault {
    fn of(error: &Error) -> Self {
        Self {
            when: Instant::now(),
            is_read_only: error.reason == Reason::StoreReadOnly,
            text: error.chain(),
        }
    }

    fn again(&self) -> Error {
        let text = self.text.clone();
        if self.is_read_only {
            Error::store_read_only(text)
        } else {
            Error::store_unavailable(text)
        }
    }
}

/// The cached knowledge about it.
#[derive(Default)]
pub(super) struct Readiness {
    written: Mutex<Option<Instant>>,
    /// The last fault. Held during a write, so that one writes for all.
    fault: tokio::sync::Mutex<Option<Fault>>,
}

impl Readiness {
    /// Something became durable.
    pub(super) fn written(&self) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_proven(&self) -> bool {
        let written = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.is_some_and(|written| written.elapsed() < PROOF)
    }
}

impl Store {
    /// Whether the database accepts writes. Writes a small row for that, at most every 5 s, and not while other writes prove it.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when it does not, [`Reason::StoreReadOnly`] when the service may not write it.
    pub async fn check_ready(&self) -> Result<()> {
        let readiness = &self.inner.readiness;
        let mut fault = readiness.fault.lock().await;
        if let Some(fault) = fault.as_ref().filter(|fault| fault.when.elapsed() < DOUBT) {
            return Err(fault.again());
        }
        if fault.is_none() && readiness.is_proven() {
            return Ok(());
        }
        let result = match timeout(PATIENCE, self.inner.control.execute_unprepared(WRITE)).await {
            Ok(written) => written.map(drop).map_err(store_error),
            Err(_) => Err(Error::store_unavailable("a write took more than 5 s")),
        };
        *fault = result.as_ref().err().map(Fault::of);
        if result.is_ok() {
            readiness.written();
        }
        result
    }
}
