//! Agents.

use super::{
    Update, id, login, optional_id, optional_name,
    settings::{authentication_method, authentication_method_of},
    time, unchecked_id, unknown_value, violation,
};
use crate::{
    api::{
        mask::{Fields, Mask},
        v1,
    },
    crypto::Secret,
    domain::{
        AgentFilter, AgentHealth, AgentId, AgentKind, AgentSettings, Caller, ConnectionType, ExchangeSettings, HealthFilter, HealthState,
        MaintenanceAccountId, PasswordChange, Result, Scope, SmtpAuthentication, SmtpSecurity, SmtpSettings, SweepOptions, TriageOptions,
        UserId, Violation,
    },
    ops::agents::{AgentPasswords, AgentPatch, AgentView, agent_etag},
};

/// Paths of an agent beside those of its settings.
const OTHER_PATHS: &[&str] = &[
    "name",
    "owner_user",
    "smtp",
    "smtp.password",
    "smtp.password_set",
    "exchange",
    "exchange.password",
    "exchange.password_set",
    "exchange.sweep_options",
    "exchange.triage_options",
    "health",
    "authentication",
    "create_time",
    "update_time",
    "etag",
];

/// An agent as this caller may see it.
pub(in crate::api) fn agent(view: AgentView, caller: &Caller) -> v1::Agent {
    let AgentView {
        agent,
        health,
        authentication,
    } = view;
    let etag = agent_etag(&agent);
    let password_set = agent.password_set;
    let settings = agent.settings;
    let is_smtp = settings.kind == AgentKind::Smtp;
    v1::Agent {
        name: agent.id.name(),
        owner_user: agent.owner_user.name(),
        kind: kind(settings.kind).into(),
        from_name: settings.from_name,
        from_address: settings.from_address,
        campaign_compatible: settings.campaign_compatible,
        disabled: settings.disabled,
        smtp: is_smtp.then(|| smtp(settings.smtp, password_set)),
        exchange: (!is_smtp).then(|| exchange(settings.exchange, password_set, caller)),
        health: Some(agent_health(health, settings.disabled)),
        authentication: authentication.map(login::authentication),
        create_time: time(agent.created),
        update_time: time(agent.updated),
        etag,
    }
}

fn smtp(settings: SmtpSettings, password_set: bool) -> v1::SmtpSettings {
    let security = match settings.security {
        SmtpSecurity::StartTls => v1::SmtpSecurity::Starttls,
        SmtpSecurity::Tls => v1::SmtpSecurity::Tls,
        SmtpSecurity::None => v1::SmtpSecurity::None,
    };
    let authentication = match settings.authentication {
        None => v1::SmtpAuthentication::Unspecified,
        Some(SmtpAuthentication::None) => v1::SmtpAuthentication::None,
        Some(SmtpAuthentication::Password) => v1::SmtpAuthentication::Password,
        Some(SmtpAuthentication::Oauth) => v1::SmtpAuthentication::Oauth,
    };
    v1::SmtpSettings {
        host: settings.host,
        port: settings.port.into(),
        security: security.into(),
        authentication: authentication.into(),
        username: settings.username,
        password: String::new(),
        password_set,
    }
}

fn exchange(settings: ExchangeSettings, password_set: bool, caller: &Caller) -> v1::ExchangeSettings {
    let connection_type = match settings.connection_type {
        ConnectionType::UserCredentials => v1::ConnectionType::UserCredentials,
        ConnectionType::MaintenanceAccount => v1::ConnectionType::MaintenanceAccount,
    };
    let account = Some(&settings.maintenance_account).filter(|id| !id.as_str().is_empty());
    let method = settings
        .authentication_method
        .map_or(v1::AuthenticationMethod::Unspecified, authentication_method);
    v1::ExchangeSettings {
        connection_type: connection_type.into(),
        authentication_method: method.into(),
        maintenance_account: optional_name(account),
        endpoint: settings.endpoint,
        mailbox: settings.mailbox,
        username: settings.username,
        password: String::new(),
        password_set,
        triage: settings.triage,
        case_sweep: settings.case_sweep,
        archive: caller.may(Scope::ArchiveConfigure).then_some(settings.archive),
        calendar: settings.calendar,
        sweep_options: Some(v1::SweepOptions {
            create_non_matching_contacts: settings.sweep_options.create_non_matching_contacts,
            keep_full_message: settings.sweep_options.keep_full_message,
        }),
        triage_options: Some(v1::TriageOptions {
            case_reference_purge: settings.triage_options.case_reference_purge,
        }),
    }
}

