//! The views of the state: the newest, for the apply thread, and consistent states, for all other threads.
//!
//! A fault of the disk below a view that decides poisons the view ([`CurrentView::check`]); a fault below a client's read ends
//! the process (`fatal`). Called through [`records::View`].

use std::sync::{Arc, OnceLock};

use fjall::{Guard, Slice, Snapshot};
use records::{
    Below, Bound, Changes, Declared, Encoded, Key, Row, Settings, Table, View, digest_of_changes, records_of_all_lists,
};

use crate::{
    AppliedMark,
    contents::Contents,
    counted::Counted,
    engine::Engine,
    error::StoreError,
    fatal::or_fatal,
    fault::Fault,
    heads::{Heads, Queues, Start},
    highest_ids::HighestIds,
    mark::{Digests, StateMark},
    recent::Recent,
    requests::{self, Floors},
    rows,
};

/// The newest state. Only the apply thread has this view, and the borrow excludes writes during reads.
pub struct CurrentView<'a> {
    engine: &'a Engine,
    seen: &'a HighestIds,
    contents: &'a Contents,
    recent: &'a Recent,
    counted: &'a Counted,
    heads: &'a Heads,
    settings: Option<&'a Arc<Settings>>,
    declared: Option<&'a Arc<Declared>>,
    /// Whether the state may have a Do-Not-Call entry: each added record looks up two.
    lists_phones: bool,
    floors: &'a Floors,
    fault: &'a Fault,
}

impl<'a> CurrentView<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        (seen, contents): (&'a HighestIds, &'a Contents),
        (recent, counted, heads): (&'a Recent, &'a Counted, &'a Heads),
        (settings, declared, lists_phones): (Option<&'a Arc<Settings>>, Option<&'a Arc<Declared>>, bool),
        (floors, fault): (&'a Floors, &'a Fault),
    ) -> Self {
        Self { engine, seen, contents, recent, counted, heads, settings, declared, lists_phones, floors, fault }
    }

    /// Whether every read so far was answered. Asked before a reply of a decision leaves; [`crate::Store::write`] asks by itself.
    ///
    /// # Errors
    /// A read failed, and every read since then answered none: nothing that was decided on this view may be used.
    pub fn check(&self) -> Result<(), StoreError> {
        self.fault.check()
    }
}

impl View for CurrentView<'_> {
    fn get(&self, key: &Key) -> Option<Row> {
        if self.fault.is_met() {
            return None;
        }
        match key {
            Key::Content(..) => return self.contents.get(&key.encode()),
            Key::Settings => return self.settings.cloned().map(Row::Settings),
            Key::Declared => return self.declared.cloned().map(Row::Declared),
            Key::Meta | Key::Counter(_) | Key::Floor { .. } | Key::Phones => return self.counted.get(key),
            Key::Dnc(..) if !self.lists_phones => return None,
            Key::Record(handle) => {
                if let Some(row) = self.recent.get(*handle) {
                    return Some(row);
                }
            }
            _ => {}
        }
        let place = place(key);
        if key.table() == Table::Request && !self.seen.may_hold(&place) {
            return None;
        }
        self.fault.sound(self.engine, get((self.engine, None), self.floors, key.table(), &place)).flatten()
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        if self.fault.is_met() {
            return Vec::new();
        }
        if Counted::has(bound.table) {
            return self.counted.next(bound, limit);
        }
        let start = match self.heads.start(bound) {
            Start::Empty => return Vec::new(),
            start => start,
        };
        let rows = self.fault.sound(self.engine, next((self.engine, None), self.floors, bound, &start, limit));
        if let Some(rows) = rows.as_ref().filter(|_| limit > 0) {
            self.heads.note(bound, rows.first().map(|(key, _)| key));
        }
        rows.unwrap_or_default()
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        if self.fault.is_met() {
            return None;
        }
        self.fault.sound(self.engine, last((self.engine, None), self.floors, below)).flatten()
    }
}

