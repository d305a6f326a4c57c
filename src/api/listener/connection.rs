//! One connection, from its first byte to its last.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};
use tower::ServiceExt;

use super::peers::{CallDuration, IdleTimeout, Peer, Slot};
use crate::{api::guarded_body::GuardedBody, config};

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a caller may send of one request before the service reads it.
const STREAM_WINDOW: u32 = 64 * 1024;
/// What a caller may send of all requests of a connection before the service reads them: what each anonymous caller may make the service buffer.
pub(super) const CONNECTION_WINDOW: u32 = 256 * 1024;
/// The longest header of a request over HTTP/1.1, and what is read of it at a time.
const HTTP1_BUFFER: usize = 32 * 1024;
/// The longest header of a request over HTTP/2, unpacked.
const HEADER_LIST: u32 = 16 * 1024;
/// How long a peer may take to hang up when its connection is shut down gracefully.
const LINGER: Duration = Duration::from_secs(5);

/// State shared by all connections.
pub(super) struct Server {
    pub(super) app: Router,
    pub(super) http: Builder<TokioExecutor>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) rest: IdleTimeout,
    /// Cancelled when connections are to end gracefully.
    pub(super) stop: CancellationToken,
}

/// The protocols, with limits for anonymous callers.
pub(super) fn http(server: &config::Server) -> Builder<TokioExecutor> {
    // A caller with too many streams is told so, rather than kept waiting by its connection.
    let streams = u32::try_from(server.max_streams_per_caller).unwrap_or(u32::MAX).saturating_add(200);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(streams)
        .max_header_list_size(HEADER_LIST);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(server.anonymous_timeout)
        .max_buf_size(HTTP1_BUFFER);
    builder
}

/// Serves a connection until it ends, is idle too long, has to make room for another, or a shutdown lets its calls end. Its slot is free
/// afterwards.
///
/// Cancel safe: dropped, it closes the connection.
pub(super) async fn serve(stream: TcpStream, place: Slot, server: Arc<Server>) {
    // It only costs time.
    let _ = stream.set_nodelay(true);
    let peer = &place.peer;
    let Some(tls) = &server.tls else {
        let tcp = stream.connect_info();
        return speak(stream, &PeerInfo { tcp, tls: None }, peer, &server).await;
    };
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(server.rest.anonymous, tls.accept(stream)) => accepted,
        () = peer.given_up() => return,
        () = server.stop.cancelled() => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            let info = stream.connect_info();
            let shown = PeerInfo {
                tcp: info.get_ref().clone(),
                tls: Some(info),
            };
            speak(stream, &shown, peer, &server).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake timed out"),
    }
}

/// What is known about the other end of a connection.
#[derive(Clone)]
struct PeerInfo {
    tcp: TcpConnectInfo,
    tls: Option<TlsConnectInfo<TcpConnectInfo>>,
}

async fn speak<S>(stream: S, shown: &PeerInfo, peer: &Arc<Peer>, server: &Server)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(|request: Request<Incoming>| answer(request, shown, peer, server));
    let connection = server.http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let stopping = tokio::select! {
        // How it ended does not matter: calls have reported their results.
        _ = connection.as_mut() => return,
        () = peer.given_up() => return,
        () = peer.expired(&server.rest) => false,
        () = server.stop.cancelled() => true,
    };
    connection.as_mut().graceful_shutdown();
    if stopping {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = peer.expired(&server.rest) => {}
        }
    }
    let _ = tokio::time::timeout(LINGER, connection).await;
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<GuardedBody<super::peers::OpenCall>>, Infallible>> + Send>>;

fn answer(request: Request<Incoming>, shown: &PeerInfo, peer: &Arc<Peer>, server: &Server) -> Answer {
    let mut request = request.map(Body::new);
    let extensions = request.extensions_mut();
    extensions.insert(shown.tcp.clone());
    if let Some(tls) = &shown.tls {
        extensions.insert(tls.clone());
    }
    extensions.insert(peer.clone());
    let call = peer.begin(CallDuration::Free);
    let answer = server.app.clone().oneshot(request);
    Box::pin(async move { Ok(answer.await?.map(|body| GuardedBody::new(body, call))) })
}
