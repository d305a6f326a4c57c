//! Drops what is older than it is kept: events, entries of who read what, and what deleted agents leave behind.

use std::time::Duration;

use crate::{domain::Result, ops::Ops};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until the service stops. `keep` is how long events are kept.
///
/// # Errors
/// None: a failed round is logged and made up for by the next.
pub async fn run(ops: Ops, keep: Duration) -> Result<()> {
    while !ops.stopping.is_cancelled() {
        tokio::select! {
            () = activate(&ops, keep) => {}
            // What is not dropped now is dropped after the next start.
            () = ops.stopping.cancelled() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = ops.stopping.cancelled() => {}
        }
    }
    Ok(())
}

/// Drops everything whose time is over. What fails is logged and keeps nothing else back.
pub async fn activate(ops: &Ops, keep: Duration) {
    let now = ops.now();
    let rounds = [
        ("old events", ops.store.prune_events(now.before(keep)).await),
        ("old reads", ops.store.prune_reads(now).await),
        ("leftovers of deleted agents", ops.store.drop_leftovers().await),
        ("old leases", ops.store.drop_leases().await),
    ];
    for (what, result) in rounds {
        match result {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(what, dropped, "dropped what is no longer kept"),
            Err(error) => tracing::warn!(what, error = error.chain(), "dropping what is no longer kept failed"),
        }
    }
}
