//! Options of the rules: all parameters of a decision beside the state.
//!
//! Under rules version 1 the caller passes the options in: different options on two nodes let their states diverge, which the
//! digest shows. From version 2 on, the state's settings replace the options that an operator can set
//! ([`crate::Settings`]).

const SECOND_US: u64 = 1_000_000;

/// Options of the rules, the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Lifetime of a request id's reply, microseconds of stamped time (R7 unknown-is-not-failed). At least `replay_window_us`,
    /// whose answers are these replies.
    pub request_window_us: u64,
    /// The replay window of a request without a key (spec 6, Exactly once); 0: no window.
    pub replay_window_us: u64,
    /// Lifetime of an idempotency key (spec 6, Exactly once).
    pub idempotency_window_us: u64,
    /// Idempotency keys kept; beyond this limit the oldest keys are forgotten.
    pub idempotency_keys_max: u64,
    /// Records that one request may change (spec 6, TOO_MANY).
    pub records_per_request_max: u64,
    /// Rows of one import batch (architecture, Limits).
    pub import_rows_max: usize,
    /// User-defined fields of one list.
    pub fields_max: usize,
    /// Kinds of effects that are kept in the outbox: the bits of their numbers.
    pub outbox_effects: u32,
    /// Effects kept in the outbox; beyond this limit the oldest are dropped.
    pub outbox_rows_max: u64,
    /// Seconds without a request after which a Retrieved record is given back (spec 9, Life of a record).
    pub retrieved_timeout_s: u64,
    /// Seconds for which a rejected record and its chain are not handed out.
    pub reject_pause_s: u64,
    /// Seconds after which a personal callback no longer waits for its agent (spec 9, The next record); 0: waits for ever.
    pub personal_callback_grace_s: u64,
    /// Seconds after which a callback that was not handed out is missed; 0: never.
    pub callback_expiry_s: u64,
    /// GSW_APPLICATION_ID of a preview where neither request nor record has one (spec 7).
    pub application_id: i64,
    /// Lifetime of a row of the audit.
    pub audit_window_us: u64,
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
            outbox_effects: 0,
            outbox_rows_max: 100_000,
            retrieved_timeout_s: 1_800,
            reject_pause_s: 60,
            personal_callback_grace_s: 1_800,
            callback_expiry_s: 0,
            application_id: 0,
            audit_window_us: 365 * 24 * 3600 * SECOND_US,
        }
    }
}

/// Expired rows of one kind that a command deletes at most (spec 6, Exactly once).
pub(crate) const FORGOTTEN_PER_COMMAND: u32 = 16;
/// Effects that a command drops from the outbox beside as many as the command writes, once the limit is lower.
pub(crate) const OUTBOX_DROPPED_PER_COMMAND: u64 = 1_000;
/// The tenant of every list, until lists have tenants of their own. A Do-Not-Call entry of the list's tenant stops a request with
/// any `tenant=`: the list defines the tenant, not the caller.
pub(crate) const LIST_TENANT: &str = "";
/// Bytes of a tenant's or a principal's name, and of an idempotency key: all three are parts of row keys.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Letters of contact_info (spec 9).
pub(crate) const PHONE_LETTERS_MAX: usize = 128;
/// Longest customer id that is looked up, or that a Do-Not-Call entry may have, bytes: an engine limits the length of keys.
pub(crate) const CUSTOMER_BYTES_MAX: usize = 1_024;
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
/// Largest time, UTC seconds: before the end of the year 9999 in every zone.
pub(crate) const TIME_MAX: i64 = 253_402_200_000;
/// Largest id of an import: exact in every JSON reader.
pub(crate) const ID_MAX: i64 = 1 << 53;
/// Role changes kept: a hundred are shown, and each needs the change before for the former primary.
pub(crate) const ROLE_CHANGES_MAX: u32 = 101;
/// Longest reason of a role change, bytes.
pub(crate) const REASON_BYTES_MAX: usize = 512;
