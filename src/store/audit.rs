//! The audit log: changes of settings, and who read which message.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::OnConflict};

use super::{
    Store, TenantStore, Writer, corrupt,
    entity::{audit_entry, audit_read},
    rows::insert_all,
    store_error, stored,
};
use crate::domain::{AuditAction, AuditEntry, AuditFilter, AuditKind, Result, TenantId, Timestamp, UserId};

/// That somebody read a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyRead {
    /// Whose data it is.
    pub tenant: TenantId,
    /// A ULID: in the order of time.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// The CRM's id of who did it.
    pub user: UserId,
    /// The message's or note's name.
    pub resource: String,
    /// The method that returned it.
    pub method: &'static str,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Lists audit entries before the id `before`, newest first. An empty `before` begins with the newest.
    pub async fn audit_entries(&self, filter: &AuditFilter, before: &str, limit: u64) -> Result<Vec<AuditEntry>> {
        let mut entries = Vec::new();
        if filter.kind != AuditKind::Reads {
            entries.extend(self.changes(filter, before, limit).await?);
        }
        if filter.kind != AuditKind::Changes {
            entries.extend(self.reads(filter, before, limit).await?);
        }
        // Both have ids of the same kind, and each list has at least what it adds to the page.
        entries.sort_by(|one, other| other.id.cmp(&one.id));
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(entries)
    }

    async fn changes(&self, filter: &AuditFilter, before: &str, limit: u64) -> Result<Vec<AuditEntry>> {
        use audit_entry::Column;
        let rows = audit_entry::Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(chosen(filter, before, [Column::Id, Column::Resource, Column::UserId, Column::Time]))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(to_entry).collect()
    }

    async fn reads(&self, filter: &AuditFilter, before: &str, limit: u64) -> Result<Vec<AuditEntry>> {
        use audit_read::Column;
        let rows = audit_read::Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(chosen(filter, before, [Column::Id, Column::Resource, Column::UserId, Column::Time]))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().map(read_entry).collect())
    }
}

impl Store {
    /// Adds entries about reads, of any tenants; existing ones are kept.
    ///
    /// # Errors
    /// The database's; nothing is added then.
    pub async fn insert_reads(&self, reads: &[BodyRead]) -> Result<()> {
        let Some(first) = reads.first() else { return Ok(()) };
        // One transaction for the tenants of all: each row names its own.
        let writer = self.begin(&first.tenant).await?;
        let rows = reads.iter().map(|read| audit_read::ActiveModel {
            tenant_id: Set(read.tenant.to_string()),
            id: Set(read.id.clone()),
            time: Set(read.time.0),
            user_id: Set(read.user.to_string()),
            resource: Set(read.resource.clone()),
            method: Set(read.method.to_owned()),
        });
        let key = [audit_read::Column::TenantId, audit_read::Column::Id];
        let keep = OnConflict::columns(key).do_nothing().to_owned();
        insert_all(&writer.conn, rows, Some(keep)).await?;
        writer.commit().await
    }
}

impl Writer {
    /// Adds an entry to the audit log.
    pub async fn insert_audit_entry(&mut self, entry: &AuditEntry) -> Result<()> {
        let row = audit_entry::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            id: Set(entry.id.clone()),
            time: Set(entry.time.0),
            user_id: Set(entry.user.to_string()),
            resource: Set(entry.resource.clone()),
            action: Set(entry.action.as_str().to_owned()),
            changes: Set(stored::write_changes(entry.changes.clone())),
        };
        audit_entry::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

/// The condition for entries that match a filter and come before an id, by their columns.
fn chosen<C: ColumnTrait>(filter: &AuditFilter, before: &str, [id, resource, user, time]: [C; 4]) -> Condition {
    Condition::all()
        .add_option((!before.is_empty()).then(|| id.lt(before)))
        .add_option(filter.resource.as_ref().map(|wanted| resource.eq(wanted)))
        .add_option(filter.user.as_ref().map(|wanted| user.eq(wanted.as_str())))
        .add_option(filter.start.map(|start| time.gte(start.0)))
        .add_option(filter.end.map(|end| time.lt(end.0)))
}

fn to_entry(row: audit_entry::Model) -> Result<AuditEntry> {
    Ok(AuditEntry {
        action: AuditAction::parse(&row.action).ok_or_else(|| corrupt("audit_entry", "action", &row.id))?,
        changes: stored::read_changes(&row.changes, &row.id)?,
        id: row.id,
        time: Timestamp(row.time),
        user: row.user_id.into(),
        resource: row.resource,
        method: String::new(),
    })
}

fn read_entry(row: audit_read::Model) -> AuditEntry {
    AuditEntry {
        id: row.id,
        time: Timestamp(row.time),
        user: row.user_id.into(),
        resource: row.resource,
        action: AuditAction::Read,
        changes: Vec::new(),
        method: row.method,
    }
}
