//! Agents.

use super::{id, name, optional_id, time, unchecked_id, unknown_value};
use crate::{
    api::{mask::Mask, v1},
    crypto::Secret,
    domain::{AgentHealth, Caller, HealthState, Result, Scope, Violation},
    ops::agents::{AgentFilter, AgentPatch, AgentView, agent_etag},
    store::HealthFilter,
};

/// Every path of an agent.
const PATHS: &[&str] = &[
    "name",
    "owner_user",
    "kind",
    "from_name",
    "from_address",
    "disabled",
    "exchange",
    "exchange.endpoint",
    "exchange.mailbox",
    "exchange.username",
    "exchange.password",
    "exchange.password_set",
    "exchange.case_sweep",
    "exchange.archive",
    "exchange.sweep_options",
    "exchange.sweep_options.create_non_matching_contacts",
    "exchange.sweep_options.keep_full_message",
    "health",
    "create_time",
    "update_time",
    "etag",
];

/// An agent as this caller may see it.
pub(in crate::api) fn agent((agent, health): AgentView, caller: &Caller) -> v1::Agent {
    let etag = agent_etag(&agent);
    let settings = agent.settings;
    v1::Agent {
        name: name("agents", &agent.id),
        owner_user: name("users", &agent.owner_user),
        kind: v1::AgentKind::ExchangeEws.into(),
        from_name: settings.from_name,
        from_address: settings.from_address,
        disabled: settings.disabled,
        exchange: Some(v1::ExchangeSettings {
            endpoint: settings.endpoint,
            mailbox: settings.mailbox,
            username: settings.username,
            password: String::new(),
            password_set: agent.password_set,
            case_sweep: settings.case_sweep,
            archive: caller.may(Scope::ArchiveConfigure).then_some(settings.archive),
            sweep_options: Some(v1::SweepOptions {
                create_non_matching_contacts: settings.create_contacts,
                keep_full_message: settings.keep_full_message,
            }),
        }),
        health: Some(agent_health(health, settings.disabled)),
        create_time: time(agent.created),
        update_time: time(agent.updated),
        etag,
    }
}

fn agent_health(health: AgentHealth, disabled: bool) -> v1::AgentHealth {
    let state = match health.state {
        _ if disabled => v1::AgentHealthState::Disabled,
        HealthState::Ok => v1::AgentHealthState::Ok,
        HealthState::Degraded => v1::AgentHealthState::Degraded,
        HealthState::AuthenticationRequired => v1::AgentHealthState::AuthenticationRequired,
        HealthState::Unreachable => v1::AgentHealthState::Unreachable,
    };
    v1::AgentHealth {
        state: state.into(),
        problem: health.problem,
        server_reply: health.server_reply,
        last_success_time: health.last_success.and_then(time),
        problem_time: health.problem_since.and_then(time),
        // A paused agent is not tried again by itself.
        retry_time: health.retry_at.filter(|_| !disabled).and_then(time),
        handled_count: health.handled,
        matched_count: health.matched,
        set_aside_count: health.set_aside,
    }
}

/// What a new agent is to be. What is wrong in form is kept in the patch, for the operation to tell with the rest.
pub(in crate::api) fn new_agent(agent: Option<v1::Agent>) -> AgentPatch {
    let agent = agent.unwrap_or_default();
    let mut violations = Vec::new();
    if !agent.name.is_empty() {
        violations.push(violation("agent.name", "must be empty: the service chooses it."));
    }
    patch(agent, &Mask::All, violations)
}

/// Which agent is to change, its etag as it was read, and what changes.
///
/// # Errors
/// A violation when there is no agent or its name is of another form.
pub(in crate::api) fn changed_agent(request: v1::UpdateAgentRequest) -> Result<(String, String, AgentPatch)> {
    let agent = request.agent.unwrap_or_default();
    let id = id("agents", "agent.name", &agent.name)?.to_owned();
    let etag = agent.etag.clone();
    let (mask, violations) = Mask::new(request.update_mask, PATHS);
    Ok((id, etag, patch(agent, &mask, violations)))
}

fn patch(agent: v1::Agent, mask: &Mask, mut violations: Vec<Violation>) -> AgentPatch {
    fn text(mask: &Mask, path: &str, value: String) -> Option<String> {
        let populated = !value.is_empty();
        mask.pick(path, value, populated)
    }
    let on = |path: &str, value: bool| mask.pick(path, value, value);
    let kind = mask.pick("kind", agent.kind, agent.kind != 0);
    if kind.is_some_and(|kind| kind != i32::from(v1::AgentKind::ExchangeEws)) {
        violations.push(violation(
            "agent.kind",
            "must be AGENT_KIND_EXCHANGE_EWS: there is no other kind yet.",
        ));
    }
    let exchange = agent.exchange.unwrap_or_default();
    let options = exchange.sweep_options.unwrap_or_default();
    let password_given = !exchange.password.is_empty();
    let archive_given = exchange.archive.is_some();
    AgentPatch {
        owner_user: text(mask, "owner_user", unchecked_id("users", agent.owner_user)),
        from_name: text(mask, "from_name", agent.from_name),
        from_address: text(mask, "from_address", agent.from_address),
        disabled: on("disabled", agent.disabled),
        endpoint: text(mask, "exchange.endpoint", exchange.endpoint),
        mailbox: text(mask, "exchange.mailbox", exchange.mailbox),
        username: text(mask, "exchange.username", exchange.username),
        password: mask.pick_by_name("exchange.password", Secret::new(exchange.password), password_given),
        case_sweep: on("exchange.case_sweep", exchange.case_sweep),
        archive: mask.pick_by_name("exchange.archive", exchange.archive.unwrap_or_default(), archive_given),
        create_contacts: on(
            "exchange.sweep_options.create_non_matching_contacts",
            options.create_non_matching_contacts,
        ),
        keep_full_message: on("exchange.sweep_options.keep_full_message", options.keep_full_message),
        violations,
    }
}

fn violation(field: &str, description: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        description: description.to_owned(),
    }
}

/// Which agents a list has.
///
/// # Errors
/// A violation for a name of another form or an unknown state.
pub(in crate::api) fn filter(filter: &v1::AgentFilter) -> Result<AgentFilter> {
    let health = match v1::AgentHealthState::try_from(filter.health_state) {
        Ok(v1::AgentHealthState::Unspecified) => None,
        Ok(v1::AgentHealthState::Disabled) => Some(HealthFilter::Disabled),
        Ok(v1::AgentHealthState::Ok) => Some(HealthFilter::Is(HealthState::Ok)),
        Ok(v1::AgentHealthState::Degraded) => Some(HealthFilter::Is(HealthState::Degraded)),
        Ok(v1::AgentHealthState::AuthenticationRequired) => Some(HealthFilter::Is(HealthState::AuthenticationRequired)),
        Ok(v1::AgentHealthState::Unreachable) => Some(HealthFilter::Is(HealthState::Unreachable)),
        Err(_) => return Err(unknown_value("filter.health_state")),
    };
    Ok(AgentFilter {
        owner_user: optional_id("users", "filter.owner_user", &filter.owner_user)?,
        health,
    })
}
