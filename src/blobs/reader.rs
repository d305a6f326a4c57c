//! Reading a container in place.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{
    container::decode,
    index::{Corrupt, Index, Trailer},
    store::{BlobError, BlobStore},
};
use crate::domain::Error;

/// Bytes read first, from the end: all of a small container, or the footer of one of up to 120 MiB.
const TAIL_BYTES: u64 = 4 * 1024;

/// Why raw bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot give the container.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The container is damaged.
    #[error("the blob {key} cannot be read")]
    Corrupt {
        /// Its key.
        key: String,
        /// What is wrong with it.
        source: Corrupt,
    },
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            error @ ReadError::Corrupt { .. } => Self::internal(error),
        }
    }
}

/// Reads ranges of raw bytes from a container in a store. Only what is needed is loaded: the footer at first, then the chunks that hold
/// the range.
pub struct BlobReader {
    store: Arc<dyn BlobStore>,
    key: String,
    index: Index,
    /// The end of the container, and where it begins.
    tail: (u64, Bytes),
    /// The chunk read last: reading on in small steps decodes each chunk once.
    last: Option<(usize, Bytes)>,
}

impl BlobReader {
    /// Reads the footer of the container under `key`.
    ///
    /// # Errors
    /// [`ReadError::Store`], with [`BlobError::NotFound`] when there is none, and [`ReadError::Corrupt`].
    pub async fn open(store: Arc<dyn BlobStore>, key: impl Into<String>) -> Result<Self, ReadError> {
        let key = key.into();
        let Some(length) = store.size(&key).await? else {
            return Err(BlobError::NotFound { key }.into());
        };
        let damaged = |source| ReadError::Corrupt { key: key.clone(), source };
        let mut begin = length.saturating_sub(TAIL_BYTES);
        let mut tail = store.get_range(&key, begin..length).await?;
        let trailer = Trailer::read(&tail).map_err(damaged)?;
        let footer = length.checked_sub(trailer.footer_len());
        let footer = footer.ok_or_else(|| damaged(Corrupt("it is too short")))?;
        if footer < begin {
            begin = footer;
            tail = store.get_range(&key, begin..length).await?;
        }
        let footer = usize::try_from(footer - begin).ok().and_then(|at| tail.get(at..));
        let footer = footer.ok_or_else(|| damaged(Corrupt("it was cut while it was read")))?;
        let index = Index::read(trailer, footer, length).map_err(damaged)?;
        Ok(Self {
            tail: (begin, tail),
            store,
            key,
            index,
            last: None,
        })
    }

    /// Number of raw bytes.
    #[cfg(test)]
    pub fn size(&self) -> u64 {
        self.index.size
    }

    /// The raw bytes `offset..offset + length` as far as there are any. All of them are held in memory: read much in steps. Cancel safe.
    ///
    /// # Errors
    /// [`ReadError`]. A part of the bytes is never returned.
    pub async fn read_range(&mut self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let (chunks, within) = self.index.find(offset, length);
        if chunks.len() == 1 {
            return Ok(self.chunk(chunks.start).await?.slice(within));
        }
        let mut raw = BytesMut::with_capacity(within.len());
        let (mut skip, mut left) = (within.start, within.len());
        for number in chunks {
            let content = self.chunk(number).await?;
            let end = content.len().min(skip.saturating_add(left));
            raw.extend_from_slice(&content[skip..end]);
            left -= end - skip;
            skip = 0;
        }
        Ok(raw.freeze())
    }

