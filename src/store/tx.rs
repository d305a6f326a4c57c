//! Transactions: how they begin, what happens when they collide, and how they notify waiting streams of their commit.

use std::{future::Future, panic::Location, time::Duration};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, SqlErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait};

use super::{
    Store, TenantStore, Writer,
    faults::is_transient,
    pool::bounded,
    store_error,
    transaction::{Measure, Transaction},
};
use crate::domain::{Error, Result, TenantId};

/// How often a transaction is tried in total.
const ATTEMPTS: u32 = 8;
/// After this time no further attempt is made, so that callers get an error before they give up.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Begins a transaction on a tenant's data. No network call may happen inside. It is measured under the name of the file that calls this.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when no connection is available.
    #[track_caller]
    pub fn begin<'a>(&'a self, tenant: &'a TenantId) -> impl Future<Output = Result<Writer>> + Send + 'a {
        self.begin_for(operation(Location::caller()), tenant)
    }

    /// As [`Store::begin`], for what must not run concurrently with other changes of the tenant's settings, agents and mail: see
    /// [`Writer::lock_tenant`].
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when no connection is available.
    #[track_caller]
    pub fn begin_alone<'a>(&'a self, tenant: &'a TenantId) -> impl Future<Output = Result<Writer>> + Send + 'a {
        let begun = self.begin_for(operation(Location::caller()), tenant);
        async move {
            let mut writer = begun.await?;
            writer.lock_tenant().await?;
            Ok(writer)
        }
    }

    async fn begin_for(&self, operation: &'static str, tenant: &TenantId) -> Result<Writer> {
        let options = TransactionOptions {
            // Taken at once: a transaction that reads first and writes later could otherwise find the lock gone.
            sqlite_transaction_mode: (!self.is_postgres()).then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let (pool, suspect) = (self.inner.write.clone(), self.inner.suspect.clone());
        let metrics = self.inner.metrics.clone();
        let turn = self.inner.turns.take(tenant).await?;
        let patience = pool.patience();
        // A separate task completes it: if dropped during BEGIN, a connection to PostgreSQL would return to the pool with
        // the transaction open (sqlx 0.9), and hold the locks of whatever is done with it next.
        let beginning = tokio::spawn(async move {
            match pool.connection().begin_with_options(options).await {
                Ok(begun) => {
                    let measure = Measure::begin(operation, metrics);
                    Ok(Transaction::new(begun, pool.patience(), suspect, turn, measure))
                }
                Err(error) => Err(pool.explain(error).await),
            }
        });
        let begun = async { beginning.await.unwrap_or_else(|stopped| Err(DbErr::Custom(stopped.to_string()))) };
        let transaction = bounded(patience, begun).await.map_err(store_error)?;
        Ok(TenantStore {
            conn: transaction,
            tenant: tenant.clone(),
            store: self.clone(),
            position: 0,
        })
    }
}

/// What transactions of a place in this program are measured by, such as `ops/directory`.
fn operation(place: &'static Location<'static>) -> &'static str {
    let file = place.file();
    let file = file.strip_suffix(".rs").unwrap_or(file);
    file.strip_prefix("src/").unwrap_or(file)
}

impl Writer {
    /// Makes everything durable and wakes the streams that wait for it.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when it did not happen, or when that cannot be known.
    pub async fn commit(self) -> Result<()> {
        self.conn.commit().await.map_err(store_error)?;
        if self.position > 0 {
            self.store.inner.readiness.written();
            self.store.inner.wakeups.committed(&self.tenant, self.position);
        }
        Ok(())
    }

    /// Allocates `count` consecutive positions and returns the first. The tenant's counter stays locked until the end of the
    /// transaction, so positions become visible in their order. Call it as late as possible.
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
        let statement = Statement::from_sql_and_values(backend, sql, [self.tenant.as_str().into(), count.into()]);
        let row = self.conn.query_one_raw(statement).await.map_err(store_error)?;
        let last: i64 = row
            .ok_or_else(|| Error::internal("the tenant's counter gave no position"))?
            .try_get("", "last")
            .map_err(store_error)?;
        self.position = last;
        Ok(last - count + 1)
    }
}

/// Retries a whole transaction when it collided with another one: serialization failures, deadlocks, a busy database, and rows
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_named_by_who_begins_them() {
        assert_eq!(operation(Location::caller()), "store/tx");
    }
}
