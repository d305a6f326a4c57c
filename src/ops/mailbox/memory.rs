//! What is remembered of a mailbox's folders between two reads: when each was last read to its end, and which cannot be read.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::error::{wait_after, with_reply};
use crate::{
    domain::{AgentId, Result, TenantId, Timestamp},
    net::ProviderError,
    provider::{Folder, FolderRole},
    store::{FolderLook, Store, retrying},
};

/// A folder in which nothing seems to happen is looked at once in this time, each at a moment of its own.
const LOOK_AGAIN: i64 = 3600;
/// Folders whose look is written down at once.
const WRITTEN: usize = 50;

/// What is remembered of a mailbox's folders.
///
/// A server says of all folders at once how many messages they hold, so those in which nothing happens are left alone for a while; one
/// that came while another went is found by the look once in an hour. This is written down, so that a start does not read all folders.
#[derive(Debug, Default)]
pub struct FolderMemory {
    // Held for look-ups only.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    loaded: bool,
    /// Those with a role: the inbox and Sent Items.
    usual: Vec<Folder>,
    looks: HashMap<String, FolderLook>,
    /// Looks that are not written down yet.
    fresh: HashMap<String, FolderLook>,
    faults: BTreeMap<String, FolderFault>,
}

/// A folder that cannot be read while the rest of its mailbox can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFault {
    /// The folder, as people call it.
    pub folder: String,
    /// What is wrong, in plain language.
    pub problem: String,
    /// The server's own words. Possibly empty.
    pub server_reply: String,
    /// When it is tried again.
    pub retry_at: Timestamp,
    /// Faults in a row.
    pub failures: i32,
}

impl FolderFault {
    /// What is wrong, with the server's own words.
    pub fn words(&self) -> String {
        with_reply(&self.problem, &self.server_reply)
    }
}

impl FolderMemory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads what was written down, once.
    pub(super) async fn load(&self, store: &Store, tenant: &TenantId, agent: &AgentId) -> Result<()> {
        if self.kept().loaded {
            return Ok(());
        }
        let looks = store.tenant(tenant).folder_looks(agent).await?;
        let mut kept = self.kept();
        kept.looks.extend(looks);
        kept.loaded = true;
        Ok(())
    }

    /// These are the mailbox's folders now.
    pub(super) fn keep(&self, folders: &[Folder]) {
        let keys: HashSet<String> = folders.iter().map(Folder::key).collect();
        let mut kept = self.kept();
        kept.usual = folders.iter().filter(|folder| folder.role != FolderRole::Other).cloned().collect();
        kept.looks.retain(|key, _| keys.contains(key));
        kept.faults.retain(|key, _| keys.contains(key));
    }

    /// The inbox and Sent Items, as they were listed last. Empty before the first time.
    pub fn usual(&self) -> Vec<Folder> {
        self.kept().usual.clone()
    }

    /// Whether a folder is to be read now.
    pub(super) fn is_due(&self, folder: &Folder, now: Timestamp) -> bool {
        let (key, kept) = (folder.key(), self.kept());
        if let Some(fault) = kept.faults.get(&key) {
            return fault.retry_at <= now;
        }
        let (FolderRole::Other, Some(total)) = (folder.role, folder.total) else {
            return true;
        };
        kept.looks
            .get(&key)
            .is_none_or(|look| look.total != total || is_another_hour(folder, look.at, now))
    }

    /// Whether a folder could not be read the last time.
    pub(super) fn has_fault(&self, folder: &Folder) -> bool {
        let kept = self.kept();
        !kept.faults.is_empty() && kept.faults.contains_key(&folder.key())
    }

    /// The folders that cannot be read.
    pub(in crate::ops) fn faults(&self) -> Vec<FolderFault> {
        self.kept().faults.values().cloned().collect()
    }

    /// Reading a folder begins.
    pub(super) fn begin(&self, folder: &Folder) {
        self.kept().looks.remove(&folder.key());
    }

    /// A folder was read to its end.
    pub(super) fn done(&self, folder: &Folder, now: Timestamp) {
        let (key, mut kept) = (folder.key(), self.kept());
        kept.faults.remove(&key);
        if let (FolderRole::Other, Some(total)) = (folder.role, folder.total) {
            let look = FolderLook { total, at: now };
            kept.looks.insert(key.clone(), look);
            kept.fresh.insert(key, look);
        }
    }

    /// A folder could not be read.
    pub(super) fn failed(&self, folder: &Folder, error: &ProviderError, now: Timestamp, max_backoff: Duration) {
        let (key, mut kept) = (folder.key(), self.kept());
        let failures = kept.faults.get(&key).map_or(0, |fault| fault.failures).saturating_add(1);
        let wait = wait_after(error.class, failures, max_backoff).unwrap_or(max_backoff);
        let fault = FolderFault {
            folder: folder.label(),
            problem: error.problem.clone(),
            server_reply: error.server_reply.clone(),
            retry_at: now.after(wait),
            failures,
        };
        kept.faults.insert(key, fault);
    }

    /// Writes the looks down, once there are some, or at the `end`.
    pub(super) async fn write(&self, store: &Store, (tenant, agent): (&TenantId, &AgentId), when: Write) -> Result<()> {
        let fresh: Vec<(String, FolderLook)> = {
            let mut kept = self.kept();
            if kept.fresh.is_empty() || (when == Write::Some && kept.fresh.len() < WRITTEN) {
                return Ok(());
            }
            kept.fresh.drain().collect()
        };
        retrying(|| async {
            let mut writer = store.begin(tenant).await?;
            writer.note_looks(agent, &fresh).await?;
            writer.commit().await
        })
        .await
    }
}

