//! The way of a message into the service: read and packed first ([`prepare`]), then decided and stored with everything that follows
//! from it in one transaction ([`commit`]).

mod authenticity;
mod commit;
mod decide;
mod journal;
mod prepare;
mod rehearsal;

pub use commit::{Batch, BatchResult, commit, commit_import};
pub use journal::Journal;
pub use prepare::{Item, Origin, Purpose, blob_key, place_large, prepare_all, source_key};
pub use rehearsal::{Preparation, REHEARSE, accuse, try_message};
