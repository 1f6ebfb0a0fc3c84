//! Do-Not-Call entries by scope and subject.

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

/// The scope of a Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DncScope {
    /// A whole tenant.
    Tenant(String),
    /// One list, by DBID.
    List(u32),
    /// One campaign, by DBID; from rules version 5 on.
    Campaign(u32),
}

/// The subject of a Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DncSubject {
    /// A phone in the form of a rules version (see [`crate::phone_form`]).
    Phone(String),
    /// A customer id.
    Customer(String),
}

impl DncScope {
    fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        match self {
            Self::Tenant(name) => bytes.u8(0).text(name.as_bytes()),
            Self::List(dbid) => bytes.u8(1).u32(*dbid),
            Self::Campaign(dbid) => bytes.u8(2).u32(*dbid),
        }
    }

    fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Tenant(parts.string()?)),
            1 => Some(Self::List(parts.u32()?)),
            2 => Some(Self::Campaign(parts.u32()?)),
            _ => None,
        }
    }
}

impl DncSubject {
    fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        match self {
            Self::Phone(phone) => bytes.u8(0).rest(phone.as_bytes()),
            Self::Customer(customer) => bytes.u8(1).rest(customer.as_bytes()),
        }
    }

    fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Phone(parts.rest_string()?)),
            1 => Some(Self::Customer(parts.rest_string()?)),
            _ => None,
        }
    }
}

/// A Do-Not-Call entry; phone or customer, and tenant, list or campaign are its key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DncRow {
    /// Time of the entry's creation, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The phone or customer as given.
    #[prost(string, tag = "2")]
    pub given: String,
    /// The message of the last DoNotCall with a message; empty: no message yet, or an entry of a rules version before 3.
    #[prost(string, tag = "3")]
    pub message: String,
    /// Where the entry comes from, for a person; empty: a client's request, or an entry of a rules version before 5.
    #[prost(string, tag = "4")]
    pub source: String,
    /// UTC seconds from which on the entry counts as absent; none: never.
    #[prost(int64, optional, tag = "5")]
    pub expires_s: Option<i64>,
}

pub(super) fn encode_key(scope: &DncScope, subject: &DncSubject) -> Encoded {
    subject.encode(scope.encode(KeyBytes::default())).0
}

/// The prefix of the entries of a scope.
pub(crate) fn scope_prefix(scope: &DncScope) -> Vec<u8> {
    scope.encode(KeyBytes::default()).0.into_vec()
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Dnc(DncScope::decode(parts)?, DncSubject::decode(parts)?))
}

pub(super) fn encode_row(row: &DncRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<DncRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = DncRow {
        stamp_us: 5,
        given: "+1 0".to_owned(),
        message: "no".to_owned(),
        source: "f".to_owned(),
        expires_s: Some(6),
    };
    let bytes = "080512042b3120301a026e6f2201662806";
    vec![
        sample(
            Key::Dnc(DncScope::Tenant("t".to_owned()), DncSubject::Phone("+1".to_owned())),
            Row::Dnc(row.clone()),
            "00000174002b31",
            bytes,
        ),
        sample(
            Key::Dnc(DncScope::List(101), DncSubject::Customer("c".to_owned())),
            Row::Dnc(row.clone()),
            "01000000650163",
            bytes,
        ),
        sample(
            Key::Dnc(DncScope::Campaign(101), DncSubject::Phone("+1".to_owned())),
            Row::Dnc(row),
            "0200000065002b31",
            bytes,
        ),
    ]
}
