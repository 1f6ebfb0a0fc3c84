//! Node to node: frames of Raft, forwarded requests, state for a node that is behind, and the greeting before them.
//!
//! gRPC over mutual TLS (plain only on loopback, between ends that know the group's secret). Never decides anything about Raft or
//! a request: a [`PeerHandler`] gets frames and requests unchanged. Called by `node`, which binds first and serves later, and by
//! `pair`, whose way to the primary is a [`ForwardClient`].

mod accept;
mod bootstrap;
mod claims;
mod dial;
mod epochs;
mod forward;
mod frames;
mod guard;
mod join;
mod queue;
mod repeats;
mod secret;
mod service;
mod speakers;
#[cfg(test)]
mod tests;
mod text;
mod versions;
mod wire;

use std::{collections::HashMap, future::Future, io, net::SocketAddr, sync::Arc};

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::LiveCertificate,
};
use consensus::{FORMATS, RaftId, Versions};
use data_dir::DataDir;
use entrance::Refusals;
use futures::stream::BoxStream;
use ocs_proto::peer::{EpochProofReply, FetchStateRequest, ForwardReply, HelloReply, JoinReply, PeerFrame, StateChunk};
use pair::Forwarded;
use tokio::{net::TcpListener, sync::watch};
use tonic::{Status, Streaming, transport::Channel};

use accept::Doorkeeper;
use dial::Dialer;
use guard::Own;

pub use accept::CAUSES;
pub use bootstrap::{BootstrapError, Missing, Step, bootstrap_gate, decide};
pub use dial::DialError;
pub use forward::ForwardClient;
pub use frames::PeerTransport;
pub use join::{Admission, ask_to_join};
pub use secret::{PeerSecret, SecretError};
pub use versions::{NEWEST, RULES};

/// Largest message either side accepts or sends (architecture, Limits).
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Largest merged frame (architecture, Limits: append frame).
pub const FRAME_BYTES_MAX: usize = 2 << 20;
/// Requests forwarded to or from one peer and not yet answered.
pub const FORWARDS_MAX: usize = 10_000;
/// Flow-control windows: a full frame never waits for an update of the window.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// This node, as its heads name it. The incarnation comes from the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSelf {
    /// The configured name, which the node's certificate carries.
    pub name: String,
    /// The Raft id ([`DataDir::raft_id`]).
    pub raft_id: RaftId,
    /// The cluster's id.
    pub cluster: [u8; 16],
    /// The group's epoch; frames of a lower epoch are refused.
    pub epoch: u64,
    /// The token of this process's start.
    pub start: [u8; 16],
}

/// Another configured node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// The configured name, which the node's certificate must carry.
    pub name: String,
    /// The Raft id; only the number in the low 16 bits counts here.
    pub raft_id: RaftId,
    /// "host:port".
    pub address: String,
    /// The node votes, but holds no records.
    pub witness: bool,
}

/// The configuration of the peer side.
#[derive(Debug, Clone)]
pub struct PeersConfig {
    /// This node.
    pub own: PeerSelf,
    /// The address to listen on; port 0: any.
    pub listen: SocketAddr,
    /// Every other configured node.
    pub peers: Vec<PeerAddress>,
    /// This node's certificate for mutual TLS, in both directions; each new connection takes its present configuration. None:
    /// plain, on loopback only.
    pub tls: Option<Arc<LiveCertificate>>,
    /// The secret that both ends of a plain connection must know; none: a group that was formed without a secret.
    pub secret: Option<PeerSecret>,
    /// Connections at a time.
    pub connections_max: usize,
}

/// Why the node cannot listen for its peers.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The address cannot be bound.
    #[error("cannot listen for peers on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// Plain connections are for loopback.
    #[error("cannot listen for peers on {listen} without TLS: off loopback, mutual TLS is required")]
    PlainOffLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// Peers would refuse this node.
    #[error("the certificate for peers does not name this node: it must carry the DNS name \"{name}\"")]
    OwnName {
        /// The node's name.
        name: String,
    },
}

