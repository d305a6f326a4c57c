//! Waiting for a condition.

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep};

/// How long tests wait for what should come at once, also on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks.
const BETWEEN: Duration = Duration::from_millis(10);

/// Looks until `look` gives a value, and returns it.
///
/// # Panics
/// After the deadline, with the state that was seen last.
pub async fn eventually<T, S: Debug>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, S>) -> T {
    let began = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(state) if began.elapsed() >= deadline => panic!("not within {deadline:?}: {what}; last seen: {state:#?}"),
            Err(_) => sleep(BETWEEN).await,
        }
    }
}

/// How long a count stays the same before it counts as at rest.
const REST: Duration = Duration::from_millis(500);

/// Waits until what is counted stays the same for a while, and returns how much it is: whatever was under way is over.
///
/// # Panics
/// When it goes on for longer than [`PATIENCE`].
pub async fn at_rest<N: Debug + PartialEq>(what: &str, count: impl Fn() -> N) -> N {
    eventually(PATIENCE, what, async || {
        let before = count();
        sleep(REST).await;
        let after = count();
        if before == after { Ok(after) } else { Err(after) }
    })
    .await
}
