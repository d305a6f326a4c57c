//! Opening the database: which connections there are, and what bounds every wait on them.
//!
//! | pool | SQLite | PostgreSQL |
//! |---|---|---|
//! | `read`, `write` | up to 8 readers and one writer | one pool for both |
//! | `control` | the writer | two connections reserved for leases and readiness |
//!
//! A connection returns to its pool only when driver and engine agree that no transaction is open: an engine may end a
//! transaction on its own (SQLite: a full disk, an I/O error, no memory), after which sqlx 0.9 would continue with savepoints of a transaction
//! that nothing ever commits.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use sqlx::{Connection, Executor, PgConnection, Postgres, Sqlite, pool::PoolOptions};
use tokio::time::timeout;

use super::{
    migration,
    pool::{ConnectProbe, Pool},
};
use crate::crypto::Secret;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    /// A SQLite file, created if missing, accessible only to its owner.
    Sqlite(PathBuf),
    /// A `postgres://` URL with its password.
    Postgres(Secret),
}

/// Limits of the work with the database. All but the first are PostgreSQL's; what the URL's `options`, the role or the database itself
/// set takes precedence.
#[derive(Clone, Debug)]
pub struct DatabaseLimits {
    /// Limit of open connections; two of PostgreSQL's are reserved for leases and readiness.
    pub max_connections: u32,
    /// The longest that one statement may take (`statement_timeout`).
    pub statement: Duration,
    /// The longest that a statement may wait for a lock (`lock_timeout`).
    pub lock: Duration,
    /// The longest that a transaction may do nothing (`idle_in_transaction_session_timeout`).
    pub idle_in_transaction: Duration,
    /// How long the server keeps a connection whose other end is silent (TCP keep-alive and `tcp_user_timeout`).
    pub silence: Duration,
}

impl Default for DatabaseLimits {
    fn default() -> Self {
        Self {
            max_connections: 16,
            statement: Duration::from_secs(25),
            lock: Duration::from_secs(15),
            idle_in_transaction: Duration::from_secs(10),
            silence: Duration::from_secs(20),
        }
    }
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing answers there.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// There is a pooler in between that the service cannot work with.
    #[error(
        "it is behind a connection pooler that gives the connection to somebody else after each transaction ({problem}). Use PgBouncer \
         with pool_mode = session, or PgBouncer 1.21 or later with max_prepared_statements above 0, or a database.url with host and port \
         of PostgreSQL itself"
    )]
    Pooler {
        /// The evidence.
        problem: String,
    },
    /// It rejects the connection, or its schema cannot be migrated.
    #[error("it refuses")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file system does not allow writing it.
    #[error(
        "this account has no permission to write to it ({0}). Grant it write access to the folder and the files in it, and mount the file \
         system read-write"
    )]
    ReadOnly(String),
    /// The file cannot be created.
    #[error("its file cannot be created")]
    File(#[source] std::io::Error),
}

impl From<DbErr> for OpenError {
    fn from(error: DbErr) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// The open pools.
pub(super) struct Pools {
    pub(super) read: Pool,
    pub(super) write: Pool,
    pub(super) control: Pool,
    /// Set by a transaction of SQLite's writer that an engine's error ended: its connection is closed.
    pub(super) suspect: Arc<AtomicBool>,
}

/// How long a call waits for a connection: less than callers wait for their response.
pub(super) const ACQUIRE: Duration = Duration::from_secs(10);
/// How long a new or returned connection may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Connections for leases and readiness.
const CONTROL: u32 = 2;

/// Connects, and migrates the schema.
pub(super) async fn open(location: &DatabaseLocation, limits: &DatabaseLimits) -> Result<Pools, OpenError> {
    match location {
        DatabaseLocation::Sqlite(path) => open_sqlite(path, limits).await,
        DatabaseLocation::Postgres(url) => open_postgres(url, limits).await,
    }
}

async fn open_sqlite(path: &Path, limits: &DatabaseLimits) -> Result<Pools, OpenError> {
    // Its log gets the mode of the file.
    let made = crate::private::make_file(path);
    // SQLite reports "unable to open" both for a folder that it may not write and for one that is temporarily missing.
    if let Some(refusal) = crate::private::write_refusal(path) {
        return Err(OpenError::ReadOnly(refusal));
    }
    made.map_err(OpenError::File)?;
    let suspect = Arc::new(AtomicBool::new(false));
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let connect = |connections: u32, cache_kib: u32| {
        let suspect = suspect.clone();
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
            })
            .map_sqlx_sqlite_pool_opts(move |options| settled_sqlite(options, suspect.clone()));
        Database::connect(options)
    };
    let write = connect(1, 48 * 1024).await?;
    // The one writing connection is lock enough within a process; a second process waits for the file's lock.
    migration::Migrator::up(&write, None).await?;
    let read = connect(limits.max_connections.clamp(1, 8), 8 * 1024).await?;
    let write = Pool::local(write);
    Ok(Pools {
        read: Pool::local(read),
        control: write.clone(),
        write,
        suspect,
    })
}

