//! Connections that stay logged in. NTLM authenticates a TCP connection, not a request, so these are our own rather than those of an HTTP client,
//! which uses whatever connection it has. Each serves one request at a time; there are as many as there were ever concurrent requests.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, Request, Uri, header};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use reqwest::{Body, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    net::{self, ErrorClass, ProviderError},
    provider::exchange::server::Server,
};

/// The connections that are currently unused.
#[derive(Clone, Default)]
pub(super) struct PinnedConnections(Arc<Mutex<Vec<Connection>>>);

/// A connection in use. Dropped, it is free for others; keep it until the answer is read.
pub(super) struct PinnedConnection {
    connection: Option<Connection>,
    pool: PinnedConnections,
}

/// A connection to the server.
pub(super) struct Connection {
    sender: SendRequest<Body>,
    /// Whether its peer knows who is at this end.
    pub(super) logged_in: bool,
    /// The channel binding of the server's certificate; `None` without TLS.
    pub(super) binding: Option<Vec<u8>>,
}

/// Why there is no answer.
pub(super) enum SendError {
    /// The connection was closed before anything was sent.
    NotSent,
    /// It broke later.
    Broken(hyper::Error),
}

impl PinnedConnections {
    /// The connection that was used last, which is the likeliest to be open still; or room for a new one.
    pub(super) fn take(&self) -> PinnedConnection {
        PinnedConnection {
            connection: self.0.lock().unwrap_or_else(PoisonError::into_inner).pop(),
            pool: self.clone(),
        }
    }
}

impl PinnedConnection {
    /// The connection; a new one when there is none that is open.
    ///
    /// # Errors
    /// See [`net::Network`].
    pub(super) async fn open(&mut self, server: &Server) -> Result<&mut Connection, ProviderError> {
        let open = match self.connection.take().filter(|kept| !kept.sender.is_closed()) {
            Some(kept) => kept,
            None => connect(server).await?,
        };
        Ok(self.connection.insert(open))
    }

    /// Gives the connection up, so that the next one is a new one.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }
}

impl Drop for PinnedConnection {
    fn drop(&mut self) {
        // One whose answer was not read to the end is closed by its task, soon rather than now: who takes it finds out by
        // [`SendError::NotSent`].
        if let Some(connection) = self.connection.take().filter(|connection| !connection.sender.is_closed()) {
            self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

async fn connect(server: &Server) -> Result<Connection, ProviderError> {
    let host = server.host();
    let port = server.endpoint.port_or_known_default().unwrap_or(443);
    let addresses = server.network.resolve(host, port, &server.rules).await?;
    let stream = server.network.connect(host, &addresses).await?;
    if server.endpoint.scheme() != "https" {
        return speak(server, stream, None).await;
    }
    let (stream, _) = server.network.tls(host, stream, &server.rules).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let binding = certificate.map(|certificate| net::channel_binding(certificate));
    speak(server, stream, binding).await
}

async fn speak(
    server: &Server,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    binding: Option<Vec<u8>>,
) -> Result<Connection, ProviderError> {
    let spoken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = spoken.map_err(|error| server.broken(error))?;
    // It moves bytes for its sender and ends with it; what goes wrong, the sender tells.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(Connection {
        sender,
        logged_in: false,
        binding,
    })
}

/// A request as it goes over a connection of our own: with the headers that an HTTP client adds on its own.
///
/// # Errors
/// When it is no request that HTTP/1.1 has a form for.
pub(super) fn prepare(server: &Server, request: reqwest::Request) -> Result<Request<Body>, ProviderError> {
    let unusable = |error: &dyn std::fmt::Display| ProviderError::new(ErrorClass::Malformed, format!("A request cannot be made: {error}."));
    let mut request = Request::<Body>::try_from(request).map_err(|error| unusable(&error))?;
    let target = &server.endpoint[url::Position::BeforePath..url::Position::AfterQuery];
    *request.uri_mut() = target.parse::<Uri>().map_err(|error| unusable(&error))?;
    let host = &server.endpoint[url::Position::BeforeHost..url::Position::AfterPort];
    let host = HeaderValue::from_str(host).map_err(|error| unusable(&error))?;
    let more = [
        (header::HOST, host),
        (header::USER_AGENT, HeaderValue::from_static(net::USER_AGENT)),
        // Nothing here would unpack it.
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    request.headers_mut().extend(HeaderMap::from_iter(more));
    Ok(request)
}

impl Connection {
    /// Sends a request.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(super) async fn send(&mut self, request: Request<Body>) -> Result<Response, SendError> {
        if self.sender.ready().await.is_err() {
            return Err(SendError::NotSent);
        }
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(Body::wrap).into()),
            Err(mut error) => Err(match error.take_message() {
                Some(_) => SendError::NotSent,
                None => SendError::Broken(error.into_error()),
            }),
        }
    }
}
