//! A transaction that is over when one of its statements has failed, on every engine, and whose commit is then never reported as one.
//!
//! PostgreSQL answers COMMIT of a failed transaction with a rollback and no error, and SQLite, having ended a transaction on its own,
//! runs what follows outside of any transaction. So nothing may follow.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use tokio::sync::OwnedSemaphorePermit;

use super::{faults, pool::bounded};
use crate::telemetry::Metrics;

/// An open transaction. Dropped, it is rolled back.
pub struct Transaction {
    inner: DatabaseTransaction,
    patience: Option<Duration>,
    /// Set while a statement is in progress, and permanently when one has failed or was dropped.
    unsettled: AtomicBool,
    /// Set when the connection should not be used again.
    suspect: Arc<AtomicBool>,
    measure: Measure,
    /// The tenant's turn, released with the connection.
    _turn: Option<OwnedSemaphorePermit>,
}

/// Measures a transaction from its beginning to its end.
pub(super) struct Measure {
    operation: &'static str,
    metrics: Metrics,
    began: Instant,
    failed: AtomicBool,
}

impl Measure {
    /// For a transaction that begins now. `operation` says what it is for.
    pub(super) fn begin(operation: &'static str, metrics: Metrics) -> Self {
        Self {
            operation,
            metrics,
            began: Instant::now(),
            failed: AtomicBool::new(false),
        }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let error = self.failed.load(Ordering::Acquire).then_some("failed");
        self.metrics.transaction_ended(self.operation, error, took);
        tracing::trace!(operation = self.operation, seconds = took.as_secs_f64(), "a transaction ended");
    }
}

impl Transaction {
    pub(super) fn new(
        inner: DatabaseTransaction,
        patience: Option<Duration>,
        suspect: Arc<AtomicBool>,
        turn: Option<OwnedSemaphorePermit>,
        measure: Measure,
    ) -> Self {
        Self {
            inner,
            patience,
            unsettled: AtomicBool::new(false),
            suspect,
            measure,
            _turn: turn,
        }
    }

    /// Makes it durable.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        if self.unsettled.load(Ordering::Acquire) {
            return Err(over());
        }
        // Where it fails and the engine has ended the transaction, the driver's rollback fails too, and its connection is closed.
        let committed = bounded(self.patience, self.inner.commit()).await;
        self.measure.failed.store(committed.is_err(), Ordering::Release);
        committed
    }

    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        if self.unsettled.swap(true, Ordering::AcqRel) {
            return Err(over());
        }
        match bounded(self.patience, statement).await {
            Ok(value) => {
                self.unsettled.store(false, Ordering::Release);
                Ok(value)
            }
            Err(error) => {
                self.measure.failed.store(true, Ordering::Release);
                if faults::ends_transaction(&error) {
                    self.suspect.store(true, Ordering::Release);
                }
                Err(error)
            }
        }
    }
}

fn over() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(
        "an earlier statement of the transaction failed or was given up".to_owned(),
    ))
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.inner.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.inner.query_all_raw(statement)).await
    }
}