pub(super) fn kind(kind: AgentKind) -> v1::AgentKind {
    match kind {
        AgentKind::ExchangeEws => v1::AgentKind::ExchangeEws,
        AgentKind::ExchangeGraph => v1::AgentKind::ExchangeGraph,
        AgentKind::Smtp => v1::AgentKind::Smtp,
    }
}

/// The kind that a request names; a violation of `field` and some kind when it names none.
pub(super) fn requested_kind(field: &str, kind: i32, wanted: bool, violations: &mut Vec<Violation>) -> AgentKind {
    match v1::AgentKind::try_from(kind) {
        Ok(v1::AgentKind::ExchangeEws) => AgentKind::ExchangeEws,
        Ok(v1::AgentKind::ExchangeGraph) => AgentKind::ExchangeGraph,
        Ok(v1::AgentKind::Smtp) => AgentKind::Smtp,
        Ok(v1::AgentKind::Unspecified) | Err(_) => {
            if wanted {
                violations.push(violation(field, "is required: SMTP, EXCHANGE_EWS or EXCHANGE_GRAPH."));
            }
            AgentKind::default()
        }
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
        // A paused agent is not retried automatically.
        retry_time: health.retry_at.filter(|_| !disabled).and_then(time),
        handled_count: health.handled,
        matched_count: health.matched,
        set_aside_count: health.set_aside,
    }
}

/// What a new agent is to be. Malformed values are kept in the patch, for the operation to report with the rest.
pub(in crate::api) fn new_agent(agent: Option<v1::Agent>) -> AgentPatch {
    let mut agent = agent.unwrap_or_default();
    let mut violations = Vec::new();
    if !agent.name.is_empty() {
        violations.push(violation("agent.name", "must be empty: the service chooses it."));
    }
    let passwords = Passwords::take(&mut agent);
    patch(agent, passwords, &Mask::All, violations)
}

/// Which agent is to change, its etag as it was read, and what changes.
///
/// # Errors
/// A violation when there is no agent or its name is malformed.
pub(in crate::api) fn changed_agent(request: v1::UpdateAgentRequest) -> Result<Update<AgentId, AgentPatch>> {
    let mut agent = request.agent.unwrap_or_default();
    let passwords = Passwords::take(&mut agent);
    let id = id("agent.name", &agent.name)?;
    let etag = agent.etag.clone();
    let known = [AgentSettings::FIELDS, OTHER_PATHS].concat();
    let (mask, violations) = Mask::new(request.update_mask, &known);
    let patch = patch(agent, passwords, &mask, violations);
    Ok(Update { id, etag, patch })
}

/// The passwords of a request. They are taken out of it first, so that they are erased whatever happens to the rest.
struct Passwords {
    smtp: Secret,
    exchange: Secret,
}

impl Passwords {
    fn take(agent: &mut v1::Agent) -> Self {
        let smtp = agent.smtp.as_mut().map(|smtp| std::mem::take(&mut smtp.password));
        let exchange = agent.exchange.as_mut().map(|exchange| std::mem::take(&mut exchange.password));
        Self {
            smtp: smtp.unwrap_or_default().into(),
            exchange: exchange.unwrap_or_default().into(),
        }
    }
}

