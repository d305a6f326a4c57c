//! What is remembered of messages between listing and fetching them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::patience::ItemFaults;
use crate::provider::ItemId;

/// Limit of messages that are remembered.
const REMEMBERED: usize = 4096;

/// What changes told of messages, and how often each caused a fault that is usually temporary.
#[derive(Default)]
pub(super) struct MessageMemory<K> {
    // Locked only briefly.
    known: Mutex<HashMap<ItemId, K>>,
    pub(super) faults: ItemFaults,
}

impl<K: Copy> MessageMemory<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<ItemId, K>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers for a fetch soon.
    pub(super) fn remember(&self, listed: impl ExactSizeIterator<Item = (ItemId, K)>) {
        let mut known = self.known();
        if known.len() + listed.len() > REMEMBERED {
            known.clear();
        }
        known.extend(listed);
    }

    pub(super) fn of(&self, id: &ItemId) -> Option<K> {
        self.known().get(id).copied()
    }

    /// What was told of these messages is forgotten, and their faults.
    pub(super) fn forget(&self, ids: &[ItemId]) {
        let mut known = self.known();
        for id in ids {
            known.remove(id);
        }
        drop(known);
        self.faults.forget(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let memory = MessageMemory::<u64>::default();
        let id = |n: usize| ItemId(n.to_string());
        memory.remember((0..REMEMBERED).map(|n| (id(n), 1)));
        assert_eq!([memory.of(&id(5)), memory.of(&id(REMEMBERED))], [Some(1), None]);
        memory.remember([(id(REMEMBERED), 2)].into_iter());
        assert_eq!([memory.of(&id(5)), memory.of(&id(REMEMBERED))], [None, Some(2)]);
        memory.forget(&[id(REMEMBERED)]);
        assert_eq!(memory.of(&id(REMEMBERED)), None);
    }
}
