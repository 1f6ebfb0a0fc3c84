//! The changes of an entry over a state: a command reads the changes of earlier commands of the same entry.
//!
//! The overlay caches rows read from the engine, so that an entry fetches each row once. Never writes to the engine. Made by
//! [`crate::decide_entry`]; the engine gets [`Changes`].

mod runs;

use std::{
    cell::{OnceCell, RefCell},
    cmp::Ordering,
    collections::BTreeMap,
    sync::Arc,
};

use runs::{Pages, Runs};

use crate::{
    counters::{self, Counters, Written},
    declared::Declared,
    rules::Rules,
    settings::Settings,
    tables::{Encoded, Key, Row, Table},
    view::{Below, Bound, Change, Changes, View},
};

/// Table and encoded key: the order of changes.
type TableKey = (Table, Encoded);

/// A row read or changed.
#[derive(Debug)]
struct Slot {
    key: Key,
    old: Option<Row>,
    /// None: read, not changed.
    new: Option<Option<Row>>,
}

impl Slot {
    fn current(&self) -> Option<&Row> {
        self.new.as_ref().unwrap_or(&self.old).as_ref()
    }
}

/// A view with changes over it; itself a view.
#[derive(Debug)]
pub struct Overlay<'a, V: View> {
    base: &'a V,
    slots: RefCell<Slots>,
    /// Runs of the base by prefix, cached for the commands of an entry that take rows from the front of the same windows.
    runs: RefCell<Runs>,
    /// The row of the settings, cached: every command reads this row. None: not read yet.
    settings: OnceCell<Option<Arc<Settings>>>,
    /// The declaration, cached as `settings`.
    declared: OnceCell<Arc<Declared>>,
    /// The counters of rules versions from 4 on as the last command left them, with their rows: every command reads them. None:
    /// not read yet, or taken by a command.
    counters: Option<(Counters, Written)>,
}

/// Slots of a chunk: two commands touch this many.
const CHUNK_SLOTS: usize = 16;

/// Rows by place. The tree holds only places and positions: with rows in the tree, every insertion would move rows.
#[derive(Debug, Default)]
struct Slots {
    places: BTreeMap<TableKey, usize>,
    /// Chunks of [`CHUNK_SLOTS`], all but the last full: a vector that grows would move its slots, and the slots of an import fill
    /// megabytes.
    chunks: Vec<Vec<Slot>>,
}

impl Slots {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn at(&self, at: usize) -> &Slot {
        &self.chunks[at / CHUNK_SLOTS][at % CHUNK_SLOTS]
    }

    fn get(&self, place: &TableKey) -> Option<&Slot> {
        self.places.get(place).map(|at| self.at(*at))
    }

    fn get_or_insert_with(&mut self, place: TableKey, slot: impl FnOnce() -> Slot) -> &mut Slot {
        let Self { places, chunks } = self;
        let next = places.len();
        let at = *places.entry(place).or_insert(next);
        if at == chunks.len() * CHUNK_SLOTS {
            chunks.push(Vec::with_capacity(CHUNK_SLOTS));
        }
        let chunk = &mut chunks[at / CHUNK_SLOTS];
        if at == next {
            chunk.push(slot());
        }
        &mut chunk[at % CHUNK_SLOTS]
    }

    /// The slots from a place on, in order.
    fn from(&self, place: TableKey) -> impl Iterator<Item = (&TableKey, &Slot)> {
        self.places.range(place..).map(|(place, at)| (place, self.at(*at)))
    }

    /// The changed slots of a range, in order.
    fn changed(&self, below: &Below) -> impl DoubleEndedIterator<Item = (&Encoded, &Slot)> {
        let places = below.range().map(|range| self.places.range::<TableKey, _>(range));
        let slots = places.into_iter().flatten().map(|(place, at)| (&place.1, self.at(*at)));
        slots.filter(|(_, slot)| slot.new.is_some())
    }

    /// All slots, in order.
    fn into_ordered(self) -> impl Iterator<Item = Slot> {
        let Self { places, chunks } = self;
        let mut chunks: Vec<Vec<Option<Slot>>> =
            chunks.into_iter().map(|chunk| chunk.into_iter().map(Some).collect()).collect();
        places.into_values().filter_map(move |at| chunks[at / CHUNK_SLOTS][at % CHUNK_SLOTS].take())
    }
}

