//! Commits of other processes to the SQLite file, such as an import while the service is running.
//!
//! `PRAGMA data_version` on the one connection that this process writes over changes exactly when another process has committed
//! (<https://sqlite.org/pragma.html#pragma_data_version>). It is queried twice a second for all streams together, while any waits, and costs a few
//! microseconds.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use sea_orm::{ColumnTrait, ConnAcquireErr, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::{Inner, entity::tenant_position};

use crate::domain::TenantId;

/// How soon a commit of another process is noticed.
const LOOK: Duration = Duration::from_millis(500);

/// Wakes waiting streams when another process has committed, until the store is closed or dropped.
pub(super) fn follow(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut version = None;
        loop {
            tokio::time::sleep(LOOK).await;
            match look(&inner, version).await {
                Ok(Some(now)) => version = Some(now),
                Ok(None) => return,
                Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)) => return,
                Err(error) => tracing::debug!(%error, "commits of other processes are currently not noticed"),
            }
        }
    });
}

/// The current version of the data; streams are woken when it has changed. `None` when the store is gone.
async fn look(inner: &Weak<Inner>, before: Option<i64>) -> Result<Option<i64>, DbErr> {
    let Some(inner) = inner.upgrade() else { return Ok(None) };
    let waiting = inner.wakeups.waiting();
    if waiting.is_empty() {
        // A change in the meantime shows as a different version later.
        return Ok(Some(before.unwrap_or(-1)));
    }
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "PRAGMA data_version");
    let row = inner.write.query_one_raw(statement).await?;
    let now: i64 = match row {
        Some(row) => row.try_get_by_index(0)?,
        None => -1,
    };
    if Some(now) != before {
        let positions = tenant_position::Entity::find()
            .filter(tenant_position::Column::TenantId.is_in(waiting.iter().map(TenantId::as_str)))
            .all(&inner.read)
            .await?;
        for position in positions {
            inner.wakeups.committed(&position.tenant_id.into(), position.last);
        }
    }
    Ok(Some(now))
}
