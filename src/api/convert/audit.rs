//! Audit entries.

use super::{from_time, name, optional_id, time, unknown_value};
use crate::{
    api::v1,
    domain::{AuditAction, AuditEntry, AuditFilter, AuditKind, Error, Result},
};

pub(in crate::api) fn entry(entry: AuditEntry) -> v1::AuditEntry {
    let action = match entry.action {
        AuditAction::Created => v1::AuditAction::Created,
        AuditAction::Updated => v1::AuditAction::Updated,
        AuditAction::Deleted => v1::AuditAction::Deleted,
        AuditAction::Read => v1::AuditAction::Read,
    };
    let changes = entry.changes.into_iter().map(|change| v1::FieldChange {
        field: change.field,
        old_value: change.old,
        new_value: change.new,
    });
    v1::AuditEntry {
        name: name("auditEntries", &entry.id),
        create_time: time(entry.time),
        user: entry.user.name(),
        resource: entry.resource,
        action: action.into(),
        changes: changes.collect(),
        method: entry.method,
    }
}

/// Which entries a list has.
///
/// # Errors
/// A violation for a malformed name, an unknown kind or a time out of range.
pub(in crate::api) fn filter(filter: v1::AuditFilter) -> Result<AuditFilter> {
    if !filter.resource.bytes().all(|byte| byte.is_ascii_graphic()) {
        let description =
            "must be a resource's name, such as agents/{agent}, users/{user}/defaultAgent, tenantSettings or messages/{message}.";
        return Err(Error::invalid_field("filter.resource", description));
    }
    let kind = match v1::AuditKind::try_from(filter.kind) {
        Ok(v1::AuditKind::Unspecified) => AuditKind::Any,
        Ok(v1::AuditKind::Change) => AuditKind::Changes,
        Ok(v1::AuditKind::Read) => AuditKind::Reads,
        Err(_) => return Err(unknown_value("filter.kind")),
    };
    Ok(AuditFilter {
        kind,
        user: optional_id("filter.user", &filter.user)?,
        start: from_time("filter.start_time", filter.start_time)?,
        end: from_time("filter.end_time", filter.end_time)?,
        resource: Some(filter.resource).filter(|resource| !resource.is_empty()),
    })
}