impl<'a, V: View> Overlay<'a, V> {
    /// An overlay without changes over `base`.
    pub fn new(base: &'a V) -> Self {
        let (slots, runs) = (RefCell::default(), RefCell::default());
        Self { base, slots, runs, settings: OnceCell::new(), declared: OnceCell::new(), counters: None }
    }

    /// The same view without caching: for reads of unbounded number.
    pub(crate) fn uncached(&self) -> Uncached<'_, 'a, V> {
        Uncached(self)
    }

    /// Options and version of the rules in the state; none: rules version 1.
    pub(crate) fn settings(&self) -> Option<&Arc<Settings>> {
        let read = || match self.base.get(&Key::Settings) {
            Some(Row::Settings(settings)) => Some(settings),
            _ => None,
        };
        self.settings.get_or_init(read).as_ref()
    }

    /// The options in effect: the state's, or the node's own for a state without settings.
    pub(crate) fn options(&self, own: &Rules) -> Rules {
        #[cfg(mutant)]
        if crate::mutant::own_options() {
            return *own;
        }
        self.settings().map_or(*own, |settings| settings.rules(own))
    }

    /// Sets the settings.
    pub(crate) fn put_settings(&mut self, settings: Settings) {
        let settings = Arc::new(settings);
        self.put(Key::Settings, Row::Settings(settings.clone()));
        self.settings = OnceCell::from(Some(settings));
    }

    /// The declaration beside lists and options.
    pub(crate) fn declared(&self) -> &Arc<Declared> {
        self.declared.get_or_init(|| match self.base.get(&Key::Declared) {
            Some(Row::Declared(declared)) => declared,
            _ => Arc::default(),
        })
    }

    /// Sets the declaration.
    pub(crate) fn put_declared(&mut self, declared: Declared) {
        let declared = Arc::new(declared);
        self.put(Key::Declared, Row::Declared(declared.clone()));
        self.declared = OnceCell::from(declared);
    }

    /// Whether counters are rows of their own. The state decides, and not the version of a command.
    fn has_parted_counters(&self) -> bool {
        self.settings().is_some_and(|settings| counters::are_parted_under(settings))
    }

    /// The counters for a command, with their rows; no rows: the counters are one row.
    pub(crate) fn take_counters(&mut self) -> (Counters, Option<Written>) {
        if !self.has_parted_counters() {
            return (counters::whole(self), None);
        }
        let (counters, written) = self.counters.take().unwrap_or_else(|| {
            let counters = counters::parted(&self.uncached());
            let written = Written::of(&counters);
            (counters, written)
        });
        (counters, Some(written))
    }

    /// Keeps the counters that a command has written for the next command.
    pub(crate) fn keep_counters(&mut self, counters: Counters, written: Written) {
        self.counters = Some((counters, written));
    }

    /// Sets a row.
    pub fn put(&mut self, key: Key, row: Row) {
        self.set(key, Some(row));
    }

    /// Sets a row that neither the base nor an earlier command has, without a read. A row in the place of an earlier command's is set,
    /// too.
    pub(crate) fn put_new(&mut self, key: Key, row: Row) {
        let place = (key.table(), key.encode());
        let fresh = || Slot { key, old: None, new: None };
        self.slots.get_mut().get_or_insert_with(place, fresh).new = Some(Some(row));
    }

    /// Removes a row, if present.
    pub fn remove(&mut self, key: Key) {
        self.set(key, None);
    }

    /// Removes a row that the caller knows, without a second read.
    pub(crate) fn remove_read(&mut self, key: Key, row: Row) {
        let place = (key.table(), key.encode());
        let read = || Slot { key, old: Some(row), new: None };
        self.slots.get_mut().get_or_insert_with(place, read).new = Some(None);
    }

    /// Removes a row that equals this row: a later command may have replaced the row.
    pub(crate) fn remove_if(&mut self, key: Key, row: &Row) {
        let place = (key.table(), key.encode());
        let base = self.base;
        let fresh = || Slot { old: base.get(&key), key, new: None };
        let slot = self.slots.get_mut().get_or_insert_with(place, fresh);
        if slot.current() == Some(row) {
            slot.new = Some(None);
        }
    }

