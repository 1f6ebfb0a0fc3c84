//! The door: accepts connections, authenticates each caller before a byte of HTTP/2 is read, and hands admitted connections on.
//!
//! Every handshake runs beside the listener and under a deadline. When all places are taken, the oldest unknown caller makes room
//! for the newest, so that a configured node finds a place under any number of other callers.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{self, HandshakeFault, LiveCertificate},
};
use entrance::{Accepting, Phase, Place, Places, Refusals};
use ocs_proto::peer::peer_server::PeerServer;
use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::{
    CONNECTION_WINDOW_BYTES, MESSAGE_BYTES_MAX, PeerHandler, PeersConfig, STREAM_WINDOW_BYTES,
    guard::{Caller, Standing, number},
    secret::{PeerSecret, Unproven},
    service::PeerService,
    spawn_vital,
    wire::{Duplex, Wire},
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are past their handshake and wait for the server.
const ADMITTED_MAX: usize = 64;
/// Connections of one address off loopback.
const PER_ADDRESS_MAX: usize = 64;
/// Requests of one connection at a time; a peer has two streams and a greeting.
const STREAMS_MAX: u32 = 32;
/// Descriptors kept for connections of peers that come when no others are left.
const RESERVE_DESCRIPTORS: usize = 8;
/// Largest list of headers of a request, bytes.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Streams that a caller has reset before this node took them, and streams that ended by a fault of the caller: beyond, h2 ends the
/// connection.
const RESETS_BEFORE_ACCEPT_MAX: usize = 20;
const FAULTY_STREAMS_MAX: usize = 64;
const KEEPALIVE: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a caller is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Slow,
    #[error("{0}")]
    Handshake(HandshakeFault),
    #[error("{0}")]
    Broken(io::Error),
    #[error("it does not speak HTTP/2")]
    NotHttp2,
    #[error("{0}")]
    Unproven(#[from] Unproven),
    #[error("it is node number {0}, which is not configured here")]
    Unknown(u16),
    #[error("no handshake while others waited")]
    PushedOut,
}

/// The causes of refusals that only the port of the peers has, beside the faults of handshakes.
pub const CAUSES: [&str; 5] = ["slow", "not HTTP/2", "unproven", "unknown", "strays"];

impl Refused {
    /// The cause under which the log counts a refusal.
    fn cause(&self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Handshake(fault) => fault.reason(),
            Self::Broken(_) => "broken",
            Self::NotHttp2 => "not HTTP/2",
            Self::Unproven(_) => "unproven",
            Self::Unknown(_) => "unknown",
            Self::PushedOut => "pushed out",
        }
    }
}

