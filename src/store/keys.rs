//! Data keys, wrapped by master keys: one for each tenant and one for the installation itself.
//!
//! The installation's row determines the current master key: the key that wraps it wraps every new data key. A transaction that
//! adds a key holds that row's lock, so when the row moves to another master key, everything that was wrapped by the old one is
//! committed, and nothing more will be.

use std::sync::LazyLock;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};

use super::{
    Store, TenantStore, Writer,
    entity::{tenant_key, tenant_position},
    store_error,
};
use crate::domain::{Result, TenantId, Timestamp};

/// The owner of the installation's key. No tenant can have this name.
pub static INSTALLATION: LazyLock<TenantId> = LazyLock::new(|| "*".into());

/// A wrapped key and whose it is: a tenant, or [`INSTALLATION`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Whose.
    pub owner: TenantId,
    /// The key as it is stored.
    pub wrapped: Vec<u8>,
}

/// A change of a key's wrapping.
#[derive(Clone, Debug)]
pub struct Rewrapping {
    /// Whose key.
    pub owner: TenantId,
    /// What must be stored now.
    pub old: Vec<u8>,
    /// What shall be stored.
    pub new: Vec<u8>,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// The tenant's data key, wrapped. `None` for a tenant that has none yet.
    pub async fn data_key(&self) -> Result<Option<Vec<u8>>> {
        let row = tenant_key::Entity::find_by_id(self.tenant.to_string())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| row.wrapped))
    }
}

impl Writer {
    /// The installation's key, wrapped by the master key that is the current one, and stays so until the end of this transaction.
    pub async fn installation_key(&mut self) -> Result<Option<Vec<u8>>> {
        // SQLite has one writer at a time, so its dialect leaves the lock out.
        let row = tenant_key::Entity::find_by_id(INSTALLATION.as_str())
            .lock_shared()
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map(|row| row.wrapped))
    }

    /// Stores the tenant's data key, unless it has one.
    pub async fn insert_data_key(&mut self, wrapped: Vec<u8>, now: Timestamp) -> Result<()> {
        let row = tenant_key::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            wrapped: Set(wrapped),
            create_time: Set(now.0),
        };
        tenant_key::Entity::insert_many([row])
            .on_conflict(OnConflict::column(tenant_key::Column::TenantId).do_nothing().to_owned())
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

impl Store {
    /// Whether any data key is stored.
    pub async fn has_keys(&self) -> Result<bool> {
        Ok(!self.wrapped_keys("", 1).await?.is_empty())
    }

    /// Whether any tenant has events, whose positions callers may hold.
    pub async fn has_positions(&self) -> Result<bool> {
        let row = tenant_position::Entity::find()
            .filter(tenant_position::Column::Last.gt(0))
            .one(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(row.is_some())
    }

    /// Lists the data keys after the owner `after`, in a stable order that the database chooses.
    pub async fn wrapped_keys(&self, after: &str, limit: u64) -> Result<Vec<WrappedKey>> {
        let rows = tenant_key::Entity::find()
            .filter(tenant_key::Column::TenantId.gt(after))
            .order_by_asc(tenant_key::Column::TenantId)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        let key = |row: tenant_key::Model| WrappedKey {
            owner: row.tenant_id.into(),
            wrapped: row.wrapped,
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Changes wrappings in one transaction, each only where `old` is still stored. Returns how many were changed.
    ///
    /// # Errors
    /// The database's; nothing is changed then.
    pub async fn rewrap_keys(&self, changes: &[Rewrapping]) -> Result<u64> {
        let writer = self.begin(&INSTALLATION).await?;
        let mut changed = 0;
        for change in changes {
            let result = tenant_key::Entity::update_many()
                .col_expr(tenant_key::Column::Wrapped, Expr::value(change.new.clone()))
                .filter(tenant_key::Column::TenantId.eq(change.owner.as_str()))
                .filter(tenant_key::Column::Wrapped.eq(change.old.clone()))
                .exec(&writer.conn)
                .await
                .map_err(store_error)?;
            changed += result.rows_affected;
        }
        writer.commit().await?;
        Ok(changed)
    }
}
