//! Opens a log: reads all segments once, and tells a torn write from corruption (R10 torn-is-cut-corrupt-is-kept).
//!
//! The proof (the highest place known to be durable) is the furthest of: the mark file's slots, the marks in the heads of
//! batches, the end that a segment's successor states, and the marks in valid heads beyond the first bad byte. Recovery refuses
//! bad bytes below the proof and changes nothing. Bad bytes above the proof are a torn write and are cut, unless their sectors
//! show that they were written as a whole. All reading comes before any writing. Called by [`super::Log::open`].

use std::{collections::BTreeSet, io};

use super::{
    LogConfig,
    disk::{Disk, File},
    error::LogError,
    format::{
        self, BASE, Base, CONF_STATE, ENTRY, ENTRY_BYTES, EntryHeader, HARD_STATE, HEAD, HEADER_BYTES, Mark,
        RECORD_BYTES, RESET, RecordHeader, START, SegmentHeader, segment_name, segment_sequence,
    },
    mark::{MARK_FILE, MarkFile, Marks},
    possible,
    segment::{NEXT_FILE, SPARE_DRAFT, SPARE_FILE},
    state::{Effect, LogState, Segment},
    torn::{self, Rest},
    window::{OPENING_WINDOW_BYTES, Scanned, Window},
};

/// A log that was read and mended.
pub(super) struct Opened<F> {
    pub(super) state: LogState,
    pub(super) mark_file: MarkFile<F>,
    pub(super) active: F,
    pub(super) spare: bool,
    pub(super) notes: Vec<String>,
}

/// A segment file and its header.
struct SegmentFile<F> {
    sequence: u64,
    name: String,
    file: F,
    length: u64,
    header: Result<SegmentHeader, &'static str>,
}

/// Where reading came to its end, and why.
#[derive(Debug, Clone, Copy)]
struct Stop {
    /// After the last whole batch.
    cut: u64,
    /// First wrong byte.
    bad: u64,
    why: &'static str,
}

/// Found where the state is wanted and no base came before.
const NO_BASE: &str = "no base at the beginning of the segment";

struct Recovery<'a, D: Disk> {
    disk: &'a D,
    config: &'a LogConfig,
    state: Option<LogState>,
    proof: Mark,
    /// Of the batch that is being read, each with the offset of its record.
    effects: Vec<(u64, Effect)>,
    notes: Vec<String>,
    /// Files that are not needed, to be removed at the end.
    obsolete: Vec<String>,
}

/// Opens the log in a directory.
pub(super) fn recover<D: Disk>(disk: &D, config: &LogConfig) -> Result<Opened<D::File>, LogError> {
    let names: BTreeSet<String> = disk.list().map_err(LogError::io("list", "."))?.into_iter().collect();
    let (mark_file, marks) = open_mark(disk, &names)?;
    let mut recovery = Recovery::new(disk, config, &names, &marks);
    let run = recovery.segments(&names, marks.best)?;
    let (last, stop) = recovery.replay(&run)?;
    let rest = recovery.judge(&last, stop)?;
    recovery.check_whole(run[0])?;
    let mark_file = recovery.mend(&last, stop, &rest, mark_file)?;
    recovery.finish(last.file, mark_file)
}

/// The sequence numbers of the segments in a directory, in order.
pub(super) fn sequences<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<u64> {
    names.into_iter().filter_map(|name| segment_sequence(name)).collect()
}

/// The mark file, if there is one, and its marks.
type OpenedMark<D> = (Option<MarkFile<<D as Disk>::File>>, Marks);

fn open_mark<D: Disk>(disk: &D, names: &BTreeSet<String>) -> Result<OpenedMark<D>, LogError> {
    if !names.contains(MARK_FILE) {
        return Ok((None, Marks { best: None, damaged: 0 }));
    }
    MarkFile::open(disk).map(|(file, marks)| (Some(file), marks))
}

impl<'a, D: Disk> Recovery<'a, D> {
    fn new(disk: &'a D, config: &'a LogConfig, names: &BTreeSet<String>, marks: &Marks) -> Self {
        let drafts = [NEXT_FILE, SPARE_DRAFT].map(str::to_owned);
        let mut recovery = Self {
            disk,
            config,
            state: None,
            proof: marks.best.unwrap_or_default(),
            effects: Vec::new(),
            notes: Vec::new(),
            obsolete: drafts.into_iter().filter(|name| names.contains(name)).collect(),
        };
        if marks.damaged > 0 {
            recovery.notes.push(format!("{} damaged slot(s) of {MARK_FILE} passed over", marks.damaged));
        }
        recovery
    }

