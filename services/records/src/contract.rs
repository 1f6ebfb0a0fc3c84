//! The contract of [`View`] as a suite: every implementation passes [`view_contract`] in the tests of its crate.
//!
//! The expected rows come from a sorted list in this file, and from no implementation. Compiled for tests alone (feature
//! `contract`).

use std::collections::{BTreeMap, BTreeSet};

use outbound::{Handle, RequestId};

use crate::{
    tables::{EmptyRow, Key, NumberRow, RequestRow, Row, Sample, Table, samples},
    view::{Below, Bound, View},
};

/// Limits of the ordered reads.
const LIMITS: [u32; 3] = [0, 2, u32::MAX];
/// Lengths of the prefixes that are read; the keys of most tables have parts of these lengths.
const PREFIX_LENGTHS: [usize; 4] = [1, 4, 12, usize::MAX];
/// Breaches that are looked for; further ones would only lengthen the message.
const BREACHES_MAX: usize = 9;

/// The rows of a state that an implementation must hold for the suite: rows of every table, with lists, nodes and names whose
/// keys are prefixes of each other or end in full bytes.
pub fn rows() -> Vec<(Key, Row)> {
    let number = |number| NumberRow { number };
    let mut rows: Vec<_> = samples().into_iter().map(|Sample { key, row, .. }| (key, row)).collect();
    for list in [1, 101, 102, u32::MAX] {
        for record_id in [0, 1, 255, 256, u64::MAX] {
            rows.push((Key::RecordById { list, record_id }, Row::RecordById(number(record_id))));
        }
        let chain = |chain_n| (Key::RecordByChain { list, chain_id: 7, chain_n }, Row::RecordByChain(number(chain_n)));
        rows.extend([0, 1, u64::MAX].map(chain));
    }
    for (phone, handle) in [("", 1), ("+1", 1), ("+1", u64::MAX), ("+12", 3)] {
        let key = Key::RecordByPhone { phone: phone.to_owned(), handle: Handle(handle) };
        rows.push((key, Row::RecordByPhone(EmptyRow)));
    }
    rows.extend(["a", "ab", "b"].map(|name| (Key::ListByName(name.to_owned()), Row::ListByName(number(7)))));
    for node in [0, 1, 2, 3, u32::MAX] {
        for (token, counter) in [(0, 1), (0, 300), (1 << 90, 1)] {
            let row = RequestRow { stamp_us: counter, ..RequestRow::default() };
            rows.push((Key::Request(RequestId { node, incarnation: 9, token, counter }), Row::Request(row)));
        }
    }
    rows
}

/// Holds a view of exactly these rows to the contract.
///
/// # Panics
/// If the view breaks the contract; the message names the first breaches.
pub fn view_contract<V: View>(view: &V, rows: &[(Key, Row)]) {
    let breaches = breaches(view, rows);
    assert!(breaches.is_empty(), "the view breaks the contract:\n{}", breaches.join("\n"));
}

/// Rows by encoded key.
type Rows = BTreeMap<Vec<u8>, (Key, Row)>;

/// The first reads that give other rows than the contract demands.
fn breaches<V: View>(view: &V, rows: &[(Key, Row)]) -> Vec<String> {
    let mut tables: BTreeMap<Table, Rows> = Table::ALL.into_iter().map(|table| (table, Rows::new())).collect();
    for (key, row) in rows.iter().filter(|(key, _)| !V::LACKS.contains(&key.table())) {
        let table = tables.entry(key.table()).or_default();
        table.insert(key.encode().into_vec(), (key.clone(), row.clone()));
    }
    let gets = || wrong_gets(view, rows, &tables);
    let in_order = || {
        let ordered = tables.iter().filter(|(table, _)| table.is_ordered());
        ordered.flat_map(move |(table, rows)| {
            wrong_ordered_reads(view, *table, rows).chain(wrong_last_rows(view, *table, rows))
        })
    };
    gets().chain(in_order()).chain(gets()).chain(in_order()).take(BREACHES_MAX).collect()
}

/// Looks up every row, and keys beside the rows.
fn wrong_gets(view: &impl View, rows: &[(Key, Row)], tables: &BTreeMap<Table, Rows>) -> impl Iterator<Item = String> {
    let beside = |key: &Key| {
        let mut bytes = key.encode().into_vec();
        *bytes.last_mut()? ^= 1;
        Key::decode(key.table(), &bytes)
    };
    let keys = rows.iter().map(|(key, _)| key.clone());
    let keys = keys.chain(rows.iter().filter_map(move |(key, _)| beside(key)));
    let wrong = move |key: Key| {
        let expected = tables[&key.table()].get(key.encode().as_slice()).map(|(_, row)| row.clone());
        let found = view.get(&key);
        (found != expected).then(|| format!("get {key:?} gives {found:?}, not {expected:?}"))
    };
    keys.filter_map(wrong)
}

fn wrong_ordered_reads(view: &impl View, table: Table, rows: &Rows) -> impl Iterator<Item = String> {
    let wrong = move |bound: Bound, limit: u32| {
        let within = rows.range(bound.from.clone()..).filter(|(key, _)| key.starts_with(&bound.prefix));
        let expected: Vec<_> = within.take(limit as usize).map(|(_, pair)| pair.clone()).collect();
        let found = view.next(&bound, limit);
        (found != expected).then(|| format!("next {limit} of {bound:?} gives {found:?}, not {expected:?}"))
    };
    let bound = move |(prefix, from)| Bound { table, from, prefix };
    let bounds = pairs(prefixes(rows), bounds(rows)).map(bound);
    bounds.flat_map(move |bound| LIMITS.into_iter().filter_map(move |limit| wrong(bound.clone(), limit)))
}

