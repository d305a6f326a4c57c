//! Entries of a tenant's event log.

use super::{Contact, Note, Timestamp, TokenEvent};

/// An event for subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position in the tenant's log: positions are in commit order.
    pub position: i64,
    /// A ULID, the same in every delivery.
    pub id: String,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub what: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A message became a note; its excerpt.
    Matched(Box<Note>),
    /// A contact was created for an unknown sender.
    ContactCreated(Contact),
    /// Something happened to a login.
    Token(Box<TokenEvent>),
}

impl EventKind {
    /// The name in the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Matched(_) => "matched",
            Self::ContactCreated(_) => "contact_created",
            Self::Token(_) => "token",
        }
    }
}
