//! The rows of the counters, in memory: every command reads most of them, and there are a few dozen at most.
//!
//! Kept by [`crate::Store`], the only writer, so that a row is never stale; consistent states of other threads never read here.

use std::collections::BTreeMap;

use records::{Bound, Change, Encoded, Key, Row, Table};

use crate::error::StoreError;

/// The tables that are read here.
const TABLES: [Table; 4] = [Table::Meta, Table::Counter, Table::Floor, Table::Phones];

/// Rows of the counters by table and encoded key.
#[derive(Default)]
pub(crate) struct Counted(BTreeMap<(Table, Encoded), (Key, Row)>);

impl Counted {
    /// Whether the rows of a table are read here.
    pub(crate) fn has(table: Table) -> bool {
        TABLES.contains(&table)
    }

    /// The counters of a state. `next` reads rows of this state in order.
    pub(crate) fn read(next: impl Fn(&Bound, u32) -> Result<Vec<(Key, Row)>, StoreError>) -> Result<Self, StoreError> {
        let mut rows = BTreeMap::new();
        for table in TABLES {
            let found = next(&Bound { table, from: Vec::new(), prefix: Vec::new() }, u32::MAX)?.into_iter();
            rows.extend(found.map(|(key, row)| ((table, key.encode()), (key, row))));
        }
        Ok(Self(rows))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Row> {
        self.0.get(&(key.table(), key.encode())).map(|(_, row)| row.clone())
    }

    pub(crate) fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        let from = Encoded::from_slice((&bound.from).max(&bound.prefix));
        let rows = self.0.range((bound.table, from)..);
        let within = rows.take_while(|((table, key), _)| *table == bound.table && key.starts_with(&bound.prefix));
        within.take(limit as usize).map(|(_, row)| row.clone()).collect()
    }

    pub(crate) fn change(&mut self, change: &Change) {
        if !Self::has(change.key.table()) {
            return;
        }
        let place = (change.key.table(), change.key.encode());
        match &change.new {
            Some(row) => drop(self.0.insert(place, (change.key.clone(), row.clone()))),
            None => drop(self.0.remove(&place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use records::{Counter, NumberRow};

    use super::*;

    fn change(counter: Counter, number: Option<u64>) -> Change {
        let new = number.map(|number| Row::Counter(NumberRow { number }));
        Change { key: Key::Counter(counter), old: None, new }
    }

    #[test]
    fn the_newest_row_is_given_and_none_of_a_removed_one() {
        let mut counted = Counted::default();
        for number in [7, 8] {
            counted.change(&change(Counter::LastHandle, Some(number)));
        }
        counted.change(&change(Counter::LastList, Some(101)));
        let key = Key::Counter(Counter::LastHandle);
        assert_eq!(counted.get(&key), Some(Row::Counter(NumberRow { number: 8 })));
        counted.change(&change(Counter::LastHandle, None));
        assert_eq!(counted.get(&key), None);
        let all = Bound { table: Table::Counter, from: Vec::new(), prefix: Vec::new() };
        let found = counted.next(&all, 9);
        assert_eq!(found, [(Key::Counter(Counter::LastList), Row::Counter(NumberRow { number: 101 }))]);
        assert!(counted.next(&Bound { table: Table::Floor, ..all }, 9).is_empty());
    }

    #[test]
    fn rows_of_other_tables_stay_with_the_engine() {
        let mut counted = Counted::default();
        let (key, new) = (Key::ListByName("a".to_owned()), Some(Row::ListByName(NumberRow { number: 101 })));
        counted.change(&Change { key, old: None, new });
        assert!(counted.0.is_empty());
    }
}
