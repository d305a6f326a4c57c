//! Mail agents: their settings, who may see and change them, and their health.

use url::Url;

use super::{Ops, Violations, directory::is_id, is_address, is_plain, page_limit};
use crate::{
    crypto::{Place, Secret, etag},
    domain::{Agent, AgentHealth, AgentSettings, Caller, Error, Kind, Reason, Result, Scope, Violation},
    store::{HealthFilter, NewRequest, Writer, retrying},
};

/// What a request wants to set. `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct AgentPatch {
    /// The CRM's id of the owner.
    pub owner_user: Option<String>,
    /// Display name of the sender.
    pub from_name: Option<String>,
    /// Address of the mailbox.
    pub from_address: Option<String>,
    /// Whether a person has paused it.
    pub disabled: Option<bool>,
    /// URL of the EWS service.
    pub endpoint: Option<String>,
    /// Mailbox that is opened when it is not the login's own.
    pub mailbox: Option<String>,
    /// Login name.
    pub username: Option<String>,
    /// Password; an empty one erases what is stored.
    pub password: Option<Secret>,
    /// Whether the inbox is swept.
    pub case_sweep: Option<bool>,
    /// Whether mail is archived. Needs the scope `archive.configure`.
    pub archive: Option<bool>,
    /// Whether unknown senders become contacts.
    pub create_contacts: Option<bool>,
    /// Whether the whole message is kept with a note.
    pub keep_full_message: Option<bool>,
    /// What is wrong with the request beyond these values, to be told together with what is wrong with them.
    pub violations: Vec<Violation>,
}

/// Which agents a list has.
#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Only this user's.
    pub owner_user: Option<String>,
    /// Only with this health.
    pub health: Option<HealthFilter>,
}

/// An agent with its health.
pub type AgentView = (Agent, AgentHealth);

/// Creates an agent and starts its work.
///
/// # Errors
/// As of `AgentService.CreateAgent`.
pub async fn create(ops: &Ops, caller: &Caller, patch: AgentPatch, request_id: &str) -> Result<AgentView> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    let mut settings = AgentSettings {
        from_name: String::new(),
        from_address: String::new(),
        disabled: false,
        endpoint: String::new(),
        mailbox: String::new(),
        username: String::new(),
        case_sweep: false,
        archive: false,
        create_contacts: false,
        keep_full_message: false,
    };
    let owner = patch.owner_user.clone().unwrap_or_default();
    apply(&mut settings, &patch);
    let mut violations = Violations(patch.violations.clone());
    check_request_id(&mut violations, request_id);
    check(ops, &mut violations, &owner, &settings, patch.password.as_ref());
    violations.into_result()?;
    check_rights(caller, &owner, patch.archive)?;

    let now = ops.now();
    let id = ops.ids.next();
    let content_hash = content_hash(ops, &caller.tenant, &owner, &settings, patch.password.as_ref()).await?;
    let password = match patch.password.filter(|password| !password.expose().is_empty()) {
        Some(password) => Some(ops.vault.seal(&ops.store, &caller.tenant, password_place(&id), &password).await?),
        None => None,
    };
    let agent = Agent {
        id,
        owner_user: owner,
        settings,
        password_set: password.is_some(),
        version: 1,
        created: now,
        updated: now,
    };
    let created = retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        if let Some((resource, hash)) = stored_request(&writer, request_id).await? {
            return if hash == content_hash {
                Ok(Some(resource))
            } else {
                Err(request_id_reused(request_id))
            };
        }
        check_references(&writer, &agent).await?;
        if !request_id.is_empty() {
            let request = NewRequest {
                method: "CreateAgent",
                request_id: request_id.to_owned(),
                content_hash: content_hash.clone(),
                resource_id: agent.id.clone(),
            };
            if !writer.insert_request(request, now).await? {
                // Another call with this id was faster; what it made is seen once its transaction is over.
                return Err(Error::new(
                    Kind::Stale,
                    Reason::EtagMismatch,
                    "The same request is being handled just now. Retry it.",
                ));
            }
        }
        writer.insert_agent(&agent, password.clone()).await?;
        writer.commit().await?;
        Ok(None)
    })
    .await?;
    match created {
        None => {
            ops.agents_changed.notify_one();
            Ok((agent, AgentHealth::default()))
        }
        // The same request came before: what it made is the answer, as it is now.
        Some(earlier) => get(ops, caller, &earlier).await,
    }
}

/// Returns an agent.
///
/// # Errors
/// [`Kind::NotFound`] also when the caller may not see it.
pub async fn get(ops: &Ops, caller: &Caller, id: &str) -> Result<AgentView> {
    let reader = ops.store.tenant(&caller.tenant);
    let agent = reader
        .agent(id)
        .await?
        .filter(|agent| may_see(caller, agent))
        .ok_or_else(|| not_found(id))?;
    let health = reader.agent_health(&[id.to_owned()]).await?.pop().unwrap_or_default();
    Ok((agent, health))
}

