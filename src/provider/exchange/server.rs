//! The server of a mailbox, called over HTTP: the same over EWS and over Graph.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    crypto::Secret,
    net::{
        Destination, Encryption, EndpointRules, ErrorClass, Network, ProviderError, StageReport,
        replies::{self, clean},
    },
    provider::AccessTokens,
};

/// Limit of bytes that are read of an error response.
pub(super) const FAULT_BYTES: u64 = 256 * 1024;

/// A server, and what may be called of it.
pub(super) struct Server {
    pub(super) endpoint: Url,
    pub(super) network: Network,
    pub(super) rules: EndpointRules,
    /// See [`name_of`].
    name: Arc<str>,
    client: Client,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) struct RequestError {
    /// Whether the server may have executed the request all the same.
    pub(super) unclear: bool,
    pub(super) error: ProviderError,
}

impl From<ProviderError> for RequestError {
    fn from(error: ProviderError) -> Self {
        Self { unclear: false, error }
    }
}

impl Server {
    /// Prepares up to `connections` connections. Each has one request at a time, with its own flow: what Exchange is used to.
    pub(super) fn new(network: Network, endpoint: Url, rules: EndpointRules, connections: usize) -> Result<Self, ProviderError> {
        let host = endpoint.host_str().unwrap_or_default();
        let builder = network.http(host, Encryption::of_scheme(endpoint.scheme()), &rules)?;
        let client = builder.pool_max_idle_per_host(connections).build();
        Ok(Self {
            client: client.map_err(|error| Network::fault(host, error))?,
            name: name_of(&endpoint),
            endpoint,
            network,
            rules,
        })
    }

    /// The host, as it is resolved and verified.
    pub(super) fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A client for another server, over TLS and under the same rules.
    pub(super) fn client_of(&self, host: &str) -> Result<Client, ProviderError> {
        let client = self.network.http(host, Encryption::Tls, &self.rules)?.build();
        client.map_err(|error| Network::fault(host, error))
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, RequestError> {
        self.network.send(request).await.map_err(|error| self.unanswered(error))
    }

    /// Sends a request with the current access token; if that is rejected before it expires, once more with another one. `request` makes it
    /// with the value of its Authorization header.
    pub(super) async fn send_with_token(
        &self,
        tokens: &dyn AccessTokens,
        request: impl Fn(HeaderValue) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let token = tokens.current().await?;
        let response = self.send(request(self.bearer(&token)?)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let other = tokens.instead_of(&token).await?;
        if other.expose() == token.expose() {
            return Ok(response);
        }
        // Read to its end, so that the connection can be used again; it does not matter whether it can.
        let _ = replies::body(response, FAULT_BYTES).await;
        self.send(request(self.bearer(&other)?)).await
    }

    fn bearer(&self, token: &Secret) -> Result<HeaderValue, ProviderError> {
        let value = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            let words = "The login provider issued an access token for {host} that cannot be sent in a header. Have the operator check the \
                         provider.";
            in_words(&self.name, ErrorClass::Malformed, words, "")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What a fault of the connection means. Once there is one, the request may have been executed.
    pub(super) fn unanswered(&self, error: reqwest::Error) -> RequestError {
        RequestError {
            unclear: !error.is_connect() && !error.is_builder(),
            error: self.fault(error),
        }
    }

    /// The same, of a request that was not sent.
    pub(super) fn fault(&self, error: reqwest::Error) -> ProviderError {
        Network::fault(&self.name, error)
    }

    /// What a broken connection of our own means.
    pub(super) fn broken(&self, error: hyper::Error) -> ProviderError {
        Network::broken(self.host(), error)
    }

    /// Goes through the stages up to the TLS handshake, on a separate connection.
    pub(super) async fn probe(&self, report: StageReport<'_>) -> bool {
        self.network.probe(Destination::of(&self.endpoint), &self.rules, report).await
    }
}

/// The name of a server for people, with the port when it is unusual.
pub(super) fn name_of(endpoint: &Url) -> Arc<str> {
    match (endpoint.host_str(), endpoint.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}").into(),
        (Some(host), None) => host.into(),
        (None, _) => endpoint.as_str().into(),
    }
}

/// A fault of a server in the given words, in which `{host}` stands for its name.
pub(super) fn in_words(name: &str, class: ErrorClass, problem: &str, reply: &str) -> ProviderError {
    ProviderError {
        server_reply: clean(reply),
        ..ProviderError::new(class, problem.replace("{host}", name))
    }
}
