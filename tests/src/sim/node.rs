//! A simulated node: the disk that outlives it, and the life between a start and an end of its process.
//!
//! Stands in for the driver and its threads: the same core, log and merging of writes, the same rule for forgetting entries.
//! Never draws a random number and never reads a clock. Called by `world`.

use std::collections::{BTreeMap, VecDeque};

use consensus::{
    Confirmed, Kind, Merged, RaftId,
    core::{Core, CoreConfig, DiskContents, Write, genesis, nothing},
    evidence::Evidence,
    force::Beginning,
    members,
};
use ocs_proto::peer::{ConfState, Entry, Head, SnapshotMark};
use outbound::RequestId;
use pair::stamping::{Queued, Stamping};
use raft_log::{Batch, HardState, Log, LogConfig, LogError, MemDisk, Recovered};

use super::{
    door::Submission,
    event::Who,
    old_disk::{Counted, OldDisk},
    quarantine::Care,
    state::SimState,
};

/// Nodes in a cluster, at most.
pub(super) const PLACES_MAX: usize = 3;
/// Length of a tick, microseconds.
pub(super) const TICK_US: u64 = 50_000;
pub(super) const CLUSTER: [u8; 16] = [7; 16];

/// Architecture, What loses what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Two data nodes and a witness, in the last place.
    Witness,
    /// Three data nodes.
    Three,
    /// Two data nodes.
    Pair,
}

impl Mode {
    /// How many nodes.
    pub(super) fn nodes(self) -> usize {
        if self == Self::Pair { 2 } else { 3 }
    }

    /// Kind of the node at a place.
    pub(super) fn kind(self, at: usize) -> Kind {
        if self == Self::Witness && at == 2 { Kind::Witness } else { Kind::Data }
    }

    /// Number of nodes that hold the state; they have the first places.
    pub(super) fn data_nodes(self) -> usize {
        (0..self.nodes()).filter(|at| self.kind(*at) == Kind::Data).count()
    }

    /// The ids with which a cluster begins.
    fn first_ids(self) -> Vec<RaftId> {
        (1..=self.nodes() as RaftId).collect()
    }
}

/// The place of the node that an id belongs to.
pub(super) fn place(id: RaftId) -> usize {
    usize::from(members::number(id)).wrapping_sub(1)
}

/// The part of a node that outlives its process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mode: Mode,
    pub(super) at: usize,
    /// Identifies the log on the disk.
    pub(super) id: RaftId,
    /// The log is lost or corrupt: whenever the node runs, it asks to be taken in under a new id (R11 one-id-one-log).
    pub(super) log_lost: bool,
    /// The token under which a running node asks to be taken in.
    pub(super) asking: Option<u64>,
    pub(super) disk: MemDisk,
    /// The durable table of starts.
    pub(super) evidence: Evidence,
    /// An older copy of the disk was put back: the disk counts as lost.
    pub(super) old: Option<OldDisk>,
    /// The durable store of a data node.
    pub(super) store: Option<SimState>,
    /// The state was found wrong, and has not been replaced since.
    pub(super) doubted: bool,
    /// Number of times that an operator forced this node's group.
    pub(super) epoch: u64,
    /// The acknowledged part of the log, for comparison after a crash.
    pub(super) synced: Synced,
    /// Starts so far.
    pub(super) boots: u64,
    /// Starts counted on this disk.
    pub(super) disk_boots: u64,
    pub(super) life: Option<Life>,
    /// The process stays down.
    pub(super) held: bool,
    /// An operator keeps the node off while another node is forced.
    pub(super) fenced: bool,
    /// A bit of the log flipped since the last start.
    pub(super) flipped: bool,
    pub(super) paused_until: u64,
    /// The process ended while it was stopped until then: frames that waited for the process are lost.
    pub(super) unread_at: u64,
    /// The disk is slow until then.
    pub(super) slow_until: u64,
    /// A write that the disk begins does not end before then.
    pub(super) hung_until: u64,
    /// The state applies slowly until then.
    pub(super) sluggish_until: u64,
    /// Wall clock minus the true time.
    pub(super) wall_offset_us: i64,
    /// How much longer ticks are, parts in a million.
    pub(super) drift_ppm: i64,
    /// How much faster clocks go, parts in a million.
    pub(super) clock_ppm: i64,
}

