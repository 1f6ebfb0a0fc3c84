//! The log as raft-rs reads from it: the newest entries from memory, older entries from disk.
//!
//! raft-rs drops entries from its own memory as soon as they are handed to the disk, so everything not yet durable must
//! be here (architecture, raft-rs). Called by raft-rs through `core`.

use std::collections::VecDeque;

use ocs_proto::peer::{ConfChangeV2, ConfState, SnapshotMark};
use prost::Message as _;
use raft::{
    Error, GetEntriesContext, RaftState, StorageError,
    eraftpb::{Entry, EntryType, HardState as RaftHardState, Snapshot},
};
use raft_log::{Disk, HardState, LogReader};

use crate::{
    Kind, RaftId,
    eraft::{conf_state_from_wire, entry_from_wire, snapshot_from_mark},
    members,
};

/// The log as raft-rs sees it.
pub(crate) struct LogView<D: Disk> {
    reader: LogReader<D>,
    /// Just below the first entry that still counts.
    start: SnapshotMark,
    /// Entries from `cached_from` to the last.
    cache: VecDeque<Entry>,
    cached_from: u64,
    cached_bytes: usize,
    cache_bytes_max: usize,
    /// Everything up to here is on disk.
    durable: u64,
    initial: HardState,
    /// Memberships and the index from which each holds, the first at or below the start; never empty.
    conf_states: Vec<(u64, ConfState)>,
    /// Settings of failover in entries above the last membership, committed or not: index, and as in `ConfState`.
    pauses: Vec<(u64, RaftId)>,
    /// Up to where the state behind the log is.
    applied: SnapshotMark,
    configured: Vec<(RaftId, Kind)>,
    /// The index up to which the witness may skip entries (R1 forget-what-both-have).
    data_durable: u64,
}

impl<D: Disk> LogView<D> {
    /// A view of a log that was just opened.
    pub(crate) fn new(
        reader: LogReader<D>,
        start: SnapshotMark,
        initial: HardState,
        applied: SnapshotMark,
        kinds: &[(RaftId, Kind)],
        cache_bytes_max: usize,
    ) -> Self {
        let last = reader.last_index().max(start.index);
        let conf_states = memberships(&reader, &start, &applied);
        Self {
            pauses: unapplied_pauses(&reader, conf_states.last().map_or(0, |(index, _)| *index)),
            conf_states,
            reader,
            start,
            cache: VecDeque::new(),
            cached_from: last + 1,
            cached_bytes: 0,
            cache_bytes_max,
            durable: last,
            initial,
            applied,
            configured: kinds.to_vec(),
            data_durable: 0,
        }
    }

    /// The last index, durable or not.
    pub(crate) fn last(&self) -> u64 {
        self.cached_from + self.cache.len() as u64 - 1
    }

    /// The first index that still counts.
    pub(crate) fn first(&self) -> u64 {
        self.start.index + 1
    }

    /// Where the log begins.
    pub(crate) fn start(&self) -> &SnapshotMark {
        &self.start
    }

