//! Files that contain a key: created once, whichever process comes first, and readable by nobody else.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::Secret;

/// Longest key file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// Why the key in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be created or read.
    #[error("the key file {} cannot be {action}", path.display())]
    Io {
        /// Where the file is.
        path: PathBuf,
        /// What was tried: `made`, `read`, `changed` or `locked`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has locked it.
    #[error("the key file {} is being changed by another process. Wait until it has finished", path.display())]
    Busy {
        /// Where the file is.
        path: PathBuf,
    },
    /// Others than its owner and group can read or change it.
    #[error("the key file {} is open to other users (mode {mode:04o}). Make it private with `chmod 600`, and replace the key if they may have read it", path.display())]
    Open {
        /// Where the file is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It contains something other than a key.
    #[error("the key file {} is damaged: it must hold {expected}. Restore it from a backup; a new key cannot decrypt what the old one \
             encrypted", path.display())]
    Damaged {
        /// Where the file is.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
}

/// Reads the file at `path`; when there is none, first makes one (mode 0600, missing folders 0700) with what `make` gives.
///
/// The new file appears with all its content or not at all, and of several processes that make it at once only one succeeds; all
/// get the content of that one.
pub(super) fn load_or_create(path: &Path, make: impl FnOnce() -> Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, KeyFileError> {
    match load(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let content = make();
    create(path, content.expose()).map_err(|source| KeyFileError::Io {
        path: path.to_owned(),
        action: "made",
        source,
    })?;
    load(path)
}

/// Replaces the content of the file at `path`. A concurrent reader sees either the old or the new content, also
/// after a crash. Owner and mode stay. Where `path` is a symbolic link, its target is replaced.
///
/// The content is first written beside the file under a name with `.new`, and `staged` is called then.
pub(super) fn replace(path: &Path, content: &[u8], staged: impl FnOnce()) -> Result<(), KeyFileError> {
    let replacing = || {
        let path = fs::canonicalize(path)?;
        let beside = beside(&path, ".new");
        // Left by a process that was killed before it could put it in its place.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(content)?;
        keep_owner(&file, &fs::metadata(&path)?)?;
        file.sync_all()?;
        staged();
        fs::rename(&beside, &path)?;
        sync_folder(&path)
    };
    replacing().map_err(|source| KeyFileError::Io {
        path: path.to_owned(),
        action: "changed",
        source,
    })
}

/// Sets the owner and mode of a file to those of another: a service must still be able to read what an administrator has replaced.
fn keep_owner(file: &fs::File, before: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.set_permissions(before.permissions())
}

/// Keeps other processes from changing the file at `path`, until what is returned is dropped or the process ends. The lock is a separate file
/// with `.lock` appended to its name, which stays.
pub(super) fn lock(path: &Path) -> Result<fs::File, KeyFileError> {
    let failed = |source| KeyFileError::Io {
        path: path.to_owned(),
        action: "locked",
        source,
    };
    let beside = beside(&fs::canonicalize(path).map_err(failed)?, ".lock");
    let file = fs::OpenOptions::new().create(true).append(true).open(beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(KeyFileError::Busy { path: path.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn load(path: &Path) -> Result<Secret<Vec<u8>>, KeyFileError> {
    let failed = |source| KeyFileError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Reading by the group is left to the operator: container platforms provide secrets that way.
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_file() && mode & 0o027 != 0 {
            return Err(KeyFileError::Open {
                path: path.to_owned(),
                mode,
            });
        }
    }
    // Room for all at once: a buffer that grows would leave copies of the key behind.
    let room = usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or(0) + 1;
    let mut content = Vec::with_capacity(room);
    let result = file.take(MAX_BYTES).read_to_end(&mut content);
    let content = Secret::new(content);
    result.map_err(failed)?;
    Ok(content)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes what was renamed in the file's folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(folder_of(path))?.sync_all()?;
    Ok(())
}

fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;

    // Temporary files are private (mode 0600) from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        // Another process was faster; its key counts.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &'static str) -> impl FnOnce() -> Secret<Vec<u8>> {
        move || Secret::new(text.into())
    }

    #[test]
    fn the_first_content_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/folder/key");
        assert_eq!(load_or_create(&path, fixed("one")).unwrap().expose(), b"one");
        assert_eq!(load_or_create(&path, fixed("two")).unwrap().expose(), b"one");
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file is left");
    }

    #[test]
    fn racing_makers_get_one_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let barrier = std::sync::Barrier::new(8);
        let found: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|n| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        load_or_create(path, || Secret::new(vec![n; 32])).unwrap().expose().clone()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(found.iter().all(|content| content == &found[0] && content.len() == 32), "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn is_private_and_stays_so() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        load_or_create(&path, fixed("one")).unwrap();
        let mode = |m| fs::set_permissions(&path, fs::Permissions::from_mode(m)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for refused in [0o644, 0o604, 0o606, 0o660, 0o777] {
            mode(refused);
            let error = load_or_create(&path, fixed("two")).unwrap_err();
            assert!(matches!(error, KeyFileError::Open { mode, .. } if mode == refused), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        for accepted in [0o400, 0o440, 0o600, 0o640] {
            mode(accepted);
            assert_eq!(load_or_create(&path, fixed("two")).unwrap().expose(), b"one");
        }
    }

    #[cfg(unix)]
    #[test]
    fn is_replaced_whole_with_its_owner_and_mode() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let read = || load(&path).unwrap().expose().clone();
        load_or_create(&path, fixed("one")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        // What a process left that was killed, and who reads at the worst moment.
        fs::write(dir.path().join("key.new"), "rubbish, and longer than the key").unwrap();
        let mut between = Vec::new();
        replace(&path, b"two", || between = read()).unwrap();
        assert_eq!((between.as_slice(), read().as_slice()), (&b"one"[..], &b"two"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o440);

        // Only root may give files away, and must not take them by this.
        let owned = std::os::unix::fs::chown(&path, Some(1), Some(1)).is_ok();
        let link = dir.path().join("link");
        symlink("key", &link).unwrap();
        replace(&link, b"three", || {}).unwrap();
        assert_eq!(read(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().uid() == 1, owned);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");

        let missing = replace(&dir.path().join("missing"), b"four", || panic!("it is not there")).unwrap_err();
        assert!(missing.to_string().ends_with("missing cannot be changed"), "{missing}");
    }

    #[test]
    fn is_locked_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(lock(&path), Err(KeyFileError::Io { action: "locked", .. })));
        load_or_create(&path, fixed("one")).unwrap();
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(KeyFileError::Busy { .. })));
        drop(held);
        lock(&path).unwrap();
    }

    #[test]
    fn a_folder_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            load_or_create(dir.path(), fixed("one")),
            Err(KeyFileError::Io { action: "read", .. })
        ));
    }
}
