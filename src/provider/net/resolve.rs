//! From names to addresses that may be called. The addresses that were judged are the ones that are dialled: a name that means something
//! else a moment later (DNS rebinding) gains nothing.

use std::{error::Error, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use hickory_resolver::{TokioResolver, net::NetError, proto::rr::RData};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::{self, Allowed, Refusal};

/// Longest wait for the name service.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells what a name means.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried, with the given port.
    ///
    /// # Errors
    /// When the name is not known or the name service does not answer.
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Where a service of a domain is, such as `_autodiscover._tcp.example.com` (SRV records, RFC 2782), the first to be tried first. Empty
    /// when nothing is known of it.
    ///
    /// # Errors
    /// When the name service does not answer.
    async fn services(&self, name: &str) -> io::Result<Vec<Service>>;
}

/// A server of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name, in lower case, without a dot at the end.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The name service of this machine.
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
        Ok(found.map_err(|_| io::ErrorKind::TimedOut)??.collect())
    }

    async fn services(&self, name: &str) -> io::Result<Vec<Service>> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        let resolver = resolver.map_err(io::Error::other)?;
        // The dot keeps the domains that this machine looks through out of it.
        let found = tokio::time::timeout(PATIENCE, resolver.srv_lookup(format!("{name}.")));
        let found = match found.await.map_err(|_| io::ErrorKind::TimedOut)? {
            Ok(found) => found,
            Err(error) if is_unknown(&error) => return Ok(Vec::new()),
            Err(error) => return Err(io::Error::other(error)),
        };
        let mut records: Vec<_> = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) => Some(service),
                _ => None,
            })
            .collect();
        // Weights are for sharing load at random, which one who asks once need not take part in.
        records.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
        let services = records.into_iter().map(|service| Service {
            host: service.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
            port: service.port,
        });
        // The root says that there is no such service.
        Ok(services.filter(|service| !service.host.is_empty()).collect())
    }
}

fn is_unknown(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}

/// Why a name leads nowhere.
#[derive(Debug)]
pub(super) enum ResolveError {
    /// The name service does not know it, or does not answer.
    Unknown(io::Error),
    /// All its addresses are refused; the first, and why.
    Refused(std::net::IpAddr, Refusal),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(_) => f.write_str("the name has no address"),
            Self::Refused(address, refusal) => write!(f, "the address {address} {}", refusal.words()),
        }
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unknown(error) => Some(error),
            Self::Refused(..) => None,
        }
    }
}

/// The addresses of a host that may be called; at least one.
pub(super) async fn resolve(names: &dyn Names, allowed: Allowed, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let found = match addresses::literal(host) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => names.look_up(host, port).await.map_err(ResolveError::Unknown)?,
    };
    let mut refused = None;
    let mut good = Vec::new();
    for address in found {
        match addresses::judge(address.ip(), allowed) {
            Ok(()) => good.push(address),
            Err(refusal) => refused = refused.or(Some((address.ip(), refusal))),
        }
    }
    match (good.is_empty(), refused) {
        (false, _) => Ok(good),
        (true, Some((address, refusal))) => Err(ResolveError::Refused(address, refusal)),
        (true, None) => Err(ResolveError::Unknown(io::ErrorKind::NotFound.into())),
    }
}

/// Resolves for the HTTP client.
pub(super) struct HttpNames {
    pub(super) names: Arc<dyn Names>,
    pub(super) allowed: Allowed,
    /// The usual port of the scheme. One that a URL names goes before it.
    pub(super) port: u16,
}

impl Resolve for HttpNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, allowed, port) = (self.names.clone(), self.allowed, self.port);
        Box::pin(async move {
            let found = resolve(&*names, allowed, name.as_str(), port).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
