//! Users, customers, contacts and cases. Names in batches are checked by the operation, which reports all violations at once.

use super::{time, unchecked_id, unchecked_id_in};
use crate::{
    api::v1,
    domain::{Case, Contact, Customer, User, Written},
    ops::{
        directory::RecordKind,
        sweep::{Change, Made},
    },
};

pub(in crate::api) fn user(user: User) -> v1::User {
    v1::User {
        name: user.id.name(),
        display_name: user.display_name,
        email_addresses: user.addresses,
        revision: user.revision,
    }
}

pub(in crate::api) fn from_user(user: v1::User) -> User {
    User {
        id: unchecked_id(&user.name),
        display_name: user.display_name,
        addresses: user.email_addresses,
        revision: user.revision,
    }
}

pub(in crate::api) fn customer(customer: Customer) -> v1::Customer {
    v1::Customer {
        name: customer.id.name(),
        display_name: customer.display_name,
        revision: customer.revision,
    }
}

pub(in crate::api) fn from_customer(customer: v1::Customer) -> Customer {
    Customer {
        id: unchecked_id(&customer.name),
        display_name: customer.display_name,
        revision: customer.revision,
    }
}

pub(in crate::api) fn contact(contact: Contact) -> v1::Contact {
    v1::Contact {
        name: contact.id.name(),
        customer: contact.customer.name(),
        display_name: contact.display_name,
        email_addresses: contact.addresses,
        revision: revision(contact.revision),
        created_by_service: contact.created_by_service,
        pending_message_count: None,
    }
}

pub(in crate::api) fn from_contact(contact: v1::Contact) -> Contact {
    Contact {
        id: unchecked_id(&contact.name),
        customer: unchecked_id(&contact.customer),
        display_name: contact.display_name,
        addresses: contact.email_addresses,
        revision: contact.revision,
        // The store keeps what it knows.
        created_by_service: false,
    }
}

pub(in crate::api) fn case(case: Case) -> v1::Case {
    v1::Case {
        name: case.id.name(),
        reference: case.reference,
        customer: case.customer.name(),
        title: case.title,
        revision: case.revision,
    }
}

pub(in crate::api) fn from_case(case: v1::Case) -> Case {
    Case {
        id: unchecked_id(&case.name),
        reference: case.reference,
        customer: unchecked_id(&case.customer),
        title: case.title,
        revision: case.revision,
    }
}

/// Ids and revisions of records to remove.
pub(in crate::api) fn deletions(kind: RecordKind, deletions: Vec<v1::Deletion>) -> Vec<(String, i64)> {
    let id = |deletion: v1::Deletion| (unchecked_id_in(kind.collection(), &deletion.name).into_owned(), deletion.revision);
    deletions.into_iter().map(id).collect()
}

/// What a batch did, with the names as the request had them.
pub(in crate::api) fn results(names: Vec<String>, written: Vec<Written>) -> Vec<v1::WriteResult> {
    let result = |(name, written): (String, Written)| v1::WriteResult {
        name,
        applied: written.applied,
        stored_revision: revision(written.stored_revision),
    };
    names.into_iter().zip(written).map(result).collect()
}

/// The events for subscribers.
pub(in crate::api) fn change(change: Change) -> v1::Change {
    v1::Change {
        event_id: change.event_id,
        event_time: time(change.time),
        made: Some(match change.made {
            Made::Contact(made) => v1::change::Made::Contact(contact(made)),
            Made::Note(id) => v1::change::Made::Note(id.name()),
        }),
    }
}

/// A revision as callers know it: [`Contact::UNREVISED`] is 0.
fn revision(revision: i64) -> i64 {
    revision.max(0)
}
