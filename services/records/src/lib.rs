//! The rules of calling lists.
//!
//! Pure, deterministic, infallible: a command and a view of the state in; a reply, changes and events out. Never
//! contains a clock, a random number, a file, a task, or a word of Raft or HTTP. Called by `node` on the apply thread,
//! with a [`View`] of `store`, and by the simulator with a [`MapView`].

mod access;
mod acknowledge;
mod after;
mod audit;
mod columns;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod counters;
mod customers;
mod date_time;
mod decide;
mod declare;
mod declared;
mod dialling;
mod digest;
mod dnc;
mod due;
mod event;
mod export;
mod fields;
mod given;
mod groups;
mod history;
mod hold;
mod limits;
mod lookup;
mod map;
#[cfg(mutant)]
pub mod mutant;
mod names;
mod numbers;
mod once;
mod outbox;
mod overlay;
mod phone;
mod rules;
mod sent;
mod settings;
mod stored_reply;
mod tables;
mod tenants;
mod treatments;
mod turn;
mod verbs;
mod view;
mod windows;
mod zones;

pub use access::{Reach, reach};
pub use counters::{Counters, counters, last_stamp_us};
pub use decide::{decide, decide_entry, decide_on, decide_with, read};
pub use declare::{Fault, Plan, declaration_of, plan_declaration};
pub use declared::{Declared, group_name, lists_of};
pub use dialling::{NotDialable, why_not_dialable};
pub use digest::{RowBytes, digest_of, digest_of_changes};
pub use due::is_due;
pub use event::{Event, HandOutClass, IGNORED_KEY_CHARS_MAX};
pub use export::{export_columns, export_row};
pub use groups::{GroupState, groups};
pub use lookup::{
    api_tokens, audit_from, bring_up, callbacks_before, chain, chain_behind, chain_end, customer_behind, declared,
    do_not_call_behind, do_not_call_of, do_not_call_of_customer, find_list, indexed_forms, list, list_counters, lists,
    outbox_behind, outbox_mark, phone_behind, phones_have_two_forms, record, record_by_id, record_history,
    records_by_phone, records_from, records_of_all_lists, role_changes, rules_version, scheduled_switchover, settings,
};
pub use map::MapView;
pub use names::check_list_name;
pub use numbers::{Numbers, OneByOne};
pub use overlay::Overlay;
pub use phone::{canonical_phone, check_number, first_phone_form, phone_form};
pub use rules::Rules;
pub use settings::{Settings, check_setting, nearest_setting, options_of};
pub use tables::{
    ApiTokenRow, AttemptRow, AttemptSubject, AuditRow, BringUpRow, Class, Counter, CustomersRow, DeclaredRow,
    DncRestRow, DncRow, DncScope, DncSubject, EmptyRow, Encoded, FieldRow, FloorRow, GroupRow, HeldBackRow,
    IdempotencyRow, ImportBatchRow, Key, KeyRow, ListCountersRow, ListRow, ListTurnRow, MetaRow, NumberRow,
    OutboxMarkRow, OutboxRow, PendingRow, PhonesRow, RecordChangeRow, RecordHistoryRow, RecordRow, RequestIdRow,
    RequestRow, RoleChangeRow, Row, ScheduledSwitchoverRow, Scope, SentColumnRow, SettingRow, SettingsRow, Table,
    Window, WindowRow, WindowZone, WindowsRow, group_state, ids_with_token, indexes_of, unique_phone,
};
pub use verbs::shown::{list_for, named_record, record_pairs, row_version};
pub use view::{Below, Bound, Change, Changes, View, behind_prefix};
