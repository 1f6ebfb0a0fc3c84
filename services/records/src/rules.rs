//! Options of the rules: whatever changes a decision beside the records.
//!
//! Under rules version 1 the caller passes them in, and they must be the same on every node, or their states part; the digest then
//! says so. From version 2 on the state's settings say them ([`crate::Settings`]).

const SECOND_US: u64 = 1_000_000;

/// Options of the rules, the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a request id keeps its reply, microseconds of stamped time (R7 unknown-is-not-failed). Never less than
    /// `replay_window_us`, whose answers are these.
    pub request_window_us: u64,
    /// How long the content of a request without a key is known again (spec 6, Exactly once); 0: not at all.
    pub replay_window_us: u64,
    /// How long an idempotency key holds (spec 6, Exactly once).
    pub idempotency_window_us: u64,
    /// Idempotency keys kept; beyond it the oldest go.
    pub idempotency_keys_max: u64,
    /// Records that one request may change (spec 6, TOO_MANY).
    pub records_per_request_max: u64,
    /// Rows of one import batch (architecture, Limits).
    pub import_rows_max: usize,
    /// User-defined fields of one list.
    pub fields_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            request_window_us: 60 * SECOND_US,
            replay_window_us: 5 * SECOND_US,
            idempotency_window_us: 24 * 3600 * SECOND_US,
            idempotency_keys_max: 20_000_000,
            records_per_request_max: 10_000,
            import_rows_max: 500,
            fields_max: 256,
        }
    }
}

/// Rows of one kind that a command deletes at most because they are too old (spec 6, Exactly once).
pub(crate) const FORGOTTEN_PER_COMMAND: u32 = 16;
/// The tenant that every list belongs to, until lists say which. Whatever `tenant=` a request names, a Do-Not-Call entry
/// of the list's tenant stops it: the scope of an entry is the list's to say, not the caller's.
pub(crate) const LIST_TENANT: &str = "";
/// Bytes of a tenant's or a principal's name, and of an idempotency key: they stand in keys of rows.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Letters of contact_info (spec 9).
pub(crate) const PHONE_LETTERS_MAX: usize = 128;
/// Letters of the message of a Do-Not-Call entry (spec 8).
pub(crate) const MESSAGE_LETTERS_MAX: usize = 255;
/// Letters of agent_id (spec 9).
pub(crate) const AGENT_LETTERS_MAX: usize = 32;
/// DBID of the first list.
pub(crate) const LIST_DBID_FIRST: u32 = 101;
/// The end of the day, seconds since midnight (spec 8).
pub(crate) const DAY_END: i64 = 86_400;
/// Largest value of an integer column.
pub(crate) const INT_MAX: i64 = i32::MAX as i64;
/// Largest time, UTC seconds: the end of the year 9999 is beyond it in every zone.
pub(crate) const TIME_MAX: i64 = 253_402_200_000;
/// Largest id that an import may give: exact in every JSON reader.
pub(crate) const ID_MAX: i64 = 1 << 53;
/// Changes of the role that are kept: a hundred are shown, and each says where the role came from by the one before.
pub(crate) const ROLE_CHANGES_MAX: u32 = 101;
/// Longest reason of one, bytes.
pub(crate) const REASON_BYTES_MAX: usize = 512;
