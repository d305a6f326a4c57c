//! Blobs in memory, for tests.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::store::{BlobError, BlobStore, check_key};

/// Keeps blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    // Held only for a lookup, never across an await.
    blobs: Mutex<HashMap<String, Bytes>>,
    identity: OnceLock<String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn blobs(&self, key: &str) -> Result<MutexGuard<'_, HashMap<String, Bytes>>, BlobError> {
        check_key(key)?;
        Ok(self.blobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), BlobError> {
        self.blobs(key)?.insert(key.to_owned(), data);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Bytes, BlobError> {
        let found = self.blobs(key)?.get(key).cloned();
        found.ok_or_else(|| BlobError::NotFound { key: key.to_owned() })
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, BlobError> {
        let blob = self.get(key).await?;
        let within = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(blob.len());
        let start = within(range.start);
        Ok(blob.slice(start..within(range.end).max(start)))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, BlobError> {
        Ok(self.blobs(key)?.get(key).map(|blob| blob.len() as u64))
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        self.blobs(key)?.remove(key);
        Ok(())
    }

    async fn identity(&self, first: &str) -> Result<String, BlobError> {
        Ok(self.identity.get_or_init(|| first.to_owned()).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::store::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract::holds(&MemoryStore::new()).await;
        contract::holds_at_once(std::sync::Arc::new(MemoryStore::new())).await;
    }
}
