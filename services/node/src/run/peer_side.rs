//! Messages from other nodes, handed to the parts: frames to consensus, forwarded requests to the door, the state to a node that
//! lacks it. Answers greetings before the parts run.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Instant,
};

use chassis::tasks::Tasks;
use consensus::{Handle, JoinAsk, Kind, RaftId, Versions, members, proof};
use data_dir::DataDir;
use futures::StreamExt;
use ocs_proto::peer::{EpochProofReply, ForwardOutcome, ForwardReply, HelloReply, JoinReply, PeerFrame};
use outbound::{Reply, RequestId};
use pair::{
    Door, Forwarded,
    machine::{RecordsReader, StateOut},
};
use peers::{PeerAddress, PeerHandler, PeerSelf, StateChunks, hello_reply};
use raft_log::{FileDisk, LogReader};
use tonic::Status;

use crate::{bulk::Bulk, pace::Pace, versions};

/// States that are sent at a time: each other node may ask for one.
const STATES_MAX: usize = 2;
/// Half of the time is left to updates while updates go on.
const RESTS: u32 = 1;

/// The node's side of `peers`.
pub(super) struct PeerSide {
    own: PeerSelf,
    peers: Vec<PeerAddress>,
    directory: Arc<DataDir>,
    states: Bulk,
    parts: OnceLock<Parts>,
}

/// The parts once Raft runs.
struct Parts {
    raft: Handle<RequestId, Reply>,
    log: LogReader<FileDisk>,
    api: Option<Arc<Door>>,
    reader: Option<RecordsReader>,
}

impl PeerSide {
    /// Answers greetings only.
    pub(super) fn new(own: PeerSelf, peers: Vec<PeerAddress>, directory: Arc<DataDir>, tasks: &Tasks) -> Self {
        let states = Bulk::new("transfers of the state", STATES_MAX, tasks);
        Self { own, peers, directory, states, parts: OnceLock::new() }
    }

    /// From now on Raft runs.
    pub(super) fn connect(
        &self,
        raft: Handle<RequestId, Reply>,
        log: LogReader<FileDisk>,
        api: Option<Arc<Door>>,
        reader: Option<RecordsReader>,
    ) {
        if self.parts.set(Parts { raft, log, api, reader }).is_err() {
            unreachable!("a node starts once");
        }
    }
}

impl PeerHandler for PeerSide {
    fn on_frame(&self, frame: PeerFrame) -> bool {
        self.parts.get().is_some_and(|parts| parts.raft.receive(frame))
    }

    fn on_lost(&self, peer: RaftId, refused: bool) {
        if let Some(parts) = self.parts.get() {
            parts.raft.peer_lost(peer, refused);
        }
    }

    async fn forward(&self, from: RaftId, request: Forwarded) -> ForwardReply {
        match self.parts.get().and_then(|parts| parts.api.as_ref()) {
            Some(api) => api.engine().on_forward(from, request).await,
            None => ForwardReply { id: request.head.id, outcome: ForwardOutcome::NotPrimary.into(), reply: None },
        }
    }

    async fn join(&self, number: u16, known: Versions, token: u64) -> Result<JoinReply, Status> {
        let refused = |reason: String| Ok(JoinReply { reason, ..JoinReply::default() });
        let Some(parts) = self.parts.get() else { return refused("this node is starting".to_owned()) };
        let peer = self.peers.iter().find(|peer| members::number(peer.raft_id) == number);
        let Some(peer) = peer else { return refused("not a configured node".to_owned()) };
        let kind = if peer.witness { Kind::Witness } else { Kind::Data };
        if let Some(why) = versions::too_old(&parts.raft.status().borrow(), kind, known) {
            return Err(Status::failed_precondition(format!("{} is not taken in: {why}", peer.name)));
        }
        match parts.raft.join(JoinAsk { number, kind, token }).await {
            Ok(id) => {
                let (epoch, guarded) = (self.own.epoch, self.directory.is_guarded());
                Ok(JoinReply { id, epoch, reason: String::new(), guarded })
            }
            Err(error) => refused(error.to_string()),
        }
    }

    fn epoch_proof(&self) -> Result<EpochProofReply, Status> {
        let parts = self.parts.get().ok_or_else(|| Status::unavailable("this node is starting"))?;
        let (cluster, node) = (self.own.cluster.to_vec().into(), self.own.name.clone());
        Ok(EpochProofReply { cluster, node, ..proof::shown(&parts.log) })
    }

    fn hello(&self, node: &str) -> HelloReply {
        hello_reply(&self.own, &self.peers, &self.directory, node)
    }

    async fn state(&self, index_min: u64) -> Result<StateChunks, Status> {
        let parts = self.parts.get().ok_or_else(|| Status::unavailable("this node is starting"))?;
        let reader = parts.reader.clone().ok_or_else(|| Status::failed_precondition("a witness keeps no state"))?;
        let (status, cluster) = (parts.raft.status(), self.own.cluster);
        if status.borrow().fetching {
            return Err(Status::unavailable("this node is fetching its own state"));
        }
        let open = move || {
            let commit = move || status.borrow().commit;
            let mut pace = Pace::new(RESTS, commit(), Instant::now());
            let mut out = StateOut::begin(&reader, cluster, index_min)
                .ok_or_else(|| Status::unavailable("this node's state has not reached that index"))?;
            Ok(std::iter::from_fn(move || {
                thread::sleep(pace.rest(commit(), Instant::now()));
                out.next().map(|chunk| chunk.map_err(|error| Status::internal(error.to_string())))
            }))
        };
        self.states.pieces(open).await.map(StreamExt::boxed)
    }
}
