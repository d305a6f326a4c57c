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

/// Which kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventName {
    /// See [`EventKind::Matched`].
    Matched,
    /// See [`EventKind::ContactCreated`].
    ContactCreated,
    /// See [`EventKind::Token`].
    Token,
}

impl EventKind {
    /// Which kind it is.
    pub fn name(&self) -> EventName {
        match self {
            Self::Matched(_) => EventName::Matched,
            Self::ContactCreated(_) => EventName::ContactCreated,
            Self::Token(_) => EventName::Token,
        }
    }
}

impl EventName {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 3] = [Self::Matched, Self::ContactCreated, Self::Token];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::ContactCreated => "contact_created",
            Self::Token => "token",
        }
    }
}
