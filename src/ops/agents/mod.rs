//! Mail agents: their settings, who may see and change them, and their health.
//!
//! | module | holds |
//! |---|---|
//! | `rules` | what an agent's settings may be |
//! | `logins` | whether there is a login to try |
//! | `defaults` | the agent that sends for a user when none is named |

mod defaults;
pub(super) mod logins;
pub(super) mod rules;

use self::rules::Context;
use super::{Ops, Violations, audit::Changes, page_limit, requests::RequestId};
use crate::{
    crypto::{Place, Secret, etag},
    domain::{Agent, AgentHealth, AgentKind, AgentSettings, AuditAction, Caller, ConnectionType, Error, Result, Scope, Violation},
    store::{AgentFilter, retrying},
};

pub use defaults::{default_of, set_default};

/// What a request wants to set.
#[derive(Debug, Default)]
pub struct AgentPatch {
    /// The CRM's id of the owner. `None` leaves it.
    pub owner_user: Option<String>,
    /// Settings, of which only those named in `fields` count.
    pub wanted: AgentSettings,
    /// Paths of the settings to take over, of [`AgentSettings::FIELDS`]. `exchange.archive` needs the scope `archive.configure`.
    pub fields: Vec<&'static str>,
    /// Password and the path that it was given under; an empty one erases what is stored. `None` leaves it.
    pub password: Option<(&'static str, Secret)>,
    /// What is wrong with the request beyond these values, to be told together with what is wrong with them.
    pub violations: Vec<Violation>,
}

impl AgentPatch {
    /// All of a new agent, with the password of its own login.
    pub fn all(owner_user: &str, wanted: AgentSettings, password: Secret) -> Self {
        let field = match wanted.kind {
            AgentKind::Smtp => "smtp.password",
            AgentKind::ExchangeEws | AgentKind::ExchangeGraph => "exchange.password",
        };
        Self {
            owner_user: Some(owner_user.to_owned()),
            wanted,
            fields: AgentSettings::FIELDS.to_vec(),
            password: Some((field, password)),
            violations: Vec::new(),
        }
    }

    /// Whether the request sets this field.
    fn sets(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }

    /// A password that is set rather than erased, with the path that it was given under.
    fn new_password(&self) -> Option<(&'static str, &Secret)> {
        let (field, password) = self.password.as_ref()?;
        (!password.expose().is_empty()).then_some((*field, password))
    }
}

/// An agent with its health.
pub type AgentView = (Agent, AgentHealth);

/// Creates an agent and starts its work.
///
/// # Errors
/// As of `AgentService.CreateAgent`.
pub async fn create(ops: &Ops, caller: &Caller, patch: AgentPatch, request_id: &str) -> Result<AgentView> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    let now = ops.now();
    let mut settings = AgentSettings::default();
    apply(&mut settings, &patch);
    let agent = Agent {
        id: ops.ids.next(),
        owner_user: patch.owner_user.clone().unwrap_or_default(),
        settings,
        password_set: patch.new_password().is_some(),
        version: 1,
        created: now,
        updated: now,
    };
    let settings = serde_json::to_vec(&agent.settings).expect("plain data always has a JSON form");
    let password = patch.new_password().map_or(&[][..], |(_, password)| password.expose().as_bytes());
    let parts = [agent.owner_user.as_bytes(), &settings, password];
    let request = RequestId::new(ops, caller, "CreateAgent", request_id, &parts).await?;
    let sealed = seal(ops, &caller.tenant, &agent.id, &patch).await?.flatten();
    let created = retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
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
        let account = rules::check(&context, &mut writer, violations, &agent, &patch).await?;
        request.remember(ops, &mut writer, &agent.id).await?;
        let missing = logins::missing(&agent, account.as_ref(), choices.choices.authentication_method);
        let health = logins::fresh_health(&AgentHealth::default(), missing, now);
        writer.insert_agent(&agent, sealed.clone(), &health).await?;
        let changes = changes(None, Some(&agent), agent.password_set);
        changes
            .record(ops, &mut writer, caller, AuditAction::Created, name(&agent.id))
            .await?;
        writer.commit().await?;
        Ok(Ok(health))
    })
    .await?;
    match created {
        Ok(health) => {
            ops.agents_changed.notify_one();
            Ok((agent, health))
        }
        // The same request came before: what it made is the answer, as it is now.
        Err(earlier) => get(ops, caller, &earlier).await,
    }
}

