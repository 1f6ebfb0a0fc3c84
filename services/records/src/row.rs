//! The rows of the state, and their bytes.
//!
//! Bytes are canonical, because nodes compare digests: no maps, no floats, a single encoding of every value. A field number is
//! never reused for another meaning. Called by the rules and by every engine.

use std::sync::Arc;

use outbound::{
    RequestId, UserField,
    wire::{halves, whole},
};
use prost::Message;

use crate::{key::Table, settings::Settings};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the rows document the variants
pub enum Row {
    Meta(MetaRow),
    List(Arc<ListRow>),
    Record(Arc<RecordRow>),
    Dnc(DncRow),
    Request(RequestRow),
    Idempotency(IdempotencyRow),
    ImportBatch(ImportBatchRow),
    RoleChange(RoleChangeRow),
    Settings(Arc<Settings>),
    /// Content index: the request whose answer is repeated.
    Content(RequestIdRow),
    /// Age index: encoded key of the idempotency row.
    KeyByAge(KeyRow),
    /// Name index: DBID of the list.
    ListByName(NumberRow),
    /// record_id index: handle.
    RecordById(NumberRow),
    /// Phone index: the row is empty, all is in the key.
    RecordByPhone,
    /// Chain index: handle.
    RecordByChain(NumberRow),
}

impl Row {
    /// The canonical bytes of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the canonical bytes of the row.
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
            Self::Settings(row) => put(&SettingsRow::from(&**row), bytes),
            Self::Content(row) => put(row, bytes),
            Self::KeyByAge(row) => put(row, bytes),
            Self::ListByName(row) | Self::RecordById(row) | Self::RecordByChain(row) => put(row, bytes),
            Self::RecordByPhone => {}
        }
    }

    /// The row of these bytes; none: the bytes are no row of the table.
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
            Table::Settings => Self::Settings(Arc::new(message::<SettingsRow>(bytes)?.into())),
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
    /// Stamp of the last decided command, microseconds since 1970; later commands count as stamped at least here.
    #[prost(uint64, tag = "1")]
    pub last_stamp_us: u64,
    /// Last handle given; 0: none yet.
    #[prost(uint64, tag = "2")]
    pub last_handle: u64,
    /// Last DBID given; 0: none yet.
    #[prost(uint32, tag = "3")]
    pub last_list: u32,
    /// Sequence of the next idempotency key.
    #[prost(uint64, tag = "4")]
    pub keys_next: u64,
    /// Sequence of the oldest idempotency key kept; equal to `keys_next`: none kept.
    #[prost(uint64, tag = "5")]
    pub keys_first: u64,
    /// Stamp of that oldest key.
    #[prost(uint64, tag = "6")]
    pub keys_first_stamp_us: u64,
    /// Each node's floor of request ids without a token, sorted by node.
    #[prost(message, repeated, tag = "7")]
    pub floors: Vec<FloorRow>,
    /// Records in all lists.
    #[prost(uint64, tag = "8")]
    pub records: u64,
    /// Count of role changes kept.
    #[prost(uint32, tag = "9")]
    pub role_changes: u32,
    /// As `floors`, for ids with a token: two orders, since a node may give ids of both kinds around the raise.
    #[prost(message, repeated, tag = "10")]
    pub floors_with_token: Vec<FloorRow>,
    /// Progress of the rewrite to the phone form of rules version 3; absent: not begun.
    #[prost(message, optional, tag = "11")]
    pub phones: Option<PhonesRow>,
}

impl MetaRow {
    /// Whether every row has the phone form of rules version 3.
    pub fn phones_are_rewritten(&self) -> bool {
        self.phones.as_ref().is_some_and(|phones| phones.done)
    }
}

/// Progress of the rewrite to the phone form of rules version 3: Do-Not-Call entries first, then records.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PhonesRow {
    /// All rows are rewritten.
    #[prost(bool, tag = "1")]
    pub done: bool,
    /// Encoded key of the last visited entry; empty: none visited, or all.
    #[prost(bytes = "vec", tag = "2")]
    pub entry: Vec<u8>,
    /// All entries are visited.
    #[prost(bool, tag = "3")]
    pub entries_done: bool,
    /// Handle of the last visited record.
    #[prost(uint64, tag = "4")]
    pub handle: u64,
}

/// Rules version and options of the rules; as [`Settings`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SettingsRow {
    /// The rules version of the group's decisions.
    #[prost(uint32, tag = "1")]
    pub rules_version: u32,
    /// Sorted by key.
    #[prost(message, repeated, tag = "2")]
    pub settings: Vec<SettingRow>,
    /// The release that raised the group to this version.
    #[prost(string, tag = "3")]
    pub release: String,
}

