//! The CRM's records, as mirrored into the service.

use super::{CaseId, ContactId, CustomerId, UserId};

/// A person with a CRM login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The CRM's id.
    pub id: UserId,
    /// Display name.
    pub display_name: String,
    /// Addresses that the person sends from.
    pub addresses: Vec<String>,
    /// The CRM's revision.
    pub revision: i64,
}

/// A company record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The CRM's id.
    pub id: CustomerId,
    /// Display name.
    pub display_name: String,
    /// The CRM's revision.
    pub revision: i64,
}

/// A person at a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The CRM's id, or one that the service chose.
    pub id: ContactId,
    /// The customer's id.
    pub customer: CustomerId,
    /// Display name. Possibly empty.
    pub display_name: String,
    /// Addresses.
    pub addresses: Vec<String>,
    /// The CRM's revision, [`Contact::UNREVISED`] for one that the service created and the CRM has not written since.
    pub revision: i64,
    /// Whether the service created it from a message.
    pub created_by_service: bool,
}

impl Contact {
    /// Older than any revision of the CRM.
    pub const UNREVISED: i64 = -1;
}

/// A ticket of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The CRM's id.
    pub id: CaseId,
    /// The text that names it.
    pub reference: String,
    /// The customer's id.
    pub customer: CustomerId,
    /// What it is about. Possibly empty.
    pub title: String,
    /// The CRM's revision.
    pub revision: i64,
}

/// What a batch did to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether it was written; otherwise the stored revision is the same or newer.
    pub applied: bool,
    /// The revision that is stored now.
    pub stored_revision: i64,
}
