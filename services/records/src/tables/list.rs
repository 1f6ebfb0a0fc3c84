//! Calling lists by DBID.

use std::sync::Arc;

use outbound::UserField;
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

/// A calling list. From rules version 4 on its counters (record ids, chain ids, records, `added_us`, `deleted_below`) are 0 here
/// and stand in [`super::ListCountersRow`]: [`crate::list_counters`] reads them under every version.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListRow {
    /// 1 to 255 bytes, unique.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Canonical IANA name.
    #[prost(string, tag = "2")]
    pub time_zone: String,
    /// User-defined fields; a record's values have this order. Fields are only ever appended.
    #[prost(message, repeated, tag = "3")]
    pub fields: Vec<FieldRow>,
    /// Highest record_id ever, plus 1.
    #[prost(uint64, tag = "4")]
    pub next_record_id: u64,
    /// Highest chain_id ever, plus 1.
    #[prost(uint64, tag = "5")]
    pub next_chain_id: u64,
    /// Records in the list.
    #[prost(uint64, tag = "6")]
    pub records: u64,
    /// Set: the list is being deleted, takes no new records, and its records answer as not found.
    #[prost(bool, tag = "7")]
    pub deleting: bool,
    /// Time of the last added record, microseconds since 1970; 0: never, or under a rules version before 3.
    #[prost(uint64, tag = "8")]
    pub added_us: u64,
    /// Progress of a deletion: records with a lower record_id are gone.
    #[prost(uint64, tag = "9")]
    pub deleted_below: u64,
}

/// A user-defined field of a list (spec 9).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FieldRow {
    /// Column name.
    #[prost(string, tag = "1")]
    pub column: String,
    /// `int`, `float`, `char`, `varchar(n)` or `datetime`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// The value of a record without one.
    #[prost(string, tag = "3")]
    pub default: String,
    /// The attribute key of the field in requests and replies; empty: the column.
    #[prost(string, tag = "4")]
    pub send_attribute: String,
}

impl From<&UserField> for FieldRow {
    fn from(field: &UserField) -> Self {
        let UserField { column, kind, default, send_attribute } = field.clone();
        Self { column, kind, default, send_attribute }
    }
}

impl From<&FieldRow> for UserField {
    fn from(field: &FieldRow) -> Self {
        let FieldRow { column, kind, default, send_attribute } = field.clone();
        Self { column, kind, default, send_attribute }
    }
}

pub(super) fn encode_key(dbid: &u32) -> Encoded {
    KeyBytes::default().u32(*dbid).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::List(parts.u32()?))
}

/// The prefix of the rows of a list, in every table whose key begins with a list.
pub(crate) fn list_prefix(list: u32) -> Vec<u8> {
    encode_key(&list).into_vec()
}

pub(super) fn encode_row(row: &ListRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<ListRow>> {
    message(bytes).map(Arc::new)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let [column, kind, default, send_attribute] = ["AGE", "int", "1", "age"].map(str::to_owned);
    let row = ListRow {
        name: "demo".to_owned(),
        time_zone: "UTC".to_owned(),
        fields: vec![FieldRow { column, kind, default, send_attribute }],
        next_record_id: 5,
        next_chain_id: 6,
        records: 4,
        deleting: true,
        added_us: 9,
        deleted_below: 3,
    };
    vec![sample(
        Key::List(101),
        Row::List(Arc::new(row)),
        "00000065",
        "0a0464656d6f12035554431a120a034147451203696e741a01312203616765200528063004380140094803",
    )]
}
