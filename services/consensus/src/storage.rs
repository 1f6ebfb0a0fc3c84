//! What raft-rs reads of the log: the newest entries from memory, older ones from disk.
//!
//! raft-rs drops entries from its own memory as soon as they are handed to the disk, so everything not yet durable must
//! be here (design 6). Called by raft-rs through `core`.

use std::collections::VecDeque;

use ocs_proto::peer::{ConfState, SnapshotMark};
use raft::{
    Error, GetEntriesContext, RaftState, StorageError,
    eraftpb::{Entry, HardState as RaftHardState, Snapshot},
};

use crate::{
    Kind, RaftId,
    eraft::{conf_state_from_wire, entry_from_wire, snapshot_from_mark},
    log::{Disk, HardState, LogReader},
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
    /// Membership as last applied, and the index of the state behind it.
    conf_state: ConfState,
    applied: SnapshotMark,
    witnesses: Vec<RaftId>,
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
        Self {
            conf_state: applied.conf_state.clone().or_else(|| start.conf_state.clone()).unwrap_or_default(),
            reader,
            start,
            cache: VecDeque::new(),
            cached_from: last + 1,
            cached_bytes: 0,
            cache_bytes_max,
            durable: last,
            initial,
            applied,
            witnesses: kinds.iter().filter(|(_, kind)| *kind == Kind::Witness).map(|(id, _)| *id).collect(),
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

    /// Takes entries that are on their way to the disk; the first may overwrite what stood there.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        self.cut_from(first.index);
        for entry in entries {
            assert_eq!(entry.index, self.last() + 1, "entries follow one another");
            self.cached_bytes += weight(entry);
            self.cache.push_back(entry.clone());
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
        self.conf_state = mark.conf_state.clone().unwrap_or_default();
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
        self.start = mark;
    }

    /// The state has applied up to here.
    pub(crate) fn on_applied(&mut self, index: u64) {
        if let Some(term) = self.term_of(index) {
            self.applied = SnapshotMark { index, term, conf_state: Some(self.conf_state.clone()) };
        }
    }

    /// The membership as last applied.
    pub(crate) fn conf_state(&self) -> &ConfState {
        &self.conf_state
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
        Ok(RaftState::new(hard_state, conf_state_from_wire(&self.conf_state)))
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

    /// The mark alone. For a data node the state at the index applied here (it then fetches a state at or above it); for
    /// the witness the mark at which the log begins, which is never above `data_durable` (design rule 1).
    fn snapshot(&self, _request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let mark = if self.witnesses.contains(&to) { &self.start } else { &self.applied };
        let mark = if mark.index < self.start.index { &self.start } else { mark };
        Ok(snapshot_from_mark(mark))
    }
}
