//! The core: Raft without sockets, disks or clocks. Events go in, an [`Output`] comes out.
//!
//! Never blocks, never reads a clock, draws random numbers only from its seed: a simulation replays from that seed. The driver
//! feeds the core in production, the simulator in tests. The core, `eraft` and `storage` are the only rooms that know raft-rs.

mod beginning;
mod bounds;
mod distrust;
mod known;
mod membership;
mod pause;
mod raft_config;
mod ready;
mod reign;
mod round;
mod rules;
mod stall;
mod starts;
mod versions;

pub use beginning::{genesis, genesis_at, nothing};
pub use bounds::Contradiction;
pub use membership::{JoinError, ModeError};
pub use pause::PauseError;
pub use stall::DISK_STALL_MS_DEFAULT;
pub use starts::{EvidenceWrite, StartMessage};
pub use versions::RaiseError;

use beginning::{data_applied, witness_applied};
use bytes::Bytes;
use ocs_proto::peer::{ConfState, Entry as WireEntry, PeerFrame, RaftMessage, SnapshotMark};
use raft::{
    RawNode, StateRole,
    eraftpb::{HardState as RaftHardState, Message, MessageType},
};
use raft_config::raft_config;
use raft_log::{Batch, Disk, HardState, LogReader};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    Came, Confirmed, Kind, ProposeError, RaftId, TransferError,
    eraft::message_from_wire,
    evidence::{Evidence, Start},
    members,
    reads::{Question, Rounds},
    storage::LogView,
    witness::{Patience, may_forget},
};

/// Index and term of the mark at which every cluster begins: pre-vote with unequal priorities needs a term above 0
/// (R3 begin-above-term-zero). The state there is empty.
pub const GENESIS: (u64, u64) = (1, 1);
/// Largest payload of an entry, bytes (architecture, Limits).
pub const ENTRY_BYTES_MAX: usize = 1536 * 1024;
/// Most entries that apply may lag behind the log; beyond, proposals are refused (R9 apply-keeps-up).
pub const APPLY_LAG_MAX: u64 = 50_000;
/// A transfer starts only when the target is within so many entries: one batch.
const TRANSFER_LAG_MAX: u64 = 512;
/// Ticks within which a transfer must have sent its TimeoutNow.
const TRANSFER_TICKS_MAX: u32 = 5;
/// Ticks after which a snapshot that brought no answer is sent again.
const SNAPSHOT_TICKS_MAX: u32 = 100;
/// Ticks for which the fast path keeps asking for votes.
const FAST_TICKS_MAX: u32 = 20;

/// The configuration of a core.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// This node.
    pub id: RaftId,
    /// Every node that may be a voter, with this node; the id of a node's first incarnation stands for all later ids.
    pub kinds: Vec<(RaftId, Kind)>,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: usize,
    /// Fewest ticks without a leader before an election.
    pub election_ticks_min: usize,
    /// Most ticks, exclusive.
    pub election_ticks_max: usize,
    /// Seed of the election timeouts.
    pub seed: u64,
    /// Counts the starts of this process; makes questions unique for ever.
    pub boot: u64,
    /// Bytes of entries kept in memory.
    pub cache_bytes_max: usize,
}

impl CoreConfig {
    /// The kind of this node.
    pub fn kind(&self) -> Kind {
        self.kind_of(self.id)
    }

    fn kind_of(&self, id: RaftId) -> Kind {
        members::kind_of(&ConfState::default(), &self.kinds, id)
    }
}

/// The work that the core wants done. Order matters only inside a field.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent now.
    pub messages: Vec<RaftMessage>,
    /// To be written, in this order.
    pub writes: Vec<Write>,
    /// To be applied, in this order; without gaps.
    pub apply: Vec<WireEntry>,
    /// Questions that are settled.
    pub answers: Vec<(Question, Confirmed)>,
    /// A state at or above this index must be fetched from a data node.
    pub fetch: Option<u64>,
    /// How a transfer ended.
    pub transfer: Option<Result<(), TransferError>>,
    /// This node's leadership ended or began anew: the waiters here hear "not known" (R7 unknown-is-not-failed).
    pub overtaken: bool,
    /// Questions about this node's start, to be sent now.
    pub starts: Vec<(RaftId, StartMessage)>,
    /// A table of evidence to be made durable, and the answers that wait for it.
    pub evidence: Option<EvidenceWrite>,
}