/// The receiver of messages from other nodes. Implemented by the node; answers [`PeerHandler::hello`] before Raft runs.
pub trait PeerHandler: Send + Sync + 'static {
    /// A frame whose sender and cluster were checked. False: dropped (Raft sends again).
    fn on_frame(&self, frame: PeerFrame) -> bool;

    /// The stream to a peer ended; `refused`: an immediate reconnect was refused (architecture, Failover). Called a second time,
    /// with true, when the refusal comes to light only later in the same outage.
    fn on_lost(&self, peer: RaftId, refused: bool);

    /// A request that another node forwarded. Always answers; the loss of that node does not cancel it.
    fn forward(&self, from: RaftId, request: Forwarded) -> impl Future<Output = ForwardReply> + Send;

    /// A greeting of the node with this name.
    fn hello(&self, node: &str) -> HelloReply;

    /// The evidence of this node's epoch in its log.
    ///
    /// # Errors
    /// A status: there is no log yet.
    fn epoch_proof(&self) -> Result<EpochProofReply, Status> {
        Err(Status::unavailable("this node is starting"))
    }

    /// The node with this number has lost its log and asks for a new Raft id (R11 one-id-one-log); its release knows these versions.
    ///
    /// # Errors
    /// A status: the node's release cannot read the formats that the group writes.
    fn join(
        &self,
        _number: u16,
        _known: Versions,
        _token: u64,
    ) -> impl Future<Output = Result<JoinReply, Status>> + Send {
        let reason = "this node does not run yet".to_owned();
        std::future::ready(Ok(JoinReply { reason, ..JoinReply::default() }))
    }

    /// This node's state at this index or later, as chunks of at most 1 MiB, each made once the last chunk was taken; a state
    /// that is cut off ends with an error. A status says why there is no state.
    fn state(&self, index_min: u64) -> impl Future<Output = Result<StateChunks, Status>> + Send;
}

/// The chunks of a state, in order.
pub type StateChunks = BoxStream<'static, Result<StateChunk, Status>>;

/// Builds the answer to a greeting, for [`PeerHandler::hello`].
pub fn hello_reply(own: &PeerSelf, peers: &[PeerAddress], directory: &DataDir, asking: &str) -> HelloReply {
    let number = peers.iter().find(|peer| peer.name == asking).map(|peer| guard::number(peer.raft_id));
    HelloReply {
        cluster: own.cluster.to_vec().into(),
        node: own.name.clone(),
        formed: directory.formation() == data_dir::Formation::Formed,
        heard_of_you: number.is_some_and(|number| directory.has_heard_of_node(number)),
        epoch: own.epoch,
        formats_min: FORMATS.0,
        formats_max: FORMATS.1,
        rules_min: RULES.0,
        rules_max: RULES.1,
    }
}

/// Holds the port; no peer is answered yet.
#[derive(Debug)]
pub struct BoundPeers {
    config: PeersConfig,
    listener: TcpListener,
    doorkeeper: Doorkeeper,
}

/// The running side: ways to every peer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peers {
    shared: Arc<Connections>,
}

#[derive(Debug)]
struct Connections {
    own: PeerSelf,
    peers: Vec<PeerAddress>,
    dialers: HashMap<u16, Arc<Dialer>>,
    connected: HashMap<u16, watch::Receiver<bool>>,
    transport: PeerTransport,
    forward: ForwardClient,
    refused: Arc<Refusals>,
    over: (watch::Receiver<u64>, watch::Receiver<bool>),
    local_addr: SocketAddr,
}

impl Peers {
    /// Takes the port. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// [`PeersError`], one clear line.
    pub fn bind(config: PeersConfig) -> Result<BoundPeers, PeersError> {
        let listen = config.listen;
        if config.tls.is_none() && !listen.ip().is_loopback() {
            return Err(PeersError::PlainOffLoopback { listen });
        }
        if config.tls.as_ref().is_some_and(|own| !own.names(&config.own.name)) {
            return Err(PeersError::OwnName { name: config.own.name });
        }
        let doorkeeper = Doorkeeper::new(&config);
        let listener = entrance::listen(listen).map_err(|source| PeersError::Bind { listen, source })?;
        Ok(BoundPeers { config, listener, doorkeeper })
    }

    /// The way to the other nodes for `consensus`.
    pub fn transport(&self) -> PeerTransport {
        self.shared.transport.clone()
    }

    /// The way to the primary for requests of this node's clients.
    pub fn forward(&self) -> ForwardClient {
        self.shared.forward.clone()
    }

    /// Every other configured node.
    pub fn peers(&self) -> &[PeerAddress] {
        &self.shared.peers
    }

    /// This node.
    pub fn own(&self) -> &PeerSelf {
        &self.shared.own
    }

    /// Asks a peer for its state, on a connection of its own.
    ///
    /// # Errors
    /// A status: the peer is unknown, cannot be reached, or has no such state.
    pub async fn fetch_state(&self, from: RaftId, index_min: u64) -> Result<StateStream, Status> {
        let dialer = self.dialer(from).ok_or_else(|| Status::not_found("not a configured node"))?;
        let channel = dialer.dial().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let request = FetchStateRequest { head: Some(dialer.head()), index_min };
        let asked = dial::client(channel.clone()).fetch_state(request).await;
        let chunks = asked.map_err(told)?.into_inner();
        Ok(StateStream { chunks, _channel: channel })
    }