fn wrong_last_rows(view: &impl View, table: Table, rows: &Rows) -> impl Iterator<Item = String> {
    let wrong = move |(prefix, before): (Vec<u8>, Option<Vec<u8>>)| {
        let is_below = |key: &[u8]| before.as_ref().is_none_or(|before| key < before.as_slice());
        let mut within = rows.iter().filter(|(key, _)| key.starts_with(&prefix) && is_below(key));
        let expected = within.next_back().map(|(_, pair)| pair.clone());
        let below = Below { table, prefix: prefix.clone(), before: before.clone() };
        let found = view.last(&below);
        (found != expected).then(|| format!("last of {below:?} is {found:?}, not {expected:?}"))
    };
    let ends = bounds(rows).into_iter().map(Some).chain([None]).collect();
    pairs(prefixes(rows), ends).filter_map(wrong)
}

fn pairs<A: Clone, B: Clone>(one: BTreeSet<A>, other: BTreeSet<B>) -> impl Iterator<Item = (A, B)> {
    one.into_iter().flat_map(move |one| other.clone().into_iter().map(move |other| (one.clone(), other)))
}

/// No prefix, parts of the keys, and bytes that begin no key.
fn prefixes(rows: &Rows) -> BTreeSet<Vec<u8>> {
    let of_key = |key: &Vec<u8>| PREFIX_LENGTHS.map(|length| key[..key.len().min(length)].to_vec());
    rows.keys().flat_map(of_key).chain([Vec::new(), vec![u8::MAX; 9], vec![3, 1, 4]]).collect()
}

/// Every key, the bytes right behind a key, and the ends of the table.
fn bounds(rows: &Rows) -> BTreeSet<Vec<u8>> {
    let of_key = |key: &Vec<u8>| [key.clone(), [key.as_slice(), &[0]].concat()];
    rows.keys().flat_map(of_key).chain([Vec::new(), vec![u8::MAX; 60]]).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{map::MapView, overlay::Overlay};

    /// A breach of the contract.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Breach {
        None,
        LacksAnIndex,
        InventsARow,
        FromIsExclusive,
        PrefixIsIgnored,
        OneRowTooMany,
        LastRowIsLost,
        HighestKeyFirst,
        BeforeIsIgnored,
        BeforeIsInclusive,
        LeavesTheTable,
        ForgetsAfterAWhile,
    }

    /// A view over a map with one breach.
    struct Broken {
        map: MapView,
        breach: Breach,
        reads: Cell<u32>,
    }

    impl View for Broken {
        fn get(&self, key: &Key) -> Option<Row> {
            self.reads.set(self.reads.get() + 1);
            match self.breach {
                Breach::LacksAnIndex if key.table() == Table::KeyByAge => None,
                Breach::ForgetsAfterAWhile if self.reads.get() > 90 => None,
                Breach::InventsARow => self.map.get(key).or_else(|| Some(self.map.table(key.table()).pop()?.1)),
                _ => self.map.get(key),
            }
        }

        fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
            let mut bound = bound.clone();
            let mut limit = limit;
            match self.breach {
                Breach::FromIsExclusive => bound.from.push(0),
                Breach::PrefixIsIgnored => bound.prefix.clear(),
                Breach::OneRowTooMany => limit = limit.saturating_add(1),
                _ => {}
            }
            let mut rows = self.map.next(&bound, limit);
            match self.breach {
                Breach::LastRowIsLost => drop(rows.pop()),
                Breach::HighestKeyFirst => rows.reverse(),
                _ => {}
            }
            rows
        }

        fn last(&self, below: &Below) -> Option<(Key, Row)> {
            let mut below = below.clone();
            match self.breach {
                Breach::BeforeIsIgnored => below.before = None,
                Breach::BeforeIsInclusive => below.before.iter_mut().for_each(|before| before.push(0)),
                Breach::LeavesTheTable => {
                    let lower = || self.map.last(&Below { table: Table::RecordById, ..below.clone() });
                    return self.map.last(&below).or_else(lower);
                }
                _ => {}
            }
            self.map.last(&below)
        }
    }

    fn map() -> MapView {
        let empty = MapView::default();
        let mut overlay = Overlay::new(&empty);
        rows().into_iter().for_each(|(key, row)| overlay.put(key, row));
        let changes = overlay.into_changes();
        let mut map = MapView::default();
        map.apply(&changes);
        map
    }

    fn breaches_of(breach: Breach) -> Vec<String> {
        breaches(&Broken { map: map(), breach, reads: Cell::new(0) }, &rows())
    }

    #[test]
    fn the_suite_catches_every_broken_view_and_no_other() {
        assert_eq!(breaches_of(Breach::None), Vec::<String>::new());
        for breach in [
            Breach::LacksAnIndex,
            Breach::InventsARow,
            Breach::FromIsExclusive,
            Breach::PrefixIsIgnored,
            Breach::OneRowTooMany,
            Breach::LastRowIsLost,
            Breach::HighestKeyFirst,
            Breach::BeforeIsIgnored,
            Breach::BeforeIsInclusive,
            Breach::LeavesTheTable,
            Breach::ForgetsAfterAWhile,
        ] {
            assert!(!breaches_of(breach).is_empty(), "{breach:?} was not caught");
        }
    }

    #[test]
    fn the_rows_of_the_suite_are_of_every_table_and_each_key_is_there_once() {
        let keys: BTreeSet<_> = rows().iter().map(|(key, _)| (key.table(), key.encode())).collect();
        assert_eq!(keys.len(), rows().len());
        assert!(Table::ALL.into_iter().all(|table| keys.iter().any(|(of, _)| *of == table)));
    }

    #[test]
    fn a_map_keeps_the_contract() {
        view_contract(&map(), &rows());
        view_contract(&MapView::default(), &[]);
    }
}
