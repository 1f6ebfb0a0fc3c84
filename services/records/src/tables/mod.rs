//! The tables of the state: names of rows, rows, and their bytes. A table is a file here and an entry in the list below.
//!
//! Encoded keys are big-endian and begin with the searched part: the order of bytes is the order of keys, and a prefix of bytes
//! is a prefix of parts. An encoded key never contains the table's tag: the engine separates tables by [`Table::tag`]. Bytes of
//! rows are canonical, because nodes compare digests: no maps, no floats, a single encoding of every value. A field number is
//! never reused for another meaning. Called by the rules and by every engine.

mod api_token;
mod attempt;
mod attempt_by_age;
mod audit;
mod bring_up;
mod bytes;
mod callback_by_due;
mod content;
mod counter;
mod declared;
pub(crate) mod dialable;
mod dnc;
mod dnc_rest;
mod floor;
mod group;
mod held_by_group;
mod held_by_time;
mod idempotency;
mod import_batch;
pub(crate) mod indexes;
mod key_by_age;
mod list;
mod list_by_name;
mod list_counters;
mod meta;
mod number;
mod outbox;
mod outbox_mark;
mod phones;
mod record;
mod record_by_chain;
mod record_by_customer;
mod record_by_id;
mod record_by_phone;
mod record_history;
mod request;
mod role_change;
#[cfg(any(test, feature = "contract"))]
mod sample;
mod scheduled_switchover;
mod scope;
mod settings;
mod waiting_until;
mod windows;

use std::sync::Arc;

use outbound::{ContentHash, Handle, RequestId, TokenHash};

pub use api_token::ApiTokenRow;
pub(crate) use attempt::attempts_prefix;
pub use attempt::{AttemptRow, AttemptSubject};
pub use audit::AuditRow;
pub use bring_up::{BringUpRow, CustomersRow, HeldBackRow};
pub use bytes::Encoded;
use bytes::KeyParts;
pub(crate) use callback_by_due::callback_prefix;
pub use content::RequestIdRow;
pub use counter::Counter;
pub use declared::DeclaredRow;
pub use dialable::{Class, Window, WindowZone};
pub(crate) use dialable::{class_prefix, window_prefix};
pub(crate) use dnc::scope_prefix;
pub use dnc::{DncRow, DncScope, DncSubject};
pub use dnc_rest::DncRestRow;
pub use group::{GroupRow, ListTurnRow, group_state};
pub(crate) use held_by_group::{agent_prefix, group_prefix};
pub use idempotency::IdempotencyRow;
pub use import_batch::ImportBatchRow;
pub(crate) use import_batch::import_prefix;
pub use indexes::indexes_of;
pub use key_by_age::KeyRow;
pub(crate) use list::list_prefix;
pub use list::{FieldRow, ListRow, SentColumnRow, unique_phone};
pub use list_counters::ListCountersRow;
pub use meta::{FloorRow, MetaRow, PhonesRow};
pub use number::NumberRow;
pub use outbox::OutboxRow;
pub use outbox_mark::OutboxMarkRow;
pub use record::{PendingRow, RecordRow};
pub(crate) use record_by_chain::chain_prefix;
pub(crate) use record_by_customer::customer_prefix;
pub use record_by_phone::EmptyRow;
pub(crate) use record_by_phone::phone_prefix;
pub use record_history::{RecordChangeRow, RecordHistoryRow};
pub(crate) use request::node_prefix;
pub use request::{RequestRow, ids_with_token};
pub use role_change::RoleChangeRow;
#[cfg(any(test, feature = "contract"))]
pub(crate) use sample::Sample;
pub use scheduled_switchover::ScheduledSwitchoverRow;
pub use scope::Scope;
pub use settings::{SettingRow, SettingsRow};
pub use windows::{WindowRow, WindowsRow};

use crate::{declared::Declared, settings::Settings};