    fn set(&mut self, key: Key, new: Option<Row>) {
        let place = (key.table(), key.encode());
        let base = self.base;
        let fresh = || {
            let old = base.get(&key);
            Slot { key, old, new: None }
        };
        self.counters = None; // the row may be of a counter
        self.slots.get_mut().get_or_insert_with(place, fresh).new = Some(new);
    }

    /// The changes, a key at most once, in the order of tags and encoded keys. Unchanged rows are left out, except records: a
    /// comparison of two records costs more than an occasional write of an equal record.
    pub fn into_changes(self) -> Changes {
        let record = |row: &Option<Row>| matches!(row, Some(Row::Record(_)));
        let changed = |slot: Slot| match slot.new {
            Some(new) if record(&new) || new != slot.old => Some(Change { key: slot.key, old: slot.old, new }),
            _ => None,
        };
        let slots = self.slots.into_inner();
        let mut changes = Vec::with_capacity(slots.len());
        changes.extend(slots.into_ordered().filter_map(changed));
        Changes(changes)
    }
}

impl<V: View> View for Overlay<'_, V> {
    const LACKS: &'static [Table] = V::LACKS;

    fn get(&self, key: &Key) -> Option<Row> {
        let place = (key.table(), key.encode());
        if let Some(slot) = self.slots.borrow().get(&place) {
            return slot.current().cloned();
        }
        let old = self.base.get(key);
        let read = || Slot { key: key.clone(), old: old.clone(), new: None };
        self.slots.borrow_mut().get_or_insert_with(place, read);
        old
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        let slots = self.slots.borrow();
        let from = (bound.table, Encoded::from_slice((&bound.from).max(&bound.prefix)));
        let covered = |place: &TableKey| place.0 == bound.table && place.1.starts_with(&bound.prefix);
        let mut ours = slots
            .from(from)
            .take_while(|(place, _)| covered(place))
            .filter(|(_, slot)| slot.new.is_some())
            .map(|(place, slot)| (place.1.as_slice(), slot))
            .peekable();
        if ours.peek().is_none() && !self.runs.borrow().has(bound) {
            return self.base.next(bound, limit);
        }
        let mut theirs = Pages::new(self.base, bound, limit, self.runs.borrow_mut().take(bound));
        let mut rows = Vec::new();
        while rows.len() < limit as usize {
            let order = match (theirs.peek(), ours.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(their_key), Some((our_key, _))) => their_key.cmp(our_key),
            };
            if order == Ordering::Less {
                rows.extend(theirs.take().cloned());
                continue;
            }
            if order == Ordering::Equal {
                theirs.take();
            }
            let slot = ours.next().map(|(_, slot)| slot);
            rows.extend(slot.and_then(|slot| slot.current().map(|row| (slot.key.clone(), row.clone()))));
        }
        self.runs.borrow_mut().keep(bound, theirs.into_run());
        rows
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        let slots = self.slots.borrow();
        let of_base = |below: &Below| self.base.last(below).map(|(key, row)| (key.encode(), key, row));
        let mut theirs = of_base(below);
        for (our_key, slot) in slots.changed(below).rev() {
            if theirs.as_ref().is_some_and(|(their_key, ..)| their_key > our_key) {
                break;
            }
            if let Some(row) = slot.current() {
                return Some((slot.key.clone(), row.clone()));
            }
            if theirs.as_ref().is_some_and(|(their_key, ..)| their_key == our_key) {
                theirs = of_base(&Below { before: Some(our_key.to_vec()), ..below.clone() });
            }
        }
        theirs.map(|(_, key, row)| (key, row))
    }
}

/// An overlay without caching.
pub(crate) struct Uncached<'o, 'a, V: View>(&'o Overlay<'a, V>);

impl<V: View> View for Uncached<'_, '_, V> {
    const LACKS: &'static [Table] = V::LACKS;

