//! Which messages this process is preparing, written where it stays when the process dies.
//!
//! Each process has a file in the data folder, with a slot for each message in preparation: filled before, cleared after. Nothing is synced: what was
//! written outlives the process, whatever it died of, and a loss of power is no message's fault. The file is locked for as long as the process
//! lives, so one that can be locked belongs to a dead process, and what its slots name was in preparation when it died.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::hex;
use crate::{
    domain::{AgentId, TenantId},
    private,
};

/// Bytes of a slot: a tenant, an agent and a key, with a line break behind each.
const SLOT: usize = 256;
/// More is never read of another process's file.
const LONGEST: u64 = 1 << 20;
const ENDING: &str = "journal";

/// A message that was in preparation when a process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its tenant.
    pub tenant: TenantId,
    /// The agent that read it. Empty: an import.
    pub agent: AgentId,
    /// Its [`super::source_key`].
    pub key: Vec<u8>,
}

/// The file of this process. Dropped, it is deleted.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    // Held to take or give back a slot only.
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<u64>,
    count: u64,
}

/// The file of a process that died.
#[derive(Debug)]
pub struct Leftover {
    /// What it was preparing.
    pub suspects: Vec<Suspect>,
    path: PathBuf,
    // Keeps the lock, so that no other process takes it too.
    _file: File,
}

impl Leftover {
    /// Deletes the file, once what it names is written down elsewhere.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

/// A message in preparation. Dropped, it is no longer.
pub struct Entry<'a> {
    journal: &'a Journal,
    slot: u64,
}

impl Journal {
    /// Opens a journal of this process in a folder, which is made when it is missing. `name` must be used by no other process.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        private::make_folder(folder)?;
        let path = folder.join(format!("{name}.{ENDING}"));
        let file = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(&path)?;
        file.try_lock()?;
        Ok(Self {
            file,
            path,
            slots: Mutex::default(),
        })
    }

    /// What processes left in the folder that died. Those of processes that live are passed over.
    ///
    /// # Errors
    /// The system's.
    pub fn leftovers(folder: &Path) -> io::Result<Vec<Leftover>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                // Its process has just ended by itself.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if file.try_lock().is_err() {
                continue;
            }
            let mut bytes = Vec::new();
            (&file).take(LONGEST).read_to_end(&mut bytes)?;
            found.push(Leftover {
                suspects: bytes.chunks(SLOT).filter_map(suspect).collect(),
                path,
                _file: file,
            });
        }
        Ok(found)
    }

    /// Notes that a message is in preparation, until the returned value is dropped. `None` when that cannot be written, as on a full disk; the
    /// message is prepared all the same.
    pub fn enter(&self, suspect: &Suspect) -> Option<Entry<'_>> {
        let text = format!("{}\n{}\n{}\n", suspect.tenant, suspect.agent, hex(&suspect.key));
        if text.len() > SLOT {
            return None;
        }
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.free.pop().unwrap_or_else(|| {
                slots.count += 1;
                slots.count - 1
            })
        };
        let entry = Entry { journal: self, slot };
        let mut bytes = [0; SLOT];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        match self.file.write_all_at(&bytes, slot * SLOT as u64) {
            Ok(()) => Some(entry),
            Err(error) => {
                tracing::debug!(%error, "a message in preparation could not be recorded");
                None
            }
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        // What cannot be cleared makes an innocent message a suspect, which is tried once more than others, and no worse.
        let _ = self.journal.file.write_all_at(&[0], self.slot * SLOT as u64);
        let mut slots = self.journal.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.free.push(self.slot);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What a slot names. `None`: it is empty, or half written.
fn suspect(slot: &[u8]) -> Option<Suspect> {
    let text = std::str::from_utf8(slot).ok()?;
    let mut lines = text.split('\n');
    let (tenant, agent, key, rest) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
    let valid = !tenant.is_empty() && !tenant.starts_with('\0') && rest.bytes().all(|byte| byte == 0);
    Some(Suspect {
        tenant: tenant.into(),
        agent: agent.into(),
        key: from_hex(key)?,
    })
    .filter(|_| valid)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: u8) -> Suspect {
        Suspect {
            tenant: "acme".into(),
            agent: "01J".into(),
            key: vec![key; 16],
        }
    }

    #[test]
    fn what_is_in_preparation_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "one").unwrap();
        let first = journal.enter(&message(1)).unwrap();
        let second = journal.enter(&message(2)).unwrap();
        drop(first);
        let third = journal.enter(&message(3)).unwrap();
        assert!(Journal::leftovers(folder.path()).unwrap().is_empty(), "its process lives");

        // As after a death: the lock is gone, the file is not.
        std::mem::forget(second);
        std::mem::forget(third);
        let path = journal.path.clone();
        let bytes = fs::read(&path).unwrap();
        drop(journal);
        assert!(!path.exists(), "a process that ends leaves nothing");
        fs::write(&path, bytes).unwrap();
        let mut left = Journal::leftovers(folder.path()).unwrap();
        let left = left.pop().unwrap();
        assert_eq!(left.suspects, [message(3), message(2)]);
        left.discard().unwrap();
        assert!(Journal::leftovers(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn slots_that_make_no_sense_name_nothing() {
        let check = |bytes: &[u8]| {
            let mut slot = [0; SLOT];
            slot[..bytes.len()].copy_from_slice(bytes);
            assert_eq!(suspect(&slot), None, "{:?}", String::from_utf8_lossy(bytes));
        };
        check(b"");
        check(b"acme");
        check(b"acme\nagent\nabc\n");
        check(b"acme\nagent\nxx\n");
        check(b"\0cme\nagent\nab\n");
        check(b"acme\nagent\nab\nmore");
        check(b"\xff\n\n\n");
        assert_eq!(suspect(b"acme\n\nab01\n").map(|suspect| suspect.key), Some(vec![0xab, 1]));
    }
}