    async fn chunk(&mut self, number: usize) -> Result<Bytes, ReadError> {
        if let Some((last, content)) = &self.last
            && *last == number
        {
            return Ok(content.clone());
        }
        let chunk = self.index.chunks[number];
        let end = chunk.start + u64::from(chunk.stored);
        let (begin, tail) = &self.tail;
        let stored = if chunk.start >= *begin {
            let at = |n: u64| usize::try_from(n - begin).expect("within the tail");
            tail.slice(at(chunk.start)..at(end))
        } else {
            self.store.get_range(&self.key, chunk.start..end).await?
        };
        let content = decode(&chunk, &stored).map_err(|source| ReadError::Corrupt {
            key: self.key.clone(),
            source,
        })?;
        let content = Bytes::from(content);
        self.last = Some((number, content.clone()));
        Ok(content)
    }
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobReader")
            .field("key", &self.key)
            .field("size", &self.index.size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::Range,
        sync::atomic::{AtomicU64, Ordering},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::blobs::{MemoryStore, index::CHUNK_BYTES, pack};

    /// Counts what is read.
    #[derive(Default)]
    struct Counting {
        inner: MemoryStore,
        reads: AtomicU64,
        bytes: AtomicU64,
    }

    #[async_trait]
    impl BlobStore for Counting {
        async fn put(&self, key: &str, data: Bytes) -> Result<(), BlobError> {
            self.inner.put(key, data).await
        }
        async fn get(&self, key: &str) -> Result<Bytes, BlobError> {
            self.inner.get(key).await
        }
        async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, BlobError> {
            let data = self.inner.get_range(key, range).await?;
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            Ok(data)
        }
        async fn size(&self, key: &str) -> Result<Option<u64>, BlobError> {
            self.inner.size(key).await
        }
        async fn delete(&self, key: &str) -> Result<(), BlobError> {
            self.inner.delete(key).await
        }
        async fn identity(&self, first: &str) -> Result<String, BlobError> {
            self.inner.identity(first).await
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(3);
        (0..length).map(|_| random.u8(b'a'..=b'p')).collect()
    }

    #[tokio::test]
    async fn steps_of_any_length_add_up() {
        for length in [0, 1, 5_000, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 77] {
            let raw = noise(length);
            let store = Arc::new(MemoryStore::new());
            store.put("k", pack(&raw).data).await.unwrap();
            let mut reader = BlobReader::open(store, "k").await.unwrap();
            assert_eq!(reader.size(), length as u64);
            for step in [length.max(1), 64 * 1024, CHUNK_BYTES + 13] {
                let mut sum = Vec::new();
                while sum.len() < length {
                    let part = reader.read_range(sum.len() as u64, step as u64).await.unwrap();
                    assert!(!part.is_empty());
                    sum.extend_from_slice(&part);
                }
                assert!(sum == raw, "{length} in steps of {step}");
            }
            assert_eq!(reader.read_range(length as u64, 10).await.unwrap(), "");
            assert_eq!(reader.read_range(u64::MAX, u64::MAX).await.unwrap(), "");
        }
    }

    #[tokio::test]
    async fn only_what_is_needed_is_loaded() {
        let raw = noise(10 * CHUNK_BYTES);
        let store = Arc::new(Counting::default());
        let packed = pack(&raw);
        store.put("k", packed.data.clone()).await.unwrap();
        let mut reader = BlobReader::open(store.clone(), "k").await.unwrap();
        let middle = 5 * CHUNK_BYTES as u64;
        for step in 0..4 {
            let at = middle + step * 65_536;
            assert_eq!(
                reader.read_range(at, 65_536).await.unwrap(),
                raw[usize::try_from(at).unwrap()..][..65_536]
            );
        }
        assert_eq!(store.reads.load(Ordering::Relaxed), 2, "the footer and one chunk");
        assert!(store.bytes.load(Ordering::Relaxed) < packed.data.len() as u64 / 5);

        // A small one is read at once.
        let store = Arc::new(Counting::default());
        store.put("k", pack(&raw[..5_000]).data).await.unwrap();
        let mut reader = BlobReader::open(store.clone(), "k").await.unwrap();
        assert_eq!(reader.read_range(0, 5_000).await.unwrap(), raw[..5_000]);
        assert_eq!(store.reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_footer_longer_than_the_first_read_is_found() {
        let raw = vec![0; 600 * CHUNK_BYTES];
        let store = Arc::new(MemoryStore::new());
        store.put("k", pack(&raw).data).await.unwrap();
        let mut reader = BlobReader::open(store, "k").await.unwrap();
        assert_eq!(reader.read_range(0, 3).await.unwrap(), raw[..3]);
        assert_eq!(reader.read_range(raw.len() as u64 - 3, 9).await.unwrap(), raw[..3]);
    }

    #[tokio::test]
    async fn damage_is_named() {
        let store = Arc::new(MemoryStore::new());
        let packed = pack(&noise(CHUNK_BYTES + 9)).data;
        for (at, length) in [(10, packed.len()), (0, 3), (packed.len() - 1, packed.len()), (0, packed.len() / 2)] {
            let mut changed = packed[..length].to_vec();
            changed[at.min(length - 1)] ^= 1;
            store.put("k", changed.into()).await.unwrap();
            let result = match BlobReader::open(store.clone(), "k").await {
                Ok(mut reader) => reader.read_range(0, u64::MAX).await,
                Err(error) => Err(error),
            };
            assert!(matches!(result, Err(ReadError::Corrupt { .. })), "{at} {length}");
        }
        let missing = BlobReader::open(store, "other").await;
        assert!(matches!(missing, Err(ReadError::Store(BlobError::NotFound { .. }))));
    }
}