/// One job for the log: written and synced, then reported by [`Core::on_written`]; its messages leave after that.
#[derive(Debug)]
pub struct Write {
    /// Raft's number of this write.
    pub number: u64,
    /// The batch to write; empty: nothing to write, but the messages still wait for their turn.
    pub batch: Batch,
    /// To be sent once the write is durable.
    pub then: Vec<RaftMessage>,
    /// To be made durable before that, with it: votes that were counted or granted.
    pub evidence: Option<Evidence>,
}

impl Write {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

/// A transfer of leadership under way.
#[derive(Debug)]
struct Transfer {
    to: RaftId,
    why: String,
    ticks: u32,
}

/// A ready on its way to the disk: its number and the last entry written with it.
#[derive(Debug)]
struct Pending {
    number: u64,
    last: Option<(u64, u64)>,
}

/// Raft, as one value.
pub struct Core<D: Disk> {
    config: CoreConfig,
    raw: RawNode<LogView<D>>,
    rng: StdRng,
    /// State and term at the last look: a change means that raft-rs drew its own election timeout.
    seen: (StateRole, u64),
    pending: std::collections::VecDeque<Pending>,
    rounds: Rounds,
    answers: Vec<(Question, Confirmed)>,
    round_basis: (u64, u64, bool),
    spared: round::Spared,
    /// Term of the leader's last head, and its `data_durable`.
    told_durable: (u64, u64),
    patience: Patience,
    fast_ticks: u32,
    /// An operator resumed failover here, and the membership does not say so yet.
    resuming: bool,
    last_leader: reign::LastLeader,
    /// Term in which this node last began to lead, and the cause.
    reign: (u64, Came),
    transfer: Option<Transfer>,
    transfer_result: Option<Result<(), TransferError>>,
    snapshot_held: Option<RaftMessage>,
    fetch: Option<u64>,
    fetching: bool,
    /// The state here is distrusted; the state that replaces it must reach this index (R11 one-id-one-log).
    distrusted: Option<u64>,
    /// First entry to be applied above the state that is being fetched; no entry is applied until then (R11).
    held_from: Option<u64>,
    snapshot_ticks: u32,
    handed: u64,
    /// Up to where the log was last told to forget.
    to_forget: u64,
    applied: u64,
    elections: u64,
    /// Memberships that are not on their way to the log yet, and memberships that the apply thread must be told.
    unrecorded: Vec<(u64, ConfState)>,
    memberships: Vec<(u64, ConfState)>,
    /// Number of the last Ready that was written, or had nothing to write.
    written: u64,
    /// The term, and the number of the Ready that raised it.
    term_written: (u64, u64),
    /// Whether this node led at the last look, and in which term.
    led: (bool, u64),
    /// None: starts are not witnessed here.
    starts: Option<starts::Starts>,
    refused: bounds::Refused,
    stall: stall::Stall,
}

impl<D: Disk> std::fmt::Debug for Core<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("id", &self.config.id).field("term", &self.term()).finish_non_exhaustive()
    }
}

/// The contents of the disk from which a core is built.
#[derive(Debug)]
pub struct DiskContents<D: Disk> {
    /// The log's reader.
    pub reader: LogReader<D>,
    /// Where the log begins.
    pub start: SnapshotMark,
    /// Term, vote, commit.
    pub hard_state: HardState,
    /// Mark of the state behind the log; index 0: no state (the witness), or an empty one.
    pub state: SnapshotMark,
    /// The durable evidence of this node, with this start in it; none: starts are not witnessed.
    pub starts: Option<(Evidence, Start)>,
}

