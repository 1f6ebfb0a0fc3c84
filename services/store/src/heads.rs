//! The heads of queues: where the rows of an index begin that the rules take from its front.
//!
//! A removed row leaves a tombstone until a compaction, and a read from the beginning of a queue passes over all tombstones before
//! the first row: the more records a day has seen, the longer each preview would take. A head is a lower bound of the keys of a
//! queue, so a read that begins there misses no row. Never holds a row. Kept by [`crate::Store`], the only writer.
//!
//! Two kinds: the heads of the few queues of due work are exact, and consistent states of other threads have them too; the
//! heads of all other prefixes are found by the reads of the newest state.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    ops,
    sync::Arc,
};

use foldhash::fast::RandomState;
use records::{Bound, Encoded, Key, Table, behind_prefix};

use crate::{engine::Engine, error::StoreError, rows};

/// Prefixes with a head found by a read, at most: the callbacks of a few hundred agents in a few windows.
const FOUND_MAX: usize = 4_096;
/// The tables with exact heads.
const QUEUES: [Table; 5] =
    [Table::HeldByTime, Table::CallbackByDue, Table::WaitingUntil, Table::HeldByGroup, Table::DncRest];

/// Bytes of an encoded key that name the queue of the row; none: the table has no exact heads.
const fn queue_bytes(table: Table) -> Option<usize> {
    match table {
        Table::HeldByTime | Table::WaitingUntil | Table::DncRest => Some(0),
        Table::CallbackByDue => Some(1), // personal ones apart
        Table::HeldByGroup => Some(4),   // by group
        _ => None,
    }
}

/// Whether reads of the newest state find heads in this table.
const fn is_found(table: Table) -> bool {
    matches!(table, Table::Dialable | Table::HeldByGroup)
}

/// Where the rows of a bound begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Not known: at the bound itself.
    Unknown,
    /// No row is before this engine's key.
    At(Encoded),
    /// The bound has no row.
    Empty,
}

/// The first key of each queue of due work, by the queue's prefix; both are engine's keys. A queue without an entry is empty.
/// Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queues(Arc<BTreeMap<Encoded, Encoded>>);

impl Queues {
    /// The heads of the newest state.
    fn read(engine: &Engine) -> Result<Self, StoreError> {
        let mut heads = BTreeMap::new();
        for table in QUEUES {
            let whole = rows::tagged(table, &[]);
            let mut next = Some(whole.to_vec());
            while let Some(from) = next.take() {
                if let Some(head) = first(engine, &from, &whole)? {
                    let queue = queue_of(table, &head);
                    next = behind_prefix(&queue);
                    heads.insert(queue, head);
                }
            }
        }
        Ok(Self(Arc::new(heads)))
    }

    /// Where the rows of a bound begin, if the bound consists of whole queues.
    pub(crate) fn start(&self, bound: &Bound) -> Start {
        let Some(bytes) = queue_bytes(bound.table) else { return Start::Unknown };
        let from = (&bound.from).max(&bound.prefix);
        if from.len() > bytes || bound.prefix.len() > bytes {
            return Start::Unknown;
        }
        let (from, prefix) = (rows::tagged(bound.table, from), rows::tagged(bound.table, &bound.prefix));
        let queues = self.0.range::<[u8], _>((ops::Bound::Included(&*from), ops::Bound::Unbounded));
        match queues.map(|(_, head)| head).next().filter(|head| head.starts_with(&prefix)) {
            Some(head) => Start::At(head.clone()),
            None => Start::Empty,
        }
    }
}

/// The prefix of a row's queue, with the table's tag.
fn queue_of(table: Table, place: &[u8]) -> Encoded {
    let bytes = 1 + queue_bytes(table).unwrap_or(0);
    Encoded::from_slice(&place[..bytes.min(place.len())])
}

/// The first engine's key from `from` on with a prefix.
fn first(engine: &Engine, from: &[u8], prefix: &[u8]) -> Result<Option<Encoded>, StoreError> {
    let row = engine.range(None, rows::space(prefix), from, prefix).and_then(|mut rows| rows.next());
    let pair = row.map(|row| row.into_inner().map_err(StoreError::engine("reading the head of a queue")));
    Ok(pair.transpose()?.map(|(key, _)| Encoded::from_slice(&key)))
}

