//! Which certificates are trusted, and what they contain.

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

use super::addresses;
use crate::domain::{Timestamp, TrustedCertificate};

/// Limit of names of a certificate in reports.
const NAMES: usize = 100;

/// A server's certificate. In a failed stage too: [`super::ProviderError::certificate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject, as a distinguished name (RFC 4514).
    pub subject: String,
    /// Its issuer, in the same form.
    pub issuer: String,
    /// Names and addresses that it is valid for (subjectAltName), at most 100.
    pub names: Vec<String>,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate: 64 hexadecimal digits in lower case.
    pub sha256_fingerprint: String,
    /// `TLSv1.2` or `TLSv1.3`; empty when the handshake failed before it was negotiated.
    pub tls_version: String,
    /// Whether it is trusted only because an administrator named its fingerprint for this host.
    pub trusted_by_fingerprint: bool,
}

/// Trusts what the platform's verifier trusts, and also the certificates that an administrator named for a host. The signature
/// of the handshake is verified in any case, so whoever presents such a certificate must have its key.
pub(super) struct Trust {
    platform: Arc<dyn ServerCertVerifier>,
    named: Vec<TrustedCertificate>,
    /// Whether a certificate was trusted only because it was named.
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
        let mut known = self.named.iter().filter(|known| same_host(&known.host, &host));
        let shown = fingerprint(certificate);
        known.any(|known| known.sha256_fingerprint == shown)
    }
}

/// Whether two texts name the same host; an address has many forms.
fn same_host(one: &str, other: &str) -> bool {
    match (addresses::literal(one), addresses::literal(other)) {
        (None, None) => one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.')),
        (one, other) => one == other,
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
        // A revoked certificate is not trusted, whoever named it.
        let revoked = matches!(cause, rustls::Error::InvalidCertificate(CertificateError::Revoked));
        if !revoked && self.is_named(server_name, end_entity) {
            self.by_fingerprint.store(true, Ordering::Relaxed);
            return Ok(ServerCertVerified::assertion());
        }
        // The content of the certificate is reported with the reason for its rejection.
        let refused = Refused {
            cause,
            facts: facts(end_entity),
            authority: is_authority(end_entity),
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

/// A certificate that is not trusted.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) cause: rustls::Error,
    pub(super) facts: Option<CertificateFacts>,
    /// Whether it is a CA certificate (RFC 5280, 4.2.1.9), which verifiers accept from no server.
    pub(super) authority: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not trusted")
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

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    let parsed = X509Certificate::from_der(certificate);
    parsed.is_ok_and(|(_, parsed)| parsed.is_ca())
}

/// The content of a certificate. `None` for one that cannot be parsed.
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
        subject: distinguished_name(parsed.subject()),
        issuer: distinguished_name(parsed.issuer()),
        names: names.take(NAMES).collect(),
        not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
        not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
        sha256_fingerprint: fingerprint(certificate),
        tls_version: String::new(),
        trusted_by_fingerprint: false,
    })
}

/// A distinguished name in the form of RFC 4514: the last part first, special characters after a backslash.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let part = |part: &AttributeTypeAndValue<'_>| {
        let oid = part.attr_type();
        match (short(oid), part.as_str()) {
            (Some(short), Ok(value)) => format!("{short}={}", escaped(value)),
            _ => format!("{}=#{}", oid.to_id_string(), hex(part.as_slice())),
        }
    };
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|parts| parts.iter().map(part).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    clean(&parts.join(","))
}

/// The short names of RFC 4514, section 3, and that of e-mail addresses, which everybody writes so.
fn short(oid: &oid_registry::Oid<'_>) -> Option<&'static str> {
    [
        (oid_registry::OID_X509_COMMON_NAME, "CN"),
        (oid_registry::OID_X509_LOCALITY_NAME, "L"),
        (oid_registry::OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
        (oid_registry::OID_X509_ORGANIZATION_NAME, "O"),
        (oid_registry::OID_X509_ORGANIZATIONAL_UNIT, "OU"),
        (oid_registry::OID_X509_COUNTRY_NAME, "C"),
        (oid_registry::OID_X509_STREET_ADDRESS, "STREET"),
        (oid_registry::OID_DOMAIN_COMPONENT, "DC"),
        (oid_registry::OID_USERID, "UID"),
        (oid_registry::OID_PKCS9_EMAIL_ADDRESS, "emailAddress"),
    ]
    .into_iter()
    .find_map(|(known, short)| (known == *oid).then_some(short))
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (index, c) in value.chars().enumerate() {
        let at_edge = (index == 0 && matches!(c, ' ' | '#')) || (index == last && c == ' ');
        if at_edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Text of a foreign certificate, fit to be shown.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = digest::digest(&digest::SHA256, certificate);
    hex(hash.as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        // RSA and ECDSA with SHA-384, and SHA-384 itself as a parameter of PSS; likewise the others.
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => &digest::SHA224,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    digest::digest(hash, certificate).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_in_all_their_forms() {
        for (one, other) in [
            ("mail.example.com", "Mail.Example.com."),
            ("::1", "[::1]"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("127.0.0.1", "127.1"),
        ] {
            assert!(same_host(one, other) && same_host(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("mail.example.com", "example.com"),
            ("mail.example.com", "mail.example.co"),
            ("localhost", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.2"),
        ] {
            assert!(!same_host(one, other) && !same_host(other, one), "{one} {other}");
        }
    }

    #[test]
    fn names_are_written_as_in_rfc_4514() {
        let mut parameters = rcgen::CertificateParams::new(vec!["mail.example.com".to_owned(), "192.0.2.7".to_owned()]).unwrap();
        let mut name = rcgen::DistinguishedName::new();
        name.push(rcgen::DnType::CountryName, "DE");
        name.push(rcgen::DnType::OrganizationName, "Oak, CN=bank.example \u{7}+ Sons");
        name.push(rcgen::DnType::CustomDnType(vec![1, 2, 3, 4]), "odd");
        name.push(rcgen::DnType::CommonName, "#mail ");
        parameters.distinguished_name = name;
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let facts = facts(certificate.der()).unwrap();
        // What is within a value cannot pose as another one.
        assert_eq!(facts.subject, r"CN=\#mail\ ,1.2.3.4=#6f6464,O=Oak\, CN=bank.example \+ Sons,C=DE");
        assert_eq!(facts.issuer, facts.subject);
        assert_eq!(facts.names, ["mail.example.com", "192.0.2.7"]);
        assert_eq!(super::facts(&CertificateDer::from(&b"no certificate"[..])), None);
    }

    #[test]
    fn bindings_are_hashed_like_the_certificate_is_signed() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, 32),
            (&rcgen::PKCS_ECDSA_P384_SHA384, 48),
            // Defined by no standard: what others do.
            (&rcgen::PKCS_ED25519, 32),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["a.example".to_owned()])
                .unwrap()
                .self_signed(&key)
                .unwrap();
            assert_eq!(channel_binding(certificate.der()).len(), length, "{algorithm:?}");
        }
    }
}