/// Lists agents behind the id `after`, oldest first. The second value tells whether there may be more.
///
/// # Errors
/// As of `AgentService.ListAgents`.
pub async fn list(ops: &Ops, caller: &Caller, filter: &AgentFilter, after: &str, page_size: i32) -> Result<(Vec<AgentView>, bool)> {
    let limit = page_limit(page_size)?;
    let owner = if caller.may(Scope::AgentWrite) {
        filter.owner_user.as_deref()
    } else {
        if filter.owner_user.as_ref().is_some_and(|owner| *owner != caller.user) {
            return Ok((Vec::new(), false));
        }
        Some(caller.user.as_str())
    };
    let reader = ops.store.tenant(&caller.tenant);
    let agents = reader.agents(after, owner, filter.health, limit).await?;
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
    let password = match &patch.password {
        None => None,
        Some(password) if password.expose().is_empty() => Some(None),
        Some(password) => Some(Some(
            ops.vault.seal(&ops.store, &caller.tenant, password_place(id), password).await?,
        )),
    };
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let mut agent = writer
            .agent(id)
            .await?
            .filter(|agent| may_see(caller, agent))
            .ok_or_else(|| not_found(id))?;
        check_etag(&agent, expected_etag)?;
        let server_before = server_of(&agent.settings);
        let archived_before = agent.settings.archive;
        if let Some(owner) = &patch.owner_user {
            agent.owner_user.clone_from(owner);
        }
        apply(&mut agent.settings, &patch);
        let mut violations = Violations(patch.violations.clone());
        check(ops, &mut violations, &agent.owner_user, &agent.settings, patch.password.as_ref());
        violations.check(
            password.is_some() || !agent.password_set || server_before == server_of(&agent.settings),
            "agent.exchange.password",
            "must be given again when the endpoint's server changes, so that it is never sent to a server it was not meant for.",
        );
        violations.into_result()?;
        check_rights(caller, &agent.owner_user, patch.archive)?;
        check_references(&writer, &agent).await?;
        agent.version += 1;
        agent.updated = now;
        if let Some(password) = &password {
            agent.password_set = password.is_some();
        }
        writer.update_agent(&agent, password.clone()).await?;
        if agent.settings.archive && !archived_before {
            // What is in the mailbox already is archived too.
            writer.forget_positions(id).await?;
        }
        // What was wrong may be right now: the next try tells.
        let mut health = writer.agent_health(&[id.to_owned()]).await?.pop().unwrap_or_default();
        health = AgentHealth {
            last_success: health.last_success,
            handled: health.handled,
            matched: health.matched,
            set_aside: health.set_aside,
            ..AgentHealth::default()
        };
        writer.set_agent_health(id, &health).await?;
        writer.commit().await?;
        ops.agents_changed.notify_one();
        Ok((agent, health))
    })
    .await
}

/// Removes an agent with its credentials.
///
/// # Errors
/// As of `AgentService.DeleteAgent`.
pub async fn delete(ops: &Ops, caller: &Caller, id: &str, expected_etag: &str) -> Result<()> {
    caller.need_any(&[Scope::AgentWrite, Scope::AgentUse])?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let agent = writer
            .agent(id)
            .await?
            .filter(|agent| may_see(caller, agent))
            .ok_or_else(|| not_found(id))?;
        check_etag(&agent, expected_etag)?;
        writer.delete_agent(id).await?;
        writer.commit().await
    })
    .await?;
    ops.agents_changed.notify_one();
    Ok(())
}

/// The agent's etag.
pub fn agent_etag(agent: &Agent) -> String {
    etag(&format!("agents/{}", agent.id), agent.version)
}

fn may_see(caller: &Caller, agent: &Agent) -> bool {
    caller.may(Scope::AgentWrite) || agent.owner_user == caller.user
}

fn not_found(id: &str) -> Error {
    Error::not_found(format!("agents/{id}"))
}

fn check_etag(agent: &Agent, expected: &str) -> Result<()> {
    if expected.is_empty() || expected == agent_etag(agent) {
        return Ok(());
    }
    Err(Error::stale(format!("agents/{}", agent.id)))
}

fn check_rights(caller: &Caller, owner: &str, archive: Option<bool>) -> Result<()> {
    if owner != caller.user {
        caller.need(Scope::AgentWrite)?;
    }
    if archive.is_some() {
        caller.need(Scope::ArchiveConfigure)?;
    }
    Ok(())
}

