//! The way of a message into the service.
//!
//! A message is read and packed first ([`prepare`], [`content`]), away from the database. Then, in one transaction, what is known is read
//! ([`context`]); the case sweep ([`sweep`], by the rules in [`decide`]) and the archive ([`archive`]) each say what follows
//! ([`effects`]); and [`mod@commit`] writes that, and decides nothing.

mod archive;
mod authenticity;
mod commit;
mod content;
mod context;
mod copies;
mod decide;
mod effects;
mod journal;
mod prepare;
mod rehearsal;
mod sweep;

pub use commit::{Batch, BatchResult, commit, commit_import};
pub use content::{Item, Purpose, source_key};
pub use journal::Journal;
pub use prepare::{Origin, blob_key, place_large, prepare_all};
pub use rehearsal::{Preparation, REHEARSE, accuse, try_message};

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
