//! Reads entries while the log's thread appends.
//!
//! Sees only durable entries. Holds no file open and no entry in memory between calls. Used by the core's storage, by a
//! force-primary and by the proof of an epoch.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};

use super::{
    HardState,
    disk::Disk,
    error::LogError,
    format::{self, ENTRY, RECORD_BYTES, segment_name},
    state::{LogState, Span},
    window::{Scanned, Window},
};

/// Bytes read at a time; the distance of two points of the index.
const WINDOW_BYTES: usize = 64 * 1024;

/// The part that the writer and the readers share.
pub(super) struct SharedLog<D: Disk> {
    pub(super) disk: D,
    state: RwLock<LogState>,
}

impl<D: Disk> SharedLog<D> {
    pub(super) fn new(disk: D, state: LogState) -> Self {
        Self { disk, state: RwLock::new(state) }
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, LogState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, LogState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the log; cheap to clone, and goes on working when the log itself is closed.
pub struct LogReader<D: Disk> {
    shared: Arc<SharedLog<D>>,
}

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<D: Disk> std::fmt::Debug for LogReader<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader").field("first", &self.first_index()).field("last", &self.last_index()).finish()
    }
}

/// Entries on their way to a caller.
struct Collected {
    next: u64,
    high: u64,
    bytes_left: usize,
    entries: Vec<Entry>,
}

impl Collected {
    /// False: the limit is reached. The first entry always has room.
    fn has_room(&self, bytes: usize) -> bool {
        self.entries.is_empty() || bytes <= self.bytes_left
    }

    fn push(&mut self, entry: Entry) {
        self.bytes_left = self.bytes_left.saturating_sub(format::entry_bytes(&entry));
        self.next += 1;
        self.entries.push(entry);
    }
}

impl<D: Disk> LogReader<D> {
    pub(super) fn new(shared: Arc<SharedLog<D>>) -> Self {
        Self { shared }
    }

    /// Entries from `low` to `high` (exclusive), as many as fit into `bytes_max` bytes of log, but at least one. Fewer where the
    /// log ends, or where the writer took entries out meanwhile.
    ///
    /// # Errors
    /// [`LogError::Compacted`] and [`LogError::Beyond`] where `low` is not in the log; [`LogError::Corrupt`] where the disk does
    /// not give back the written bytes.
    pub fn entries(&self, low: u64, high: u64, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        let mut collected = Collected { next: low, high, bytes_left: bytes_max, entries: Vec::new() };
        let mut cuts = None;
        while collected.next < high {
            let span = match self.span(collected.next) {
                Ok(span) if cuts.is_none_or(|before| before == span.cuts) => span,
                Err(error) if collected.entries.is_empty() => return Err(error),
                _ => break,
            };
            cuts = Some(span.cuts);
            match self.read_span(&span, &mut collected) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.forgotten(&span, collected, error),
            }
        }
        Ok(collected.entries)
    }

    /// The term of an entry, or of the one just below the first.
    pub fn term(&self, index: u64) -> Option<u64> {
        self.shared.state().term(index)
    }

    /// Index of the first entry; one more than the last where there is none.
    pub fn first_index(&self) -> u64 {
        self.shared.state().first_index()
    }

    /// Index of the last entry that is durable here.
    pub fn last_index(&self) -> u64 {
        self.shared.state().last_index()
    }

    /// Index, term and membership just below the first entry.
    pub fn start(&self) -> SnapshotMark {
        self.shared.state().start.clone()
    }

    /// The hard state that is durable here.
    pub fn hard_state(&self) -> HardState {
        self.shared.state().hard_state
    }

    /// Memberships recorded above the start, in order of index.
    pub fn conf_states(&self) -> Vec<(u64, ConfState)> {
        self.shared.state().conf_states.clone()
    }

    /// Indexes of the entries that change the membership, with or without a record of the result.
    pub fn changes(&self) -> Vec<u64> {
        self.shared.state().changes.clone()
    }

    /// Bytes that the log takes, without space that is zero-filled ahead.
    pub fn bytes(&self) -> u64 {
        self.shared.state().bytes()
    }

    fn span(&self, index: u64) -> Result<Span, LogError> {
        let state = self.shared.state();
        let (first, last) = (state.first_index(), state.last_index());
        match state.span(index) {
            Some(span) => Ok(span),
            None if index < first => Err(LogError::Compacted { index, first }),
            None => Err(LogError::Beyond { index, last }),
        }
    }

    /// A segment that compaction removed during a read is no fault.
    fn forgotten(&self, span: &Span, collected: Collected, error: LogError) -> Result<Vec<Entry>, LogError> {
        let gone = matches!(&error, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let state = self.shared.state();
        if !gone || state.segments.front().is_some_and(|s| s.sequence <= span.sequence) {
            return Err(error);
        }
        match collected.entries.is_empty() {
            true => Err(LogError::Compacted { index: collected.next, first: state.first_index() }),
            false => Ok(collected.entries),
        }
    }

    /// Takes entries from one stretch; false: the caller's limit is reached.
    fn read_span(&self, span: &Span, collected: &mut Collected) -> Result<bool, LogError> {
        let name = segment_name(span.sequence);
        let file = self.shared.disk.open(&name).map_err(LogError::io("open", &name))?;
        let mut window = Window::new(&file, span.end, WINDOW_BYTES);
        let (mut at, mut index) = (span.offset, span.first);
        while index < span.next && collected.next < collected.high {
            let header = window.header(at).map_err(LogError::io("read", &name))?;
            let header = header.ok_or_else(|| corrupt(&name, at, index, "no record begins here"))?;
            let bytes = RECORD_BYTES + header.length as usize;
            if header.kind == ENTRY {
                if index == collected.next {
                    if !collected.has_room(bytes) {
                        return Ok(false);
                    }
                    collected.push(read_entry(&mut window, span, at, index, &name)?);
                }
                index += 1;
            }
            at += bytes as u64;
        }
        Ok(true)
    }
}

fn read_entry<F: super::File>(
    window: &mut Window<'_, F>,
    span: &Span,
    at: u64,
    index: u64,
    name: &str,
) -> Result<Entry, LogError> {
    let header = match window.record(span.sequence, at, span.end).map_err(LogError::io("read", name))? {
        Scanned::Record(header) => header,
        Scanned::Zero => return Err(corrupt(name, at, index, "zeros")),
        Scanned::Bad(why) => return Err(corrupt(name, at, index, why)),
    };
    let payload = window
        .slice(at + RECORD_BYTES as u64, header.length as usize)
        .map_err(LogError::io("read", name))?
        .and_then(format::decode_entry);
    payload.filter(|e| e.index == index).ok_or_else(|| corrupt(name, at, index, "another record than the index names"))
}

fn corrupt(file: &str, offset: u64, index: u64, found: &str) -> LogError {
    LogError::Corrupt { file: file.to_owned(), offset, index, found: found.to_owned() }
}
