//! Blobs as files.
//!
//! The blob `acme/3f2a` is in `<folder>/acme/~9c/3f2a`, where `9c` begins the hash of the last part, so that no folder gets too many
//! entries. `~` is in no key, so these folders do not collide with a part of one. Files are created by renaming a complete and synced one from
//! `<folder>/.new`, which is on the same file system.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::digest;
use bytes::Bytes;

use super::store::{BlobError, BlobStore, check_key};
use crate::private;

/// Where files are written before they are renamed.
const NEW: &str = ".new";

/// The file that names the store.
pub const IDENTITY: &str = ".identity";

/// Files in [`NEW`] that are older were left by a crash.
const LEFT_OVER: Duration = Duration::from_hours(24);

/// Stores each blob in its own file, mode 0600. Several processes may share the folder.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// Opens the store in this folder, which is created if missing. What a crash left unfinished a day ago is removed. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be created or written to.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        let new = folder.join(NEW);
        private::make_folder(&new)?;
        // Compared with a newly created file: the file system's own clock is the one that dated the others.
        let now = tempfile::NamedTempFile::new_in(&new)?.as_file().metadata()?.modified()?;
        for entry in fs::read_dir(&new)? {
            let entry = entry?;
            let age = entry.metadata().and_then(|metadata| metadata.modified());
            if age.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > LEFT_OVER)) {
                // Another process may have been faster.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { folder })
    }

    fn path(&self, key: &str) -> PathBuf {
        let (parents, name) = key.rsplit_once('/').unwrap_or(("", key));
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let fan = format!("~{:02x}", hash.as_ref()[0]);
        self.folder.join(parents).join(fan).join(name)
    }

    /// Runs blocking work for one key and says what it was when it fails.
    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        action: &'static str,
        work: impl FnOnce(&Self, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        check_key(key)?;
        let (store, path) = (self.clone(), self.path(key));
        tokio::task::spawn_blocking(move || work(&store, &path))
            .await
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            .map_err(|source| BlobError::Io {
                key: key.to_owned(),
                action,
                source,
            })
    }

    fn write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder.join(NEW))?;
        file.write_all(data)?;
        file.as_file().sync_all()?;
        let folder = path.parent().expect("it was joined from a folder and a name");
        // Most often the folder is there.
        if let Err(error) = file.persist(path) {
            if error.error.kind() != io::ErrorKind::NotFound {
                return Err(error.error);
            }
            self.make_folder(folder)?;
            error.file.persist(path)?;
        }
        sync_folder(folder)
    }

    /// The store's name, which is `first` if it has none. Of several that start at once, one names it.
    fn name(&self, first: &str) -> io::Result<String> {
        let path = self.folder.join(IDENTITY);
        if let Some(name) = if_there(fs::read_to_string(&path))? {
            return Ok(name.trim().to_owned());
        }
        let mut file = tempfile::NamedTempFile::new_in(self.folder.join(NEW))?;
        file.write_all(first.as_bytes())?;
        file.as_file().sync_all()?;
        if let Err(error) = file.persist_noclobber(&path)
            && error.error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error.error);
        }
        sync_folder(&self.folder)?;
        Ok(fs::read_to_string(&path)?.trim().to_owned())
    }

    /// Creates a folder below the store's and its parents, durably.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder == self.folder {
            return Ok(());
        }
        let above = folder.parent().expect("it lies below the store's folder");
        self.make_folder(above)?;
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder) {
            // Synced even if it exists: whoever created it may not have got that far.
            Ok(()) => sync_folder(above),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => sync_folder(above),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl BlobStore for FileStore {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), BlobError> {
        self.run(key, "stored", move |store, path| store.write(path, &data)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, BlobError> {
        let found = self.run(key, "read", |_, path| if_there(fs::read(path))).await?;
        found.map(Bytes::from).ok_or_else(|| BlobError::NotFound { key: key.to_owned() })
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, BlobError> {
        let found = self.run(key, "read", |_, path| if_there(read_range(path, range))).await?;
        found.map(Bytes::from).ok_or_else(|| BlobError::NotFound { key: key.to_owned() })
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, BlobError> {
        let found = self.run(key, "looked up", |_, path| if_there(fs::metadata(path))).await?;
        Ok(found.map(|metadata| metadata.len()))
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        self.run(key, "deleted", |_, path| match if_there(fs::remove_file(path))? {
            Some(()) => sync_folder(path.parent().expect("it was joined from a folder and a name")),
            None => Ok(()),
        })
        .await
    }

    async fn identity(&self, first: &str) -> Result<String, BlobError> {
        let (store, first) = (self.clone(), first.to_owned());
        let named = tokio::task::spawn_blocking(move || store.name(&first)).await;
        named
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            .map_err(|source| BlobError::Io {
                key: IDENTITY.to_owned(),
                action: "read or made",
                source,
            })
    }
}

fn read_range(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let end = range.end.min(file.metadata()?.len());
    let length = end.saturating_sub(range.start);
    let mut data = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    if length > 0 {
        file.seek(io::SeekFrom::Start(range.start))?;
        file.take(length).read_to_end(&mut data)?;
    }
    Ok(data)
}

/// `None` instead of an error when there is no such file.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder durable. Only Unix can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::store::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        contract::holds(&FileStore::open(dir.path().join("a/b")).unwrap()).await;
        let store = FileStore::open(dir.path().join("c")).unwrap();
        contract::holds_at_once(std::sync::Arc::new(store)).await;
        let left = fs::read_dir(dir.path().join("c").join(NEW)).unwrap().count();
        assert_eq!(left, 0, "no unfinished file is left");
    }

    #[tokio::test]
    async fn blobs_outlive_the_store() {
        let dir = tempfile::tempdir().unwrap();
        FileStore::open(dir.path())
            .unwrap()
            .put("acme/a", Bytes::from_static(b"x"))
            .await
            .unwrap();
        assert_eq!(FileStore::open(dir.path()).unwrap().get("acme/a").await.unwrap(), "x");
        // printf a | sha256sum begins with ca.
        assert!(dir.path().join("acme/~ca/a").is_file());
    }

    #[tokio::test]
    async fn old_unfinished_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        FileStore::open(dir.path()).unwrap();
        let (old, young) = (dir.path().join(NEW).join("old"), dir.path().join(NEW).join("young"));
        for path in [&old, &young] {
            fs::write(path, "x").unwrap();
        }
        let file = fs::File::options().write(true).open(&old).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - 2 * LEFT_OVER).unwrap();
        FileStore::open(dir.path()).unwrap();
        assert_eq!((old.exists(), young.exists()), (false, true));
    }

    #[tokio::test]
    async fn a_broken_store_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::open(dir.path().join("s")).unwrap();
        fs::remove_dir_all(dir.path().join("s")).unwrap();
        fs::write(dir.path().join("s"), "not a folder").unwrap();
        let error = store.put("acme/a", Bytes::new()).await.unwrap_err();
        assert!(matches!(error, BlobError::Io { action: "stored", .. }), "{error}");
        assert!(matches!(store.get("acme/a").await, Err(BlobError::Io { action: "read", .. })));
    }
}
