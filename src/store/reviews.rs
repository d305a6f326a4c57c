//! Changes of logins whose agents still wait for the health that follows.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::OnConflict};

use super::{Store, Writer, entity::agent_review, store_error};
use crate::domain::{LoginChange, Result, TenantId};

impl Store {
    /// Changes of all tenants, with their tenants. One that cannot be read is logged and left out.
    pub async fn agent_reviews(&self, limit: u64) -> Result<Vec<(TenantId, LoginChange)>> {
        let rows = agent_review::Entity::find()
            .order_by_asc(agent_review::Column::TenantId)
            .order_by_asc(agent_review::Column::Change)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        let read = rows.into_iter().filter_map(|row| {
            let change = LoginChange::parse(&row.change);
            if change.is_none() {
                tracing::error!(tenant = row.tenant_id, change = row.change, "a change of logins cannot be read");
            }
            Some((row.tenant_id.into(), change?))
        });
        Ok(read.collect())
    }
}

impl Writer {
    /// The agent up to which a change has been reviewed. `None`: there is nothing left to review.
    pub async fn agent_review(&self, change: &LoginChange) -> Result<Option<String>> {
        let id = (self.tenant.to_string(), change.to_string());
        let row = agent_review::Entity::find_by_id(id).one(&self.conn).await.map_err(store_error)?;
        Ok(row.map(|row| row.done_to))
    }

    /// Records up to which agent a change has been reviewed; `None`: to its end.
    pub async fn set_agent_review(&mut self, change: &LoginChange, done_to: Option<&str>) -> Result<()> {
        use agent_review::Column;
        let Some(done_to) = done_to else {
            let done = agent_review::Entity::delete_many()
                .filter(Column::TenantId.eq(self.tenant.as_str()))
                .filter(Column::Change.eq(change.to_string()));
            done.exec(&self.conn).await.map_err(store_error)?;
            return Ok(());
        };
        let row = agent_review::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            change: Set(change.to_string()),
            done_to: Set(done_to.to_owned()),
        };
        let moved = OnConflict::columns([Column::TenantId, Column::Change])
            .update_column(Column::DoneTo)
            .to_owned();
        agent_review::Entity::insert(row)
            .on_conflict(moved)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
