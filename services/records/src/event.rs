//! The events of a decision, for the node's counters and log, and for the outbox.
//!
//! Every node that applies the entry has the same events. No decision reads an event.

use outbound::{Effect, RequestId};

/// Characters of an ignored key that an event carries: enough to recognise the key, bounded for keys of any length.
pub const IGNORED_KEY_CHARS_MAX: usize = 64;

/// An event of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A row changed: the outbox keeps the effect where a reader has subscribed to its kind.
    Effect(Effect),
    /// A key of a request that maps to no field was ignored (spec 4): to be counted, and logged once per key and list.
    KeyIgnored {
        /// Name of the list.
        list: String,
        /// The key as sent, at most its first [`IGNORED_KEY_CHARS_MAX`] characters.
        key: String,
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
    /// A record was handed out.
    HandedOut {
        /// DBID of the campaign group.
        group: u32,
        /// The class of the record.
        class: HandOutClass,
    },
    /// A preview found no record.
    PreviewEmpty {
        /// DBID of the campaign group.
        group: u32,
    },
    /// A preview met a record on Do-Not-Call, which became NoCall.
    MetOnDoNotCall,
    /// A preview met a record that a contact limit holds back.
    HeldBack,
    /// Held records went back: no request came on them for `retrieved_timeout`.
    Returned {
        /// Count of records.
        records: u32,
    },
    /// Personal callbacks were not fetched by their agents within `personal_callback_grace`.
    Overdue {
        /// Count of records.
        records: u32,
    },
    /// Callbacks were not handed out within `callback_expiry`.
    Missed {
        /// Count of records.
        records: u32,
    },
}

/// The class of a record at its hand-out (spec 9, The next record).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HandOutClass {
    /// A personal callback of the asking agent.
    Personal,
    /// A callback of the campaign.
    Callback,
    /// Neither.
    General,
}

impl HandOutClass {
    /// The class in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Callback => "callback",
            Self::General => "general",
        }
    }
}
