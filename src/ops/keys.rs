//! Master keys: which data keys are under which, changing to a new one, and removing those that nothing is under any more.
//!
//! A rotation can be cut off anywhere and is finished by the next one: the new master key is in its place before anything is wrapped by
//! it, and each data key is under the one or the other. Services go on meanwhile: they look for a master key that they do not know where
//! theirs came from.

use std::{collections::BTreeMap, sync::Arc};

use super::{Keys, KeysError};
use crate::{
    crypto::{DataKey, KeyId, KeyRing, KeySource, KeySourceError, MasterKey, OpenError, wrapped_by},
    domain::{Clock, Result, TenantId},
    store::{INSTALLATION, Rewrapping, Store, WrappedKey, retrying},
};

/// Data keys that are moved in one transaction.
const BATCH: usize = 100;
/// Data keys that are read at once where none are changed.
const PAGE: u64 = 1000;
/// How often the whole table is gone through for keys that somebody else changed meanwhile.
const PASSES: usize = 5;

/// Which data keys are under which master key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// Data keys that this master key wraps.
    pub under: BTreeMap<KeyId, u64>,
    /// Of these, those that no master key at hand opens: whose they are, and why.
    pub closed: Vec<(TenantId, OpenError)>,
    /// Data keys that could be moved: they open, and are not under the current master key.
    pub movable: u64,
    /// All of them, with those that are too damaged to tell what wraps them.
    pub total: u64,
}

impl KeyUsage {
    /// Data keys under this master key.
    pub fn count(&self, id: KeyId) -> u64 {
        self.under.get(&id).copied().unwrap_or(0)
    }
}

/// What a rotation has done so far. All that was done before is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The new master key is written beside the file.
    KeyWritten,
    /// The new master key is in the file, in front of the others.
    KeyInPlace,
    /// So many data keys are re-wrapped.
    Moved(u64),
    /// So many of them have been read back.
    ReadBack(u64),
}

/// Why a rotation had which master key to change to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationTrigger {
    /// It made one.
    Made,
    /// There were data keys under former master keys: a rotation was not finished, or the new master key was given by hand.
    Unfinished,
    /// All was done already.
    Done,
}

/// The report of a rotation.
#[derive(Debug)]
pub struct Rotation {
    /// Where the master keys are.
    pub source: KeySource,
    /// Why it changed to that master key.
    pub occasion: RotationTrigger,
    /// All master keys: the current one, then the former ones.
    pub ring: Vec<KeyId>,
    /// How it was.
    pub before: KeyUsage,
    /// How it is, read from the database with the current master key alone.
    pub after: KeyUsage,
    /// Data keys that were re-wrapped.
    pub moved: u64,
    /// Of these, those that were read back from the database, opened with the current master key alone, and found to be the same.
    pub proven: u64,
    /// Whose keys were re-wrapped and are not what they were when read back.
    pub changed: Vec<TenantId>,
}

impl Rotation {
    /// The master key that everything is to be under.
    pub fn current(&self) -> KeyId {
        *self.ring.first().expect("a ring is never empty")
    }

    /// Whether every data key is proven to be under the current master key.
    pub fn complete(&self) -> bool {
        self.moved == self.proven
            && self.changed.is_empty()
            && self.after.closed.is_empty()
            && self.after.count(self.current()) == self.after.total
    }
}

/// Tells which data keys are under which master key.
///
/// # Errors
/// Those of the source, and of the database.
pub async fn list(store: &Store, source: &KeySource) -> Result<(KeyRing, KeyUsage), KeysError> {
    let ring = source.load().await?;
    let census = census(store, &ring, &ring).await?;
    Ok((ring, census))
}

/// Changes to a new master key, or finishes a change that was begun. A file is given a new key in front of the others; other sources must
/// have it already. At most one rotation runs at a time on a file; services may go on.
///
/// `step` is told of everything that has become durable.
///
/// # Errors
/// When the source or the database cannot be read or changed. What was done stays, and the next call goes on from there.
pub async fn rotate(
    store: &Store,
    source: &KeySource,
    clock: Arc<dyn Clock>,
    step: &mut (dyn FnMut(Step) + Send),
) -> Result<Rotation, KeysError> {
    if matches!(source, KeySource::File(path) if !path.exists()) {
        // There is nothing to change yet, or no key to open anything with.
        source.load().await?;
    }
    let lock = source.lock().await?;
    // Makes the installation's key where there is none, and fails when the source has not the right master keys.
    Keys::open(store, source.clone(), clock).await?;
    let mut ring = source.load().await?;
    let before = census(store, &ring, &ring).await?;
    let occasion = if before.movable > 0 {
        RotationTrigger::Unfinished
    } else if let Some(lock) = &lock {
        ring = ring.behind(MasterKey::generate());
        source.store(&ring, lock, || step(Step::KeyWritten))?;
        // From here on only what the file really has is used.
        let stored = source.load().await?;
        if stored.ids() != ring.ids() {
            return Err(KeySourceError::NotKept(source.to_string()).into());
        }
        ring = stored;
        step(Step::KeyInPlace);
        RotationTrigger::Made
    } else if ring.former().is_empty() {
        return Err(KeysError::NoNewKey(source.to_string()));
    } else {
        RotationTrigger::Done
    };
    let mut rotation = Rotation {
        source: source.clone(),
        occasion,
        ring: ring.ids(),
        before,
        after: KeyUsage::default(),
        moved: 0,
        proven: 0,
        changed: Vec::new(),
    };
    move_all(store, &ring, &mut rotation, step).await?;
    rotation.after = census(store, &KeyRing::of(ring.current().clone()), &ring).await?;
    Ok(rotation)
}

