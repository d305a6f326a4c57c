//! Maintenance accounts: logins at a mailbox server that may act for many mailboxes.

use super::{
    Ops, Violations,
    agents::values,
    audit::{Changes, action_of},
    check_etag, is_address,
    login::{self, AuthenticationView},
    login_health, page_limit,
    requests::RequestId,
};
use crate::{
    crypto::{Place, Secret, etag},
    domain::{
        AgentKind, AuthenticationMethod, Caller, Detail, Error, Kind, LoginChange, LoginSource, MaintenanceAccount, MaintenanceAccountId,
        MaintenanceSettings, Page, PasswordChange, Reason, Result, Scope, TenantChoices, TenantId, Violation,
    },
    store::{Connection, TenantStore, retrying},
};

/// What a request wants to set.
#[derive(Debug, Default)]
pub struct MaintenancePatch {
    /// Settings, of which only those named in `fields` count.
    pub wanted: MaintenanceSettings,
    /// Paths of the settings to take over, of [`MaintenanceSettings::FIELDS`].
    pub fields: Vec<&'static str>,
    /// What becomes of the password.
    pub password: PasswordChange<Secret>,
    /// What is wrong with the request beyond these values, to be told together with what is wrong with them.
    pub violations: Vec<Violation>,
}

/// A maintenance account with what is known of it.
#[derive(Clone, Debug)]
pub struct MaintenanceView {
    /// The account.
    pub account: MaintenanceAccount,
    /// Agents that connect through it.
    pub agents: u64,
    /// Its login by OAuth. `None` where none is used.
    pub authentication: Option<AuthenticationView>,
}

/// Creates a maintenance account.
///
/// # Errors
/// See `AgentService.CreateMaintenanceAccount`.
pub async fn create(ops: &Ops, caller: &Caller, patch: MaintenancePatch, request_id: &str) -> Result<MaintenanceView> {
    caller.need(Scope::AgentWrite)?;
    let now = ops.now();
    let mut settings = MaintenanceSettings::default();
    settings.take(&patch.fields, &patch.wanted);
    let account = MaintenanceAccount {
        id: ops.ids.next().into(),
        settings,
        password_set: patch.password.is_set_after(false),
        problem: String::new(),
        version: 1,
        created: now,
        updated: now,
    };
    let settings = serde_json::to_vec(&account.settings).expect("plain data always has a JSON form");
    let new_password = patch.password.new_password();
    let password = new_password.map_or(&[][..], |password| password.expose().as_bytes());
    let request = RequestId::new(ops, caller, "CreateMaintenanceAccount", request_id, &[&settings, password]).await?;
    let sealed = match new_password {
        Some(password) => Some(seal(ops, &caller.tenant, &account.id, password).await?),
        None => None,
    };
    let earlier = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        if let Some(earlier) = request.earlier(&writer).await? {
            return Ok(Some(earlier));
        }
        let choices = writer.settings().await?.choices;
        let mut violations = Violations(patch.violations.clone());
        RequestId::check(&mut violations, request_id);
        let proposed = Proposed {
            before: None,
            account: &account,
            patch: &patch,
        };
        proposed.check(ops, &choices, &mut violations);
        violations.into_result()?;
        request.remember(ops, &mut writer, account.id.as_str()).await?;
        writer.insert_maintenance_account(&account, sealed.clone()).await?;
        changes(None, Some(&account), account.password_set)
            .record(ops, &mut writer, caller)
            .await?;
        writer.commit().await?;
        Ok(None)
    })
    .await?;
    get(ops, caller, &earlier.map_or(account.id, MaintenanceAccountId::from)).await
}

/// Returns a maintenance account.
///
/// # Errors
/// [`Kind::NotFound`].
pub async fn get(ops: &Ops, caller: &Caller, id: &MaintenanceAccountId) -> Result<MaintenanceView> {
    caller.need(Scope::AgentWrite)?;
    let reader = ops.store.tenant(&caller.tenant);
    let account = reader.maintenance_account(id).await?.ok_or_else(|| Error::not_found(id.name()))?;
    let mut views = views(ops, &reader, vec![account]).await?;
    views.pop().ok_or_else(|| Error::not_found(id.name()))
}

/// Accounts with what is known of them.
async fn views<C: Connection>(ops: &Ops, store: &TenantStore<C>, accounts: Vec<MaintenanceAccount>) -> Result<Vec<MaintenanceView>> {
    let ids: Vec<MaintenanceAccountId> = accounts.iter().map(|account| account.id.clone()).collect();
    let agents = store.maintenance_agents(&ids).await?;
    let modern = store.settings().await?.choices.authentication_method == AuthenticationMethod::Modern;
    let source = |account: &MaintenanceAccount| LoginSource::MaintenanceAccount(account.id.clone());
    let sources: Vec<LoginSource> = accounts.iter().map(source).collect();
    let logins = if modern { store.logins(&sources).await? } else { Vec::new() };
    let view = |(account, agents): (MaintenanceAccount, u64)| {
        let kind = account.settings.kind;
        let authentication = (modern && kind == AgentKind::ExchangeEws).then(|| {
            let login = logins.iter().find(|login| login.source == source(&account)).cloned();
            login::view_of(ops, source(&account), kind.into(), login)
        });
        MaintenanceView {
            account,
            agents,
            authentication,
        }
    };
    Ok(accounts.into_iter().zip(agents).map(view).collect())
}

