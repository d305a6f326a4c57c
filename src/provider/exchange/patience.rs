//! How often a message may cause a fault that is usually temporary.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::provider::ItemId;

/// How often an item may cause a temporary fault before it counts as broken.
const FAULTS: u8 = 5;
/// Limit of messages whose faults are remembered.
const REMEMBERED: usize = 4096;

/// How often each message caused a fault that is usually temporary.
#[derive(Default)]
pub(super) struct ItemFaults(Mutex<HashMap<ItemId, u8>>);

impl ItemFaults {
    /// Counts a fault of a message; whether it has had too many.
    pub(super) fn worn_out(&self, id: &ItemId) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() >= REMEMBERED {
            faults.clear();
        }
        let count = faults.entry(id.clone()).or_default();
        *count = count.saturating_add(1);
        *count >= FAULTS
    }

    /// The faults of these messages are forgotten.
    pub(super) fn forget(&self, ids: &[ItemId]) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            faults.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_begins_anew() {
        let (faults, id) = (ItemFaults::default(), ItemId("a".to_owned()));
        let worn = || (0..5).map(|_| faults.worn_out(&id)).collect::<Vec<bool>>();
        assert_eq!(worn(), [false, false, false, false, true]);
        faults.forget(std::slice::from_ref(&id));
        assert_eq!(worn(), [false, false, false, false, true]);
        for n in 0..2 * REMEMBERED {
            faults.worn_out(&ItemId(n.to_string()));
        }
        assert!(faults.0.lock().unwrap().len() <= REMEMBERED);
    }
}
