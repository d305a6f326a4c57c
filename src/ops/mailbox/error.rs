//! How long a mailbox rests after a fault, and the words for it.

use std::time::Duration;

use crate::{domain::Backoff, net::ErrorClass};

pub use crate::ops::ReadError;

/// How long a mailbox is left alone after its first fault.
const FIRST_REST: Duration = Duration::from_secs(5);

/// What is wrong, with the server's own words where there are any.
pub(super) fn with_reply(problem: &str, server_reply: &str) -> String {
    if server_reply.is_empty() {
        problem.to_owned()
    } else {
        format!("{problem} ({server_reply})")
    }
}

/// How long a mailbox or folder is left alone after so many faults in a row. `None`: until a person has acted.
pub(super) fn wait_after(class: ErrorClass, failures: i32, max_backoff: Duration) -> Option<Duration> {
    match class {
        // A further try with the same password could lock the account.
        ErrorClass::LoginRequired => None,
        ErrorClass::Retry { after: Some(after) } => Some(after.min(max_backoff)),
        ErrorClass::Refused => Some(max_backoff),
        _ => {
            let backoff = Backoff {
                first: FIRST_REST,
                longest: max_backoff,
            };
            Some(backoff.after(failures.unsigned_abs()))
        }
    }
}
