//! The port: accepts connections, as many as there is room for, and passes each to the protocols.
//!
//! Anybody may connect. So every connection takes a slot (`peers.rs`) and has a limited life (`connection.rs`), and files are reserved for
//! what the service itself has to open (`files.rs`).

mod connection;
mod files;
mod peers;
mod tls;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::files::raise_file_limit;
pub(super) use self::peers::{CallDuration, Peer};
use self::{
    connection::{CONNECTION_WINDOW, Server},
    peers::{IdleTimeout, PeerLimits, Peers},
};
use super::ServeError;
use crate::config;

/// Unread data that all anonymous connections together may hold. It determines how many there may be.
const UNREAD: usize = 64 << 20;
/// How long nothing is accepted after the system had no room for a connection.
const PAUSE: Duration = Duration::from_millis(200);
/// How often the log reports that there is no room.
const TOLD: Duration = Duration::from_mins(1);
/// How many times the idle limit an anonymous caller may keep a connection busy with calls of limited duration.
const BUSY: u32 = 10;

/// Accepts connections for `app`.
pub(super) struct Listener {
    peers: Peers,
    server: Arc<Server>,
    told: Option<Instant>,
}

impl Listener {
    /// With the limits of the settings. `stop` ends it: it closes the port and lets calls end.
    ///
    /// # Errors
    /// [`ServeError`] when the certificate is unusable.
    pub(super) async fn new(settings: &config::Server, app: Router, stop: CancellationToken) -> Result<Self, ServeError> {
        let total = files::max_connections(settings.max_connections);
        let limits = PeerLimits {
            total,
            per_address: settings.max_connections_per_address,
            // Half is left for authenticated callers.
            anonymous: (UNREAD / CONNECTION_WINDOW as usize).min(total.div_ceil(2)),
        };
        let tls = match &settings.tls {
            Some(tls) => Some(tls::acceptor(tls).await?),
            None => None,
        };
        tracing::debug!(?limits, "connections are limited");
        Ok(Self {
            peers: Peers::new(limits),
            server: Arc::new(Server {
                app,
                http: connection::http(settings),
                tls,
                rest: IdleTimeout {
                    anonymous: settings.anonymous_timeout,
                    known: settings.idle_timeout,
                    busy: settings.anonymous_timeout * BUSY,
                },
                stop,
            }),
            told: None,
        })
    }

    /// Serves until it is stopped and the last connection has ended.
    ///
    /// Cancel safe: dropped, it closes all connections.
    pub(super) async fn serve(mut self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.server.stop.cancelled() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    // Without a slot it is closed at once, so that whoever waits for a response knows soon.
                    if let Some(place) = self.peers.admit(address.ip()) {
                        connections.spawn(connection::serve(stream, place, self.server.clone()));
                    }
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => self.recover(&error).await,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// The system is out of files or memory, which ends only when others end: accepting again at once would fail again at once.
    async fn recover(&mut self, error: &io::Error) {
        tracing::debug!(%error, "accepting a connection failed");
        if self.told.is_none_or(|told| told.elapsed() > TOLD) {
            self.told = Some(Instant::now());
            tracing::warn!(%error, "connections cannot be accepted");
        }
        self.peers.make_room();
        tokio::select! {
            () = self.server.stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Whether only the connection being accepted failed (accept(2)).
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | BrokenPipe | Interrupted | WouldBlock | TimedOut
    )
}
