//! What an agent's settings may be. What is wrong in itself is told all at once; what depends on other things comes after that, one by one.

use url::Url;

use super::{AgentPatch, password_path};
use crate::{
    domain::{
        Agent, AgentKind, AuthenticationMethod, Caller, ConnectionType, Error, ExchangeSettings, Kind, MaintenanceAccount, Reason, Result,
        Scope, SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantChoices, TenantSettings,
    },
    ops::{Ops, Violations, directory::is_id, is_address, is_plain},
    provider::net::addresses::{self, Allowed},
    store::Writer,
};

/// What a change of an agent is judged by.
pub(super) struct Context<'a> {
    pub ops: &'a Ops,
    pub caller: &'a Caller,
    pub settings: &'a TenantSettings,
    /// The agent as it was; `None` for a new one.
    pub before: Option<&'a Agent>,
}

impl Context<'_> {
    fn method(&self) -> AuthenticationMethod {
        self.settings.choices.authentication_method
    }

    /// Which addresses a server that the request names may have. One that was named before is judged when it is called.
    fn judged<T: PartialEq>(&self, agent: &Agent, server: impl Fn(&Agent) -> T) -> Option<Allowed> {
        self.changed(agent, server).then(|| allowed(self.ops, &self.settings.choices))
    }

    /// Whether a value differs from what it was. Of a new agent all do.
    fn changed<T: PartialEq>(&self, after: &Agent, value: impl Fn(&Agent) -> T) -> bool {
        self.before.is_none_or(|before| value(before) != value(after))
    }
}

/// Judges an agent as it is to be, and returns its maintenance account. The transaction must be alone in the tenant, so that what this finds
/// still holds at its end.
///
/// # Errors
/// As of `AgentService.CreateAgent` and `UpdateAgent`.
pub(super) async fn check(
    context: &Context<'_>,
    writer: &Writer,
    mut violations: Violations,
    agent: &Agent,
    patch: &AgentPatch,
) -> Result<Option<MaintenanceAccount>> {
    common(&mut violations, agent);
    match agent.settings.kind {
        AgentKind::Smtp => smtp(context, &mut violations, agent, patch),
        AgentKind::ExchangeEws | AgentKind::ExchangeGraph => exchange(context, &mut violations, agent, patch),
    }
    passwords(context, &mut violations, agent, patch);
    violations.into_result()?;
    rights(context, agent, patch)?;
    // The agent of a user who has left can still be paused, or given to somebody else.
    if context.changed(agent, |agent| agent.owner_user.clone()) && writer.user(&agent.owner_user).await?.is_none() {
        let resource = format!("users/{}", agent.owner_user);
        return Err(absent(
            "agent.owner_user",
            resource,
            "Choose a user of the directory, or write this one there first.",
        ));
    }
    let account = maintenance_account(writer, agent).await?;
    tenant_allows(context, agent)?;
    options(context, agent)?;
    triage(context, writer, agent).await?;
    Ok(account)
}

fn common(violations: &mut Violations, agent: &Agent) {
    let settings = &agent.settings;
    violations.check(
        is_id(&agent.owner_user),
        "agent.owner_user",
        "is required: the name of a user in the directory, `users/{user}`.",
    );
    violations.check(
        is_display_name(&settings.from_name),
        "agent.from_name",
        "is required: 1 to 256 characters without line breaks or other control characters.",
    );
    violations.check(
        is_address(&settings.from_address),
        "agent.from_address",
        "is required: one e-mail address, such as anna@example.com.",
    );
}

fn smtp(context: &Context<'_>, violations: &mut Violations, agent: &Agent, patch: &AgentPatch) {
    let settings = &agent.settings;
    let smtp = &settings.smtp;
    violations.check(
        settings.exchange == ExchangeSettings::default(),
        "agent.exchange",
        "must be absent: the kind is SMTP, whose settings are in agent.smtp.",
    );
    if let Err(description) = host(&smtp.host, context.judged(agent, |agent| agent.settings.smtp.host.clone())) {
        violations.check(false, "agent.smtp.host", description);
    }
    let authentication = smtp.effective_authentication();
    let (fine, description) = match authentication {
        SmtpAuthentication::None => (smtp.username.is_empty(), "must be empty: agent.smtp.authentication is NONE."),
        SmtpAuthentication::Password => (
            is_username(&smtp.username),
            "is required: 1 to 256 characters without control characters, such as anna@example.com.",
        ),
        SmtpAuthentication::Oauth => (
            smtp.username.is_empty() || is_username(&smtp.username),
            "must be empty for the agent's from_address, or have 1 to 256 characters without control characters.",
        ),
    };
    violations.check(fine, "agent.smtp.username", description);
    if patch.new_password("smtp.password").is_some() {
        violations.check(
            authentication == SmtpAuthentication::Password,
            "agent.smtp.password",
            "has no place here: agent.smtp.authentication is not PASSWORD.",
        );
    }
}

