//! Index: record by list, chain and position.

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    number::NumberRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key(list: &u32, chain_id: &u64, chain_n: &u64) -> Encoded {
    of_chain(*list, *chain_id).u64(*chain_n).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RecordByChain { list: parts.u32()?, chain_id: parts.u64()?, chain_n: parts.u64()? })
}

/// The prefix of the index entries of a chain.
pub(crate) fn chain_prefix(list: u32, chain_id: u64) -> Vec<u8> {
    of_chain(list, chain_id).0.into_vec()
}

fn of_chain(list: u32, chain_id: u64) -> KeyBytes {
    KeyBytes::default().u32(list).u64(chain_id)
}

pub(super) fn encode_row(row: &NumberRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<NumberRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::RecordByChain { list: 101, chain_id: 15, chain_n: 16 },
        Row::RecordByChain(NumberRow { number: 15 }),
        "00000065000000000000000f0000000000000010",
        "080f",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_order_of_the_parts() {
        let chain = |chain_id, chain_n| encode_key(&101, &chain_id, &chain_n);
        assert!(chain(1, 255) < chain(1, 256) && chain(1, 256) < chain(2, 0));
    }
}
