//! Which certificates are believed, and what they say.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::digest;
use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::{prelude::*, signature_algorithm::SignatureAlgorithm};

use crate::{
    domain::{Timestamp, TrustedCertificate},
    provider::CertificateFacts,
};

/// Most names of a certificate that are told.
const NAMES: usize = 100;

/// Believes what the platform's verifier believes, and beyond that the certificates that an administrator named for a host. The signature
/// of the handshake is verified in any case, so whoever shows such a certificate must have its key.
pub(super) struct Trust {
    platform: Arc<dyn ServerCertVerifier>,
    named: Vec<TrustedCertificate>,
    /// Whether a certificate was believed only because it was named.
    pub(super) by_fingerprint: AtomicBool,
}

impl Trust {
    pub(super) fn new(platform: Arc<dyn ServerCertVerifier>, named: Vec<TrustedCertificate>) -> Self {
        Self {
            platform,
            named,
            by_fingerprint: AtomicBool::new(false),
        }
    }

    fn is_named(&self, host: &ServerName<'_>, certificate: &CertificateDer<'_>) -> bool {
        let host = host.to_str();
        let mut known = self
            .named
            .iter()
            .filter(|known| known.host.trim_end_matches('.').eq_ignore_ascii_case(host.trim_end_matches('.')));
        let shown = fingerprint(certificate);
        known.any(|known| known.sha256_fingerprint == shown)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("named", &self.named).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .platform
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(cause) = verified else { return verified };
        if self.is_named(server_name, end_entity) {
            self.by_fingerprint.store(true, Ordering::Relaxed);
            return Ok(ServerCertVerified::assertion());
        }
        // What the certificate says goes along with why it is refused.
        let refused = Refused {
            cause,
            facts: facts(end_entity),
        };
        Err(CertificateError::Other(OtherError(Arc::new(refused))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

/// A certificate that is not believed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) cause: rustls::Error,
    pub(super) facts: Option<CertificateFacts>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not believed")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl Refused {
    /// The refusal in an error of the TLS library.
    pub(super) fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }
}

/// What a certificate says. `None` for one that cannot be read.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(clean(name)),
            GeneralName::IPAddress(bytes) => match *bytes {
                [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
                bytes => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            },
            _ => None,
        });
    Some(CertificateFacts {
        subject: clean(&parsed.subject().to_string()),
        issuer: clean(&parsed.issuer().to_string()),
        names: names.take(NAMES).collect(),
        not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
        not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
        sha256_fingerprint: fingerprint(certificate),
        tls_version: String::new(),
        trusted_by_fingerprint: false,
    })
}

/// Text of a foreign certificate, fit to be shown.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = digest::digest(&digest::SHA256, certificate);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `tls-server-end-point` channel binding of a server's certificate in DER (RFC 5929 §4.1): its hash by the hash function of its
/// signature, or by SHA-256 where that is MD5, SHA-1 or none at all.
pub fn channel_binding(certificate: &[u8]) -> Vec<u8> {
    let parsed = X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed);
    let algorithm = parsed.as_ref().map(|parsed| &parsed.signature_algorithm);
    let oid = algorithm.map(|algorithm| match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(params)) => params.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    });
    let hash = match oid.as_deref().unwrap_or_default() {
        // RSA and ECDSA with SHA-384, and SHA-384 itself as a parameter of PSS; likewise SHA-512.
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    digest::digest(hash, certificate).as_ref().to_vec()
}
