//! Deletes expired data: tenant by tenant, old events, old audit entries of reads and leftovers of deleted agents; for all
//! tenants at once, login attempts.
//!
//! In steps, each in its own short transaction, followed by a pause of the same length, in which others write. Whatever a crash leaves is
//! found again by the next round.

use std::time::Instant;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, ExprTrait, Order, Query},
};

use super::{
    Store, Writer,
    entity::{agent_leftover, audit_read, event, login_attempt, tenant_position},
    store_error,
};
use crate::domain::{AgentId, Result, TenantId, Timestamp};

/// Rows that one transaction processes.
const STRETCH: u64 = 500;
/// Tenants per query.
const TENANTS: u64 = 500;

impl Store {
    /// Deletes events that were written before `limit`, oldest first, and records up to where. Returns how many.
    pub async fn prune_events(&self, limit: Timestamp) -> Result<u64> {
        let mut dropped = 0;
        let mut after = String::new();
        loop {
            let tenants = self.tenants_behind(&after).await?;
            let Some(last) = tenants.last() else { return Ok(dropped) };
            last.as_str().clone_into(&mut after);
            for tenant in tenants {
                let reader = self.tenant(&tenant);
                while let Some(to) = reader.oldest_events(limit).await? {
                    let writer = self.begin(&tenant).await?;
                    let began = Instant::now();
                    dropped += writer.drop_events(to).await?;
                    writer.commit().await?;
                    tokio::time::sleep(began.elapsed()).await;
                }
            }
        }
    }

    /// Deletes entries about reads that are older than their tenant's retention. Returns how many.
    pub async fn prune_reads(&self, now: Timestamp) -> Result<u64> {
        let mut dropped = 0;
        let mut after = String::new();
        loop {
            let tenants = self.tenants_behind(&after).await?;
            let Some(last) = tenants.last() else { return Ok(dropped) };
            last.as_str().clone_into(&mut after);
            for tenant in tenants {
                let reader = self.tenant(&tenant);
                let limit = now.before(reader.settings().await?.choices.read_audit_retention());
                while let Some(to) = reader.oldest_reads(limit).await? {
                    let writer = self.begin(&tenant).await?;
                    let began = Instant::now();
                    dropped += writer.drop_reads(&to).await?;
                    writer.commit().await?;
                    tokio::time::sleep(began.elapsed()).await;
                }
            }
        }
    }

    /// Deletes what is still stored about messages in the mailboxes of deleted agents, except where archived ones were. Returns how many rows.
    pub async fn drop_leftovers(&self) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let next = agent_leftover::Entity::find().one(&self.inner.read).await.map_err(store_error)?;
            let Some(agent_leftover::Model { tenant_id, agent_id }) = next else {
                return Ok(dropped);
            };
            let (tenant, agent) = (TenantId::from(tenant_id), AgentId::from(agent_id));
            let mut from = Some((String::new(), Vec::new()));
            while let Some(after) = from {
                let mut writer = self.begin(&tenant).await?;
                let began = Instant::now();
                let (gone, next) = writer.drop_items(&agent, after).await?;
                writer.commit().await?;
                dropped += gone;
                from = next;
                tokio::time::sleep(began.elapsed()).await;
            }
        }
    }

    /// Deletes login attempts that have expired. Returns how many.
    pub async fn drop_attempts(&self, now: Timestamp) -> Result<u64> {
        use login_attempt::Column;
        let oldest = Query::select()
            .columns([Column::TenantId, Column::Id])
            .from(login_attempt::Entity)
            .and_where(Column::ExpireTime.lt(now.0))
            .order_by(Column::ExpireTime, Order::Asc)
            .limit(STRETCH)
            .to_owned();
        let mut dropped = 0;
        loop {
            let began = Instant::now();
            let gone = login_attempt::Entity::delete_many()
                .filter(Expr::tuple([Expr::col(Column::TenantId), Expr::col(Column::Id)]).in_subquery(oldest.clone()))
                .exec(&self.inner.write)
                .await
                .map_err(store_error)?
                .rows_affected;
            dropped += gone;
            if gone < STRETCH {
                return Ok(dropped);
            }
            tokio::time::sleep(began.elapsed()).await;
        }
    }

    /// Tenants with a log, in order: all that have anything to delete.
    async fn tenants_behind(&self, after: &str) -> Result<Vec<TenantId>> {
        let tenants: Vec<String> = tenant_position::Entity::find()
            .select_only()
            .column(tenant_position::Column::TenantId)
            .filter(tenant_position::Column::TenantId.gt(after))
            .order_by_asc(tenant_position::Column::TenantId)
            .limit(TENANTS)
            .into_tuple()
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(tenants.into_iter().map(TenantId::from).collect())
    }
}