/// The state at one index, unaffected by later writes. Cheap to clone. Has no content index: to decide updates, see
/// [`StateSnapshot::for_replay`].
#[derive(Clone)]
pub struct StateSnapshot(Arc<Inner>);

struct Inner {
    snapshot: Snapshot,
    engine: Arc<Engine>,
    state: StateMark,
    floors: Floors,
    queues: Queues,
    written: u64,
    /// The rows of the settings and of the declaration, cached: every read of a client looks at both.
    settings: OnceLock<Option<Row>>,
    declared: OnceLock<Option<Row>>,
}

impl StateSnapshot {
    /// Only the writer takes a snapshot, and only between two batches (see `reader`). `written`: see
    /// [`StateSnapshot::written_since`].
    pub(crate) fn new(engine: Arc<Engine>, state: StateMark, floors: Floors, queues: Queues, written: u64) -> Self {
        let (settings, declared) = (OnceLock::new(), OnceLock::new());
        let snapshot = engine.snapshot();
        Self(Arc::new(Inner { snapshot, engine, state, floors, queues, written, settings, declared }))
    }

    /// Bytes of the engine's memory that this process wrote between an earlier state and this state.
    pub fn written_since(&self, earlier: &Self) -> u64 {
        self.0.written.saturating_sub(earlier.0.written)
    }

    /// The last applied entry.
    pub fn applied(&self) -> &AppliedMark {
        &self.0.state.applied
    }

    /// The cluster that the state belongs to.
    pub fn cluster(&self) -> &[u8; 16] {
        self.0.engine.cluster()
    }

    /// The digest of all state rows.
    pub fn digest(&self) -> u128 {
        self.0.state.digest
    }

    /// Count of records over all lists; under rules version 4 and later, reads a row of each list.
    pub fn records(&self) -> u64 {
        records_of_all_lists(self)
    }

    /// This state with a content index, for deciding updates; reads every remembered request.
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn for_replay(&self) -> Result<ReplayView<'_>, StoreError> {
        let contents = Contents::of(self.engine(), self.at(), self.floors(), |_| {})?;
        Ok(ReplayView { state: self, contents, fault: Fault::default() })
    }

    pub(crate) fn floors(&self) -> &Floors {
        &self.0.floors
    }

    pub(crate) fn state(&self) -> &StateMark {
        &self.0.state
    }

    /// The digests kept at indexes divisible by [`crate::DIGEST_INTERVAL`], oldest first.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn kept_digests(&self) -> Result<Vec<(u64, u128)>, StoreError> {
        Ok(self.digests()?.kept())
    }

    pub(crate) fn digests(&self) -> Result<Digests, StoreError> {
        self.0.engine.digests(Some(&self.0.snapshot))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    pub(crate) fn at(&self) -> Option<&Snapshot> {
        Some(&self.0.snapshot)
    }

    fn source(&self) -> Source<'_> {
        (&self.0.engine, self.at())
    }

    pub(crate) fn try_get(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        get(self.source(), self.floors(), key.table(), &place(key))
    }

    pub(crate) fn try_next(&self, bound: &Bound, limit: u32) -> Result<Vec<(Key, Row)>, StoreError> {
        match self.0.queues.start(bound) {
            Start::Empty => Ok(Vec::new()),
            start => next(self.source(), self.floors(), bound, &start, limit),
        }
    }

    fn try_last(&self, below: &Below) -> Result<Option<(Key, Row)>, StoreError> {
        last(self.source(), self.floors(), below)
    }
}

impl View for StateSnapshot {
    const LACKS: &'static [Table] = &[Table::Content];

    fn get(&self, key: &Key) -> Option<Row> {
        let read = || or_fatal(self.engine(), "reading a row", self.try_get(key));
        match key {
            Key::Content(..) => None,
            Key::Settings => self.0.settings.get_or_init(read).clone(),
            Key::Declared => self.0.declared.get_or_init(read).clone(),
            _ => read(),
        }
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        or_fatal(self.engine(), "reading a range", self.try_next(bound, limit))
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        or_fatal(self.engine(), "reading a range", self.try_last(below))
    }
}

