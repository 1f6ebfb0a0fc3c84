//! The state of a log: hard state, start, memberships, terms, and a sparse index of where entries stand.
//!
//! Changed in one place, [`LogState::apply`], by the writer after its fdatasync and by recovery during its read: the same effects
//! change the state in both. Its size grows with the log by 8 bytes per 64 KiB. Never does IO.

use std::collections::VecDeque;

use ocs_proto::peer::{ConfState, SnapshotMark};

use super::{
    HardState,
    format::{Base, HEADER_BYTES, Mark},
};

/// Log bytes between two points of the sparse index.
const POINT_BYTES: u64 = 64 * 1024;

/// The effect of one record.
#[derive(Debug)]
pub(super) enum Effect {
    Base(Base),
    Start(SnapshotMark),
    Reset(SnapshotMark),
    HardState(HardState),
    /// `change`: of the membership.
    Entry {
        index: u64,
        term: u64,
        offset: u64,
        change: bool,
    },
    ConfState(u64, ConfState),
}

/// A segment, and where some of its entries stand.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) sequence: u64,
    /// Where its last batch ends.
    pub(super) end: u64,
    /// Length of the file.
    pub(super) capacity: u64,
    /// Index of the first point.
    first: u64,
    points: Vec<Point>,
    /// The next entry does not follow the last point's: entries were taken out.
    broken: bool,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// Index, less the segment's first.
    delta: u32,
    offset: u32,
}

#[derive(Debug, Clone, Copy)]
struct TermRange {
    first: u64,
    term: u64,
}

/// A stretch of one segment in which entries follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) sequence: u64,
    /// Index of the first entry, and its record's offset.
    pub(super) first: u64,
    pub(super) offset: u64,
    /// Index after the last entry, and an offset that no record of the stretch goes beyond.
    pub(super) next: u64,
    pub(super) end: u64,
    /// Counts the times that entries were taken out: two spans with the same number belong to one state of the log.
    pub(super) cuts: u64,
}

/// Everything that the log knows of itself.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) hard_state: HardState,
    pub(super) start: SnapshotMark,
    pub(super) conf_states: Vec<(u64, ConfState)>,
    /// Entries that change the membership, as far as segments at hand hold them.
    pub(super) changes: Vec<u64>,
    pub(super) segments: VecDeque<Segment>,
    terms: Vec<TermRange>,
    last: u64,
    cuts: u64,
    /// The lowest entry that the segments at hand can hold; differs from the first only while recovery reads.
    lowest: u64,
}

impl Segment {
    pub(super) fn new(sequence: u64, capacity: u64) -> Self {
        Self { sequence, end: HEADER_BYTES, capacity, first: 0, points: Vec::new(), broken: false }
    }

    fn place(&self, point: Point) -> (u64, u64) {
        (self.first + u64::from(point.delta), u64::from(point.offset))
    }

    fn first_point(&self) -> Option<(u64, u64)> {
        self.points.first().map(|p| self.place(*p))
    }

    /// Notes an entry if the last point is far enough away.
    fn note(&mut self, index: u64, offset: u64) {
        let Some(last) = self.points.last() else {
            self.first = index;
            return self.push(index, offset);
        };
        if self.broken || offset - u64::from(last.offset) >= POINT_BYTES {
            self.push(index, offset);
        }
    }

    fn push(&mut self, index: u64, offset: u64) {
        let delta = u32::try_from(index - self.first).expect("a segment holds fewer than 2^32 entries");
        let offset = u32::try_from(offset).expect("a segment is smaller than 4 GiB");
        self.points.push(Point { delta, offset });
        self.broken = false;
    }

    fn cut_after(&mut self, index: u64) {
        let first = self.first;
        let keep = self.points.partition_point(|p| first + u64::from(p.delta) <= index);
        self.points.truncate(keep);
    }
}

impl LogState {
    /// As a base record says; segments come by themselves.
    pub(super) fn new(base: Base) -> Self {
        let mut terms = Vec::new();
        if base.last_index > base.start.index {
            terms.push(TermRange { first: base.last_index, term: base.last_term });
        }
        Self {
            hard_state: base.hard_state,
            start: base.start,
            conf_states: base.conf_states,
            changes: Vec::new(),
            segments: VecDeque::new(),
            terms,
            last: base.last_index,
            cuts: 0,
            lowest: base.last_index + 1,
        }
    }

    /// The state that a segment must hold of the segments before.
    pub(super) fn base(&self) -> Base {
        Base {
            hard_state: self.hard_state,
            start: self.start.clone(),
            last_index: self.last,
            last_term: self.last_term(),
            conf_states: self.conf_states.clone(),
        }
    }

    pub(super) fn first_index(&self) -> u64 {
        self.start.index + 1
    }

    pub(super) fn last_index(&self) -> u64 {
        self.last
    }

    fn last_term(&self) -> u64 {
        self.terms.last().map_or(self.start.term, |range| range.term)
    }

    /// The lowest entry that a segment at hand holds or could hold.
    pub(super) fn lowest_index(&self) -> u64 {
        self.lowest
    }

