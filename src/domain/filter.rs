//! Filters of lists and streams. Every field that is set must match.

use super::{
    AgentId, AgentKind, CaseId, ContactId, CustomerId, Direction, HealthState, MaintenanceAccountId, Message, Note, OutcomeResult,
    Timestamp, TokenEventKind, UserId,
};

/// Chooses agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// Only this user's.
    pub owner_user: Option<UserId>,
    /// Only with this health.
    pub health: Option<HealthFilter>,
    /// Only those that a campaign editor may offer.
    pub campaign_compatible: bool,
    /// Only of this kind.
    pub kind: Option<AgentKind>,
    /// Only those that connect through this maintenance account.
    pub maintenance_account: Option<MaintenanceAccountId>,
}

impl AgentFilter {
    /// Those that connect through this maintenance account.
    pub fn through(account: &MaintenanceAccountId) -> Self {
        Self {
            maintenance_account: Some(account.clone()),
            ..Self::default()
        }
    }
}

/// Chooses agents by their health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFilter {
    /// Paused by a person.
    Disabled,
    /// Not paused, and in this state.
    Is(HealthState),
}

/// Chooses audit entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Which kind of entries.
    pub kind: AuditKind,
    /// Only entries about this resource.
    pub resource: Option<String>,
    /// Only entries of this user.
    pub user: Option<UserId>,
    /// Only entries at or after this time.
    pub start: Option<Timestamp>,
    /// Only entries before this time.
    pub end: Option<Timestamp>,
}

/// Kinds of audit entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditKind {
    /// All.
    #[default]
    Any,
    /// Changes of settings.
    Changes,
    /// Who read which message.
    Reads,
}

/// Chooses messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MessageFilter {
    /// Only linked to this customer.
    pub customer: Option<CustomerId>,
    /// Only linked because of this contact.
    pub contact: Option<ContactId>,
    /// Only found in the mailbox of this agent.
    pub agent: Option<AgentId>,
    /// Only in this direction.
    pub direction: Option<Direction>,
    /// Only with, or without, attachments.
    pub has_attachments: Option<bool>,
    /// Only sent at this time or later.
    pub sent_after: Option<Timestamp>,
    /// Only sent before this time.
    pub sent_before: Option<Timestamp>,
    /// Only those for which no customer is known.
    pub unlinked: bool,
}

impl MessageFilter {
    /// Whether the message matches.
    pub fn passes(&self, message: &Message) -> bool {
        let links = &message.links;
        self.customer
            .as_ref()
            .is_none_or(|id| links.iter().any(|link| link.customer == *id))
            && self.contact.as_ref().is_none_or(|id| links.iter().any(|link| link.contact == *id))
            && self.agent.as_ref().is_none_or(|agent| message.agents.contains(agent))
            && self.direction.is_none_or(|direction| message.direction == direction)
            && self.has_attachments.is_none_or(|has| (message.attachment_count > 0) == has)
            && self.sent_after.is_none_or(|time| message.sent >= time)
            && self.sent_before.is_none_or(|time| message.sent < time)
            && (!self.unlinked || message.links.is_empty())
    }
}

/// Chooses outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeFilter {
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only with one of these results. Empty: any.
    pub results: Vec<OutcomeResult>,
    /// Only of messages with this Message-ID, without angle brackets.
    pub message_id: Option<String>,
}

/// Chooses notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteFilter {
    /// Only on this case.
    pub case: Option<CaseId>,
    /// Only of messages in the mailbox of this agent.
    pub agent: Option<AgentId>,
}

/// Chooses cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Only of this customer.
    pub customer: Option<CustomerId>,
    /// Only with this reference, in the form of [`super::reference_key`].
    pub reference_key: Option<String>,
}

/// Chooses matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchFilter {
    /// Only in the mailbox of this agent.
    pub agent: Option<AgentId>,
    /// Only on cases of this customer.
    pub customer: Option<CustomerId>,
    /// Only on this case.
    pub case: Option<CaseId>,
}

impl MatchFilter {
    /// Whether the match with this note is selected.
    pub fn passes(&self, note: &Note) -> bool {
        self.agent.as_ref().is_none_or(|agent| note.agent == *agent)
            && self.customer.as_ref().is_none_or(|customer| note.customer == *customer)
            && self.case.as_ref().is_none_or(|case| note.case == *case)
    }
}

/// Chooses events of logins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only of this login or provider, by its resource name.
    pub source: Option<String>,
    /// Only of these kinds. Empty: all.
    pub kinds: Vec<TokenEventKind>,
}
