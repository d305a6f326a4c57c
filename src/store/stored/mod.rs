//! What columns have as JSON: forms of their own, so that a type of the domain may change while what was written stays as it is.
//!
//! Each form has a version. Version 1 does not say so, as nothing did before there were versions; every later one is an object that begins
//! with it: `{"v":2,…}`. Who changes a form gives it the next version, keeps what reads the earlier ones, and leaves their rows in the tests
//! here: they are in databases that somebody has.

mod audit;
mod event;
mod lists;
mod message;
#[cfg(test)]
mod names;
mod settings;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Cell;
use crate::domain::{Error, Mailbox, Result};

pub(super) use audit::{read_changes, write_changes};
pub(super) use event::{read_event, write_event};
pub(super) use lists::{read_addresses, read_candidates, write_addresses, write_candidates};
pub(super) use message::{read_agents, read_links, read_recipients, write_agents, write_link, write_links, write_recipients};
pub(super) use settings::{read_choices, write_choices};

/// The beginning of every form but lists.
#[derive(Deserialize)]
struct Head {
    v: Option<u32>,
}

/// Reads a form that has had no other version than 1 yet.
fn read_first<T: DeserializeOwned>(text: &str, cell: Cell<'_>) -> Result<T> {
    match version(text, cell)? {
        1 => read(text, cell),
        other => Err(unknown(other, cell)),
    }
}

fn version(text: &str, cell: Cell<'_>) -> Result<u32> {
    // Lists have no room for a version: theirs is the first. So is that of what has no such key, as nearly all has none: nothing is parsed
    // twice for it.
    if text.starts_with('[') || !text.contains("\"v\"") {
        return Ok(1);
    }
    Ok(read::<Head>(text, cell)?.v.unwrap_or(1))
}

fn read<T: DeserializeOwned>(text: &str, cell: Cell<'_>) -> Result<T> {
    serde_json::from_str(text).map_err(|_| cell.corrupt())
}

fn unknown(version: u32, cell: Cell<'_>) -> Error {
    let Cell { table, column, row } = cell;
    Error::internal(format!(
        "the value in {table}.{column} of row {row} has version {version}, which this version of the service does not know: a newer one wrote it"
    ))
}

fn write<T: Serialize>(form: &T) -> String {
    serde_json::to_string(form).expect("plain data always has a JSON form")
}

/// A mailbox of a header.
#[derive(Serialize, Deserialize)]
struct MailboxV1 {
    display_name: String,
    address: String,
}

impl From<Mailbox> for MailboxV1 {
    fn from(Mailbox { display_name, address }: Mailbox) -> Self {
        Self { display_name, address }
    }
}

impl From<MailboxV1> for Mailbox {
    fn from(MailboxV1 { display_name, address }: MailboxV1) -> Self {
        Self { display_name, address }
    }
}

/// Values as rows have them.
fn all_into<T: From<U>, U>(values: Vec<U>) -> Vec<T> {
    values.into_iter().map(T::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    /// Checks that a value is written as today and read again, and that what is no value of this form, or one of a version to come, is an
    /// error that says where.
    pub(super) fn check_form<T: PartialEq + std::fmt::Debug>(
        value: T,
        text: &str,
        write: impl Fn(T) -> String,
        read: impl Fn(&str) -> Result<T>,
    ) {
        let known = read(text).unwrap_or_else(|error| panic!("{}: {text}", error.chain()));
        assert_eq!(known, value, "{text}");
        assert_eq!(write(value), text);
        check_faults(read);
    }

    /// Checks what cannot be read.
    pub(super) fn check_faults<T: std::fmt::Debug>(read: impl Fn(&str) -> Result<T>) {
        for (text, expected) in [
            ("", "cannot be read"),
            ("null", "cannot be read"),
            ("[7]", "cannot be read"),
            ("{\"v\":\"1\"}", "cannot be read"),
            ("{\"v\":2}", "has version 2, which"),
            ("{\"v\":77,\"matched\":{}}", "has version 77, which"),
            ("{\"v\":-1}", "cannot be read"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.kind, Kind::Internal, "{text}");
            let chain = error.chain();
            assert!(chain.contains(expected) && chain.contains("of row r1"), "{text}: {chain}");
        }
    }

    #[test]
    fn a_version_that_is_said_counts() {
        let cell = Cell::new("table", "column", "r1");
        for (text, expected) in [
            ("[]", 1),
            ("{}", 1),
            ("{\"a\":{\"v\":3}}", 1),
            ("{\"v\":1}", 1),
            ("{\"v\":2,\"a\":[]}", 2),
        ] {
            assert_eq!(version(text, cell).unwrap(), expected, "{text}");
        }
    }
}
