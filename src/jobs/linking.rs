//! Links archived mail to contacts that appeared later, in stretches, and address by address in turn.
//!
//! What is to be done is in the database, and each stretch is one transaction under its tenant's row lock: a second replica takes the next
//! stretch, and what a crash leaves is found by the next start.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::driver::Job;
use crate::{
    domain::Result,
    ops::{Ops, directory},
};

/// How often it looks without being woken: for what another replica noted down and could not do.
const INTERVAL: Duration = Duration::from_secs(15);
/// Addresses that are listed at once.
const PAGE: u64 = 100;

/// How many messages one transaction looks at: fewer when it holds the database's writer for too long, as with messages of very many
/// parties or a slow disk.
struct Pace(u64);

impl Pace {
    const LEAST: u64 = 8;
    const MOST: u64 = 512;
    const TOO_LONG: Duration = Duration::from_millis(40);
    const SHORT: Duration = Duration::from_millis(15);

    fn learn(&mut self, took: Duration) {
        if took > Self::TOO_LONG {
            self.0 = (self.0 / 2).max(Self::LEAST);
        } else if took < Self::SHORT {
            self.0 = (self.0 * 2).min(Self::MOST);
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(64)
    }
}

/// The job.
pub(crate) struct Linking {
    pub ops: Ops,
}

impl Job for Linking {
    const NAME: &'static str = "linking";

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn woken(&self) {
        self.ops.mail_to_link.notified().await;
    }

    async fn activate(&mut self) -> Result<u64> {
        let began = Instant::now();
        let messages = link(&self.ops).await?;
        if messages > 0 {
            tracing::info!(messages, seconds = began.elapsed().as_secs_f64(), "linked archived mail");
        }
        Ok(messages)
    }
}

/// Links all that is to be linked, and returns how many messages that were. An address that fails is left to the next time.
///
/// # Errors
/// When it cannot be found out what is to be done.
pub async fn link(ops: &Ops) -> Result<u64> {
    let mut pace = Pace::default();
    let mut failed = HashSet::new();
    let mut linked = 0;
    let mut after = (String::new(), String::new());
    let mut is_more = false;
    loop {
        let page = ops.store.mail_to_link((&after.0, &after.1), PAGE).await?;
        let Some(last) = page.last().cloned() else {
            if !is_more {
                return Ok(linked);
            }
            (after, is_more) = Default::default();
            continue;
        };
        after = (last.0.into(), last.1);
        for (tenant, address) in page {
            let key = (tenant, address);
            if failed.contains(&key) {
                continue;
            }
            match directory::link_mail(ops, &key.0, &key.1, pace.0).await {
                Ok(stretch) => {
                    linked += stretch.messages;
                    is_more |= !stretch.done;
                    pace.learn(stretch.took);
                    // Others have at least half of the writer's time.
                    tokio::time::sleep(stretch.took).await;
                }
                Err(error) => {
                    tracing::warn!(
                        tenant = key.0.as_str(),
                        error = error.chain(),
                        "linking the mail of an address failed"
                    );
                    failed.insert(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_stretches_get_shorter_and_short_ones_longer() {
        let mut pace = Pace::default();
        for _ in 0..9 {
            pace.learn(Duration::from_millis(1));
        }
        assert_eq!(pace.0, Pace::MOST);
        pace.learn(Duration::from_millis(30));
        assert_eq!(pace.0, Pace::MOST);
        for _ in 0..9 {
            pace.learn(Duration::from_millis(41));
        }
        assert_eq!(pace.0, Pace::LEAST);
    }
}
