//! Types and rules of the product, without any input or output. Nothing here reads a clock.

mod case_reference;
mod error;
mod mail;
mod party;
mod scope;
mod time;

pub use case_reference::{CaseReferenceFormat, CaseReferenceMatcher, FormatError, reference_key};
pub use error::{Error, Kind, Reason, Result, Violation};
pub use mail::{AutomaticKind, Direction, Mailbox};
pub use party::{ExternalParties, OurAddresses};
pub use scope::Scope;
pub use time::{Clock, SystemClock, Timestamp};
