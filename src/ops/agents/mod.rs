//! Mail agents: their settings, who may see and change them, and their health.
//!
//! | module | holds |
//! |---|---|
//! | `rules` | what an agent's settings may be together |
//! | `values` | what single values may be |
//! | `defaults` | the agent that sends for a user when none is named |

mod defaults;
mod rules;
pub(super) mod values;

use self::rules::Context;
use super::{
    Ops, Violations,
    audit::{Changes, action_of},
    check_etag,
    login::{self, AuthenticationView},
    login_health::{self, Basis},
    page_limit,
    requests::RequestId,
};
use crate::{
    crypto::{Place, Secret, etag},
    domain::{
        Agent, AgentFilter, AgentHealth, AgentId, AgentKind, AgentSettings, AuthenticationMethod, Caller, ConnectionType, Error, Login,
        LoginSource, MaintenanceAccountId, Page, PasswordChange, Result, Scope, SmtpAuthentication, TenantId, UserId, Violation,
        address_key,
    },
    store::{Reader, Writer, retrying},
};

pub use defaults::{default_of, set_default};

/// Who may read agents, each those that are [`Agent::visible`].
const READERS: &[Scope] = &[Scope::AgentRead, Scope::AgentWrite, Scope::AgentUse];

/// What a request wants to set.
#[derive(Debug, Default)]
pub struct AgentPatch {
    /// The CRM's id of the owner. `None` leaves it.
    pub owner_user: Option<UserId>,
    /// Settings, of which only those named in `fields` count.
    pub wanted: AgentSettings,
    /// Paths of the settings to take over, of [`AgentSettings::FIELDS`]. `exchange.archive` needs the scope `archive.configure`.
    pub fields: Vec<&'static str>,
    /// What becomes of the password.
    pub passwords: AgentPasswords,
    /// What is wrong with the request beyond these values, to be told together with what is wrong with them.
    pub violations: Vec<Violation>,
}

impl AgentPatch {
    /// All of a new agent, with the password of its own login.
    #[cfg(feature = "testing")]
    pub fn all(owner_user: &UserId, wanted: AgentSettings, password: Secret) -> Self {
        Self {
            owner_user: Some(owner_user.to_owned()),
            passwords: AgentPasswords::of(wanted.kind, password.into()),
            wanted,
            fields: AgentSettings::FIELDS.to_vec(),
            violations: Vec::new(),
        }
    }

    /// Whether the request sets this field.
    fn sets(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }
}

/// What a request does with the password of an agent, which has only that of its own kind.
#[derive(Debug, Default)]
pub struct AgentPasswords {
    /// Under `smtp.password`.
    pub smtp: PasswordChange<Secret>,
    /// Under `exchange.password`.
    pub exchange: PasswordChange<Secret>,
}

impl AgentPasswords {
    /// That of an agent of this kind.
    #[cfg(feature = "testing")]
    fn of(kind: AgentKind, change: PasswordChange<Secret>) -> Self {
        let mut passwords = Self::default();
        match kind {
            AgentKind::Smtp => passwords.smtp = change,
            AgentKind::ExchangeEws | AgentKind::ExchangeGraph => passwords.exchange = change,
        }
        passwords
    }

    /// What becomes of the password of an agent of this kind.
    fn change(&self, kind: AgentKind) -> &PasswordChange<Secret> {
        match kind {
            AgentKind::Smtp => &self.smtp,
            AgentKind::ExchangeEws | AgentKind::ExchangeGraph => &self.exchange,
        }
    }

    /// Those that are set, with their paths.
    fn set(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        [("exchange.password", &self.exchange), ("smtp.password", &self.smtp)]
            .into_iter()
            .filter_map(|(path, change)| Some((path, change.new_password()?)))
    }
}

/// The path of the password of an agent of this kind.
fn password_path(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Smtp => "smtp.password",
        AgentKind::ExchangeEws | AgentKind::ExchangeGraph => "exchange.password",
    }
}

