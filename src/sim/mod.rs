//! Simulated mailbox servers, and the identity platform that goes with them, for `demo`, the tests and the benchmarks. They speak the wire protocol of the real thing, enforce its
//! limits, and fail on demand. Independent clients judge them (`tests/peers`), so that they do not merely agree with our own client.
//!
//! Nothing here is used by the service itself. Servers listen on the loopback interface only.

pub mod entra;
pub mod exchange;
mod listener;
mod rebuild;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Message, MessageParser};

pub use rebuild::rebuild;

/// How a server gives out the MIME of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MimeMode {
    /// The bytes that came in.
    #[default]
    KeepBytes,
    /// Made anew, as Exchange does: see [`rebuild()`].
    Rebuild,
}

/// Parses a message. `None` for what is none, and for the rare mail in the wild that fails a debug assertion of mail-parser 0.11.9
/// ("could not find multipart"); release builds parse that too.
fn parse(raw: &[u8]) -> Option<Message<'_>> {
    catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(raw)))
        .ok()
        .flatten()
}
