//! Transactions: how they begin, what happens when they collide, and how they tell waiting streams of their commit.

use std::{future::Future, time::Duration};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, RuntimeErr, SqlErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use super::{Store, TenantStore, Writer, store_error};
use crate::domain::{Error, Result};

/// How often a transaction is tried in all.
const ATTEMPTS: u32 = 8;
/// After this time no further attempt is made, so that callers are told before they give up.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Begins a transaction on a tenant's data. No network call may happen inside.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when no connection can be had.
    pub async fn begin(&self, tenant: &str) -> Result<Writer> {
        let options = TransactionOptions {
            // Taken at once: a transaction that reads first and writes later could otherwise find the lock gone.
            sqlite_transaction_mode: (!self.is_postgres()).then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        // A task of its own brings it to its end: given up while BEGIN is under way, a connection to PostgreSQL would go back to the pool with
        // the transaction open (sqlx 0.9), and hold the locks of whatever is done over it next.
        let connection = self.inner.write.clone();
        let beginning = tokio::spawn(async move { connection.begin_with_options(options).await });
        let transaction = beginning.await.map_err(Error::internal)?.map_err(store_error)?;
        Ok(TenantStore {
            conn: transaction,
            tenant: tenant.into(),
            store: self.clone(),
            position: 0,
        })
    }
}

impl Store {
    /// As [`Store::begin`], for what must not run beside other changes of the tenant's settings, agents and mail: see
    /// [`Writer::lock_tenant`].
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when no connection can be had.
    pub async fn begin_alone(&self, tenant: &str) -> Result<Writer> {
        let mut writer = self.begin(tenant).await?;
        writer.lock_tenant().await?;
        Ok(writer)
    }
}

impl Writer {
    /// Makes everything durable and wakes the streams that wait for it.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when it did not happen, or when that cannot be known.
    pub async fn commit(self) -> Result<()> {
        self.conn.commit().await.map_err(store_error)?;
        if self.position > 0 {
            self.store.inner.wakeups.committed(&self.tenant, self.position);
        }
        Ok(())
    }

    /// Gives out `count` positions in a row and returns the first. The tenant's counter stays locked until the end of the
    /// transaction, so positions become visible in their order. Call it as late as possible.
    ///
    /// # Errors
    /// As the database's.
    pub async fn allocate_positions(&mut self, count: usize) -> Result<i64> {
        let count = i64::try_from(count).expect("a transaction never needs that many positions");
        let backend = self.conn.get_database_backend();
        let sql = match backend {
            DbBackend::Postgres => {
                "INSERT INTO tenant_position (tenant_id, last, oldest) VALUES ($1, $2, 0) \
                 ON CONFLICT (tenant_id) DO UPDATE SET last = tenant_position.last + $2 RETURNING last"
            }
            _ => {
                "INSERT INTO tenant_position (tenant_id, last, oldest) VALUES (?1, ?2, 0) \
                 ON CONFLICT (tenant_id) DO UPDATE SET last = tenant_position.last + ?2 RETURNING last"
            }
        };
        let statement = Statement::from_sql_and_values(backend, sql, [(&*self.tenant).into(), count.into()]);
        let row = self.conn.query_one_raw(statement).await.map_err(store_error)?;
        let last: i64 = row
            .ok_or_else(|| Error::internal("the tenant's counter gave no position"))?
            .try_get("", "last")
            .map_err(store_error)?;
        self.position = last;
        Ok(last - count + 1)
    }
}

/// Runs a whole transaction again when it collided with another one: serialization faults, deadlocks, a busy database, and rows
/// that another writer inserted first. At most 8 times and not after 10 s, with a short random pause between.
///
/// # Errors
/// The last attempt's.
pub async fn retrying<T, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let began = tokio::time::Instant::now();
    let mut tries = 0;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        tries += 1;
        let collided = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<DbErr>())
            .is_some_and(|source| is_transient(source) || matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))));
        if !collided || tries == ATTEMPTS || began.elapsed() >= PATIENCE {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=10u64 << tries))).await;
    }
}

/// Whether the database cannot do its work just now, whatever it is asked: the disk is full or gone, connections are refused, or a
/// standby answers.
pub(super) fn is_away(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return false;
    };
    let Some(code) = cause.as_database_error().and_then(|database| database.code()) else {
        return false;
    };
    match code.parse::<u32>() {
        // PostgreSQL's codes have five characters; those of SQLite are numbers, with the kind in the lowest byte: IOERR, FULL, CANTOPEN.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 10 | 13 | 14),
        // Connection exceptions, insufficient resources, operator intervention, system errors, a transaction that may only read.
        _ => ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) || code == "25006",
    }
}

/// Whether the database may be read and not written, which lasts until somebody mends it: SQLite's READONLY, PERM and AUTH, with their extended
/// codes. PostgreSQL says so of a standby, which may be over in a moment.
pub(super) fn is_read_only(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let code = cause.as_database_error().and_then(|database| database.code());
    let number = code.filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
    number.is_some_and(|number| matches!(number & 0xff, 3 | 8 | 23))
}

/// Whether the same transaction may succeed when it is tried again.
pub(super) fn is_transient(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let Some(code) = cause
        .as_database_error()
        .and_then(|database| database.code().map(|code| code.into_owned()))
    else {
        return matches!(&**cause, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
    };
    // PostgreSQL: serialization failure, deadlock, shutdowns. SQLite: BUSY and LOCKED with their extended codes.
    matches!(
        code.as_str(),
        "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "5" | "6" | "261" | "517" | "773" | "262"
    )
}

#[cfg(test)]
mod tests {
    use sea_orm::Database;

    use super::*;
    use crate::{
        domain::Reason,
        store::{DatabaseLocation, write_refused},
    };

    #[tokio::test]
    async fn a_database_that_may_not_be_written_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailagent.db");
        let store = Store::open(&DatabaseLocation::Sqlite(path.clone()), 2).await.unwrap();
        store.close().await;
        let database = Database::connect(format!("sqlite:{}?mode=ro", path.display())).await.unwrap();
        let error = database.execute_unprepared("CREATE TABLE t (x TEXT)").await.unwrap_err();
        assert!(is_read_only(&error) && !is_away(&error) && !is_transient(&error), "{error:?}");
        let error = store_error(error);
        assert_eq!(error.reason, Reason::StoreReadOnly);
        assert!(
            error.public.contains("the right to write") && !error.public.contains("Retry"),
            "{error}"
        );
        assert_eq!(write_refused(&path), None);
        // Nobody makes files there, not even root.
        let refused = write_refused(std::path::Path::new("/sys/mailagent.db"));
        assert!(refused.is_some_and(|refused| refused.starts_with("/sys/mailagent.probe: ")));
    }
}