/// Lists maintenance accounts behind the id `after`, oldest first.
///
/// # Errors
/// See `AgentService.ListMaintenanceAccounts`.
pub async fn list(ops: &Ops, caller: &Caller, after: &str, page_size: i32) -> Result<Page<MaintenanceView>> {
    caller.need(Scope::AgentWrite)?;
    let limit = page_limit(page_size)?;
    let reader = ops.store.tenant(&caller.tenant);
    let accounts = reader.maintenance_accounts(after, limit).await?;
    Ok(Page::new(views(ops, &reader, accounts).await?, limit, |view| {
        view.account.id.to_string()
    }))
}

/// Changes a maintenance account, for all agents that connect through it. Where nothing changes, neither its version does; what a person
/// fixed at the server is tried at once even so.
///
/// # Errors
/// See `AgentService.UpdateMaintenanceAccount`.
pub async fn update(
    ops: &Ops,
    caller: &Caller,
    id: &MaintenanceAccountId,
    expected_etag: &str,
    patch: MaintenancePatch,
) -> Result<MaintenanceView> {
    caller.need(Scope::AgentWrite)?;
    let now = ops.now();
    let sealed = match &patch.password {
        PasswordChange::Keep => PasswordChange::Keep,
        PasswordChange::Erase => PasswordChange::Erase,
        PasswordChange::Set(password) => PasswordChange::Set(seal(ops, &caller.tenant, id, password).await?),
    };
    let view = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let before = writer.maintenance_account(id).await?.ok_or_else(|| Error::not_found(id.name()))?;
        check_etag(&id.name(), &maintenance_etag(&before), expected_etag)?;
        let mut account = before.clone();
        account.settings.take(&patch.fields, &patch.wanted);
        // What the server refused may be right now: the next try tells.
        account.problem.clear();
        account.password_set = sealed.is_set_after(before.password_set);
        let choices = writer.settings().await?.choices;
        let mut violations = Violations(patch.violations.clone());
        let proposed = Proposed {
            before: Some(&before),
            account: &account,
            patch: &patch,
        };
        proposed.check(ops, &choices, &mut violations);
        violations.into_result()?;
        let changes = changes(Some(&before), Some(&account), sealed.is_change(before.password_set));
        if changes.is_empty() {
            writer.set_maintenance_problem(id, account.version, "").await?;
        } else {
            account.version += 1;
            account.updated = now;
            writer.update_maintenance_account(&account, sealed.clone()).await?;
            if !keeps_login(&before, &account) {
                login::end(ops, &mut writer, caller, &LoginSource::MaintenanceAccount(id.to_owned())).await?;
            }
            changes.record(ops, &mut writer, caller).await?;
        }
        login_health::reassess(&mut writer, &LoginChange::Account(id.to_owned()), &choices, now).await?;
        let view = views(ops, &writer, vec![account]).await?.pop();
        writer.commit().await?;
        view.ok_or_else(|| Error::not_found(id.name()))
    })
    .await?;
    ops.logins_changed.notify_one();
    ops.agents_changed.notify_one();
    Ok(view)
}

/// Removes a maintenance account with its credentials.
///
/// # Errors
/// See `AgentService.DeleteMaintenanceAccount`.
pub async fn delete(ops: &Ops, caller: &Caller, id: &MaintenanceAccountId, expected_etag: &str) -> Result<()> {
    caller.need(Scope::AgentWrite)?;
    retrying(|| async {
        // An agent that is given this account at the same time either finds it gone or keeps it.
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let account = writer.maintenance_account(id).await?.ok_or_else(|| Error::not_found(id.name()))?;
        check_etag(&id.name(), &maintenance_etag(&account), expected_etag)?;
        let agents = writer.maintenance_agents(&[id.to_owned()]).await?.pop().unwrap_or(0);
        if agents > 0 {
            let text = format!(
                "{} cannot be deleted while agents connect through it ({agents} currently). Connect them differently first.",
                id.name()
            );
            return Err(Error::new(Kind::Precondition, Reason::MaintenanceAccountInUse, text)
                .with(Detail::Resource, id.name())
                .with(Detail::Agents, agents.to_string()));
        }
        login::end(ops, &mut writer, caller, &LoginSource::MaintenanceAccount(id.to_owned())).await?;
        writer.delete_maintenance_account(id).await?;
        changes(Some(&account), None, account.password_set)
            .record(ops, &mut writer, caller)
            .await?;
        writer.commit().await
    })
    .await
}

/// The account's etag.
pub fn maintenance_etag(account: &MaintenanceAccount) -> String {
    etag(&account.id.name(), account.version)
}

