//! The installation's own issuer of tokens, which signs with Ed25519 (RFC 8037).

use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::{Claims, KeySet, MAX_TOKEN_BYTES, TokenError, sha256};
use crate::crypto::{KeyFileError, Secret, keyfile};

/// The issuer in tokens of the local issuer.
pub const LOCAL_ISSUER: &str = "mailagent-local";

/// Issues tokens with its own key.
pub struct LocalIssuer {
    pub(super) private: EncodingKey,
    pub(super) public: Vec<u8>,
    pub(super) header: Header,
}

impl LocalIssuer {
    /// The issuer with the key in the file at `path` (PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` makes it); with a new key when
    /// there is no file. The file is created atomically with mode 0600, and processes that race for it end with the same key.
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

    pub(super) fn from_pem(pem: &[u8]) -> Option<Self> {
        let private = EncodingKey::from_ed_pem(pem).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(private.as_bytes()).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(URL_SAFE_NO_PAD.encode(&sha256(&public)[..9]));
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
        let token = jsonwebtoken::encode(&self.header, &claims.to_wire(), &self.private).map_err(|_| TokenError::Signing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        Ok(token)
    }

    /// The key that its tokens are checked with.
    pub(super) fn key_set(&self) -> KeySet {
        KeySet::of_ed25519(self.header.kid.clone(), &self.public)
    }
}

impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalIssuer({})", self.header.kid.as_deref().unwrap_or_default())
    }
}

/// Lines of at most 64 characters (RFC 7468 §2); this kind of key takes one.
pub(super) fn to_pem(der: &[u8]) -> Secret<Vec<u8>> {
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
