//! Which tokens are trusted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    ClaimNames, IssuerKeys, KeySet, LOCAL_ISSUER, LocalIssuer, MAX_TOKEN_BYTES, TokenError,
    claims::{self, Header, Validity},
    key_set::{self, Key, Signed},
    sha256,
};
use crate::{
    crypto::from_strict_json,
    domain::{Caller, Timestamp},
};

/// Limit of cached verified tokens, in each of two generations.
const GENERATION: usize = 5_000;

/// Verifies tokens of some issuers for one audience. Valid ones are cached, so a returning caller costs a hash.
pub struct Verifier {
    audience: String,
    skew: Duration,
    issuers: Vec<Issuer>,
    // Held only for a lookup, never across an await.
    known: Mutex<VerifiedTokens>,
}

/// An issuer whose tokens are trusted.
struct Issuer {
    name: String,
    names: ClaimNames,
    keys: Keys,
}

enum Keys {
    Fixed(KeySet),
    Followed(Arc<IssuerKeys>),
}

impl Verifier {
    /// Trusts nobody yet. Tokens must be issued for `audience`; the clocks of their issuers may differ from ours by `skew`.
    pub fn new(audience: impl Into<String>, skew: Duration) -> Self {
        Self {
            audience: audience.into(),
            skew,
            issuers: Vec::new(),
            known: Mutex::default(),
        }
    }

    /// Also trusts the local issuer.
    #[must_use]
    pub fn with_local(mut self, issuer: &LocalIssuer) -> Self {
        self.issuers.push(Issuer {
            name: LOCAL_ISSUER.to_owned(),
            names: ClaimNames::default(),
            keys: Keys::Fixed(issuer.key_set()),
        });
        self
    }

    /// Also trusts another issuer, whose tokens have `name` as their `iss`.
    #[must_use]
    pub fn with_issuer(mut self, name: impl Into<String>, keys: Arc<IssuerKeys>, names: ClaimNames) -> Self {
        self.issuers.push(Issuer {
            name: name.into(),
            names,
            keys: Keys::Followed(keys),
        });
        self
    }

    /// Who calls with this token, if it is valid at `now`. Waits briefly for the keys of an issuer when the token's is not known.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let hash = sha256(token.as_bytes());
        // Not held during the check of the signature.
        let known = self.known().get(&hash);
        if let Some(verified) = known.filter(|verified| self.still_stands(verified)) {
            verified.validity.check(now, self.skew)?;
            return Ok(verified);
        }
        let verified = self.check(token).await?;
        verified.validity.check(now, self.skew)?;
        self.known().insert(hash, verified.clone());
        Ok(verified)
    }

    /// Whether the key of a token that was verified before is still its issuer's.
    fn still_stands(&self, verified: &VerifiedToken) -> bool {
        let served = |issuer: &Issuer| match &issuer.keys {
            Keys::Fixed(_) => true,
            Keys::Followed(keys) => keys.are_fresh(),
        };
        !verified.key.is_withdrawn() && self.issuers.get(verified.issuer).is_some_and(served)
    }

    /// Everything that does not depend on the time.
    async fn check(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode(header)?;
        header.check()?;
        let payload: Value = decode(payload)?;
        let name = claims::issuer(&payload)?;
        let position = self.issuers.iter().position(|issuer| issuer.name == name);
        let (position, issuer) = position.map(|at| (at, &self.issuers[at])).ok_or(TokenError::Issuer)?;
        let signed = Signed {
            message,
            signature,
            algorithm: key_set::algorithm(&header.alg).ok_or(TokenError::Algorithm)?,
        };
        let key = match &issuer.keys {
            Keys::Fixed(keys) => keys.signer(header.kid.as_deref(), &signed)?,
            Keys::Followed(keys) => keys.signer(header.kid.as_deref(), &signed).await?,
        };
        let (caller, validity) = claims::read(&payload, &issuer.names, &self.audience)?;
        Ok(VerifiedToken {
            caller: Arc::new(caller),
            validity,
            skew: self.skew,
            issuer: position,
            key,
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, VerifiedTokens> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let issuers: Vec<&str> = self.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        write!(f, "Verifier({} by {issuers:?})", self.audience)
    }
}

/// A part of a token: JSON in base64url (RFC 7515 §3), without duplicate claims.
fn decode<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    from_strict_json(&json).map_err(|_| TokenError::Malformed)
}

/// A valid token. Cheap to clone.
#[derive(Clone)]
pub struct VerifiedToken {
    /// Who calls with it.
    pub caller: Arc<Caller>,
    validity: Validity,
    skew: Duration,
    issuer: usize,
    key: Arc<Key>,
}

impl VerifiedToken {
    /// Fails once it is no longer valid at `now`, for what continues after it was verified.
    ///
    /// # Errors
    /// [`TokenError::Expired`], and [`TokenError::UnknownKey`] when its issuer has withdrawn the key that signed it.
    pub fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        if self.key.is_withdrawn() {
            return Err(TokenError::UnknownKey);
        }
        self.validity.check(now, self.skew)
    }
}

/// The tokens used last, by their hash. When `young` is full it becomes `old`, and what was in `old` and not used since is forgotten:
/// the size is bounded and tokens in use stay.
#[derive(Default)]
struct VerifiedTokens {
    young: HashMap<[u8; 32], VerifiedToken>,
    old: HashMap<[u8; 32], VerifiedToken>,
}

impl VerifiedTokens {
    fn get(&mut self, hash: &[u8; 32]) -> Option<VerifiedToken> {
        if let Some(verified) = self.young.get(hash) {
            return Some(verified.clone());
        }
        let verified = self.old.remove(hash)?;
        self.insert(*hash, verified.clone());
        Some(verified)
    }

    fn insert(&mut self, hash: [u8; 32], verified: VerifiedToken) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_keeps_what_is_used() {
        let mut known = VerifiedTokens::default();
        let issuer = LocalIssuer::load_or_create(&tempfile::tempdir().unwrap().path().join("key.pem")).unwrap();
        let one = VerifiedToken {
            caller: Arc::new(Caller {
                tenant: "acme".into(),
                user: "ann".into(),
                scopes: Vec::new(),
            }),
            validity: Validity {
                until: Timestamp(0),
                from: None,
            },
            skew: Duration::ZERO,
            issuer: 0,
            key: issuer.key_set().keys[0].clone(),
        };
        let hash = |n: usize| sha256(&n.to_be_bytes());
        known.insert(hash(0), one.clone());
        for n in 1..4 * GENERATION {
            known.insert(hash(n), one.clone());
            if n % 1_000 == 0 {
                assert!(known.get(&hash(0)).is_some(), "{n}");
            }
            assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
        }
        assert!(known.get(&hash(1)).is_none());
    }
}
