//! A simulated node: the disk that outlives it, and the life between a start and an end of its process.
//!
//! Stands in for the driver and its threads: the same core, the same log, the same merging of writes, the same rule of
//! what may be forgotten. Never draws a random number and never reads a clock. Called by `world`.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Confirmed, Kind, Merged, RaftId,
    core::{Core, CoreConfig, Found, Write, genesis, nothing},
    evidence::Evidence,
    force::Beginning,
    log::{Batch, HardState, Log, LogConfig, LogError, MemDisk, Recovered},
    members,
};
use ocs_proto::peer::{ConfState, Entry, Head, SnapshotMark};
use outbound::RequestId;

use super::{
    door::Submission,
    event::Who,
    old_disk::{Counted, OldDisk},
    quarantine::Care,
    stamp::StampClock,
    state::State,
};

/// Places that there are at most.
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

    /// What the node at a place holds.
    pub(super) fn kind(self, at: usize) -> Kind {
        if self == Self::Witness && at == 2 { Kind::Witness } else { Kind::Data }
    }

    /// How many nodes hold the state: they have the first places.
    pub(super) fn data_nodes(self) -> usize {
        (0..self.nodes()).filter(|at| self.kind(*at) == Kind::Data).count()
    }

    /// The ids with which a group begins.
    fn first_ids(self) -> Vec<RaftId> {
        (1..=self.nodes() as RaftId).collect()
    }
}

/// The place of the node that an id belongs to.
pub(super) fn place(id: RaftId) -> usize {
    usize::from(members::number(id)).wrapping_sub(1)
}

/// What stays when a process ends.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mode: Mode,
    pub(super) at: usize,
    /// Stands for the log on the disk.
    pub(super) id: RaftId,
    /// Its log is lost or cannot be trusted: whenever it runs it asks to be taken in under a new id (R11 one-id-one-log).
    pub(super) log_lost: bool,
    /// It runs, and asks under this token.
    pub(super) asking: Option<u64>,
    pub(super) disk: MemDisk,
    /// What it remembers of starts, as durable.
    pub(super) evidence: Evidence,
    /// Its disk was put back from an older copy: it counts as lost.
    pub(super) old: Option<OldDisk>,
    /// The store as it was made durable; on a data node.
    pub(super) store: Option<State>,
    /// It was found wrong, and not replaced since.
    pub(super) doubted: bool,
    /// Counts the times that an operator forced its group.
    pub(super) epoch: u64,
    /// What the disk said it has, for comparison after a crash.
    pub(super) synced: Synced,
    /// Starts so far.
    pub(super) boots: u64,
    /// Starts counted on this disk.
    pub(super) disk_boots: u64,
    pub(super) life: Option<Life>,
    /// Nobody starts it.
    pub(super) held: bool,
    /// An operator keeps it off while he forces the other one.
    pub(super) fenced: bool,
    /// A bit of its log flipped since its last start.
    pub(super) flipped: bool,
    pub(super) paused_until: u64,
    /// Its process ended while it was stopped until then: what waited for it is lost.
    pub(super) unread_at: u64,
    /// Its disk is slow until then.
    pub(super) slow_until: u64,
    /// A write that its disk begins does not end before then.
    pub(super) hung_until: u64,
    /// Its state takes its time to apply until then.
    pub(super) sluggish_until: u64,
    /// Its wall clock minus the true time.
    pub(super) wall_offset_us: i64,
    /// How much longer its ticks are, parts in a million.
    pub(super) drift_ppm: i64,
    /// How much faster its clocks go, parts in a million.
    pub(super) clock_ppm: i64,
}

/// What was made durable in a log, as far as anybody was told.
#[derive(Debug, Default, Clone)]
pub(super) struct Synced {
    pub(super) hard_state: HardState,
    pub(super) start: SnapshotMark,
    /// Term by index.
    pub(super) terms: BTreeMap<u64, u64>,
    /// Being written when the process ended: it may be there, as a whole or not at all.
    pub(super) in_doubt: Option<Batch>,
}

/// Who waits for a command's reply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiter {
    /// A request that was read here.
    Here { submission: u64, attempt: u64 },
    /// One that a peer forwarded.
    Peer { who: Who, submission: u64, attempt: u64 },
    /// What comes of it is seen in the state.
    Nobody,
}

/// Who asked a quorum.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// A read.
    Read { operation: u64, until: u64 },
    /// For the role; `floor`: the highest term that had been claimed when it was asked.
    Role { floor: u64, until: u64 },
    /// For the role, since failover is paused as this node knows it: what an operator is told.
    Paused { until: u64 },
}