    /// The segments to read: the segments without a gap up to the newest. Older segments beyond a gap are left from an
    /// interrupted removal, or [`Recovery::check_whole`] finds that they are not.
    fn segments(&mut self, names: &BTreeSet<String>, mark: Option<Mark>) -> Result<Vec<u64>, LogError> {
        let mut all: Vec<u64> = sequences(names).into_iter().collect();
        if let Some(newest) = all.last().copied().filter(|_| all.len() > 1)
            && self.never_used(newest)?
        {
            self.notes.push(format!("{} was never used: its header is not whole", segment_name(newest)));
            self.obsolete.extend(all.pop().map(segment_name));
        }
        match (all.last(), mark) {
            (None, None) => return Err(LogError::Missing),
            (None, Some(mark)) => return Err(self.missing(mark.segment)),
            _ => {}
        }
        let gap = (1..all.len()).rev().find(|i| all[i - 1] + 1 != all[*i]).unwrap_or(0);
        let run = all.split_off(gap);
        self.obsolete.extend(all.into_iter().map(segment_name));
        Ok(run)
    }

    /// Whether the newest segment has no valid header and no proof of a write.
    fn never_used(&self, sequence: u64) -> Result<bool, LogError> {
        let segment = self.open_segment(sequence)?;
        if segment.header.is_ok() || self.proof.segment >= sequence {
            return Ok(false);
        }
        let rest = self.scan_rest(&segment, 0)?;
        Ok(rest.proof.is_none())
    }

    fn open_segment(&self, sequence: u64) -> Result<SegmentFile<D::File>, LogError> {
        let name = segment_name(sequence);
        let file = self.disk.open(&name).map_err(LogError::io("open", &name))?;
        let length = file.length().map_err(LogError::io("read", &name))?;
        let mut bytes = vec![0; HEADER_BYTES as usize];
        let read = file.read_at(&mut bytes, 0).map_err(LogError::io("read", &name))?;
        let header = format::check_header(&name, sequence, self.config, &bytes[..read])?;
        Ok(SegmentFile { sequence, name, file, length, header })
    }

    /// Reads all segments; the last one, and where reading stopped in it.
    fn replay(&mut self, run: &[u64]) -> Result<(SegmentFile<D::File>, Stop), LogError> {
        let mut segment = self.open_segment(run[0])?;
        for sequence in &run[1..] {
            let next = self.open_segment(*sequence)?;
            let header = next.header.map_err(|why| self.corrupt(&next.name, 0, why))?;
            self.raise_proof(Mark { segment: segment.sequence, offset: header.previous_end, index: 0, term: 0 });
            let stop = self.replay_segment(&segment, Some(header.previous_end))?;
            if stop.cut != header.previous_end {
                return Err(self.corrupt(&segment.name, stop.bad, stop.why));
            }
            segment = next;
        }
        let stop = self.replay_segment(&segment, None)?;
        Ok((segment, stop))
    }

    /// Applies whole batches up to the end or the first that is not whole.
    fn replay_segment(&mut self, segment: &SegmentFile<D::File>, end: Option<u64>) -> Result<Stop, LogError> {
        segment.header.map_err(|why| self.corrupt(&segment.name, 0, why))?;
        let mut window = Window::new(&segment.file, segment.length, OPENING_WINDOW_BYTES);
        if let Some(state) = &mut self.state {
            state.add_segment(Segment::new(segment.sequence, segment.length));
        }
        let mut cut = HEADER_BYTES;
        while Some(cut) != end {
            match self.read_batch(&mut window, segment, cut)? {
                Ok(next) => {
                    self.apply(segment, cut, next)?;
                    cut = next;
                }
                Err((bad, why)) => return Ok(Stop { cut, bad, why }),
            }
        }
        Ok(Stop { cut, bad: cut, why: "the next segment begins" })
    }

