//! Which replica reads a mailbox.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    domain::{Result, Timestamp},
    store::{Store, entity::mailbox_lease, store_error},
};

/// Agents in one condition of a statement.
const EXCLUDED: usize = 1000;

impl Store {
    /// Takes or prolongs the right to read a mailbox. Returns false while another replica has it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn lease_mailbox(&self, tenant: &str, agent: &str, holder: &str, now: Timestamp, until: Timestamp) -> Result<bool> {
        use mailbox_lease::Column;
        let row = mailbox_lease::ActiveModel {
            tenant_id: Set(tenant.to_owned()),
            agent_id: Set(agent.to_owned()),
            holder: Set(holder.to_owned()),
            until: Set(until.0),
            woken: Set(0),
        };
        let free = |column: Column| Expr::col((mailbox_lease::Entity, column));
        let conflict = OnConflict::columns([Column::TenantId, Column::AgentId])
            .update_columns([Column::Holder, Column::Until])
            .action_and_where(free(Column::Holder).eq(holder).or(free(Column::Until).lt(now.0)))
            .to_owned();
        let written = mailbox_lease::Entity::insert_many([row])
            .on_conflict(conflict)
            .exec_without_returning(&self.inner.control)
            .await
            .map_err(store_error)?;
        Ok(written == 1)
    }

    /// Prolongs the right to all mailboxes that a replica has, but for those of some agents, on which its work is stuck.
    ///
    /// # Errors
    /// As the database's.
    pub async fn prolong_leases(&self, holder: &str, stuck: &[String], until: Timestamp) -> Result<()> {
        use mailbox_lease::Column;
        let mut leases = mailbox_lease::Entity::update_many()
            .col_expr(Column::Until, until.0.into())
            .filter(Column::Holder.eq(holder));
        for stuck in stuck.chunks(EXCLUDED) {
            leases = leases.filter(Column::AgentId.is_not_in(stuck));
        }
        leases.exec(&self.inner.control).await.map_err(store_error)?;
        Ok(())
    }

    /// Has an agent's mailbox looked at by the replica that reads it, and with `renew` its subscriptions too.
    ///
    /// # Errors
    /// As the database's.
    pub async fn wake_mailbox(&self, agent: &str, renew: bool) -> Result<()> {
        use mailbox_lease::Column;
        let woken = if renew { 2 } else { 1 };
        mailbox_lease::Entity::update_many()
            .col_expr(Column::Woken, woken.into())
            .filter(Column::AgentId.eq(agent))
            .filter(Column::Woken.lt(woken))
            .exec(&self.inner.control)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// The agents whose mailboxes this replica was asked to look at since the last time, each with whether its subscriptions are meant too.
    ///
    /// # Errors
    /// As the database's.
    pub async fn woken_mailboxes(&self, holder: &str) -> Result<Vec<(String, bool)>> {
        use mailbox_lease::Column;
        let mine = mailbox_lease::Entity::find()
            .select_only()
            .columns([Column::AgentId, Column::Woken])
            .filter(Column::Holder.eq(holder))
            .filter(Column::Woken.gt(0))
            .into_tuple::<(String, i32)>()
            .all(&self.inner.control)
            .await
            .map_err(store_error)?;
        for (agent, woken) in &mine {
            // What came in between is for the next time.
            mailbox_lease::Entity::update_many()
                .col_expr(Column::Woken, 0.into())
                .filter(Column::AgentId.eq(agent))
                .filter(Column::Holder.eq(holder))
                .filter(Column::Woken.eq(*woken))
                .exec(&self.inner.control)
                .await
                .map_err(store_error)?;
        }
        Ok(mine.into_iter().map(|(agent, woken)| (agent, woken == 2)).collect())
    }

    /// Gives up a mailbox on which a replica's work is stuck. Returns whether the replica had it.
    ///
    /// # Errors
    /// See [`Self::prolong_leases`].
    pub async fn release_mailbox(&self, agent: &str, holder: &str) -> Result<bool> {
        let deleted = mailbox_lease::Entity::delete_many()
            .filter(mailbox_lease::Column::AgentId.eq(agent))
            .filter(mailbox_lease::Column::Holder.eq(holder))
            .exec(&self.inner.control)
            .await
            .map_err(store_error)?;
        Ok(deleted.rows_affected > 0)
    }

    /// Gives up all mailboxes of a replica that stops, or that died before it was started again.
    ///
    /// # Errors
    /// As the database's.
    pub async fn release_mailboxes(&self, holder: &str) -> Result<()> {
        mailbox_lease::Entity::delete_many()
            .filter(mailbox_lease::Column::Holder.eq(holder))
            .exec(&self.inner.control)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