    fn get(&self, key: &Key) -> Option<Row> {
        let slots = self.0.slots.borrow();
        match slots.get(&(key.table(), key.encode())) {
            Some(slot) => slot.current().cloned(),
            None => self.0.base.get(key),
        }
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.0.next(bound, limit)
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.0.last(below)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use outbound::{Handle, RequestId};

    use super::{runs::HIDDEN_PAGE, *};
    use crate::{
        contract::{rows, view_contract},
        map::MapView,
        tables::{Class, EmptyRow, NumberRow, RequestRow, Window, WindowZone, window_prefix},
    };

    /// A base with a part of the suite's rows, some of them otherwise, and with other rows; the overlay makes the suite's rows.
    #[test]
    fn an_overlay_keeps_the_contract_of_a_view() {
        let mut map = MapView::default();
        let set = |key: Key, new: Row| Change { key, old: None, new: Some(new) };
        let of_base = rows().into_iter().step_by(2).map(|(key, row)| match row {
            Row::RecordById(_) => set(key, Row::RecordById(NumberRow { number: 5 })),
            row => set(key, row),
        });
        let strays = [u64::MAX - 1, 2, 254].map(id).into_iter();
        map.apply(&Changes(of_base.chain(strays.clone().map(|key| set(key, row(1)))).collect()));
        let request = Key::Request(RequestId { node: 9, ..RequestId::default() });
        map.apply(&Changes(vec![set(request.clone(), Row::Request(RequestRow::default()))]));

        let mut overlay = Overlay::new(&map);
        strays.chain([request]).for_each(|key| overlay.remove(key));
        rows().into_iter().for_each(|(key, row)| overlay.put(key, row));
        view_contract(&overlay.uncached(), &rows());
        view_contract(&overlay, &rows());
        rows().into_iter().for_each(|(key, _)| overlay.remove(key));
        view_contract(&overlay, &[]);
    }

    #[test]
    fn an_overlay_without_changes_shows_its_base() {
        let map = MapView::default();
        let mut of_map = Overlay::new(&map);
        rows().into_iter().for_each(|(key, row)| of_map.put(key, row));
        view_contract(&Overlay::new(&of_map), &rows());
    }

    fn id(record_id: u64) -> Key {
        Key::RecordById { list: 101, record_id }
    }

    fn row(number: u64) -> Row {
        Row::RecordById(NumberRow { number })
    }

    fn base(ids: &[u64]) -> MapView {
        let change = |at: &u64| Change { key: id(*at), old: None, new: Some(row(*at)) };
        let mut map = MapView::default();
        map.apply(&Changes(ids.iter().map(change).collect()));
        map
    }

    fn ids(view: &impl View, from: u64, limit: u32) -> Vec<u64> {
        let bound = Bound {
            table: Table::RecordById,
            from: id(from).encode().into_vec(),
            prefix: 101u32.to_be_bytes().to_vec(),
        };
        let number = |(_, row)| match row {
            Row::RecordById(row) => row.number,
            other => panic!("not of this table: {other:?}"),
        };
        view.next(&bound, limit).into_iter().map(number).collect()
    }

    #[test]
    fn an_ordered_read_sees_what_was_set_and_not_what_was_removed() {
        let base = base(&[1, 2, 3, 4, 5, 8]);
        let mut overlay = Overlay::new(&base);
        overlay.remove(id(1));
        overlay.remove(id(2));
        overlay.put(id(4), row(40));
        overlay.put(id(6), row(6));
        assert_eq!(ids(&overlay, 0, 2), [3, 40]);
        assert_eq!(ids(&overlay, 4, 9), [40, 5, 6, 8]);
        assert_eq!(ids(&base, 0, 2), [1, 2]);
    }

    /// A base that counts its reads in order.
    struct Counting {
        base: MapView,
        reads: Cell<u32>,
    }

    impl View for Counting {
        fn get(&self, key: &Key) -> Option<Row> {
            self.base.get(key)
        }

        fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
            self.reads.set(self.reads.get() + 1);
            self.base.next(bound, limit)
        }

        fn last(&self, below: &Below) -> Option<(Key, Row)> {
            self.base.last(below)
        }
    }

    #[test]
    fn rows_that_changes_hide_are_passed_over_in_few_reads_of_the_base() {
        let all: Vec<u64> = (1..=300).collect();
        let base = Counting { base: base(&all), reads: Cell::new(0) };
        for hidden in [0, 1, 64, 65, 200] {
            let mut overlay = Overlay::new(&base);
            (1..=hidden).for_each(|at| overlay.remove(id(at)));
            base.reads.set(0);
            assert_eq!(ids(&overlay, 0, 1), [hidden + 1]);
            let reads = u64::from(base.reads.get());
            assert!(reads <= 2 + hidden / u64::from(HIDDEN_PAGE), "{reads} reads for {hidden} hidden rows");
            assert_eq!(ids(&overlay, 0, 3), [hidden + 1, hidden + 2, hidden + 3]);
        }
    }

