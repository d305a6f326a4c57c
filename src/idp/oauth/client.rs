//! How this service proves to a provider that it is the registered application: with a secret, or with a certificate
//! (`private_key_jwt`, RFC 7523 §2.2; Microsoft requires the certificate's thumbprint in the header).

use std::{fmt, path::Path, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{crypto::Secret, domain::Timestamp};

/// How long an assertion is valid.
const ASSERTION_LIFE: Duration = Duration::from_mins(5);

/// The proof that this service is the registered application.
pub enum ClientProof {
    /// Nothing: a public client, which PKCE alone protects.
    Nothing,
    /// A shared secret.
    Secret(Secret),
    /// A certificate's key.
    Certificate(Box<ClientCertificate>),
}

/// A certificate that the provider knows, with its key.
pub struct ClientCertificate {
    key: EncodingKey,
    header: Header,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a certificate cannot be used: what is wrong with which file.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct CertificateError {
    /// What is wrong.
    pub problem: String,
    /// Whether it is the key rather than the certificate.
    pub key: bool,
}

#[derive(Serialize)]
struct Assertion<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: &'a str,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl ClientCertificate {
    /// Reads a certificate and its private key, both in PEM: RSA, or an elliptic curve key (P-256).
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not fit.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let fault = |problem: String, key| CertificateError { problem, key };
        let certificate = CertificateDer::from_pem_file(certificate).map_err(|error| fault(format!("cannot be used: {error}"), false))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(|_| fault("is not a certificate".to_owned(), false))?;
        let pem = std::fs::read(key).map_err(|error| fault(format!("cannot be read: {error}"), true))?;
        let pem = Zeroizing::new(pem);
        let rsa = EncodingKey::from_rsa_pem(&pem).map(|key| (key, Algorithm::PS256));
        let (key, algorithm) = rsa
            .or_else(|_| EncodingKey::from_ec_pem(&pem).map(|key| (key, Algorithm::ES256)))
            .map_err(|_| {
                fault(
                    "contains no RSA or P-256 private key in PEM form without a password".to_owned(),
                    true,
                )
            })?;
        let mut header = Header::new(algorithm);
        let thumbprint = digest::digest(&digest::SHA256, &certificate);
        header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(thumbprint));
        Ok(Self {
            key,
            header,
            expires: Timestamp::from_seconds(parsed.validity().not_after.timestamp()),
        })
    }

    /// A proof for one request to this token endpoint.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        endpoint: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Secret, jsonwebtoken::errors::Error> {
        let claims = Assertion {
            aud: endpoint,
            iss: client_id,
            sub: client_id,
            jti: id,
            nbf: now.seconds(),
            iat: now.seconds(),
            exp: now.after(ASSERTION_LIFE).seconds(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.key).map(Secret::new)
    }
}

impl fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Secret(_) => "Secret([secret])",
            Self::Certificate(_) => "Certificate([secret])",
        })
    }
}
