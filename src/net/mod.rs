//! Connections to servers that people name: which addresses may be called, which certificates are trusted, and what went wrong.
//!
//! | module | holds |
//! |---|---|
//! | `addresses` | which addresses may be called |
//! | `hosts` | lists of servers that an operator names |
//! | `resolve` | from names to such addresses, safe from DNS rebinding |
//! | `trust` | which certificates are trusted, and what they contain |
//! | `faults` | what faults of connections mean, in words for an administrator |
//! | `error` | why a server did not do what it was asked, and what to do about it |
//! | `stage` | the stages of a connection check |
//! | `web` | requests over HTTP |
//! | `replies` | what servers say, made fit to be kept and shown |
//! | `scrub` | takes secrets out of what servers say |
//!
//! Every connection goes through here, so the rules hold for all of them:
//!
//! - A name is resolved for each new connection, all its addresses are checked, and one of those is used. A name that resolves to something
//!   else between check and use (DNS rebinding) gains nothing, as it is not resolved again.
//! - Link-local and cloud metadata addresses and whatever is not the address of a single server are never called, not even within IPv6 addresses; this machine
//!   and private networks only when allowed.
//! - Nothing is sent on to another server: redirects are not followed, proxies not used.
//! - TLS 1.2 or 1.3, always with a full handshake, so that every connection's certificate is verified. One that an administrator named is
//!   trusted only for its host, if the server has its key, and reported as such.
//!
//! What is not covered: what else can be reached within networks that may be called, such as other services of a private network, or this
//! machine by an address other than loopback; a network's own NAT64 prefix, which looks like any public address; what a server that may
//! be called does on its own behalf.

pub mod addresses;
mod error;
mod faults;
mod hosts;
pub mod replies;
mod resolve;
mod scrub;
mod stage;
#[cfg(test)]
mod tests;
mod trust;
pub mod web;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response, Url, redirect};
use rustls::{
    ClientConfig,
    client::{Resumption, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::{addresses::Allowed, resolve::HttpNames, trust::Trust};
use crate::{domain::TrustedCertificate, telemetry::Metrics};

pub use self::{
    error::{ErrorClass, ProviderError},
    hosts::is_named,
    resolve::{Names, Service, SystemNames},
    scrub::Scrub,
    stage::{Stage, StageFacts, StageKind, StageReport},
    trust::{CertificateFacts, channel_binding},
};

/// The user agent that servers see.
pub const USER_AGENT: &str = concat!("mailagent/", env!("CARGO_PKG_VERSION"));

/// What a tenant allows in addition to public addresses with valid certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointRules {
    /// Whether addresses of private networks may be called: on-premises servers.
    pub allow_private: bool,
    /// Certificates that are trusted although they fail validation.
    pub trusted_certificates: Vec<TrustedCertificate>,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// It is not, as for `http:`.
    None,
    /// With TLS, as for `https:`.
    Tls,
}

impl Encryption {
    /// That of a URL with this scheme.
    pub fn of_scheme(scheme: &str) -> Self {
        if scheme == "https" { Self::Tls } else { Self::None }
    }
}

/// Where a connection goes.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// Name or address of the server.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins at once.
    pub tls: bool,
}

impl<'a> Destination<'a> {
    /// The server of a URL.
    pub fn of(url: &'a Url) -> Self {
        Self {
            host: url.host_str().unwrap_or_default(),
            port: url.port_or_known_default().unwrap_or(443),
            tls: url.scheme() == "https",
        }
    }
}

/// What the operator decides about connections.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// Whether this machine itself may be called.
    pub allow_loopback: bool,
    /// For a connection, and for its TLS handshake.
    pub connect_timeout: Duration,
    /// Authorities to trust in addition to the system's.
    pub root_certificates: Vec<CertificateDer<'static>>,
    /// Counts requests over HTTP.
    pub metrics: Metrics,
}

/// Makes connections under the operator's and the tenants' rules. Cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    allow_loopback: bool,
    connect_timeout: Duration,
    names: Arc<dyn Names>,
    metrics: Metrics,
    provider: Arc<CryptoProvider>,
    /// One for all connections: the authorities take a lot of memory. An error if the system has none.
    verifier: Result<Arc<dyn ServerCertVerifier>, rustls::Error>,
}

impl Network {
    /// Prepares for connections.
    pub fn new(config: NetworkConfig) -> Self {
        Self::with_names(config, Arc::new(SystemNames))
    }

