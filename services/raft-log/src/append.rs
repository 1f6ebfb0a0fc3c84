//! The log's own thread: appends batches, one write and one fdatasync each, and forgets the entries that compaction allows.
//!
//! Never tries a failed write or sync again: the log is poisoned and its process ends (R6 durable-before-acknowledged). Called by
//! the driver's log thread and by the simulator.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};

use super::{
    Batch, HardState, LogConfig, Recovered,
    disk::{Disk, File},
    error::LogError,
    format::{self, Base, Encoder, HEADER_BYTES, Mark, SegmentHeader, segment_name},
    mark::{MARK_FILE, MarkFile},
    reader::{LogReader, SharedLog},
    recover::{recover, sequences},
    segment::{NEXT_FILE, Segments},
    state::{Effect, LogState, Segment},
};

const PAGE_BYTES: u64 = 4096;
/// Smallest and largest segment.
const SEGMENT_BYTES: (u64, u64) = (64 * 1024, 1024 * 1024 * 1024);
/// Largest batch; keeps every offset below 4 GiB.
const BATCH_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most that a segment keeps free for compaction.
const RESERVE_BYTES_MAX: u64 = 64 * 1024;
/// A buffer that one large batch made larger is given back.
const BUFFER_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// The durable log: one writer, any number of [`LogReader`]s.
pub struct Log<D: Disk> {
    shared: Arc<SharedLog<D>>,
    config: LogConfig,
    segments: Segments<D>,
    active: D::File,
    mark_file: MarkFile<D::File>,
    /// Up to where fdatasync has returned.
    mark: Mark,
    capacity: u64,
    poisoned: bool,
    buffer: Vec<u8>,
    effects: Vec<Effect>,
    synced_in: Duration,
}

impl<D: Disk> std::fmt::Debug for Log<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("mark", &self.mark).field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

/// The contents of one batch of records.
#[derive(Default)]
struct Work<'a> {
    start: Option<&'a SnapshotMark>,
    reset: Option<&'a SnapshotMark>,
    hard_state: Option<&'a HardState>,
    entries: &'a [Entry],
    conf_state: Option<&'a (u64, ConfState)>,
}

impl Work<'_> {
    fn bytes(&self) -> u64 {
        let mut bytes = format::head_bytes();
        bytes += self.start.map_or(0, format::start_bytes) + self.reset.map_or(0, format::start_bytes);
        bytes += self.hard_state.map_or(0, |_| format::hard_state_bytes());
        bytes += self.entries.iter().map(format::entry_bytes).sum::<usize>();
        bytes += self.conf_state.map_or(0, |(_, conf_state)| format::conf_state_bytes(conf_state));
        bytes as u64
    }

    /// Puts the records into the encoder and their effects beside it.
    fn encode(&self, out: &mut Encoder<'_>, effects: &mut Vec<Effect>) {
        if let Some(mark) = self.start {
            out.start(mark, false);
            effects.push(Effect::Start(mark.clone()));
        }
        if let Some(mark) = self.reset {
            out.start(mark, true);
            effects.push(Effect::Reset(mark.clone()));
        }
        if let Some(hard_state) = self.hard_state {
            out.hard_state(hard_state);
            effects.push(Effect::HardState(*hard_state));
        }
        for entry in self.entries {
            let offset = out.entry(entry);
            effects.push(Effect::Entry { index: entry.index, term: entry.term, offset, change: entry.kind != 0 });
        }
        if let Some((index, conf_state)) = self.conf_state {
            out.conf_state(*index, conf_state);
            effects.push(Effect::ConfState(*index, conf_state.clone()));
        }
    }
}

impl<D: Disk> Log<D> {
    /// Makes a new, durable log that begins after `start`.
    ///
    /// # Errors
    /// [`LogError::Exists`] where there is a log, whole or not; [`LogError::NoRoom`].
    pub fn create(disk: D, config: LogConfig, start: SnapshotMark, hard_state: HardState) -> Result<Self, LogError> {
        check_config(&config)?;
        refuse_existing(&disk)?;
        let mut mark_file = MarkFile::create(&disk)?;
        let segments = Segments::new(disk.clone(), config.segment_bytes, config.prepare_ahead, false);
        let base = Base { hard_state, last_index: start.index, last_term: start.term, start, conf_states: Vec::new() };
        let active = first_segment(&segments, &config, &base)?;
        let mut state = LogState::new(base);
        let mut segment = Segment::new(1, config.segment_bytes);
        segment.end = first_end(&state.base());
        state.add_segment(segment);
        mark_file.write(&state.mark())?;
        mark_file.sync()?;
        Ok(Self::assemble(disk, config, segments, state, active, mark_file))
    }