/// Makes [`Table`], [`Key`] and [`Row`] out of the list of tables. An entry: documentation; name, tag and file; the parts of the
/// key, if any; the row. Each file has `encode_key`, `decode_key`, `encode_row`, `decode_row`, and `samples` for tests.
macro_rules! tables {
    ($(
        $(#[$doc:meta])*
        $table:ident = $tag:literal in $file:ident
            $(($($part:ident: $part_type:ty),+))? $({ $($field:ident: $field_type:ty),+ })? => $row:ty;
    )+) => {
        /// A kind of row. Its number is the tag in the engine and in the digest, and is never reused for another table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Table {
            $($(#[$doc])* $table = $tag,)+
        }

        impl Table {
            /// All tables, in the order of their tags.
            pub const ALL: [Self; [$($tag),+].len()] = [$(Self::$table),+];
        }

        /// The name of a row.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the tables document the parts
        pub enum Key {
            $($(#[$doc])* $table $(($($part_type),+))? $({ $($field: $field_type),+ })?,)+
        }

        impl Key {
            /// The table of the row.
            pub const fn table(&self) -> Table {
                match self {
                    $(Self::$table { .. } => Table::$table,)+
                }
            }

            /// Its bytes, without the table's tag; unique in the table.
            pub fn encode(&self) -> Encoded {
                match self {
                    $(Self::$table $(($($part),+))? $({ $($field),+ })? => {
                        $file::encode_key($($($part),+)? $($($field),+)?)
                    })+
                }
            }

            /// The key of these bytes; none if no key of the table has them.
            pub fn decode(table: Table, bytes: &[u8]) -> Option<Self> {
                let mut parts = KeyParts(bytes);
                let key = match table {
                    $(Table::$table => $file::decode_key(&mut parts)?,)+
                };
                parts.0.is_empty().then_some(key)
            }
        }

        /// A row.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Row {
            $($(#[$doc])* $table($row),)+
        }

        impl Row {
            /// Appends the canonical bytes of the row.
            pub fn encode_into(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$table(row) => $file::encode_row(row, bytes),)+
                }
            }

            /// The row of these bytes; none: the bytes are no row of the table.
            pub fn decode(table: Table, bytes: &[u8]) -> Option<Self> {
                Some(match table {
                    $(Table::$table => Self::$table($file::decode_row(bytes)?),)+
                })
            }
        }

        /// Rows of every table.
        #[cfg(any(test, feature = "contract"))]
        pub(crate) fn samples() -> Vec<Sample> {
            [$($file::samples()),+].concat()
        }
    };
}

tables! {
    /// Counters of the state, one row; from rules version 4 on, the last stamp alone.
    Meta = 1 in meta => MetaRow;
    /// Calling lists by DBID, before rules version 4 with their counters.
    List = 2 in list(dbid: u32) => Arc<ListRow>;
    /// Records by handle.
    Record = 3 in record(handle: Handle) => Arc<RecordRow>;
    /// Do-Not-Call entries.
    Dnc = 4 in dnc(scope: DncScope, subject: DncSubject) => DncRow;
    /// Decided request ids with their replies (R7 unknown-is-not-failed).
    Request = 5 in request(id: RequestId) => RequestRow;
    /// Idempotency keys with their replies (spec 6, Exactly once).
    Idempotency = 6 in idempotency(scope: Scope, key: Vec<u8>) => IdempotencyRow;
    /// Applied import batches, of an import in the order of the last row.
    ImportBatch = 7 in import_batch { list: u32, import_id: Vec<u8>, last_row: u64, first_row: u64 } => ImportBatchRow;
    /// Changes of the role, by term.
    RoleChange = 8 in role_change(term: u64) => RoleChangeRow;
    /// Rules version and options of the rules, one row; none: rules version 1.
    Settings = 9 in settings => Arc<Settings>;
    /// Counters of the state, a row each, from rules version 4 on.
    Counter = 10 in counter(counter: Counter) => NumberRow;
    /// Floors of request ids by node, those of ids with a token apart, from rules version 4 on.
    Floor = 11 in floor { node: u32, with_token: bool } => FloorRow;
    /// Progress of the rewrite of phones, one row, from rules version 4 on.
    Phones = 12 in phones => PhonesRow;
    /// Counters of calling lists by DBID, from rules version 4 on.
    ListCounters = 13 in list_counters(list: u32) => ListCountersRow;
    /// The declaration beside lists and options, one row; none: nothing is declared.
    Declared = 14 in declared => Arc<Declared>;
    /// States of campaign groups by DBID.
    Group = 15 in group(dbid: u32) => GroupRow;
    /// The different windows of lists by DBID.
    Windows = 16 in windows(list: u32) => Arc<WindowsRow>;
    /// Progress of bringing records up, one row, from rules version 5 on.
    BringUp = 17 in bring_up => BringUpRow;
    /// Attempts that count in contact limits.
    Attempt = 18 in attempt { subject: AttemptSubject, stamp_us: u64, handle: Handle } => AttemptRow;
    /// The remaining work of large DoNotCalls, by number.
    DncRest = 19 in dnc_rest(number: u64) => DncRestRow;
    /// Effects that no reader has acknowledged, by number.
    Outbox = 20 in outbox(number: u64) => OutboxRow;
    /// Counters of the outbox, one row; none: no effect was ever kept.
    OutboxMark = 21 in outbox_mark => OutboxMarkRow;
    /// API tokens by the hash of their text, from rules version 6 on.
    ApiToken = 22 in api_token(hash: TokenHash) => Arc<ApiTokenRow>;
    /// The audit, by stamp and number, from rules version 7 on.
    Audit = 23 in audit { stamp_us: u64, number: u64 } => Arc<AuditRow>;
    /// The last changes of records by handle, of lists that keep them, from rules version 7 on.
    RecordHistory = 24 in record_history(handle: Handle) => RecordHistoryRow;
    /// The scheduled switchover, one row, from rules version 7 on; none: nothing is scheduled.
    ScheduledSwitchover = 25 in scheduled_switchover => ScheduledSwitchoverRow;
    /// Index: content of a request without a key, to its request id (spec 6, Exactly once).
    Content = 32 in content(content: ContentHash, scope: Scope) => RequestIdRow;
    /// Index: idempotency keys by age, to the encoded key of the row.
    KeyByAge = 33 in key_by_age(sequence: u64) => KeyRow;
    /// Index: list by name, to its DBID.
    ListByName = 34 in list_by_name(name: String) => NumberRow;
    /// Index: record by list and record_id, to its handle.
    RecordById = 35 in record_by_id { list: u32, record_id: u64 } => NumberRow;
    /// Index: record by phone in the form of a rules version; the row is empty.
    RecordByPhone = 36 in record_by_phone { phone: String, handle: Handle } => EmptyRow;
    /// Index: record by list, chain and position, to its handle.
    RecordByChain = 37 in record_by_chain { list: u32, chain_id: u64, chain_n: u64 } => NumberRow;
    /// Index: record by the value of its list's customer field; the row is empty.
    RecordByCustomer = 38 in record_by_customer { customer: String, handle: Handle } => EmptyRow;
    /// Index: records that may be handed out, by list, class and window, in their order; the row is empty.
    Dialable = 39 in dialable { list: u32, class: Class, window: Window, order: (u64, u64), handle: Handle } => EmptyRow;
    /// Index: Retrieved records by the time of the last request on them; the row is empty.
    HeldByTime = 40 in held_by_time { changed_us: u64, handle: Handle } => EmptyRow;
    /// Index: Retrieved records by group, agent and time of the hand-out; the row is empty.
    HeldByGroup = 41 in held_by_group { group: u32, agent: String, held_since_us: u64, handle: Handle } => EmptyRow;
    /// Index: Ready callbacks by time, personal ones apart; the row is empty.
    CallbackByDue = 42 in callback_by_due { personal: bool, due_s: u64, handle: Handle } => EmptyRow;
    /// Index: Ready records that a pause or a limit holds back, by its end; the row is empty.
    WaitingUntil = 43 in waiting_until { until_s: u64, handle: Handle } => EmptyRow;
    /// Index: attempts by age, to the encoded key of the row.
    AttemptByAge = 44 in attempt_by_age { kind: u8, stamp_us: u64, handle: Handle } => KeyRow;
}

impl Table {
    /// The table's number.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The table of a number.
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.tag() == tag)
    }

    /// Whether views read the table in order; the index of contents is only looked up, so that an engine may hash its keys.
    pub const fn is_ordered(self) -> bool {
        !matches!(self, Self::Content)
    }

    /// Whether the digest covers the table's rows; indexes are derived from covered rows ([`indexes_of`]).
    pub const fn is_state(self) -> bool {
        self.tag() < Self::Content.tag()
    }
}

impl Row {
    /// The canonical bytes of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_key_and_every_row_keeps_its_bytes() {
        for sample in samples() {
            assert_eq!(hex(&sample.key.encode()), sample.key_bytes, "{:?}", sample.key);
            assert_eq!(hex(&sample.row.encode()), sample.row_bytes, "{:?}", sample.row);
        }
    }

    #[test]
    fn every_key_and_every_row_comes_back_from_its_bytes() {
        for Sample { key, row, .. } in samples() {
            assert_eq!(Row::decode(key.table(), &row.encode()), Some(row));
            assert_eq!(Key::decode(key.table(), &key.encode()), Some(key));
        }
    }

    #[test]
    fn bytes_that_are_too_short_or_too_long_are_no_key() {
        for Sample { key, .. } in samples() {
            let bytes = key.encode();
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_ne!(Key::decode(key.table(), &longer), Some(key.clone()));
            if let Some((_, shorter)) = bytes.split_last() {
                assert_ne!(Key::decode(key.table(), shorter), Some(key));
            }
        }
    }

    #[test]
    fn tags_are_unique_and_lead_back_to_their_table() {
        for table in Table::ALL {
            assert_eq!(Table::from_tag(table.tag()), Some(table));
            assert!(samples().iter().any(|sample| sample.key.table() == table), "{table:?} has no sample");
        }
        assert!(Table::ALL.is_sorted(), "{:?}", Table::ALL);
        assert_eq!(Table::from_tag(0), None);
    }
}
