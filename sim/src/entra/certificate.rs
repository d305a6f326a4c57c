//! The certificates that applications prove themselves by.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// A certificate that an application proves itself by.
pub(super) struct Certificate {
    pub(super) key: DecodingKey,
    pub(super) thumbprint: String,
}

impl Certificate {
    pub(super) fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
        let x509_parser::public_key::PublicKey::RSA(key) = parsed.public_key().parsed().ok()? else {
            return None;
        };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let modulus = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
        Some(Self {
            key: DecodingKey::from_rsa_components(&encode(modulus), &encode(key.exponent)).ok()?,
            thumbprint: encode(digest::digest(&digest::SHA256, &der).as_ref()),
        })
    }
}
