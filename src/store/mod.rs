//! The database: SQLite as the embedded default, PostgreSQL beyond one machine, both through SeaORM.
//!
//! All data of a tenant goes through a [`TenantStore`], so a query without a tenant cannot be written; the few reads over all tenants
//! are in `system.rs`. No entity and no SeaORM type leaves it. SQLite has one writing connection, so writers queue rather than
//! collide; PostgreSQL's collisions are retried only in [`retrying`].

mod addresses;
mod agents;
mod audit;
mod blobs;
mod connect;
mod directory;
mod entity;
mod events;
mod faults;
mod foreign;
mod installation;
mod keys;
mod leases;
mod linking;
mod logins;
mod mailboxes;
mod maintenance;
mod messages;
mod migration;
mod notes;
mod pool;
mod pruning;
mod readiness;
mod reviews;
mod rows;
mod search;
mod settings;
mod stored;
mod suspects;
mod system;
#[cfg(test)]
mod tests;
mod transaction;
mod turns;
mod tx;
mod unspaced;

use std::sync::{Arc, atomic::AtomicBool};

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use self::{pool::Pool, readiness::Readiness, transaction::Transaction, turns::Turns};
use crate::{
    domain::{Error, Result, TenantId},
    telemetry::Metrics,
};

pub use addresses::KnownAddress;
pub use agents::NewRequest;
pub use audit::BodyRead;
pub use blobs::NewBlob;
pub use connect::{DatabaseLimits, DatabaseLocation, OpenError};
pub use keys::{INSTALLATION, Rewrapping, WrappedKey};
pub use leases::{LeaseKey, LeaseKind, LeaseTerms};
pub use logins::{LoginAttempt, Revocation, SealedTokens};
pub use mailboxes::{FolderLook, FolderPosition, MailboxItem};
pub use messages::{KnownMessage, NewMessage, SearchWords};
pub use notes::{NewNote, NotedCopy};
pub use search::SearchTerm;
pub use system::SystemAgent;
pub use tx::retrying;

/// The database. Cheap to clone.
///
/// Every method that talks to the database can fail with the database's error; `# Errors` sections name only other errors.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    read: Pool,
    write: Pool,
    /// For what must not wait for the work of callers: leases and readiness.
    control: Pool,
    suspect: Arc<AtomicBool>,
    turns: Turns,
    readiness: Readiness,
    metrics: Metrics,
    wakeups: events::Wakeups,
}

/// One tenant's part of the database, over a connection (reads) or a transaction (reads and writes).
///
/// Every method can fail with the database's error; `# Errors` sections name only other errors.
pub struct TenantStore<C> {
    conn: C,
    tenant: TenantId,
    store: Store,
    /// The last position allocated in this transaction, 0 for none.
    position: i64,
}

impl<C: Clone> Clone for TenantStore<C> {
    fn clone(&self) -> Self {
        Self {
            conn: self.conn.clone(),
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            position: self.position,
        }
    }
}

/// Something to read a tenant's data with: a connection or a transaction.
pub trait Connection: ConnectionTrait {}

impl<C: ConnectionTrait> Connection for C {}

/// Reads a tenant's data. Each call sees what has been committed by then.
pub type Reader = TenantStore<Pool>;

/// Reads and writes a tenant's data in one transaction; dropping it rolls back. Errors are those of [`TenantStore`].
pub type Writer = TenantStore<Transaction>;

impl Store {
    /// Connects, and migrates the schema under a lock. `metrics` measures all transactions.
    ///
    /// # Errors
    /// [`OpenError`] says why not.
    pub async fn open(location: &DatabaseLocation, limits: &DatabaseLimits, metrics: Metrics) -> std::result::Result<Self, OpenError> {
        let pools = connect::open(location, limits).await?;
        let inner = Arc::new(Inner {
            turns: match location {
                DatabaseLocation::Sqlite(_) => Turns::unlimited(),
                DatabaseLocation::Postgres(_) => Turns::of(limits.max_connections),
            },
            read: pools.read,
            write: pools.write,
            control: pools.control,
            suspect: pools.suspect,
            readiness: Readiness::default(),
            metrics,
            wakeups: events::Wakeups::default(),
        });
        if let DatabaseLocation::Sqlite(_) = location {
            foreign::follow(&inner);
        }
        Ok(Self { inner })
    }

    /// One tenant's data, for reading.
    pub fn tenant(&self, tenant: &TenantId) -> Reader {
        TenantStore {
            conn: self.inner.read.clone(),
            tenant: tenant.clone(),
            store: self.clone(),
            position: 0,
        }
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub async fn close(&self) {
        for pool in [&self.inner.control, &self.inner.write, &self.inner.read] {
            if let Err(error) = pool.connection().close_by_ref().await {
                tracing::warn!(%error, "closing the database failed");
            }
        }
    }

    fn is_postgres(&self) -> bool {
        self.inner.write.get_database_backend() == DbBackend::Postgres
    }
}

/// Maps the database's errors to those for a caller.
fn store_error(error: DbErr) -> Error {
    match error {
        error if faults::is_read_only(&error) => Error::store_read_only(error),
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Error::store_unavailable(error),
        error if faults::is_transient(&error) || faults::is_away(&error) => Error::store_unavailable(error),
        error => Error::internal(error),
    }
}

/// Where a value is stored.
#[derive(Clone, Copy, Debug)]
struct Cell<'a> {
    table: &'static str,
    column: &'static str,
    row: &'a str,
}

impl<'a> Cell<'a> {
    fn new(table: &'static str, column: &'static str, row: &'a str) -> Self {
        Self { table, column, row }
    }

    /// Its value no longer parses.
    fn corrupt(self) -> Error {
        corrupt(self.table, self.column, self.row)
    }
}

/// A stored value that no longer parses.
fn corrupt(table: &'static str, column: &'static str, row: &str) -> Error {
    Error::internal(format!("the value in {table}.{column} of row {row} cannot be read"))
}

/// The name of a value of a plain enum, for a column.
fn to_name<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("plain enums have names: {other:?}"),
    }
}

/// The value of a plain enum with this name.
fn from_name<T: serde::de::DeserializeOwned>(name: &str, cell: Cell<'_>) -> Result<T> {
    serde_json::from_value(name.into()).map_err(|_| cell.corrupt())
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// The tenant whose data this is.
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant
    }
}
