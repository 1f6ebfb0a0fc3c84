//! Index: Retrieved records by group, agent and the time of the hand-out. The row is empty, all is in the key.

use outbound::Handle;

use super::{
    EmptyRow, Key,
    bytes::{Encoded, KeyBytes, KeyParts},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key(group: &u32, agent: &str, held_since_us: &u64, handle: &Handle) -> Encoded {
    of_agent(*group, agent).u64(*held_since_us).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::HeldByGroup {
        group: parts.u32()?,
        agent: parts.string()?,
        held_since_us: parts.u64()?,
        handle: Handle(parts.u64()?),
    })
}

/// The prefix of the records that a group holds.
pub(crate) fn group_prefix(group: u32) -> Vec<u8> {
    KeyBytes::default().u32(group).0.into_vec()
}

/// The prefix of the records that an agent holds for a group.
pub(crate) fn agent_prefix(group: u32, agent: &str) -> Vec<u8> {
    of_agent(group, agent).0.into_vec()
}

fn of_agent(group: u32, agent: &str) -> KeyBytes {
    KeyBytes::default().u32(group).text(agent.as_bytes())
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::HeldByGroup { group: 101, agent: "a".to_owned(), held_since_us: 5, handle: Handle(15) },
        Row::HeldByGroup(EmptyRow),
        "000000650001610000000000000005000000000000000f",
        "",
    )]
}
