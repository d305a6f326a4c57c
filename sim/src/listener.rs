//! Connections of simulated servers that can be cut at any moment, by a scripted fault or when the server stops; optionally wrapped in TLS.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A connection: plain, or what [`Wrap`] made of it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// What is done with a fresh connection, such as a TLS handshake.
pub(super) type Wrap = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Socket>>> + Send + Sync>;

/// Takes in connections until `stop`.
pub(super) struct Door {
    tcp: TcpListener,
    wrap: Option<Wrap>,
    handshakes: JoinSet<io::Result<(Box<dyn Socket>, SocketAddr)>>,
    stop: CancellationToken,
}

impl Door {
    pub(super) fn new(tcp: TcpListener, wrap: Option<Wrap>, stop: CancellationToken) -> Self {
        Self {
            tcp,
            wrap,
            handshakes: JoinSet::new(),
            stop,
        }
    }
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            tokio::select! {
                accepted = self.tcp.accept() => match accepted {
                    Ok((tcp, address)) => {
                        let _ = tcp.set_nodelay(true);
                        let wrap = self.wrap.clone();
                        self.handshakes.spawn(async move {
                            let socket: Box<dyn Socket> = match wrap {
                                Some(wrap) => wrap(tcp).await?,
                                None => Box::new(tcp),
                            };
                            Ok((socket, address))
                        });
                    }
                    // Out of file handles, most likely; the ones in use come back.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                },
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Ok((socket, address))) = done {
                        return (Line::new(socket, &self.stop), address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A connection with a switch.
pub(super) struct Line {
    socket: Box<dyn Socket>,
    switch: Switch,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Cuts a connection.
#[derive(Clone, Debug)]
pub(super) struct Switch(CancellationToken);

impl Switch {
    /// From now on nothing is read or written.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Door>> for Switch {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().switch.clone()
    }
}

impl Line {
    fn new(socket: Box<dyn Socket>, stop: &CancellationToken) -> Self {
        let token = stop.child_token();
        Self {
            socket,
            cut: Box::pin(token.clone().cancelled_owned()),
            switch: Switch(token),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.switch.0.is_cancelled() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("switch", &self.switch).finish_non_exhaustive()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}
