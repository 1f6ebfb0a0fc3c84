//! The digest of the state: a sum of keyed hashes, updated row by row and independent of order (architecture, Storage).
//!
//! Never covers an index, which is derived from the rows. Called by the engine at every change and by a full count.

use crate::{
    tables::{Row, Table},
    view::{Change, Changes},
};

/// The share of one row: XXH3-128 over tag, length of the key, key, row; `cluster_key` is the seed.
///
/// The digest of a state is the wrapping sum over all rows of the tables for which [`Table::is_state`] holds.
pub fn digest_of(cluster_key: u64, table: Table, key: &[u8], row: &[u8]) -> u128 {
    let mut bytes = Vec::with_capacity(5 + key.len() + row.len());
    put_head(&mut bytes, table, key);
    bytes.extend_from_slice(row);
    share(cluster_key, &bytes)
}

fn share(cluster_key: u64, bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(bytes, cluster_key)
}

fn put_head(bytes: &mut Vec<u8>, table: Table, key: &[u8]) {
    bytes.push(table.tag());
    bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
    bytes.extend_from_slice(key);
}

/// A reusable buffer for the bytes of a row that the digest covers.
#[derive(Debug, Default)]
pub struct RowBytes {
    bytes: Vec<u8>,
    row_at: usize,
}

impl RowBytes {
    /// Replaces the buffered row by this row.
    pub fn write(&mut self, table: Table, key: &[u8], row: &Row) -> &Self {
        self.bytes.clear();
        put_head(&mut self.bytes, table, key);
        self.row_at = self.bytes.len();
        row.encode_into(&mut self.bytes);
        self
    }

    /// The canonical bytes of the row.
    pub fn row(&self) -> &[u8] {
        &self.bytes[self.row_at..]
    }

    /// The row's share, as [`digest_of`] computes it.
    pub fn digest(&self, cluster_key: u64) -> u128 {
        share(cluster_key, &self.bytes)
    }
}

/// The change of the digest by these changes (wrapping).
pub fn digest_of_changes(cluster_key: u64, changes: &Changes) -> u128 {
    let state = changes.0.iter().filter(|change| change.key.table().is_state());
    state.fold(0, |sum: u128, change| sum.wrapping_add(difference(cluster_key, change)))
}

fn difference(cluster_key: u64, change: &Change) -> u128 {
    let key = change.key.encode();
    let share = |row: &Row| digest_of(cluster_key, change.key.table(), &key, &row.encode());
    let [old, new] = [&change.old, &change.new].map(|row| row.as_ref().map_or(0, share));
    new.wrapping_sub(old)
}
