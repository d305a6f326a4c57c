//! Secrets, keys, sealed positions, tokens and ids.
//!
//! The master key comes from outside ([`KeySource`]) and does one thing: it wraps data keys ([`DataKey`]), one for each tenant and one for
//! sealed positions ([`Sealer`]), which are stored in the database. So it can be replaced while everything that was sealed stays valid, and
//! replicas that share it accept each other's cursors and page tokens and read each other's secrets. The local issuer of tokens has a
//! key of its own ([`LocalIssuer`]); those of an OpenID issuer are fetched and kept up to date ([`IssuerKeys`]).
//!
//! Invariants: no secret is printed ([`Secret`] shows `[secret]`), no key is in a file that others can read, every stored or
//! issued text begins with a version, and nothing here reads a clock or panics on any input.

mod envelope;
mod etag;
mod ids;
mod jwt;
mod keyfile;
mod master;
mod ring;
mod seal;
mod secret;
mod source;
mod strict;

pub use envelope::{DataKey, OpenError, Place, wrapped_by};
pub use etag::etag;
pub use ids::Ids;
pub use jwt::{
    ClaimNames, Claims, IssuerKeys, KeySet, KeyTimes, LOCAL_ISSUER, LocalIssuer, MAX_KEY_SET_BYTES, PublishedKeys, PublishedKeysError,
    TokenError, VerifiedToken, Verifier,
};
pub use keyfile::KeyFileError;
pub use master::{KeyId, MasterKey};
pub use ring::{KeyRing, RingError};
pub use seal::{BoundSealer, Sealer};
pub use secret::Secret;
pub use source::{KeySource, KeySourceError, MissingMasterKey};
pub use strict::from_strict_json;
