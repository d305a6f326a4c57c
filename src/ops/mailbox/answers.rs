//! Memory for messages that come from mailbox servers, bounded over all mailboxes together.
//!
//! Whoever fetches messages holds as much as the answers and what is unpacked from them may take, before anything is asked for, and holds it
//! until the messages are packed. Nobody waits for more while holding some, so nobody waits in a circle. Single large messages have a half of
//! their own: however slowly a server gives them out, all other mail goes past them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits are counted in this many bytes.
const UNIT: u64 = 64 << 10;
/// Fetches that hold more than this count as large.
const LARGE: u64 = 40 << 20;

/// Memory that is given to fetches.
pub struct AnswerMemory {
    usual: Half,
    large: Half,
}

struct Half {
    free: Arc<Semaphore>,
    /// All of it, in units.
    all: u32,
}

/// What a fetch may take, until this is dropped.
pub(super) struct MemoryHold {
    _permit: OwnedSemaphorePermit,
}

impl AnswerMemory {
    /// `bytes` for all fetches together. One that needs more than a half by itself gets that half alone.
    pub fn new(bytes: u64) -> Self {
        Self {
            usual: Half::new(bytes / 2),
            large: Half::new(bytes / 2),
        }
    }

    /// Waits until a fetch may take so many bytes. Cancel safe. To be called by who holds nothing.
    pub(super) async fn hold(&self, bytes: u64) -> MemoryHold {
        let half = if bytes > LARGE { &self.large } else { &self.usual };
        let units = units(bytes).min(half.all);
        let permit = half.free.clone().acquire_many_owned(units).await;
        MemoryHold {
            _permit: permit.expect("it is never closed"),
        }
    }
}

impl Half {
    fn new(bytes: u64) -> Self {
        let all = units(bytes).max(1);
        Self {
            free: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }
}

fn units(bytes: u64) -> u32 {
    // Far below what a semaphore counts, and 128 TiB all the same.
    const MOST: u64 = (u32::MAX / 2) as u64;
    u32::try_from(bytes.div_ceil(UNIT).min(MOST)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn waits(memory: &AnswerMemory, bytes: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(50), memory.hold(bytes)).await.is_err()
    }

    #[tokio::test]
    async fn fetches_hold_no_more_than_there_is() {
        let memory = AnswerMemory::new(160 << 20);
        let first = memory.hold(40 << 20).await;
        let _second = memory.hold(39 << 20).await;
        assert!(waits(&memory, 2 << 20).await);
        memory.hold(1 << 20).await;
        drop(first);
        memory.hold(40 << 20).await;
    }

    #[tokio::test]
    async fn large_messages_keep_no_others_waiting() {
        let memory = AnswerMemory::new(160 << 20);
        // More than there is: it gets all that there is for such.
        let only = memory.hold(1 << 40).await;
        assert!(waits(&memory, 41 << 20).await);
        memory.hold(40 << 20).await;
        drop(only);
        memory.hold(41 << 20).await;
    }
}
