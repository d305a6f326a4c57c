//! Reads across all tenants, only for schedulers.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::ExprTrait};

use super::{
    Store,
    agents::to_agent,
    entity::{agent, maintenance_account, tenant_settings},
    store_error,
};
use crate::domain::{Agent, Result, TenantId};

/// An agent as a scheduler sees it.
#[derive(Clone, Debug)]
pub struct SystemAgent {
    /// Its tenant.
    pub tenant: TenantId,
    /// The agent.
    pub agent: Agent,
    /// Changes when anything that its connection depends on changes: the agent, its maintenance account, the tenant's settings.
    pub generation: [i64; 3],
}

/// A page of agents of all tenants.
#[derive(Clone, Debug, Default)]
pub struct SystemPage {
    /// The agents, by tenant and id. One whose row cannot be read is logged and omitted.
    pub agents: Vec<SystemAgent>,
    /// Tenant and id after which the next page begins. `None` at the end.
    pub next: Option<(String, String)>,
}

impl Store {
    /// Lists the agents of all tenants that have a mailbox to read and are not paused, after `after`.
    pub async fn system_agents(&self, after: (&str, &str), limit: u64) -> Result<SystemPage> {
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
        let next = rows.last().filter(|_| rows.len() as u64 == limit);
        let next = next.map(|row| (row.tenant_id.clone(), row.id.clone()));
        let accounts = self.account_versions(&rows).await?;
        let settings = self.settings_versions(&rows).await?;
        let mut agents = Vec::with_capacity(rows.len());
        for row in rows {
            let tenant = row.tenant_id.clone();
            match to_agent(row) {
                Ok(agent) => {
                    let account = (tenant.clone(), agent.settings.exchange.maintenance_account.to_string());
                    let generation = [
                        agent.version,
                        accounts.get(&account).copied().unwrap_or(0),
                        settings.get(&tenant).copied().unwrap_or(0),
                    ];
                    agents.push(SystemAgent {
                        tenant: tenant.into(),
                        agent,
                        generation,
                    });
                }
                Err(error) => tracing::error!(error = error.chain(), "an agent is left out"),
            }
        }
        Ok(SystemPage { agents, next })
    }

    async fn account_versions(&self, agents: &[agent::Model]) -> Result<HashMap<(String, String), i64>> {
        use maintenance_account::Column;
        let mut ids: Vec<&str> = agents.iter().map(|row| row.maintenance_account.as_str()).collect();
        ids.retain(|id| !id.is_empty());
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(String, String, i64)> = maintenance_account::Entity::find()
            .select_only()
            .columns([Column::TenantId, Column::Id, Column::Version])
            .filter(Column::Id.is_in(ids))
            .into_tuple()
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().map(|(tenant, id, version)| ((tenant, id), version)).collect())
    }

    async fn settings_versions(&self, agents: &[agent::Model]) -> Result<HashMap<String, i64>> {
        use tenant_settings::Column;
        let mut tenants: Vec<&str> = agents.iter().map(|row| row.tenant_id.as_str()).collect();
        tenants.dedup();
        let rows: Vec<(String, i64)> = tenant_settings::Entity::find()
            .select_only()
            .columns([Column::TenantId, Column::Version])
            .filter(Column::TenantId.is_in(tenants))
            .into_tuple()
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().collect())
    }
}
