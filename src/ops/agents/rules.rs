//! What an agent's settings may be. What is wrong in itself is told all at once; what depends on other things comes after that, one by one.

use super::{AgentPatch, password_path, values};
use crate::{
    domain::{
        Agent, AgentKind, AgentSettings, AuthenticationMethod, Caller, ConnectionType, Detail, Error, ExchangeSettings, Kind,
        MaintenanceAccount, Reason, Result, Scope, SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantSettings,
    },
    net::addresses::Allowed,
    ops::{Ops, Violations, directory::is_id, is_address},
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
    /// The authentication method that applies to the agent as it is to be.
    fn method(&self, agent: &Agent) -> AuthenticationMethod {
        agent.settings.method(self.settings.choices.authentication_method)
    }

    /// Which addresses a server that the request names may have. One that was named before is judged when it is called.
    fn judged<T: PartialEq>(&self, agent: &Agent, server: impl Fn(&Agent) -> T) -> Option<Allowed> {
        self.changed(agent, server)
            .then(|| values::allowed(self.ops, &self.settings.choices))
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
/// See `AgentService.CreateAgent` and `UpdateAgent`.
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
        let resource = agent.owner_user.name();
        return Err(absent(
            "agent.owner_user",
            resource,
            "Choose a user in the directory, or add this one first.",
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
        is_id(agent.owner_user.as_str()),
        "agent.owner_user",
        "is required: the name of a user in the directory, `users/{user}`.",
    );
    violations.check(
        values::is_display_name(&settings.from_name),
        "agent.from_name",
        values::DISPLAY_NAME,
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
    if let Err(description) = values::host(&smtp.host, context.judged(agent, |agent| agent.settings.smtp.host.clone())) {
        violations.add("agent.smtp.host", description);
    }
    let authentication = smtp.effective_authentication();
    let (fine, description) = match authentication {
        SmtpAuthentication::None => (smtp.username.is_empty(), "must be empty: agent.smtp.authentication is NONE."),
        SmtpAuthentication::Password => (
            values::is_username(&smtp.username),
            "is required: 1 to 256 characters without control characters, such as anna@example.com.",
        ),
        SmtpAuthentication::Oauth => (
            smtp.username.is_empty() || values::is_username(&smtp.username),
            "must be empty for the agent's from_address, or have 1 to 256 characters without control characters.",
        ),
    };
    violations.check(fine, "agent.smtp.username", description);
    if patch.passwords.smtp.new_password().is_some() {
        violations.check(
            authentication == SmtpAuthentication::Password,
            "agent.smtp.password",
            "must not be set: agent.smtp.authentication is not PASSWORD.",
        );
    }
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
    let own_method = exchange.authentication_method;
    let endpoint = match (settings.kind, through_account, exchange.endpoint.as_str()) {
        (_, true, "") => Ok(()),
        (_, true, _) => Err("must be empty: the agent connects through a maintenance account, which has its own endpoint.".to_owned()),
        (AgentKind::ExchangeGraph, false, "") => Ok(()),
        // What is wrong with the address itself is told of that.
        (_, false, "") if is_address(agent.mailbox_address()) => values::discoverable(agent.mailbox_address()),
        (_, false, "") => Ok(()),
        (kind, false, endpoint) => {
            let judged = context.judged(agent, |agent| agent.settings.exchange.endpoint.clone());
            values::endpoint(kind, endpoint, context.ops.limits.allow_http, judged)
        }
    };
    if let Err(description) = endpoint {
        violations.add("agent.exchange.endpoint", description);
    }
    violations.check(
        exchange.mailbox.is_empty() || is_address(&exchange.mailbox),
        "agent.exchange.mailbox",
        "must be empty or one e-mail address, such as support@example.com.",
    );
    let account = &exchange.maintenance_account;
    if through_account {
        violations.check(
            is_id(account.as_str()),
            "agent.exchange.maintenance_account",
            "is required with MAINTENANCE_ACCOUNT: the name of an account, `maintenanceAccounts/{maintenance_account}`.",
        );
    } else {
        violations.check(
            account.as_str().is_empty(),
            "agent.exchange.maintenance_account",
            "must be empty: agent.exchange.connection_type is USER_CREDENTIALS.",
        );
    }
    violations.check(
        own_method.is_none() || settings.kind == AgentKind::ExchangeGraph || !through_account,
        "agent.exchange.authentication_method",
        "must not be set: the agent connects through a maintenance account, which logs in with the tenant's method.",
    );
    violations.check(
        own_method != Some(AuthenticationMethod::Basic) || settings.kind != AgentKind::ExchangeGraph,
        "agent.exchange.authentication_method",
        "must not be BASIC: Microsoft Graph accepts only modern authentication.",
    );
    let method = context.method(agent);
    let set = patch.sets("exchange.username") && context.changed(agent, |agent| agent.settings.exchange.username.clone());
    // One that came to be without a login under the other method can still be changed in other ways.
    let login = |agent: &Agent| {
        let settings = &agent.settings;
        let exchange = &settings.exchange;
        (
            settings.kind,
            exchange.connection_type,
            context.method(agent),
            exchange.username.clone(),
        )
    };
    let required = !through_account && context.changed(agent, login);
    if let Err(description) = values::username(settings.kind, method, &exchange.username, set, required) {
        violations.add("agent.exchange.username", description);
    }
    if patch.passwords.exchange.new_password().is_some() {
        let refused = values::password_refused(settings.kind, method).or(through_account
            .then_some("must not be set: the agent connects through a maintenance account. Change the account's password instead."));
        violations.check(refused.is_none(), "agent.exchange.password", refused.unwrap_or_default());
    }
}

fn passwords(context: &Context<'_>, violations: &mut Violations, agent: &Agent, patch: &AgentPatch) {
    let own = password_path(agent.settings.kind);
    for (field, password) in patch.passwords.set() {
        violations.check(
            values::is_password(password.expose()),
            format!("agent.{field}"),
            "must have at most 1024 bytes and no control characters.",
        );
        violations.check(
            field == own,
            format!("agent.{field}"),
            "must not be set: it is for another kind of agent.",
        );
    }
    let had = context.before.is_some_and(|before| before.password_set);
    let kept = had && agent.password_set && patch.passwords.change(agent.settings.kind).new_password().is_none();
    violations.check(
        !kept || !(context.changed(agent, server_of) || context.before.is_some_and(|before| loses_encryption(before, agent))),
        format!("agent.{own}"),
        "must be entered again when the server changes or encryption is turned off, so that it is never sent to a server or over a \
         connection that it was not intended for.",
    );
}

/// The server that a password is meant for.
fn server_of(agent: &Agent) -> Option<(String, u16)> {
    match agent.settings.kind {
        AgentKind::Smtp => Some((agent.settings.smtp.host.to_lowercase(), agent.settings.smtp.effective_port())),
        AgentKind::ExchangeGraph => values::server_of_url(&agent.settings.exchange.endpoint),
        AgentKind::ExchangeEws => values::server_of_ews(&agent.settings.exchange.endpoint, agent.mailbox_address()),
    }
}

/// Whether a login could be read on its way after a change, and could not before.
pub(super) fn loses_encryption(before: &Agent, after: &Agent) -> bool {
    let (before, after) = (&before.settings, &after.settings);
    let plain_smtp = |settings: &AgentSettings| settings.kind == AgentKind::Smtp && settings.smtp.security == SmtpSecurity::None;
    (plain_smtp(after) && !plain_smtp(before)) || values::loses_encryption(&before.exchange.endpoint, &after.exchange.endpoint)
}

fn rights(context: &Context<'_>, agent: &Agent, patch: &AgentPatch) -> Result<()> {
    if agent.owner_user != context.caller.user {
        need(context.caller, Scope::AgentWrite, "agent.owner_user")?;
    }
    if patch.sets("exchange.archive") {
        need(context.caller, Scope::ArchiveConfigure, "agent.exchange.archive")?;
    }
    let method = |agent: &Agent| agent.settings.exchange.authentication_method;
    let differs = method(agent).is_some_and(|method| method != context.settings.choices.authentication_method);
    if differs && context.changed(agent, method) {
        need(context.caller, Scope::AgentWrite, "agent.exchange.authentication_method")?;
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
    if id.as_str().is_empty() {
        return Ok(None);
    }
    let Some(account) = writer.maintenance_account(id).await? else {
        let resource = id.name();
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
        let text = "agent.smtp.security: NONE sends credentials and mail unencrypted, which the tenant does not allow. Choose STARTTLS or \
                    TLS, or have an administrator allow it.";
        return Err(not_allowed(text, "agent.smtp.security", "allow_unencrypted_smtp"));
    }
    let by_password = |agent: &Agent| {
        let kind = agent.settings.kind;
        (
            kind,
            kind == AgentKind::ExchangeGraph && context.method(agent) == AuthenticationMethod::Basic,
        )
    };
    if by_password(agent).1 && context.changed(agent, by_password) {
        let text = "agent.kind: Microsoft Graph accepts only modern authentication, and the tenant's authentication method is BASIC. Have \
                    an administrator set it to MODERN, or set agent.exchange.authentication_method to MODERN.";
        return Err(not_allowed(text, "agent.kind", "authentication_method"));
    }
    Ok(())
}

/// A field names something that is not there.
pub(super) fn absent(field: &'static str, resource: String, remedy: &str) -> Error {
    let text = format!("{field}: {resource} does not exist. {remedy}");
    Error::new(Kind::NotFound, Reason::ResourceNotFound, text)
        .with(Detail::Resource, resource)
        .with(Detail::Field, field)
}

/// Fails unless the caller may set a field to what it is to be.
fn need(caller: &Caller, scope: Scope, field: &'static str) -> Result<()> {
    caller.need(scope).map_err(|mut error| {
        error.public = format!("{field}: {}", error.public).into();
        error.with(Detail::Field, field)
    })
}

fn not_allowed(text: &'static str, field: &str, setting: &str) -> Error {
    Error::new(Kind::Precondition, Reason::NotAllowedByTenant, text)
        .with(Detail::Field, field)
        .with(Detail::Setting, format!("tenant_settings.{setting}"))
}

fn options(context: &Context<'_>, agent: &Agent) -> Result<()> {
    let exchange = &agent.settings.exchange;
    let needs = |field: &str, on: bool, other: &str, other_on: bool| {
        if !on || other_on {
            return Ok(());
        }
        let (field, other) = (format!("agent.exchange.{field}"), format!("agent.exchange.{other}"));
        let text = format!("{field} requires {other}. Turn that on, or this off.");
        Err(Error::new(Kind::Precondition, Reason::OptionNeedsAnother, text)
            .with(Detail::Field, field)
            .with(Detail::Needs, other))
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
            return Err(Error::new(Kind::Precondition, Reason::StorageTermsNotAcknowledged, text).with(Detail::Field, field));
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
        "agent.exchange.triage: all {total} triage licences are in use. Turn triage off for another agent, or have an administrator raise \
         the number."
    );
    Err(Error::new(Kind::Exhausted, Reason::TriageLicencesInUse, text)
        .with(Detail::Subject, "triageAllowance")
        .with(Detail::Total, total.to_string())
        .with(Detail::Used, used.to_string()))
}
