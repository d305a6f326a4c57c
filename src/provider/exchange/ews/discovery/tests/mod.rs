//! The whole search against simulated servers on loopback, under names and by certificates of the tests' own.
//!
//! | module | tests |
//! |---|---|
//! | `answers` | single answers, in both forms |
//! | `search` | who is asked, in which order, and what is told when nobody knows |
//! | `trust` | who is not queried, not trusted, and not sent credentials |
//! | `mailbox` | mailboxes that are opened where they were found |

mod answers;
mod mailbox;
mod search;
mod trust;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use mailagent_sim::exchange::{Autodiscover, Exchange};
use rustls::pki_types::CertificateDer;
use url::Url;
use zeroize::Zeroizing;

use super::{DiscoveryRules, Finder, Found};
use crate::{
    net::{Names, Network, NetworkConfig, ProviderError, Service},
    provider::{EwsDiscovery, exchange::ews::EwsConfig},
};

const ANNA: &str = "anna@corp.test";
const PASSWORD: &str = "pässword";

/// A name service that knows what it was told.
#[derive(Default)]
struct TestNames {
    /// By name and port. One without an address does not answer.
    addresses: Mutex<HashMap<(String, u16), SocketAddr>>,
    services: Mutex<Vec<Service>>,
}

#[async_trait]
impl Names for TestNames {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = self.addresses.lock().unwrap().get(&(name.to_owned(), port)).copied();
        known.map(|address| vec![address]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn services(&self, name: &str) -> io::Result<Vec<Service>> {
        assert!(name.starts_with("_autodiscover._tcp."), "{name}");
        Ok(self.services.lock().unwrap().clone())
    }
}

/// Servers with names, and what it takes to call them.
struct Net {
    names: Arc<TestNames>,
    root: CertificateDer<'static>,
    tls: Arc<rustls::ServerConfig>,
}

impl Net {
    fn new() -> Self {
        let names = [
            "corp.test",
            "*.corp.test",
            "*.sub.corp.test",
            "autodiscover-s.outlook.com",
            "*.evil.test",
        ]
        .map(str::to_owned);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        Self {
            names: Arc::default(),
            root: certificate.der().clone(),
            tls: Arc::new(tls),
        }
    }

    /// A server with Anna's mailbox that is asked by these names, over TLS. What it says in JSON, and in the older form.
    async fn server(&self, names: &[&str], json: Autodiscover, pox: Autodiscover) -> Exchange {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.tls.clone());
        let exchange = Exchange::builder().tls(move |tcp| acceptor.accept(tcp)).start().await.unwrap();
        exchange.autodiscover(json, pox);
        self.named(exchange, names, 443)
    }

    /// The same without TLS.
    async fn plain(&self, names: &[&str], answer: Autodiscover) -> Exchange {
        let exchange = Exchange::builder().start().await.unwrap();
        exchange.autodiscover(Autodiscover::Off, answer);
        self.named(exchange, names, 80)
    }

    fn named(&self, exchange: Exchange, names: &[&str], port: u16) -> Exchange {
        exchange.add_mailbox(ANNA, ANNA, PASSWORD);
        for name in names {
            self.server_at_port(name, port, &exchange);
        }
        exchange
    }

    /// Another name of a server.
    fn server_at(&self, name: &str, server: &Exchange) {
        self.server_at_port(name, 443, server);
    }

    fn server_at_port(&self, name: &str, port: u16, server: &Exchange) {
        let address = server.endpoint().socket_addrs(|| None).unwrap()[0];
        self.names.addresses.lock().unwrap().insert((name.to_owned(), port), address);
    }

    fn service(&self, host: &str, port: u16) {
        let host = host.to_owned();
        self.names.services.lock().unwrap().push(Service { host, port });
    }

    fn config(&self) -> EwsConfig {
        let network = NetworkConfig {
            allow_loopback: true,
            connect_timeout: Duration::from_secs(5),
            root_certificates: vec![self.root.clone()],
            ..NetworkConfig::default()
        };
        let network = Network::with_names(network, self.names.clone());
        EwsConfig::new(network, ANNA, Zeroizing::new(PASSWORD.to_owned()))
    }

    fn finder(&self) -> Finder {
        self.finder_with(ANNA, &[], |_| {})
    }

    fn finder_with(&self, address: &str, hosts: &[&str], change: impl FnOnce(&mut EwsConfig)) -> Finder {
        let mut config = self.config();
        change(&mut config);
        let discovery = EwsDiscovery {
            address: address.to_owned(),
            tokens_to: None,
        };
        Finder::new(config, discovery, rules(hosts)).unwrap()
    }

    async fn find(&self) -> Result<Found, ProviderError> {
        self.finder().find().await
    }
}

fn rules(hosts: &[&str]) -> DiscoveryRules {
    DiscoveryRules {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        timeout: Duration::from_secs(20),
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// The answer that names the service at `host`.
fn at(host: &str) -> Autodiscover {
    Autodiscover::Names(url(&format!("https://{host}/EWS/Exchange.asmx")))
}

/// A request to Autodiscover.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    host: String,
    /// The file that was asked for.
    file: String,
    /// How the login was shown.
    scheme: Option<String>,
}

/// What a server was asked.
fn asked(server: &Exchange) -> Vec<Query> {
    let short = |path: &str| {
        path.rsplit('/')
            .find(|part| part.starts_with("autodiscover."))
            .unwrap_or(path)
            .to_owned()
    };
    let requests = server.autodiscover_requests();
    requests
        .into_iter()
        .map(|request| Query {
            file: short(&request.path),
            host: request.host,
            scheme: request.scheme,
        })
        .collect()
}

/// Whether a login was shown to a server, in whatever form.
fn was_shown_a_login(server: &Exchange) -> bool {
    asked(server).iter().any(|query| query.scheme.is_some()) || !server.requests().is_empty()
}
