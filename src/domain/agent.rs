//! Mail agents: settings of an external mailbox, and its health.

use serde::{Deserialize, Serialize};

use super::{
    AgentId, AuthenticationMethod, Caller, Error, MaintenanceAccountId, Result, Scope, Timestamp, UserId, fields::settings_fields,
};

/// Microsoft Graph, unless another address is set.
pub const GRAPH_ENDPOINT: &str = "https://graph.microsoft.com/v1.0";

/// An external mailbox, used on behalf of one CRM user. Its password is stored separately, see `ops::agents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Chosen by the service: a ULID.
    pub id: AgentId,
    /// The CRM's id of the owner.
    pub owner_user: UserId,
    /// Settings that callers choose.
    pub settings: AgentSettings,
    /// Whether a password is stored.
    pub password_set: bool,
    /// Counts the writes of the settings, from 1.
    pub version: i64,
    /// When it was created.
    pub created: Timestamp,
    /// When its settings last changed.
    pub updated: Timestamp,
}

/// What callers choose of an agent. Names and nesting are those of the proto file, as the audit log reports changes by them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// What kind of server it is.
    pub kind: AgentKind,
    /// Display name of the sender.
    pub from_name: String,
    /// Address of the mailbox.
    pub from_address: String,
    /// Whether campaign editors offer it.
    pub campaign_compatible: bool,
    /// Whether it is paused.
    pub disabled: bool,
    /// Of an SMTP server; the default for other kinds.
    pub smtp: SmtpSettings,
    /// Of an Exchange mailbox; the default for other kinds.
    pub exchange: ExchangeSettings,
}

/// Kind of mailbox server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Microsoft Exchange on premises, over Exchange Web Services.
    #[default]
    ExchangeEws,
    /// Exchange Online, over Microsoft Graph.
    ExchangeGraph,
    /// Any server that sends mail, over SMTP.
    Smtp,
}

/// Settings of an SMTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpSettings {
    /// Name or address of the server.
    pub host: String,
    /// Port; 0 for the default of the security setting.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
    /// How the login authenticates. `None`: with a password if there is a user name, otherwise not at all.
    pub authentication: Option<SmtpAuthentication>,
    /// Login name. Possibly empty.
    pub username: String,
}

impl SmtpSettings {
    /// The port that is connected to.
    pub fn effective_port(&self) -> u16 {
        match (self.port, self.security) {
            (0, SmtpSecurity::StartTls) => 587,
            (0, SmtpSecurity::Tls) => 465,
            (0, SmtpSecurity::None) => 25,
            (port, _) => port,
        }
    }

    /// How the login authenticates.
    pub fn effective_authentication(&self) -> SmtpAuthentication {
        self.authentication.unwrap_or(if self.username.is_empty() {
            SmtpAuthentication::None
        } else {
            SmtpAuthentication::Password
        })
    }
}

/// Settings of an Exchange mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeSettings {
    /// Whose login opens it.
    pub connection_type: ConnectionType,
    /// Id of the maintenance account. Empty without one.
    pub maintenance_account: MaintenanceAccountId,
    /// Address of the service. Empty for that of the maintenance account, and for Graph's own.
    pub endpoint: String,
    /// Mailbox that is opened when it is not the login's own. Empty: the agent's address.
    pub mailbox: String,
    /// Login name. Possibly empty.
    pub username: String,
    /// Whether its mail goes to the triage queue.
    pub triage: bool,
    /// Whether the inbox is swept.
    pub case_sweep: bool,
    /// Whether mail is archived.
    pub archive: bool,
    /// Whether the calendar is kept in sync.
    pub calendar: bool,
    /// What the sweep does besides creating notes.
    pub sweep_options: SweepOptions,
    /// What triage does automatically.
    pub triage_options: TriageOptions,
    /// How it logs in. `None`: by the tenant's method.
    pub authentication_method: Option<AuthenticationMethod>,
}

/// What the sweep does besides creating notes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepOptions {
    /// Whether unknown senders become contacts.
    pub create_non_matching_contacts: bool,
    /// Whether the whole message is kept with a note.
    pub keep_full_message: bool,
}

/// What triage does automatically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriageOptions {
    /// Whether replies to existing cases are hidden from the queue.
    pub case_reference_purge: bool,
}

/// Whose login opens an Exchange mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionType {
    /// The agent's own.
    #[default]
    UserCredentials,
    /// That of a maintenance account.
    MaintenanceAccount,
}

/// How a login at an SMTP server authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpAuthentication {
    /// There is none.
    None,
    /// With user name and password.
    Password,
    /// With an OAuth 2.0 access token.
    Oauth,
}