    /// Everything up to here is on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Takes entries on their way to the disk; the first may overwrite earlier entries.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        self.cut_from(first.index);
        for entry in entries {
            assert_eq!(entry.index, self.last() + 1, "entries follow one another");
            self.cached_bytes += weight(entry);
            self.cache.push_back(entry.clone());
            self.pauses.extend(pause_in(entry));
        }
    }

    fn cut_from(&mut self, index: u64) {
        while self.last() >= index && !self.cache.is_empty() {
            let cut = self.cache.pop_back().expect("the cache is not empty");
            self.cached_bytes -= weight(&cut);
        }
        if self.cache.is_empty() {
            self.cached_from = index;
        }
        self.pauses.retain(|(at, _)| *at < index);
        self.durable = self.durable.min(index - 1);
    }

    /// The disk has everything up to this index and term.
    pub(crate) fn on_durable(&mut self, index: u64, term: u64) {
        let ours = self.term_of(index) == Some(term);
        if ours && index > self.durable {
            self.durable = index;
        }
        self.evict();
    }

    fn evict(&mut self) {
        while self.cached_bytes > self.cache_bytes_max && self.cached_from <= self.durable {
            let Some(entry) = self.cache.pop_front() else { return };
            self.cached_bytes -= weight(&entry);
            self.cached_from += 1;
        }
    }

    /// The log restarts empty at a snapshot's mark.
    pub(crate) fn reset(&mut self, mark: SnapshotMark) {
        self.cache.clear();
        self.cached_bytes = 0;
        self.cached_from = mark.index + 1;
        self.durable = mark.index;
        self.conf_states = vec![(mark.index, mark.conf_state.clone().unwrap_or_default())];
        self.pauses.clear();
        self.start = mark;
    }

    /// Entries up to the mark no longer count.
    pub(crate) fn compact(&mut self, mark: SnapshotMark) {
        if mark.index <= self.start.index {
            return;
        }
        while self.cached_from <= mark.index {
            let Some(entry) = self.cache.pop_front() else { break };
            self.cached_bytes -= weight(&entry);
            self.cached_from += 1;
        }
        let gone = self.conf_states.partition_point(|(from, _)| *from <= mark.index);
        self.conf_states.drain(..gone.saturating_sub(1));
        self.start = mark;
    }

    /// The state has applied up to here.
    pub(crate) fn on_applied(&mut self, index: u64) {
        if let Some(term) = self.term_of(index) {
            self.applied = SnapshotMark { index, term, conf_state: Some(self.conf_state_at(index).clone()) };
        }
    }

    /// The membership now.
    pub(crate) fn conf_state(&self) -> &ConfState {
        &self.conf_states.last().expect("there is always a membership").1
    }

    /// The membership as of an index at or above the start.
    pub(crate) fn conf_state_at(&self, index: u64) -> &ConfState {
        let after = self.conf_states.partition_point(|(from, _)| *from <= index);
        &self.conf_states[after.saturating_sub(1)].1
    }

    /// The membership changed with the entry at an index.
    pub(crate) fn set_conf_state(&mut self, index: u64, conf_state: ConfState) {
        self.conf_states.retain(|(from, _)| *from < index);
        self.conf_states.push((index, conf_state));
        self.pauses.retain(|(at, _)| *at > index);
    }

    /// The id for which failover is paused (see `ConfState`), by the newest entry with that setting, committed or not. A quorum
    /// has such an entry once an operator hears that failover is paused, and a starting node does not know which entries are
    /// committed.
    pub(crate) fn paused_for(&self) -> RaftId {
        self.pauses.last().map_or(self.conf_state().paused_for, |(_, holder)| *holder)
    }

    /// The index that both data nodes have durable, as this node would tell the witness.
    pub(crate) fn set_data_durable(&mut self, index: u64) {
        self.data_durable = index;
    }

    /// The mark to send to a node that needs more than entries; none: not now. For a data node the applied index here (the
    /// receiver then fetches a state at or above that index); for the witness the mark at which the log begins, or, where the
    /// witness was no member yet at that mark, the index that both data nodes have (R1).
    fn mark_for(&self, to: RaftId) -> Option<SnapshotMark> {
        let begin = (self.start.index, self.start.term);
        let at = |index: u64| self.term_of(index).map(|term| (index, term));
        let known = |(index, _): &(u64, u64)| members::ids(self.conf_state_at(*index)).contains(&to);
        let found = match members::kind_of(self.conf_state(), &self.configured, to) {
            Kind::Witness => Some(begin).filter(known).or_else(|| at(self.data_durable.min(self.applied.index))),
            Kind::Data => {
                Some((self.applied.index, self.applied.term)).filter(|(index, _)| *index >= begin.0).or(Some(begin))
            }
        };
        let (index, term) = found.filter(known)?;
        Some(SnapshotMark { index, term, conf_state: Some(self.conf_state_at(index).clone()) })
    }

    /// The term of an entry that still counts, or of the mark below them.
    pub(crate) fn term_of(&self, index: u64) -> Option<u64> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        if index < self.start.index || index > self.last() {
            return None;
        }
        match index.checked_sub(self.cached_from) {
            Some(at) => self.cache.get(at as usize).map(|entry| entry.term),
            None => self.reader.term(index),
        }
    }

    fn read(&self, low: u64, high: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        if low < self.cached_from {
            let stop = high.min(self.cached_from);
            let read = self.reader.entries(low, stop, bytes_max).map_err(|fault| Error::Store(other(fault)))?;
            bytes = read.iter().map(|entry| entry.data.len()).sum();
            entries.extend(read.into_iter().map(entry_from_wire));
            if (entries.len() as u64) < stop - low {
                return Ok(entries);
            }
        }
        for index in low.max(self.cached_from)..high {
            let entry = &self.cache[(index - self.cached_from) as usize];
            bytes += weight(entry);
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }
}

fn weight(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + 32
}

fn other(fault: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Other(Box::new(fault))
}

impl<D: Disk> raft::Storage for LogView<D> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let hard_state = RaftHardState {
            term: self.initial.term,
            vote: self.initial.vote,
            commit: self.initial.commit.max(self.applied.index).max(self.start.index).min(self.last()),
            ..RaftHardState::default()
        };
        Ok(RaftState::new(hard_state, conf_state_from_wire(self.conf_state())))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.start.index {
            return Err(Error::Store(StorageError::Compacted));
        }
        let bytes_max = max_size.into().map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        self.read(low, high, bytes_max)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing = if index < self.start.index { StorageError::Compacted } else { StorageError::Unavailable };
        self.term_of(index).ok_or(Error::Store(missing))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// The mark alone; a mark in which the receiver is no member would be of no use.
    fn snapshot(&self, _request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let mark = self.mark_for(to).ok_or(Error::Store(StorageError::SnapshotTemporarilyUnavailable))?;
        Ok(snapshot_from_mark(&mark))
    }
}

/// The setting of failover that an entry carries; none: no such setting.
fn pause_in(entry: &Entry) -> Option<(u64, RaftId)> {
    if entry.get_entry_type() != EntryType::EntryConfChangeV2 {
        return None;
    }
    let change = ConfChangeV2::decode(entry.data.clone()).ok()?;
    members::context(&change).paused_for.map(|holder| (entry.index, holder))
}

/// Settings of failover that stand in the log above an index.
fn unapplied_pauses<D: Disk>(reader: &LogReader<D>, above: u64) -> Vec<(u64, RaftId)> {
    let changes = reader.changes().into_iter().filter(|index| *index > above);
    let entries = changes.filter_map(|index| reader.entries(index, index + 1, usize::MAX).ok()?.pop());
    entries.filter_map(|entry| pause_in(&entry_from_wire(entry))).collect()
}

/// The memberships that the log recorded, and the state's own, as of its applied index.
fn memberships<D: Disk>(reader: &LogReader<D>, start: &SnapshotMark, applied: &SnapshotMark) -> Vec<(u64, ConfState)> {
    let mut known = vec![(start.index, start.conf_state.clone().unwrap_or_default())];
    known.extend(
        reader.conf_states().into_iter().filter(|(index, _)| (start.index + 1..=applied.index).contains(index)),
    );
    let recorded = known.last().map_or(0, |(index, _)| *index);
    let unrecorded = reader.changes().into_iter().rfind(|index| (recorded + 1..=applied.index).contains(index));
    if let (Some(index), Some(conf_state)) = (unrecorded, &applied.conf_state) {
        known.push((index, conf_state.clone()));
    }
    known
}
