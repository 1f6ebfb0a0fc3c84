//! The vocabulary of the Desktop and Third Party protocols: requests, replies, refusals, attributes, enumerations, ids.
//!
//! Three shapes of a request exist (HTTP, this one, wire); [`wire`] is the only conversion between this one and the wire.
//! Never contains HTTP, async or IO. Used by every crate that knows what a calling list is.

mod attributes;
mod command;
mod content;
mod enumerations;
mod ids;
mod reply;
mod request;
pub mod wire;

pub use attributes::{ATTRIBUTES, AttributeSpec, Attributes, Kind, Sent, Value, key, spec_of};
pub use command::{
    Body, Command, DeleteRecords, ImportBatch, ImportRow, NewList, Origin, RaiseRules, RemoveDoNotCall, RewritePhones,
    RoleChange, Setting, UserField,
};
pub use content::{ContentHash, content_under};
pub use enumerations::{
    CALL_RESULT, CONTACT_INFO_TYPE, Enumeration, RECORD_STATUS, RECORD_TYPE, Word, call_result, record_status,
    record_type,
};
pub use ids::{Handle, RequestId};
pub use reply::Refusal;
pub use reply::{Done, Imported, RefusalCode, RejectedRow, Reply, ReplyBody};
pub use request::{Request, Resource, ResourceType, Verb};

/// Version of the formats of [`Command`]; an unknown newer one is refused by name.
pub const COMMAND_FORMAT: u32 = 1;
/// Version of the rules that decide a command where the group has never raised it.
pub const RULES_FIRST: u32 = 1;
/// Newest version of the rules that this release decides; it decides all from the first to this one (spec 11, rules version).
/// A node that does not know an entry's version stops (architecture, Storage).
pub const RULES_NEWEST: u32 = 3;
/// From this version on the options of the rules are replicated state, request ids carry the token of the start that gave them,
/// and a command's head says whose request it is.
pub const RULES_WITH_SETTINGS: u32 = 2;
/// From this version on a form none of whose keys its request takes is refused, an answer names the keys that were ignored, attributes of
/// other requests among them, RecordProcessed takes attempts, DoNotCall the message of its entry, and the refusal of a
/// text says how long it may be.
pub const RULES_WITH_BODY_CHECKS: u32 = 3;
/// From this version on the replay window of a request ends with the next change of its record, or of its phone's Do-Not-Call entry: made,
/// or taken back.
pub const RULES_WITH_WINDOW_ENDS: u32 = 3;
/// From this version on an import takes a phone on Do-Not-Call as NoCall.
pub const RULES_WITH_NO_CALL_IMPORTS: u32 = 3;
/// From this version on phones are compared in the canonical form of spec 9, and texts that are no number any more are refused.
pub const RULES_WITH_PHONE_FORM: u32 = 3;
/// From this version on files have a column `tz_name`, the zone of a record that was given by name.
pub const RULES_WITH_ZONE_COLUMN: u32 = 3;
/// Rows that one command rewrites at most to the form of [`RULES_WITH_PHONE_FORM`].
pub const REWRITTEN_ROWS_MAX: u32 = 500;
/// From this version on lists are deleted, Do-Not-Call entries are taken back, and the name of a new list or field is one that can be shown.
pub const RULES_WITH_UNDOING: u32 = 3;
/// Records that one command deletes at most.
pub const DELETED_ROWS_MAX: u32 = 500;
/// Largest encoded command, bytes (architecture, Limits).
pub const COMMAND_BYTES_MAX: usize = 1280 * 1024;
