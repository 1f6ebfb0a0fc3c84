//! The digest of the state: a sum of keyed hashes, so that it changes with each row and needs no order (design 5).
//!
//! Never covers an index: it follows from the rows. Called by the engine at every change and by a full count.

use crate::{
    key::Table,
    row::Row,
    view::{Change, Changes},
};

/// The share of one row: XXH3-128 over tag, length of the key, key, row; `cluster_key` is the seed.
///
/// The digest of a state is the wrapping sum over all rows of the tables for which [`Table::is_state`] holds.
pub fn digest_of(cluster_key: u64, table: Table, key: &[u8], row: &[u8]) -> u128 {
    let mut bytes = Vec::with_capacity(5 + key.len() + row.len());
    bytes.push(table.tag());
    bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(row);
    xxhash_rust::xxh3::xxh3_128_with_seed(&bytes, cluster_key)
}

/// What changes add to the digest of the state that they are applied to (wrapping).
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