settings_fields! {
    AgentSettings {
        campaign_compatible,
        disabled,
        exchange.archive,
        exchange.authentication_method,
        exchange.calendar,
        exchange.case_sweep,
        exchange.connection_type,
        exchange.endpoint,
        exchange.mailbox,
        exchange.maintenance_account,
        exchange.sweep_options.create_non_matching_contacts,
        exchange.sweep_options.keep_full_message,
        exchange.triage,
        exchange.triage_options.case_reference_purge,
        exchange.username,
        from_address,
        from_name,
        kind,
        smtp.authentication,
        smtp.host,
        smtp.port,
        smtp.security,
        smtp.username,
    }
}

impl AgentSettings {
    /// Login name, whatever the kind. Possibly empty.
    pub fn username(&self) -> &str {
        match self.kind {
            AgentKind::Smtp => &self.smtp.username,
            AgentKind::ExchangeEws | AgentKind::ExchangeGraph => &self.exchange.username,
        }
    }

    /// The authentication method that applies, where the tenant's is this one.
    pub fn method(&self, tenants: AuthenticationMethod) -> AuthenticationMethod {
        self.exchange.authentication_method.unwrap_or(tenants)
    }

    /// Whether a maintenance account opens its mailbox.
    pub fn uses_maintenance_account(&self) -> bool {
        self.kind != AgentKind::Smtp && self.exchange.connection_type == ConnectionType::MaintenanceAccount
    }
}

impl Agent {
    /// The agent that was found, if the caller may see it: everybody's with `agent.write`, their own otherwise.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`].
    pub fn visible(caller: &Caller, found: Option<Self>, id: &AgentId) -> Result<Self> {
        found
            .filter(|agent| caller.may(Scope::AgentWrite) || agent.owner_user == caller.user)
            .ok_or_else(|| Error::not_found(id.name()))
    }

    /// The address of the mailbox that is opened.
    pub fn mailbox_address(&self) -> &str {
        if self.settings.exchange.mailbox.is_empty() {
            &self.settings.from_address
        } else {
            &self.settings.exchange.mailbox
        }
    }

    /// Whether it is the same mailbox, read for the same purpose, as with the settings `before`.
    pub fn is_read_as(&self, before: &Self) -> bool {
        self.settings.kind == before.settings.kind
            && self.settings.exchange == before.settings.exchange
            && self.mailbox_address() == before.mailbox_address()
    }

    /// Whether there is any reason to read its mailbox.
    pub fn is_active(&self) -> bool {
        !self.settings.disabled && (self.settings.exchange.case_sweep || self.settings.exchange.archive)
    }
}

/// How a connection to an SMTP server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// TLS after STARTTLS (RFC 3207), which the server must offer; port 587 by default.
    #[default]
    #[serde(rename = "starttls")]
    StartTls,
    /// TLS from the first byte (RFC 8314); port 465 by default.
    Tls,
    /// Not at all; port 25 by default. Only where the tenant allows it.
    None,
}

/// State of an agent's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthState {
    /// No problem, or nothing was tried yet.
    #[default]
    Ok,
    /// The server answers, but asks to wait.
    Degraded,
    /// The login is refused.
    AuthenticationRequired,
    /// The server cannot be reached.
    Unreachable,
}

impl HealthState {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::AuthenticationRequired => "authentication_required",
            Self::Unreachable => "unreachable",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Degraded, Self::AuthenticationRequired, Self::Unreachable]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// An agent's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentHealth {
    /// The state.
    pub state: HealthState,
    /// What is wrong and what to do about it. Empty when nothing is.
    pub problem: String,
    /// The server's reply.
    pub server_reply: String,
    /// When the mailbox was last read to its end.
    pub last_success: Option<Timestamp>,
    /// When the current problem began.
    pub problem_since: Option<Timestamp>,
    /// When it is next retried. `None` when there is no problem or a person must act.
    pub retry_at: Option<Timestamp>,
    /// Consecutive faults, for the back-off.
    pub failures: i32,
    /// Messages read.
    pub handled: i64,
    /// Of these, messages that became notes.
    pub matched: i64,
    /// Of these, messages that were set aside.
    pub set_aside: i64,
}

impl AgentHealth {
    /// Only the counts and the last success, as if there were no problem.
    #[must_use]
    pub fn without_trouble(&self) -> Self {
        Self {
            last_success: self.last_success,
            handled: self.handled,
            matched: self.matched,
            set_aside: self.set_aside,
            ..Self::default()
        }
    }
}
