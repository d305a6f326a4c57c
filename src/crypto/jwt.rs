//! Access tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037), made and verified by the installation itself.
//!
//! The time always comes from the caller. The algorithm is pinned (RFC 8725 §3.1), so a token cannot choose how it is checked.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use super::{KeyFileError, Secret, keyfile};
use crate::domain::{Scope, Timestamp};

/// The issuer in tokens of the local issuer.
pub const LOCAL_ISSUER: &str = "mailagent-local";

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clocks of issuer and verifier may be apart.
const SKEW: Duration = Duration::from_secs(30);

/// Verified tokens that are remembered, in each of two generations.
const GENERATION: usize = 5_000;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who made it; [`LOCAL_ISSUER`] for the local issuer.
    pub iss: String,
    /// The user: 1 to 64 characters of `A-Za-z0-9._-`.
    pub sub: String,
    /// The tenant: 1 to 64 characters of `A-Za-z0-9._-`.
    pub tenant: String,
    /// What the user may do. Names that this release does not know are passed over.
    pub scope: Vec<Scope>,
    /// For whom it was made; at least one.
    pub aud: Vec<String>,
    /// Until when it is valid, in whole seconds.
    pub exp: Timestamp,
    /// From when it is valid, in whole seconds, if it says so.
    pub nbf: Option<Timestamp>,
    /// When it was made, in whole seconds.
    pub iat: Timestamp,
    /// Its own id.
    pub jti: String,
}

/// Why a token is not accepted, or not made. The texts never have any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// It is no JSON Web Token, or lacks a claim.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed in another way than with Ed25519.
    #[error("the token is not signed with EdDSA")]
    Algorithm,
    /// The signature is wrong: made with another key, or changed.
    #[error("the signature of the token is wrong")]
    Signature,
    /// Another issuer made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It was made for another service.
    #[error("the token is for another audience")]
    Audience,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim has a value that it must not have.
    #[error("the claim `{0}` of the token must have 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")]
    Claim(&'static str),
    /// It cannot be signed.
    #[error("the token cannot be signed")]
    Signing,
}

impl Claims {
    /// Whether the token allows this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scope.contains(&scope)
    }

    fn check_names(&self) -> Result<(), TokenError> {
        for (claim, value) in [("sub", &self.sub), ("tenant", &self.tenant)] {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            if !(1..=64).contains(&value.len()) || !value.bytes().all(fits) {
                return Err(TokenError::Claim(claim));
            }
        }
        Ok(())
    }

    fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        if self.exp.after(SKEW) <= now {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|nbf| nbf.before(SKEW) > now) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// Makes tokens with a key of its own.
pub struct LocalIssuer {
    private: EncodingKey,
    public: Vec<u8>,
    header: Header,
}

impl LocalIssuer {
    /// The issuer with the key in the file at `path` (PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` makes it); with a new key when
    /// there is no file. The file is made atomically with mode 0600, and processes that race for it end with the same key.
    ///
    /// # Errors
    /// [`KeyFileError`] when the file cannot be read or made, is open to other users, or holds no such key.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let pem = keyfile::load_or_create(path, || {
            // Version 1 of PKCS#8, as openssl knows no other for this kind of key.
            let der = Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8v1())
                .expect("only a lack of memory could prevent it");
            to_pem(der.as_ref())
        })?;
        Self::from_pem(pem.expose()).ok_or_else(|| KeyFileError::Damaged {
            path: path.to_owned(),
            expected: "an Ed25519 private key, PKCS#8 in PEM",
        })
    }

    fn from_pem(pem: &[u8]) -> Option<Self> {
        let private = EncodingKey::from_ed_pem(pem).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(private.as_bytes()).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, &public).as_ref()[..9]));
        Some(Self { private, public, header })
    }

    /// A signed token with these claims, whose issuer must be [`LOCAL_ISSUER`].
    ///
    /// # Errors
    /// [`TokenError::Claim`], [`TokenError::Issuer`], [`TokenError::Audience`] when a claim would not be accepted, and
    /// [`TokenError::TooLong`].
    pub fn issue(&self, claims: &Claims) -> Result<String, TokenError> {
        claims.check_names()?;
        if claims.iss != LOCAL_ISSUER {
            return Err(TokenError::Issuer);
        }
        if claims.aud.is_empty() {
            return Err(TokenError::Audience);
        }
        let token = jsonwebtoken::encode(&self.header, &Wire::from(claims), &self.private).map_err(|_| TokenError::Signing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        Ok(token)
    }

    /// The verifier for tokens of this issuer that are made for `audience`.
    pub fn verifier(&self, audience: impl Into<String>) -> Verifier {
        let mut validation = Validation::new(Algorithm::EdDSA);
        // The library would read the machine's clock and does not insist on an issuer: times and names are checked here.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Verifier {
            key: DecodingKey::from_ed_der(&self.public),
            validation,
            audience: audience.into(),
            known: Mutex::default(),
        }
    }
}

impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalIssuer({})", self.header.kid.as_deref().unwrap_or_default())
    }
}

/// Verifies tokens of one issuer for one audience. Those found good are remembered, so a caller that comes again costs a hash.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    audience: String,
    // Held for a look-up, never across an await.
    known: Mutex<Known>,
}

impl Verifier {
    /// What the token says, if it is to be believed at `now`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let hash = sha256(token.as_bytes());
        // Not held during the check of the signature.
        let known = self.known().get(&hash);
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.check(token)?);
                claims.check_time(now)?;
                self.known().insert(hash, claims.clone());
                claims
            }
        };
        claims.check_time(now)?;
        Ok(claims)
    }

    /// All that does not depend on the time.
    fn check(&self, token: &str) -> Result<Claims, TokenError> {
        let data = jsonwebtoken::decode::<Wire>(token, &self.key, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        // Extensions that must be understood are not (RFC 7515 §4.1.11).
        if data.header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let claims = Claims::from(data.claims);
        if claims.iss != LOCAL_ISSUER {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.contains(&self.audience) {
            return Err(TokenError::Audience);
        }
        claims.check_names()?;
        Ok(claims)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({})", self.audience)
    }
}

/// The tokens used last, by their hash. When `young` is full it becomes `old`, and what was in `old` and not used since is forgotten:
/// the size is bounded and tokens in use stay.
#[derive(Default)]
struct Known {
    young: HashMap<[u8; 32], Arc<Claims>>,
    old: HashMap<[u8; 32], Arc<Claims>>,
}

impl Known {
    fn get(&mut self, hash: &[u8; 32]) -> Option<Arc<Claims>> {
        if let Some(claims) = self.young.get(hash) {
            return Some(claims.clone());
        }
        let claims = self.old.remove(hash)?;
        self.insert(*hash, claims.clone());
        Some(claims)
    }

    fn insert(&mut self, hash: [u8; 32], claims: Arc<Claims>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, claims);
    }
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    sub: String,
    tenant: String,
    /// Names with spaces between them (RFC 8693 §4.2).
    #[serde(default)]
    scope: String,
    aud: Audience,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    iat: i64,
    #[serde(default)]
    jti: String,
}

/// One name or several (RFC 7519 §4.1.3).
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl From<&Claims> for Wire {
    fn from(claims: &Claims) -> Self {
        let names: Vec<&str> = claims.scope.iter().map(|scope| scope.as_str()).collect();
        Self {
            iss: claims.iss.clone(),
            sub: claims.sub.clone(),
            tenant: claims.tenant.clone(),
            scope: names.join(" "),
            aud: match claims.aud.as_slice() {
                [one] => Audience::One(one.clone()),
                several => Audience::Several(several.to_vec()),
            },
            exp: claims.exp.seconds(),
            nbf: claims.nbf.map(Timestamp::seconds),
            iat: claims.iat.seconds(),
            jti: claims.jti.clone(),
        }
    }
}