/// What [`prune`] removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The current master key, which stays.
    pub current: KeyId,
    /// The former ones.
    pub former: Vec<KeyId>,
    /// Data keys that are not under the current master key. Nothing is removed while there are any.
    pub elsewhere: u64,
    /// All data keys.
    pub total: u64,
    /// Whether the former ones were removed.
    pub removed: bool,
}

/// Finds the former master keys, and removes them from the file when `really` and nothing is under them any more.
///
/// # Errors
/// Those of the source, and of the database.
pub async fn prune(store: &Store, source: &KeySource, really: bool) -> Result<Pruning, KeysError> {
    let lock = source.lock().await?;
    let (ring, census) = list(store, source).await?;
    let current = ring.current().id();
    let mut pruning = Pruning {
        removed: false,
        current,
        former: ring.ids().split_off(1),
        elsewhere: census.total - census.count(current),
        total: census.total,
    };
    match lock {
        Some(lock) if really && pruning.elsewhere == 0 && !pruning.former.is_empty() => {
            source.store(&KeyRing::of(ring.current().clone()), &lock, || ())?;
            pruning.removed = true;
        }
        _ => {}
    }
    Ok(pruning)
}

/// Moves every data key that can be opened to the ring's current master key. The installation's own key is first: from then on services
/// wrap new data keys by the current master key too, so what is left is finite.
async fn move_all(store: &Store, ring: &KeyRing, rotation: &mut Rotation, step: &mut (dyn FnMut(Step) + Send)) -> Result<()> {
    let own = store.tenant(&INSTALLATION).data_key().await?;
    let own = own.map(|wrapped| WrappedKey {
        owner: INSTALLATION.clone(),
        wrapped,
    });
    move_batch(store, ring, own.into_iter().collect(), rotation, step).await?;
    for _ in 0..PASSES {
        let mut left = 0;
        let mut after = String::new();
        loop {
            let batch = store.wrapped_keys(&after, BATCH as u64).await?;
            let Some(last) = batch.last() else { break };
            last.owner.as_str().clone_into(&mut after);
            left += move_batch(store, ring, batch, rotation, step).await?;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Moves some data keys and reads them back. Returns how many somebody else changed meanwhile.
async fn move_batch(
    store: &Store,
    ring: &KeyRing,
    batch: Vec<WrappedKey>,
    rotation: &mut Rotation,
    step: &mut (dyn FnMut(Step) + Send),
) -> Result<u64> {
    let current = ring.current();
    let mut changes: Vec<Rewrapping> = Vec::new();
    let mut keys: Vec<DataKey> = Vec::new();
    for WrappedKey { owner, wrapped } in batch {
        if wrapped_by(&wrapped) == Ok(current.id()) {
            continue;
        }
        // What does not open is left as it is, and told at the end.
        let Ok(key) = ring.unwrap(&wrapped, &owner) else { continue };
        let new = current.wrap(&key, &owner);
        changes.push(Rewrapping { owner, old: wrapped, new });
        keys.push(key);
    }
    if changes.is_empty() {
        return Ok(0);
    }
    let moved = retrying(|| store.rewrap_keys(&changes)).await?;
    rotation.moved += moved;
    step(Step::Moved(rotation.moved));
    for (change, key) in changes.iter().zip(&keys) {
        let stored = store.tenant(&change.owner).data_key().await?;
        let Some(stored) = stored.filter(|stored| *stored == change.new) else {
            continue;
        };
        if current.unwrap(&stored, &change.owner).is_ok_and(|opened| opened.same_as(key)) {
            rotation.proven += 1;
        } else {
            rotation.changed.push(change.owner.clone());
        }
    }
    step(Step::ReadBack(rotation.proven));
    Ok(changes.len() as u64 - moved)
}

/// Goes through all data keys and opens each with `ring`. Why one does not open is told as for `known`, which has other keys too.
async fn census(store: &Store, ring: &KeyRing, known: &KeyRing) -> Result<KeyUsage> {
    let mut census = KeyUsage::default();
    let mut after = String::new();
    loop {
        let page = store.wrapped_keys(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(census) };
        last.owner.as_str().clone_into(&mut after);
        for WrappedKey { owner, wrapped } in page {
            census.total += 1;
            let wrapped_by = wrapped_by(&wrapped);
            if let Ok(id) = wrapped_by {
                *census.under.entry(id).or_default() += 1;
            }
            match ring.unwrap(&wrapped, &owner) {
                Ok(_) => census.movable += u64::from(wrapped_by != Ok(ring.current().id())),
                Err(error) => {
                    let error = known.unwrap(&wrapped, &owner).err().unwrap_or(error);
                    census.closed.push((owner, error));
                }
            }
        }
    }
}
