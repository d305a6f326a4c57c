//! Writes down who read which message.

use std::time::Duration;

use crate::{domain::Result, ops::Ops};

/// How long entries are gathered, and how long to wait when the database does not take them.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs until the service stops. What is noted afterwards is for the end of the stop.
///
/// # Errors
/// None: what cannot be written waits for the next round.
pub async fn run(ops: Ops) -> Result<()> {
    while !ops.stopping.is_cancelled() {
        tokio::select! {
            () = ops.reads.noted() => {}
            () = ops.stopping.cancelled() => break,
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = ops.stopping.cancelled() => {}
            }
            match ops.reads.flush(&ops.store).await {
                Ok(_) => break,
                Err(error) if ops.stopping.is_cancelled() => return Err(error),
                Err(error) => tracing::warn!(
                    waiting = ops.reads.waiting_count(),
                    error = error.chain(),
                    "writing who read what failed"
                ),
            }
        }
    }
    Ok(())
}
