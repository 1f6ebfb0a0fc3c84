//! Counters of the state, one row; from rules version 4 on, the last stamp alone.
//!
//! Read and written by `counters` alone, which knows where a counter stands.

use outbound::{
    RequestId,
    wire::{halves, whole},
};
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// Counters of the state. From rules version 4 on, every field but `last_stamp_us` is empty, and is a row of another table.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MetaRow {
    /// Stamp of the last decided command, microseconds since 1970; later commands count as stamped at least here.
    #[prost(uint64, tag = "1")]
    pub last_stamp_us: u64,
    /// Last handle given; 0: none yet.
    #[prost(uint64, tag = "2")]
    pub last_handle: u64,
    /// Last DBID given; 0: none yet.
    #[prost(uint32, tag = "3")]
    pub last_list: u32,
    /// Sequence of the next idempotency key.
    #[prost(uint64, tag = "4")]
    pub keys_next: u64,
    /// Sequence of the oldest idempotency key kept; equal to `keys_next`: none kept.
    #[prost(uint64, tag = "5")]
    pub keys_first: u64,
    /// Stamp of that oldest key.
    #[prost(uint64, tag = "6")]
    pub keys_first_stamp_us: u64,
    /// Each node's floor of request ids without a token, sorted by node.
    #[prost(message, repeated, tag = "7")]
    pub floors: Vec<FloorRow>,
    /// Records in all lists.
    #[prost(uint64, tag = "8")]
    pub records: u64,
    /// Count of role changes kept.
    #[prost(uint32, tag = "9")]
    pub role_changes: u32,
    /// As `floors`, for ids with a token: two orders, since a node may give ids of both kinds around the raise.
    #[prost(message, repeated, tag = "10")]
    pub floors_with_token: Vec<FloorRow>,
    /// Progress of the rewrite to the phone form of rules version 3; absent: not begun.
    #[prost(message, optional, boxed, tag = "11")]
    pub phones: Option<Box<PhonesRow>>,
}

/// Progress of the rewrite to the phone form of rules version 3: Do-Not-Call entries first, then records.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PhonesRow {
    /// All rows are rewritten.
    #[prost(bool, tag = "1")]
    pub done: bool,
    /// Encoded key of the last visited entry; empty: none visited, or all.
    #[prost(bytes = "vec", tag = "2")]
    pub entry: Vec<u8>,
    /// All entries are visited.
    #[prost(bool, tag = "3")]
    pub entries_done: bool,
    /// Handle of the last visited record.
    #[prost(uint64, tag = "4")]
    pub handle: u64,
}

/// The floor of one node's request ids: an absent id at or below the floor has an unknown outcome.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FloorRow {
    /// Number of the node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// Highest id forgotten: incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Highest id forgotten: counter.
    #[prost(uint64, tag = "3")]
    pub counter: u64,
    /// Stamp of the first remembered id; 0: none remembered.
    #[prost(uint64, tag = "4")]
    pub oldest_stamp_us: u64,
    /// Highest id forgotten: upper half of its token.
    #[prost(fixed64, tag = "5")]
    pub token_high: u64,
    /// Highest id forgotten: lower half of its token.
    #[prost(fixed64, tag = "6")]
    pub token_low: u64,
}

impl FloorRow {
    /// The highest forgotten id; none: no id is forgotten.
    pub fn id(&self) -> Option<RequestId> {
        let Self { node, incarnation, counter, .. } = *self;
        let token = whole((self.token_high, self.token_low));
        ((incarnation, counter) != (0, 0)).then_some(RequestId { node, incarnation, token, counter })
    }

    /// Raises the floor to an id; the caller sets `oldest_stamp_us`.
    pub(crate) fn raise(&mut self, id: RequestId) {
        (self.incarnation, self.counter) = (id.incarnation, id.counter);
        (self.token_high, self.token_low) = halves(id.token);
    }
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Meta)
}

pub(super) fn encode_row(row: &MetaRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<MetaRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let without = FloorRow { node: 1, incarnation: 2, counter: 3, oldest_stamp_us: 4, ..FloorRow::default() };
    let with = FloorRow { node: 2, incarnation: 1, counter: 8, token_high: 1, token_low: 2, ..FloorRow::default() };
    let row = MetaRow {
        last_stamp_us: 7,
        last_handle: 300,
        last_list: 101,
        keys_next: 9,
        keys_first: 4,
        keys_first_stamp_us: 6,
        floors: vec![without],
        records: 12,
        role_changes: 1,
        floors_with_token: vec![with],
        phones: Some(Box::new(PhonesRow { done: true, ..PhonesRow::default() })),
    };
    vec![sample(
        Key::Meta,
        Row::Meta(row),
        "",
        "080710ac0218652009280430063a080801100218032004400c480152180802100118082901000000000000003102000000000000005a020801",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_gives_the_id_to_which_it_was_raised() {
        let id = RequestId { node: 1, incarnation: 2, token: u128::MAX - 5, counter: 3 };
        let mut floor = FloorRow { node: 1, ..FloorRow::default() };
        assert_eq!(floor.id(), None);
        floor.raise(id);
        assert_eq!(floor.id(), Some(id));
    }

    #[test]
    fn a_last_stamp_alone_has_no_byte_of_another_counter() {
        let meta = MetaRow { last_stamp_us: 7, ..MetaRow::default() };
        assert_eq!(Row::Meta(meta).encode(), [0x08, 7]);
    }

    #[test]
    fn counters_of_rules_version_1_have_no_byte_of_a_later_one() {
        let mut floor = FloorRow { node: 1, oldest_stamp_us: 4, ..FloorRow::default() };
        floor.raise(RequestId { node: 1, incarnation: 2, token: 0, counter: 3 });
        let meta = MetaRow { last_stamp_us: 7, floors: vec![floor], ..MetaRow::default() };
        assert_eq!(Row::Meta(meta).encode(), [0x08, 7, 0x3a, 8, 0x08, 1, 0x10, 2, 0x18, 3, 0x20, 4]);
    }
}
