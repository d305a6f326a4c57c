//! Messages that were in preparation when a process died.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{TenantStore, Writer, entity::suspect, store_error};
use crate::domain::{AgentId, Result, Timestamp};

/// More suspects of an agent are never read: a process prepares a few messages at a time.
const MOST: u64 = 10_000;

impl<C: ConnectionTrait> TenantStore<C> {
    /// How often each suspect of an agent (empty: of imports) was in preparation when a process died, by its source key.
    pub async fn suspects(&self, agent: &AgentId) -> Result<HashMap<Vec<u8>, i32>> {
        use suspect::Column;
        let rows = suspect::Entity::find()
            .select_only()
            .columns([Column::SourceKey, Column::Deaths])
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(agent.as_str()))
            .limit(MOST)
            .into_tuple::<(Vec<u8>, i32)>()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().collect())
    }
}

impl Writer {
    /// Counts one more death of a process during the preparation of a message.
    pub async fn add_suspect(&mut self, agent: &AgentId, source_key: &[u8], now: Timestamp) -> Result<()> {
        use suspect::Column;
        let row = suspect::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            agent_id: Set(agent.to_string()),
            source_key: Set(source_key.to_vec()),
            deaths: Set(1),
            update_time: Set(now.0),
        };
        let again = OnConflict::columns([Column::TenantId, Column::AgentId, Column::SourceKey])
            .value(Column::Deaths, Expr::col((suspect::Entity, Column::Deaths)).add(1))
            .update_column(Column::UpdateTime)
            .to_owned();
        suspect::Entity::insert_many([row])
            .on_conflict(again)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Removes suspects of an agent that turned out to be harmless.
    pub async fn forget_suspects(&mut self, agent: &AgentId, source_keys: &[Vec<u8>]) -> Result<()> {
        use suspect::Column;
        suspect::Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(agent.as_str()))
            .filter(Column::SourceKey.is_in(source_keys.iter().cloned()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Removes all suspects of an agent.
    pub(super) async fn forget_suspects_of(&mut self, agent: &AgentId) -> Result<()> {
        use suspect::Column;
        suspect::Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(agent.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
