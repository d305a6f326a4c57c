//! Between the messages of the proto files and the types of the product, one file per service.

pub(super) mod agent;
pub(super) mod archive;
pub(super) mod audit;
pub(super) mod check;
pub(super) mod completeness;
pub(super) mod directory;
pub(super) mod login;
pub(super) mod maintenance;
pub(super) mod settings;
pub(super) mod sweep;

use std::{borrow::Cow, time::Duration};

use super::v1;
use crate::{
    domain::{AutomaticKind, Error, Mailbox, ResourceId, Result, Timestamp, Violation},
    ops::directory::is_id,
};

/// What an update of a resource asks for.
pub(super) struct Update<Id, Patch> {
    pub(super) id: Id,
    /// The resource's etag as it was read.
    pub(super) etag: String,
    pub(super) patch: Patch,
}

/// A resource's name.
pub(super) fn name(collection: &str, id: &str) -> String {
    [collection, "/", id].concat()
}

/// A resource's name, empty when there is none.
fn optional_name<Id: ResourceId>(id: Option<&Id>) -> String {
    id.map_or_else(String::new, |id| name(Id::COLLECTION, id.as_ref()))
}

fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// The id in a resource's name.
///
/// # Errors
/// A violation of `field` for a malformed name.
pub(super) fn id<Id: ResourceId>(field: &str, name: &str) -> Result<Id> {
    let collection = Id::COLLECTION;
    let id = name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/'));
    id.filter(|id| is_id(id)).map(Id::from).ok_or_else(|| {
        let description = format!("must be {collection}/ followed by an id of 1 to 64 characters of A-Z a-z 0-9 . _ -");
        Error::invalid_field(field, description)
    })
}

/// The id in a resource's name that may be left out.
///
/// # Errors
/// A violation of `field` for a malformed name.
pub(super) fn optional_id<Id: ResourceId>(field: &str, name: &str) -> Result<Option<Id>> {
    (!name.is_empty()).then(|| id(field, name)).transpose()
}

/// The id in a resource's name that an operation checks together with other fields: a malformed name becomes an id that no
/// resource can have, and an empty one stays empty.
fn unchecked_id<Id: ResourceId>(name: &str) -> Id {
    unchecked_id_in(Id::COLLECTION, name).as_ref().into()
}

/// The same for a collection that is known only at run time.
fn unchecked_id_in<'a>(collection: &str, name: &'a str) -> Cow<'a, str> {
    match name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')) {
        Some(id) => id.into(),
        None if name.is_empty() => name.into(),
        None => format!("/{name}").into(),
    }
}

/// A time as the proto files have it.
pub(super) fn time(time: Timestamp) -> Option<prost_types::Timestamp> {
    let micros = i32::try_from(time.0.rem_euclid(1_000_000)).expect("it is less than a million");
    Some(prost_types::Timestamp {
        seconds: time.seconds(),
        nanos: micros * 1_000,
    })
}

/// A time in a request, truncated to microseconds.
///
/// # Errors
/// A violation of `field` when it is out of range.
fn from_time(field: &str, time: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>> {
    let Some(time) = time else {
        return Ok(None);
    };
    let micros = (0..1_000_000_000)
        .contains(&time.nanos)
        .then(|| time.seconds.checked_mul(1_000_000)?.checked_add(i64::from(time.nanos / 1_000)))
        .flatten();
    match micros {
        Some(micros) => Ok(Some(Timestamp(micros))),
        None => Err(Error::invalid_field(field, "must be a time within the years 1 to 9999.")),
    }
}

fn mailbox(mailbox: Mailbox) -> v1::EmailAddress {
    v1::EmailAddress {
        display_name: mailbox.display_name,
        address: mailbox.address,
    }
}

fn mailboxes(list: Vec<Mailbox>) -> Vec<v1::EmailAddress> {
    list.into_iter().map(mailbox).collect()
}

fn automatic(kind: Option<AutomaticKind>) -> i32 {
    let kind = match kind {
        None => v1::AutomaticKind::Unspecified,
        Some(AutomaticKind::AutoReply) => v1::AutomaticKind::AutoReply,
        Some(AutomaticKind::Bounce) => v1::AutomaticKind::Bounce,
        Some(AutomaticKind::List) => v1::AutomaticKind::List,
        Some(AutomaticKind::Report) => v1::AutomaticKind::Report,
    };
    kind.into()
}

/// What is wrong with a field.
fn violation(field: &str, description: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        description: description.to_owned(),
    }
}

/// An enum value that is unknown to this version.
pub(super) fn unknown_value(field: impl Into<String>) -> Error {
    Error::invalid_field(field, "has a value that is unknown to this version of the service.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, CaseId, UserId};

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(id::<AgentId>("name", "agents/01J").unwrap(), "01J");
        for wrong in ["", "01J", "agents/", "agents", "users/01J", "agents/a/b", "agents/ä", "agentsx/01J"] {
            let error = id::<AgentId>("agent.name", wrong).unwrap_err();
            assert_eq!(error.violations[0].field, "agent.name", "{wrong}");
        }
        assert_eq!(optional_id::<CaseId>("filter.case", "").unwrap(), None);
        assert_eq!(optional_id::<CaseId>("filter.case", "cases/7").unwrap(), Some("7".into()));
        assert_eq!(unchecked_id::<UserId>("users/anna"), "anna");
        for wrong in ["anna", "/anna", "cases/7", "users"] {
            assert!(!is_id(unchecked_id::<UserId>(wrong).as_str()), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_back() {
        for micros in [0, 1, -1, 1_795_000_000_123_456, -62_135_596_800_000_000] {
            let at = Timestamp(micros);
            assert_eq!(from_time("t", time(at)).unwrap(), Some(at));
        }
        assert_eq!(from_time("t", None).unwrap(), None);
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            let wrong = prost_types::Timestamp { seconds, nanos };
            assert_eq!(
                from_time("filter.sent_after", Some(wrong)).unwrap_err().violations[0].field,
                "filter.sent_after"
            );
        }
    }
}
