//! States of campaign groups by DBID; none: NotLoaded, and never asked for a record.

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

/// The state of a campaign group.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GroupRow {
    /// A number of [`group_state`].
    #[prost(uint32, tag = "1")]
    pub state: u32,
    /// Smooth weighted round robin: the current weights, sorted by list; a list without a row has 0.
    #[prost(message, repeated, tag = "2")]
    pub turns: Vec<ListTurnRow>,
}

/// The current weight of a list in the round robin of a group.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListTurnRow {
    /// DBID.
    #[prost(uint32, tag = "1")]
    pub list: u32,
    /// Current weight.
    #[prost(sint64, tag = "2")]
    pub current: i64,
}

/// States of a campaign group (spec 9, Campaign groups).
pub mod group_state {
    #![allow(missing_docs)] // the names are the documentation
    pub const NOT_LOADED: u32 = 0;
    pub const LOADED: u32 = 1;
    pub const RUNNING: u32 = 2;
    pub const STOPPED: u32 = 3;
    pub const UNLOADING: u32 = 4;
}

pub(super) fn encode_key(dbid: &u32) -> Encoded {
    KeyBytes::default().u32(*dbid).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Group(parts.u32()?))
}

pub(super) fn encode_row(row: &GroupRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<GroupRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let turns = vec![ListTurnRow { list: 101, current: -3 }];
    let row = GroupRow { state: group_state::RUNNING, turns };
    vec![sample(Key::Group(101), Row::Group(row), "00000065", "0802120408651005")]
}
