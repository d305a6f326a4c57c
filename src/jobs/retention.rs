//! Drops events that are older than they are kept.

use std::time::Duration;

use crate::{domain::Result, ops::Ops};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until the service stops.
///
/// # Errors
/// None: a failed round is logged and made up for by the next.
pub async fn run(ops: Ops, keep: Duration) -> Result<()> {
    while !ops.stopping.is_cancelled() {
        match ops.store.prune_events(ops.now().before(keep)).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped old events"),
            Err(error) => tracing::warn!(error = error.chain(), "dropping old events failed"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = ops.stopping.cancelled() => {}
        }
    }
    Ok(())
}