    /// Whether there is a log in a directory, whole or not.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn exists(disk: &D) -> Result<bool, LogError> {
        match refuse_existing(disk) {
            Ok(()) => Ok(false),
            Err(LogError::Exists { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Opens the log of the disk and cuts a torn write (R10 torn-is-cut-corrupt-is-kept); the notes tell of every repair.
    ///
    /// # Errors
    /// [`LogError::Missing`], [`LogError::Corrupt`], [`LogError::NewerFormat`], [`LogError::ForeignCluster`],
    /// [`LogError::ForeignNode`]: nothing was changed.
    /// [`LogError::Io`] where a file operation failed.
    pub fn open(disk: D, config: LogConfig) -> Result<(Self, Recovered), LogError> {
        check_config(&config)?;
        let opened = recover(&disk, &config)?;
        let segments = Segments::new(disk.clone(), config.segment_bytes, config.prepare_ahead, opened.spare);
        let recovered = describe(&opened.state, opened.notes);
        let log = Self::assemble(disk, config, segments, opened.state, opened.active, opened.mark_file);
        Ok((log, recovered))
    }

    fn assemble(
        disk: D,
        config: LogConfig,
        mut segments: Segments<D>,
        state: LogState,
        active: D::File,
        mark_file: MarkFile<D::File>,
    ) -> Self {
        segments.prepare();
        Self {
            mark: state.mark(),
            capacity: state.segments.back().map_or(0, |s| s.capacity),
            shared: Arc::new(SharedLog::new(disk, state)),
            config,
            segments,
            active,
            mark_file,
            poisoned: false,
            buffer: Vec::new(),
            effects: Vec::new(),
            synced_in: Duration::ZERO,
        }
    }

    /// Makes a batch durable, as a whole or not at all. An entry at or below the last index takes out the entries from there on.
    ///
    /// # Errors
    /// [`LogError::OutOfOrder`], [`LogError::TooLarge`], [`LogError::NoRoom`]: nothing was written and the log goes on.
    /// Anything else: the log is poisoned, and the process must end (R6).
    pub fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.check(batch)?;
        let work = Work {
            start: None,
            reset: batch.reset.as_ref(),
            hard_state: batch.hard_state.as_ref(),
            entries: &batch.entries,
            conf_state: batch.conf_state.as_ref(),
        };
        self.commit(&work)?;
        if batch.reset.is_some() { self.forget() } else { Ok(()) }
    }

    /// Allows to forget the entries up to the mark, which becomes the start: durable, then whole segments are removed. The
    /// first index from now on. A mark without a membership takes over the last one at or below it. A mark at or below the
    /// start changes nothing.
    ///
    /// # Errors
    /// [`LogError::OutOfOrder`] for a mark that is not in the log; otherwise as [`Log::append`].
    pub fn compact(&mut self, mark: SnapshotMark) -> Result<u64, LogError> {
        let mark = {
            let state = self.shared.state();
            if mark.index <= state.start.index {
                return Ok(state.first_index());
            }
            if state.term(mark.index) != Some(mark.term) {
                return Err(out_of_order(&state, mark.index, "no entry of this index and term to compact up to"));
            }
            with_conf_state(&state, mark)
        };
        self.commit(&Work { start: Some(&mark), ..Work::default() })?;
        self.forget()?;
        Ok(self.first_index())
    }

    /// A reader that shares this log's index.
    pub fn reader(&self) -> LogReader<D> {
        LogReader::new(self.shared.clone())
    }

    /// Bytes that the log takes, without space that is zero-filled ahead.
    pub fn bytes(&self) -> u64 {
        self.shared.state().bytes()
    }

    /// Index of the first entry; one more than the last where there is none.
    pub fn first_index(&self) -> u64 {
        self.shared.state().first_index()
    }

    /// Index of the last entry.
    pub fn last_index(&self) -> u64 {
        self.shared.state().last_index()
    }

    /// How long the last fdatasync took, for the metrics.
    pub fn synced_in(&self) -> Duration {
        self.synced_in
    }

    /// Entries must follow each other and join the log above its start.
    fn check(&self, batch: &Batch) -> Result<(), LogError> {
        let state = self.shared.state();
        let (start, last) = match &batch.reset {
            Some(mark) => (mark.index, mark.index),
            None => (state.start.index, state.last_index()),
        };
        let Some(first) = batch.entries.first() else { return Ok(()) };
        if first.index <= start || first.index > last + 1 {
            return Err(out_of_order(&state, first.index, "a batch must begin after the start and leave no gap"));
        }
        match batch.entries.windows(2).find(|pair| pair[1].index != pair[0].index + 1) {
            Some(pair) => Err(out_of_order(&state, pair[1].index, "entries of a batch must follow each other")),
            None => check_terms(&state, batch, first.index),
        }
    }

    fn commit(&mut self, work: &Work<'_>) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        self.make_room(work)?;
        let end = self.encode(work);
        self.write().inspect_err(|_| self.poisoned = true)?;
        let mark = {
            let mut state = self.shared.state_mut();
            state.apply_batch(self.effects.drain(..), end);
            state.mark()
        };
        self.mark = mark;
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.mark_file.write(&mark).inspect_err(|_| self.poisoned = true)
    }

    /// Goes on to a new segment where the batch does not fit. The last bytes of a segment are for compaction alone, which
    /// must be possible on a full disk.
    fn make_room(&mut self, work: &Work<'_>) -> Result<(), LogError> {
        let bytes = work.bytes();
        if bytes > BATCH_BYTES_MAX {
            return Err(LogError::TooLarge { bytes, most: BATCH_BYTES_MAX });
        }
        let reserve = (self.config.segment_bytes / 16).min(RESERVE_BYTES_MAX);
        let kept = if work.start.is_some() { 0 } else { reserve };
        let base = if self.mark.offset == HEADER_BYTES { self.base_bytes() } else { 0 };
        if self.mark.offset + base + bytes + kept <= self.capacity {
            return Ok(());
        }
        let needed = (HEADER_BYTES + self.base_bytes() + bytes + reserve).next_multiple_of(PAGE_BYTES);
        self.rotate(needed).inspect_err(|error| self.poisoned = !matches!(error, LogError::NoRoom { .. }))
    }

    /// Bytes of a new segment's first batch besides its own records.
    fn base_bytes(&self) -> u64 {
        format::base_bytes(&self.shared.state().base()) as u64
    }

    fn rotate(&mut self, bytes: u64) -> Result<(), LogError> {
        let header = SegmentHeader {
            cluster: self.config.cluster,
            node: self.config.node,
            sequence: self.mark.segment + 1,
            first_index: self.mark.index + 1,
            previous_end: self.mark.offset,
        };
        let (file, capacity) = self.segments.next(&header, bytes)?;
        self.active = file;
        self.capacity = capacity;
        let mut state = self.shared.state_mut();
        state.add_segment(Segment::new(header.sequence, capacity));
        Ok(())
    }

    /// Fills the buffer, up to the end of its last page, so that the kernel need not read a page to write a part of it;
    /// where the batch ends.
    fn encode(&mut self, work: &Work<'_>) -> u64 {
        let at = self.shared.state().mark();
        let mut out = Encoder::begin(&mut self.buffer, at.segment, at.offset);
        self.effects.clear();
        if at.offset == HEADER_BYTES {
            out.base(&self.shared.state().base());
        }
        work.encode(&mut out, &mut self.effects);
        out.finish(&self.mark);
        let end = at.offset + self.buffer.len() as u64;
        let padded = end.next_multiple_of(PAGE_BYTES).min(self.capacity);
        self.buffer.resize((padded - at.offset) as usize, 0);
        end
    }

    /// One write, one fdatasync.
    fn write(&mut self) -> Result<(), LogError> {
        let at = self.shared.state().mark();
        let name = || segment_name(at.segment);
        self.active.write_at(&self.buffer, at.offset).map_err(|e| LogError::io("write", &name())(e))?;
        let began = Instant::now();
        let synced = self.active.sync();
        #[cfg(mutant)]
        let synced = match crate::mutant::bugs().failed_sync_retried {
            true => synced.or_else(|_| self.active.sync()),
            false => synced,
        };
        synced.map_err(|e| LogError::io("sync", &name())(e))?;
        self.synced_in = began.elapsed();
        Ok(())
    }

    /// Removes the segments that hold no needed entry. The mark becomes durable first: a mark must not name a removed segment.
    fn forget(&mut self) -> Result<(), LogError> {
        let gone = self.shared.state_mut().take_forgotten();
        if gone.is_empty() {
            return Ok(());
        }
        self.remove(&gone).inspect_err(|_| self.poisoned = true)
    }

    fn remove(&self, sequences: &[u64]) -> Result<(), LogError> {
        self.mark_file.sync()?;
        for sequence in sequences {
            let name = segment_name(*sequence);
            self.shared.disk.remove(&name).map_err(LogError::io("remove", &name))?;
        }
        self.shared.disk.sync_directory().map_err(LogError::io("sync", "."))
    }
}

fn check_config(config: &LogConfig) -> Result<(), LogError> {
    let (least, most) = SEGMENT_BYTES;
    let segment_bytes = config.segment_bytes;
    if segment_bytes.is_multiple_of(PAGE_BYTES) && (least..=most).contains(&segment_bytes) {
        return Ok(());
    }
    Err(LogError::Config { segment_bytes, least, most })
}

/// Segments, or a mark without them: that log was lost, and an empty one in its place would vote again (R11 one-id-one-log).
fn refuse_existing<D: Disk>(disk: &D) -> Result<(), LogError> {
    let names = disk.list().map_err(LogError::io("list", "."))?;
    if let Some(sequence) = sequences(&names).first() {
        return Err(LogError::Exists { file: segment_name(*sequence) });
    }
    let marked = names.iter().any(|name| name == MARK_FILE) && MarkFile::open(disk)?.1.best.is_some();
    if marked { Err(LogError::Exists { file: MARK_FILE.to_owned() }) } else { Ok(()) }
}

fn first_end(base: &Base) -> u64 {
    HEADER_BYTES + (format::head_bytes() + format::base_bytes(base)) as u64
}

/// The first segment gets its first batch before its name: a crash leaves a log or none.
fn first_segment<D: Disk>(segments: &Segments<D>, config: &LogConfig, base: &Base) -> Result<D::File, LogError> {
    let file = segments.fill_now(config.segment_bytes)?;
    let header = SegmentHeader {
        cluster: config.cluster,
        node: config.node,
        sequence: 1,
        first_index: base.last_index + 1,
        previous_end: 0,
    };
    let mut batch = Vec::new();
    let mut out = Encoder::begin(&mut batch, 1, HEADER_BYTES);
    out.base(base);
    out.finish(&Mark::default());
    file.write_at(&header.encode(), 0).map_err(LogError::io("write", NEXT_FILE))?;
    file.write_at(&batch, HEADER_BYTES).map_err(LogError::io("write", NEXT_FILE))?;
    file.sync().map_err(LogError::io("sync", NEXT_FILE))?;
    segments.publish(NEXT_FILE, &segment_name(1), config.segment_bytes)?;
    Ok(file)
}

fn describe(state: &LogState, notes: Vec<String>) -> Recovered {
    Recovered {
        hard_state: state.hard_state,
        start: state.start.clone(),
        first_index: state.first_index(),
        last_index: state.last_index(),
        conf_states: state.conf_states.clone(),
        notes,
        empty: state.last_index() < state.first_index(),
    }
}

fn with_conf_state(state: &LogState, mut mark: SnapshotMark) -> SnapshotMark {
    if mark.conf_state.is_none() {
        let newest = state.conf_states.iter().rev().find(|(index, _)| *index <= mark.index).map(|(_, c)| c.clone());
        mark.conf_state = newest.or_else(|| state.start.conf_state.clone());
    }
    mark
}

/// Terms never fall from entry to entry; a log whose terms fall is not opened again.
fn check_terms(state: &LogState, batch: &Batch, first: u64) -> Result<(), LogError> {
    let before = match &batch.reset {
        Some(mark) => Some(mark.term),
        None => state.term(first - 1),
    };
    if before.into_iter().chain(batch.entries.iter().map(|entry| entry.term)).is_sorted() {
        return Ok(());
    }
    Err(out_of_order(state, first, "an entry must have the term of the entry before, or a later one"))
}

fn out_of_order(state: &LogState, index: u64, why: &'static str) -> LogError {
    LogError::OutOfOrder { index, first: state.first_index(), last: state.last_index(), why }
}
