//! What comes from other nodes, handed to the parts: frames to consensus, forwarded requests to the door, the state to who
//! lacks it. Answers greetings before there is any of it.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Instant,
};

use chassis::tasks::Tasks;
use consensus::{
    Handle, JoinAsk, Kind, RaftId,
    log::{FileDisk, LogReader},
    members, proof,
};
use ocs_proto::peer::{
    EpochProofReply, ForwardOutcome, ForwardReply, ForwardRequest, HelloReply, JoinReply, PeerFrame, StateChunk,
};
use outbound::{Reply, RequestId};
use tokio::sync::mpsc;
use tonic::Status;

use super::spawn_quiet;
use crate::{
    data_dir::DataDir,
    machine::{RecordsReader, StateOut},
    outbound_api::OutboundApi,
    pace::Pace,
    peers::{PeerAddress, PeerHandler, PeerSelf, hello_reply},
};

/// Chunks that may wait for the receiver.
const CHUNKS_MAX: usize = 4;
/// Half of the time is left to updates that go on.
const RESTS: u32 = 1;

/// The node's side of `peers`.
pub(super) struct PeerSide {
    own: PeerSelf,
    peers: Vec<PeerAddress>,
    directory: Arc<DataDir>,
    tasks: Tasks,
    parts: OnceLock<Parts>,
}

/// What there is once Raft runs.
struct Parts {
    raft: Handle<RequestId, Reply>,
    log: LogReader<FileDisk>,
    api: Option<Arc<OutboundApi>>,
    reader: Option<RecordsReader>,
}

impl PeerSide {
    /// Answers greetings only.
    pub(super) fn new(own: PeerSelf, peers: Vec<PeerAddress>, directory: Arc<DataDir>, tasks: Tasks) -> Self {
        Self { own, peers, directory, tasks, parts: OnceLock::new() }
    }

    /// From now on Raft runs.
    pub(super) fn connect(
        &self,
        raft: Handle<RequestId, Reply>,
        log: LogReader<FileDisk>,
        api: Option<Arc<OutboundApi>>,
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

    async fn forward(&self, from: RaftId, request: ForwardRequest) -> ForwardReply {
        match self.parts.get().and_then(|parts| parts.api.as_ref()) {
            Some(api) => api.forward().on_forward(from, request).await,
            None => ForwardReply { id: request.id, outcome: ForwardOutcome::NotPrimary.into(), reply: None },
        }
    }

    async fn join(&self, number: u16, token: u64) -> JoinReply {
        let refused = |reason: String| JoinReply { reason, ..JoinReply::default() };
        let Some(parts) = self.parts.get() else { return refused("this node is starting".to_owned()) };
        let peer = self.peers.iter().find(|peer| members::number(peer.raft_id) == number);
        let Some(peer) = peer else { return refused("not a configured node".to_owned()) };
        let kind = if peer.witness { Kind::Witness } else { Kind::Data };
        match parts.raft.join(JoinAsk { number, kind, token }).await {
            Ok(id) => JoinReply { id, epoch: self.own.epoch, reason: String::new() },
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

    fn state(&self, index_min: u64) -> Result<mpsc::Receiver<Result<StateChunk, Status>>, Status> {
        let parts = self.parts.get().ok_or_else(|| Status::unavailable("this node is starting"))?;
        let reader = parts.reader.as_ref().ok_or_else(|| Status::failed_precondition("a witness keeps no state"))?;
        if parts.raft.status().borrow().fetching {
            return Err(Status::unavailable("this node is fetching its own state"));
        }
        let out = StateOut::begin(reader, self.own.cluster, index_min)
            .ok_or_else(|| Status::unavailable("this node's state has not reached that index"))?;
        let (chunks, stream) = mpsc::channel(CHUNKS_MAX);
        let status = parts.raft.status();
        let send = tokio::task::spawn_blocking(move || {
            let commit = || status.borrow().commit;
            let mut pace = Pace::new(RESTS, commit(), Instant::now());
            for chunk in out {
                let chunk = chunk.map_err(|error| Status::internal(error.to_string()));
                if chunks.blocking_send(chunk).is_err() {
                    return; // the receiver gave up
                }
                thread::sleep(pace.rest(commit(), Instant::now()));
            }
        });
        spawn_quiet(&self.tasks, "state-out", async move {
            if send.await.is_err() {
                tracing::error!("sending the state to a peer panicked");
            }
        });
        Ok(stream)
    }
}