/// Which addresses may be called for this tenant.
pub(in crate::ops) fn allowed(ops: &Ops, choices: &TenantChoices) -> Allowed {
    Allowed {
        loopback: ops.limits.allow_loopback,
        private: choices.allow_private_networks,
    }
}

/// Judges the name or address of a server; an address also by `allowed`, names when they are called.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn host(host: &str, allowed: Option<Allowed>) -> Result<(), String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label);
    if is_name || host.parse::<std::net::IpAddr>().is_ok() {
        may_be_called(host, allowed)
    } else {
        Err("is required: the name or IP address of the server, such as mail.example.com, without a port or scheme.".to_owned())
    }
}

fn may_be_called(host: &str, allowed: Option<Allowed>) -> Result<(), String> {
    let (Some(allowed), Some(address)) = (allowed, addresses::known(host)) else {
        return Ok(());
    };
    addresses::judge(address, allowed).map_err(|refusal| format!("is not called: {address} {}", refusal.words()))
}

fn exchange(context: &Context<'_>, violations: &mut Violations, agent: &Agent, patch: &AgentPatch) {
    let settings = &agent.settings;
    let exchange = &settings.exchange;
    violations.check(
        settings.smtp == SmtpSettings::default(),
        "agent.smtp",
        "must be absent: the kind is not SMTP.",
    );
    let through_account = exchange.connection_type == ConnectionType::MaintenanceAccount;
    let endpoint = match (settings.kind, through_account, exchange.endpoint.as_str()) {
        (_, true, "") => Ok(()),
        (_, true, _) => {
            Err("must be empty: the agent connects through a maintenance account, which has an endpoint of its own.".to_owned())
        }
        (AgentKind::ExchangeGraph, false, "") => Ok(()),
        (kind, false, endpoint) => {
            let judged = context.judged(agent, |agent| agent.settings.exchange.endpoint.clone());
            self::endpoint(kind, endpoint, context.ops.limits.allow_http, judged)
        }
    };
    if let Err(description) = endpoint {
        violations.check(false, "agent.exchange.endpoint", description);
    }
    violations.check(
        exchange.mailbox.is_empty() || is_address(&exchange.mailbox),
        "agent.exchange.mailbox",
        "must be empty or one e-mail address, such as support@example.com.",
    );
    let account = &exchange.maintenance_account;
    if through_account {
        violations.check(
            is_id(account),
            "agent.exchange.maintenance_account",
            "is required with MAINTENANCE_ACCOUNT: the name of an account, `maintenanceAccounts/{maintenance_account}`.",
        );
    } else {
        violations.check(
            account.is_empty(),
            "agent.exchange.maintenance_account",
            "must be empty: agent.exchange.connection_type is USER_CREDENTIALS.",
        );
    }
    let set = patch.sets("exchange.username") && context.changed(agent, |agent| agent.settings.exchange.username.clone());
    if let Err(description) = username(settings.kind, context.method(), &exchange.username, set, !through_account) {
        violations.check(false, "agent.exchange.username", description);
    }
    if patch.new_password("exchange.password").is_some() {
        let refused = password_refused(settings.kind, context.method())
            .or(through_account
                .then_some("has no place here: the agent connects through a maintenance account. Change the password of that."));
        violations.check(refused.is_none(), "agent.exchange.password", refused.unwrap_or_default());
    }
}

/// Judges the address of a service that is required; its host as [`host`] does.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn endpoint(kind: AgentKind, endpoint: &str, allow_http: bool, allowed: Option<Allowed>) -> Result<(), String> {
    let example = match kind {
        AgentKind::ExchangeGraph => "the address of Microsoft Graph, such as https://graph.microsoft.com/v1.0",
        _ => "the URL of the EWS service, such as https://mail.example.com/EWS/Exchange.asmx",
    };
    if endpoint.is_empty() {
        return Err(format!("is required: {example}."));
    }
    let url = Url::parse(endpoint)
        .ok()
        // The parser passes over line breaks and cuts off what is around the URL.
        .filter(|url| endpoint.len() <= 2048 && url.has_host() && !endpoint.contains(|c: char| c.is_control() || c == ' '))
        .ok_or_else(|| format!("must be {example}."))?;
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
    may_be_called(url.host_str().unwrap_or_default(), allowed)
}