    /// Greets one peer, on a connection of its own. The caller must check the cluster.
    ///
    /// # Errors
    /// [`DialError`] says why there is no answer.
    pub async fn hello(&self, peer: RaftId) -> Result<HelloReply, DialError> {
        match self.dialer(peer) {
            Some(dialer) => dialer.hello().await,
            None => Err(DialError::Unknown(peer)),
        }
    }

    /// Greets every peer at the same time.
    pub async fn hello_all(&self) -> Vec<(PeerAddress, Result<HelloReply, DialError>)> {
        let ask = |peer: PeerAddress| async move { (peer.clone(), self.hello(peer.raft_id).await) };
        futures::future::join_all(self.shared.peers.iter().cloned().map(ask)).await
    }

    /// Whether the stream of frames to a peer is up.
    pub fn connected(&self, peer: RaftId) -> bool {
        self.shared.connected.get(&guard::number(peer)).is_some_and(|connected| *connected.borrow())
    }

    /// As [`Peers::connected`], to wait for.
    pub fn watch_connected(&self, peer: RaftId) -> Option<watch::Receiver<bool>> {
        self.shared.connected.get(&guard::number(peer)).cloned()
    }

    /// Connections and frames refused since the start.
    pub fn refused_total(&self) -> u64 {
        self.shared.refused.total()
    }

    /// The refusals at the port.
    pub fn refusals(&self) -> Arc<Refusals> {
        self.shared.refused.clone()
    }

    /// Completes when this node's Raft id is over, with the epoch of the group then. Never otherwise.
    pub async fn id_over(&self) -> u64 {
        let ((mut epoch, mut replaced), ours) = (self.shared.over.clone(), self.shared.own.epoch);
        let over = tokio::select! {
            higher = epoch.wait_for(|heard| *heard > ours) => higher.map(|heard| *heard).ok(),
            replaced = replaced.wait_for(|replaced| *replaced) => replaced.map(|_| ours).ok(),
        };
        match over {
            Some(epoch) => epoch,
            None => std::future::pending().await, // the node is stopping
        }
    }

    /// The address on which this node listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    fn dialer(&self, peer: RaftId) -> Option<&Arc<Dialer>> {
        self.shared.dialers.get(&guard::number(peer))
    }
}

impl BoundPeers {
    /// The address on which this node listens.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers peers, and keeps a stream of frames and a stream of forwarded requests to each, until `tasks` stop.
    pub fn serve<H: PeerHandler>(self, handler: Arc<H>, directory: Arc<DataDir>, tasks: &Tasks) -> Peers {
        let Self { config, listener, doorkeeper } = self;
        let local_addr = listener.local_addr().unwrap_or(config.listen);
        let refused = doorkeeper.refusals();
        let own = Arc::new(Own::new(config.own.clone(), Arc::clone(&directory)));
        let dialers: HashMap<u16, Arc<Dialer>> = config
            .peers
            .iter()
            .map(|peer| (guard::number(peer.raft_id), Arc::new(Dialer::of(&config, peer, &own))))
            .collect();
        let service = service::PeerService::new(&own, &config.peers, &handler, directory, tasks, &refused, &dialers);
        accept::start(listener, doorkeeper, service, tasks);
        let (transport, connected) = frames::start(&dialers, &own, &handler, tasks);
        let forward = forward::start(&dialers, tasks);
        let (proving, stopping) = (epochs::prove(Arc::clone(&own), dialers.clone()), tasks.stopping());
        spawn_vital(tasks, "epochs of peers", async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = proving => {}
            }
        });
        let shared = Connections {
            own: config.own,
            peers: config.peers,
            dialers,
            connected,
            transport,
            forward,
            refused,
            over: own.watch_over(),
            local_addr,
        };
        Peers { shared: Arc::new(shared) }
    }
}

/// Chunks of another node's state, in order.
#[derive(Debug)]
pub struct StateStream {
    chunks: Streaming<StateChunk>,
    /// The stream lives as long as its connection.
    _channel: Channel,
}

impl StateStream {
    /// The next chunk; none: the stream is at its end.
    ///
    /// # Errors
    /// The stream broke, or the peer gave up; the chunks so far are not the whole state.
    pub async fn next(&mut self) -> Result<Option<StateChunk>, Status> {
        self.chunks.message().await.map_err(told)
    }
}

/// A peer's reason, fit for a log line.
fn told(status: Status) -> Status {
    Status::new(status.code(), text::shown(status.message()))
}

/// A task whose end stops the node.
fn spawn_vital(tasks: &Tasks, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(name, AtEnd::Stop, future);
}