fn patch(agent: v1::Agent, passwords: Passwords, mask: &Mask, mut violations: Vec<Violation>) -> AgentPatch {
    let mut fields = Fields::new(mask);
    let kind_wanted = mask.pick("kind", (), agent.kind != 0).is_some();
    let exchange = agent.exchange.unwrap_or_default();
    let smtp = agent.smtp.unwrap_or_default();
    let smtp_password = password_change(mask, "smtp.password", passwords.smtp);
    let exchange_password = password_change(mask, "exchange.password", passwords.exchange);
    let is_given = |change: &PasswordChange<Secret>| !matches!(change, PasswordChange::Keep);
    let password_given = is_given(&smtp_password) || is_given(&exchange_password);
    let owner_given = !agent.owner_user.is_empty();
    let owner_user = mask.pick("owner_user", unchecked_id(&agent.owner_user), owner_given);
    let wanted = AgentSettings {
        kind: fields.value(
            "kind",
            requested_kind("agent.kind", agent.kind, kind_wanted, &mut violations),
            agent.kind != 0,
        ),
        from_name: fields.text("from_name", agent.from_name),
        from_address: fields.text("from_address", agent.from_address),
        campaign_compatible: fields.on("campaign_compatible", agent.campaign_compatible),
        disabled: fields.on("disabled", agent.disabled),
        smtp: smtp_settings(smtp, &mut fields, &mut violations),
        exchange: exchange_settings(exchange, &mut fields, &mut violations),
    };
    violations.extend(mask.missing(owner_user.is_some() || password_given || !fields.picked.is_empty()));
    AgentPatch {
        owner_user,
        wanted,
        fields: fields.picked,
        passwords: AgentPasswords {
            smtp: smtp_password,
            exchange: exchange_password,
        },
        violations,
    }
}

/// What becomes of a password that callers cannot read back.
pub(super) fn password_change(mask: &Mask, path: &str, password: Secret) -> PasswordChange<Secret> {
    let given = !password.expose().is_empty();
    let picked = mask.pick_by_name(path, password, given);
    picked.map_or(PasswordChange::Keep, PasswordChange::from)
}

fn smtp_settings(smtp: v1::SmtpSettings, fields: &mut Fields<'_>, violations: &mut Vec<Violation>) -> SmtpSettings {
    let security = match v1::SmtpSecurity::try_from(smtp.security) {
        Ok(v1::SmtpSecurity::Unspecified | v1::SmtpSecurity::Starttls) => SmtpSecurity::StartTls,
        Ok(v1::SmtpSecurity::Tls) => SmtpSecurity::Tls,
        Ok(v1::SmtpSecurity::None) => SmtpSecurity::None,
        Err(_) => {
            violations.extend(unknown_value("agent.smtp.security").violations);
            SmtpSecurity::default()
        }
    };
    let authentication = match v1::SmtpAuthentication::try_from(smtp.authentication) {
        Ok(v1::SmtpAuthentication::Unspecified) => None,
        Ok(v1::SmtpAuthentication::None) => Some(SmtpAuthentication::None),
        Ok(v1::SmtpAuthentication::Password) => Some(SmtpAuthentication::Password),
        Ok(v1::SmtpAuthentication::Oauth) => Some(SmtpAuthentication::Oauth),
        Err(_) => {
            violations.extend(unknown_value("agent.smtp.authentication").violations);
            None
        }
    };
    let port = u16::try_from(smtp.port).unwrap_or_else(|_| {
        violations.push(violation(
            "agent.smtp.port",
            "must be 0 to 65535; 0 means the usual port for the security setting.",
        ));
        0
    });
    SmtpSettings {
        host: fields.text("smtp.host", smtp.host),
        port: fields.value("smtp.port", port, smtp.port != 0),
        security: fields.value("smtp.security", security, smtp.security != 0),
        authentication: fields.value("smtp.authentication", authentication, smtp.authentication != 0),
        username: fields.text("smtp.username", smtp.username),
    }
}

