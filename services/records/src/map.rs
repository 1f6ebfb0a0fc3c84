//! A state in a map: the second implementation of [`View`], for simulation and tests.
//!
//! Keeps encoded bytes as an engine does, so that tests exercise the encodings. Never used by a node.

use std::collections::BTreeMap;

use crate::{
    digest::digest_of,
    tables::{Key, Row, Table},
    view::{Below, Bound, Changes, View},
};

/// All rows, encoded, in the order of tags and keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapView {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MapView {
    /// Applies changes.
    ///
    /// # Panics
    /// If a change's old row differs from the row in the map: the change was decided on another state.
    pub fn apply(&mut self, changes: &Changes) {
        for change in &changes.0 {
            let place = (change.key.table(), change.key.encode().into_vec());
            let there = self.rows.get(&place).map(|bytes| decoded_row(place.0, bytes));
            assert_eq!(there, change.old, "decided on another state: {:?}", change.key);
            match &change.new {
                Some(row) => self.rows.insert(place, row.encode()),
                None => self.rows.remove(&place),
            };
        }
    }

    /// Every row of a table in key order.
    pub fn table(&self, table: Table) -> Vec<(Key, Row)> {
        self.next(&Bound { table, from: Vec::new(), prefix: Vec::new() }, u32::MAX)
    }

    /// The digest of the state, recomputed from all rows.
    pub fn digest(&self, cluster_key: u64) -> u128 {
        let state = self.rows.iter().filter(|((table, _), _)| table.is_state());
        state.fold(0, |sum, ((table, key), row)| sum.wrapping_add(digest_of(cluster_key, *table, key, row)))
    }
}

impl View for MapView {
    fn get(&self, key: &Key) -> Option<Row> {
        let bytes = self.rows.get(&(key.table(), key.encode().into_vec()))?;
        Some(decoded_row(key.table(), bytes))
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        let from = (&bound.from).max(&bound.prefix).clone();
        let rows = self.rows.range((bound.table, from)..);
        let within = rows.take_while(|((table, key), _)| *table == bound.table && key.starts_with(&bound.prefix));
        within.take(limit as usize).map(decoded).collect()
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.rows.range::<(Table, Vec<u8>), _>(below.range()?).next_back().map(decoded)
    }
}

fn decoded(((table, key), row): (&(Table, Vec<u8>), &Vec<u8>)) -> (Key, Row) {
    let key = Key::decode(*table, key).expect("this key was encoded here");
    (key, decoded_row(*table, row))
}

fn decoded_row(table: Table, bytes: &[u8]) -> Row {
    Row::decode(table, bytes).expect("these bytes were encoded here")
}