impl super::Reader {
    /// The position up to which the oldest events were written before `limit`. No transaction is begun for a tenant without any.
    async fn oldest_events(&self, limit: Timestamp) -> Result<Option<i64>> {
        let rows: Vec<(i64, i64)> = event::Entity::find()
            .select_only()
            .columns([event::Column::Position, event::Column::Time])
            .filter(event::Column::TenantId.eq(self.tenant.as_str()))
            .order_by_asc(event::Column::Position)
            .limit(STRETCH)
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(end_of_old(rows, limit))
    }

    /// The id up to which the oldest entries about reads are older than `limit`.
    async fn oldest_reads(&self, limit: Timestamp) -> Result<Option<String>> {
        let rows: Vec<(String, i64)> = audit_read::Entity::find()
            .select_only()
            .columns([audit_read::Column::Id, audit_read::Column::Time])
            .filter(audit_read::Column::TenantId.eq(self.tenant.as_str()))
            .order_by_asc(audit_read::Column::Id)
            .limit(STRETCH)
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(end_of_old(rows, limit))
    }
}

/// The key of the last of those rows in front that are older than `limit`; each is given with its time.
fn end_of_old<K>(rows: Vec<(K, i64)>, limit: Timestamp) -> Option<K> {
    let old = rows.into_iter().take_while(|(_, time)| *time < limit.0).last();
    old.map(|(key, _)| key)
}

impl Writer {
    async fn drop_events(&self, to: i64) -> Result<u64> {
        let result = event::Entity::delete_many()
            .filter(event::Column::TenantId.eq(self.tenant.as_str()))
            .filter(event::Column::Position.lte(to))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        tenant_position::Entity::update_many()
            .col_expr(tenant_position::Column::Oldest, to.into())
            .filter(tenant_position::Column::TenantId.eq(self.tenant.as_str()))
            // Another replica may have pruned further in the meantime; its mark must not move back.
            .filter(tenant_position::Column::Oldest.lt(to))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(result.rows_affected)
    }

    async fn drop_reads(&self, to: &str) -> Result<u64> {
        let result = audit_read::Entity::delete_many()
            .filter(audit_read::Column::TenantId.eq(self.tenant.as_str()))
            .filter(audit_read::Column::Id.lte(to))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(result.rows_affected)
    }

    /// Deletes a batch after a folder and key, and returns where the next one begins; at the end the agent is forgotten.
    async fn drop_items(&mut self, agent: &AgentId, after: (String, Vec<u8>)) -> Result<(u64, Option<(String, Vec<u8>)>)> {
        const END: &str = "SELECT folder, source_key FROM mailbox_item WHERE tenant_id = $1 AND agent_id = $2 \
             AND (folder, source_key) > ($3, $4) ORDER BY folder, source_key LIMIT 1 OFFSET $5";
        // Rows that name an archived message stay: they say in whose mailbox it was.
        const DROP: &str = "DELETE FROM mailbox_item WHERE tenant_id = $1 AND agent_id = $2 \
             AND (folder, source_key) > ($3, $4) AND message_number IS NULL";
        let backend = self.conn.get_database_backend();
        let (tenant, (folder, key)) = (self.tenant.to_string(), after);
        let from = || {
            [
                tenant.clone().into(),
                agent.as_str().into(),
                folder.clone().into(),
                key.clone().into(),
            ]
        };
        let [a, b, c, d] = from();
        let offset = i64::try_from(STRETCH - 1).expect("it is small");
        let end = Statement::from_sql_and_values(backend, END, [a, b, c, d, offset.into()]);
        let end = self.conn.query_one_raw(end).await.map_err(store_error)?;
        let end: Option<(String, Vec<u8>)> = end.map(|row| row.try_get_many_by_index()).transpose().map_err(store_error)?;
        let [a, b, c, d] = from();
        let drop = match end.clone() {
            Some((folder, key)) => {
                let sql = format!("{DROP} AND (folder, source_key) <= ($5, $6)");
                Statement::from_sql_and_values(backend, sql, [a, b, c, d, folder.into(), key.into()])
            }
            None => Statement::from_sql_and_values(backend, DROP, [a, b, c, d]),
        };
        let dropped = self.conn.execute_raw(drop).await.map_err(store_error)?.rows_affected();
        if end.is_none() {
            agent_leftover::Entity::delete_by_id((tenant, agent.to_string()))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
        }
        Ok((dropped, end))
    }
}
