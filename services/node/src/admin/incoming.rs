//! Connections of the admin and control ports: plain, or TLS with the handshake beside the listener and under a deadline.
//!
//! Never speaks HTTP or gRPC. Called by `admin` and `control`; peers have a door of their own, which knows who calls.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKES_MAX: usize = 64;
/// After accept itself failed (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection, ready for its protocol.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts connections until the process stops.
pub(crate) fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    tasks: &Tasks,
) -> mpsc::Receiver<(Connection, SocketAddr)> {
    let (accepted, receiver) = mpsc::channel(HANDSHAKES_MAX);
    let door = Door { tls: tls.map(TlsAcceptor::from), accepted, handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)) };
    let (owner, stopping) = (tasks.clone(), tasks.stopping());
    tasks.spawn("accept", AtEnd::Stop, async move {
        tokio::select! {
            () = door.run(listener, &owner) => {}
            () = stopping.cancelled() => {}
        }
    });
    receiver
}

#[derive(Clone)]
struct Door {
    tls: Option<TlsAcceptor>,
    accepted: mpsc::Sender<(Connection, SocketAddr)>,
    handshakes: Arc<Semaphore>,
}

impl Door {
    async fn run(self, listener: TcpListener, tasks: &Tasks) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => self.take(stream, from, tasks).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn take(&self, stream: TcpStream, from: SocketAddr, tasks: &Tasks) {
        // Small answers should not wait for a full segment; a socket without that option still works.
        drop(stream.set_nodelay(true));
        let Some(tls) = self.tls.clone() else {
            drop(self.accepted.send((Connection::Plain(stream), from)).await);
            return;
        };
        let Ok(place) = self.handshakes.clone().acquire_owned().await else { return };
        let accepted = self.accepted.clone();
        tasks.spawn("handshake", AtEnd::Quiet, async move {
            let _place = place;
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => drop(accepted.send((Connection::Tls(Box::new(stream)), from)).await),
                Ok(Err(error)) => tracing::info!(%from, %error, "TLS handshake refused"),
                Err(_) => tracing::info!(%from, "no TLS handshake in time"),
            }
        });
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
