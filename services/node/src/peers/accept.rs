//! The door: accepts connections, finds out who calls before a byte of HTTP/2 is read, and hands on who may come in.
//!
//! Every handshake runs beside the listener, under a deadline, and only so many at once: garbage and slow callers cost a
//! place for a few seconds and never stall the others.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{self, ALPN_H2, Clients},
};
use ocs_proto::peer::peer_server::PeerServer;
use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::{
    CONNECTION_WINDOW_BYTES, MESSAGE_BYTES_MAX, PeerHandler, PeersConfig, STREAM_WINDOW_BYTES,
    guard::{Caller, number},
    refusals::Refusals,
    secret::{PeerSecret, Unproven},
    service::PeerService,
    spawn_vital,
    wire::{Duplex, Wire},
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKES_MAX: usize = 64;
const CONNECTIONS_MAX: usize = 256;
const KEEPALIVE: Duration = Duration::from_secs(5);
/// After accept itself failed (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Slow,
    #[error("{0}")]
    Handshake(io::Error),
    #[error("its certificate names no configured node")]
    Stranger,
    #[error("it does not speak HTTP/2")]
    NotHttp2,
    #[error("{0}")]
    Unproven(#[from] Unproven),
    #[error("it is node number {0}, which is not configured here")]
    Unknown(u16),
    #[error("too many handshakes at once")]
    Crowded,
    #[error("too many connections")]
    Full,
}

/// Decides who may come in.
pub(super) struct Doorkeeper {
    tls: Option<TlsAcceptor>,
    /// The secret, and what its proofs are about: the cluster and this node's number.
    secret: Option<(PeerSecret, [u8; 16], u16)>,
    names: Vec<(u16, String)>,
    refusals: Arc<Refusals>,
    handshakes: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doorkeeper").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Doorkeeper {
    pub(super) fn new(config: &PeersConfig) -> Self {
        Self {
            names: config.peers.iter().map(|peer| (number(peer.raft_id), peer.name.clone())).collect(),
            tls: config
                .tls
                .as_ref()
                .map(|identity| TlsAcceptor::from(identity.server_config(Clients::WithCertificate, &[ALPN_H2]))),
            secret: config.secret.clone().map(|secret| (secret, config.own.cluster, number(config.own.raft_id))),
            refusals: Arc::new(Refusals::new()),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// Finds out who calls; the answer goes to the log or into the house.
    async fn admit(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
        house: mpsc::Sender<io::Result<Wire>>,
    ) {
        let introduced = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.introduce(stream, address)).await;
        match introduced.unwrap_or(Err(Refused::Slow)) {
            // The house is closed only while the node stops.
            Ok((bytes, caller)) => drop(house.send(Ok(Wire::new(bytes, caller, place))).await),
            Err(refused) => self.refusals.note(address, &refused),
        }
    }

    async fn introduce(&self, stream: TcpStream, address: SocketAddr) -> Result<(Box<dyn Duplex>, Caller), Refused> {
        stream.set_nodelay(true).map_err(Refused::Handshake)?;
        let Some(acceptor) = &self.tls else { return self.introduce_plain(stream, address).await };
        let stream = acceptor.accept(stream).await.map_err(Refused::Handshake)?;
        let certified = Some(self.named_by(stream.get_ref().1.peer_certificates().unwrap_or_default())?);
        Ok((Box::new(stream), Caller { address, certified }))
    }

    /// Without TLS: a caller that knows the secret is the node that it says; without a secret anybody is.
    async fn introduce_plain(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
    ) -> Result<(Box<dyn Duplex>, Caller), Refused> {
        let Some((secret, cluster, own)) = &self.secret else {
            expect_preface(&stream).await?;
            return Ok((Box::new(stream), Caller { address, certified: None }));
        };
        let caller = secret.answer(&mut stream, *cluster, *own).await?;
        if !self.names.iter().any(|(number, _)| *number == caller) {
            return Err(Refused::Unknown(caller));
        }
        Ok((Box::new(stream), Caller { address, certified: Some(Arc::new([caller])) }))
    }

    /// The configured nodes that a verified certificate names.
    fn named_by(&self, shown: &[CertificateDer<'_>]) -> Result<Arc<[u16]>, Refused> {
        let named = self.names.iter().filter(|(_, name)| tls::names(shown, name));
        let numbers: Arc<[u16]> = named.map(|(number, _)| *number).collect();
        if numbers.is_empty() { Err(Refused::Stranger) } else { Ok(numbers) }
    }
}

/// Looks at the first bytes without taking them.
async fn expect_preface(stream: &TcpStream) -> Result<(), Refused> {
    let mut first = [0; PREFACE.len()];
    let len = stream.peek(&mut first).await.map_err(Refused::Handshake)?;
    if len > 0 && PREFACE.starts_with(&first[..len]) { Ok(()) } else { Err(Refused::NotHttp2) }
}

/// Starts the listener and the house behind it.
pub(super) fn start<H: PeerHandler>(
    listener: TcpListener,
    doorkeeper: Doorkeeper,
    service: PeerService<H>,
    tasks: &Tasks,
) {
    let (house, incoming) = mpsc::channel(HANDSHAKES_MAX);
    spawn_vital(tasks, "peer listener", listen(listener, Arc::new(doorkeeper), house, tasks.clone()));
    let stopping = tasks.stopping();
    spawn_vital(tasks, "peer server", async move {
        let service = PeerServer::new(service)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let served = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stopping.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!("the peer server ended: {error}");
        }
    });
}

async fn listen(
    listener: TcpListener,
    doorkeeper: Arc<Doorkeeper>,
    house: mpsc::Sender<io::Result<Wire>>,
    tasks: Tasks,
) {
    let stopping = tasks.stopping();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => open_door(stream, address, &doorkeeper, &house, &tasks),
            Err(error) => {
                tracing::warn!("cannot accept a peer connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn open_door(
    stream: TcpStream,
    address: SocketAddr,
    doorkeeper: &Arc<Doorkeeper>,
    house: &mpsc::Sender<io::Result<Wire>>,
    tasks: &Tasks,
) {
    let Ok(handshake) = Arc::clone(&doorkeeper.handshakes).try_acquire_owned() else {
        return doorkeeper.refusals.note(address, &Refused::Crowded);
    };
    let Ok(place) = Arc::clone(&doorkeeper.places).try_acquire_owned() else {
        return doorkeeper.refusals.note(address, &Refused::Full);
    };
    let (doorkeeper, house) = (Arc::clone(doorkeeper), house.clone());
    tasks.spawn("peer handshake", AtEnd::Quiet, async move {
        doorkeeper.admit(stream, address, place, house).await;
        drop(handshake);
    });
}
