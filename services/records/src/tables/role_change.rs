//! Changes of the role, by term.

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

/// A change of the role; the row before names the former primary.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RoleChangeRow {
    /// Stamp of the command, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The new primary node.
    #[prost(string, tag = "2")]
    pub to: String,
    /// The reason, as text.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Time without a primary.
    #[prost(uint64, tag = "4")]
    pub pause_ms: u64,
    /// Scheduled switchovers that lapsed while `to` was primary, in words; from rules version 7 on.
    #[prost(string, tag = "5")]
    pub note: String,
}

pub(super) fn encode_key(term: &u64) -> Encoded {
    KeyBytes::default().u64(*term).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RoleChange(parts.u64()?))
}

pub(super) fn encode_row(row: &RoleChangeRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<RoleChangeRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row =
        RoleChangeRow { stamp_us: 5, to: "b".to_owned(), reason: "why".to_owned(), pause_ms: 90, note: String::new() };
    let noted = RoleChangeRow { note: "n".to_owned(), ..row.clone() };
    vec![
        sample(Key::RoleChange(3), Row::RoleChange(row), "0000000000000003", "08051201621a03776879205a"),
        sample(Key::RoleChange(4), Row::RoleChange(noted), "0000000000000004", "08051201621a03776879205a2a016e"),
    ]
}
