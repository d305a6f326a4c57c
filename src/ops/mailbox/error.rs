//! Why work on a mailbox ended early, and how long it rests then.

use std::time::Duration;

use crate::{
    domain::{Backoff, Error},
    net::{ErrorClass, ProviderError},
};

/// How long a mailbox is left alone after its first fault.
const FIRST_REST: Duration = Duration::from_secs(5);

/// Why reading a mailbox ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mailbox's server.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Our side: the database, or another replica that was faster.
    #[error(transparent)]
    Service(#[from] Error),
}

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
