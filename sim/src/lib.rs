//! Simulated mailbox servers, and the identity platform that goes with them, for the demo of mailagent, its tests and its benchmarks. They
//! speak the wire protocol of the real thing, enforce its limits, and fail on demand. Independent clients judge them (`tests/peers`), so that
//! they do not merely agree with our own client.
//!
//! They know nothing of mailagent, and the service itself uses nothing of them. They listen on the loopback interface unless told otherwise.

mod clock;
pub mod entra;
pub mod exchange;
mod listener;
mod rebuild;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Message, MessageParser};
use time::OffsetDateTime;

pub use rebuild::rebuild;

/// How a server returns the MIME of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MimeMode {
    /// The bytes that came in.
    #[default]
    KeepBytes,
    /// Regenerated, as Exchange does: see [`rebuild()`].
    Rebuild,
}

/// Parses a message. `None` for what is none, and for the rare mail in the wild that fails a debug assertion of mail-parser 0.11.9
/// ("could not find multipart"); release builds parse that too.
fn parse(raw: &[u8]) -> Option<Message<'_>> {
    catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(raw)))
        .ok()
        .flatten()
}

/// When a message says that it was sent. `None` without a date, or with one that no calendar has.
fn sent_at(message: &Message<'_>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(message.date()?.to_timestamp()).ok()
}
