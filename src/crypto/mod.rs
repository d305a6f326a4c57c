//! Secrets, keys, sealed positions, tokens and ids.
//!
//! The master key is a file of its own. Everything else is derived from it ([`Sealer`]) or wrapped by it ([`DataKey`]), so replicas
//! that share it accept each other's cursors and page tokens and read each other's secrets. The local issuer of tokens has a key
//! of its own ([`LocalIssuer`]).
//!
//! Invariants: no secret is printed ([`Secret`] shows `[secret]`), no key lies in a file that others can read, every stored or
//! handed out text begins with a version, and nothing here reads a clock or panics on any input.

mod envelope;
mod etag;
mod ids;
mod jwt;
mod keyfile;
mod master;
mod seal;
mod secret;

pub use envelope::{DataKey, OpenError, Place};
pub use etag::etag;
pub use ids::Ids;
pub use jwt::{
    ClaimNames, Claims, IssuerKeys, KeySet, KeySetError, KeySource, KeySourceError, KeyTimes, LOCAL_ISSUER, LocalIssuer, MAX_KEY_SET_BYTES,
    MAX_TOKEN_BYTES, TokenError, Verifier,
};
pub use keyfile::KeyFileError;
pub use master::{KeyId, MasterKey};
pub use seal::{BoundSealer, MAX_SEALED_BYTES, SealError, Sealer};
pub use secret::Secret;