    /// The same with another resolver.
    pub fn with_names(config: NetworkConfig, names: Arc<dyn Names>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(config.root_certificates, provider.clone());
        Self(Arc::new(Inner {
            allow_loopback: config.allow_loopback,
            connect_timeout: config.connect_timeout,
            names,
            metrics: config.metrics,
            provider,
            verifier: verifier.map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>),
        }))
    }

    fn allowed(&self, rules: &EndpointRules) -> Allowed {
        Allowed {
            loopback: self.0.allow_loopback,
            private: rules.allow_private,
        }
    }

    /// The addresses of a server that may be called, in the order in which they are to be tried; at least one. Only these may be used:
    /// resolved again, the name may have others.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`] for an unknown name, [`ErrorClass::Refused`] when the rules reject all its addresses.
    pub async fn resolve(&self, host: &str, port: u16, rules: &EndpointRules) -> Result<Vec<SocketAddr>, ProviderError> {
        let found = resolve::resolve(&*self.0.names, self.allowed(rules), host, port).await;
        found.map_err(|error| faults::unresolved(host, error))
    }

    /// Where a service of a domain is, as [`Names::services`]. Its servers are checked when they are resolved.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`] when DNS does not answer.
    pub async fn services(&self, name: &str) -> Result<Vec<Service>, ProviderError> {
        self.0.names.services(name).await.map_err(|error| {
            let text = format!("DNS does not answer for {name}. Check the DNS settings of this machine.");
            ProviderError::new(ErrorClass::Unreachable, text).because(error)
        })
    }

    /// Checks a host that is an address itself, which an HTTP client does not resolve. Names pass: they are checked when they are resolved.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] when the rules reject it.
    pub fn judge_host(&self, host: &str, rules: &EndpointRules) -> Result<(), ProviderError> {
        let Some(address) = addresses::literal(host) else { return Ok(()) };
        let judged = addresses::judge(address, self.allowed(rules));
        judged.map_err(|refusal| faults::unresolved(host, resolve::ResolveError::Refused(address, refusal)))
    }

    /// Connects to one of the addresses, tried in turn.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`] with the fault of the last one.
    pub async fn connect(&self, host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, ProviderError> {
        let deadline = Instant::now() + self.0.connect_timeout;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (tried, address) in addresses.iter().enumerate() {
            // A silent address leaves time for the next ones.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small requests should not wait for more data. An error only means that they do.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(faults::unconnected(host, last))
    }

    /// Makes a TLS handshake (TLS 1.2 or 1.3) with the server of this name.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`], with the content of the certificate if it is not trusted.
    pub async fn tls<S>(&self, host: &str, stream: S, rules: &EndpointRules) -> Result<(TlsStream<S>, CertificateFacts), ProviderError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match addresses::literal(host) {
            Some(address) => Ok(ServerName::IpAddress(address.into())),
            None => ServerName::try_from(host.trim_end_matches('.').to_owned()),
        };
        let name = name.map_err(|_| {
            ProviderError::new(
                ErrorClass::Unreachable,
                format!("{host} is not a name that a certificate can have. Check the address."),
            )
        })?;
        let trust = self.trust(host, rules)?;
        let connector = TlsConnector::from(Arc::new(self.client_config(trust.clone())));
        let handshake = timeout(self.0.connect_timeout, connector.connect(name, stream)).await;
        let stream = handshake
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| faults::no_handshake(host, error))?;
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let facts = certificate.and_then(trust::facts).ok_or_else(|| {
            ProviderError::new(
                ErrorClass::Unreachable,
                format!("The TLS certificate of {host} cannot be read. Replace it at the server."),
            )
        })?;
        let facts = CertificateFacts {
            tls_version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
                _ => String::new(),
            },
            trusted_by_fingerprint: trust.by_fingerprint.load(Ordering::Relaxed),
            ..facts
        };
        Ok((stream, facts))
    }

    /// Sends a request and waits for the head of its answer; the metric of requests counts it.
    ///
    /// # Errors
    /// The client's. A response with any status is not an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, reqwest::Error> {
        let (client, request) = request.build_split();
        let request = request?;
        let method = match *request.method() {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "_OTHER",
        };
        let began = Instant::now();
        let sent = client.execute(request).await;
        let (status, error) = match &sent {
            Ok(response) => {
                let status = response.status();
                let failed = status.is_client_error() || status.is_server_error();
                (Some(status.as_u16()), failed.then_some("status"))
            }
            Err(error) if error.is_timeout() => (None, Some("timeout")),
            Err(error) if error.is_connect() => (None, Some("connect")),
            Err(_) => (None, Some("other")),
        };
        self.0.metrics.request_ended(method, status, error, began.elapsed());
        sent
    }

    /// A builder for clients of an HTTP server under the same rules: HTTP/1.1, no redirects, no proxies. Such a client may call `host` only:
    /// an address in place of another name would not be checked.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] when `host` is an address that the rules refuse; when TLS is wanted and the system has no certificates of
    /// authorities.
    pub fn http(&self, host: &str, encryption: Encryption, rules: &EndpointRules) -> Result<reqwest::ClientBuilder, ProviderError> {
        self.judge_host(host, rules)?;
        let names = HttpNames {
            names: self.0.names.clone(),
            allowed: self.allowed(rules),
            port: if encryption == Encryption::Tls { 443 } else { 80 },
        };
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.0.connect_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            // The address is used as it is: proxies from the environment are for other programs.
            .no_proxy()
            .http1_only()
            .dns_resolver(names);
        match encryption {
            Encryption::Tls => {
                let mut config = self.client_config(self.trust(host, rules)?);
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Ok(builder.tls_backend_preconfigured(config))
            }
            // Plain HTTP must work where the system has no certificates at all.
            Encryption::None => Ok(builder.tls_certs_only([])),
        }
    }

    /// The fault when a connection of our own broke.
    pub fn broken(host: &str, error: impl std::error::Error + Send + Sync + 'static) -> ProviderError {
        faults::broken(host, error)
    }

    /// What a fault of an HTTP client of [`Network::http`] means.
    pub fn fault(host: &str, error: reqwest::Error) -> ProviderError {
        faults::http(host, error)
    }

    /// Goes through the stages of a connection that is then closed: name, TCP and, with TLS, the handshake. Returns whether all went
    /// well.
    pub async fn probe(&self, destination: Destination<'_>, rules: &EndpointRules, report: StageReport<'_>) -> bool {
        let Destination { host, port, tls } = destination;
        let Some(addresses) = stage(StageKind::Resolve, report, self.resolve(host, port, rules), |found| {
            resolved(host, found)
        })
        .await
        else {
            return false;
        };
        let connected = stage(StageKind::Connect, report, self.connect(host, &addresses), |stream| {
            connected(stream)
        })
        .await;
        let Some(stream) = connected else { return false };
        if !tls {
            return true;
        }
        let handshake = stage(StageKind::Tls, report, self.tls(host, stream, rules), |(_, facts)| {
            handshaken(host, facts)
        })
        .await;
        handshake.is_some()
    }

    fn trust(&self, host: &str, rules: &EndpointRules) -> Result<Arc<Trust>, ProviderError> {
        let platform = self.0.verifier.clone().map_err(|error| {
            let text = format!("TLS cannot be set up for {host}. Install the system's certificates of authorities, and check network.root_certificates_file.");
            ProviderError::new(ErrorClass::Unreachable, text).because(error)
        })?;
        Ok(Arc::new(Trust::new(platform, rules.trusted_certificates.clone())))
    }

    fn client_config(&self, trust: Arc<Trust>) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(self.0.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has ciphers for both")
            .dangerous()
            .with_custom_certificate_verifier(trust)
            .with_no_client_auth();
        // A resumed session would not be verified: its certificate may have expired in the meantime. Nor does every mailbox need memory for sessions.
        config.resumption = Resumption::disabled();
        config
    }
}

