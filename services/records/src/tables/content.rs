//! Index: content of a request without a key, to its request id (spec 6, Exactly once).
//!
//! The rules remove a row together with its request. The table has no order: no view reads this table in order.

use outbound::{
    ContentHash, RequestId,
    wire::{halves, whole},
};
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    scope::Scope,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// A request id.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestIdRow {
    /// Node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// Incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Counter.
    #[prost(uint64, tag = "3")]
    pub counter: u64,
    /// Upper half of the token; both halves 0: no token.
    #[prost(fixed64, tag = "4")]
    pub token_high: u64,
    /// Lower half of the token.
    #[prost(fixed64, tag = "5")]
    pub token_low: u64,
}

impl From<RequestId> for RequestIdRow {
    fn from(id: RequestId) -> Self {
        let (token_high, token_low) = halves(id.token);
        Self { node: id.node, incarnation: id.incarnation, counter: id.counter, token_high, token_low }
    }
}

impl From<&RequestIdRow> for RequestId {
    fn from(row: &RequestIdRow) -> Self {
        let token = whole((row.token_high, row.token_low));
        Self { node: row.node, incarnation: row.incarnation, token, counter: row.counter }
    }
}

pub(super) fn encode_key(content: &ContentHash, scope: &Scope) -> Encoded {
    if *scope == Scope::default() {
        return encode_without_scope(content);
    }
    scope.encode(KeyBytes::default().rest(content)).0
}

/// The content, then two texts of length 0, in one piece: every update writes such a key.
fn encode_without_scope(content: &ContentHash) -> Encoded {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(content);
    Encoded::from_slice(&bytes)
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Content(parts.take(16)?.try_into().ok()?, Scope::decode(parts)?))
}

pub(super) fn encode_row(row: &RequestIdRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<RequestIdRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let scope = Scope { tenant: "t".to_owned(), principal: "p".to_owned() };
    let id = RequestId { node: 2, incarnation: 2, token: 9 << 64, counter: 3 };
    vec![
        sample(
            Key::Content([9; 16], scope),
            Row::Content(id.into()),
            "09090909090909090909090909090909000174000170",
            "080210021803210900000000000000",
        ),
        sample(
            Key::Content([8; 16], Scope::default()),
            Row::Content(id.into()),
            "0808080808080808080808080808080800000000",
            "080210021803210900000000000000",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_token_comes_back_from_its_row() {
        let id = RequestId { node: 1, incarnation: 2, token: u128::MAX - 5, counter: 3 };
        assert_eq!(RequestId::from(&RequestIdRow::from(id)), id);
    }

    #[test]
    fn a_row_of_rules_version_1_has_no_byte_of_a_later_one() {
        let id = RequestId { node: 1, incarnation: 2, token: 0, counter: 3 };
        assert_eq!(Row::Content(id.into()).encode(), [0x08, 1, 0x10, 2, 0x18, 3]);
    }
}