/// An agent with what is known of its work.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// The agent.
    pub agent: Agent,
    /// How its work goes.
    pub health: AgentHealth,
    /// The login by OAuth that opens its mailbox. `None` where none is used.
    pub authentication: Option<AuthenticationView>,
}

/// Creates an agent and starts its work.
///
/// # Errors
/// See `AgentService.CreateAgent`.
pub async fn create(ops: &Ops, caller: &Caller, patch: AgentPatch, request_id: &str) -> Result<AgentView> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    let now = ops.now();
    let mut settings = AgentSettings::default();
    apply(&mut settings, &patch);
    let agent = Agent {
        id: ops.ids.next().into(),
        owner_user: patch.owner_user.clone().unwrap_or_default(),
        settings,
        password_set: patch.passwords.set().next().is_some(),
        version: 1,
        created: now,
        updated: now,
    };
    let settings = serde_json::to_vec(&agent.settings).expect("plain data always has a JSON form");
    let password = patch.passwords.set().next();
    let password = password.map_or(&[][..], |(_, password)| password.expose().as_bytes());
    let parts = [agent.owner_user.as_str().as_bytes(), &settings, password];
    let request = RequestId::new(ops, caller, "CreateAgent", request_id, &parts).await?;
    let sealed = seal(ops, &caller.tenant, &agent.id, &patch).await?;
    let created = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        if let Some(earlier) = request.earlier(&writer).await? {
            return Ok(Err(earlier));
        }
        let choices = writer.settings().await?;
        let context = Context {
            ops,
            caller,
            settings: &choices,
            before: None,
        };
        let mut violations = Violations(patch.violations.clone());
        RequestId::check(&mut violations, request_id);
        let account = rules::check(&context, &writer, violations, &agent, &patch).await?;
        request.remember(ops, &mut writer, agent.id.as_str()).await?;
        let method = choices.choices.authentication_method;
        // There may be a consent for its domain, or the login of its account.
        let login = writer.login_of(&agent, method).await?;
        let basis = Basis {
            account: account.as_ref(),
            login: login.as_ref(),
            method,
        };
        let health = login_health::fresh_health(&AgentHealth::default(), login_health::missing(&agent, basis), now);
        writer.insert_agent(&agent, sealed.clone(), &health).await?;
        changes(None, Some(&agent), agent.password_set)
            .record(ops, &mut writer, caller)
            .await?;
        writer.commit().await?;
        Ok(Ok((health, authentication(ops, &agent, method, login))))
    })
    .await?;
    match created {
        Ok((health, authentication)) => {
            ops.agents_changed.notify_one();
            Ok(AgentView {
                agent,
                health,
                authentication,
            })
        }
        // The same request came before: what it made is the answer, as it is now.
        Err(earlier) => get(ops, caller, &earlier.into()).await,
    }
}

/// Returns an agent.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`] also when the caller may not see it.
pub async fn get(ops: &Ops, caller: &Caller, id: &AgentId) -> Result<AgentView> {
    caller.need_any(READERS)?;
    let reader = ops.store.tenant(&caller.tenant);
    let agent = Agent::visible(caller, reader.agent(id).await?, id)?;
    let mut views = views(ops, &reader, vec![agent]).await?;
    views.pop().ok_or_else(|| Error::not_found(id.name()))
}

/// Agents with what is known of their work.
async fn views(ops: &Ops, reader: &Reader, agents: Vec<Agent>) -> Result<Vec<AgentView>> {
    let ids: Vec<AgentId> = agents.iter().map(|agent| agent.id.clone()).collect();
    let authentication = async {
        // Those with passwords only need not ask for the tenant's method.
        if agents
            .iter()
            .all(|agent| agent.settings.kind == AgentKind::Smtp && !by_oauth(agent))
        {
            return Ok(agents.iter().map(|_| None).collect());
        }
        let method = reader.settings().await?.choices.authentication_method;
        login::views_of(ops, reader, &agents, method).await
    };
    let (health, authentication) = tokio::try_join!(reader.agent_health(&ids), authentication)?;
    let view = |((agent, health), authentication)| AgentView {
        agent,
        health,
        authentication,
    };
    Ok(agents.into_iter().zip(health).zip(authentication).map(view).collect())
}

