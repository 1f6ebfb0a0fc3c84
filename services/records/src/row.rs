//! What stands under the keys, and its bytes.
//!
//! Bytes are canonical, because the digest of two nodes is compared: no maps, no floats, one way to write a value.
//! A field's number is never given to another meaning. Called by the rules and by every engine.

use std::sync::Arc;

use outbound::{RequestId, UserField};
use prost::Message;

use crate::key::Table;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the rows say it
pub enum Row {
    Meta(MetaRow),
    List(Arc<ListRow>),
    Record(Arc<RecordRow>),
    Dnc(DncRow),
    Request(RequestRow),
    Idempotency(IdempotencyRow),
    ImportBatch(ImportBatchRow),
    RoleChange(RoleChangeRow),
    /// Content index: the request whose answer is repeated.
    Content(RequestIdRow),
    /// Age index: encoded key of the idempotency row.
    KeyByAge(KeyRow),
    /// Name index: DBID of the list.
    ListByName(NumberRow),
    /// record_id index: handle.
    RecordById(NumberRow),
    /// Phone index: the key says it all.
    RecordByPhone,
    /// Chain index: handle.
    RecordByChain(NumberRow),
}

impl Row {
    /// Its canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Puts its canonical bytes behind what is there.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Meta(row) => put(row, bytes),
            Self::List(row) => put(&**row, bytes),
            Self::Record(row) => put(&**row, bytes),
            Self::Dnc(row) => put(row, bytes),
            Self::Request(row) => put(row, bytes),
            Self::Idempotency(row) => put(row, bytes),
            Self::ImportBatch(row) => put(row, bytes),
            Self::RoleChange(row) => put(row, bytes),
            Self::Content(row) => put(row, bytes),
            Self::KeyByAge(row) => put(row, bytes),
            Self::ListByName(row) | Self::RecordById(row) | Self::RecordByChain(row) => put(row, bytes),
            Self::RecordByPhone => {}
        }
    }

    /// The row of these bytes; none if they are not one of the table's.
    pub fn decode(table: Table, bytes: &[u8]) -> Option<Self> {
        Some(match table {
            Table::Meta => Self::Meta(message(bytes)?),
            Table::List => Self::List(Arc::new(message(bytes)?)),
            Table::Record => Self::Record(Arc::new(message(bytes)?)),
            Table::Dnc => Self::Dnc(message(bytes)?),
            Table::Request => Self::Request(message(bytes)?),
            Table::Idempotency => Self::Idempotency(message(bytes)?),
            Table::ImportBatch => Self::ImportBatch(message(bytes)?),
            Table::RoleChange => Self::RoleChange(message(bytes)?),
            Table::Content => Self::Content(message(bytes)?),
            Table::KeyByAge => Self::KeyByAge(message(bytes)?),
            Table::ListByName => Self::ListByName(message(bytes)?),
            Table::RecordById => Self::RecordById(message(bytes)?),
            Table::RecordByPhone => Self::RecordByPhone,
            Table::RecordByChain => Self::RecordByChain(message(bytes)?),
        })
    }
}

fn put(row: &impl Message, bytes: &mut Vec<u8>) {
    row.encode(bytes).expect("a Vec grows");
}

fn message<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok()
}

/// Counters of the state.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct MetaRow {
    /// Stamp of the last command decided, microseconds since 1970; later ones count as at least this.
    #[prost(uint64, tag = "1")]
    pub last_stamp_us: u64,
    /// Handle given last; 0: none yet.
    #[prost(uint64, tag = "2")]
    pub last_handle: u64,
    /// DBID given last; 0: none yet.
    #[prost(uint32, tag = "3")]
    pub last_list: u32,
    /// Sequence of the next idempotency key.
    #[prost(uint64, tag = "4")]
    pub keys_next: u64,
    /// Sequence of the oldest idempotency key that is still there; equal to `keys_next`: none is.
    #[prost(uint64, tag = "5")]
    pub keys_first: u64,
    /// Stamp of that oldest key.
    #[prost(uint64, tag = "6")]
    pub keys_first_stamp_us: u64,
    /// How far each node's request ids are forgotten, sorted by node.
    #[prost(message, repeated, tag = "7")]
    pub floors: Vec<FloorRow>,
    /// Records in all lists.
    #[prost(uint64, tag = "8")]
    pub records: u64,
    /// Changes of the role that are kept.
    #[prost(uint32, tag = "9")]
    pub role_changes: u32,
}

/// A change of the role; the primary before is the one of the row before.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RoleChangeRow {
    /// When it was noted, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The node that is primary from then on.
    #[prost(string, tag = "2")]
    pub to: String,
    /// Why, in words.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// How long there was no primary.
    #[prost(uint64, tag = "4")]
    pub pause_ms: u64,
}