    /// Puts a batch's effects aside; returns the end of the batch, or the first wrong byte.
    fn read_batch(
        &mut self,
        window: &mut Window<'_, D::File>,
        segment: &SegmentFile<D::File>,
        at: u64,
    ) -> Result<Result<u64, (u64, &'static str)>, LogError> {
        self.effects.clear();
        let end = match self.read_head(window, segment, at)? {
            Ok(end) => end,
            Err(why) => return Ok(Err((at, why))),
        };
        let mut next = at + format::head_bytes() as u64;
        while next < end {
            let why = match window.record(segment.sequence, next, end).map_err(LogError::io("read", &segment.name))? {
                Scanned::Record(record) => {
                    let effect = read_effect(window, next, &record, &segment.name)?;
                    let effect = effect.map_err(|why| self.corrupt(&segment.name, next, why))?;
                    self.effects.push((next, effect));
                    next += RECORD_BYTES as u64 + u64::from(record.length);
                    continue;
                }
                Scanned::Zero => "zeros in the middle of a batch",
                Scanned::Bad(why) => why,
            };
            self.refuse_overrun(window, segment, (next, end))?;
            return Ok(Err((next, why)));
        }
        Ok(Ok(end))
    }

    /// The end of the batch at a place, by its head; or why no whole head stands there.
    fn read_head(
        &mut self,
        window: &mut Window<'_, D::File>,
        segment: &SegmentFile<D::File>,
        at: u64,
    ) -> Result<Result<u64, &'static str>, LogError> {
        let scanned =
            window.record(segment.sequence, at, segment.length).map_err(LogError::io("read", &segment.name))?;
        let head = match scanned {
            Scanned::Record(head) if head.kind == HEAD => head,
            Scanned::Record(_) => return Err(self.corrupt(&segment.name, at, "a record outside of a batch")),
            Scanned::Zero => return Ok(Err("zeros")),
            Scanned::Bad(why) => return Ok(Err(why)),
        };
        let (length, before) = read_payload(window, at, &head, head.length, format::decode_head, &segment.name)?;
        let here = (segment.sequence, at);
        let known = self.state.as_ref().map(LogState::mark).filter(|mark| mark.place() == here);
        if let Some(rule) = possible::head_rule((length, before), here, segment.length, known) {
            return Err(self.corrupt(&segment.name, at, rule));
        }
        self.raise_proof(before);
        Ok(Ok(at + u64::from(length)))
    }

    /// A torn write leaves no whole record: a whole record that its batch's end cuts in two was never written so, and neither was
    /// a batch with fewer bytes left than a record has.
    fn refuse_overrun(
        &self,
        window: &mut Window<'_, D::File>,
        segment: &SegmentFile<D::File>,
        (at, end): (u64, u64),
    ) -> Result<(), LogError> {
        let scanned =
            window.record(segment.sequence, at, segment.length).map_err(LogError::io("read", &segment.name))?;
        match scanned {
            Scanned::Record(_) => Err(self.corrupt(&segment.name, at, "a record that ends behind its batch")),
            _ if end - at < RECORD_BYTES as u64 => {
                Err(self.corrupt(&segment.name, at, "a batch that ends in the middle of a record"))
            }
            _ => Ok(()),
        }
    }

    fn raise_proof(&mut self, mark: Mark) {
        if mark.place() > self.proof.place() {
            self.proof = mark;
        }
    }

    /// A whole batch from `at` to `end` takes effect.
    fn apply(&mut self, segment: &SegmentFile<D::File>, at: u64, end: u64) -> Result<(), LogError> {
        let mut effects = std::mem::take(&mut self.effects);
        for (offset, effect) in effects.drain(..) {
            self.apply_effect(segment, offset, effect)?;
        }
        self.effects = effects; // its memory serves the next batch
        let Some(state) = &mut self.state else {
            return Err(self.corrupt(&segment.name, at, NO_BASE));
        };
        state.end_batch(end);
        let mark = state.mark();
        if mark.place() == self.proof.place() && self.proof.index != 0 && mark != self.proof {
            return Err(self.corrupt(&segment.name, at, "the mark names another entry here"));
        }
        Ok(())
    }

    /// A record with possible numbers takes effect.
    fn apply_effect(&mut self, segment: &SegmentFile<D::File>, at: u64, effect: Effect) -> Result<(), LogError> {
        if let Effect::Base(base) = effect {
            return self.take_base(segment, at, base);
        }
        let Some(state) = &mut self.state else {
            return Err(self.corrupt(&segment.name, at, NO_BASE));
        };
        if let Some(rule) = possible::rule(&effect, state) {
            return Err(self.corrupt(&segment.name, at, rule));
        }
        state.apply(effect);
        Ok(())
    }

    /// The first base makes the state; each later base must agree with the segments before.
    fn take_base(&mut self, segment: &SegmentFile<D::File>, at: u64, base: Base) -> Result<(), LogError> {
        let broken = match &self.state {
            Some(state) if state.base() == base => return Ok(()),
            Some(_) => Some("a base that contradicts the segments before it"),
            None => possible::base_rule(&base),
        };
        if let Some(rule) = broken {
            return Err(self.corrupt(&segment.name, at, rule));
        }
        let mut state = LogState::new(base);
        state.add_segment(Segment::new(segment.sequence, segment.length));
        self.state = Some(state);
        Ok(())
    }

    /// Corrupt or torn: looks at the bytes beyond the last whole batch.
    fn judge(&mut self, last: &SegmentFile<D::File>, stop: Stop) -> Result<Rest, LogError> {
        let rest = self.scan_rest(last, stop.cut)?;
        if let Some(proof) = rest.proof {
            self.raise_proof(proof);
        }
        let proof = self.proof;
        if proof.segment > last.sequence {
            return Err(self.missing(last.sequence + 1));
        }
        #[cfg(mutant)]
        let proof = if crate::mutant::bugs().mark_ignored { Mark::default() } else { proof };
        if proof.place() > (last.sequence, stop.cut) {
            let found = format!("{} (durable up to byte {}, entry {})", stop.why, proof.offset, proof.index);
            return Err(self.corrupt(&last.name, stop.bad, &found));
        }
        if self.state.is_none() {
            return Err(self.corrupt(&last.name, stop.bad, stop.why));
        }
        if self.damaged(last, stop.cut)? {
            let found = format!("{}, and no sector of the batch is unwritten as in a torn write", stop.why);
            return Err(self.corrupt(&last.name, stop.bad, &found));
        }
        Ok(rest)
    }

    /// The mark of the last batch may be lost with the power: its sectors still tell damage from a torn write.
    fn damaged(&self, last: &SegmentFile<D::File>, at: u64) -> Result<bool, LogError> {
        #[cfg(mutant)]
        if crate::mutant::bugs().mark_ignored {
            return Ok(false);
        }
        let mut window = Window::new(&last.file, last.length, OPENING_WINDOW_BYTES);
        torn::damaged(&mut window, last.sequence, at).map_err(LogError::io("read", &last.name))
    }

    /// Reads from `from` to the end of a segment.
    fn scan_rest(&self, segment: &SegmentFile<D::File>, from: u64) -> Result<Rest, LogError> {
        let mut window = Window::new(&segment.file, segment.length, OPENING_WINDOW_BYTES);
        torn::scan_rest(&mut window, segment.sequence, from).map_err(LogError::io("read", &segment.name))
    }

    /// Every entry after the start must be in the segments that were read.
    fn check_whole(&self, first: u64) -> Result<(), LogError> {
        match &self.state {
            Some(state) if state.lowest_index() <= state.first_index() => Ok(()),
            _ => Err(self.missing(first.saturating_sub(1))),
        }
    }

    /// Cuts a torn write, and makes all read batches durable: a process that ended between write and sync left bytes that only
    /// look durable, and after a failed sync only a second write of the bytes makes the next sync mean anything.
    fn mend(
        &mut self,
        last: &SegmentFile<D::File>,
        stop: Stop,
        rest: &Rest,
        mark_file: Option<MarkFile<D::File>>,
    ) -> Result<MarkFile<D::File>, LogError> {
        if rest.end > stop.cut {
            let (bytes, entry) = (rest.end - stop.cut, self.next_index());
            self.notes.push(format!(
                "cut {bytes} bytes of a torn write: {} from byte {}, entry {entry}",
                last.name, stop.cut
            ));
        }
        let write = || LogError::io("write", &last.name);
        let known = if self.proof.segment == last.sequence { self.proof.offset } else { HEADER_BYTES };
        #[cfg(mutant)]
        let known = if crate::mutant::bugs().read_counts_as_durable { stop.cut } else { known };
        rewrite(&last.file, known, stop.cut).map_err(write())?;
        zero(&last.file, stop.cut, rest.end).map_err(write())?;
        last.file.sync().map_err(LogError::io("sync", &last.name))?;
        match mark_file {
            Some(file) => Ok(file),
            None => {
                self.notes.push(format!("{MARK_FILE} was missing and was made anew"));
                MarkFile::create(self.disk)
            }
        }
    }

    /// Removes files that are not needed and hands over.
    fn finish(mut self, active: D::File, mut mark_file: MarkFile<D::File>) -> Result<Opened<D::File>, LogError> {
        let spare = self.check_spare()?;
        for name in &self.obsolete {
            self.disk.remove(name).map_err(LogError::io("remove", name))?;
        }
        self.disk.sync_directory().map_err(LogError::io("sync", "."))?;
        let state = self.state.expect("judge refuses a log without a state");
        mark_file.write(&state.mark())?;
        Ok(Opened { state, mark_file, active, spare, notes: self.notes })
    }

    /// A spare of another size than configured is of no use.
    fn check_spare(&mut self) -> Result<bool, LogError> {
        let length = match self.disk.open(SPARE_FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.and_then(|file| file.length()).map_err(LogError::io("open", SPARE_FILE))?,
        };
        if length != self.config.segment_bytes {
            self.obsolete.push(SPARE_FILE.to_owned());
        }
        Ok(length == self.config.segment_bytes)
    }

    fn next_index(&self) -> u64 {
        self.state.as_ref().map_or(1, |state| state.last_index() + 1)
    }

    fn corrupt(&self, file: &str, offset: u64, found: &str) -> LogError {
        LogError::Corrupt { file: file.to_owned(), offset, index: self.next_index(), found: found.to_owned() }
    }

    fn missing(&self, sequence: u64) -> LogError {
        self.corrupt(&segment_name(sequence), 0, "the file is missing")
    }
}