impl<D: Disk> Core<D> {
    /// A core over a log that was just opened.
    ///
    /// A data node whose state does not reach the log's first entry asks for a state by [`Output::fetch`] and applies
    /// nothing until that state is installed (R11).
    pub fn new(config: CoreConfig, found: DiskContents<D>) -> Self {
        let mut found = found;
        let witnessed = found.starts.take();
        let start = found.start.clone();
        let term = found.hard_state.term;
        let last = found.reader.last_index().max(start.index);
        let behind = config.kind() == Kind::Data && found.state.index < start.index && start.index > GENESIS.0;
        #[cfg(mutant)]
        let behind = behind && !crate::mutant::on(crate::mutant::Mutant::EmptyStateAccepted);
        let witness_applied = witness_applied(&found, last);
        let applied = match config.kind() {
            Kind::Witness => witness_applied,
            Kind::Data => data_applied(&found, last),
        };
        let reached = if behind { applied } else { applied.max(found.state.index) };
        let state = SnapshotMark {
            index: applied,
            term: found.reader.term(applied).unwrap_or(start.term),
            conf_state: if found.state.index >= start.index {
                found.state.conf_state
            } else {
                start.conf_state.clone()
            },
        };
        let view =
            LogView::new(found.reader, start.clone(), found.hard_state, state, &config.kinds, config.cache_bytes_max);
        let raw = RawNode::new(&raft_config(&config, applied), view, &crate::slog_bridge::logger())
            .expect("the configuration was checked and the log has its membership");
        let mut core = Self {
            rng: StdRng::seed_from_u64(config.seed),
            seen: (StateRole::Follower, 0),
            pending: std::collections::VecDeque::new(),
            #[cfg(not(mutant))]
            rounds: Rounds::new(config.id, config.boot),
            #[cfg(mutant)]
            rounds: {
                let boot = crate::mutant::instead(crate::mutant::Mutant::QuestionsRepeat, config.boot, 0);
                Rounds::new(config.id, boot)
            },
            answers: Vec::new(),
            round_basis: (0, 0, false),
            spared: round::Spared::default(),
            told_durable: (0, 0),
            patience: Patience::new(config.election_ticks_max),
            fast_ticks: 0,
            resuming: false,
            last_leader: reign::LastLeader::default(),
            reign: (0, Came::First),
            transfer: None,
            transfer_result: None,
            snapshot_held: None,
            fetch: behind.then_some(start.index),
            fetching: behind,
            distrusted: None,
            held_from: behind.then_some(start.index + 1),
            snapshot_ticks: 0,
            handed: applied,
            to_forget: start.index,
            applied: reached,
            elections: 0,
            unrecorded: Vec::new(),
            memberships: Vec::new(),
            written: 0,
            term_written: (term, 0),
            led: (false, 0),
            starts: witnessed.map(|(evidence, own)| starts::Starts::new(evidence, own)),
            refused: bounds::Refused::default(),
            stall: stall::Stall::default(),
            raw,
            config,
        };
        core.recall_refusal();
        core.settle_start();
        core.after();
        core
    }

    // === events ===

    /// A tick of the driver's clock passed.
    pub fn tick(&mut self) {
        self.tick_starts();
        if !self.confirmed() {
            return self.after();
        }
        let alone = self.raw.raft.prs().is_singleton();
        if self.held() {
            self.tick_held();
        } else if (!alone || self.pending.is_empty()) && !self.beginning_anew() {
            self.raw.tick(); // a single voter must not campaign with a write in flight (architecture, raft-rs)
            self.lead_alone(alone);
        }
        self.tick_round();
        self.tick_transfer();
        self.tick_snapshots();
        self.tick_witness();
        self.tick_stall();
        self.tick_members();
        self.tick_reign();
        let data_durable = self.data_durable();
        self.raw.mut_store().set_data_durable(data_durable);
        self.fast_ticks = self.fast_ticks.saturating_sub(1);
        self.after();
    }

    /// Messages of a peer came; the frame's head was checked by the driver.
    pub fn step(&mut self, frame: PeerFrame) {
        let head = frame.head.unwrap_or_default();
        if self.is_former(head.from) {
            return; // messages under a replaced id are dropped (R11)
        }
        self.note_write_age(&head);
        self.step_starts(&head, frame.start_check, frame.start_answer);
        if !self.may_step(&head) {
            return;
        }
        self.note_leader(&head);
        for message in frame.messages {
            if message.to == self.config.id && message.from == head.from && self.is_kept(&head, &message) {
                self.note_votes(&message);
                self.step_one(message, head.data_durable);
            }
            if self.frozen() {
                return;
            }
        }
        if head.term == self.term() && head.from == self.leader() && head.from != self.config.id {
            self.told_durable = (head.term, head.data_durable);
            self.note_leader(&head);
        }
        #[cfg(mutant)]
        if head.term < self.term() && crate::mutant::on(crate::mutant::Mutant::DataDurableOfOldTerm) {
            self.told_durable = (head.term, head.data_durable);
        }
    }