fn by_oauth(agent: &Agent) -> bool {
    agent.settings.smtp.effective_authentication() == SmtpAuthentication::Oauth
}

fn authentication(ops: &Ops, agent: &Agent, method: AuthenticationMethod, login: Option<Login>) -> Option<AuthenticationView> {
    let source = LoginSource::of(agent, method)?;
    Some(login::view_of(ops, source, agent.settings.kind.into(), login))
}

/// Lists agents behind the id `after`, oldest first.
///
/// # Errors
/// See `AgentService.ListAgents`.
pub async fn list(ops: &Ops, caller: &Caller, mut filter: AgentFilter, after: &str, page_size: i32) -> Result<Page<AgentView>> {
    caller.need_any(READERS)?;
    let limit = page_limit(page_size)?;
    if !caller.may(Scope::AgentWrite) {
        if filter.owner_user.as_ref().is_some_and(|owner| *owner != caller.user) {
            return Ok(Page::new(Vec::new(), limit, |view: &AgentView| view.agent.id.to_string()));
        }
        filter.owner_user = Some(caller.user.clone());
    }
    let reader = ops.store.tenant(&caller.tenant);
    let agents = reader.agents(after, &filter, limit).await?;
    Ok(Page::new(views(ops, &reader, agents).await?, limit, |view| {
        view.agent.id.to_string()
    }))
}

/// Changes an agent's settings. Where nothing changes, neither its version does; what a person fixed elsewhere is tried at once even so.
///
/// # Errors
/// See `AgentService.UpdateAgent`.
pub async fn update(ops: &Ops, caller: &Caller, id: &AgentId, expected_etag: &str, patch: AgentPatch) -> Result<AgentView> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    let now = ops.now();
    let sealed = seal(ops, &caller.tenant, id, &patch).await?;
    let view = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let before = Agent::visible(caller, writer.agent(id).await?, id)?;
        check_etag(&id.name(), &agent_etag(&before), expected_etag)?;
        let mut agent = before.clone();
        if let Some(owner) = &patch.owner_user {
            agent.owner_user.clone_from(owner);
        }
        apply(&mut agent.settings, &patch);
        // What belongs to another kind or to nobody's login is wiped.
        let erased = matches!(patch.passwords.change(agent.settings.kind), PasswordChange::Erase);
        let password = match &sealed {
            Some(sealed) => PasswordChange::Set(sealed.clone()),
            None if erased || !keeps_password(&before.settings, &agent.settings) => PasswordChange::Erase,
            None => PasswordChange::Keep,
        };
        agent.password_set = password.is_set_after(before.password_set);

        let choices = writer.settings().await?;
        let context = Context {
            ops,
            caller,
            settings: &choices,
            before: Some(&before),
        };
        let violations = Violations(patch.violations.clone());
        let account = rules::check(&context, &writer, violations, &agent, &patch).await?;
        let changes = changes(Some(&before), Some(&agent), password.is_change(before.password_set));
        if !changes.is_empty() {
            agent.version += 1;
            agent.updated = now;
            writer.update_agent(&agent, password).await?;
            if !keeps_login(&before, &agent) {
                end_login(ops, &mut writer, caller, id).await?;
            }
            if before.owner_user != agent.owner_user {
                defaults::clear(ops, &mut writer, caller, id).await?;
            }
            if reads_anew(&before, &agent) {
                writer.forget_positions(id).await?;
            }
            changes.record(ops, &mut writer, caller).await?;
        }
        let health = writer.agent_health(&[id.to_owned()]).await?.pop().unwrap_or_default();
        let method = choices.choices.authentication_method;
        let login = writer.login_of(&agent, method).await?;
        let basis = Basis {
            account: account.as_ref(),
            login: login.as_ref(),
            method,
        };
        let health = login_health::fresh_health(&health, login_health::missing(&agent, basis), now);
        writer.set_agent_health(id, &health).await?;
        writer.commit().await?;
        Ok(AgentView {
            authentication: authentication(ops, &agent, method, login),
            agent,
            health,
        })
    })
    .await?;
    ops.logins_changed.notify_one();
    ops.agents_changed.notify_one();
    Ok(view)
}

