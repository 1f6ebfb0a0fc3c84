//! The audit, by stamp and number, from rules version 7 on. No row has a secret, a phone, a customer id or a value of a record.

use std::sync::Arc;

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

/// An order of an operator, or a change of settings, tokens, lists, campaigns, groups or Do-Not-Call. Its texts are cut to a length.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AuditRow {
    /// The operator's certificate, the client's token or certificate; empty: without a name, or the group itself.
    #[prost(string, tag = "1")]
    pub principal: String,
    /// The caller's address; empty: not known.
    #[prost(string, tag = "2")]
    pub address: String,
    /// The name of the change or of the order, as in `CreateToken` or `Switchover`.
    #[prost(string, tag = "3")]
    pub what: String,
    /// The subject, as the name of a list; empty: none.
    #[prost(string, tag = "4")]
    pub about: String,
    /// For a person; empty: none.
    #[prost(string, tag = "5")]
    pub details: String,
    /// `done`, `begun`, or the code of a refusal.
    #[prost(string, tag = "6")]
    pub outcome: String,
    /// The node that took an order; empty: the row stands for a command of the log.
    #[prost(string, tag = "7")]
    pub node: String,
    /// Time of an order by the clock of its node, microseconds since 1970; 0: the row stands for a command of the log.
    #[prost(uint64, tag = "8")]
    pub acted_us: u64,
}

pub(super) fn encode_key(stamp_us: &u64, number: &u64) -> Encoded {
    KeyBytes::default().u64(*stamp_us).u64(*number).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Audit { stamp_us: parts.u64()?, number: parts.u64()? })
}

pub(super) fn encode_row(row: &AuditRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<AuditRow>> {
    message(bytes).map(Arc::new)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let [principal, address, what, about, details, outcome, node] =
        ["m", "h:1", "Drain", "a", "d", "done", "b"].map(str::to_owned);
    let row = AuditRow { principal, address, what, about, details, outcome, node, acted_us: 6 };
    vec![sample(
        Key::Audit { stamp_us: 5, number: 300 },
        Row::Audit(Arc::new(row)),
        "0000000000000005000000000000012c",
        "0a016d1203683a311a05447261696e2201612a01643204646f6e653a01624006",
    )]
}
