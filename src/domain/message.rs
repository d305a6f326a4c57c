//! Archived messages.

use super::{AgentId, AutomaticKind, ContactId, CustomerId, Direction, Mailbox, MessageId, Timestamp};

/// An archived message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A ULID.
    pub id: MessageId,
    /// Grows with every commit of the tenant that touches a message: the order of the stream.
    pub position: i64,
    /// Message-ID without angle brackets. Possibly empty.
    pub message_id: String,
    /// Its direction.
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
    /// Customers it is linked to.
    pub links: Vec<CustomerLink>,
    /// Agents in whose mailboxes it was found.
    pub agents: Vec<AgentId>,
    /// Time in the Date header, or else when it was received.
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

/// Why a message is linked to a customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomerLink {
    /// The customer.
    pub customer: CustomerId,
    /// The contact whose address it is.
    pub contact: ContactId,
    /// The external party's address in lower case.
    pub address: String,
}

/// The end of a page of messages, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageAfter {
    /// `sent` of the last message.
    pub sent: i64,
    /// Number of the last message.
    pub number: i64,
}

/// How much is archived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStatistics {
    /// Messages, each counted once.
    pub messages: i64,
    /// Of these, not linked to any customer yet.
    pub unlinked: i64,
    /// Sum of the sizes in bytes.
    pub size: i64,
    /// Space that they use, in bytes.
    pub stored_size: i64,
}