/// Removes an agent with its credentials.
///
/// # Errors
/// See `AgentService.DeleteAgent`.
pub async fn delete(ops: &Ops, caller: &Caller, id: &AgentId, expected_etag: &str) -> Result<()> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let agent = Agent::visible(caller, writer.agent(id).await?, id)?;
        check_etag(&id.name(), &agent_etag(&agent), expected_etag)?;
        defaults::clear(ops, &mut writer, caller, id).await?;
        end_login(ops, &mut writer, caller, id).await?;
        writer.delete_agent(id).await?;
        changes(Some(&agent), None, agent.password_set)
            .record(ops, &mut writer, caller)
            .await?;
        writer.commit().await
    })
    .await?;
    ops.logins_changed.notify_one();
    ops.agents_changed.notify_one();
    Ok(())
}

/// How many of the tenant's agents may be triage agents, and how many are.
///
/// # Errors
/// See `AgentService.GetTriageAllowance`.
pub async fn triage_allowance(ops: &Ops, caller: &Caller) -> Result<(u64, u64)> {
    caller.need_any(&[Scope::AgentRead, Scope::AgentWrite, Scope::AgentUse, Scope::TenantAdmin])?;
    let reader = ops.store.tenant(&caller.tenant);
    let mut settings = reader.settings().await?;
    loop {
        let used = reader.triage_agents().await?;
        let now = reader.settings().await?;
        // Otherwise the two numbers may be of different times, and more seem in use than there are.
        if now.version == settings.version {
            return Ok((now.choices.triage_licence_count.into(), used));
        }
        settings = now;
    }
}

/// The agent's etag.
pub fn agent_etag(agent: &Agent) -> String {
    etag(&agent.id.name(), agent.version)
}

/// Where an agent's password is kept.
pub(super) fn password_place(agent: &AgentId) -> Place<'_> {
    Place {
        table: "agent",
        row: agent.as_str(),
        column: "password_sealed",
    }
}

/// Takes over what the request sets. A new kind or connection type clears what it has no place for, unless the request sets it.
fn apply(settings: &mut AgentSettings, patch: &AgentPatch) {
    let before = (settings.kind, settings.exchange.connection_type);
    let mut chosen = settings.clone();
    chosen.take(&patch.fields, &patch.wanted);
    match (before.0, chosen.kind) {
        (AgentKind::Smtp, AgentKind::ExchangeEws | AgentKind::ExchangeGraph) => settings.smtp = Default::default(),
        (AgentKind::ExchangeEws | AgentKind::ExchangeGraph, AgentKind::Smtp) => settings.exchange = Default::default(),
        (AgentKind::ExchangeEws, AgentKind::ExchangeGraph) | (AgentKind::ExchangeGraph, AgentKind::ExchangeEws) => {
            settings.exchange.endpoint.clear();
            settings.exchange.username.clear();
            // An account is for one kind.
            settings.exchange.maintenance_account = MaintenanceAccountId::default();
        }
        _ => {}
    }
    match (before.1, chosen.exchange.connection_type) {
        (ConnectionType::UserCredentials, ConnectionType::MaintenanceAccount) => settings.exchange.endpoint.clear(),
        (ConnectionType::MaintenanceAccount, ConnectionType::UserCredentials) => {
            settings.exchange.maintenance_account = MaintenanceAccountId::default();
        }
        _ => {}
    }
    settings.take(&patch.fields, &patch.wanted);
}

