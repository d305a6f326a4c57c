//! The audit log: which settings changed, by whom; who read which message is written by `reads`.

use serde::Serialize;
use serde_json::Value;

use super::{Ops, page_limit};
use crate::{
    domain::{AuditAction, AuditEntry, AuditFilter, Caller, FieldChange, Page, Result, Scope},
    store::Writer,
};

/// What the log shows of a secret's new value.
const CHANGED: &str = "changed";
/// The one field that not every administrator may see.
const ARCHIVE: &str = "exchange.archive";

/// Lists audit entries before the id `before`, newest first.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `tenant.admin`.
pub async fn list(ops: &Ops, caller: &Caller, filter: &AuditFilter, before: &str, page_size: i32) -> Result<Page<AuditEntry>> {
    caller.need(Scope::TenantAdmin)?;
    let limit = page_limit(page_size)?;
    let entries = ops.store.tenant(&caller.tenant).audit_entries(filter, before, limit).await?;
    let mut page = Page::new(entries, limit, |entry| entry.id.clone());
    if !caller.may(Scope::ArchiveConfigure) {
        for entry in &mut page.items {
            entry.changes.retain(|change| change.field != ARCHIVE);
        }
        // An entry without a change would still tell who switched the archive of which agent, and when.
        page.items
            .retain(|entry| entry.action == AuditAction::Read || !entry.changes.is_empty());
    }
    Ok(page)
}

/// What changed of a resource, collected before it is written down.
#[derive(Debug)]
pub(super) struct Changes {
    action: AuditAction,
    resource: String,
    fields: Vec<FieldChange>,
}

impl Changes {
    /// None of this resource yet.
    pub(super) fn new(action: AuditAction, resource: impl Into<String>) -> Self {
        Self {
            action,
            resource: resource.into(),
            fields: Vec::new(),
        }
    }

    /// Adds the fields of settings that differ. Where one side does not have a field, be it that there is no such resource (`None`) or that
    /// its kind has no such field, it differs if the other side has a value.
    pub(super) fn fields<T: Serialize>(mut self, fields: &[&str], before: Option<&T>, after: Option<&T>) -> Self {
        let tree = |value: Option<&T>| value.map(|value| serde_json::to_value(value).expect("settings always have a JSON form"));
        let (before, after) = (tree(before), tree(after));
        for field in fields {
            let pointer = format!("/{}", field.replace('.', "/"));
            let at = |tree: &Option<Value>| tree.as_ref()?.pointer(&pointer).cloned();
            let text = |value: Option<Value>| value.as_ref().map_or_else(String::new, text_of);
            self = match (at(&before), at(&after)) {
                (None, Some(value)) | (Some(value), None) if is_nothing(&value) => self,
                (old, new) => self.value(field, text(old), text(new)),
            };
        }
        self
    }

    /// Whether nothing changed.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field if it differs.
    pub(super) fn value(mut self, field: &str, old: impl Into<String>, new: impl Into<String>) -> Self {
        let (old, new) = (old.into(), new.into());
        if old != new {
            let field = field.to_owned();
            self.fields.push(FieldChange { field, old, new });
        }
        self
    }

    /// Adds a secret that was set, replaced or erased.
    pub(super) fn secret(self, field: &str, changed: bool) -> Self {
        self.value(field, "", if changed { CHANGED } else { "" })
    }

    /// Writes them down; nothing when nothing changed.
    pub(super) async fn record(mut self, ops: &Ops, writer: &mut Writer, caller: &Caller) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.fields.sort_by(|one, other| one.field.cmp(&other.field));
        let entry = AuditEntry {
            id: ops.ids.next(),
            time: ops.now(),
            user: caller.user.clone(),
            resource: self.resource,
            action: self.action,
            changes: self.fields,
            method: String::new(),
        };
        writer.insert_audit_entry(&entry).await
    }
}

/// What happened to a resource that was and is like this.
pub(super) fn action_of<T>(before: Option<&T>, after: Option<&T>) -> AuditAction {
    match (before, after) {
        (None, _) => AuditAction::Created,
        (_, None) => AuditAction::Deleted,
        (Some(_), Some(_)) => AuditAction::Updated,
    }
}

/// A field's value as the log shows it.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a field has the value of one that was never set.
fn is_nothing(value: &Value) -> bool {
    matches!(text_of(value).as_str(), "" | "false" | "0" | "[]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentKind, AgentSettings, CaseReferenceFormat, TenantChoices};

    fn none() -> Changes {
        Changes::new(AuditAction::Updated, "agents/1")
    }

    fn change(field: &str, old: &str, new: &str) -> FieldChange {
        FieldChange {
            field: field.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    #[test]
    fn every_field_is_seen_to_change() {
        let mut before = AgentSettings::default();
        before.exchange.archive = true;
        before.smtp.port = 25;
        let mut after = before.clone();
        after.kind = AgentKind::Smtp;
        after.exchange.archive = false;
        after.smtp.port = 587;
        after.from_name = "Anna".to_owned();
        let changes = none().fields(AgentSettings::FIELDS, Some(&before), Some(&after));
        let expected = [
            change("exchange.archive", "true", "false"),
            change("from_name", "", "Anna"),
            change("kind", "exchange_ews", "smtp"),
            change("smtp.port", "25", "587"),
        ];
        assert_eq!(changes.fields, expected);
    }

    #[test]
    fn of_a_new_or_deleted_resource_only_what_has_a_value_is_told() {
        let settings = AgentSettings {
            from_name: "Anna".to_owned(),
            ..AgentSettings::default()
        };
        let fields = |before, after| {
            let changes = none().fields(AgentSettings::FIELDS, before, after).fields;
            changes.into_iter().map(|change| change.field).collect::<Vec<_>>()
        };
        let expected = ["exchange.connection_type", "from_name", "kind", "smtp.security"];
        assert_eq!(fields(None, Some(&settings)), expected);
        assert_eq!(fields(Some(&settings), None), expected);
    }

    #[test]
    fn every_path_leads_to_a_field() {
        let choices = TenantChoices {
            case_reference_format: CaseReferenceFormat::Pattern("(x)".to_owned()),
            ..TenantChoices::default()
        };
        let tree = serde_json::to_value(&choices).unwrap();
        for field in TenantChoices::FIELDS {
            assert!(tree.pointer(&format!("/{field}")).is_some(), "{field}");
        }
        let tree = serde_json::to_value(AgentSettings::default()).unwrap();
        for field in AgentSettings::FIELDS {
            assert!(tree.pointer(&format!("/{}", field.replace('.', "/"))).is_some(), "{field}");
        }
        let mut sorted = AgentSettings::FIELDS.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, AgentSettings::FIELDS);
    }

    #[test]
    fn secrets_show_only_that_they_changed() {
        assert!(none().secret("exchange.password", false).is_empty());
        let told = none().secret("exchange.password", true);
        assert_eq!(told.fields, [change("exchange.password", "", "changed")]);
    }
}
