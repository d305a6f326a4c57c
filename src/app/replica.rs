//! Identifies this replica, so that one that crashes and restarts at once does not wait for its own leases.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use crate::crypto::Ids;

/// Name of the file in the data folder.
const FILE: &str = "replica.id";
/// Longest id that is accepted, in bytes.
const LONGEST: usize = 64;

/// The name of the replica whose data folder this is, and what keeps it: the name is this process's alone until that is dropped, however the
/// process ends. A process that shares the folder with one that is alive gets a new name, which needs nothing to keep it, and so does one
/// that cannot use the file.
pub(super) fn replica_id(data: &Path, ids: &Ids) -> (String, Option<File>) {
    match kept(&data.join(FILE), ids) {
        Ok(Some((name, lock))) => (name, Some(lock)),
        Ok(None) => (ids.next(), None),
        Err(error) => {
            tracing::warn!(%error, file = FILE, "the replica's name cannot be stored: after a crash its mailboxes are read 20 s later");
            (ids.next(), None)
        }
    }
}

/// `None` while another process has it.
fn kept(path: &Path, ids: &Ids) -> io::Result<Option<(String, File)>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    let name = String::from_utf8(bytes).unwrap_or_default().trim().to_owned();
    let is_name = (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name {
        return Ok(Some((name, file)));
    }
    let name = ids.next();
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    Ok(Some((name, file)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::SystemClock;

    #[test]
    fn a_name_belongs_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let ids = Ids::new(Arc::new(SystemClock));
        let (name, lock) = replica_id(folder.path(), &ids);
        assert!(lock.is_some());
        let (second, none) = replica_id(folder.path(), &ids);
        assert!(none.is_none() && second != name);
        drop(lock);
        let (again, lock) = replica_id(folder.path(), &ids);
        assert!(lock.is_some());
        assert_eq!(again, name);
        drop(lock);
        std::fs::write(folder.path().join(FILE), "not a name\n").unwrap();
        let (mended, lock) = replica_id(folder.path(), &ids);
        assert!(lock.is_some() && mended != name);
        drop(lock);
        let (nowhere, none) = replica_id(&folder.path().join("missing"), &ids);
        assert!(none.is_none() && !nowhere.is_empty());
    }
}