/// The durable part of a log, as far as the disk has acknowledged.
#[derive(Debug, Default, Clone)]
pub(super) struct Synced {
    pub(super) hard_state: HardState,
    pub(super) start: SnapshotMark,
    /// Term by index.
    pub(super) terms: BTreeMap<u64, u64>,
    /// The batch in flight when the process ended: either all of it is on the disk or nothing.
    pub(super) in_doubt: Option<Batch>,
}

/// The receiver of a command's reply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiter {
    /// A client of this node.
    Here { submission: u64, attempt: u64 },
    /// A peer that forwarded the request.
    Peer { who: Who, submission: u64, attempt: u64 },
    /// No receiver: the result shows in the state.
    Nobody,
}

/// The purpose of a quorum round.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// A read.
    Read { operation: u64, until: u64 },
    /// For the role; `floor`: the highest term that had been claimed when the round began.
    Role { floor: u64, until: u64 },
    /// For the role, since failover is paused as far as this node knows: an operator gets the answer.
    Paused { until: u64 },
}

/// The next work of the log's thread.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a handful in a queue
pub(super) enum Job {
    Append(Merged),
    Compact(SnapshotMark),
}

/// A running process.
pub(super) struct Life {
    pub(super) boot: u64,
    /// Unique for ever together with the node's number: names requests.
    pub(super) incarnation: u64,
    /// Identifies this start.
    pub(super) token: u128,
    pub(super) core: Core<MemDisk>,
    pub(super) log: Log<MemDisk>,
    pub(super) queued: VecDeque<Job>,
    /// Taken by the disk; empty: the disk is idle.
    pub(super) writing: VecDeque<Job>,
    /// Age of the write in flight, by ticks.
    pub(super) write_age_us: u64,
    /// None on the witness.
    pub(super) state: Option<SimState>,
    /// Memberships by the index from which they hold; kept with the state.
    pub(super) memberships: BTreeMap<u64, ConfState>,
    pub(super) to_apply: Vec<Entry>,
    pub(super) applying: bool,
    pub(super) persisted: u64,
    pub(super) forgetting: bool,
    pub(super) fetch_pending: bool,
    pub(super) no_room: bool,
    pub(super) hurry_pending: bool,
    pub(super) batch_pending: bool,
    pub(super) waiters: BTreeMap<RequestId, Waiter>,
    pub(super) door: Vec<Queued<Waiter>>,
    pub(super) submissions: BTreeMap<u64, Submission>,
    pub(super) next_submission: u64,
    /// Ids whose requests were answered after one attempt.
    pub(super) settled: Vec<RequestId>,
    pub(super) next_question: u64,
    pub(super) asked: BTreeMap<u64, Asked>,
    /// Reads that wait for an index to be applied here.
    pub(super) reads: Vec<(Confirmed, Asked)>,
    pub(super) stamping: Stamping,
    /// The newest stamp: its term, the stamp, and when this node gave it.
    pub(super) stamped: Option<(u64, u64, u64)>,
    /// The newest frame of each place.
    pub(super) heard: BTreeMap<usize, Heard>,
    /// Nodes that wait to be taken in, with their token.
    pub(super) joins: BTreeMap<usize, (Who, u64)>,
    /// When a node was last given an id.
    pub(super) given: BTreeMap<usize, u64>,
    pub(super) care: Care,
    pub(super) began: u64,
    /// Version of the newest table of evidence that was sent to the disk.
    pub(super) evidence_sent: u64,
    /// The index that a leader counted as acknowledged by each id, and the time.
    pub(super) counted: BTreeMap<RaftId, VecDeque<Counted>>,
}

/// The content of a frame about its sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Id of the sender.
    pub(super) id: RaftId,
    pub(super) at_us: u64,
    pub(super) wall_us: u64,
    /// The sender's disk is full.
    pub(super) short: bool,
    /// The sender's newest digest, whether the sender serves from its state, and the difference for which its state vouches.
    pub(super) digest: Option<(u64, u128)>,
    pub(super) ready: bool,
    pub(super) vouched: u64,
}

