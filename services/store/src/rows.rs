//! Rows of `records` as bytes of the engine: the table's tag before the encoded key, and the keyspace of such a key.
//!
//! Knows no row's meaning and no engine. Called by every module that reads or writes rows.

use records::{Encoded, Key, Row, Table, digest_of};

use crate::error::StoreError;

/// First byte of the keys of rows; lower bytes begin the store's own keys.
pub(crate) const ROWS_FROM: u8 = 1;
/// Lanes of remembered requests: a group has at most three data nodes, numbered from 1. Nodes with higher numbers share the last
/// lane, whose tables then stay until a compaction.
pub(crate) const LANES: usize = 4;
/// The bytes of tag and node number in the key of a remembered request.
pub(crate) const PREFIX_BYTES: usize = 5;

/// A keyspace of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    State,
    Index,
    /// By lane.
    Requests(u8),
}

/// The keyspace of an engine's key: the digest's rows, derived rows, or remembered requests.
pub(crate) fn space(place: &[u8]) -> Space {
    match place.first().copied() {
        Some(tag) if tag == Table::Request.tag() => Space::Requests(lane(place)),
        Some(tag) if tag >= Table::Content.tag() => Space::Index,
        _ => Space::State,
    }
}

/// The lane of an engine's key of a remembered request, or of a prefix of such a key with the node number.
pub(crate) fn lane(place: &[u8]) -> u8 {
    let node = place.get(1..PREFIX_BYTES).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let node = node.map_or(0, u32::from_be_bytes);
    u8::try_from(node).unwrap_or(u8::MAX).min(LANES as u8 - 1)
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

#[cfg(test)]
mod tests {
    use outbound::RequestId;

    use super::*;

    #[test]
    fn a_node_has_a_lane_and_those_that_should_not_be_share_the_last() {
        let id = |node| RequestId { node, incarnation: 1, token: 0, counter: 7 };
        let place = |node| tagged(Table::Request, &Key::Request(id(node)).encode());
        assert_eq!([0, 1, 2, 3, 4, 300, u32::MAX].map(|node| lane(&place(node))), [0, 1, 2, 3, 3, 3, 3]);
    }
}
