//! The boundary of the crate: what a node puts in and gets out.

use std::{hash::Hash, io, time::Instant};

use bytes::Bytes;
use ocs_proto::peer::{Entry, PeerFrame, SnapshotMark};

/// A Raft id: stands for one log, for ever (R11 one-id-one-log). The low 16 bits are the node's number in the
/// configuration (from 1), the rest counts its incarnations (from 0).
pub type RaftId = u64;

/// The kind of a node, by the data that the node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Log and state; can be primary.
    Data,
    /// Log only; never serves.
    Witness,
}

/// The replicated state behind the log. Lives on the apply thread; nothing else calls `apply`.
pub trait Machine: Send + 'static {
    /// Names a command; replies find their waiters by it.
    type Id: Copy + Eq + Hash + Send + 'static;
    /// The answer to a command.
    type Reply: Send + 'static;

    /// Index and term of the last entry applied, and the membership there. An empty state says index 0.
    fn applied(&self) -> SnapshotMark;

    /// Applies committed entries in order, all changes and the applied mark as one batch. Deterministic. An entry without
    /// data (a new leader's) only moves the applied index.
    ///
    /// The machine calls `answer` with the replies, in the order of the commands, as soon as they are decided: the result of a
    /// committed entry is final. A read caused by an answer waits until its index counts as applied, which is after this call.
    ///
    /// # Errors
    /// A fault of the store, or an entry that this version does not know: the process ends.
    fn apply(&mut self, batch: &ApplyBatch<'_>, answer: &mut dyn FnMut(Replies<Self>)) -> Result<(), MachineError>;

    /// Makes the applied state durable; returns the index that is durable from now on.
    ///
    /// # Errors
    /// A fault of the disk: the process ends.
    fn persist(&mut self) -> Result<u64, MachineError>;

    /// The newest digest kept: index and value.
    fn digest(&self) -> Option<(u64, u128)>;

    /// The digest of an index; none: no longer kept.
    fn digest_at(&self, index: u64) -> Option<u128>;

    /// Whether the state was found wrong before a restart and has not been replaced since.
    fn doubted(&self) -> bool {
        false
    }

    /// Remembers, over a restart too, whether the state was found wrong.
    ///
    /// # Errors
    /// A fault of the disk: the process ends.
    fn doubt(&mut self, _doubted: bool) -> Result<(), MachineError> {
        Ok(())
    }

    /// Takes over a state that was fetched from another data node and that stands ready in `source`.
    ///
    /// # Errors
    /// A fault of the disk or a state that is not whole: the process ends.
    fn install(&mut self, source: FetchedState) -> Result<SnapshotMark, MachineError>;
}

/// Replies under the ids of their commands, in the order of the commands.
pub type Replies<M> = Vec<(<M as Machine>::Id, <M as Machine>::Reply)>;

/// Entries to apply, and the membership after the last of them.
#[derive(Debug)]
pub struct ApplyBatch<'a> {
    /// In order of index, without gaps.
    pub entries: &'a [Entry],
    /// Encoded `ConfState`.
    pub conf_state: &'a [u8],
}

/// A state fetched from another node: complete, digest checked, on this disk.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedState {
    /// The directory that holds the state.
    pub directory: std::path::PathBuf,
    /// Index, term and membership of the state.
    pub mark: SnapshotMark,
}

/// Why the machine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// An entry that this version cannot decide.
    #[error("entry {index}: {reason}")]
    Entry {
        /// Its index.
        index: u64,
        /// The fault and its remedy.
        reason: String,
    },
    /// The disk failed.
    #[error("disk: {0}")]
    Io(#[from] io::Error),
}

/// The way to the other nodes. Never blocks; may lose, delay or reorder frames.
pub trait Transport: Send + Sync + 'static {
    /// Sends a frame to a peer, or drops it.
    fn send(&self, to: RaftId, frame: PeerFrame);
}

/// One command to be put into the log.
#[derive(Debug)]
pub struct Proposal<I, R> {
    /// Its name.
    pub id: I,
    /// The term in which the proposer found this node serving. The driver refuses the proposal in any other term: its stamp may
    /// be older than the stamp of a command applied in between.
    pub term: u64,
    /// The encoded command.
    pub command: Bytes,
    /// Wakes the task that waits for the reply.
    pub waiter: tokio::sync::oneshot::Sender<Result<R, ProposeError>>,
}