    #[test]
    fn records_that_an_entry_takes_from_the_front_of_a_window_are_read_once() {
        let window = Window { from: 0, till: 86_400, zone: WindowZone::OfList };
        let key = |at: u64| {
            let (class, window) = (Class::General, window.clone());
            Key::Dialable { list: 101, class, window, order: (0, at), handle: Handle(at) }
        };
        let all: Vec<Change> =
            (1..=300).map(|at| Change { key: key(at), old: None, new: Some(Row::Dialable(EmptyRow {})) }).collect();
        let mut map = MapView::default();
        map.apply(&Changes(all));
        let base = Counting { base: map, reads: Cell::new(0) };
        let mut overlay = Overlay::new(&base);
        let prefix = window_prefix(101, &Class::General, &window);
        let bound = |from: Vec<u8>| Bound { table: Table::Dialable, from, prefix: prefix.clone() };
        let mut taken = Vec::new();
        for _ in 0..100 {
            let first = overlay.next(&bound(prefix.clone()), 1).remove(0).0;
            let second = overlay.next(&bound([&first.encode()[..], &[0]].concat()), 1).remove(0).0;
            overlay.remove(first.clone());
            overlay.remove(second.clone());
            overlay.put(first.clone(), Row::Dialable(EmptyRow {}));
            overlay.remove(first.clone());
            taken.extend([first, second]);
        }
        assert_eq!(taken, (1..=200).map(key).collect::<Vec<_>>());
        let reads = base.reads.get();
        assert!(reads <= 4 + 200 / HIDDEN_PAGE, "{reads} reads for 200 taken rows");
    }

    #[test]
    fn a_new_row_is_set_and_taken_back_without_a_look_at_the_base() {
        let base = base(&[1, 3]);
        let mut overlay = Overlay::new(&base);
        overlay.put_new(id(2), row(2));
        overlay.put_new(id(4), row(4));
        overlay.remove_read(id(4), row(4));
        overlay.remove_read(id(3), row(3));
        overlay.put_new(id(3), row(3));
        assert_eq!(ids(&overlay, 0, 9), [1, 2, 3]);
        let set = Change { key: id(2), old: None, new: Some(row(2)) };
        assert_eq!(overlay.into_changes(), Changes(vec![set]), "the base has its row back");
    }

    #[test]
    fn a_row_that_was_read_in_order_is_removed_as_it_was() {
        let base = base(&[1]);
        let mut overlay = Overlay::new(&base);
        overlay.put(id(2), row(20));
        for (key, row) in [(id(1), row(1)), (id(2), row(20))] {
            overlay.remove_read(key, row);
        }
        assert_eq!(overlay.into_changes(), Changes(vec![Change { key: id(1), old: Some(row(1)), new: None }]));
    }

    #[test]
    fn a_row_that_was_replaced_since_is_not_removed_in_place_of_the_first() {
        let base = base(&[1, 2, 3]);
        let mut overlay = Overlay::new(&base);
        overlay.put(id(2), row(20));
        for at in [1, 2, 4] {
            overlay.remove_if(id(at), &row(at));
        }
        overlay.remove_if(id(3), &row(30));
        assert_eq!(ids(&overlay, 0, 9), [20, 3]);
    }

    #[test]
    fn changes_are_in_order_once_a_key_and_without_those_that_change_nothing() {
        let base = base(&[1, 2]);
        let mut overlay = Overlay::new(&base);
        overlay.put(id(9), row(1));
        overlay.put(id(9), row(9));
        overlay.remove(id(1));
        overlay.put(id(2), row(2));
        overlay.remove(id(7));
        overlay.get(&id(2));
        let removed = Change { key: id(1), old: Some(row(1)), new: None };
        let set = Change { key: id(9), old: None, new: Some(row(9)) };
        assert_eq!(overlay.into_changes(), Changes(vec![removed, set]));
    }
}
