//! Drops what is older than it is kept: events, entries of who read what, leases, and what deleted agents leave behind.

use std::time::Duration;

use super::driver::Job;
use crate::{domain::Result, ops::Ops};

/// How often it looks.
const INTERVAL: Duration = Duration::from_hours(1);

/// The job.
pub(crate) struct Pruning {
    pub ops: Ops,
    /// How long events are kept.
    pub keep: Duration,
}

impl Job for Pruning {
    const NAME: &'static str = "pruning";

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn activate(&mut self) -> Result<u64> {
        prune(&self.ops, self.keep).await
    }
}

/// Drops everything whose time is over, and returns how many rows that were. What fails keeps nothing else back.
///
/// # Errors
/// The first of what failed.
pub async fn prune(ops: &Ops, keep: Duration) -> Result<u64> {
    let now = ops.now();
    let rounds = [
        ("old events", ops.store.prune_events(now.before(keep)).await),
        ("old reads", ops.store.prune_reads(now).await),
        ("leftovers of deleted agents", ops.store.drop_leftovers().await),
        ("old leases", ops.store.drop_leases().await),
    ];
    let (mut all, mut failed) = (0, None);
    for (what, result) in rounds {
        match result {
            Ok(0) => {}
            Ok(dropped) => {
                tracing::info!(what, dropped, "deleted expired data");
                all += dropped;
            }
            Err(error) => {
                tracing::warn!(what, error = error.chain(), "deleting expired data failed");
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(all), Err)
}