/// How far the request ids of one node are forgotten: one at or below that is not found has an unknown outcome.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FloorRow {
    /// Number of the node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// Highest id forgotten: incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Highest id forgotten: counter.
    #[prost(uint64, tag = "3")]
    pub counter: u64,
    /// Stamp of the first id that is still remembered; 0: none is.
    #[prost(uint64, tag = "4")]
    pub oldest_stamp_us: u64,
}

/// A calling list.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListRow {
    /// 1 to 255 bytes, unique.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Canonical IANA name.
    #[prost(string, tag = "2")]
    pub time_zone: String,
    /// User-defined fields; a record's values stand in this order. Fields are only ever added at the end.
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
    /// The key under which it travels; empty: the column.
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

/// A record of a calling list: the columns of spec 9 by their names. Times are UTC seconds, 0 to 86400 in the day.
#[derive(Clone, PartialEq, Eq, Message)]
#[allow(missing_docs)] // spec 9 says what each column means
pub struct RecordRow {
    /// DBID of its list.
    #[prost(uint32, tag = "1")]
    pub list: u32,
    #[prost(uint64, tag = "2")]
    pub record_id: u64,
    #[prost(string, tag = "3")]
    pub contact_info: String,
    #[prost(int64, tag = "4")]
    pub contact_info_type: i64,
    #[prost(int64, tag = "5")]
    pub record_type: i64,
    #[prost(int64, tag = "6")]
    pub record_status: i64,
    #[prost(int64, tag = "7")]
    pub call_result: i64,
    #[prost(int64, tag = "8")]
    pub attempt: i64,
    #[prost(int64, optional, tag = "9")]
    pub dial_sched_time: Option<i64>,
    #[prost(int64, optional, tag = "10")]
    pub call_time: Option<i64>,
    #[prost(int64, tag = "11")]
    pub daily_from: i64,
    #[prost(int64, tag = "12")]
    pub daily_till: i64,
    /// As given; 0 with a zone given by name; absent: the list's zone.
    #[prost(int64, optional, tag = "13")]
    pub tz_dbid: Option<i64>,
    /// Canonical IANA name; empty: the zone of `tz_dbid`, else the list's.
    #[prost(string, tag = "14")]
    pub tz_name: String,
    #[prost(int64, optional, tag = "15")]
    pub campaign_id: Option<i64>,
    #[prost(string, tag = "16")]
    pub agent_id: String,
    #[prost(uint64, tag = "17")]
    pub chain_id: u64,
    #[prost(uint64, tag = "18")]
    pub chain_n: u64,
    #[prost(int64, optional, tag = "19")]
    pub group_id: Option<i64>,
    #[prost(int64, optional, tag = "20")]
    pub app_id: Option<i64>,
    #[prost(string, tag = "21")]
    pub treatments: String,
    #[prost(int64, optional, tag = "22")]
    pub media_ref: Option<i64>,
    #[prost(string, tag = "23")]
    pub email_subject: String,
    #[prost(int64, optional, tag = "24")]
    pub email_template_id: Option<i64>,
    #[prost(int64, optional, tag = "25")]
    pub switch_id: Option<i64>,
    /// Values of the list's user-defined fields in their order, as text; one that is missing at the end is its default.
    #[prost(string, repeated, tag = "26")]
    pub user: Vec<String>,
}

/// A Do-Not-Call entry; phone or customer, tenant or list are its key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DncRow {
    /// When it was made, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The phone or customer as given.
    #[prost(string, tag = "2")]
    pub given: String,
}

/// A request that was decided.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "2")]
    pub reply: Vec<u8>,
    /// Encoded keys of its content rows; none: it is known by its id alone.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub contents: Vec<Vec<u8>>,
}

/// An idempotency key that was used.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct IdempotencyRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// Hash of the request's content, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "3")]
    pub reply: Vec<u8>,
    /// Where it stands in the order of age.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
}

/// An import batch that was taken; its rows are in its key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ImportBatchRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "2")]
    pub reply: Vec<u8>,
}

/// A request id.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestIdRow {
    /// Node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// Incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Counter.
    #[prost(uint64, tag = "3")]
    pub counter: u64,
}

impl From<RequestId> for RequestIdRow {
    fn from(id: RequestId) -> Self {
        Self { node: id.node, incarnation: id.incarnation, counter: id.counter }
    }
}

impl From<&RequestIdRow> for RequestId {
    fn from(row: &RequestIdRow) -> Self {
        Self { node: row.node, incarnation: row.incarnation, counter: row.counter }
    }
}

/// The encoded key of another row.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct KeyRow {
    /// Without the table's tag.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

/// A handle or a DBID.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NumberRow {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}