    /// A data node takes no snapshot without its state, the witness none above `data_durable` (R1 forget-what-both-have).
    fn step_one(&mut self, message: RaftMessage, data_durable: u64) {
        if !self.admits(&message) {
            return;
        }
        #[cfg(mutant)]
        let unchecked =
            self.config.kind() == Kind::Data && crate::mutant::on(crate::mutant::Mutant::EmptySnapshotAccepted);
        #[cfg(not(mutant))]
        let unchecked = false;
        if let Some(mark) = message.snapshot.as_ref().filter(|_| !unchecked) {
            match self.config.kind() {
                Kind::Data if message.term >= self.term() => return self.hold_snapshot(message),
                Kind::Witness if mark.index > data_durable => {
                    return tracing::warn!(index = mark.index, data_durable, "a snapshot for the witness was refused");
                }
                Kind::Data | Kind::Witness => {}
            }
        }
        let Some(mapped) = message_from_wire(message) else { return };
        if mapped.get_msg_type() == MessageType::MsgTimeoutNow {
            self.note_handed();
        }
        if mapped.get_msg_type() != MessageType::MsgTimeoutNow || !(self.beginning_anew() || self.stalled()) {
            self.feed(mapped);
        }
    }

    /// A snapshot's mark is on its way to the disk: the log then begins above the applied index, and raft-rs cannot campaign.
    fn beginning_anew(&self) -> bool {
        self.raw.raft.raft_log.applied() < self.raw.store().start().index
    }

    fn feed(&mut self, message: Message) {
        if let Err(fault) = self.step_round(message) {
            tracing::debug!(%fault, "Raft took no notice of a message");
        }
        self.after();
    }

    /// Puts the payload of one entry into the log.
    ///
    /// # Errors
    /// [`ProposeError`]: the entry is not in the log.
    pub fn propose(&mut self, data: Bytes) -> Result<(), ProposeError> {
        if !self.serving() {
            return Err(ProposeError::NotPrimary);
        }
        if self.last_index().saturating_sub(self.applied) > APPLY_LAG_MAX {
            return Err(ProposeError::Busy);
        }
        assert!(data.len() <= ENTRY_BYTES_MAX, "the batcher keeps entries below their limit");
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.config.id;
        let entry = raft::eraftpb::Entry { data, ..Default::default() };
        message.set_entries(vec![entry].into());
        let taken = self.raw.raft.step(message);
        self.after();
        taken.map_err(|_| ProposeError::Busy)
    }