/// Heads found by reads, by the engine's key of the prefix; none: no row has the prefix.
#[derive(Debug, Default)]
struct Found {
    heads: HashMap<Encoded, Option<Encoded>, RandomState>,
    /// The lengths of the prefixes, a bit each: a written key looks up these prefixes of its own.
    lengths: u128,
}

impl Found {
    fn start(&self, prefix: &[u8]) -> Start {
        match self.heads.get(prefix) {
            None => Start::Unknown,
            Some(None) => Start::Empty,
            Some(Some(head)) => Start::At(head.clone()),
        }
    }

    fn note(&mut self, prefix: Encoded, head: Option<Encoded>) {
        let Some(bit) = u32::try_from(prefix.len()).ok().and_then(|length| 1u128.checked_shl(length)) else { return };
        if self.heads.len() >= FOUND_MAX && !self.heads.contains_key(&prefix) {
            *self = Self::default();
        }
        self.lengths |= bit;
        self.heads.insert(prefix, head);
    }

    /// A row is set: no head of a prefix of its key may be behind it.
    fn lower(&mut self, place: &[u8]) {
        let mut lengths = self.lengths;
        while lengths != 0 {
            let length = lengths.trailing_zeros() as usize;
            lengths &= lengths - 1;
            let Some(prefix) = place.get(..length) else { break };
            if let Some(head) = self.heads.get_mut(prefix)
                && head.as_ref().is_none_or(|head| place < &head[..])
            {
                *head = Some(Encoded::from_slice(place));
            }
        }
    }
}

/// The heads of the newest state.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    queues: Queues,
    /// Queues whose first row the batch removes.
    stale: BTreeSet<Encoded>,
    found: RefCell<Found>,
}

impl Heads {
    /// The heads of a database that was just opened.
    pub(crate) fn read(engine: &Engine) -> Result<Self, StoreError> {
        Ok(Self { queues: Queues::read(engine)?, ..Self::default() })
    }

    /// The exact heads, for a consistent state.
    pub(crate) fn queues(&self) -> Queues {
        self.queues.clone()
    }

    /// Where the rows of a bound begin in the newest state.
    pub(crate) fn start(&self, bound: &Bound) -> Start {
        match self.queues.start(bound) {
            Start::Unknown if is_from_front(bound) => {
                self.found.borrow().start(&rows::tagged(bound.table, &bound.prefix))
            }
            start => start,
        }
    }

    /// A read of a bound from its beginning gave this key first; none: no row.
    pub(crate) fn note(&self, bound: &Bound, first: Option<&Key>) {
        if is_from_front(bound) {
            let head = first.map(|key| rows::tagged(bound.table, &key.encode()));
            self.found.borrow_mut().note(rows::tagged(bound.table, &bound.prefix), head);
        }
    }

    /// A row of the batch is set, or else removed.
    pub(crate) fn change(&mut self, table: Table, place: &[u8], is_set: bool) {
        if queue_bytes(table).is_some() {
            let queue = queue_of(table, place);
            let head = self.queues.0.get(&queue);
            if is_set && head.is_none_or(|head| place < &head[..]) {
                Arc::make_mut(&mut self.queues.0).insert(queue, Encoded::from_slice(place));
            } else if !is_set && head.is_some_and(|head| place == &head[..]) {
                self.stale.insert(queue);
            }
        }
        if is_set && is_found(table) {
            self.found.get_mut().lower(place);
        }
    }

    /// Moves the heads whose rows the batch has removed to the next rows; once the batch is written.
    pub(crate) fn refresh(&mut self, engine: &Engine) -> Result<(), StoreError> {
        for queue in std::mem::take(&mut self.stale) {
            let Some(before) = self.queues.0.get(&queue).cloned() else { continue };
            let heads = Arc::make_mut(&mut self.queues.0);
            match first(engine, &before, &queue)? {
                Some(head) => heads.insert(queue, head),
                None => heads.remove(&queue),
            };
        }
        Ok(())
    }
}

