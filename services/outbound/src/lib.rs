//! The vocabulary of the Desktop and Third Party protocols: requests, replies, refusals, attributes, enumerations, ids.
//!
//! A request has three shapes (HTTP, domain, wire); [`wire`] is the only conversion between domain and wire. Never contains
//! HTTP, async or IO. Used by every crate of the outbound domain.

mod access;
mod attributes;
mod command;
mod content;
mod cursor;
pub mod declaration;
mod effect;
mod enumerations;
mod ids;
mod query;
mod record_place;
mod records_query;
mod reply;
mod request;
pub mod switchover_event;
pub mod wire;

pub use access::{
    AccessScope, AccessScopes, TOKEN_ID_DIGITS, TOKEN_PREFIX, TOKEN_SECRET_BYTES, TokenHash, holds_token, token_hash,
    token_id, token_text,
};
pub use attributes::{ATTRIBUTES, AttributeSpec, Attributes, Kind, Sent, Value, key, spec_of, spec_under};
pub use command::{
    AcknowledgeEffects, ApplyDeclaration, ApplyDoNotCall, Audited, Body, BringUp, Command, CreateToken, DeleteRecords,
    DoNotCallBatch, DoNotCallRow, DoNotCallScope, Due, DueSwitchover, ImportBatch, ImportRow, NewList, Origin,
    RaiseRules, RemoveDoNotCall, RevokeToken, RewritePhones, RoleChange, ScheduleSwitchover, Setting, UserField,
};
pub use content::{ContentHash, content_under};
pub use cursor::Cursor;
pub use effect::{Effect, KeptEffect, OutboxPage, effect_kind};
pub use enumerations::{
    CALL_RESULT, CONTACT_INFO_TYPE, Enumeration, RECORD_STATUS, RECORD_TYPE, Word, call_result, record_status,
    record_type,
};
pub use ids::{Handle, RequestId};
pub use query::{
    Answer, Answers, AuditEntry, AuditFilter, DeclarationFault, DeclarationPlan, DoNotCallEntry, GroupInfo, HeldRecord,
    HistoryEntry, ListInfo, NotDialable, Page, Query, RecordChange, TokenInfo,
};
pub use records_query::{
    LOOKED_AT_MAX, PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX, RecordFilter, RecordName, RecordsBy, RecordsQuery,
};
pub use reply::Refusal;
pub use reply::{Done, Imported, Pairs, RefusalCode, RejectedRow, Reply, ReplyBody};
pub use request::{Request, Resource, ResourceType, Verb};