fn exchange_settings(exchange: v1::ExchangeSettings, fields: &mut Fields<'_>, violations: &mut Vec<Violation>) -> ExchangeSettings {
    let connection_type = match v1::ConnectionType::try_from(exchange.connection_type) {
        Ok(v1::ConnectionType::Unspecified | v1::ConnectionType::UserCredentials) => ConnectionType::UserCredentials,
        Ok(v1::ConnectionType::MaintenanceAccount) => ConnectionType::MaintenanceAccount,
        Err(_) => {
            violations.extend(unknown_value("agent.exchange.connection_type").violations);
            ConnectionType::default()
        }
    };
    let method = authentication_method_of(exchange.authentication_method, "agent.exchange.authentication_method", violations);
    let sweep = exchange.sweep_options.unwrap_or_default();
    let triage = exchange.triage_options.unwrap_or_default();
    let account: MaintenanceAccountId = unchecked_id(&exchange.maintenance_account);
    let account_given = !account.as_str().is_empty();
    ExchangeSettings {
        connection_type: fields.value("exchange.connection_type", connection_type, exchange.connection_type != 0),
        authentication_method: fields.value("exchange.authentication_method", method, exchange.authentication_method != 0),
        maintenance_account: fields.value("exchange.maintenance_account", account, account_given),
        endpoint: fields.text("exchange.endpoint", exchange.endpoint),
        mailbox: fields.text("exchange.mailbox", exchange.mailbox),
        username: fields.text("exchange.username", exchange.username),
        triage: fields.on("exchange.triage", exchange.triage),
        case_sweep: fields.on("exchange.case_sweep", exchange.case_sweep),
        archive: fields.hidden("exchange.archive", exchange.archive),
        calendar: fields.on("exchange.calendar", exchange.calendar),
        sweep_options: SweepOptions {
            create_non_matching_contacts: fields.on(
                "exchange.sweep_options.create_non_matching_contacts",
                sweep.create_non_matching_contacts,
            ),
            keep_full_message: fields.on("exchange.sweep_options.keep_full_message", sweep.keep_full_message),
        },
        triage_options: TriageOptions {
            case_reference_purge: fields.on("exchange.triage_options.case_reference_purge", triage.case_reference_purge),
        },
    }
}

/// Which agents a list has.
///
/// # Errors
/// A violation for a malformed name or an unknown value.
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
    let kind = match v1::AgentKind::try_from(filter.kind) {
        Ok(v1::AgentKind::Unspecified) => None,
        Ok(v1::AgentKind::ExchangeEws) => Some(AgentKind::ExchangeEws),
        Ok(v1::AgentKind::ExchangeGraph) => Some(AgentKind::ExchangeGraph),
        Ok(v1::AgentKind::Smtp) => Some(AgentKind::Smtp),
        Err(_) => return Err(unknown_value("filter.kind")),
    };
    Ok(AgentFilter {
        owner_user: optional_id("filter.owner_user", &filter.owner_user)?,
        health,
        campaign_compatible: filter.campaign_compatible,
        kind,
        maintenance_account: optional_id("filter.maintenance_account", &filter.maintenance_account)?,
    })
}

/// The user in the name of a default agent.
///
/// # Errors
/// A violation of `field` for a malformed name.
pub(in crate::api) fn default_agent_user(field: &str, name: &str) -> Result<UserId> {
    let user = name.strip_suffix("/defaultAgent").unwrap_or_default();
    id(field, user).map_err(|_| crate::domain::Error::invalid_field(field, "must be users/{user}/defaultAgent."))
}

/// The default agent of a user.
pub(in crate::api) fn default_agent(user: &UserId, agent: Option<&AgentId>) -> v1::DefaultAgent {
    v1::DefaultAgent {
        name: format!("users/{user}/defaultAgent"),
        agent: agent.map_or_else(String::new, AgentId::name),
    }
}
