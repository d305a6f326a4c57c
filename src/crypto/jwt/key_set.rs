//! JSON Web Key Sets (RFC 7517): the public keys of an issuer, and what each of them is for.
//!
//! Only keys of a set that verify signatures are used: RSA from 2,048 to 8,192 bits, P-256, P-384 and Ed25519. All others are skipped, as
//! RFC 7517 §5 requires.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm::{self, ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512},
    DecodingKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::{TokenError, sha256};
use crate::crypto::from_strict_json;

/// Largest key set that is read, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// Limit of keys of a set.
const MAX_KEYS: usize = 100;

/// Longest name of a key, in bytes.
const MAX_KID_BYTES: usize = 512;

/// Why a key set is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is longer than [`MAX_KEY_SET_BYTES`].
    #[error("the key set has more than {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    /// It is not JSON, or has no list of keys.
    #[error("it is not a JSON Web Key Set")]
    Malformed,
    /// It has too many keys.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
}

/// A public key, and what it is for.
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
    /// The same for the same key in the next set.
    fingerprint: [u8; 32],
    withdrawn: AtomicBool,
}

impl Key {
    /// Whether this key made the signature of a message.
    fn made(&self, signed: &Signed<'_>) -> bool {
        jsonwebtoken::crypto::verify(signed.signature, signed.message.as_bytes(), &self.decoding, signed.algorithm).unwrap_or(false)
    }

    /// Whether its issuer has published a set without it since.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }
}

/// A message with its signature.
pub(super) struct Signed<'a> {
    /// What was signed.
    pub(super) message: &'a str,
    /// The signature in base64url.
    pub(super) signature: &'a str,
    /// How it claims to be signed.
    pub(super) algorithm: Algorithm,
}

/// The keys of an issuer.
#[derive(Clone, Default)]
pub struct KeySet {
    pub(super) keys: Vec<Arc<Key>>,
    passed_over: usize,
}

impl KeySet {
    /// Reads a set. Unusable keys are skipped, so the set may be empty.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let document: Document = from_strict_json(json).map_err(|_| KeySetError::Malformed)?;
        let all = document.keys.len();
        if all > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(key).map(Arc::new).collect();
        Ok(Self {
            passed_over: all - keys.len(),
            keys,
        })
    }

    pub(super) fn of_ed25519(kid: Option<String>, public: &[u8]) -> Self {
        let key = Key::new(kid, vec![EdDSA], DecodingKey::from_ed_der(public), public);
        Self {
            keys: vec![Arc::new(key)],
            passed_over: 0,
        }
    }

    /// How many keys it has that check signatures.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no such key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys were skipped.
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// The key that signed a message, by the name of the key in it. Without a name all keys are tried.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`] when no key has that name, [`TokenError::Algorithm`] when none of them signs in this way, and
    /// [`TokenError::Signature`] when none made the signature.
    pub(super) fn signer(&self, kid: Option<&str>, signed: &Signed<'_>) -> Result<Arc<Key>, TokenError> {
        let mut error = TokenError::UnknownKey;
        for key in self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid) {
            if !key.algorithms.contains(&signed.algorithm) {
                if error == TokenError::UnknownKey {
                    error = TokenError::Algorithm;
                }
            } else if key.made(signed) {
                return Ok(key.clone());
            } else {
                error = TokenError::Signature;
            }
        }
        Err(error)
    }

    /// Replaces the previous set: keys that are in both stay the same, the others are withdrawn.
    pub(super) fn succeed(&mut self, before: &Self) {
        for old in &before.keys {
            match self.keys.iter_mut().find(|key| key.fingerprint == old.fingerprint) {
                Some(key) => *key = old.clone(),
                None => old.withdrawn.store(true, Ordering::Release),
            }
        }
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySet({} keys, {} passed over)", self.keys.len(), self.passed_over)
    }
}

impl Key {
    fn new(kid: Option<String>, algorithms: Vec<Algorithm>, decoding: DecodingKey, public: &[u8]) -> Self {
        let identity = format!("{kid:?} {algorithms:?} ");
        Self {
            fingerprint: sha256(&[identity.as_bytes(), public].concat()),
            kid,
            algorithms,
            decoding,
            withdrawn: AtomicBool::new(false),
        }
    }
}

/// The algorithm of this name, if it is one with a public key. Names of the others, `none` above all, mean nothing here.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => RS256,
        "RS384" => RS384,
        "RS512" => RS512,
        "PS256" => PS256,
        "PS384" => PS384,
        "PS512" => PS512,
        "ES256" => ES256,
        "ES384" => ES384,
        // RFC 8037 §3.1, and its successor's name (RFC 9864 §2.2).
        "EdDSA" | "Ed25519" => EdDSA,
        _ => return None,
    })
}

/// A key as it is written (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    /// Private parts.
    #[serde(default)]
    d: Option<Value>,
}

/// The key, if signatures can and may be checked with it.
fn key(json: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let for_signatures = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    // A key whose private part is public belongs to anybody.
    if !for_signatures || jwk.d.is_some() || jwk.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
        return None;
    }
    let part = |text: &str, bytes: usize| URL_SAFE_NO_PAD.decode(text).ok().filter(|part| part.len() == bytes);
    let point = |bytes: usize| Some([vec![4], part(&jwk.x, bytes)?, part(&jwk.y, bytes)?].concat());
    let (fitting, decoding, public): (&[Algorithm], _, _) = match (jwk.kty.as_str(), jwk.crv.as_str()) {
        ("RSA", _) => {
            let (n, e) = (URL_SAFE_NO_PAD.decode(&jwk.n).ok()?, URL_SAFE_NO_PAD.decode(&jwk.e).ok()?);
            let (n, e) = (without_zeros(&n), without_zeros(&e));
            let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
            if !(2048..=8192).contains(&bits) || e.len() > 4 {
                return None;
            }
            let decoding = DecodingKey::from_rsa_raw_components(n, e);
            (&[RS256, RS384, RS512, PS256, PS384, PS512], decoding, [n, e].concat())
        }
        ("EC", "P-256") => (&[ES256], DecodingKey::from_ec_der(&point(32)?), point(32)?),
        ("EC", "P-384") => (&[ES384], DecodingKey::from_ec_der(&point(48)?), point(48)?),
        ("OKP", "Ed25519") => (&[EdDSA], DecodingKey::from_ed_der(&part(&jwk.x, 32)?), part(&jwk.x, 32)?),
        _ => return None,
    };
    let algorithms = match &jwk.alg {
        // Its issuer declares its algorithm.
        Some(name) => vec![algorithm(name).filter(|algorithm| fitting.contains(algorithm))?],
        None => fitting.to_vec(),
    };
    Some(Key::new(jwk.kid, algorithms, decoding, &public))
}

/// A number without leading zeros, which some issuers write.
fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[start..]
}
