//! A clock that only the test moves.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use mailagent::testing::domain::{Clock, Timestamp};

/// Where the clock begins: 23 November 2026, 10:00 UTC.
pub const NOW: Timestamp = Timestamp(1_795_428_000_000_000);

/// Stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// One that begins elsewhere.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).expect("no test lasts that long");
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(NOW.0))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