/// Decodes a payload whose checksum matched; a newer version wrote a payload that cannot be decoded then.
fn read_payload<F: File, T>(
    window: &mut Window<'_, F>,
    at: u64,
    record: &RecordHeader,
    length: u32,
    decode: impl FnOnce(&[u8]) -> Option<T>,
    name: &str,
) -> Result<T, LogError> {
    let payload = window.slice(at + RECORD_BYTES as u64, length as usize).map_err(LogError::io("read", name))?;
    payload.and_then(decode).ok_or_else(|| unknown(record.kind, name))
}

fn unknown(kind: u8, name: &str) -> LogError {
    LogError::NewerFormat { file: name.to_owned(), what: format!("a record of kind {kind} in a form") }
}

/// The effect of a whole record within a batch; or why no writer puts the record there.
fn read_effect<F: File>(
    window: &mut Window<'_, F>,
    at: u64,
    record: &RecordHeader,
    name: &str,
) -> Result<Result<Effect, &'static str>, LogError> {
    let all = record.length;
    let effect = match record.kind {
        ENTRY => {
            let entry = read_payload(window, at, record, all.min(ENTRY_BYTES as u32), EntryHeader::decode, name)?;
            if u64::from(entry.context_bytes) + ENTRY_BYTES as u64 > u64::from(all) {
                return Ok(Err("an entry whose context is longer than its record"));
            }
            Effect::Entry { index: entry.index, term: entry.term, offset: at, change: entry.kind != 0 }
        }
        HARD_STATE => Effect::HardState(read_payload(window, at, record, all, format::decode_hard_state, name)?),
        START => Effect::Start(read_payload(window, at, record, all, format::decode_start, name)?),
        RESET => Effect::Reset(read_payload(window, at, record, all, format::decode_start, name)?),
        BASE if at != HEADER_BYTES + format::head_bytes() as u64 => {
            return Ok(Err("a base that is not the first record of its segment"));
        }
        BASE => Effect::Base(read_payload(window, at, record, all, format::decode_base, name)?),
        CONF_STATE => {
            let (index, conf_state) = read_payload(window, at, record, all, format::decode_conf_state, name)?;
            Effect::ConfState(index, conf_state)
        }
        HEAD => return Ok(Err("a head in the middle of a batch")),
        kind => return Err(unknown(kind, name)),
    };
    Ok(Ok(effect))
}

/// Writes the bytes of a stretch over themselves.
fn rewrite<F: File>(file: &F, from: u64, to: u64) -> io::Result<()> {
    let mut bytes = vec![0; (to.saturating_sub(from)).min(OPENING_WINDOW_BYTES as u64) as usize];
    let mut at = from;
    while at < to {
        let step = (to - at).min(bytes.len() as u64) as usize;
        let read = file.read_at(&mut bytes[..step], at)?;
        if read < step {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(&bytes[..step], at)?;
        at += step as u64;
    }
    Ok(())
}

/// Writes zeros over a stretch.
fn zero<F: File>(file: &F, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; (to.saturating_sub(from)).min(OPENING_WINDOW_BYTES as u64) as usize];
    let mut at = from;
    while at < to {
        let step = (to - at).min(zeros.len() as u64);
        file.write_at(&zeros[..step as usize], at)?;
        at += step;
    }
    Ok(())
}