/// Judges the login name of an Exchange login. `set`: whether the request gives it another value; `required`: whether it is needed where
/// passwords are used at all.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn username(
    kind: AgentKind,
    method: AuthenticationMethod,
    username: &str,
    set: bool,
    required: bool,
) -> Result<(), &'static str> {
    let by_password = kind == AgentKind::ExchangeEws && method == AuthenticationMethod::Basic;
    if !by_password {
        // One of earlier times may stay, for the way back.
        return match kind {
            _ if username.is_empty() || !set => Ok(()),
            AgentKind::ExchangeGraph => Err("has no place here: people log in to Microsoft Graph at the provider."),
            _ => Err("has no place here: the tenant's authentication method is MODERN, so people log in at the provider."),
        };
    }
    if (username.is_empty() && !required) || (is_username(username) && !username.contains(':')) {
        Ok(())
    } else {
        Err("is required: 1 to 256 characters without `:` and control characters, such as CORP\\anna or anna@example.com.")
    }
}

/// Why an Exchange login has no password.
pub(in crate::ops) fn password_refused(kind: AgentKind, method: AuthenticationMethod) -> Option<&'static str> {
    match (kind, method) {
        (AgentKind::ExchangeGraph, _) => Some("has no place here: people log in to Microsoft Graph at the provider."),
        (_, AuthenticationMethod::Modern) => {
            Some("has no place here: the tenant's authentication method is MODERN, so people log in at the provider.")
        }
        (_, AuthenticationMethod::Basic) => None,
    }
}

/// Whether people can read the text and it may stand in a header.
pub(in crate::ops) fn is_display_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 256 && is_plain(name)
}

fn is_username(username: &str) -> bool {
    (1..=256).contains(&username.chars().count()) && is_plain(username)
}

/// Whether a password has a form that can be used.
pub(in crate::ops) fn is_password(password: &str) -> bool {
    password.len() <= 1024 && is_plain(password)
}

fn passwords(context: &Context<'_>, violations: &mut Violations, agent: &Agent, patch: &AgentPatch) {
    let own = password_path(agent.settings.kind);
    for (field, password) in patch.new_passwords() {
        violations.check(
            is_password(password.expose()),
            format!("agent.{field}"),
            "must have at most 1024 bytes and no control characters.",
        );
        violations.check(
            field == own,
            format!("agent.{field}"),
            "has no place here: it is for another kind of agent.",
        );
    }
    let had = context.before.is_some_and(|before| before.password_set);
    let kept = had && agent.password_set && patch.new_password(own).is_none();
    violations.check(
        !kept || !context.changed(agent, server_of),
        format!("agent.{own}"),
        "must be given again when the server changes, so that it is never sent to a server it was not meant for.",
    );
}

/// The server that a password is meant for.
fn server_of(agent: &Agent) -> Option<(String, u16)> {
    match agent.settings.kind {
        AgentKind::Smtp => Some((agent.settings.smtp.host.to_lowercase(), agent.settings.smtp.effective_port())),
        _ => server_of_url(&agent.settings.exchange.endpoint),
    }
}