/// Returns an agent.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`] also when the caller may not see it.
pub async fn get(ops: &Ops, caller: &Caller, id: &str) -> Result<AgentView> {
    let reader = ops.store.tenant(&caller.tenant);
    let agent = visible(caller, reader.agent(id).await?, id)?;
    let health = reader.agent_health(&[id.to_owned()]).await?.pop().unwrap_or_default();
    Ok((agent, health))
}

/// Lists agents behind the id `after`, oldest first. The second value tells whether there may be more.
///
/// # Errors
/// As of `AgentService.ListAgents`.
pub async fn list(ops: &Ops, caller: &Caller, mut filter: AgentFilter, after: &str, page_size: i32) -> Result<(Vec<AgentView>, bool)> {
    let limit = page_limit(page_size)?;
    if !caller.may(Scope::AgentWrite) {
        if filter.owner_user.as_ref().is_some_and(|owner| *owner != caller.user) {
            return Ok((Vec::new(), false));
        }
        filter.owner_user = Some(caller.user.clone());
    }
    let reader = ops.store.tenant(&caller.tenant);
    let agents = reader.agents(after, &filter, limit).await?;
    let ids: Vec<String> = agents.iter().map(|agent| agent.id.clone()).collect();
    let health = reader.agent_health(&ids).await?;
    let more = agents.len() as u64 == limit;
    Ok((agents.into_iter().zip(health).collect(), more))
}

/// Changes an agent's settings.
///
/// # Errors
/// As of `AgentService.UpdateAgent`.
pub async fn update(ops: &Ops, caller: &Caller, id: &str, expected_etag: &str, patch: AgentPatch) -> Result<AgentView> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    let now = ops.now();
    let sealed = seal(ops, &caller.tenant, id, &patch).await?;
    let view = retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let before = visible(caller, writer.agent(id).await?, id)?;
        check_etag(&before, expected_etag)?;
        let mut agent = before.clone();
        if let Some(owner) = &patch.owner_user {
            agent.owner_user.clone_from(owner);
        }
        apply(&mut agent.settings, &patch);
        agent.version += 1;
        agent.updated = now;
        // What belongs to another kind or to nobody's login is wiped.
        let wiped = before.password_set && sealed.is_none() && !keeps_password(&before.settings, &agent.settings);
        let password = if wiped { Some(None) } else { sealed.clone() };
        agent.password_set = password.as_ref().map_or(before.password_set, Option::is_some);

        let choices = writer.settings().await?;
        let context = Context {
            ops,
            caller,
            settings: &choices,
            before: Some(&before),
        };
        let violations = Violations(patch.violations.clone());
        let account = rules::check(&context, &mut writer, violations, &agent, &patch).await?;
        let changed_password = password.as_ref().is_some_and(|new| new.is_some() || before.password_set);
        writer.update_agent(&agent, password).await?;
        if before.owner_user != agent.owner_user {
            defaults::clear(ops, &mut writer, caller, id).await?;
        }
        let moved = before.settings.kind != agent.settings.kind;
        if moved || (agent.settings.exchange.archive && !before.settings.exchange.archive) {
            // What is in the mailbox already is archived too.
            writer.forget_positions(id).await?;
        }
        let health = writer.agent_health(&[id.to_owned()]).await?.pop().unwrap_or_default();
        let missing = logins::missing(&agent, account.as_ref(), choices.choices.authentication_method);
        let health = logins::fresh_health(&health, missing, now);
        writer.set_agent_health(id, &health).await?;
        let changes = changes(Some(&before), Some(&agent), changed_password);
        changes.record(ops, &mut writer, caller, AuditAction::Updated, name(id)).await?;
        writer.commit().await?;
        Ok((agent, health))
    })
    .await?;
    ops.agents_changed.notify_one();
    Ok(view)
}

