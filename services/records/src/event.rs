//! What deciding tells the rest of the node: for its streams, its counters and its log.
//!
//! Every node that applies the entry has the same events. Never needed to decide anything.

use outbound::{Handle, RequestId};

/// An event carries this much of a key that was ignored, characters: enough to recognise it, whatever a client makes up.
pub const IGNORED_KEY_CHARS_MAX: usize = 64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record is new.
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
        /// The list for which it holds; none: the whole tenant.
        list: Option<u32>,
    },
    /// A list was made.
    ListCreated {
        /// Its DBID.
        list: u32,
    },
    /// A list is being deleted from now on: its records are gone for every client.
    ListDeletionBegun {
        /// Its DBID.
        list: u32,
        /// Its name.
        name: String,
        /// Records that are to go.
        records: u64,
    },
    /// Nothing is left of a list.
    ListDeleted {
        /// Its DBID.
        list: u32,
        /// Its name.
        name: String,
    },
    /// A Do-Not-Call entry was taken back.
    DoNotCallRemoved {
        /// The list for which it held; none: the whole tenant.
        list: Option<u32>,
    },
    /// A key of a request that maps to no field was ignored (spec 4): to be counted, and logged once per key and list.
    KeyIgnored {
        /// Name of the list.
        list: String,
        /// As the client wrote it, at most [`IGNORED_KEY_CHARS_MAX`] characters of it.
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
        /// The value that counted on this node before.
        from: String,
        /// The value now, on every node.
        to: String,
    },
    /// A request came under the id of another one: a node gave an id twice, which is a fault of ours. It was not applied.
    RequestIdReused {
        /// The id.
        id: RequestId,
    },
    /// Idempotency keys went before their time because there are too many: the promise of spec 6, Exactly once, is shorter.
    KeysShortened {
        /// How many.
        keys: u32,
    },
}