/// Closes connections for which driver and engine may disagree whether a transaction is open.
fn settled_sqlite(options: PoolOptions<Sqlite>, suspect: Arc<AtomicBool>) -> PoolOptions<Sqlite> {
    options.after_release(move |connection, _| {
        let suspect = suspect.clone();
        Box::pin(async move {
            // Answered after the rollback that a dropped transaction has queued. If that failed, the depth remains.
            connection.ping().await?;
            Ok(!connection.is_in_transaction() && !suspect.swap(false, Ordering::AcqRel))
        })
    })
}

async fn open_postgres(url: &Secret, limits: &DatabaseLimits) -> Result<Pools, OpenError> {
    check_reach(url.expose()).await?;
    let migrating = Database::connect(postgres_options(url, 2, UNBOUNDED)).await?;
    let migrated = migrate(&migrating).await;
    migrating.close().await?;
    migrated?;
    let settings = bounds(limits);
    // The server ends a statement; this is for a response that never arrives.
    let patience = limits.statement.saturating_add(ANSWER);
    let reach = Arc::new(ConnectProbe::new(url.expose()));
    let connect = async |connections| -> Result<Pool, OpenError> {
        let connection = Database::connect(postgres_options(url, connections, &settings)).await?;
        Ok(Pool::remote(connection, patience, reach.clone()))
    };
    let write = connect(limits.max_connections.saturating_sub(CONTROL).max(2)).await?;
    Ok(Pools {
        read: write.clone(),
        write,
        control: connect(CONTROL).await?,
        suspect: Arc::default(),
    })
}

fn postgres_options(url: &Secret, connections: u32, settings: &str) -> ConnectOptions {
    let settings = settings.to_owned();
    let mut options = ConnectOptions::new(url.expose().to_owned());
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .connect_timeout(ACQUIRE)
        // Done below, within a limit of time.
        .test_before_acquire(false)
        .sqlx_logging(false)
        // Poolers reject it, and nothing here reads numbers as text.
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None))
        .map_sqlx_postgres_pool_opts(move |options| settled_postgres(options, settings.clone()));
    options
}

/// Closes connections that do not answer in time, so that nobody waits in vain when one is taken or returned.
fn settled_postgres(options: PoolOptions<Postgres>, settings: String) -> PoolOptions<Postgres> {
    options
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                connection.execute(sqlx::AssertSqlSafe(settings)).await?;
                // Not every system can; the server then notices a dead caller at its next answer.
                if let Err(error) = connection.execute(NOTICE_HANG_UP).await {
                    tracing::debug!(%error, "the server cannot check for disconnected clients while it works");
                }
                Ok(())
            })
        })
        .before_acquire(|connection, _| Box::pin(async move { answers(connection).await }))
        .after_release(|connection, _| Box::pin(async move { Ok(answers(connection).await? && !connection.is_in_transaction()) }))
}

/// Whether the other end answers in time, and with it to the rollback that a dropped transaction has queued.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(ANSWER, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A client that disconnected is noticed within 5 s, also while its statement waits for a lock.
const NOTICE_HANG_UP: &str = "SET client_connection_check_interval = '5s'";

