//! Who changed which setting, and who read which message.

use super::{Timestamp, UserId};

/// A change of a resource's settings, or a read of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// A ULID: in the order of time.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// The CRM's id of who did it.
    pub user: UserId,
    /// The resource's name, such as `agents/01J…`.
    pub resource: String,
    /// What was done to it.
    pub action: AuditAction,
    /// Fields that changed, in the order of their paths. Empty when it was read.
    pub changes: Vec<FieldChange>,
    /// The method that returned the message, such as `GetMessage`. Empty for changes.
    pub method: String,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// The text or the bytes of a message were returned.
    Read,
}

impl AuditAction {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Read => "read",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Deleted, Self::Read]
            .into_iter()
            .find(|action| action.as_str() == text)
    }
}

/// How a field changed. Secrets show `changed` as their new value and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Path relative to the resource, as in the proto file.
    pub field: String,
    /// The value before, as text. Empty when there was none.
    pub old: String,
    /// The value after, as text. Empty when there is none.
    pub new: String,
}