/// Why a proposal has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This node is not the leader, does not serve yet or hands over: the command is not in the log here.
    #[error("this node is not the primary")]
    NotPrimary,
    /// The command is in the log and was overtaken: the outcome is unknown (R7 unknown-is-not-failed). A retry keeps the id.
    #[error("overtaken by a change of primary: not known whether it was applied")]
    Overtaken,
    /// Too much is waiting (uncommitted bytes or apply lag): not put into the log.
    #[error("too much is waiting to be applied")]
    Busy,
    /// The disk has reached its reserve: not put into the log.
    #[error("no room on the log's disk")]
    NoRoom,
    /// The log here or at a peer has reached its limit (R1 forget-what-both-have): not put into the log.
    #[error(
        "a node's log has reached log.bytes_max, since a data node has been away for long: bring it back, or see `ocsctl node replace`"
    )]
    LogFull,
    /// The node is stopping: not put into the log.
    #[error("the node is stopping")]
    Stopped,
}

/// The proof of a completed ReadIndex round: at some moment after the question came, a quorum followed this leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Everything acknowledged before the question has an index up to this one.
    pub index: u64,
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub leader: RaftId,
}

/// Why a round did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No quorum answered within the time given.
    #[error("no quorum answered in time")]
    Unconfirmed,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// Raft's role here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaftRole {
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads (not yet proof of anything: R5 leader-is-not-primary).
    Leader,
    /// Catches up, and does not vote yet.
    Learner,
}

/// How far the other voters have confirmed the start of this node's process (R12 disks-are-evidence).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartStanding {
    /// Enough voters have: the node takes part.
    Confirmed,
    /// Not yet; says which voters have not answered, and why.
    Asking(String),
    /// This disk is an older copy of itself; holds the evidence. The node is silent until the cluster gives it a new id.
    Old(String),
}

/// The status of the core and the driver, published at each tick, and at once after a change on which a watcher may act.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// This node.
    pub id: RaftId,
    /// Raft's role.
    pub role: RaftRole,
    /// Raft's term.
    pub term: u64,
    /// The leader known here; 0: none.
    pub leader: RaftId,
    /// Leads, is a data node, and has applied an entry of its own term: may serve.
    pub serving: bool,
    /// A transfer is under way.
    pub transferring: bool,
    /// Highest index known committed.
    pub commit: u64,
    /// Highest index applied here.
    pub applied: u64,
    /// Highest index of the state that is durable here.
    pub persisted: u64,
    /// First index that the log still has.
    pub first_index: u64,
    /// Last index of the log.
    pub last_index: u64,
    /// Last index of the log that is durable here.
    pub durable_index: u64,
    /// Lowest index durable on both data voters, as far as known (R1).
    pub data_durable: u64,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    /// The other voters.
    pub peers: Vec<PeerStatus>,
    /// Digests that differed from a peer's at the same index.
    pub digest_mismatches: u64,
    /// Index of the last digest that differed, until a later digest agrees; 0: none.
    pub differs_at: u64,
    /// The reason of the current or last replacement of the state here; empty: none since the start.
    pub distrust: String,
    /// Replacements of a wrong state.
    pub repairs: u64,
    /// Elections that this node began.
    pub elections: u64,
    /// Proposals that wait for their reply.
    pub waiting: u64,
    /// The log's disk is full, or the log has reached its limit: updates stop until there is room.
    pub no_room: bool,
    /// The log here has reached its limit: updates stop until every data node has the log's entries.
    pub log_full: bool,
    /// Why a primary here takes no updates; none: the primary takes updates.
    pub stopped: Option<ProposeError>,
    /// This node's last time as primary; none: this node has not served yet.
    pub reign: Option<Reign>,
    /// The last primary, while automatic failover is paused; 0: failover is not paused.
    pub paused_for: RaftId,
    /// The state is being fetched from another data node; this node does not serve meanwhile.
    pub fetching: bool,
    /// The epoch in which an operator forced this cluster; 0: never.
    pub forced_epoch: u64,
    /// An operator ordered that one disk is enough: updates are acknowledged on this one alone.
    pub single_copy: bool,
    /// This node votes.
    pub voter: bool,
    /// Enough voters were heard lately to decide without an operator.
    pub quorum_heard: bool,
    /// Whether the other voters have confirmed this start.
    pub start: StartStanding,
    /// How two histories contradict each other; empty: no contradiction was seen.
    pub contradiction: String,
    /// Entries committed here contradict the leader: this node follows no leader and serves no reads.
    pub frozen: bool,
    /// A write here has not ended for as long as a write may take; none: the disk works.
    pub stall: Option<Stall>,
    /// Version of the formats that the cluster writes and sends.
    pub formats: u32,
    /// Rules version that the cluster is to decide by.
    pub rules_wanted: u32,
}

