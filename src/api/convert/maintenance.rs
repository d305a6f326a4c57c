//! Maintenance accounts.

use super::{
    Update,
    agent::{kind, password_change, requested_kind},
    id, login, time, violation,
};
use crate::{
    api::{
        mask::{Fields, Mask},
        v1,
    },
    crypto::Secret,
    domain::{MaintenanceAccountId, MaintenanceSettings, PasswordChange, Result, Violation},
    ops::maintenance::{MaintenancePatch, MaintenanceView, maintenance_etag},
};

/// Paths of an account beside those of its settings.
const OTHER_PATHS: &[&str] = &[
    "name",
    "password",
    "password_set",
    "agent_count",
    "authentication",
    "problem",
    "create_time",
    "update_time",
    "etag",
];

pub(in crate::api) fn account(view: MaintenanceView) -> v1::MaintenanceAccount {
    let MaintenanceView {
        account,
        agents,
        authentication,
    } = view;
    let etag = maintenance_etag(&account);
    v1::MaintenanceAccount {
        name: account.id.name(),
        display_name: account.settings.display_name,
        kind: kind(account.settings.kind).into(),
        endpoint: account.settings.endpoint,
        username: account.settings.username,
        password: String::new(),
        password_set: account.password_set,
        agent_count: i32::try_from(agents).unwrap_or(i32::MAX),
        problem: account.problem,
        login_address: account.settings.login_address,
        authentication: authentication.map(login::authentication),
        create_time: time(account.created),
        update_time: time(account.updated),
        etag,
    }
}

/// What a new account is to be. Malformed values are kept in the patch, for the operation to report with the rest.
pub(in crate::api) fn new_account(account: Option<v1::MaintenanceAccount>) -> MaintenancePatch {
    let mut account = account.unwrap_or_default();
    let password = take_password(&mut account);
    let mut violations = Vec::new();
    if !account.name.is_empty() {
        violations.push(violation("maintenance_account.name", "must be empty: the service chooses it."));
    }
    patch(account, password, &Mask::All, violations)
}

/// Which account is to change, its etag as it was read, and what changes.
///
/// # Errors
/// A violation when there is no account or its name is malformed.
pub(in crate::api) fn changed_account(
    request: v1::UpdateMaintenanceAccountRequest,
) -> Result<Update<MaintenanceAccountId, MaintenancePatch>> {
    let mut account = request.maintenance_account.unwrap_or_default();
    let password = take_password(&mut account);
    let id = id("maintenance_account.name", &account.name)?;
    let etag = account.etag.clone();
    let known = [MaintenanceSettings::FIELDS, OTHER_PATHS].concat();
    let (mask, violations) = Mask::new(request.update_mask, &known);
    let patch = patch(account, password, &mask, violations);
    Ok(Update { id, etag, patch })
}

/// The password of a request. It is taken out first, so that it is erased whatever happens to the rest.
fn take_password(account: &mut v1::MaintenanceAccount) -> Secret {
    std::mem::take(&mut account.password).into()
}

fn patch(account: v1::MaintenanceAccount, password: Secret, mask: &Mask, mut violations: Vec<Violation>) -> MaintenancePatch {
    let mut fields = Fields::new(mask);
    let kind_wanted = mask.pick("kind", (), account.kind != 0).is_some();
    let kind = requested_kind("maintenance_account.kind", account.kind, kind_wanted, &mut violations);
    let password = password_change(mask, "password", password);
    let wanted = MaintenanceSettings {
        display_name: fields.text("display_name", account.display_name),
        kind: fields.value("kind", kind, account.kind != 0),
        endpoint: fields.text("endpoint", account.endpoint),
        username: fields.text("username", account.username),
        login_address: fields.text("login_address", account.login_address),
    };
    violations.extend(mask.missing(!matches!(password, PasswordChange::Keep) || !fields.picked.is_empty()));
    MaintenancePatch {
        wanted,
        fields: fields.picked,
        password,
        violations,
    }
}
