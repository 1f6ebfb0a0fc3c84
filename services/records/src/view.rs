//! The view of the state that the rules read, and their changes: the seam between `records` and an engine.

use std::ops;

use crate::tables::{Key, Row, Table};

/// A consistent state at one index.
///
/// Implemented by `store` (fjall), by [`crate::Overlay`] (an entry's changes over another view) and by [`crate::MapView`]
/// (simulator and tests). The suite `contract::view_contract` (feature `contract`) holds an implementation to the contract below.
///
/// **Tables.** [`View::get`] answers for every table, indexes included. A view for reads alone may lack tables
/// ([`View::LACKS`]): their rows are absent, and a decision on such a view is a preview. [`View::next`] and [`View::last`] answer
/// for every table that has an order ([`Table::is_ordered`]); the rules never read another table in order.
///
/// **Order and bounds.** Rows come in the order of their encoded keys, bytes compared as numbers without a sign. Bounds are
/// encoded keys, or any other bytes, without the table's tag (see [`Key::encode`]); a read never leaves its table.
///
/// **Consistency.** All reads of a view show the same state: equal reads give equal rows, an ordered read gives the rows that
/// `get` gives, and no write after the view was made shows.
///
/// **Faults.** A read has no error. After a fault of its engine a view answers none to every read, and its type tells the fault
/// (as `store::CurrentView::check`). A decision is pure and ends on any answers, so its caller asks for a fault before a reply
/// leaves or a change is written, and drops the decision.
pub trait View {
    /// The tables whose rows this view lacks; none for a view on which updates are decided.
    const LACKS: &'static [Table] = &[];

    /// The row under a key.
    fn get(&self, key: &Key) -> Option<Row>;

    /// The first `limit` rows of a range, lowest key first; fewer rows: the range has no more.
    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)>;

    /// The last row of a range.
    fn last(&self, below: &Below) -> Option<(Key, Row)>;
}

/// The bounds of a read in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The table to read.
    pub table: Table,
    /// First encoded key, inclusive.
    pub from: Vec<u8>,
    /// The prefix of every returned key; empty: the whole table.
    pub prefix: Vec<u8>,
}

/// The bounds of a read from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// The table to read.
    pub table: Table,
    /// The prefix of the returned key; empty: the whole table.
    pub prefix: Vec<u8>,
    /// The returned key is lower than this one; none: no further bound.
    pub before: Option<Vec<u8>>,
}

/// A range of a map by table and encoded key.
pub(crate) type MapRange<K> = (ops::Bound<(Table, K)>, ops::Bound<(Table, K)>);

impl Below {
    /// The end of the range, exclusive; none: the end of the table.
    pub fn until(&self) -> Option<Vec<u8>> {
        match (behind_prefix(&self.prefix), &self.before) {
            (Some(after), Some(before)) => Some(after.min(before.clone())),
            (after, before) => after.or_else(|| before.clone()),
        }
    }

    /// The range in a map; none: the range is empty.
    pub(crate) fn range<K: From<Vec<u8>>>(&self) -> Option<MapRange<K>> {
        let until = self.until();
        if until.as_ref().is_some_and(|until| *until < self.prefix) {
            return None;
        }
        let behind = || Table::ALL.into_iter().find(|table| *table > self.table).map(|table| (table, Vec::new()));
        let end = until.map(|until| (self.table, until)).or_else(behind);
        let key = |(table, key): (Table, Vec<u8>)| (table, K::from(key));
        let first = ops::Bound::Included(key((self.table, self.prefix.clone())));
        Some((first, end.map_or(ops::Bound::Unbounded, |end| ops::Bound::Excluded(key(end)))))
    }
}

/// The first key after all keys with this prefix; none: no key follows them.
pub fn behind_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut bytes = prefix[..=last].to_vec();
    bytes[last] += 1;
    Some(bytes)
}

/// Rows of one page of a full read.
const PAGE: u32 = 256;

/// All rows of a bound, a page at a time.
pub(crate) fn pages(view: &impl View, mut bound: Bound) -> impl Iterator<Item = (Key, Row)> {
    let mut ended = false;
    let page = move || {
        let rows = if ended { Vec::new() } else { view.next(&bound, PAGE) };
        ended = rows.len() < PAGE as usize;
        let (last, _) = rows.last()?;
        if !ended {
            bound.from = [last.encode().as_slice(), &[0]].concat();
        }
        Some(rows)
    };
    std::iter::from_fn(page).flatten()
}

/// All rows of a table, a page at a time.
pub(crate) fn table_pages(view: &impl View, table: Table) -> impl Iterator<Item = (Key, Row)> {
    pages(view, Bound { table, from: Vec::new(), prefix: Vec::new() })
}

/// A row set or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key of the row.
    pub key: Key,
    /// The row before the entry, for the digest; none: absent.
    pub old: Option<Row>,
    /// The row after the entry; none: removed.
    pub new: Option<Row>,
}

/// The changes of an entry, a key at most once, in key order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes(pub Vec<Change>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_a_prefix_carries_over_full_bytes() {
        assert_eq!(behind_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(behind_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(behind_prefix(&[255]), None);
        assert_eq!(behind_prefix(&[]), None);
    }
}