/// For schema migrations, which may take long.
const UNBOUNDED: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// The statement that gives a new connection its limits, except those that an administrator has set.
fn bounds(limits: &DatabaseLimits) -> String {
    let milliseconds = |limit: Duration| limit.as_millis().clamp(1, 1 << 30);
    // Three unanswered probes after a third of the time.
    let probe = (limits.silence.as_secs() / 6).max(1);
    format!(
        "SELECT set_config(s.name, w.value, false) FROM pg_settings s JOIN (VALUES \
         ('statement_timeout', '{statement}ms'), ('lock_timeout', '{lock}ms'), ('idle_in_transaction_session_timeout', '{idle}ms'), \
         ('tcp_user_timeout', '{silence}ms'), ('tcp_keepalives_idle', '{first}s'), ('tcp_keepalives_interval', '{probe}s'), \
         ('tcp_keepalives_count', '3')) AS w (name, value) ON w.name = s.name \
         WHERE s.source NOT IN ('client', 'user', 'database', 'database user')",
        statement = milliseconds(limits.statement),
        lock = milliseconds(limits.lock),
        idle = milliseconds(limits.idle_in_transaction),
        silence = milliseconds(limits.silence),
        first = probe * 3,
    )
}

/// Says in plain language why this URL cannot be used; a pool would only say that it timed out.
async fn check_reach(url: &str) -> Result<(), OpenError> {
    let options: sqlx::postgres::PgConnectOptions = url.parse().map_err(|error: sqlx::Error| OpenError::Refused(Box::new(error)))?;
    let options = options.extra_float_digits(None);
    let checking = async {
        // A pooler that lends connections for a transaction at a time gives both the same one, where their statements have the same names.
        let mut first = PgConnection::connect_with(&options).await?;
        let mut second = PgConnection::connect_with(&options).await?;
        for connection in [&mut first, &mut second] {
            sqlx::query("SELECT $1::int4").bind(1_i32).execute(connection).await?;
        }
        sqlx::query("SELECT $1::int4").bind(1_i32).execute(&mut first).await?;
        // Errors do not matter: they are dropped either way.
        let _ = tokio::join!(first.close(), second.close());
        Ok(())
    };
    match timeout(ACQUIRE, checking).await {
        Ok(checked) => checked.map_err(open_error),
        Err(_) => Err(OpenError::Unreachable("there is no answer".to_owned())),
    }
}

fn open_error(error: sqlx::Error) -> OpenError {
    match &error {
        sqlx::Error::Io(cause) => OpenError::Unreachable(cause.to_string()),
        sqlx::Error::Database(cause) if is_pooler(cause.code().as_deref().unwrap_or_default(), cause.message()) => OpenError::Pooler {
            problem: cause.message().to_owned(),
        },
        _ => OpenError::Refused(Box::new(error)),
    }
}

/// Whether a fault shows that statements do not stay with the connection that prepared them, or that a setting is rejected that
/// PostgreSQL accepts.
fn is_pooler(code: &str, message: &str) -> bool {
    // Duplicate and unknown prepared statements; a protocol violation.
    matches!(code, "42P05" | "26000")
        || code == "08P01" && (message.contains("startup parameter") || message.contains("prepared statement"))
}

/// Key of the advisory lock under which PostgreSQL replicas migrate.
const MIGRATION_LOCK: i64 = 0x6d61_696c_6167;

async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    // The lock belongs to this transaction, so it is released with it, whatever happens.
    let lock = connection.begin().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        .await?;
    migration::Migrator::up(connection, None).await?;
    lock.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poolers_are_told_from_other_faults() {
        for (code, message) in [
            ("42P05", "prepared statement \"sqlx_s_1\" already exists"),
            ("26000", "prepared statement \"sqlx_s_1\" does not exist"),
            ("08P01", "unsupported startup parameter: options"),
        ] {
            assert!(is_pooler(code, message), "{code}");
        }
        assert!(!is_pooler("28P01", "password authentication failed for user \"x\""));
        assert!(!is_pooler("08P01", "invalid frontend message type"));
        let text = OpenError::Pooler { problem: "p".to_owned() }.to_string();
        assert!(text.contains("pool_mode = session") && text.contains("database.url"), "{text}");
    }

    #[tokio::test]
    async fn a_server_that_is_down_refuses_the_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = check_reach(&format!("postgres://mailagent@{address}/mailagent")).await.unwrap_err();
        assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");
    }
}
