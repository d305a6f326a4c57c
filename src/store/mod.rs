//! The database: SQLite as the embedded default, PostgreSQL beyond one machine, both through SeaORM.
//!
//! All data of a tenant goes through a [`TenantStore`], so a query without a tenant cannot be written; the few reads over all tenants
//! are in `system.rs`. No entity and no SeaORM type is handed out. SQLite has one writing connection, so writers queue rather than
//! collide; PostgreSQL's collisions are retried in [`retrying`] alone.

mod agents;
mod audit;
mod blobs;
mod directory;
mod entity;
mod events;
mod keys;
mod logins;
mod mailboxes;
mod maintenance;
mod messages;
mod migration;
mod notes;
mod rows;
mod search;
mod settings;
mod suspects;
mod system;
mod tx;

use std::{path::PathBuf, sync::Arc, time::Duration};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr};
use sea_orm_migration::MigratorTrait;

use crate::{
    crypto::Secret,
    domain::{Error, Result},
};

pub use agents::{AgentFilter, HealthFilter, NewRequest};
pub use audit::AuditFilter;
pub use blobs::{BlobRow, NewBlob};
pub use directory::KnownAddress;
pub use events::EventPage;
pub use keys::{INSTALLATION, Rewrapping, WrappedKey};
pub use logins::{LoginAttempt, LoginLease, Revocation, SealedTokens};
pub use mailboxes::{FolderPosition, MailboxItem};
pub use messages::{KnownMessage, MessageAfter, NewMessage, SearchWords};
pub use notes::OutcomeFilter;
pub use search::SearchTerm;
pub use system::{SystemAgent, SystemPage};
pub use tx::retrying;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    /// A SQLite file, made when missing.
    Sqlite(PathBuf),
    /// A `postgres://` URL with its password.
    Postgres(Secret),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    read: DatabaseConnection,
    write: DatabaseConnection,
    wakeups: events::Wakeups,
}

/// One tenant's part of the database, over a connection (reads) or a transaction (reads and writes).
pub struct TenantStore<C> {
    conn: C,
    tenant: Arc<str>,
    store: Store,
    /// The last position given out in this transaction, 0 for none.
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

/// What a tenant's data is read over: a connection or a transaction.
pub trait Connection: ConnectionTrait {}

impl<C: ConnectionTrait> Connection for C {}

/// Reads a tenant's data. Each call sees what is committed by then.
pub type Reader = TenantStore<DatabaseConnection>;

/// Reads and writes a tenant's data in one transaction; dropping it rolls back.
pub type Writer = TenantStore<DatabaseTransaction>;

impl Store {
    /// Connects, and brings the schema up to date under a lock.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when the database cannot be reached or refuses; [`crate::domain::Reason::StoreReadOnly`] when the
    /// file system does not let this process write it.
    pub async fn open(location: &DatabaseLocation, max_connections: u32) -> Result<Self> {
        let (read, write) = match location {
            DatabaseLocation::Sqlite(path) => open_sqlite(path, max_connections).await,
            DatabaseLocation::Postgres(url) => open_postgres(url.expose(), max_connections).await,
        }
        .map_err(|error| not_opened(location, error))?;
        migrate(&write).await.map_err(|error| not_opened(location, error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                read,
                write,
                wakeups: events::Wakeups::default(),
            }),
        })
    }

    /// One tenant's data, for reading.
    pub fn tenant(&self, tenant: &str) -> Reader {
        TenantStore {
            conn: self.inner.read.clone(),
            tenant: tenant.into(),
            store: self.clone(),
            position: 0,
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.inner.read.ping().await.map_err(store_error)
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub async fn close(&self) {
        for connection in [&self.inner.write, &self.inner.read] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "closing the database failed");
            }
        }
    }

    fn is_postgres(&self) -> bool {
        self.inner.write.get_database_backend() == DbBackend::Postgres
    }
}

/// How long a call waits for a connection: less than callers wait for their answer.
const ACQUIRE: Duration = Duration::from_secs(10);