    /// The end of the last batch.
    pub(super) fn mark(&self) -> Mark {
        let (segment, offset) = self.segments.back().map_or((0, 0), |s| (s.sequence, s.end));
        Mark { segment, offset, index: self.last, term: self.last_term() }
    }

    pub(super) fn term(&self, index: u64) -> Option<u64> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        if index < self.start.index || index > self.last {
            return None;
        }
        let after = self.terms.partition_point(|range| range.first <= index);
        self.terms.get(after.checked_sub(1)?).map(|range| range.term)
    }

    /// Bytes in use of all segments at hand.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.end).sum()
    }

    /// A batch came to stand at the end of the last segment.
    pub(super) fn apply_batch(&mut self, effects: impl Iterator<Item = Effect>, end: u64) {
        effects.for_each(|effect| self.apply(effect));
        self.end_batch(end);
    }

    /// The batch whose effects were applied ends there.
    pub(super) fn end_batch(&mut self, end: u64) {
        if let Some(segment) = self.segments.back_mut() {
            segment.end = end;
        }
    }

    /// One record takes effect. Recovery has looked at the record's numbers ([`super::possible`]), and the writer checked its batch.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Base(_) => {}
            Effect::HardState(hard_state) => self.hard_state = hard_state,
            Effect::Start(mark) => self.move_start(mark),
            Effect::Reset(mark) => self.reset(mark),
            Effect::Entry { index, term, offset, change } => {
                self.push(index, term, offset);
                if change {
                    self.changes.push(index);
                }
            }
            Effect::ConfState(index, conf_state) => self.push_conf_state(index, conf_state),
        }
    }

    fn push_conf_state(&mut self, index: u64, conf_state: ConfState) {
        self.conf_states.retain(|(at, _)| *at < index);
        if index > self.start.index {
            self.conf_states.push((index, conf_state));
        }
    }

    fn move_start(&mut self, mark: SnapshotMark) {
        self.conf_states.retain(|(at, _)| *at > mark.index);
        self.changes.retain(|at| *at > mark.index);
        let gone = self.terms.partition_point(|range| range.first <= mark.index + 1);
        self.terms.drain(..gone.saturating_sub(1));
        if self.last <= mark.index {
            self.terms.clear();
        }
        self.start = mark;
    }

    fn reset(&mut self, mark: SnapshotMark) {
        self.cut_after(0);
        self.conf_states.clear();
        self.last = mark.index;
        self.lowest = mark.index + 1;
        self.start = mark;
    }

    fn push(&mut self, index: u64, term: u64, offset: u64) {
        if index <= self.last {
            self.cut_after(index - 1);
        }
        if self.last_term() != term || self.terms.is_empty() {
            self.terms.push(TermRange { first: index, term });
        }
        self.last = index;
        if let Some(segment) = self.segments.back_mut() {
            segment.note(index, offset);
        }
    }

    /// Takes out the entries after `index`; the bytes in the files stay there.
    fn cut_after(&mut self, index: u64) {
        for segment in self.segments.iter_mut().rev() {
            segment.cut_after(index);
            if !segment.points.is_empty() {
                break;
            }
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.broken = true;
        }
        let keep = self.terms.partition_point(|range| range.first <= index);
        self.terms.truncate(keep);
        self.conf_states.retain(|(at, _)| *at <= index);
        self.changes.retain(|at| *at <= index);
        self.last = index;
        self.lowest = self.lowest.min(index + 1);
        self.cuts += 1;
    }

    /// The stretch that holds an entry: its nearest point, and where the next point is.
    pub(super) fn span(&self, index: u64) -> Option<Span> {
        if index < self.first_index() || index > self.last {
            return None;
        }
        let at = self.segments.iter().rposition(|s| s.first_point().is_some_and(|(first, _)| first <= index))?;
        let segment = &self.segments[at];
        let after = segment.points.partition_point(|p| segment.place(*p).0 <= index);
        let (first, offset) = segment.place(*segment.points.get(after.checked_sub(1)?)?);
        let (next, end) = match segment.points.get(after) {
            Some(point) => segment.place(*point),
            None => (self.next_segment_first(at), segment.end),
        };
        Some(Span { sequence: segment.sequence, first, offset, next, end, cuts: self.cuts })
    }

    fn next_segment_first(&self, at: usize) -> u64 {
        let next = self.segments.iter().skip(at + 1).find_map(Segment::first_point);
        next.map_or(self.last + 1, |(first, _)| first)
    }

    /// Takes out of the state the segments whose entries are all at or below the start; their numbers, oldest first.
    pub(super) fn take_forgotten(&mut self) -> Vec<u64> {
        let keep = self.span(self.first_index()).map(|span| span.sequence);
        let keep = keep.or_else(|| self.segments.back().map(|s| s.sequence)).unwrap_or(0);
        let gone = self.segments.partition_point(|s| s.sequence < keep);
        self.segments.drain(..gone).map(|s| s.sequence).collect()
    }

    /// A new segment follows; the segment before gives back unused memory of its index.
    pub(super) fn add_segment(&mut self, segment: Segment) {
        if let Some(full) = self.segments.back_mut() {
            full.points.shrink_to_fit();
        }
        self.segments.push_back(segment);
    }
}