/// What the log's thread does next.
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
    /// Of this start.
    pub(super) token: u128,
    pub(super) core: Core<MemDisk>,
    pub(super) log: Log<MemDisk>,
    pub(super) queued: VecDeque<Job>,
    /// Taken by the disk; empty: it is idle.
    pub(super) writing: VecDeque<Job>,
    /// For how long it has been at it, by ticks.
    pub(super) write_age_us: u64,
    /// None on the witness.
    pub(super) state: Option<State>,
    /// Which membership holds from which index on; kept with the state.
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
    pub(super) door: Vec<(RequestId, Bytes, Waiter)>,
    pub(super) submissions: BTreeMap<u64, Submission>,
    pub(super) next_submission: u64,
    /// Ids whose requests were answered after one attempt.
    pub(super) settled: Vec<RequestId>,
    pub(super) next_question: u64,
    pub(super) asked: BTreeMap<u64, Asked>,
    /// Reads that wait for an index to be applied here.
    pub(super) reads: Vec<(Confirmed, Asked)>,
    pub(super) stamps: StampClock,
    /// The term in which this node stamps.
    pub(super) stamping: Option<u64>,
    /// The last one that it gave: in which term, and when.
    pub(super) stamped: Option<(u64, u64, u64)>,
    /// What the last frame of a place told.
    pub(super) heard: BTreeMap<usize, Heard>,
    /// Who waits to be taken in, and under which token.
    pub(super) joins: BTreeMap<usize, (Who, u64)>,
    /// When a node was last given an id.
    pub(super) given: BTreeMap<usize, u64>,
    pub(super) care: Care,
    pub(super) began: u64,
    /// Version of the table of evidence that was sent to the disk last.
    pub(super) evidence_sent: u64,
    /// What a leader counted as acknowledged by each id, and when.
    pub(super) counted: BTreeMap<RaftId, VecDeque<Counted>>,
}

/// What a frame told of its sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Its id.
    pub(super) id: RaftId,
    pub(super) at_us: u64,
    pub(super) wall_us: u64,
    /// Its disk is full.
    pub(super) short: bool,
    /// Its newest digest, whether it serves from its state, and for which difference it stands.
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

    /// Why a log that was opened is neither what was synced nor that and the batch in doubt; none: it is one of them.
    fn unexplained(&self, log: &Log<MemDisk>, found: &Recovered) -> Option<String> {
        let known = self.difference(log, found)?;
        let Some(batch) = &self.in_doubt else { return Some(known) };
        let mut with = self.clone();
        with.apply(batch);
        with.difference(log, found).map(|doubt| format!("{known}; with the batch that was being written: {doubt}"))
    }

    /// What a log that was opened has otherwise.
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
        let first = State::first_of(&start);
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

    /// Its disk counts for nothing any more: lost, damaged, or an older copy of itself.
    pub(super) fn disk_gone(&self) -> bool {
        self.log_lost || self.old.is_some()
    }

    /// Its process runs, as a member or to become one.
    pub(super) fn runs(&self) -> bool {
        self.life.is_some() || self.asking.is_some()
    }

    /// A store that was not lost: the state, up to some index, and not a wrong one.
    pub(super) fn has_state(&self) -> bool {
        self.store.as_ref().is_some_and(|state| state.mark.index > 0) && !self.is_wrong()
    }

    /// Its log is given up together with its id; what else stood on the disk is not looked at any more.
    pub(super) fn give_log_up(&mut self) {
        self.log_lost = true;
        (self.flipped, self.doubted) = (false, false);
        self.store = self.is_data().then(State::lost);
    }

    /// The mistake of a node that comes back under its old id.
    #[cfg(mutant)]
    pub(super) fn form_again(&mut self) {
        let (boots, disk_boots) = (self.boots, self.disk_boots);
        *self = Self { boots, disk_boots, ..Self::new(self.mode, self.at) };
    }

    /// Begins as a member that knows nothing, under the id that the group gave; its process does not run yet.
    pub(super) fn begin_as(&mut self, id: RaftId, epoch: u64) {
        let (start, hard_state) = nothing();
        self.disk = new_disk(&start, hard_state);
        self.store = self.is_data().then(State::lost);
        self.synced = Synced { hard_state, start, ..Synced::default() };
        (self.id, self.epoch, self.log_lost, self.asking, self.disk_boots) = (id, epoch, false, None, 0);
        self.old = None;
    }

    /// Begins a new log above a state that has taken in the old one; its process does not run yet.
    pub(super) fn begin_alone(&mut self, id: RaftId, epoch: u64, beginning: Beginning, state: State) {
        let Beginning { mark, hard_state } = beginning;
        self.disk = new_disk(&mark, hard_state);
        self.store = Some(state);
        self.synced = Synced { hard_state, start: mark, ..Synced::default() };
        (self.id, self.epoch, self.disk_boots) = (id, epoch, 0);
    }

    /// Opens the log, which must be what was synced.
    ///
    /// # Errors
    /// The log says that it is corrupt, and was not changed; or the disk failed.
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
        self.flipped = false; // it hit nothing that counts
        let mark = self.store.as_ref().map(|state| state.mark.clone()).unwrap_or_default();
        let token = (u128::from(self.boots) << 64 | u128::from(seed)).to_le_bytes();
        let start = self.evidence.begin(self.id, self.epoch, token);
        let found = Found {
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

    /// So long a time by its clocks.
    pub(super) fn drifted(&self, elapsed_us: u64) -> u64 {
        elapsed_us.saturating_add_signed(elapsed_us.cast_signed() * self.clock_ppm / 1_000_000)
    }

    /// Writes the next job of the disk.
    ///
    /// # Errors
    /// The disk is full, and it may be tried again; or it failed, and the process must end.
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

    /// What the disk was writing when the process ended: on its way to the platter, not synced.
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

    /// Whether it runs, and is not stopped for a while.
    pub(super) fn awake(&self, now: u64) -> bool {
        self.life.is_some() && self.paused_until <= now
    }
}

/// What the disk has done.
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
            stamps: StampClock::new(),
            stamping: None,
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

    /// A write for the disk; joined to the one before it where the log's thread would join them.
    pub(super) fn queue(&mut self, write: Write) {
        match self.queued.back_mut() {
            Some(Job::Append(open)) if open.joins(&write) => open.join(write),
            _ => self.queued.push_back(Job::Append(Merged::of(write))),
        }
    }
}
