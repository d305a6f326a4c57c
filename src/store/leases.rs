//! Leases: who does a piece of work that only one may do at a time.
//!
//! They expire by the clock of the database, which all replicas share: a replica whose own clock is wrong neither takes what others hold nor
//! keeps what it has lost. Each change of holder increments a fencing number. What is written under a lease is written in a transaction that
//! checks that number, so a holder that stalled and lost the lease writes nothing.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr},
};

use super::{Store, Writer, entity::lease, store_error};
use crate::domain::{AgentId, Error, Result, TenantId};

/// Ids in one condition of a statement.
const EXCLUDED: usize = 1000;
/// Rows that one statement removes.
const STRETCH: u64 = 500;
/// How long an expired lease is kept, with its fencing number: longer than any holder can be stalled and still write afterwards.
const REMEMBERED: Duration = Duration::from_hours(24);

/// What is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// Reading an agent's mailbox. Signals: 1 to check it, 2 to check its subscriptions too.
    Mailbox,
    /// Renewing a login's tokens.
    Login,
    /// Only says that a replica is alive; the id is its name.
    Replica,
}

impl LeaseKind {
    fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Login => "login",
            Self::Replica => "replica",
        }
    }
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseKey<'a> {
    /// What is leased.
    pub kind: LeaseKind,
    /// Whose it is. `None` for what belongs to no tenant.
    pub tenant: Option<&'a TenantId>,
    /// Which one it is.
    pub id: &'a str,
}

impl<'a> LeaseKey<'a> {
    fn tenant_column(self) -> &'a str {
        self.tenant.map_or("", TenantId::as_str)
    }

    /// To read an agent's mailbox.
    pub fn mailbox(tenant: &'a TenantId, agent: &'a AgentId) -> Self {
        Self {
            kind: LeaseKind::Mailbox,
            tenant: Some(tenant),
            id: agent.as_str(),
        }
    }
}

/// How a lease is taken.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTerms<'a> {
    /// Who takes it.
    pub holder: &'a str,
    /// How long it lasts.
    pub span: Duration,
    /// How long another holder's must have been expired: longer for a replica that should leave it to others.
    pub grace: Duration,
}

impl Store {
    /// Takes or renews a lease. Returns its fencing number; `None` while somebody else holds it.
    pub async fn take_lease(&self, key: LeaseKey<'_>, terms: LeaseTerms<'_>) -> Result<Option<i64>> {
        use lease::Column;
        let now = self.database_clock();
        let own = |column: Column| Expr::col((lease::Entity, column));
        let is_over = own(Column::Until).lt(now.clone().sub(micros(terms.grace)));
        let is_mine = own(Column::Holder).eq(terms.holder);
        let fence = Expr::case(is_mine.clone(), own(Column::Fence)).finally(own(Column::Fence).add(1));
        let conflict = OnConflict::columns([Column::Kind, Column::TenantId, Column::Id])
            .update_columns([Column::Holder, Column::Until])
            .value(Column::Fence, fence)
            .action_and_where(is_mine.or(is_over))
            .to_owned();
        let mut insert = Query::insert();
        insert
            .into_table(lease::Entity)
            .columns([
                Column::Kind,
                Column::TenantId,
                Column::Id,
                Column::Holder,
                Column::Until,
                Column::Fence,
                Column::Signal,
            ])
            .values_panic([
                key.kind.name().into(),
                key.tenant_column().into(),
                key.id.into(),
                terms.holder.into(),
                now.add(micros(terms.span)),
                1_i64.into(),
                0_i32.into(),
            ])
            .on_conflict(conflict)
            .returning_col(Column::Fence);
        let row = self.inner.control.query_one(&insert).await.map_err(store_error)?;
        row.map(|row| row.try_get_by_index(0).map_err(store_error)).transpose()
    }

    /// Renews all leases of a kind that a holder has, except those of some ids, on which its work is stuck. Expired ones are included,
    /// as long as nobody else has taken them.
    pub async fn prolong_leases(&self, kind: LeaseKind, holder: &str, span: Duration, but: &[&str]) -> Result<()> {
        use lease::Column;
        let mut leases = lease::Entity::update_many()
            .col_expr(Column::Until, self.database_clock().add(micros(span)))
            .filter(Column::Kind.eq(kind.name()))
            .filter(Column::Holder.eq(holder));
        for but in but.chunks(EXCLUDED) {
            leases = leases.filter(Column::Id.is_not_in(but.iter().copied()));
        }
        leases.exec(&self.inner.control).await.map_err(store_error)?;
        Ok(())
    }

    /// Releases a lease. Returns whether the holder had it.
    pub async fn release_lease(&self, key: LeaseKey<'_>, holder: &str) -> Result<bool> {
        Ok(self.release(holder, Some(key)).await? == 1)
    }