/// Removes an agent with its credentials.
///
/// # Errors
/// As of `AgentService.DeleteAgent`.
pub async fn delete(ops: &Ops, caller: &Caller, id: &str, expected_etag: &str) -> Result<()> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let agent = visible(caller, writer.agent(id).await?, id)?;
        check_etag(&agent, expected_etag)?;
        defaults::clear(ops, &mut writer, caller, id).await?;
        writer.delete_agent(id).await?;
        let changes = changes(Some(&agent), None, agent.password_set);
        changes.record(ops, &mut writer, caller, AuditAction::Deleted, name(id)).await?;
        writer.commit().await
    })
    .await?;
    ops.agents_changed.notify_one();
    Ok(())
}

/// How many of the tenant's agents may be triage agents, and how many are.
///
/// # Errors
/// As of `AgentService.GetTriageAllowance`.
pub async fn triage_allowance(ops: &Ops, caller: &Caller) -> Result<(u64, u64)> {
    caller.need_any(&[Scope::AgentRead, Scope::AgentWrite, Scope::AgentUse, Scope::TenantAdmin])?;
    let reader = ops.store.tenant(&caller.tenant);
    let total = reader.settings().await?.choices.triage_licence_count;
    Ok((total.into(), reader.triage_agents().await?))
}

/// The agent's etag.
pub fn agent_etag(agent: &Agent) -> String {
    etag(&name(&agent.id), agent.version)
}

/// The agent, if the caller may see it: everybody's with `agent.write`, their own otherwise.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`].
pub(super) fn visible(caller: &Caller, agent: Option<Agent>, id: &str) -> Result<Agent> {
    agent
        .filter(|agent| caller.may(Scope::AgentWrite) || agent.owner_user == caller.user)
        .ok_or_else(|| Error::not_found(name(id)))
}

/// Where an agent's password is kept.
pub(super) fn password_place(agent: &str) -> Place<'_> {
    Place {
        table: "agent",
        row: agent,
        column: "password_sealed",
    }
}

fn name(id: &str) -> String {
    format!("agents/{id}")
}

fn check_etag(agent: &Agent, expected: &str) -> Result<()> {
    if expected.is_empty() || expected == agent_etag(agent) {
        return Ok(());
    }
    Err(Error::stale(name(&agent.id)))
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
            settings.exchange.maintenance_account.clear();
        }
        _ => {}
    }
    match (before.1, chosen.exchange.connection_type) {
        (ConnectionType::UserCredentials, ConnectionType::MaintenanceAccount) => settings.exchange.endpoint.clear(),
        (ConnectionType::MaintenanceAccount, ConnectionType::UserCredentials) => settings.exchange.maintenance_account.clear(),
        _ => {}
    }
    settings.take(&patch.fields, &patch.wanted);
}

/// Whether a stored password is still for the agent's own login at a server of the same kind.
fn keeps_password(before: &AgentSettings, after: &AgentSettings) -> bool {
    before.kind == after.kind && !after.uses_maintenance_account()
}

/// Seals the password of a request: `None` when it says nothing about one, `Some(None)` when it erases it.
async fn seal(ops: &Ops, tenant: &str, agent: &str, patch: &AgentPatch) -> Result<Option<Option<Vec<u8>>>> {
    match (&patch.password, patch.new_password()) {
        (None, _) => Ok(None),
        (Some(_), None) => Ok(Some(None)),
        (Some(_), Some((_, password))) => Ok(Some(Some(
            ops.vault.seal(&ops.store, tenant, password_place(agent), password).await?,
        ))),
    }
}

/// What the audit log tells of a change.
fn changes(before: Option<&Agent>, after: Option<&Agent>, changed_password: bool) -> Changes {
    let owner = |agent: Option<&Agent>| agent.map_or_else(String::new, |agent| format!("users/{}", agent.owner_user));
    let settings = |agent: Option<&Agent>| agent.map(|agent| agent.settings.clone());
    let kind = after.or(before).map(|agent| agent.settings.kind);
    let password = if kind == Some(AgentKind::Smtp) {
        "smtp.password"
    } else {
        "exchange.password"
    };
    Changes::default()
        .fields(AgentSettings::FIELDS, settings(before).as_ref(), settings(after).as_ref())
        .value("owner_user", owner(before), owner(after))
        .secret(password, changed_password)
}