/// A state with a content index, on which updates can be decided again.
pub struct ReplayView<'a> {
    state: &'a StateSnapshot,
    contents: Contents,
    fault: Fault,
}

impl ReplayView<'_> {
    /// The digest of the state after these changes, which were decided on this view.
    ///
    /// # Errors
    /// A read failed, and every read since then answered none: the changes are not those of the log.
    pub fn digest_after(&self, changes: &Changes) -> Result<u128, StoreError> {
        self.fault.check()?;
        let seed = rows::digest_seed(self.state.cluster());
        Ok(self.state.digest().wrapping_add(digest_of_changes(seed, changes)))
    }

    /// The answer of a read; none from the first fault on.
    fn sound<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Option<T> {
        if self.fault.is_met() {
            return None;
        }
        self.fault.sound(self.state.engine(), read())
    }
}

impl View for ReplayView<'_> {
    fn get(&self, key: &Key) -> Option<Row> {
        self.sound(|| match key {
            Key::Content(..) => Ok(self.contents.get(&key.encode())),
            _ => self.state.try_get(key),
        })
        .flatten()
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.sound(|| self.state.try_next(bound, limit)).unwrap_or_default()
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.sound(|| self.state.try_last(below)).flatten()
    }
}

fn place(key: &Key) -> Encoded {
    rows::tagged(key.table(), &key.encode())
}

/// The engine and a snapshot of it; none: the newest state.
type Source<'a> = (&'a Engine, Option<&'a Snapshot>);

fn get((engine, at): Source<'_>, floors: &Floors, table: Table, place: &[u8]) -> Result<Option<Row>, StoreError> {
    if table == Table::Request && floors.hides(place) {
        return Ok(None);
    }
    let found = engine.get(at, rows::space(place), place).map_err(StoreError::engine("reading a row"))?;
    found.map(|bytes| rows::row(table, &bytes)).transpose()
}

fn next(
    (engine, at): Source<'_>,
    floors: &Floors,
    bound: &Bound,
    start: &Start,
    limit: u32,
) -> Result<Vec<(Key, Row)>, StoreError> {
    debug_assert!(bound.table.is_ordered(), "{:?} has no order", bound.table);
    let from = match start {
        Start::At(head) => head.clone(),
        Start::Unknown | Start::Empty => rows::tagged(bound.table, &bound.from),
    };
    let prefix = rows::tagged(bound.table, &bound.prefix);
    if bound.table == Table::Request {
        return requests::range(engine, at, floors, &from, &prefix).take(limit as usize).map(read).collect();
    }
    let range = engine.range(at, rows::space(&prefix), &from, &prefix).into_iter().flatten();
    range.take(limit as usize).map(|pair| read(pair.into_inner())).collect()
}

fn last((engine, at): Source<'_>, floors: &Floors, below: &Below) -> Result<Option<(Key, Row)>, StoreError> {
    debug_assert!(below.table.is_ordered(), "{:?} has no order", below.table);
    let prefix = rows::tagged(below.table, &below.prefix);
    let until = match below.until() {
        Some(until) => rows::tagged(below.table, &until),
        None => Encoded::from_slice(&[below.table.tag() + 1]),
    };
    if until <= prefix {
        return Ok(None);
    }
    let found = match below.table {
        Table::Request => requests::last(engine, at, floors, &prefix, &until),
        _ => {
            engine.between(at, rows::space(&prefix), &prefix, Some(until.into_vec())).next_back().map(Guard::into_inner)
        }
    };
    found.map(read).transpose()
}

fn read(pair: fjall::Result<(Slice, Slice)>) -> Result<(Key, Row), StoreError> {
    let (key, value) = pair.map_err(StoreError::engine("reading a range"))?;
    rows::pair(&key, &value)
}
