//! Checks the files that settings name, before they are used.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::logins;
use crate::config::{Config, ConfigErrors, Fault};

/// Checks the certificates and keys that the settings name. Changes nothing.
///
/// # Errors
/// All files that cannot be read or are invalid.
pub fn check_files(config: &Config) -> Result<(), ConfigErrors> {
    let mut faults = Vec::new();
    if let Some(tls) = &config.server.tls {
        let chain = certificates("server.tls.certificate_file", &tls.certificate_file);
        let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(|error| {
            let advice = "a key looks like the output of openssl genpkey, without a password";
            unreadable("server.tls.key_file", &tls.key_file, &error, "no private key", advice)
        });
        match (chain, key) {
            (Ok(chain), Ok(key)) => faults.extend(fit(&tls.key_file, chain, key)),
            (chain, key) => faults.extend([chain.err(), key.err()].into_iter().flatten()),
        }
        if let Some(path) = &tls.client_ca_file {
            let key = "server.tls.client_ca_file";
            match certificates(key, path) {
                Ok(authorities) => faults.extend(authority(key, path, authorities)),
                Err(fault) => faults.push(fault),
            }
        }
    }
    if let Some(path) = &config.network.root_certificates_file {
        faults.extend(certificates("network.root_certificates_file", path).err());
    }
    faults.extend(logins::check_files(config));
    ConfigErrors::of(faults).map_or(Ok(()), Err)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let advice = "a certificate begins with -----BEGIN CERTIFICATE-----";
    match read {
        Ok(certificates) if certificates.is_empty() => Err(Fault::of_file(key, path, "has no certificate in PEM form".to_owned(), advice)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(key, path, &error, "no certificate", advice)),
    }
}

/// Whether the key is that of the certificate.
fn fit(path: &Path, certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Option<Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    let (problem, advice) = match builder.with_no_client_auth().with_single_cert(certificates, key).err()? {
        rustls::Error::InconsistentKeys(_) => (
            "is not the key of the certificate in server.tls.certificate_file".to_owned(),
            "use the key that belongs to the certificate",
        ),
        error => (
            format!("cannot be used with the certificate in server.tls.certificate_file: {error}"),
            "",
        ),
    };
    Some(Fault::of_file("server.tls.key_file", path, problem, advice))
}

/// Whether callers' certificates can be verified against these.
fn authority(key: &str, path: &Path, authorities: Vec<CertificateDer<'static>>) -> Option<Fault> {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(authorities);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = ignored > 0
        || WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .is_err();
    unusable.then(|| {
        Fault::of_file(
            key,
            path,
            "has an invalid certificate".to_owned(),
            "inspect it with openssl x509 -text",
        )
    })
}

fn unreadable(key: &str, path: &Path, error: &pem::Error, nothing: &str, advice: &str) -> Fault {
    match error {
        pem::Error::Io(error) => Fault::of_file(key, path, format!("cannot be read: {error}"), ""),
        pem::Error::NoItemsFound => Fault::of_file(key, path, format!("has {nothing} in PEM form"), advice),
        // The content of a file that may be a key is not repeated.
        _ => Fault::of_file(key, path, "is not a PEM file".to_owned(), advice),
    }
}
