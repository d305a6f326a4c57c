//! From names to addresses that may be called. The service connects to the addresses that were checked: a name that resolves to something
//! else a moment later (DNS rebinding) gains nothing.

use std::{error::Error, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use hickory_resolver::{TokioResolver, net::NetError, proto::rr::RData};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::{self, Allowed, Refusal};

/// Longest wait for DNS.
const PATIENCE: Duration = Duration::from_secs(10);

/// Resolves names.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried, with the given port.
    ///
    /// # Errors
    /// When the name is unknown or DNS does not answer.
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Where a service of a domain is, such as `_autodiscover._tcp.example.com` (SRV records, RFC 2782), the first to be tried first. Empty
    /// when there is none.
    ///
    /// # Errors
    /// When DNS does not answer.
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

/// The resolver of this machine.
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
        let found = tokio::time::timeout(PATIENCE, services(&resolver, name)).await;
        found.map_err(|_| io::ErrorKind::TimedOut)?.map_err(io::Error::other)
    }
}

async fn services(resolver: &TokioResolver, name: &str) -> Result<Vec<Service>, NetError> {
    // The dot excludes this machine's search domains.
    let found = match resolver.srv_lookup(format!("{name}.")).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let records = found.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(service) => Some(service),
        _ => None,
    });
    let mut records: Vec<_> = records.collect();
    // Weights are for random load balancing, which a single query can ignore.
    records.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
    let services = records.into_iter().map(|service| Service {
        host: service.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
        port: service.port,
    });
    // The root says that there is no such service.
    Ok(services.filter(|service| !service.host.is_empty()).collect())
}

/// Why a name cannot be resolved.
#[derive(Debug)]
pub(super) enum ResolveError {
    /// DNS does not know it, or does not answer.
    Unknown(io::Error),
    /// All its addresses are rejected; the first, and why.
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
    /// The usual port of the scheme. One in a URL takes precedence.
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

#[cfg(test)]
mod tests {
    use hickory_resolver::{
        config::{NameServerConfig, ResolverConfig},
        net::runtime::TokioRuntimeProvider,
    };
    use tokio::net::UdpSocket;

    use super::*;

    /// A service record (RFC 2782).
    struct Record {
        priority: u16,
        weight: u16,
        port: u16,
        name: &'static str,
    }

    const fn record(priority: u16, weight: u16, port: u16, name: &'static str) -> Record {
        Record {
            priority,
            weight,
            port,
            name,
        }
    }

    /// A name service on this machine that answers everything with these service records, or, without any, with the given response code
    /// (RFC 1035 §4.1.1).
    async fn name_service(records: &'static [Record], code: u8) -> TokioResolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut server = NameServerConfig::udp("127.0.0.1".parse().unwrap());
        server.connections[0].port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                // The question: a name of labels up to an empty one, type and class.
                let name = query[12..length].iter().position(|byte| *byte == 0).unwrap();
                let question = &query[12..12 + name + 5];
                assert_eq!(question[name + 1..], [0, 33, 0, 1], "SRV, IN");
                let count = u8::try_from(records.len()).unwrap();
                let mut answer = query[..2].to_vec();
                answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
                answer.extend_from_slice(question);
                for record in records {
                    let mut target = Vec::new();
                    for label in record.name.split('.').filter(|label| !label.is_empty()) {
                        target.push(u8::try_from(label.len()).unwrap());
                        target.extend(label.bytes());
                    }
                    target.push(0);
                    // The name of the question, SRV, IN, 60 s.
                    answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
                    answer.extend(u16::try_from(6 + target.len()).unwrap().to_be_bytes());
                    answer.extend([record.priority, record.weight, record.port].into_iter().flat_map(u16::to_be_bytes));
                    answer.extend(target);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .build()
            .unwrap()
    }

    async fn found(resolver: TokioResolver) -> Vec<(String, u16)> {
        let found = services(&resolver, "_autodiscover._tcp.corp.test").await.unwrap();
        found.into_iter().map(|service| (service.host, service.port)).collect()
    }

    #[tokio::test]
    async fn services_are_told_in_their_order() {
        const RECORDS: &[Record] = &[
            record(20, 0, 443, "last.corp.test"),
            record(10, 5, 444, "second.corp.test"),
            record(10, 60, 443, "First.Corp.TEST"),
            record(0, 0, 443, "."),
        ];
        let expected = [("first.corp.test", 443), ("second.corp.test", 444), ("last.corp.test", 443)];
        let expected = expected.map(|(host, port)| (host.to_owned(), port));
        assert_eq!(found(name_service(RECORDS, 0).await).await, expected);
    }

    #[tokio::test]
    async fn what_is_not_known_is_no_fault_but_a_broken_name_service_is() {
        const UNKNOWN: u8 = 3;
        const REFUSED: u8 = 5;
        assert_eq!(found(name_service(&[], 0).await).await, []);
        assert_eq!(found(name_service(&[], UNKNOWN).await).await, []);
        let broken = name_service(&[], REFUSED).await;
        assert!(services(&broken, "_autodiscover._tcp.corp.test").await.is_err());
    }
}
