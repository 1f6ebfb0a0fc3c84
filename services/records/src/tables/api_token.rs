//! API tokens by the hash of their text, from rules version 6 on. No row has a token's text.

use std::sync::Arc;

use outbound::TokenHash;
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

/// An API token; SHA-256 of its text is its key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ApiTokenRow {
    /// Time of the creation, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The principal of the token's requests; two tokens may share a name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// For a person; empty: none.
    #[prost(string, tag = "3")]
    pub note: String,
    /// As [`outbound::AccessScopes::bits`] gives the scopes.
    #[prost(uint32, tag = "4")]
    pub scopes: u32,
    /// DBIDs of the lists that requests may reach, sorted; empty: all lists. A DBID is never given twice, so a list of the same
    /// name is another list.
    #[prost(uint32, repeated, tag = "5")]
    pub lists: Vec<u32>,
    /// The tenant of the token's requests, `default` for the default tenant; empty: any tenant.
    #[prost(string, tag = "6")]
    pub tenant: String,
    /// UTC seconds from which on the token is refused; none: never.
    #[prost(int64, optional, tag = "7")]
    pub expires_s: Option<i64>,
    /// The operator that made the token; empty: without a certificate.
    #[prost(string, tag = "8")]
    pub created_by: String,
}

pub(super) fn encode_key(hash: &TokenHash) -> Encoded {
    KeyBytes::default().rest(hash).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::ApiToken(parts.take(32)?.try_into().ok()?))
}

pub(super) fn encode_row(row: &ApiTokenRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<ApiTokenRow>> {
    message(bytes).map(Arc::new)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = ApiTokenRow {
        stamp_us: 5,
        name: "crm".to_owned(),
        note: "n".to_owned(),
        scopes: 3,
        lists: vec![101, 300],
        tenant: "t".to_owned(),
        expires_s: Some(6),
        created_by: "o".to_owned(),
    };
    vec![sample(
        Key::ApiToken([0x0a; 32]),
        Row::ApiToken(Arc::new(row)),
        "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "0805120363726d1a016e20032a0365ac02320174380642016f",
    )]
}