    /// Asks a quorum for the leader in the next ReadIndex round; the answer comes in [`Output::answers`], or never.
    pub fn ask(&mut self, question: Question) {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::RoleByRaftState) && self.leads() {
            let confirmed = Confirmed { index: self.commit(), term: self.term(), leader: self.leader() };
            return self.answers.push((question, confirmed));
        }
        self.rounds.ask(question);
    }

    /// Drops questions without a waiter.
    pub fn retain_questions(&mut self, keep: impl FnMut(Question) -> bool) {
        self.rounds.retain(keep);
    }

    /// Begins a handover of leadership, for this reason; the result comes in [`Output::transfer`].
    ///
    /// # Errors
    /// [`TransferError`]: the handover did not begin, and nothing changed.
    pub fn transfer(&mut self, to: RaftId, why: &str) -> Result<(), TransferError> {
        if !self.leads() {
            return Err(TransferError::NotPrimary);
        }
        self.eligible(to).map_err(TransferError::NotEligible)?;
        self.raw.transfer_leader(to);
        self.transfer = Some(Transfer { to, why: why.to_owned(), ticks: 0 });
        self.after();
        Ok(())
    }

    /// `peer`: any id of the node. The stream from the leader ended and an immediate reconnect was refused: its process is gone
    /// (architecture, Failover). A data node goes on to call [`Core::campaign_again`]; the witness only stops protecting the
    /// leader.
    pub fn on_refused(&mut self, peer: RaftId) {
        self.start_ended(members::number(peer));
        let leads = members::number(peer) == members::number(self.leader());
        if !leads || self.leads() || !self.raw.raft.promotable() || !self.confirmed() {
            return; // a learner must not campaign: raft-rs panics without known members
        }
        self.note_refused();
        if self.held() {
            self.forget_leader();
            return self.after();
        }
        self.raw.raft.election_elapsed = self.raw.raft.election_timeout();
        self.fast_ticks = FAST_TICKS_MAX;
        self.campaign_again();
    }

    /// Whether the fast path is under way here.
    pub fn hurrying(&self) -> bool {
        let out_of_lease = self.raw.raft.election_elapsed >= self.raw.raft.election_timeout() || self.leader() == 0;
        let able = self.config.kind() == Kind::Data && self.raw.raft.promotable();
        self.fast_ticks > 0 && able && !self.leads() && !self.held() && out_of_lease
    }

    /// Asks for votes once more, while the fast path is under way.
    pub fn campaign_again(&mut self) {
        if self.hurrying() && self.pending.is_empty() {
            let elapsed = self.raw.raft.election_elapsed;
            let _ = self.raw.campaign();
            self.raw.raft.election_elapsed = elapsed.max(self.raw.raft.election_elapsed);
            self.after();
        }
    }

    /// A peer, by any id of its node, cannot be reached: appends that were sent on trust are lost.
    pub fn on_unreachable(&mut self, peer: RaftId) {
        self.start_ended(members::number(peer));
        let ids = members::ids(self.raw.store().conf_state());
        for id in ids.into_iter().filter(|id| members::number(*id) == members::number(peer)) {
            self.raw.report_unreachable(id);
        }
        self.ask_everybody();
        self.after();
    }

    /// The writes up to this number are durable.
    pub fn on_written(&mut self, number: u64) {
        let mut last = None;
        while self.pending.front().is_some_and(|pending| pending.number <= number) {
            let done = self.pending.pop_front().expect("the front is there");
            last = done.last.or(last);
        }
        if let Some((index, term)) = last {
            self.raw.mut_store().on_durable(index, term);
        }
        self.raw.on_persist_ready(number);
        self.on_applied(self.applied); // a snapshot counts as applied once its mark is durable
    }

    /// The state has applied everything up to this index.
    pub fn on_applied(&mut self, index: u64) {
        self.applied = self.applied.max(index);
        let known = self.applied.min(self.handed).min(self.raw.raft.raft_log.persisted);
        #[cfg(mutant)]
        let early = self.applied.min(self.handed);
        #[cfg(mutant)]
        let known = crate::mutant::instead(crate::mutant::Mutant::SnapshotAppliedEarly, known, early);
        if known > self.raw.raft.raft_log.applied() {
            self.raw.mut_store().on_applied(known);
            self.raw.advance_apply_to(known);
        }
        self.after();
    }

    /// A fetched state is installed: a held snapshot goes on under the mark of that state.
    pub fn on_installed(&mut self, mark: SnapshotMark) {
        self.fetching = false;
        self.distrusted = None;
        self.held_from = self.held_from.map(|_| mark.index + 1);
        self.on_applied(mark.index);
        let Some(mut message) = self.snapshot_held.take() else { return };
        if message.term >= self.term() && crate::bounds::mark(&mark).is_ok() {
            message.snapshot = Some(mark);
            if let Some(mapped) = message_from_wire(message) {
                self.feed(mapped);
            }
        }
    }

    /// The log has forgotten everything up to the mark.
    pub fn on_compacted(&mut self, mark: SnapshotMark) {
        self.raw.mut_store().compact(mark);
    }

    /// The mark up to which the log may forget (R1); none: compaction is not worth its cost. `keep` entries stay beyond need, and
    /// at least `worth` entries must go. `persisted`: the durable index of the state here. Committed entries that raft-rs has not
    /// handed over stay, even where a fetched state or the peers have them: raft-rs would skip such entries, and changes of the
    /// membership with them.
    pub fn forgettable(&mut self, persisted: u64, keep: u64, worth: u64) -> Option<SnapshotMark> {
        if self.forced().1 && self.changing() {
            return None; // the next voters catch up from this log
        }
        let data_durable = if self.is_its_own_copy() { persisted } else { self.data_durable() };
        let until = may_forget(self.config.kind(), data_durable, self.commit(), persisted);
        let until = until.min(self.handed).saturating_sub(keep);
        let (first, ..) = self.log_range();
        let mark = self.mark(until).filter(|_| until >= first + worth)?;
        self.to_forget = mark.index;
        Some(mark)
    }
}

fn hard_state(state: &RaftHardState) -> HardState {
    HardState { term: state.term, vote: state.vote, commit: state.commit }
}
