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

#[cfg(test)]
mod tests {
    use std::fs;

    use chassis::tls::{Clients, TlsFiles, TlsIdentity};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    use super::*;

    /// An identity for "a", and a client that trusts its authority but shows no certificate.
    fn identity() -> (TlsIdentity, Arc<ClientConfig>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["a".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let put = |file: &str, text: String| {
            let path = directory.path().join(file);
            fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = (put("own.pem", own.pem()), put("own.key", key.serialize_pem()));
        let identity = TlsIdentity::load(&TlsFiles { ca: put("ca.pem", ca.pem()), certificate, key }).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        (identity, Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Sends a byte and reads it back, if this client is let in.
    async fn echo(client: Arc<ClientConfig>, address: SocketAddr) -> io::Result<u8> {
        let stream = TcpStream::connect(address).await?;
        let mut stream = TlsConnector::from(client).connect(ServerName::try_from("a").unwrap(), stream).await?;
        stream.write_all(&[7]).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn only_who_shows_a_certificate_comes_in_and_garbage_stalls_nobody() {
        let ((identity, stranger), tasks) = (identity(), Tasks::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted = accept(listener, Some(identity.server_config(Clients::WithCertificate, &[])), &tasks);
        tasks.spawn("echo", AtEnd::Quiet, async move {
            while let Some((mut connection, _)) = accepted.recv().await {
                let byte = connection.read_u8().await.unwrap();
                connection.write_all(&[byte]).await.unwrap();
            }
        });
        let mut garbage = TcpStream::connect(address).await.unwrap();
        garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        assert!(echo(stranger, address).await.is_err());
        assert_eq!(echo(identity.client_config(&[]), address).await.unwrap(), 7);
    }
}
