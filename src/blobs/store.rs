//! What every store of blobs can do.

use std::{io, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Error;

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 200;

/// Why a store cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no blob under this key.
    #[error("there is no blob {key}")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The key is not one. A fault of the program: keys never come from callers.
    #[error("{key:?} cannot be the key of a blob")]
    BadKey {
        /// The key.
        key: String,
    },
    /// The store is currently unavailable, or is broken.
    #[error("the blob {key} cannot be {action}")]
    Io {
        /// The key.
        key: String,
        /// What was tried, such as `read`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl From<BlobError> for Error {
    /// What it means for a caller. Keys and causes are for the log.
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::blobs_forbidden(error),
                _ => Self::blobs_unavailable(error),
            },
            BlobError::NotFound { .. } | BlobError::BadKey { .. } => Self::internal(error),
        }
    }
}

/// Keeps blobs under keys.
///
/// A key is 1 to 200 bytes: parts with `/` between them, each of `A-Za-z0-9._-` and not beginning with a dot, such as
/// `acme/3f2a…`. Every method fails with [`BlobError::BadKey`] for another and with [`BlobError::Io`] when the store cannot be used.
///
/// All methods are cancel safe: when dropped, a blob is there with all its bytes or is not there, even if the work continues in the background.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Stores a blob durably, in place of the one that is there.
    async fn put(&self, key: &str, data: Bytes) -> Result<(), BlobError>;

    /// The blob; [`BlobError::NotFound`] when there is none.
    async fn get(&self, key: &str) -> Result<Bytes, BlobError>;

    /// The bytes of the blob in this range as far as there are any; [`BlobError::NotFound`] when there is no blob.
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, BlobError>;

    /// Length of the blob in bytes; `None` when there is none.
    async fn size(&self, key: &str) -> Result<Option<u64>, BlobError>;

    /// Deletes the blob durably. Fine when there is none.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "the archive keeps everything so far")
    )]
    async fn delete(&self, key: &str) -> Result<(), BlobError>;

    /// Names this store, so that another one is not taken for it: what [`BlobStore::identity`] was given at the first time. Outlives the
    /// process.
    async fn identity(&self, first: &str) -> Result<String, BlobError>;
}

/// Refuses what is no key, above all what would lead out of a store's folder.
pub(super) fn check_key(key: &str) -> Result<(), BlobError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let part_fits = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits);
    if key.len() <= MAX_KEY_BYTES && key.split('/').all(part_fits) {
        Ok(())
    } else {
        Err(BlobError::BadKey { key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, Reason};

    #[test]
    fn a_folder_without_rights_is_told_from_a_full_one() {
        let check = |cause: io::ErrorKind, reason, retried: bool, advice: &str| {
            let error = Error::from(BlobError::Io {
                key: "acme/a".to_owned(),
                action: "stored",
                source: cause.into(),
            });
            assert_eq!(error.reason, reason, "{cause:?}");
            assert_eq!(matches!(error.kind, Kind::Unavailable { .. }), retried, "{cause:?}");
            assert!(error.to_string().contains(advice), "{cause:?}: {error}");
            assert!(!error.to_string().contains("acme/a"), "the key is for the log");
        };
        for cause in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            check(cause, Reason::StoreReadOnly, false, "read and write access to the folder");
        }
        for cause in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::Other] {
            check(cause, Reason::StoreUnavailable, true, "Retry later");
        }
    }
}

/// What every store must do, run over each.
#[cfg(test)]
pub(super) mod contract {
    use super::*;

    pub async fn holds(store: &dyn BlobStore) {
        let missing = |result: Result<Bytes, BlobError>| assert!(matches!(result, Err(BlobError::NotFound { key }) if key == "acme/a"));
        missing(store.get("acme/a").await);
        missing(store.get_range("acme/a", 0..1).await);
        assert_eq!(store.size("acme/a").await.unwrap(), None);
        store.delete("acme/a").await.unwrap();

        store.put("acme/a", Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(store.get("acme/a").await.unwrap(), "0123456789");
        assert_eq!(store.size("acme/a").await.unwrap(), Some(10));
        for (range, expected) in [
            (0..10, "0123456789"),
            (0..0, ""),
            (3..5, "34"),
            (8..20, "89"),
            (10..20, ""),
            (50..60, ""),
            (9..u64::MAX, "9"),
        ] {
            assert_eq!(store.get_range("acme/a", range.clone()).await.unwrap(), expected, "{range:?}");
        }
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller's mistake may lead to")]
        let reversed = 5..3;
        assert_eq!(store.get_range("acme/a", reversed).await.unwrap(), "");

        // Other keys are other blobs, be they longer, shorter or alike.
        for key in ["acme/b", "acme/a/a", "acme", "acme/A.b_c-d", "other/a", &"k".repeat(200)] {
            assert!(store.size(key).await.unwrap().is_none(), "{key}");
            store.put(key, Bytes::from(key.to_owned())).await.unwrap();
            assert_eq!(store.get(key).await.unwrap(), key);
        }
        assert_eq!(store.get("acme/a").await.unwrap(), "0123456789");

        store.put("acme/a", Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(store.get("acme/a").await.unwrap(), "new");
        store.put("acme/a", Bytes::new()).await.unwrap();
        assert_eq!(store.get("acme/a").await.unwrap(), "");
        assert_eq!(store.get_range("acme/a", 0..5).await.unwrap(), "");
        assert!(store.size("acme/a").await.unwrap().is_some());

        store.delete("acme/a").await.unwrap();
        missing(store.get("acme/a").await);
        assert!(store.size("acme/b").await.unwrap().is_some());

        for name in ["one", "two"] {
            assert_eq!(store.identity(name).await.unwrap(), "one", "the first one stays");
        }

        let long = "k".repeat(201);
        for key in [
            "", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", ".", ".hidden", "a b", "a\\b", "a\0", "C:", "ä", &long,
        ] {
            let refused = |result: Result<(), BlobError>| assert!(matches!(result, Err(BlobError::BadKey { .. })), "{key:?}");
            refused(store.put(key, Bytes::new()).await);
            refused(store.get(key).await.map(drop));
            refused(store.get_range(key, 0..1).await.map(drop));
            refused(store.size(key).await.map(drop));
            refused(store.delete(key).await);
        }
    }

    /// Writers and readers of one key at once: a reader sees one of the blobs, whole.
    pub async fn holds_at_once(store: std::sync::Arc<dyn BlobStore>) {
        let blob = |n: u8| Bytes::from(vec![n; 20_000 + usize::from(n)]);
        store.put("k", blob(0)).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..8 {
            let store = store.clone();
            tasks.spawn(async move {
                for _ in 0..5 {
                    store.put("k", blob(n)).await.unwrap();
                    let read = store.get("k").await.unwrap();
                    assert_eq!(read, blob(read[0]));
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    }
}
