//! Attempts that count in contact limits (spec 9, Contact limits), by subject and time; without limits none is written.

use outbound::Handle;
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

/// Whose attempts count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttemptSubject {
    /// A phone in the canonical form of the hand-out, of the records of a tenant (DBID; 0: the default tenant).
    Phone(u32, String),
    /// A customer id, of the records of a tenant.
    Customer(u32, String),
    /// A chain of a list: DBID and chain_id.
    Chain(u32, u64),
}

/// An attempt.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AttemptRow {
    /// DBID of the campaign whose group handed the record out; 0: processed without having been handed out, counts in every
    /// campaign that has the list.
    #[prost(uint32, tag = "1")]
    pub campaign: u32,
    /// DBID of the list.
    #[prost(uint32, tag = "2")]
    pub list: u32,
    /// The call result; none: the attempt still runs.
    #[prost(int64, optional, tag = "3")]
    pub result: Option<i64>,
}

impl AttemptSubject {
    fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        match self {
            Self::Phone(tenant, phone) => bytes.u8(0).u32(*tenant).text(phone.as_bytes()),
            Self::Customer(tenant, customer) => bytes.u8(1).u32(*tenant).text(customer.as_bytes()),
            Self::Chain(list, chain_id) => bytes.u8(2).u32(*list).u64(*chain_id),
        }
    }

    fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Phone(parts.u32()?, parts.string()?)),
            1 => Some(Self::Customer(parts.u32()?, parts.string()?)),
            2 => Some(Self::Chain(parts.u32()?, parts.u64()?)),
            _ => None,
        }
    }
}

pub(super) fn encode_key(subject: &AttemptSubject, stamp_us: &u64, handle: &Handle) -> Encoded {
    subject.encode(KeyBytes::default()).u64(*stamp_us).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Attempt { subject: AttemptSubject::decode(parts)?, stamp_us: parts.u64()?, handle: Handle(parts.u64()?) })
}

/// The prefix of the attempts of a subject.
pub(crate) fn attempts_prefix(subject: &AttemptSubject) -> Vec<u8> {
    subject.encode(KeyBytes::default()).0.into_vec()
}

pub(super) fn encode_row(row: &AttemptRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<AttemptRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = AttemptRow { campaign: 101, list: 102, result: Some(6) };
    let key = |subject| Key::Attempt { subject, stamp_us: 5, handle: Handle(15) };
    vec![
        sample(
            key(AttemptSubject::Phone(0, "+1".to_owned())),
            Row::Attempt(row.clone()),
            "000000000000022b310000000000000005000000000000000f",
            "086510661806",
        ),
        sample(
            key(AttemptSubject::Chain(101, 7)),
            Row::Attempt(row),
            "020000006500000000000000070000000000000005000000000000000f",
            "086510661806",
        ),
    ]
}
