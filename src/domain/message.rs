//! Archived messages.

use serde::{Deserialize, Serialize};

use super::{AutomaticKind, Direction, Mailbox, Timestamp};

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A ULID.
    pub id: String,
    /// Grows with every commit of the tenant that touches a message: the order of the stream.
    pub position: i64,
    /// Message-ID without angle brackets. Possibly empty.
    pub message_id: String,
    /// Which way it went.
    pub direction: Direction,
    /// Decoded subject.
    pub subject: String,
    /// From.
    pub from: Option<Mailbox>,
    /// To, at most 100.
    pub to: Vec<Mailbox>,
    /// Cc, at most 100.
    pub cc: Vec<Mailbox>,
    /// Beginning of the text.
    pub preview: String,
    /// Customers it is kept with.
    pub links: Vec<CustomerLink>,
    /// Agents in whose mailboxes it was found.
    pub agents: Vec<String>,
    /// Time of the Date header, else when it was received.
    pub sent: Timestamp,
    /// When the mailbox received it.
    pub received: Timestamp,
    /// When it was archived.
    pub archived: Timestamp,
    /// Size in bytes.
    pub size: i64,
    /// Space that it takes.
    pub stored_size: i64,
    /// SHA-256 of its bytes.
    pub hash: Vec<u8>,
    /// Number of attachments.
    pub attachment_count: i32,
    /// Whether and how it is automatic.
    pub automatic: Option<AutomaticKind>,
}

/// Why a message is kept with a customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustomerLink {
    /// The customer.
    #[serde(rename = "u")]
    pub customer: String,
    /// The contact whose address it is.
    #[serde(rename = "c")]
    pub contact: String,
    /// The external party's address in lower case.
    #[serde(rename = "a")]
    pub address: String,
}

/// Chooses messages. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct MessageFilter {
    /// Only kept with this customer.
    pub customer: Option<String>,
    /// Only kept because of this contact.
    pub contact: Option<String>,
    /// Only found in the mailbox of this agent.
    pub agent: Option<String>,
    /// Only going this way.
    pub direction: Option<Direction>,
    /// Only with, or without, attachments.
    pub has_attachments: Option<bool>,
    /// Only sent at this time or later.
    pub sent_after: Option<Timestamp>,
    /// Only sent before this time.
    pub sent_before: Option<Timestamp>,
    /// Only those that no customer is known for.
    pub unlinked: bool,
}

impl MessageFilter {
    /// Whether the message passes.
    pub fn passes(&self, message: &Message) -> bool {
        let wanted = |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
        wanted(&self.customer, &|id| message.links.iter().any(|link| link.customer == id))
            && wanted(&self.contact, &|id| message.links.iter().any(|link| link.contact == id))
            && wanted(&self.agent, &|id| message.agents.iter().any(|agent| agent == id))
            && self.direction.is_none_or(|direction| message.direction == direction)
            && self.has_attachments.is_none_or(|has| (message.attachment_count > 0) == has)
            && self.sent_after.is_none_or(|time| message.sent >= time)
            && self.sent_before.is_none_or(|time| message.sent < time)
            && (!self.unlinked || message.links.is_empty())
    }
}

/// How much is archived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStatistics {
    /// Messages, each counted once.
    pub messages: i64,
    /// Of these, kept with no customer yet.
    pub unlinked: i64,
    /// Sum of the sizes in bytes.
    pub size: i64,
    /// Space that they take, in bytes.
    pub stored_size: i64,
}