impl Heard {
    pub(super) fn of(head: &Head, at_us: u64) -> Self {
        let digest = head.digest[..].try_into().ok().map(|bytes| (head.digest_index, u128::from_be_bytes(bytes)));
        Self {
            id: head.from,
            at_us,
            wall_us: head.wall_clock_us,
            short: head.disk_short_bytes > 0,
            digest,
            ready: head.data_ready,
            vouched: head.vouched_index,
        }
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").field("boot", &self.boot).field("core", &self.core).finish_non_exhaustive()
    }
}

fn log_config() -> LogConfig {
    LogConfig { cluster: CLUSTER, node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

impl Node {
    fn core_config(&self, incarnation: u64, seed: u64) -> CoreConfig {
        CoreConfig {
            id: self.id,
            kinds: self.mode.first_ids().into_iter().map(|id| (id, self.mode.kind(place(id)))).collect(),
            heartbeat_ticks: 2,
            election_ticks_min: 10,
            election_ticks_max: 20,
            seed,
            boot: incarnation,
            cache_bytes_max: 2048,
        }
    }
}

fn new_disk(start: &SnapshotMark, hard_state: HardState) -> MemDisk {
    let disk = MemDisk::new();
    drop(Log::create(disk.clone(), log_config(), start.clone(), hard_state).expect("a new disk takes a log"));
    disk
}

impl Synced {
    fn apply(&mut self, batch: &Batch) {
        if let Some(mark) = &batch.reset {
            self.terms.clear();
            self.start = mark.clone();
        }
        self.hard_state = batch.hard_state.unwrap_or(self.hard_state);
        if let Some(first) = batch.entries.first() {
            self.terms.split_off(&first.index);
        }
        self.terms.extend(batch.entries.iter().map(|entry| (entry.index, entry.term)));
    }

    fn forget(&mut self, mark: &SnapshotMark) {
        self.terms = self.terms.split_off(&(mark.index + 1));
        self.start = mark.clone();
    }

    /// The last index that is durable.
    pub(super) fn last(&self) -> u64 {
        self.terms.last_key_value().map_or(self.start.index, |(index, _)| *index)
    }

    /// Whether an entry is there, or forgotten since.
    pub(super) fn has(&self, index: u64, term: u64) -> bool {
        self.start.index >= index || self.terms.get(&index) == Some(&term)
    }

    /// Why an opened log equals neither the synced log nor the synced log with the batch in doubt; none: the log equals one of
    /// them.
    fn unexplained(&self, log: &Log<MemDisk>, found: &Recovered) -> Option<String> {
        let known = self.difference(log, found)?;
        let Some(batch) = &self.in_doubt else { return Some(known) };
        let mut with = self.clone();
        with.apply(batch);
        with.difference(log, found).map(|doubt| format!("{known}; with the batch that was being written: {doubt}"))
    }

    /// The difference between an opened log and the synced one.
    fn difference(&self, log: &Log<MemDisk>, found: &Recovered) -> Option<String> {
        let (reader, start, last) = (log.reader(), found.start.index, log.last_index());
        let other = self.terms.range(start + 1..).find(|(index, term)| reader.term(**index) != Some(**term));
        if start < self.start.index {
            return Some(format!("it begins after {start}, not after {}", self.start.index));
        }
        if self.last().max(start) != last {
            return Some(format!("it ends with {last}, not with {}", self.last().max(start)));
        }
        if let Some((index, term)) = other {
            return Some(format!("entry {index} is of term {:?}, not of {term}", reader.term(*index)));
        }
        (found.hard_state != self.hard_state).then(|| format!("{:?}, not {:?}", found.hard_state, self.hard_state))
    }
}

impl Node {
    /// A node of a group that was just formed; its process does not run yet.
    pub(super) fn new(mode: Mode, at: usize) -> Self {
        let (start, hard_state) = genesis(&mode.first_ids());
        let first = SimState::first_of(&start);
        Self {
            mode,
            at,
            id: at as RaftId + 1,
            log_lost: false,
            asking: None,
            disk: new_disk(&start, hard_state),
            evidence: Evidence::default(),
            old: None,
            doubted: false,
            epoch: 1,
            store: (mode.kind(at) == Kind::Data).then_some(first),
            synced: Synced { hard_state, start, ..Synced::default() },
            boots: 0,
            disk_boots: 0,
            life: None,
            held: false,
            fenced: false,
            flipped: false,
            paused_until: 0,
            unread_at: 0,
            slow_until: 0,
            hung_until: 0,
            sluggish_until: 0,
            wall_offset_us: 0,
            drift_ppm: 0,
            clock_ppm: 0,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        self.mode.kind(self.at) == Kind::Data
    }

    /// The disk counts for nothing any more: lost, damaged, or an older copy of itself.
    pub(super) fn disk_gone(&self) -> bool {
        self.log_lost || self.old.is_some()
    }

    /// The process runs, as a member or to become one.
    pub(super) fn runs(&self) -> bool {
        self.life.is_some() || self.asking.is_some()
    }

    /// The store was not lost: the state, up to some index, and not a wrong one.
    pub(super) fn has_state(&self) -> bool {
        self.store.as_ref().is_some_and(|state| state.mark.index > 0) && !self.is_wrong()
    }

    /// Gives the log up together with the id; the rest of the disk is not read any more.
    pub(super) fn give_log_up(&mut self) {
        self.log_lost = true;
        (self.flipped, self.doubted) = (false, false);
        self.store = self.is_data().then(SimState::lost);
    }

    /// The mistake of a node that returns under its old id.
    #[cfg(mutant)]
    pub(super) fn form_again(&mut self) {
        let (boots, disk_boots) = (self.boots, self.disk_boots);
        *self = Self { boots, disk_boots, ..Self::new(self.mode, self.at) };
    }

    /// Begins as a member with an empty log, under the id that the cluster gave; the process does not run yet.
    pub(super) fn begin_as(&mut self, id: RaftId, epoch: u64) {
        let (start, hard_state) = nothing();
        self.disk = new_disk(&start, hard_state);
        self.store = self.is_data().then(SimState::lost);
        self.synced = Synced { hard_state, start, ..Synced::default() };
        (self.id, self.epoch, self.log_lost, self.asking, self.disk_boots) = (id, epoch, false, None, 0);
        self.old = None;
    }

    /// Begins a new log above a state that has taken in the old one; the process does not run yet.
    pub(super) fn begin_alone(&mut self, id: RaftId, epoch: u64, beginning: Beginning, state: SimState) {
        let Beginning { mark, hard_state } = beginning;
        self.disk = new_disk(&mark, hard_state);
        self.store = Some(state);
        self.synced = Synced { hard_state, start: mark, ..Synced::default() };
        (self.id, self.epoch, self.disk_boots) = (id, epoch, 0);
    }

    /// Opens the log; the claim is that the log equals the synced one.
    ///
    /// # Errors
    /// The log is corrupt, and was not changed; or the disk failed.
    pub(super) fn open_log(&mut self) -> Result<(Log<MemDisk>, Recovered), LogError> {
        let (log, recovered) = Log::open(self.disk.clone(), log_config())?;
        super::invariants::what_was_synced_is_there(self.id, self.synced.unexplained(&log, &recovered));
        let reader = log.reader();
        let terms = log.first_index()..=log.last_index();
        self.synced = Synced {
            hard_state: recovered.hard_state,
            start: recovered.start.clone(),
            terms: terms.filter_map(|index| Some((index, reader.term(index)?))).collect(),
            in_doubt: None,
        };
        Ok((log, recovered))
    }

    /// Starts the process.
    ///
    /// # Errors
    /// As [`Node::open_log`].
    pub(super) fn start(&mut self, now: u64, seed: u64) -> Result<(), LogError> {
        let (log, recovered) = self.open_log()?;
        self.boots += 1;
        self.disk_boots += 1;
        self.flipped = false; // the flipped bit hit nothing that counts
        let mark = self.store.as_ref().map(|state| state.mark.clone()).unwrap_or_default();
        let token = (u128::from(self.boots) << 64 | u128::from(seed)).to_le_bytes();
        let start = self.evidence.begin(self.id, self.epoch, token);
        let found = DiskContents {
            reader: log.reader(),
            start: recovered.start,
            hard_state: recovered.hard_state,
            state: mark.clone(),
            starts: Some((self.evidence.clone(), start)),
        };
        let incarnation = members::incarnation(self.id) << 32 | self.disk_boots;
        #[cfg(mutant)]
        let incarnation = match consensus::mutant::on(consensus::mutant::Mutant::RequestIdsBeginAgain) {
            true => self.disk_boots,
            false => incarnation,
        };
        let core = Core::new(self.core_config(incarnation, seed), found);
        let known = mark.conf_state.filter(|_| mark.index > 0).unwrap_or_else(|| core.conf_state());
        let memberships = [(mark.index, known)].into();
        self.life = Some(Life {
            memberships,
            persisted: mark.index,
            state: self.store.clone(),
            care: Care::new(self.doubted),
            token: u128::from(seed) << 64 | 1,
            ..Life::new(self.boots, incarnation, now, log, core)
        });
        Ok(())
    }

    /// The clock on its wall, microseconds since 1970.
    pub(super) fn wall_us(&self, now: u64) -> u64 {
        (super::state::NOON_US + self.drifted(now)).saturating_add_signed(self.wall_offset_us)
    }

    /// A duration as this node's clocks measure it.
    pub(super) fn drifted(&self, elapsed_us: u64) -> u64 {
        elapsed_us.saturating_add_signed(elapsed_us.cast_signed() * self.clock_ppm / 1_000_000)
    }

    /// Writes the next job of the disk.
    ///
    /// # Errors
    /// The disk is full, and the write may be tried again; or the disk failed, and the process must end.
    pub(super) fn write_one(&mut self) -> Result<Option<Done>, LogError> {
        let Some(life) = &mut self.life else { return Ok(None) };
        let Some(job) = life.writing.front() else { return Ok(None) };
        let done = match job {
            Job::Append(merged) => {
                if !merged.is_empty() {
                    self.synced.in_doubt = Some(merged.batch.clone());
                    life.log.append(&merged.batch)?;
                    self.synced.in_doubt = None;
                    self.synced.apply(&merged.batch);
                }
                if let Some(evidence) =
                    merged.evidence.as_ref().filter(|table| table.version() > self.evidence.version())
                {
                    self.evidence = evidence.clone();
                }
                Done::Written
            }
            Job::Compact(mark) => match life.log.compact(mark.clone()) {
                Ok(_) => {
                    self.synced.forget(mark);
                    Done::Compacted
                }
                Err(LogError::NoRoom { .. }) => Done::Compacted,
                Err(fault) => return Err(fault),
            },
        };
        Ok(Some(done))
    }

    /// Leaves the batch in flight at the end of the process on its way to the platter, not synced.
    pub(super) fn leave_in_doubt(&mut self) {
        let Some(life) = &mut self.life else { return };
        let Some(Job::Append(merged)) = life.writing.front() else { return };
        if !merged.is_empty() {
            self.disk.fail_next_sync();
            let refused = life.log.append(&merged.batch);
            debug_assert!(refused.is_err(), "the sync was to fail");
            self.synced.in_doubt = Some(merged.batch.clone());
        }
    }

    /// Whether the process runs and is not stopped.
    pub(super) fn awake(&self, now: u64) -> bool {
        self.life.is_some() && self.paused_until <= now
    }
}

/// A finished job of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Written,
    Compacted,
}

impl Life {
    fn new(boot: u64, incarnation: u64, began: u64, log: Log<MemDisk>, core: Core<MemDisk>) -> Self {
        Self {
            boot,
            incarnation,
            token: 0,
            core,
            log,
            queued: VecDeque::new(),
            writing: VecDeque::new(),
            write_age_us: 0,
            state: None,
            memberships: BTreeMap::new(),
            to_apply: Vec::new(),
            applying: false,
            persisted: 0,
            forgetting: false,
            fetch_pending: false,
            no_room: false,
            hurry_pending: false,
            batch_pending: false,
            waiters: BTreeMap::new(),
            door: Vec::new(),
            submissions: BTreeMap::new(),
            next_submission: 0,
            settled: Vec::new(),
            next_question: 0,
            asked: BTreeMap::new(),
            reads: Vec::new(),
            stamping: Stamping::default(),
            stamped: None,
            heard: BTreeMap::new(),
            joins: BTreeMap::new(),
            given: BTreeMap::new(),
            care: Care::default(),
            began,
            evidence_sent: 0,
            counted: BTreeMap::new(),
        }
    }

    /// Queues a write for the disk, merged with the write before where the log's thread would merge them.
    pub(super) fn queue(&mut self, write: Write) {
        match self.queued.back_mut() {
            Some(Job::Append(open)) if open.joins(&write) => open.join(write),
            _ => self.queued.push_back(Job::Append(Merged::of(write))),
        }
    }
}
