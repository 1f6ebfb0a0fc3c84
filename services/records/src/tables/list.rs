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
    /// The list's tenant; empty: the default tenant. This and the fields below: from rules version 5 on, set by declarations.
    #[prost(string, tag = "10")]
    pub tenant: String,
    /// Column of the customer field; empty: none.
    #[prost(string, tag = "11")]
    pub customer_column: String,
    /// Names of the list's treatments.
    #[prost(string, repeated, tag = "12")]
    pub treatments: Vec<String>,
    /// Name of the list's calendar; empty: none.
    #[prost(string, tag = "13")]
    pub calendar: String,
    /// 0: any number of attempts.
    #[prost(uint32, tag = "14")]
    pub attempts_max: u32,
    /// A number of [`unique_phone`].
    #[prost(uint32, tag = "15")]
    pub unique_phone: u32,
    /// Unknown keys are refused.
    #[prost(bool, tag = "16")]
    pub refuses_unknown_keys: bool,
    /// A record without a zone gets that of the longest declared prefix.
    #[prost(bool, tag = "17")]
    pub zone_by_phone: bool,
    /// Windows and the calendar do not bind callbacks.
    #[prost(bool, tag = "18")]
    pub callbacks_any_time: bool,
    /// Default columns and the keys under which they travel too, in the order of the columns.
    #[prost(message, repeated, tag = "19")]
    pub send_attributes: Vec<SentColumnRow>,
    /// Name of the declared zone that `time_zone` came from; empty: an IANA name was given.
    #[prost(string, tag = "20")]
    pub zone_name: String,
    /// The last changes of each record are kept; from rules version 7 on.
    #[prost(bool, tag = "41")]
    pub keeps_history: bool,
}

/// A default column that travels under a key of its own.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SentColumnRow {
    /// Column of every list.
    #[prost(string, tag = "1")]
    pub column: String,
    /// Its key in requests and replies.
    #[prost(string, tag = "2")]
    pub key: String,
}

/// Values of [`ListRow::unique_phone`] (spec 9, Small print).
pub mod unique_phone {
    #![allow(missing_docs)] // the names are the documentation
    pub const NO: u32 = 0;
    pub const OPEN: u32 = 1;
    pub const EVER: u32 = 2;
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
        tenant: "t".to_owned(),
        customer_column: "AGE".to_owned(),
        treatments: vec!["b".to_owned()],
        calendar: "c".to_owned(),
        attempts_max: 12,
        unique_phone: unique_phone::EVER,
        refuses_unknown_keys: true,
        zone_by_phone: true,
        callbacks_any_time: true,
        send_attributes: vec![SentColumnRow { column: "c".to_owned(), key: "k".to_owned() }],
        zone_name: "V".to_owned(),
        keeps_history: true,
    };
    vec![sample(
        Key::List(101),
        Row::List(Arc::new(row)),
        "00000065",
        "0a0464656d6f12035554431a120a034147451203696e741a013122036167652005280630043801400948035201745a034147456201626a0163700c78028001018801019001019a01060a016312016ba2010156c80201",
    )]
}
