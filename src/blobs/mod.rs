//! The bytes of messages: kept exactly, compressed so that any part can be read alone.
//!
//! [`pack`] turns the raw bytes into a container, a [`BlobStore`] keeps containers under keys, and a [`BlobReader`] reads ranges of the
//! raw bytes from a container in a store without loading all of it. Nothing here knows what a message is or whose it is.
//!
//! Invariants: what is read is byte for byte what was packed, or an error; a blob appears in a store with all its bytes or not at all.

mod container;
mod file;
mod index;
#[cfg(test)]
mod memory;
mod reader;
mod store;

pub use container::{Container, pack, unpack};
pub use file::{FileStore, IDENTITY};
pub use index::Corrupt;
#[cfg(test)]
pub use memory::MemoryStore;
pub use reader::BlobReader;
pub use store::BlobStore;
