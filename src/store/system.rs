//! Reads over all tenants, for schedulers alone.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::ExprTrait};

use super::{Store, agents::to_agent, entity::agent, store_error};
use crate::domain::{Agent, Result};

impl Store {
    /// Lists the agents of all tenants that are not paused, with their tenants, behind `after`.
    ///
    /// # Errors
    /// As the database's.
    pub async fn system_agents(&self, after: (&str, &str), limit: u64) -> Result<Vec<(String, Agent)>> {
        use agent::Column;
        let (tenant, id) = after;
        let behind = Column::TenantId.gt(tenant).or(Column::TenantId.eq(tenant).and(Column::Id.gt(id)));
        let rows = agent::Entity::find()
            .filter(behind)
            .filter(Column::Disabled.eq(false))
            .filter(Column::CaseSweep.eq(true).or(Column::Archive.eq(true)))
            .order_by_asc(Column::TenantId)
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().map(|row| (row.tenant_id.clone(), to_agent(row))).collect())
    }
}