/// Decides which callers are admitted.
pub(super) struct Doorkeeper {
    tls: Option<Arc<LiveCertificate>>,
    /// The secret, and the facts that its proofs cover: the cluster and this node's number.
    secret: Option<(PeerSecret, [u8; 16], u16)>,
    names: Vec<(u16, String)>,
    refusals: Arc<Refusals>,
    places: Places,
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
            tls: config.tls.clone(),
            secret: config.secret.clone().map(|secret| (secret, config.own.cluster, number(config.own.raft_id))),
            refusals: Arc::new(Refusals::new("peer")),
            places: Places::new(config.connections_max, PER_ADDRESS_MAX),
        }
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// Authenticates the caller; the connection goes into the house, or its refusal into the log.
    async fn admit(&self, stream: TcpStream, address: SocketAddr, place: Place, house: mpsc::Sender<io::Result<Wire>>) {
        let introduced = tokio::select! {
            introduced = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.introduce(stream)) => introduced,
            () = place.pushed_out() => Ok(Err(Refused::PushedOut)),
        };
        match introduced.unwrap_or(Err(Refused::Slow)) {
            Ok((bytes, certified)) => {
                place.is(Phase::Idle);
                let standing = Arc::new(Standing::new(place));
                if certified.is_some() {
                    standing.make_known();
                }
                // The house closes only while the node stops.
                let caller = Caller { address, certified, standing };
                drop(house.send(Ok(Wire::new(bytes, caller, self.refusals()))).await);
            }
            Err(Refused::Handshake(fault)) => self.refusals.handshake(address, &fault),
            Err(refused) => self.refusals.connection(address, refused.cause(), &refused),
        }
    }

    /// The connection, and the numbers of the nodes that the caller may be.
    async fn introduce(&self, stream: TcpStream) -> Result<(Box<dyn Duplex>, Option<Arc<[u16]>>), Refused> {
        let Some(own) = &self.tls else { return self.introduce_plain(stream).await };
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) => tls::first_byte(first[0]).map_err(Refused::Handshake)?,
            _ => return Err(Refused::Handshake(HandshakeFault::Closed)),
        }
        let accepted = TlsAcceptor::from(own.server()).accept(stream).await;
        let stream = accepted.map_err(|error| Refused::Handshake(HandshakeFault::of(&error)))?;
        let certified = self.named_by(stream.get_ref().1.peer_certificates().unwrap_or_default())?;
        Ok((Box::new(stream), Some(certified)))
    }

    /// Without TLS: a caller that knows the secret is the node that it claims to be; without a secret every caller is.
    async fn introduce_plain(&self, mut stream: TcpStream) -> Result<(Box<dyn Duplex>, Option<Arc<[u16]>>), Refused> {
        let Some((secret, cluster, own)) = &self.secret else {
            expect_preface(&stream).await?;
            return Ok((Box::new(stream), None));
        };
        let caller = secret.answer(&mut stream, *cluster, *own).await?;
        if !self.names.iter().any(|(number, _)| *number == caller) {
            return Err(Refused::Unknown(caller));
        }
        Ok((Box::new(stream), Some(Arc::new([caller]))))
    }

    /// The configured nodes that a verified certificate names.
    fn named_by(&self, shown: &[CertificateDer<'_>]) -> Result<Arc<[u16]>, Refused> {
        let named = self.names.iter().filter(|(_, name)| tls::names(shown, name));
        let numbers: Arc<[u16]> = named.map(|(number, _)| *number).collect();
        if numbers.is_empty() { Err(Refused::Handshake(HandshakeFault::OtherName)) } else { Ok(numbers) }
    }
}

/// Peeks at the first bytes.
async fn expect_preface(stream: &TcpStream) -> Result<(), Refused> {
    let mut first = [0; PREFACE.len()];
    let len = stream.peek(&mut first).await.map_err(Refused::Broken)?;
    if len > 0 && PREFACE.starts_with(&first[..len]) { Ok(()) } else { Err(Refused::NotHttp2) }
}

/// Starts the listener and the house behind it.
pub(super) fn start<H: PeerHandler>(
    listener: TcpListener,
    doorkeeper: Doorkeeper,
    service: PeerService<H>,
    tasks: &Tasks,
) {
    let (house, incoming) = mpsc::channel(ADMITTED_MAX);
    spawn_vital(tasks, "peer listener", listen(listener, Arc::new(doorkeeper), house, tasks.clone()));
    let stopping = tasks.stopping();
    spawn_vital(tasks, "peer server", async move {
        let service = PeerServer::new(service)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let served = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_adaptive_window(Some(false))
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(RESETS_BEFORE_ACCEPT_MAX))
            .http2_max_local_error_reset_streams(Some(FAULTY_STREAMS_MAX))
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
    let mut accepting = Accepting::new(listener, doorkeeper.refusals(), RESERVE_DESCRIPTORS);
    loop {
        let (stream, address) = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = accepting.next() => accepted,
        };
        let Some(place) = accepting.place(&doorkeeper.places, address).await else { continue };
        let (doorkeeper, house) = (Arc::clone(&doorkeeper), house.clone());
        tasks.spawn("peer handshake", AtEnd::Quiet, async move {
            doorkeeper.admit(stream, address, place, house).await;
        });
    }
}