/// Whether a read begins at the first row of its prefix, in a table where reads find heads.
fn is_from_front(bound: &Bound) -> bool {
    is_found(bound.table) && bound.from <= bound.prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(table: Table, key: &[u8]) -> Encoded {
        rows::tagged(table, key)
    }

    fn bound(table: Table, from: &[u8], prefix: &[u8]) -> Bound {
        Bound { table, from: from.to_vec(), prefix: prefix.to_vec() }
    }

    fn at(table: Table, key: &[u8]) -> Start {
        Start::At(place(table, key))
    }

    #[test]
    fn a_bound_of_whole_queues_begins_at_the_first_head_of_them() {
        let table = Table::HeldByGroup;
        let mut heads = Heads::default();
        for key in [[0, 0, 0, 2, 9], [0, 0, 0, 2, 7], [0, 0, 0, 5, 1], [0, 0, 0, 2, 8]] {
            heads.change(table, &place(table, &key), true);
        }
        let bounds: [(&[u8], &[u8], Start); 8] = [
            (&[], &[], at(table, &[0, 0, 0, 2, 7])),
            (&[], &[0, 0, 0, 2], at(table, &[0, 0, 0, 2, 7])),
            (&[0, 0, 0, 3], &[], at(table, &[0, 0, 0, 5, 1])),
            (&[0, 0, 0, 3], &[0, 0], at(table, &[0, 0, 0, 5, 1])),
            (&[0, 0, 0, 3], &[0, 0, 0, 3], Start::Empty),
            (&[0, 0, 0, 6], &[], Start::Empty),
            (&[0, 0, 1], &[], Start::Empty),
            (&[0, 0, 0, 2, 7], &[], Start::Unknown),
        ];
        for (from, prefix, start) in bounds {
            assert_eq!(heads.queues().start(&bound(table, from, prefix)), start, "{from:?} {prefix:?}");
        }
        assert_eq!(heads.queues().start(&bound(Table::HeldByTime, &[], &[])), Start::Empty);
        assert_eq!(heads.queues().start(&bound(Table::RecordById, &[], &[])), Start::Unknown);
    }

    #[test]
    fn a_head_that_a_read_found_is_lowered_by_the_rows_of_its_prefix_alone() {
        let table = Table::Dialable;
        let mut heads = Heads::default();
        let (one, other) = (bound(table, &[], &[1]), bound(table, &[2], &[2]));
        assert_eq!(heads.start(&one), Start::Unknown);
        [&one, &other].into_iter().for_each(|bound| heads.note(bound, None));
        assert_eq!([heads.start(&one), heads.start(&other)], [Start::Empty, Start::Empty]);
        for (key, first) in [([1, 7], [1, 7]), ([1, 9], [1, 7]), ([1, 5], [1, 5])] {
            heads.change(table, &place(table, &key), true);
            assert_eq!(heads.start(&one), at(table, &first), "{key:?}");
        }
        heads.change(table, &place(table, &[1, 5]), false);
        assert_eq!(heads.start(&one), at(table, &[1, 5]), "a lower bound still");
        assert_eq!(heads.start(&other), Start::Empty);
        assert_eq!(heads.start(&bound(table, &[1, 2], &[1])), Start::Unknown, "not from the front");
    }

    #[test]
    fn no_more_heads_are_kept_than_the_limit_and_none_of_a_long_prefix() {
        let heads = Heads::default();
        let numbered = |number: usize| bound(Table::Dialable, &[], &number.to_be_bytes());
        (0..3 * FOUND_MAX).for_each(|number| heads.note(&numbered(number), None));
        assert!(heads.found.borrow().heads.len() <= FOUND_MAX);
        assert_eq!(heads.start(&numbered(3 * FOUND_MAX - 1)), Start::Empty);
        let long = bound(Table::Dialable, &[], &[7; 200]);
        heads.note(&long, None);
        assert_eq!(heads.start(&long), Start::Unknown);
    }
}