    /// Releases all leases of a replica that stops, or that died before it was restarted.
    pub async fn release_leases(&self, holder: &str) -> Result<()> {
        self.release(holder, None).await.map(|_| ())
    }

    /// One lease, or all.
    async fn release(&self, holder: &str, key: Option<LeaseKey<'_>>) -> Result<u64> {
        let mut leases = lease::Entity::update_many()
            .col_expr(lease::Column::Holder, "".into())
            // Expired at once, but still kept for a while.
            .col_expr(lease::Column::Until, self.database_clock().sub(1))
            .filter(lease::Column::Holder.eq(holder));
        if let Some(key) = key {
            leases = leases.filter(this(key));
        }
        let released = leases.exec(&self.inner.control).await.map_err(store_error)?;
        Ok(released.rows_affected)
    }

    /// How many leases of a kind have not expired.
    pub async fn count_leases(&self, kind: LeaseKind) -> Result<u64> {
        lease::Entity::find()
            .filter(lease::Column::Kind.eq(kind.name()))
            .filter(Expr::col(lease::Column::Until).gte(self.database_clock()))
            .count(&self.inner.control)
            .await
            .map_err(store_error)
    }

    /// Leaves a signal for the holder of a lease, unless there is a greater one.
    pub async fn signal_holder(&self, kind: LeaseKind, id: &str, signal: i32) -> Result<()> {
        use lease::Column;
        lease::Entity::update_many()
            .col_expr(Column::Signal, signal.into())
            .filter(Column::Kind.eq(kind.name()))
            .filter(Column::Id.eq(id))
            .filter(Column::Signal.lt(signal))
            .exec(&self.inner.control)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Takes the signals that were left for a holder since the last time, each with the id of the lease.
    pub async fn take_signals(&self, kind: LeaseKind, holder: &str) -> Result<Vec<(String, i32)>> {
        use lease::Column;
        let mine = lease::Entity::find()
            .select_only()
            .columns([Column::Id, Column::Signal])
            .filter(Column::Kind.eq(kind.name()))
            .filter(Column::Holder.eq(holder))
            .filter(Column::Signal.gt(0))
            .into_tuple::<(String, i32)>()
            .all(&self.inner.control)
            .await
            .map_err(store_error)?;
        for (id, signal) in &mine {
            // Signals that arrived in between are left for the next time.
            lease::Entity::update_many()
                .col_expr(Column::Signal, 0_i32.into())
                .filter(Column::Kind.eq(kind.name()))
                .filter(Column::Id.eq(id))
                .filter(Column::Holder.eq(holder))
                .filter(Column::Signal.eq(*signal))
                .exec(&self.inner.control)
                .await
                .map_err(store_error)?;
        }
        Ok(mine)
    }

    /// Deletes leases that expired a day ago. Returns how many.
    pub async fn drop_leases(&self) -> Result<u64> {
        use lease::Column;
        let mut dropped = 0;
        loop {
            let over = Expr::col(Column::Until).lt(self.database_clock().sub(micros(REMEMBERED)));
            let old: Vec<(String, String, String)> = lease::Entity::find()
                .select_only()
                .columns([Column::Kind, Column::TenantId, Column::Id])
                .filter(over.clone())
                .limit(STRETCH)
                .into_tuple()
                .all(&self.inner.read)
                .await
                .map_err(store_error)?;
            if old.is_empty() {
                return Ok(dropped);
            }
            for (kind, tenant, id) in old {
                let gone = lease::Entity::delete_by_id((kind, tenant, id))
                    .filter(over.clone())
                    .exec(&self.inner.control)
                    .await
                    .map_err(store_error)?;
                dropped += gone.rows_affected;
            }
        }
    }

    /// The time by the database's clock, in microseconds since 1970.
    fn database_clock(&self) -> SimpleExpr {
        if self.is_postgres() {
            Expr::cust("CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
        } else {
            Expr::cust("CAST(unixepoch('subsec') * 1000000 AS INTEGER)")
        }
    }
}

impl Writer {
    /// Ensures, until this transaction ends, that a lease has not changed its holder since it was taken with this fencing number.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Stale`] when it has; the database's.
    pub async fn check_lease(&self, key: LeaseKey<'_>, fence: i64) -> Result<()> {
        let mut query = lease::Entity::find().select_only().column(lease::Column::Fence).filter(this(key));
        if self.store.is_postgres() {
            query = query.lock_shared();
        }
        let now: Option<i64> = query.into_tuple().one(&self.conn).await.map_err(store_error)?;
        if now == Some(fence) {
            return Ok(());
        }
        Err(Error::stale(format!("the lease of {} {}", key.kind.name(), key.id)))
    }
}

fn this(key: LeaseKey<'_>) -> SimpleExpr {
    lease::Column::Kind
        .eq(key.kind.name())
        .and(lease::Column::TenantId.eq(key.tenant_column()))
        .and(lease::Column::Id.eq(key.id))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
