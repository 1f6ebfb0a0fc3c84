//! Counters of the state, a row each, from rules version 4 on: a command writes the changed counters alone.

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

/// A counter of the state. Its number is the key of its row, and is never reused for another counter; an absent row counts as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counter {
    /// Last handle given; 0: none yet.
    LastHandle = 1,
    /// Last DBID given; 0: none yet.
    LastList = 2,
    /// Sequence of the next idempotency key.
    KeysNext = 3,
    /// Sequence of the oldest idempotency key kept; equal to [`Counter::KeysNext`]: none kept.
    KeysFirst = 4,
    /// Stamp of that oldest key, microseconds since 1970.
    KeysFirstStampUs = 5,
    /// Count of role changes kept.
    RoleChanges = 6,
}

impl Counter {
    /// All counters, in the order of their keys.
    pub const ALL: [Self; 6] =
        [Self::LastHandle, Self::LastList, Self::KeysNext, Self::KeysFirst, Self::KeysFirstStampUs, Self::RoleChanges];
}

pub(super) fn encode_key(counter: &Counter) -> Encoded {
    KeyBytes::default().u8(*counter as u8).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let number = parts.u8()?;
    Counter::ALL.into_iter().find(|counter| *counter as u8 == number).map(Key::Counter)
}

pub(super) fn encode_row(row: &NumberRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<NumberRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let number = |number| Row::Counter(NumberRow { number });
    vec![
        sample(Key::Counter(Counter::LastHandle), number(300), "01", "08ac02"),
        sample(Key::Counter(Counter::LastList), number(101), "02", "0865"),
        sample(Key::Counter(Counter::KeysNext), number(9), "03", "0809"),
        sample(Key::Counter(Counter::KeysFirst), number(4), "04", "0804"),
        sample(Key::Counter(Counter::KeysFirstStampUs), number(0), "05", ""),
        sample(Key::Counter(Counter::RoleChanges), number(1), "06", "0801"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_in_the_order_of_their_keys() {
        let keys = Counter::ALL.map(|counter| encode_key(&counter));
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    }
}
