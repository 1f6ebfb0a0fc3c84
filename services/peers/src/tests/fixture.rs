//! Nodes that record all messages to them, and a relay whose connections can be cut.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{ALPN_H2, LiveCertificate, Source, TlsFiles},
};
use consensus::{Kind, RaftId};
use data_dir::DataIdentity;
use ocs_proto::peer::{
    EpochProofReply, ForwardReply, Head, HelloReply, PeerFrame, RaftMessage, SnapshotMark, StateChunk,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::super::*;

pub(super) const CLUSTER: [u8; 16] = [7; 16];
const NAMES: [&str; 3] = ["a", "b", "w"];

/// Records everything; answers forwarded requests while permits are left.
pub(super) struct Recorder {
    own: PeerSelf,
    peers: Vec<PeerAddress>,
    directory: Arc<DataDir>,
    frames: mpsc::UnboundedSender<PeerFrame>,
    lost: mpsc::UnboundedSender<(RaftId, bool)>,
    arrived: mpsc::UnboundedSender<(RaftId, Forwarded)>,
    pub(super) answers: Semaphore,
    /// The beginning of the node's log, if its version tells; and how often peers asked for it.
    pub(super) log: std::sync::Mutex<Option<SnapshotMark>>,
    pub(super) proofs_asked: AtomicUsize,
}

impl PeerHandler for Recorder {
    fn on_frame(&self, frame: PeerFrame) -> bool {
        self.frames.send(frame).is_ok()
    }

    fn on_lost(&self, peer: RaftId, refused: bool) {
        let _ = self.lost.send((peer, refused));
    }

    async fn forward(&self, from: RaftId, request: Forwarded) -> ForwardReply {
        let id = request.head.id;
        let _ = self.arrived.send((from, request));
        self.answers.acquire().await.unwrap().forget();
        ForwardReply { id, ..ForwardReply::default() }
    }

    fn hello(&self, node: &str) -> HelloReply {
        hello_reply(&self.own, &self.peers, &self.directory, node)
    }

    fn epoch_proof(&self) -> Result<EpochProofReply, Status> {
        self.proofs_asked.fetch_add(1, Ordering::Relaxed);
        let start = self.log.lock().unwrap().clone().ok_or_else(|| Status::unimplemented("an older version"))?;
        let (cluster, node) = (self.own.cluster.to_vec().into(), self.own.name.clone());
        let membership = start.conf_state.clone();
        Ok(EpochProofReply { cluster, node, start: Some(start), membership, ..EpochProofReply::default() })
    }

    /// As many chunks as the index says, then an error for an odd index.
    async fn state(&self, index_min: u64) -> Result<StateChunks, Status> {
        let chunk = |sequence| Ok(StateChunk { sequence, ..StateChunk::default() });
        let mut chunks: Vec<_> = (0..index_min).map(chunk).collect();
        match index_min {
            0 => return Err(Status::failed_precondition("no state here")),
            odd if odd % 2 == 1 => chunks.push(Err(Status::data_loss("the disk failed"))),
            _ => {}
        }
        Ok(Box::pin(futures::stream::iter(chunks)))
    }
}

/// A node that holds its port but does not answer yet.
pub(super) struct Bound {
    pub(super) bound: BoundPeers,
    pub(super) directory: Arc<DataDir>,
    home: TempDir,
}

pub(super) struct Node {
    pub(super) peers: Peers,
    pub(super) handler: Arc<Recorder>,
    pub(super) directory: Arc<DataDir>,
    pub(super) frames: mpsc::UnboundedReceiver<PeerFrame>,
    pub(super) lost: mpsc::UnboundedReceiver<(RaftId, bool)>,
    pub(super) arrived: Mutex<mpsc::UnboundedReceiver<(RaftId, Forwarded)>>,
    pub(super) tasks: Tasks,
    _home: TempDir,
}

/// Node 1, 2 or 3, in an empty directory; the others' addresses are not known yet.
pub(super) fn bind(number: u16, tls: Option<Arc<LiveCertificate>>) -> Bound {
    let home = TempDir::new().unwrap();
    let name = NAMES[usize::from(number) - 1];
    let identity = DataIdentity { cluster_id: "test".into(), cluster: CLUSTER, node: name.into(), kind: Kind::Data };
    let directory = Arc::new(DataDir::open(home.path(), identity, true).unwrap());
    let config = PeersConfig {
        own: PeerSelf {
            name: name.into(),
            raft_id: directory.raft_id(number),
            cluster: CLUSTER,
            epoch: 1,
            start: directory.start(),
        },
        listen: "127.0.0.1:0".parse().unwrap(),
        peers: Vec::new(),
        tls,
        secret: None,
        connections_max: 256,
    };
    Bound { bound: Peers::bind(config).unwrap(), directory, home }
}

impl Bound {
    pub(super) fn address(&self) -> String {
        self.bound.local_addr().unwrap().to_string()
    }

    /// Makes another node known to this node.
    pub(super) fn knows(&mut self, number: u16, address: &str) {
        let name = NAMES[usize::from(number) - 1].to_owned();
        let peer = PeerAddress { name, raft_id: number.into(), address: address.into(), witness: number == 3 };
        self.bound.config.peers.push(peer);
        self.bound.doorkeeper = Doorkeeper::new(&self.bound.config);
    }

    pub(super) fn serve(self) -> Node {
        let tasks = Tasks::new();
        let (frames, frames_seen) = mpsc::unbounded_channel();
        let (lost, lost_seen) = mpsc::unbounded_channel();
        let (arrived, arrived_seen) = mpsc::unbounded_channel();
        let handler = Arc::new(Recorder {
            own: self.bound.config.own.clone(),
            peers: self.bound.config.peers.clone(),
            directory: Arc::clone(&self.directory),
            frames,
            lost,
            arrived,
            answers: Semaphore::new(0),
            log: std::sync::Mutex::default(),
            proofs_asked: AtomicUsize::new(0),
        });
        Node {
            peers: self.bound.serve(Arc::clone(&handler), Arc::clone(&self.directory), &tasks),
            handler,
            directory: self.directory,
            frames: frames_seen,
            lost: lost_seen,
            arrived: Mutex::new(arrived_seen),
            tasks,
            _home: self.home,
        }
    }
}

impl Node {
    pub(super) async fn connected(&self, peer: RaftId) {
        self.peers.watch_connected(peer).unwrap().wait_for(|connected| *connected).await.unwrap();
        let forward = self.peers.forward();
        until(|| forward.connected(peer)).await;
    }
}

/// Nodes a and b that know each other and are members.
pub(super) fn pair(tls: Option<(Arc<LiveCertificate>, Arc<LiveCertificate>)>) -> (Node, Node) {
    let (tls_a, tls_b) = tls.unzip();
    let (mut a, mut b) = (bind(1, tls_a), bind(2, tls_b));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    a.directory.stamp().unwrap();
    b.directory.stamp().unwrap();
    (a.serve(), b.serve())
}

/// Nodes a and b, formed; a reaches b through a relay.
pub(super) async fn pair_over_relay() -> (Node, Node, Relay) {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    let relay = Relay::start(b.address()).await;
    a.knows(2, &relay.address);
    b.knows(1, &a.address());
    a.directory.stamp().unwrap();
    b.directory.stamp().unwrap();
    let (a, b) = (a.serve(), b.serve());
    a.connected(2).await;
    (a, b, relay)
}

/// A relay that passes bytes on until cut.
pub(super) struct Relay {
    pub(super) address: String,
    connections: std::sync::Mutex<CancellationToken>,
    listener: CancellationToken,
    tasks: Tasks,
}

impl Relay {
    async fn start(to: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay {
            address: listener.local_addr().unwrap().to_string(),
            connections: std::sync::Mutex::default(),
            listener: CancellationToken::new(),
            tasks: Tasks::new(),
        };
        let (connections, tasks, closed) = (relay.listener.child_token(), relay.tasks.clone(), relay.listener.clone());
        *relay.connections.lock().unwrap() = connections.clone();
        relay.tasks.spawn("relay", AtEnd::Quiet, async move {
            loop {
                let (from, _) = tokio::select! {
                    () = closed.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap(),
                };
                let (cut, to) = (closed.child_token(), to.clone());
                // The first connections can be cut while later ones go through.
                let first = connections.clone();
                let first = if first.is_cancelled() { cut.clone() } else { first };
                tasks.spawn("relayed connection", AtEnd::Quiet, async move {
                    tokio::select! {
                        () = first.cancelled() => {}
                        () = cut.cancelled() => {}
                        () = copy(from, to) => {}
                    }
                });
            }
        });
        relay
    }

    /// Cuts every connection made so far; new ones go through.
    pub(super) fn cut_connections(&self) {
        self.connections.lock().unwrap().cancel();
    }

    /// Cuts everything; new connections are refused.
    pub(super) async fn close(&self) {
        self.listener.cancel();
        self.tasks.drain(std::time::Duration::from_secs(60)).await;
    }
}

async fn copy(mut from: TcpStream, to: String) {
    let mut to = TcpStream::connect(to).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
}

/// Waits for something that happens on its own; the test runner's patience is the limit.
pub(super) async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

pub(super) fn message(from: RaftId, to: RaftId, index: u64) -> RaftMessage {
    RaftMessage { from, to, index, ..RaftMessage::default() }
}

/// A frame as consensus hands it over: with its term, without its sender.
pub(super) fn frame(term: u64, messages: Vec<RaftMessage>) -> PeerFrame {
    PeerFrame { head: Some(Head { term, ..Head::default() }), messages, ..PeerFrame::default() }
}

pub(super) type Ca = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name, checked as a node checks its own; its files are gone.
pub(super) fn identity(ca: &Ca, name: &str) -> Arc<LiveCertificate> {
    let directory = TempDir::new().unwrap();
    live(directory.path(), ca, name)
}

/// The same, whose files stay in a directory; those that are there are replaced.
pub(super) fn live(directory: &Path, ca: &Ca, name: &str) -> Arc<LiveCertificate> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, ca).unwrap();
    let put = |file: &str, text: String| {
        let path = directory.join(file);
        fs::write(&path, text).unwrap();
        path
    };
    let files = TlsFiles {
        ca: put("ca.pem", ca.pem()),
        certificate: put("own.pem", certificate.pem()),
        key: put("own.key", key.serialize_pem()),
    };
    LiveCertificate::open("peer", Source::Mutual { files, name: None }, &[ALPN_H2]).unwrap()
}
