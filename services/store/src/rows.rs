//! Rows of `records` as bytes of the engine: the table's tag before the encoded key.
//!
//! Knows no row's meaning. Called by every module that reads or writes rows.

use records::{Encoded, Key, Row, Table, digest_of};

use crate::{engine::Space, error::StoreError, requests};

/// The keyspace of an engine's key: the digest's rows, derived rows, or remembered requests.
pub(crate) fn space(place: &[u8]) -> Space {
    match place.first().copied() {
        Some(tag) if tag == Table::Request.tag() => Space::Requests(requests::lane(place)),
        Some(tag) if tag >= Table::Content.tag() => Space::Index,
        _ => Space::State,
    }
}

/// The engine's key for an encoded key, or for a prefix of an encoded key.
pub(crate) fn tagged(table: Table, key: &[u8]) -> Encoded {
    let mut bytes = Encoded::new();
    bytes.push(table.tag());
    bytes.extend_from_slice(key);
    bytes
}

/// The table and the encoded key of an engine's key.
pub(crate) fn split(key: &[u8]) -> Result<(Table, &[u8]), StoreError> {
    let parts = key.split_first().and_then(|(tag, rest)| Some((Table::from_tag(*tag)?, rest)));
    parts.ok_or_else(|| StoreError::Damaged(format!("key {key:02x?} is of no known table")))
}

/// A row from its bytes.
pub(crate) fn row(table: Table, bytes: &[u8]) -> Result<Row, StoreError> {
    Row::decode(table, bytes).ok_or_else(|| StoreError::Damaged(format!("a row of {table:?} cannot be read")))
}

/// Key and row from the engine's bytes.
pub(crate) fn pair(key: &[u8], value: &[u8]) -> Result<(Key, Row), StoreError> {
    let (table, rest) = split(key)?;
    let damaged = || StoreError::Damaged(format!("a key of {table:?} cannot be read"));
    Ok((Key::decode(table, rest).ok_or_else(damaged)?, row(table, value)?))
}

/// The seed of the digest: the same on every node of a cluster.
pub(crate) fn digest_seed(cluster: &[u8; 16]) -> u64 {
    u64::from_be_bytes(cluster[..8].try_into().expect("8 of 16 bytes"))
}

/// The share of a row in the digest, from the engine's bytes.
pub(crate) fn digest(seed: u64, key: &[u8], value: &[u8]) -> Result<u128, StoreError> {
    let (table, rest) = split(key)?;
    Ok(digest_of(seed, table, rest, value))
}