/// An option of the rules.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SettingRow {
    /// As in `replay_window_ms`.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The option's value as text.
    #[prost(string, tag = "2")]
    pub value: String,
}

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
}

/// The floor of one node's request ids: an absent id at or below the floor has an unknown outcome.
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
    /// Stamp of the first remembered id; 0: none remembered.
    #[prost(uint64, tag = "4")]
    pub oldest_stamp_us: u64,
    /// Highest id forgotten: upper half of its token.
    #[prost(fixed64, tag = "5")]
    pub token_high: u64,
    /// Highest id forgotten: lower half of its token.
    #[prost(fixed64, tag = "6")]
    pub token_low: u64,
}

impl FloorRow {
    /// The highest forgotten id; none: no id is forgotten.
    pub fn id(&self) -> Option<RequestId> {
        let Self { node, incarnation, counter, .. } = *self;
        let token = whole((self.token_high, self.token_low));
        ((incarnation, counter) != (0, 0)).then_some(RequestId { node, incarnation, token, counter })
    }

    /// Raises the floor to an id; the caller sets `oldest_stamp_us`.
    pub(crate) fn raise(&mut self, id: RequestId) {
        (self.incarnation, self.counter) = (id.incarnation, id.counter);
        (self.token_high, self.token_low) = halves(id.token);
    }
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

/// A record of a calling list: the columns of spec 9 by their names. Times are UTC seconds, 0 to 86400 in the day.
#[derive(Clone, PartialEq, Eq, Message)]
#[allow(missing_docs)] // spec 9 defines each column
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
    /// The given DBID; 0 with a zone given by name; absent: the list's zone.
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
    /// Values of the list's user-defined fields in their order, as text; a missing value at the end is the field's default.
    #[prost(string, repeated, tag = "26")]
    pub user: Vec<String>,
    /// Time of the last change by a request, microseconds since 1970; 0: never, or under a rules version before 3. No column:
    /// exports omit this time.
    #[prost(uint64, tag = "27")]
    pub changed_us: u64,
}

/// A Do-Not-Call entry; phone or customer, tenant or list are its key.
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
}

/// A decided request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RequestRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "2")]
    pub reply: Vec<u8>,
    /// Encoded keys of the request's content rows; none: only the id identifies the request.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub contents: Vec<Vec<u8>>,
    /// Hash of the command's content, 16 bytes; empty: decided by rules version 1.
    #[prost(bytes = "vec", tag = "4")]
    pub content: Vec<u8>,
}

/// A used idempotency key.
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
    /// Position in the order of age.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
}

/// An applied import batch; its key has its row numbers.
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
    /// Upper half of the token; both halves 0: no token.
    #[prost(fixed64, tag = "4")]
    pub token_high: u64,
    /// Lower half of the token.
    #[prost(fixed64, tag = "5")]
    pub token_low: u64,
}

impl From<RequestId> for RequestIdRow {
    fn from(id: RequestId) -> Self {
        let (token_high, token_low) = halves(id.token);
        Self { node: id.node, incarnation: id.incarnation, counter: id.counter, token_high, token_low }
    }
}

impl From<&RequestIdRow> for RequestId {
    fn from(row: &RequestIdRow) -> Self {
        let token = whole((row.token_high, row.token_low));
        Self { node: row.node, incarnation: row.incarnation, token, counter: row.counter }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_rules_version_1_have_no_byte_of_a_later_one() {
        let request = RequestRow { stamp_us: 5, reply: vec![1], contents: vec![vec![2]], ..RequestRow::default() };
        assert_eq!(Row::Request(request).encode(), [0x08, 5, 0x12, 1, 1, 0x1a, 1, 2]);
        let id = RequestId { node: 1, incarnation: 2, token: 0, counter: 3 };
        assert_eq!(Row::Content(id.into()).encode(), [0x08, 1, 0x10, 2, 0x18, 3]);
        let mut floor = FloorRow { node: 1, oldest_stamp_us: 4, ..FloorRow::default() };
        floor.raise(id);
        let meta = MetaRow { last_stamp_us: 7, floors: vec![floor], ..MetaRow::default() };
        assert_eq!(Row::Meta(meta).encode(), [0x08, 7, 0x3a, 8, 0x08, 1, 0x10, 2, 0x18, 3, 0x20, 4]);
    }

    #[test]
    fn ids_with_a_token_come_back_from_every_row_that_holds_one() {
        let id = RequestId { node: 1, incarnation: 2, token: u128::MAX - 5, counter: 3 };
        assert_eq!(RequestId::from(&RequestIdRow::from(id)), id);
        let mut floor = FloorRow { node: 1, ..FloorRow::default() };
        assert_eq!(floor.id(), None);
        floor.raise(id);
        assert_eq!(floor.id(), Some(id));
    }
}