async fn open_sqlite(path: &std::path::Path, max_connections: u32) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let connect = |connections: u32, cache_kib: u32| {
        let mut options = ConnectOptions::new(url.clone());
        options
            .min_connections(1)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(move |options| {
                options
                    .pragma("journal_mode", "WAL")
                    // Committed means durable, also when the power fails.
                    .pragma("synchronous", "FULL")
                    .pragma("busy_timeout", "10000")
                    // In pages of 4 KiB. Pages of indexes change with every batch: the fewer check points, the less often they are copied.
                    .pragma("wal_autocheckpoint", "8000")
                    .pragma("cache_size", format!("-{cache_kib}"))
                    .pragma("temp_store", "MEMORY")
                    .pragma("journal_size_limit", "67108864")
            });
        Database::connect(options)
    };
    let write = connect(1, 48 * 1024).await?;
    let read = connect(max_connections.clamp(1, 8), 8 * 1024).await?;
    Ok((read, write))
}

async fn open_postgres(url: &str, max_connections: u32) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(max_connections.max(2))
        .acquire_timeout(ACQUIRE)
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    let connection = Database::connect(options).await?;
    Ok((connection.clone(), connection))
}

/// Key of the advisory lock under which PostgreSQL replicas migrate.
const MIGRATION_LOCK: i64 = 0x6d61_696c_6167;

async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        // SQLite's one writing connection is lock enough within a process; a second process waits for the file's lock.
        return migration::Migrator::up(connection, None).await;
    }
    use sea_orm::TransactionTrait;
    // The lock belongs to this transaction, so it ends with it, whatever happens.
    let lock = connection.begin().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        .await?;
    migration::Migrator::up(connection, None).await?;
    lock.commit().await
}

/// What the database's faults mean for a caller.
/// Why a database was not opened. SQLite says "unable to open" of a folder that it may not write as of one that is not there for the moment, so
/// the file system is asked which it is.
fn not_opened(location: &DatabaseLocation, error: DbErr) -> Error {
    let refused = match location {
        DatabaseLocation::Sqlite(path) => write_refused(path),
        DatabaseLocation::Postgres(_) => None,
    };
    match refused {
        Some(refused) => Error::store_read_only(refused),
        None if tx::is_read_only(&error) => Error::store_read_only(error),
        None => Error::store_unavailable(error),
    }
}

/// Why the file system lets nobody write a database's file or its folder, in which SQLite has its log. `None` when it does.
fn write_refused(path: &std::path::Path) -> Option<String> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let refusal = |what: &std::path::Path, error: std::io::Error| {
        let lasts = matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem);
        lasts.then(|| format!("{}: {error}", what.display()))
    };
    let file = std::fs::OpenOptions::new().append(true).open(path);
    if let Some(refused) = file.err().and_then(|error| refusal(path, error)) {
        return Some(refused);
    }
    let probe = path.with_extension("probe");
    match std::fs::File::create_new(&probe) {
        Ok(_) => {
            // Left behind, it does no harm.
            let _ = std::fs::remove_file(&probe);
            None
        }
        Err(error) => refusal(&probe, error),
    }
}

fn store_error(error: DbErr) -> Error {
    match error {
        error if tx::is_read_only(&error) => Error::store_read_only(error),
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Error::store_unavailable(error),
        error if tx::is_transient(&error) || tx::is_away(&error) => Error::store_unavailable(error),
        error => Error::internal(error),
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

/// The value of a plain enum with this name. `place` is table, column and row.
fn from_name<T: serde::de::DeserializeOwned>(name: &str, (table, column, row): (&'static str, &'static str, &str)) -> Result<T> {
    serde_json::from_value(name.into()).map_err(|_| corrupt(table, column, row))
}

/// Turns values into JSON for a column.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data always has a JSON form")
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// The tenant whose data this is.
    pub fn tenant_id(&self) -> &str {
        &self.tenant
    }
}
