//! Idle connections. Each is held by its own task, which quits when its time is over or the pool is gone.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::session::Session;

/// How long a connection may be idle: less than servers allow, and before firewalls drop it.
const IDLE: Duration = Duration::from_secs(30);
/// How old a connection may become.
const AGE: Duration = Duration::from_mins(10);

/// A connection in use.
pub(super) struct Pooled {
    /// The connection.
    pub session: Session,
    /// When it was made.
    pub since: Instant,
}

/// Requests the connection from its task.
type Parked = oneshot::Sender<oneshot::Sender<Pooled>>;

/// Idle connections to a server. Dropped, they all end.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Parked>>);

impl Pool {
    /// The idle connection used last that still answers.
    pub(super) async fn take(&self) -> Option<Pooled> {
        loop {
            let parked = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let (give, given) = oneshot::channel();
            if parked.send(give).is_err() {
                continue;
            }
            if let Ok(mut pooled) = given.await
                && pooled.session.alive().await
            {
                return Some(pooled);
            }
        }
    }

    /// Keeps a connection for the next message, unless it is old or there are `most` already.
    pub(super) fn put(&self, pooled: Pooled, most: usize) {
        let (parked, asked) = oneshot::channel::<oneshot::Sender<Pooled>>();
        {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|parked| !parked.is_closed());
            if pooled.since.elapsed() < AGE && idle.len() < most {
                idle.push(parked);
            }
        }
        tokio::spawn(async move {
            let pooled = match timeout(IDLE, asked).await {
                // Whoever asked may have gone.
                Ok(Ok(give)) => match give.send(pooled) {
                    Ok(()) => return,
                    Err(pooled) => pooled,
                },
                _ => pooled,
            };
            pooled.session.quit().await;
        });
    }
}
