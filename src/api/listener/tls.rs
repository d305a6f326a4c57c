//! The certificate of the port, and client certificates.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    api::ServeError,
    config::{ClientCertificate, Tls},
};

/// Creates the TLS configuration from the settings.
///
/// # Errors
/// [`ServeError::CertificateFile`] when a file cannot be read, [`ServeError::Certificate`] when its content is unusable.
pub(super) async fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ServeError> {
    let certificate = read(&tls.certificate_file).await?;
    let key = read(&tls.key_file).await?;
    let authorities = match &tls.client_ca_file {
        Some(path) => Some(read(path).await?),
        None => None,
    };
    let config = config(&certificate, &key, authorities.as_deref(), tls.client_certificate).map_err(ServeError::Certificate)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    let bytes = tokio::fs::read(path).await;
    bytes.map_err(|source| ServeError::CertificateFile {
        path: path.to_owned(),
        source,
    })
}

fn config(
    certificate: &[u8],
    key: &[u8],
    authorities: Option<&[u8]>,
    demand: ClientCertificate,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            let authorities: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(authorities).collect::<Result<_, _>>()?;
            roots.add_parsable_certificates(authorities);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = match demand {
                ClientCertificate::Optional => verifier.allow_unauthenticated(),
                ClientCertificate::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>()?;
    let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?;
    // Probes and browsers' plain requests may come over HTTP/1.1 too.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