/// Version of the formats of [`Command`]; an unknown newer version is refused by name.
pub const COMMAND_FORMAT: u32 = 1;
/// The rules version of a group before its first raise.
pub const RULES_FIRST: u32 = 1;
/// The newest rules version of this release, which decides all versions from the first to this (spec 11, rules version).
/// A node stops at an entry of an unknown version (architecture, Storage).
pub const RULES_NEWEST: u32 = 7;
/// From this version on, the options of the rules are replicated state, request ids carry the token of their start, and a
/// command's head carries tenant and principal.
pub const RULES_WITH_SETTINGS: u32 = 2;
/// From this version on, a form without any key of its request is refused, an answer names the ignored keys, attributes of other
/// requests included, RecordProcessed reads attempts, DoNotCall reads the message of its entry, and the refusal of a long text
/// gives the maximum.
pub const RULES_WITH_BODY_CHECKS: u32 = 3;
/// From this version on, the replay window of a request ends with the next change of its record, or with the making or taking
/// back of its phone's Do-Not-Call entry.
pub const RULES_WITH_WINDOW_ENDS: u32 = 3;
/// From this version on, an import adds a phone on Do-Not-Call as NoCall.
pub const RULES_WITH_NO_CALL_IMPORTS: u32 = 3;
/// From this version on, phones are compared in the canonical form of spec 9, and texts that have lost their number are refused.
pub const RULES_WITH_PHONE_FORM: u32 = 3;
/// From this version on, files have a column `tz_name`, the zone of a record given by name.
pub const RULES_WITH_ZONE_COLUMN: u32 = 3;
/// Rows of one rewrite command, at most, to the form of [`RULES_WITH_PHONE_FORM`].
pub const REWRITTEN_ROWS_MAX: u32 = 500;
/// From this version on, lists are deleted, Do-Not-Call entries are taken back, and the name of a new list or field has only
/// visible characters.
pub const RULES_WITH_UNDOING: u32 = 3;
/// From this version on, the counters of the state and of lists are rows of their own, written only when they change.
pub const RULES_WITH_PARTED_COUNTERS: u32 = 4;
/// From this version on, the offset of GSW_DATE_TIME is at most 23:59, and an answer names an ignored key without letters as `""`.
pub const RULES_WITH_OFFSET_BOUND: u32 = 4;
/// From this version on, all requests of spec 5 are decided, declarations (spec 11) are replicated state, and a record may be
/// handed out, rescheduled and held back.
pub const RULES_WITH_CAMPAIGNS: u32 = 5;
/// From this version on, API tokens are replicated state.
pub const RULES_WITH_TOKENS: u32 = 6;
/// From this version on, a record that waits no more for its chain is free of a pause that is over.
pub const RULES_WITH_FREED_CHAINS: u32 = 6;
/// From this version on, the orders of operators and every change of settings, tokens, lists, campaigns and groups leave rows of the
/// audit, the head of a command carries the address of its caller, and a list may keep the history of its records.
pub const RULES_WITH_AUDIT: u32 = 7;
/// Rows of the audit, at most; beyond that the oldest go before their time.
pub const AUDIT_ROWS_MAX: u64 = 1_000_000;
/// Changes that the history of one record keeps.
pub const RECORD_CHANGES_MAX: usize = 50;
/// From this version on, an open record that no agent holds is changed by PatchRecord, under a condition on its row's version.
pub const RULES_WITH_PATCH: u32 = 7;
/// From this version on, a switchover is scheduled: the schedule is replicated state.
pub const RULES_WITH_SCHEDULED_SWITCHOVER: u32 = 7;
/// A scheduled switchover that is not done so many seconds after its time lapses.
pub const SWITCHOVER_LATE_MAX_S: u64 = 600;
/// A switchover is scheduled at most so many seconds ahead: a year of 366 days.
pub const SWITCHOVER_AHEAD_MAX_S: u64 = 366 * 24 * 3600;
/// API tokens of a group, at most.
pub const TOKENS_MAX: usize = 1_000;
/// Records of one command of due work, at most.
pub const DUE_RECORDS_MAX: u32 = 100;
/// Rows of one command that brings rows up to [`RULES_WITH_CAMPAIGNS`] or to a changed declaration, at most.
pub const BROUGHT_UP_ROWS_MAX: u32 = 500;
/// Rows of one command that enters Do-Not-Call entries, or applies them to a list, at most.
pub const DO_NOT_CALL_ROWS_MAX: u32 = 500;
/// Records of a chain that take part in dialling (spec 6, TOO_MANY).
pub const CHAIN_RECORDS_MAX: u64 = 100;
/// Different windows of the records of a list (spec 6, TOO_MANY).
pub const WINDOWS_MAX: usize = 1_000;
/// Records of one deletion command, at most.
pub const DELETED_ROWS_MAX: u32 = 500;
/// From this version on, effects that the settings name are kept in the outbox until they are acknowledged.
pub const RULES_WITH_OUTBOX: u32 = 4;
/// Effects of one acknowledgement, at most.
pub const ACKNOWLEDGED_EFFECTS_MAX: u32 = 1_000;
/// Effects of one page of the outbox, at most.
pub const OUTBOX_PAGE_MAX: u32 = 1_000;
/// Largest encoded command, bytes (architecture, Limits).
pub const COMMAND_BYTES_MAX: usize = 1280 * 1024;