/// Whether a stored password is still for the agent's own login at a server of the same kind.
fn keeps_password(before: &AgentSettings, after: &AgentSettings) -> bool {
    before.kind == after.kind
        && match after.kind {
            AgentKind::Smtp => after.smtp.effective_authentication() == SmtpAuthentication::Password,
            AgentKind::ExchangeEws | AgentKind::ExchangeGraph => !after.uses_maintenance_account(),
        }
}

/// Whether an agent's own login is still for the same account, and its tokens for the same server over connections as safe as before.
fn keeps_login(before: &Agent, after: &Agent) -> bool {
    let meant = |agent: &Agent| {
        let settings = &agent.settings;
        let names = [&settings.from_address, &settings.exchange.mailbox, &settings.smtp.username];
        let smtp = settings.smtp.effective_authentication();
        (
            settings.kind,
            smtp,
            settings.uses_maintenance_account(),
            names.map(|name| name.to_lowercase()),
        )
    };
    meant(before) == meant(after)
        && login::host_of_agent(before, None) == login::host_of_agent(after, None)
        && !rules::loses_encryption(before, after)
}

/// Ends an agent's own login, if there is one.
async fn end_login(ops: &Ops, writer: &mut Writer, caller: &Caller, id: &AgentId) -> Result<()> {
    login::end(ops, writer, caller, &LoginSource::Agent(id.to_owned())).await
}

/// Whether the mailbox is to be read from its beginning: it is another one, or what it holds already is archived from now on. Messages that
/// were handled are known again.
fn reads_anew(before: &Agent, after: &Agent) -> bool {
    before.settings.kind != after.settings.kind
        || address_key(before.mailbox_address()) != address_key(after.mailbox_address())
        || (after.settings.exchange.archive && !before.settings.exchange.archive)
}

/// Seals the password that a request sets. The rules see to it that it is for the agent's kind, and the only one.
async fn seal(ops: &Ops, tenant: &TenantId, agent: &AgentId, patch: &AgentPatch) -> Result<Option<Vec<u8>>> {
    match patch.passwords.set().next() {
        None => Ok(None),
        Some((_, password)) => Ok(Some(ops.vault.seal(&ops.store, tenant, password_place(agent), password).await?)),
    }
}

/// What the audit log tells of a change.
fn changes(before: Option<&Agent>, after: Option<&Agent>, changed_password: bool) -> Changes {
    let owner = |agent: Option<&Agent>| agent.map_or_else(String::new, |agent| agent.owner_user.name());
    let (settings_before, settings_after) = (before.map(own_settings), after.map(own_settings));
    let agent = after.or(before);
    let kind = agent.map_or_else(AgentKind::default, |agent| agent.settings.kind);
    let resource = agent.map_or_else(String::new, |agent| agent.id.name());
    Changes::new(action_of(before, after), resource)
        .fields(AgentSettings::FIELDS, settings_before.as_ref(), settings_after.as_ref())
        .value("owner_user", owner(before), owner(after))
        .secret(password_path(kind), changed_password)
}

/// An agent's settings as callers see them: without those of the other kind, which it does not have, and with the name of its account.
fn own_settings(agent: &Agent) -> serde_json::Value {
    let account = &agent.settings.exchange.maintenance_account;
    let mut settings = serde_json::to_value(&agent.settings).expect("plain data always has a JSON form");
    if !account.as_str().is_empty() {
        settings["exchange"]["maintenance_account"] = account.name().into();
    }
    let other = match agent.settings.kind {
        AgentKind::Smtp => "exchange",
        AgentKind::ExchangeEws | AgentKind::ExchangeGraph => "smtp",
    };
    if let Some(fields) = settings.as_object_mut() {
        fields.remove(other);
    }
    settings
}
