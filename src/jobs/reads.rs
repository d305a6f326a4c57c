//! Writes down who read which message.

use std::time::Duration;

use super::driver::Job;
use crate::{domain::Result, ops::Ops};

/// How long entries are gathered.
const GATHERED: Duration = Duration::from_secs(1);
/// Longest rest while the database does not take them.
const INTERVAL: Duration = Duration::from_secs(10);

/// The job. What is noted after its last round is written at the end of the stop.
pub(crate) struct Reads {
    pub ops: Ops,
}

impl Job for Reads {
    const NAME: &'static str = "reads";

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn woken(&self) {
        self.ops.reads.noted().await;
        tokio::time::sleep(GATHERED).await;
    }

    async fn activate(&mut self) -> Result<u64> {
        if self.ops.reads.waiting_count() == 0 {
            return Ok(0);
        }
        Ok(self.ops.reads.flush(&self.ops.store).await? as u64)
    }
}