/// A write that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// For how long the oldest write has not ended, milliseconds.
    pub age_ms: u64,
    /// The log's write; else the state's.
    pub of_log: bool,
    /// This node leads and no other node can take over: updates wait for the disk.
    pub alone: bool,
}

/// A time as primary, seen from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reign {
    /// Raft's term.
    pub term: u64,
    /// The cause of the election.
    pub came: Came,
    /// From the last word of the leader before, or else from this start, until this node served, milliseconds.
    pub pause_ms: u64,
}

/// How a node came to lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// The node has known no leader since its start.
    First,
    /// The leader before handed over, for this reason.
    Handed(String),
    /// The leader's process was gone: its stream ended, and a connection was refused.
    Refused,
    /// The leader was not heard.
    Silent,
    /// An operator resumed failover here.
    Resumed,
}

/// Digests of two nodes at one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The other node.
    pub peer: RaftId,
    /// The index of both digests.
    pub index: u64,
    /// This node's digest.
    pub ours: u128,
    /// The other node's digest.
    pub theirs: u128,
}

/// Another member, as seen from this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its id.
    pub id: RaftId,
    /// Data node or witness.
    pub kind: Kind,
    /// Votes; else a learner that catches up.
    pub voter: bool,
    /// Its log has reached its limit.
    pub log_full: bool,
    /// Less than the reserve is left on its disk.
    pub disk_short: bool,
    /// Last index known durable there; known to the leader only.
    pub matched: Option<u64>,
    /// Applied index that its last frame told.
    pub applied: u64,
    /// When its last frame came; none: never.
    pub heard: Option<Instant>,
    /// Its stream has ended since.
    pub lost: bool,
    /// Its wall clock in that frame, microseconds since 1970.
    pub wall_us: u64,
    /// The versions that its release knows.
    pub versions: Versions,
    /// Its start is not confirmed.
    pub unconfirmed: bool,
    /// The peer lacks committed entries, and has acknowledged none for seconds; known to the leader only.
    pub stalled: bool,
    /// Age of its oldest write in flight, by its last frame, milliseconds; 0: no write was late.
    pub oldest_write_ms: u64,
    /// The age of that write is beyond the limit.
    pub hangs: bool,
    /// Its operator drained it: the peer votes and stores, and takes no clients.
    pub drained: bool,
}

/// The newest versions that a release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Of the formats of frames, logs and rows.
    pub formats: u32,
    /// Of the rules.
    pub rules: u32,
}

impl Versions {
    /// Of a release that tells none.
    pub const FIRST: Self = Self { formats: 1, rules: 1 };

    /// As a head tells them.
    pub fn of(head: &ocs_proto::peer::Head) -> Self {
        Self { formats: head.formats_max.max(1), rules: head.rules_max.max(1) }
    }
}

/// Durations that the driver observes; implemented by the node's metrics.
pub trait Observer: Send + Sync + 'static {
    /// One fdatasync of the log.
    fn fdatasync(&self, seconds: f64);
    /// From proposal to reply, for one entry.
    fn commit(&self, seconds: f64);
    /// Commands put into one entry.
    fn batch(&self, commands: usize);
}

/// Looks at nothing.
#[cfg(test)]
impl Observer for () {
    fn fdatasync(&self, _: f64) {}
    fn commit(&self, _: f64) {}
    fn batch(&self, _: usize) {}
}

/// Why a handover failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// This node does not lead.
    #[error("this node is not the primary")]
    NotPrimary,
    /// The target cannot take over; says why.
    #[error("{0}")]
    NotEligible(String),
    /// The target did not take over in time; aborted.
    #[error("the target did not take over in time")]
    TimedOut,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// A node whose directory is empty, or whose log cannot be trusted, asks for a new id (R11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinAsk {
    /// Its number in the configuration.
    pub number: u16,
    /// Data node or witness.
    pub kind: Kind,
    /// Drawn by the asking process, not 0: a retry with the same token gets the same id.
    pub token: u64,
}
