//! Packed bytes of messages. Small ones are stored here, in the same transaction as the rows that refer to them; for large ones, only a row is
//! here and the bytes are in the blob store, written before.

use sea_orm::{ConnectionTrait, EntityTrait, Set, sea_query::OnConflict};

use super::{TenantStore, Writer, entity::blob, rows::insert_all, store_error};
use crate::domain::Result;

/// Packed bytes to be kept.
#[derive(Clone, Debug)]
pub struct NewBlob {
    /// SHA-256 of the bytes before packing.
    pub hash: [u8; 32],
    /// Bytes before packing.
    pub size: i64,
    /// Bytes as packed.
    pub stored_size: i64,
    /// The packed bytes; `None` when they are already in the blob store.
    pub data: Option<Vec<u8>>,
}

/// What is known about stored bytes.
#[derive(Clone, Debug)]
pub struct BlobRow {
    /// Bytes before packing.
    pub size: i64,
    /// The packed bytes; `None` when they are in the blob store.
    pub data: Option<Vec<u8>>,
}

impl Writer {
    /// Stores packed bytes; those that are already stored are skipped.
    pub async fn insert_blobs(&mut self, blobs: impl IntoIterator<Item = NewBlob>) -> Result<()> {
        let rows = blobs.into_iter().map(|blob| blob::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            hash: Set(blob.hash.to_vec()),
            size: Set(blob.size),
            stored_size: Set(blob.stored_size),
            data: Set(blob.data),
        });
        let known = OnConflict::columns([blob::Column::TenantId, blob::Column::Hash])
            .do_nothing()
            .to_owned();
        insert_all(&self.conn, rows, Some(known)).await
    }
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds kept bytes by the SHA-256 of their unpacked form.
    pub async fn blob(&self, hash: &[u8]) -> Result<Option<BlobRow>> {
        let row = blob::Entity::find_by_id((self.tenant.to_string(), hash.to_vec()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| BlobRow {
            size: row.size,
            data: row.data,
        }))
    }
}
