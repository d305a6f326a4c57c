//! Simulated mailbox servers, for `demo`, the tests and the benchmarks. They speak the wire protocol of the real thing, enforce its
//! limits, and fail on demand. Independent clients judge them (`tests/peers`), so that they do not merely agree with our own client.
//!
//! Nothing here is used by the service itself. Servers listen on the loopback interface only.

pub mod ews;
mod rebuild;

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
