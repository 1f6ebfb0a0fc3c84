//! Decided request ids with their replies (R7 unknown-is-not-failed).

use outbound::RequestId;
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// A decided request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "2")]
    pub reply: Vec<u8>,
    /// Encoded keys of the request's content rows; none: only the id identifies the request.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub contents: Vec<Vec<u8>>,
    /// Hash of the command's content, 16 bytes; empty: decided by rules version 1.
    #[prost(bytes = "vec", tag = "4")]
    pub content: Vec<u8>,
}

/// Marks the incarnation of an id with a token: such ids sort after all other ids of their node, and their keys are longer. No
/// incarnation is that high.
const WITH_TOKEN: u64 = 1 << 63;
/// Bytes of a counter after a token: such a key then fits inline with the table's tag.
const SHORT_COUNTER_BYTES: usize = 7;
/// No incarnation gives this many ids. An id with a higher counter shares this key, where its content distinguishes the request.
const SHORT_COUNTER_MAX: u64 = (1 << (8 * SHORT_COUNTER_BYTES)) - 1;

/// In one piece: every update writes such a key.
pub(super) fn encode_key(id: &RequestId) -> Encoded {
    let mut bytes = [0; 28 + SHORT_COUNTER_BYTES];
    bytes[..4].copy_from_slice(&id.node.to_be_bytes());
    if id.token == 0 {
        bytes[4..12].copy_from_slice(&id.incarnation.to_be_bytes());
        bytes[12..20].copy_from_slice(&id.counter.to_be_bytes());
        return Encoded::from_slice(&bytes[..20]);
    }
    bytes[4..12].copy_from_slice(&(id.incarnation | WITH_TOKEN).to_be_bytes());
    bytes[12..28].copy_from_slice(&id.token.to_be_bytes());
    let counter = id.counter.min(SHORT_COUNTER_MAX).to_be_bytes();
    bytes[28..].copy_from_slice(&counter[8 - SHORT_COUNTER_BYTES..]);
    Encoded::from_slice(&bytes)
}

/// The prefix of a node's ids with a token.
pub fn ids_with_token(node: u32) -> Encoded {
    KeyBytes::default().u32(node).u64(WITH_TOKEN).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let (node, incarnation) = (parts.u32()?, parts.u64()?);
    if parts.0.len() == 8 {
        return Some(Key::Request(RequestId { node, incarnation, token: 0, counter: parts.u64()? }));
    }
    let incarnation = incarnation.checked_sub(WITH_TOKEN)?;
    let token = parts.u128().filter(|token| *token != 0)?;
    let mut counter = [0; 8];
    counter[8 - SHORT_COUNTER_BYTES..].copy_from_slice(parts.take(SHORT_COUNTER_BYTES)?);
    Some(Key::Request(RequestId { node, incarnation, token, counter: u64::from_be_bytes(counter) }))
}

/// The prefix of the request ids of a node.
pub(crate) fn node_prefix(node: u32) -> Vec<u8> {
    KeyBytes::default().u32(node).0.into_vec()
}

pub(super) fn encode_row(row: &RequestRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<RequestRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let of_version_1 = RequestRow { stamp_us: 5, reply: vec![1], ..RequestRow::default() };
    let contents = super::content::samples().iter().map(|content| content.key.encode().into_vec()).collect();
    let row = RequestRow { contents, content: vec![4; 16], ..of_version_1.clone() };
    vec![
        sample(
            Key::Request(RequestId { node: 1, incarnation: 3, token: 0, counter: 3 }),
            Row::Request(of_version_1),
            "0000000100000000000000030000000000000003",
            "0805120101",
        ),
        sample(
            Key::Request(RequestId { node: 2, incarnation: 2, token: 9 << 64, counter: 3 }),
            Row::Request(row),
            "0000000280000000000000020000000000000009000000000000000000000000000003",
            "08051201011a16090909090909090909090909090909090001740001701a140808080808080808080808080808080800000000221004040404040404040404040404040404",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_order_of_the_parts() {
        let id = |incarnation, token, counter| encode_key(&RequestId { node: 1, incarnation, token, counter });
        assert!(id(1, 0, 1000) < id(2, 0, 1));
        assert!(id(1, 1, 1000) < id(1, 2, 1) && id(1, 2, 1) < id(2, 1, 1));
        let begin = ids_with_token(1);
        assert!(id(9, 0, 9) < begin && begin < id(0, 1, 0) && id(7, 1, 1) < ids_with_token(2));
    }

    #[test]
    fn a_row_of_rules_version_1_has_no_byte_of_a_later_one() {
        let request = RequestRow { stamp_us: 5, reply: vec![1], contents: vec![vec![2]], ..RequestRow::default() };
        assert_eq!(Row::Request(request).encode(), [0x08, 5, 0x12, 1, 1, 0x1a, 1, 2]);
    }
}