/// Runs a step of a check and reports it. `None` when it failed.
pub async fn stage<T>(
    kind: StageKind,
    report: StageReport<'_>,
    step: impl Future<Output = Result<T, ProviderError>>,
    facts: impl FnOnce(&T) -> StageFacts,
) -> Option<T> {
    let began = Instant::now();
    let result = step.await;
    let took = began.elapsed();
    let (outcome, value) = match result {
        Ok(value) => (Ok(facts(&value)), Some(value)),
        Err(error) => (Err(error), None),
    };
    report(Stage { kind, took, outcome });
    value
}

/// What the stage [`StageKind::Resolve`] found.
pub fn resolved(host: &str, addresses: &[SocketAddr]) -> StageFacts {
    let shown: Vec<String> = addresses.iter().take(8).map(|address| address.ip().to_string()).collect();
    StageFacts {
        summary: format!("{host} has the address {}.", shown.join(", ")),
        ..StageFacts::default()
    }
}

/// What the stage [`StageKind::Connect`] found.
pub fn connected(stream: &TcpStream) -> StageFacts {
    let peer = stream.peer_addr().map_or_else(|_| "the server".to_owned(), |peer| peer.to_string());
    StageFacts {
        summary: format!("Connected to {peer}."),
        ..StageFacts::default()
    }
}

/// What the stage [`StageKind::Tls`] found.
pub fn handshaken(host: &str, facts: &CertificateFacts) -> StageFacts {
    let believed = if facts.trusted_by_fingerprint {
        "is trusted only because an administrator entered its fingerprint"
    } else {
        "is valid"
    };
    StageFacts {
        summary: format!(
            "{} with {host}; its certificate {believed}, until {}.",
            facts.tls_version, facts.not_after
        ),
        server_reply: String::new(),
        certificate: Some(facts.clone()),
    }
}
