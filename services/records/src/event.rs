//! The events of a decision, for the node's streams, counters and log.
//!
//! Every node that applies the entry has the same events. No decision reads an event.

use outbound::{Handle, RequestId};

/// Characters of an ignored key that an event carries: enough to recognise the key, bounded for keys of any length.
pub const IGNORED_KEY_CHARS_MAX: usize = 64;

/// An event of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record was added.
    RecordAdded {
        /// Its handle.
        handle: Handle,
        /// DBID of its list.
        list: u32,
    },
    /// A record changed.
    RecordChanged {
        /// Its handle.
        handle: Handle,
        /// DBID of its list.
        list: u32,
    },
    /// A Do-Not-Call entry was made.
    DoNotCallEntered {
        /// The list of the entry; none: the whole tenant.
        list: Option<u32>,
    },
    /// A list was made.
    ListCreated {
        /// Its DBID.
        list: u32,
    },
    /// The deletion of a list began: its records are gone for every client.
    ListDeletionBegun {
        /// Its DBID.
        list: u32,
        /// Its name.
        name: String,
        /// Records to delete.
        records: u64,
    },
    /// The last row of a list was deleted.
    ListDeleted {
        /// Its DBID.
        list: u32,
        /// Its name.
        name: String,
    },
    /// A Do-Not-Call entry was taken back.
    DoNotCallRemoved {
        /// The list of the former entry; none: the whole tenant.
        list: Option<u32>,
    },
    /// A key of a request that maps to no field was ignored (spec 4): to be counted, and logged once per key and list.
    KeyIgnored {
        /// Name of the list.
        list: String,
        /// The key as sent, at most its first [`IGNORED_KEY_CHARS_MAX`] characters.
        key: String,
    },
    /// The group decides by a higher rules version from now on.
    RulesRaised {
        /// The version before.
        from: u32,
        /// The version now.
        to: u32,
    },
    /// An option of the rules has another value from now on.
    SettingChanged {
        /// As in `replay_window_ms`.
        key: String,
        /// The value in effect on this node before.
        from: String,
        /// The value now, on every node.
        to: String,
    },
    /// A request had the id of another request: a node gave an id twice, which is a bug of ocs. The request was not applied.
    RequestIdReused {
        /// The id.
        id: RequestId,
    },
    /// The limit on idempotency keys forgot keys early: the promise of spec 6, Exactly once, is shorter.
    KeysShortened {
        /// Count of keys forgotten.
        keys: u32,
    },
}