fn apply(settings: &mut AgentSettings, patch: &AgentPatch) {
    fn set<T: Clone>(field: &mut T, value: &Option<T>) {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    set(&mut settings.from_name, &patch.from_name);
    set(&mut settings.from_address, &patch.from_address);
    set(&mut settings.disabled, &patch.disabled);
    set(&mut settings.endpoint, &patch.endpoint);
    set(&mut settings.mailbox, &patch.mailbox);
    set(&mut settings.username, &patch.username);
    set(&mut settings.case_sweep, &patch.case_sweep);
    set(&mut settings.archive, &patch.archive);
    set(&mut settings.create_contacts, &patch.create_contacts);
    set(&mut settings.keep_full_message, &patch.keep_full_message);
}

fn check_request_id(violations: &mut Violations, request_id: &str) {
    violations.check(
        request_id.len() <= 64 && request_id.bytes().all(|byte| byte.is_ascii_graphic()),
        "request_id",
        "must have 1 to 64 printable ASCII characters, best a UUID.",
    );
}

fn check(ops: &Ops, violations: &mut Violations, owner: &str, settings: &AgentSettings, password: Option<&Secret>) {
    violations.check(
        is_id(owner),
        "agent.owner_user",
        "is required: the name of a user in the directory, `users/{user}`.",
    );
    violations.check(
        (1..=256).contains(&settings.from_name.chars().count()) && is_plain(&settings.from_name),
        "agent.from_name",
        "is required: 1 to 256 characters without line breaks or other control characters.",
    );
    violations.check(
        is_address(&settings.from_address),
        "agent.from_address",
        "is required: one e-mail address, such as anna@example.com.",
    );
    if let Err(description) = check_endpoint(&settings.endpoint, ops.limits.allow_http) {
        violations.check(false, "agent.exchange.endpoint", description);
    }
    violations.check(
        settings.mailbox.is_empty() || is_address(&settings.mailbox),
        "agent.exchange.mailbox",
        "must be empty or one e-mail address, such as support@example.com.",
    );
    violations.check(
        (1..=256).contains(&settings.username.chars().count()) && is_plain(&settings.username) && !settings.username.contains(':'),
        "agent.exchange.username",
        "is required: 1 to 256 characters without `:` and control characters, such as CORP\\anna or anna@example.com.",
    );
    violations.check(
        password.is_none_or(|password| password.expose().len() <= 1024 && is_plain(password.expose())),
        "agent.exchange.password",
        "must have at most 1024 bytes and no control characters.",
    );
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), String> {
    if endpoint.is_empty() {
        return Err("is required: the URL of the EWS service, such as https://mail.example.com/EWS/Exchange.asmx.".to_owned());
    }
    let url = Url::parse(endpoint)
        .ok()
        .filter(|url| endpoint.len() <= 2048 && url.has_host())
        .ok_or("must be a URL, such as https://mail.example.com/EWS/Exchange.asmx.")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => return Err("must be https: over plain http the password could be read on the way.".to_owned()),
        other => return Err(format!("must be https, not {other}.")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or password in it; they have fields of their own.".to_owned());
    }
    if url.fragment().is_some() || url.query().is_some() {
        return Err("must not have anything behind its path.".to_owned());
    }
    Ok(())
}

/// The server that a password is meant for.
fn server_of(settings: &AgentSettings) -> Option<(String, Option<u16>)> {
    let url = Url::parse(&settings.endpoint).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()))
}

async fn check_references(writer: &Writer, agent: &Agent) -> Result<()> {
    if writer.user(&agent.owner_user).await?.is_none() {
        let error = Error::not_found(format!("users/{}", agent.owner_user));
        return Err(error.with("field", "agent.owner_user"));
    }
    let options = [
        ("create_non_matching_contacts", agent.settings.create_contacts),
        ("keep_full_message", agent.settings.keep_full_message),
    ];
    for (option, _) in options.into_iter().filter(|(_, on)| *on) {
        let field = format!("agent.exchange.sweep_options.{option}");
        if !agent.settings.case_sweep {
            let text = format!("{field} needs agent.exchange.case_sweep. Turn that on, or this off.");
            return Err(Error::new(Kind::Precondition, Reason::OptionNeedsAnother, text)
                .with("field", field)
                .with("needs", "agent.exchange.case_sweep"));
        }
        if writer.settings().await?.acknowledged.is_none() {
            let text = format!(
                "{field} stores personal data, so an administrator must first accept the storage terms: SettingsService.AcknowledgeStorageTerms."
            );
            return Err(Error::new(Kind::Precondition, Reason::StorageTermsNotAcknowledged, text).with("field", field));
        }
    }
    Ok(())
}

async fn stored_request(writer: &Writer, request_id: &str) -> Result<Option<(String, Vec<u8>)>> {
    if request_id.is_empty() {
        Ok(None)
    } else {
        writer.request("CreateAgent", request_id).await
    }
}

fn request_id_reused(request_id: &str) -> Error {
    Error::new(
        Kind::Exists,
        Reason::RequestIdReused,
        "The request id was used before with other content. Take a new one.",
    )
    .with("requestId", request_id)
}

/// Where an agent's password is kept.
pub(super) fn password_place(agent: &str) -> Place<'_> {
    Place {
        table: "agent",
        row: agent,
        column: "password_sealed",
    }
}

/// Tells two requests apart.
async fn content_hash(ops: &Ops, tenant: &str, owner: &str, settings: &AgentSettings, password: Option<&Secret>) -> Result<Vec<u8>> {
    let settings = serde_json::to_vec(settings).expect("plain data always has a JSON form");
    let password = password.map_or(&[][..], |password| password.expose().as_bytes());
    ops.vault
        .fingerprint(&ops.store, tenant, &[owner.as_bytes(), &settings, password])
        .await
}
