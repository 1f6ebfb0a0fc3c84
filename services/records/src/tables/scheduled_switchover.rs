//! The scheduled switchover, one row, from rules version 7 on; none: nothing is scheduled.

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

/// A switchover at a time to come, or under way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ScheduledSwitchoverRow {
    /// UTC seconds.
    #[prost(uint64, tag = "1")]
    pub at_s: u64,
    /// The node that is to become primary; empty: the primary of that time chooses.
    #[prost(string, tag = "2")]
    pub to: String,
    /// The operator or client; empty: without a name.
    #[prost(string, tag = "3")]
    pub principal: String,
    /// The caller's address; empty: not known.
    #[prost(string, tag = "4")]
    pub address: String,
    /// Stamp of the order, microseconds since 1970.
    #[prost(uint64, tag = "5")]
    pub asked_us: u64,
    /// The primary that hands over; empty: the time has not come.
    #[prost(string, tag = "6")]
    pub from: String,
    /// The term in which that primary began.
    #[prost(uint64, tag = "7")]
    pub term: u64,
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::ScheduledSwitchover)
}

pub(super) fn encode_row(row: &ScheduledSwitchoverRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<ScheduledSwitchoverRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let [to, principal, address, from] = ["b", "m", "h:1", "a"].map(str::to_owned);
    let row = ScheduledSwitchoverRow { at_s: 7, to, principal, address, asked_us: 5, from, term: 3 };
    vec![sample(
        Key::ScheduledSwitchover,
        Row::ScheduledSwitchover(row),
        "",
        "08071201621a016d2203683a3128053201613803",
    )]
}
