//! The closed set of events that wake the driver's loop.

use ocs_proto::peer::{PeerFrame, RaftMessage, SnapshotMark};
use tokio::sync::oneshot;

use crate::{
    Confirmed, FetchedState, JoinAsk, Proposal, RaftId, TransferError,
    core::{JoinError, ModeError, PauseError, RaiseError},
};

/// Updates in flight that still count as few.
pub(crate) const FEW: usize = 2;
/// Bytes of entries that still count as those of few updates.
const FEW_BYTES: usize = 1024;

/// Everything that can wake the loop.
#[allow(clippy::large_enum_variant)] // most events are frames, and those are the large ones
#[derive(Debug)]
pub(crate) enum Event<I, R> {
    /// Commands to be put into the log.
    Propose(Vec<Proposal<I, R>>),
    /// A peer's messages.
    Frame(PeerFrame),
    /// A question to a quorum; `read`: answered when its index is applied here.
    Ask { answer: oneshot::Sender<Confirmed>, read: bool },
    /// The log has written and synced.
    Written { number: u64, log_bytes: u64 },
    /// The log's disk is full, or has room again.
    NoRoom(bool),
    /// The log has forgotten up to the mark.
    Compacted { mark: SnapshotMark, log_bytes: u64 },
    /// The log could not forget: there was no room for the record that says so.
    NotCompacted,
    /// The machine has made progress for which the driver waits ([`crate::apply::Progress`]).
    Applied,
    /// The machine's state is durable up to here.
    Persisted(u64),
    /// A fetched state was taken over.
    Installed(SnapshotMark),
    /// A fetched state, or why the fetch failed.
    Fetched(Result<FetchedState, String>),
    /// The state here is wrong, and why.
    Distrust(String),
    /// The machine applies nothing more, from this index on.
    StandsStill(u64),
    /// A digest here differed from a peer's at this index, and nothing shows this node's state wrong.
    Vouch(u64),
    /// An operator drained this node, or took the drain back; heads tell the peers.
    Drained(bool),
    /// The stream to a peer ended.
    PeerLost { peer: RaftId, refused: bool },
    /// A node that lost its log asks for a new id.
    Join { ask: JoinAsk, answer: oneshot::Sender<Result<RaftId, JoinError>> },
    /// Automatic failover is to be paused, or resumed.
    Pause { paused: bool, answer: oneshot::Sender<Result<(), PauseError>> },
    /// The cluster's versions are to be raised.
    Raise { formats: u32, rules_wanted: u32, answer: oneshot::Sender<Result<(), RaiseError>> },
    /// Single-copy is to end.
    LeaveSingleCopy { answer: oneshot::Sender<Result<(), ModeError>> },
    /// Leadership is to go to a node.
    Transfer { to: RaftId, why: String, answer: oneshot::Sender<Result<(), TransferError>> },
    /// Finish and end.
    Stop,
}

impl<I, R> Event<I, R> {
    /// Whether the event comes of many updates at once.
    pub(crate) fn is_of_many(&self) -> bool {
        let bytes = |message: &RaftMessage| message.entries.iter().map(|entry| entry.data.len()).sum::<usize>();
        match self {
            Self::Propose(proposals) => proposals.len() > FEW,
            Self::Frame(frame) => frame.messages.iter().map(bytes).sum::<usize>() > FEW_BYTES,
            _ => false,
        }
    }
}