/// When looks are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// Once there are some.
    Some,
    /// Now.
    All,
}

/// Whether two moments lie in different hours, which begin at another minute for each folder.
fn is_another_hour(folder: &Folder, one: Timestamp, other: Timestamp) -> bool {
    let digest = folder.digest();
    let phase = digest.get(..8).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or(0) % LOOK_AGAIN;
    let hour = |at: Timestamp| (at.seconds() + phase).div_euclid(LOOK_AGAIN);
    hour(one) != hour(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ErrorClass;

    fn folder(id: usize, total: u64) -> Folder {
        Folder {
            role: FolderRole::Other,
            id: format!("folder {id}"),
            path: format!("Folder {id}"),
            total: Some(total),
        }
    }

    #[test]
    fn looks_at_quiet_folders_are_spread_over_the_hour() {
        let (memory, began) = (FolderMemory::default(), 1_000_000);
        let folders: Vec<Folder> = (0..1200).map(|id| folder(id, 7)).collect();
        for folder in &folders {
            assert!(memory.is_due(folder, Timestamp::from_seconds(began)));
            memory.done(folder, Timestamp::from_seconds(began));
        }
        let mut looked = 0;
        for minute in 1..=60 {
            let now = Timestamp::from_seconds(began + minute * 60);
            let due: Vec<&Folder> = folders.iter().filter(|folder| memory.is_due(folder, now)).collect();
            assert!((5..60).contains(&due.len()), "{} in minute {minute}", due.len());
            looked += due.len();
            for folder in due {
                memory.done(folder, now);
            }
        }
        assert_eq!(looked, 1200, "each once");
    }

    #[test]
    fn a_folder_is_due_when_its_total_changed_or_its_wait_is_over() {
        let (memory, now) = (FolderMemory::default(), Timestamp::from_seconds(1_000_000));
        memory.done(&folder(1, 7), now);
        assert!(!memory.is_due(&folder(1, 7), now));
        assert!(memory.is_due(&folder(1, 8), now));
        let fault = ProviderError::new(ErrorClass::Retry { after: None }, "It has an internal error.");
        memory.failed(&folder(1, 8), &fault, now, Duration::from_mins(15));
        assert!(!memory.is_due(&folder(1, 9), now));
        assert_eq!(memory.faults()[0].folder, "Folder 1");
        assert!(memory.is_due(&folder(1, 9), now.after(Duration::from_secs(7))));
        memory.done(&folder(1, 9), now);
        assert_eq!(memory.faults(), []);
        memory.failed(&folder(1, 8), &fault, now, Duration::from_mins(15));
        memory.keep(&[folder(2, 0)]);
        assert_eq!(memory.faults(), [], "a folder that is gone has none");
    }
}