/// Name and port of a URL's server.
pub(in crate::ops) fn server_of_url(endpoint: &str) -> Option<(String, u16)> {
    let url = Url::parse(endpoint).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn rights(context: &Context<'_>, agent: &Agent, patch: &AgentPatch) -> Result<()> {
    if agent.owner_user != context.caller.user {
        need(context.caller, Scope::AgentWrite, "agent.owner_user")?;
    }
    if patch.sets("exchange.archive") {
        need(context.caller, Scope::ArchiveConfigure, "agent.exchange.archive")?;
    }
    // A maintenance account opens every mailbox: which one is not for the owner to choose.
    let opened = |agent: &Agent| {
        let settings = &agent.settings;
        (
            settings.kind,
            settings.exchange.connection_type,
            settings.exchange.maintenance_account.clone(),
            agent.mailbox_address().to_lowercase(),
        )
    };
    if agent.settings.uses_maintenance_account() && context.changed(agent, opened) {
        need(context.caller, Scope::AgentWrite, "agent.exchange.maintenance_account")?;
    }
    Ok(())
}

async fn maintenance_account(writer: &Writer, agent: &Agent) -> Result<Option<MaintenanceAccount>> {
    const FIELD: &str = "agent.exchange.maintenance_account";
    let id = &agent.settings.exchange.maintenance_account;
    if id.is_empty() {
        return Ok(None);
    }
    let Some(account) = writer.maintenance_account(id).await? else {
        let resource = format!("maintenanceAccounts/{id}");
        return Err(absent(FIELD, resource, "Choose another account, or create one."));
    };
    if account.settings.kind != agent.settings.kind {
        return Err(Error::invalid_field(FIELD, "must be an account of the agent's kind."));
    }
    Ok(Some(account))
}

fn tenant_allows(context: &Context<'_>, agent: &Agent) -> Result<()> {
    let choices = &context.settings.choices;
    let settings = &agent.settings;
    let unencrypted = settings.kind == AgentKind::Smtp && settings.smtp.security == SmtpSecurity::None;
    if unencrypted && !choices.allow_unencrypted_smtp && context.changed(agent, |agent| (agent.settings.kind, agent.settings.smtp.security))
    {
        let text = "agent.smtp.security: NONE sends login and mail in the clear, which the tenant does not allow. Choose STARTTLS or TLS, or \
                    have an administrator allow it.";
        return Err(not_allowed(text, "agent.smtp.security", "allow_unencrypted_smtp"));
    }
    let graph = settings.kind == AgentKind::ExchangeGraph;
    if graph && choices.authentication_method == AuthenticationMethod::Basic && context.changed(agent, |agent| agent.settings.kind) {
        let text = "agent.kind: Microsoft Graph takes modern authentication only, and the tenant's authentication method is BASIC. Have an \
                    administrator set it to MODERN.";
        return Err(not_allowed(text, "agent.kind", "authentication_method"));
    }
    Ok(())
}

/// A field names something that is not there.
pub(super) fn absent(field: &'static str, resource: String, remedy: &str) -> Error {
    let text = format!("{field}: {resource} does not exist. {remedy}");
    Error::new(Kind::NotFound, Reason::ResourceNotFound, text)
        .with("resource", resource)
        .with("field", field)
}

/// Fails unless the caller may set a field to what it is to be.
fn need(caller: &Caller, scope: Scope, field: &'static str) -> Result<()> {
    caller.need(scope).map_err(|mut error| {
        error.public = format!("{field}: {}", error.public).into();
        error.with("field", field)
    })
}

fn not_allowed(text: &'static str, field: &str, setting: &str) -> Error {
    Error::new(Kind::Precondition, Reason::NotAllowedByTenant, text)
        .with("field", field)
        .with("setting", format!("tenant_settings.{setting}"))
}

fn options(context: &Context<'_>, agent: &Agent) -> Result<()> {
    let exchange = &agent.settings.exchange;
    let needs = |field: &str, on: bool, other: &str, other_on: bool| {
        if !on || other_on {
            return Ok(());
        }
        let (field, other) = (format!("agent.exchange.{field}"), format!("agent.exchange.{other}"));
        let text = format!("{field} needs {other}. Turn that on, or this off.");
        Err(Error::new(Kind::Precondition, Reason::OptionNeedsAnother, text)
            .with("field", field)
            .with("needs", other))
    };
    let sweep = [
        (
            "sweep_options.create_non_matching_contacts",
            exchange.sweep_options.create_non_matching_contacts,
        ),
        ("sweep_options.keep_full_message", exchange.sweep_options.keep_full_message),
    ];
    for (option, on) in sweep {
        needs(option, on, "case_sweep", exchange.case_sweep)?;
        if on && context.settings.acknowledged.is_none() {
            let field = format!("agent.exchange.{option}");
            let text = format!(
                "{field} stores personal data, so an administrator must first accept the storage terms: SettingsService.AcknowledgeStorageTerms."
            );
            return Err(Error::new(Kind::Precondition, Reason::StorageTermsNotAcknowledged, text).with("field", field));
        }
    }
    let purge = exchange.triage_options.case_reference_purge;
    needs("triage_options.case_reference_purge", purge, "triage", exchange.triage)
}

async fn triage(context: &Context<'_>, writer: &Writer, agent: &Agent) -> Result<()> {
    if !agent.settings.exchange.triage || !context.changed(agent, |agent| agent.settings.exchange.triage) {
        return Ok(());
    }
    let total = u64::from(context.settings.choices.triage_licence_count);
    let used = writer.triage_agents().await?;
    if used < total {
        return Ok(());
    }
    let text = format!(
        "agent.exchange.triage: all {total} triage licences are in use. Turn triage off at another agent, or have an administrator raise the number."
    );
    Err(Error::new(Kind::Exhausted, Reason::TriageLicencesInUse, text)
        .with("subject", "triageAllowance")
        .with("total", total.to_string())
        .with("used", used.to_string()))
}
