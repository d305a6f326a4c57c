//! Entries of a tenant's event log.

use serde::{Deserialize, Serialize};

use super::{Contact, Note, Timestamp, TokenEvent};

/// Something that subscribers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the tenant's log: order of position is order of commit.
    pub position: i64,
    /// A ULID, the same at every delivery.
    pub id: String,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub what: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A message became a note; its excerpt.
    Matched(Box<Note>),
    /// A contact was made for an unknown sender.
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