/// Where an account's password is kept.
pub(super) fn password_place(account: &MaintenanceAccountId) -> Place<'_> {
    Place {
        table: "maintenance_account",
        row: account.as_str(),
        column: "password_sealed",
    }
}

/// An account as it is to be.
struct Proposed<'a> {
    /// As it was; `None` for a new one.
    before: Option<&'a MaintenanceAccount>,
    account: &'a MaintenanceAccount,
    patch: &'a MaintenancePatch,
}

impl Proposed<'_> {
    fn check(&self, ops: &Ops, choices: &TenantChoices, violations: &mut Violations) {
        let Self { before, account, patch } = *self;
        let method = choices.authentication_method;
        let MaintenanceSettings {
            display_name,
            kind,
            endpoint,
            username,
            login_address,
        } = &account.settings;
        violations.check(
            values::is_display_name(display_name),
            "maintenance_account.display_name",
            values::DISPLAY_NAME,
        );
        let refused = match before {
            Some(before) if before.settings.kind != *kind => Some("cannot be changed. Create another account."),
            None if *kind == AgentKind::Smtp => {
                Some("must be EXCHANGE_EWS or EXCHANGE_GRAPH: there are no maintenance accounts over SMTP.")
            }
            _ => None,
        };
        if let Some(description) = refused {
            // What the rest may be depends on the kind.
            return violations.add("maintenance_account.kind", description);
        }
        let allow_http = ops.limits.allow_http;
        let judged = before.is_none_or(|before| before.settings.endpoint != *endpoint);
        let judged = judged.then(|| values::allowed(ops, choices));
        let judgement = match (*kind, endpoint.as_str()) {
            (AgentKind::ExchangeGraph, "") => Ok(()),
            (_, "") if is_address(account.settings.address()) => values::discoverable(account.settings.address()),
            (_, "") => values::endpoint(*kind, endpoint, allow_http, judged).map_err(|description| {
                format!("{description} With an address as login_address or username, it is discovered through the domain of that address.")
            }),
            _ => values::endpoint(*kind, endpoint, allow_http, judged),
        };
        if let Err(description) = judgement {
            violations.add("maintenance_account.endpoint", description);
        }
        let required = before.is_none_or(|before| before.settings.username != *username);
        let set = patch.fields.contains(&"username") && required;
        if let Err(description) = values::username(*kind, method, username, set, required) {
            violations.add("maintenance_account.username", description);
        }
        violations.check(
            login_address.is_empty() || (is_address(login_address) && *kind == AgentKind::ExchangeEws),
            "maintenance_account.login_address",
            "must be empty or, for EXCHANGE_EWS, one e-mail address, such as crm-service@example.com.",
        );
        const PASSWORD: &str = "maintenance_account.password";
        if let Some(password) = patch.password.new_password() {
            let refused = values::password_refused(*kind, method);
            violations.check(refused.is_none(), PASSWORD, refused.unwrap_or_default());
            violations.check(
                values::is_password(password.expose()),
                PASSWORD,
                "must have at most 1024 bytes and no control characters.",
            );
        }
        let moved = before.is_some_and(|before| {
            server_of(&before.settings) != server_of(&account.settings) || values::loses_encryption(&before.settings.endpoint, endpoint)
        });
        violations.check(
            !(moved && account.password_set && matches!(patch.password, PasswordChange::Keep)),
            PASSWORD,
            "must be entered again when the endpoint's server changes or encryption is turned off, so that it is never sent to a server or \
             over a connection that it was not intended for.",
        );
    }
}

/// Whether the account's login is still for the same account, and its tokens for the same server.
fn keeps_login(before: &MaintenanceAccount, after: &MaintenanceAccount) -> bool {
    let (before, after) = (&before.settings, &after.settings);
    before.login_address.eq_ignore_ascii_case(&after.login_address)
        && server_of(before) == server_of(after)
        && !values::loses_encryption(&before.endpoint, &after.endpoint)
}

/// What the account's login is meant for.
fn server_of(settings: &MaintenanceSettings) -> Option<(String, u16)> {
    match settings.kind {
        AgentKind::ExchangeEws => values::server_of_ews(&settings.endpoint, settings.address()),
        AgentKind::ExchangeGraph | AgentKind::Smtp => values::server_of_url(&settings.endpoint),
    }
}

async fn seal(ops: &Ops, tenant: &TenantId, account: &MaintenanceAccountId, password: &Secret) -> Result<Vec<u8>> {
    ops.vault.seal(&ops.store, tenant, password_place(account), password).await
}

/// What the audit log tells of a change.
fn changes(before: Option<&MaintenanceAccount>, after: Option<&MaintenanceAccount>, changed_password: bool) -> Changes {
    let settings = |account: Option<&MaintenanceAccount>| account.map(|account| account.settings.clone());
    let resource = after.or(before).map_or_else(String::new, |account| account.id.name());
    Changes::new(action_of(before, after), resource)
        .fields(MaintenanceSettings::FIELDS, settings(before).as_ref(), settings(after).as_ref())
        .secret("password", changed_password)
}
