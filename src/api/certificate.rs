//! Services that authenticate with a certificate instead of a token.
//!
//! That the certificate is one of the operator's authorities, and valid, was checked when the connection was opened. This module looks up
//! whom it identifies, only by its subject alternative names (RFC 5280 §4.2.1.6): common names are ignored.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::Extensions;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::{
    config::{self, Identity},
    domain::{Caller, Detail, Error, Kind, Reason, Result, Timestamp},
};

/// Limit of cached certificates.
const REMEMBERED: usize = 1_000;

/// Limit of the names of a certificate in messages, in characters.
const MAX_SHOWN: usize = 500;

/// The services by the identity in their certificates.
#[derive(Debug)]
pub(super) struct Services {
    rows: Vec<(Identity, Arc<Caller>)>,
    // Held for a look-up, never across an await. All in it were signed by an authority of the operator's.
    seen: Mutex<HashMap<Vec<u8>, Arc<Certificate>>>,
}

/// The relevant content of a certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    caller: Option<Arc<Caller>>,
    /// Its names, for messages.
    shown: String,
    until: Timestamp,
}

impl Services {
    /// The services of the configuration.
    pub(super) fn new(services: &[config::Service]) -> Self {
        let row = |service: &config::Service| {
            let caller = Caller {
                tenant: service.tenant.as_str().into(),
                user: service.user.as_str().into(),
                scopes: service.scopes.as_slice().to_vec(),
            };
            (service.identity.clone(), Arc::new(caller))
        };
        Self {
            rows: services.iter().map(row).collect(),
            seen: Mutex::default(),
        }
    }

    /// Who called over a connection, by the certificate that it was opened with; `None` when it had none.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] with the names in the certificate when it identifies nobody, or is no longer valid.
    pub(super) fn by_certificate(&self, connection: &Extensions, now: Timestamp) -> Option<Result<(Arc<Caller>, Arc<Certificate>)>> {
        let chain = connection.get::<TlsConnectInfo<TcpConnectInfo>>()?.peer_certs()?;
        Some(self.by_der(chain.first()?, now))
    }

    fn by_der(&self, der: &[u8], now: Timestamp) -> Result<(Arc<Caller>, Arc<Certificate>)> {
        let known = self.seen().get(der).cloned();
        let certificate = match known {
            Some(certificate) => certificate,
            None => {
                let certificate = Arc::new(self.read(der)?);
                let mut seen = self.seen();
                if seen.len() >= REMEMBERED {
                    seen.clear();
                }
                seen.insert(der.to_vec(), certificate.clone());
                certificate
            }
        };
        certificate.check(now)?;
        match certificate.caller.clone() {
            Some(caller) => Ok((caller, certificate)),
            None => Err(refused("no service in `auth.services` has its identity", &certificate.shown)),
        }
    }

    fn read(&self, der: &[u8]) -> Result<Certificate> {
        let malformed = || refused("it is malformed", "");
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| malformed())?;
        let names = certificate.subject_alternative_name().map_err(|_| malformed())?;
        let names = names.map_or(&[][..], |names| &names.value.general_names);
        let identities: Vec<Identity> = names.iter().filter_map(identity).collect();
        let row = self.rows.iter().find(|(identity, _)| identities.contains(identity));
        Ok(Certificate {
            caller: row.map(|(_, caller)| caller.clone()),
            shown: shown(&identities),
            until: Timestamp::from_seconds(certificate.validity().not_after.timestamp()),
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Arc<Certificate>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Certificate {
    /// Fails once it is no longer valid: connections and streams may outlive the certificate that they were opened with.
    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        if self.until < now {
            return Err(refused("it has expired since the connection was opened", &self.shown));
        }
        Ok(())
    }
}

fn identity(name: &GeneralName<'_>) -> Option<Identity> {
    match name {
        GeneralName::URI(uri) => Some(Identity::Uri((*uri).to_owned())),
        GeneralName::DNSName(name) => Some(Identity::Dns(name.to_ascii_lowercase())),
        _ => None,
    }
}

/// The names with commas between them, without anything that could not be shown.
fn shown(identities: &[Identity]) -> String {
    let names: Vec<&str> = identities.iter().map(Identity::as_str).collect();
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    names.join(", ").chars().filter(plain).take(MAX_SHOWN).collect()
}

/// A certificate that identifies nobody.
pub(super) fn refused(problem: &str, shown: &str) -> Error {
    let certificate = match shown {
        "" => "the client certificate, which has neither a URI nor a DNS name,".to_owned(),
        names => format!("the client certificate of {names}"),
    };
    let text = format!("Authentication failed: there is no token, and {certificate} is not accepted: {problem}.");
    Error::new(Kind::Unauthenticated, Reason::CertificateInvalid, text)
        .with(Detail::Problem, problem)
        .with(Detail::Identity, shown)
}