impl From<Wire> for Claims {
    fn from(wire: Wire) -> Self {
        Self {
            iss: wire.iss,
            sub: wire.sub,
            tenant: wire.tenant,
            scope: wire.scope.split(' ').filter_map(Scope::parse).collect(),
            aud: match wire.aud {
                Audience::One(one) => vec![one],
                Audience::Several(several) => several,
            },
            exp: Timestamp::from_seconds(wire.exp),
            nbf: wire.nbf.map(Timestamp::from_seconds),
            iat: Timestamp::from_seconds(wire.iat),
            jti: wire.jti,
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}

/// Lines of at most 64 characters (RFC 7468 §2); this kind of key takes one.
fn to_pem(der: &[u8]) -> Secret<Vec<u8>> {
    let body = Secret::new(STANDARD.encode(der));
    let mut pem = Vec::with_capacity(256);
    pem.extend_from_slice(b"-----BEGIN PRIVATE KEY-----\n");
    for line in body.expose().as_bytes().chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END PRIVATE KEY-----\n");
    Secret::new(pem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn issuer() -> LocalIssuer {
        let der = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        LocalIssuer::from_pem(to_pem(der.as_ref()).expose()).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: LOCAL_ISSUER.into(),
            sub: "ann".into(),
            tenant: "acme".into(),
            scope: vec![Scope::AgentRead, Scope::ArchiveRead],
            aud: vec!["mailagent".into()],
            exp: NOW.after(Duration::from_secs(3600)),
            nbf: None,
            iat: NOW,
            jti: "01J".into(),
        }
    }

    /// A token of this issuer with any claims at all.
    fn raw(issuer: &LocalIssuer, header: &Header, claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(header, claims, &issuer.private).unwrap()
    }

    #[test]
    fn a_token_says_what_was_put_in() {
        let issuer = issuer();
        let verifier = issuer.verifier("mailagent");
        for claims in [
            claims(),
            Claims {
                aud: vec!["other".into(), "mailagent".into()],
                nbf: Some(NOW),
                scope: Scope::ALL.to_vec(),
                ..claims()
            },
        ] {
            let token = issuer.issue(&claims).unwrap();
            assert_eq!(*verifier.verify(&token, NOW).unwrap(), claims);
            assert_eq!(*verifier.verify(&token, NOW).unwrap(), claims, "remembered");
            assert!(claims.allows(Scope::AgentRead));
        }
        assert!(!claims().allows(Scope::AgentWrite));
    }

    #[test]
    fn the_key_comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("issuer.pem");
        let token = LocalIssuer::load_or_create(&path).unwrap().issue(&claims()).unwrap();
        let again = LocalIssuer::load_or_create(&path).unwrap();
        assert!(again.verifier("mailagent").verify(&token, NOW).is_ok());
        assert_eq!(issuer().verifier("mailagent").verify(&token, NOW), Err(TokenError::Signature));

        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let error = LocalIssuer::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Damaged { .. }), "{error}");
    }

    #[test]
    fn keys_of_openssl_are_accepted() {
        // RFC 8410 §10.3.
        let pem =
            b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let issuer = LocalIssuer::from_pem(pem).unwrap();
        let token = issuer.issue(&claims()).unwrap();
        assert!(issuer.verifier("mailagent").verify(&token, NOW).is_ok());
    }

    #[test]
    fn times_are_checked_with_skew_also_when_remembered() {
        let issuer = issuer();
        let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
        let token = issuer
            .issue(&Claims {
                nbf: Some(at(100)),
                ..claims()
            })
            .unwrap();
        let verifier = issuer.verifier("mailagent");
        for remembered in [false, true] {
            for (seconds, expected) in [
                (0, Some(TokenError::NotYetValid)),
                (69, Some(TokenError::NotYetValid)),
                (70, None),
                (3600, None),
                (3629, None),
                (3630, Some(TokenError::Expired)),
                (1_000_000, Some(TokenError::Expired)),
            ] {
                let fresh = issuer.verifier("mailagent");
                let verifier = if remembered { &verifier } else { &fresh };
                assert_eq!(verifier.verify(&token, at(seconds)).err(), expected, "{seconds} {remembered}");
            }
        }
    }

    #[test]
    fn wrong_tokens_are_refused() {
        let issuer = issuer();
        let verifier = issuer.verifier("mailagent");
        let good = serde_json::to_value(Wire::from(&claims())).unwrap();
        let check = |change: serde_json::Value, expected: Option<TokenError>| {
            let mut claims = good.clone();
            for (key, value) in change.as_object().unwrap() {
                claims[key] = value.clone();
            }
            let token = raw(&issuer, &issuer.header, &claims);
            assert_eq!(verifier.verify(&token, NOW).err(), expected, "{change}");
        };
        use serde_json::json;
        check(json!({}), None);
        check(json!({"scope": "agent.read unknown.scope  "}), None);
        check(json!({"iss": "https://issuer.example"}), Some(TokenError::Issuer));
        check(json!({"iss": null}), Some(TokenError::Malformed));
        check(json!({"aud": "other"}), Some(TokenError::Audience));
        check(json!({"aud": []}), Some(TokenError::Audience));
        check(json!({"aud": null}), Some(TokenError::Malformed));
        check(json!({"exp": 0}), Some(TokenError::Expired));
        check(json!({"exp": -1}), Some(TokenError::Expired));
        check(json!({"exp": "tomorrow"}), Some(TokenError::Malformed));
        check(json!({"exp": null}), Some(TokenError::Malformed));
        check(json!({"exp": i64::MAX}), None);
        for (claim, name) in [("sub", "sub"), ("tenant", "tenant")] {
            for bad in ["", "a b", "a/b", "../x", "é", &"a".repeat(65)] {
                check(json!({claim: bad}), Some(TokenError::Claim(name)));
            }
            check(json!({claim: "a".repeat(64)}), None);
        }
        let mut crit = issuer.header.clone();
        crit.crit = Some(vec!["b64".into()]);
        assert_eq!(verifier.verify(&raw(&issuer, &crit, &good), NOW), Err(TokenError::Malformed));
    }

    #[test]
    fn the_algorithm_is_pinned() {
        let issuer = issuer();
        let verifier = issuer.verifier("mailagent");
        let wire = Wire::from(&claims());
        // The well-known confusion: the public key as the secret of HMAC.
        let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &wire, &EncodingKey::from_secret(&issuer.public)).unwrap();
        assert_eq!(verifier.verify(&hmac, NOW), Err(TokenError::Algorithm));
        let token = issuer.issue(&claims()).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = rest.split_once('.').unwrap().0;
        for unsigned in [format!("{none}.{body}."), format!("{none}.{rest}")] {
            assert!(matches!(
                verifier.verify(&unsigned, NOW),
                Err(TokenError::Malformed | TokenError::Algorithm)
            ));
        }
    }

    #[test]
    fn only_acceptable_tokens_are_issued() {
        let issuer = issuer();
        let check = |claims: Claims, expected| assert_eq!(issuer.issue(&claims).err(), Some(expected));
        check(
            Claims {
                sub: "a b".into(),
                ..claims()
            },
            TokenError::Claim("sub"),
        );
        check(
            Claims {
                tenant: String::new(),
                ..claims()
            },
            TokenError::Claim("tenant"),
        );
        check(
            Claims {
                iss: "x".into(),
                ..claims()
            },
            TokenError::Issuer,
        );
        check(Claims { aud: vec![], ..claims() }, TokenError::Audience);
        check(
            Claims {
                jti: "x".repeat(MAX_TOKEN_BYTES),
                ..claims()
            },
            TokenError::TooLong,
        );
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        assert_eq!(issuer.verifier("mailagent").verify(&long, NOW), Err(TokenError::TooLong));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_keeps_what_is_used() {
        let mut known = Known::default();
        let one = Arc::new(claims());
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

    proptest! {
        #[test]
        fn rubbish_is_refused(token in any::<String>()) {
            prop_assert!(issuer().verifier("mailagent").verify(&token, NOW).is_err());
        }

        #[test]
        fn no_character_may_change(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]") {
            let issuer = issuer();
            let verifier = issuer.verifier("mailagent");
            let token = issuer.issue(&claims()).unwrap();
            let mut changed = token.clone();
            let at = at.index(token.len());
            changed.replace_range(at..=at, &with);
            prop_assert_eq!(verifier.verify(&changed, NOW).is_ok(), changed == token);
        }
    }
}
