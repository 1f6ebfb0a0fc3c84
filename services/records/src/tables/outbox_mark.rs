//! Counters of the outbox, one row from the first kept effect on; never removed, so that no number is given twice.

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

/// Counters of the outbox. The rows of the numbers above `gone`, up to `last`, are in the table.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OutboxMarkRow {
    /// The last number given; 0: none yet.
    #[prost(uint64, tag = "1")]
    pub last: u64,
    /// The last number whose row is gone: acknowledged, or dropped at the limit.
    #[prost(uint64, tag = "2")]
    pub gone: u64,
    /// Count of effects that were dropped at the limit, of all time.
    #[prost(uint64, tag = "3")]
    pub dropped: u64,
    /// The highest epoch of an effect.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
}

impl OutboxMarkRow {
    /// Count of the rows in the table.
    pub fn rows(&self) -> u64 {
        self.last.saturating_sub(self.gone)
    }
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::OutboxMark)
}

pub(super) fn encode_row(row: &OutboxMarkRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<OutboxMarkRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = OutboxMarkRow { last: 9, gone: 4, dropped: 1, epoch: 2 };
    vec![sample(Key::OutboxMark, Row::OutboxMark(row), "", "0809100418012002")]
}
