//! The audit log of settings.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::{TenantStore, Writer, corrupt, entity::audit_entry, store_error, to_json};
use crate::domain::{AuditAction, AuditEntry, Result, Timestamp};

/// Chooses audit entries. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only changes of this resource.
    pub resource: Option<String>,
    /// Only changes by this user.
    pub user: Option<String>,
    /// Only changes at or after this time.
    pub start: Option<Timestamp>,
    /// Only changes before this time.
    pub end: Option<Timestamp>,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Lists audit entries before the id `before`, newest first. An empty `before` begins with the newest.
    ///
    /// # Errors
    /// As the database's.
    pub async fn audit_entries(&self, filter: &AuditFilter, before: &str, limit: u64) -> Result<Vec<AuditEntry>> {
        use audit_entry::Column;
        let mut query = audit_entry::Entity::find()
            .filter(Column::TenantId.eq(&*self.tenant))
            .order_by_desc(Column::Id)
            .limit(limit);
        if !before.is_empty() {
            query = query.filter(Column::Id.lt(before));
        }
        if let Some(resource) = &filter.resource {
            query = query.filter(Column::Resource.eq(resource));
        }
        if let Some(user) = &filter.user {
            query = query.filter(Column::UserId.eq(user));
        }
        if let Some(start) = filter.start {
            query = query.filter(Column::Time.gte(start.0));
        }
        if let Some(end) = filter.end {
            query = query.filter(Column::Time.lt(end.0));
        }
        let rows = query.all(&self.conn).await.map_err(store_error)?;
        rows.into_iter().map(to_entry).collect()
    }
}

impl Writer {
    /// Adds an entry to the audit log.
    ///
    /// # Errors
    /// As the database's.
    pub async fn insert_audit_entry(&mut self, entry: &AuditEntry) -> Result<()> {
        let row = audit_entry::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            id: Set(entry.id.clone()),
            time: Set(entry.time.0),
            user_id: Set(entry.user.clone()),
            resource: Set(entry.resource.clone()),
            action: Set(entry.action.as_str().to_owned()),
            changes: Set(to_json(&entry.changes)),
        };
        audit_entry::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

fn to_entry(row: audit_entry::Model) -> Result<AuditEntry> {
    Ok(AuditEntry {
        action: AuditAction::parse(&row.action).ok_or_else(|| corrupt("audit_entry", "action", &row.id))?,
        changes: serde_json::from_str(&row.changes).map_err(|_| corrupt("audit_entry", "changes", &row.id))?,
        id: row.id,
        time: Timestamp(row.time),
        user: row.user_id,
        resource: row.resource,
    })
}
