//! Access tokens: JSON Web Tokens (RFC 7519) of the installation's own issuer and of an OpenID issuer.
//!
//! The time always comes from the caller, except for the age of an issuer's keys, which needs no clock. How a token is checked is pinned by
//! its issuer's key (RFC 8725 §3.1): a token cannot choose it.
//!
//! | file | holds |
//! |---|---|
//! | `claims` | the content of a token |
//! | `issuer_keys` | the keys of an OpenID issuer: fetched, cached, rotated |
//! | `key_set` | JSON Web Key Sets (RFC 7517) |
//! | `local` | the installation's own issuer |
//! | `verifier` | which tokens are trusted |

mod claims;
mod issuer_keys;
mod key_set;
mod local;
#[cfg(test)]
mod tests;
mod verifier;

use std::{borrow::Cow, time::Duration};

pub use claims::{ClaimNames, Claims};
pub use issuer_keys::{IssuerKeys, KeyTimes, PublishedKeys, PublishedKeysError};
pub use key_set::{KeySet, MAX_KEY_SET_BYTES};
pub use local::{LOCAL_ISSUER, LocalIssuer};
pub use verifier::{VerifiedToken, Verifier};

/// Longest token that is accepted, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token is not accepted, or not issued. The texts never contain any part of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// It is not a JSON Web Token, or has a critical extension that this service does not know.
    #[error("the token is malformed")]
    Malformed,
    /// It lacks a claim, or the claim has the wrong type.
    #[error("the claim `{0}` of the token is missing or malformed")]
    Missing(Cow<'static, str>),
    /// It is not meant for calling services: `typ` says something else (RFC 8725 §3.11).
    #[error("the token is not an access token: its `typ` says that it is for something else")]
    Type,
    /// It is usable only together with a key of its holder (RFC 7800).
    #[error("the token is bound to a key of its holder (claim `cnf`), which this service does not check; get an unbound token")]
    Bound,
    /// Its `alg` is not one that its key is for.
    #[error("the token is signed with an algorithm that its issuer's keys are not for")]
    Algorithm,
    /// Its key does not belong to its issuer.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The keys of its issuer are not known, so it cannot be verified.
    #[error("the token issuer's keys are currently unavailable")]
    KeysAway {
        /// When a retry may succeed.
        retry_after: Duration,
    },
    /// The signature is invalid: made with another key, or modified.
    #[error("the token's signature is invalid")]
    Signature,
    /// Another issuer made it.
    #[error("the token is from another issuer")]
    Issuer,
    /// It was made for another service.
    #[error("the token is for another audience")]
    Audience,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim has a value that it must not have.
    #[error("the claim `{0}` of the token must have 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")]
    Claim(Cow<'static, str>),
    /// It cannot be signed.
    #[error("the token cannot be signed")]
    Signing,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
