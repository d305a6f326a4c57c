//! Mail agents: settings of an outside mailbox, and how its work goes.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// An outside mailbox, used on behalf of one CRM user. Its password is kept apart, see `ops::agents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Chosen by the service: a ULID.
    pub id: String,
    /// The CRM's id of the owner.
    pub owner_user: String,
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

/// What callers choose of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// Display name of the sender.
    pub from_name: String,
    /// Address of the mailbox.
    pub from_address: String,
    /// Whether a person has paused it.
    pub disabled: bool,
    /// URL of the EWS service.
    pub endpoint: String,
    /// Mailbox that is opened when it is not the login's own. Empty: `from_address`.
    pub mailbox: String,
    /// Login name.
    pub username: String,
    /// Whether the inbox is swept.
    pub case_sweep: bool,
    /// Whether mail is archived.
    pub archive: bool,
    /// Whether unknown senders become contacts.
    pub create_contacts: bool,
    /// Whether the whole message is kept with a note.
    pub keep_full_message: bool,
}

impl Agent {
    /// The address of the mailbox that is opened.
    pub fn mailbox_address(&self) -> &str {
        if self.settings.mailbox.is_empty() {
            &self.settings.from_address
        } else {
            &self.settings.mailbox
        }
    }

    /// Whether there is anything to read its mailbox for.
    pub fn is_active(&self) -> bool {
        !self.settings.disabled && (self.settings.case_sweep || self.settings.archive)
    }
}

/// How a connection to an SMTP server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// TLS after STARTTLS (RFC 3207), which the server must offer; port 587 by default.
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314); port 465 by default.
    Tls,
    /// Not at all; port 25 by default. Only where the tenant allows it.
    None,
}

/// State of an agent's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthState {
    /// All is well, or nothing was tried yet.
    #[default]
    Ok,
    /// The server answers, but asks for patience.
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

/// How an agent's work goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentHealth {
    /// The state in one word.
    pub state: HealthState,
    /// What is wrong and what to do about it. Empty when nothing is.
    pub problem: String,
    /// The server's own words.
    pub server_reply: String,
    /// When the mailbox was last read to its end.
    pub last_success: Option<Timestamp>,
    /// When the present trouble began.
    pub problem_since: Option<Timestamp>,
    /// When it is tried again. `None` when all is well or a person must act.
    pub retry_at: Option<Timestamp>,
    /// Faults in a row, for the back-off.
    pub failures: i32,
    /// Messages read.
    pub handled: i64,
    /// Of these, messages that became notes.
    pub matched: i64,
    /// Of these, messages that were set aside.
    pub set_aside: i64,
}
