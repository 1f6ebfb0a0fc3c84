//! Effects: facts about a decision that readers outside the state learn, each under a number, over failovers.
//!
//! `records` writes effects as rows of the outbox; [`crate::Query::Outbox`] reads them. No decision reads an effect.

use crate::Handle;

/// An effect of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
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
    /// A Do-Not-Call entry was taken back.
    DoNotCallRemoved {
        /// The list of the former entry; none: the whole tenant.
        list: Option<u32>,
    },
    /// A list was made.
    ListCreated {
        /// Its DBID.
        list: u32,
    },
    /// The deletion of a list began.
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
    /// The rules version was raised.
    RulesRaised {
        /// The version before.
        from: u32,
        /// The version now.
        to: u32,
    },
    /// An option of the rules has another value.
    SettingChanged {
        /// As in `replay_window_ms`.
        key: String,
        /// The value before.
        from: String,
        /// The value now.
        to: String,
    },
    /// An effect of a kind that this release does not know.
    Later {
        /// Number of the kind.
        kind: u32,
        /// The effect's bytes, unchanged.
        body: Vec<u8>,
    },
}

impl Effect {
    /// Number of the kind, see [`effect_kind`].
    pub const fn kind(&self) -> u32 {
        match self {
            Self::RecordAdded { .. } => effect_kind::RECORD_ADDED,
            Self::RecordChanged { .. } => effect_kind::RECORD_CHANGED,
            Self::DoNotCallEntered { .. } => effect_kind::DO_NOT_CALL_ENTERED,
            Self::DoNotCallRemoved { .. } => effect_kind::DO_NOT_CALL_REMOVED,
            Self::ListCreated { .. } => effect_kind::LIST_CREATED,
            Self::ListDeletionBegun { .. } => effect_kind::LIST_DELETION_BEGUN,
            Self::ListDeleted { .. } => effect_kind::LIST_DELETED,
            Self::RulesRaised { .. } => effect_kind::RULES_RAISED,
            Self::SettingChanged { .. } => effect_kind::SETTING_CHANGED,
            Self::Later { kind, .. } => *kind,
        }
    }
}

/// Kinds of effects: numbers in rows, names in the option `outbox_effects`. A number is never reused for another kind.
pub mod effect_kind {
    /// [`super::Effect::RecordAdded`].
    pub const RECORD_ADDED: u32 = 1;
    /// [`super::Effect::RecordChanged`].
    pub const RECORD_CHANGED: u32 = 2;
    /// [`super::Effect::DoNotCallEntered`].
    pub const DO_NOT_CALL_ENTERED: u32 = 3;
    /// [`super::Effect::DoNotCallRemoved`].
    pub const DO_NOT_CALL_REMOVED: u32 = 4;
    /// [`super::Effect::ListCreated`].
    pub const LIST_CREATED: u32 = 5;
    /// [`super::Effect::ListDeletionBegun`].
    pub const LIST_DELETION_BEGUN: u32 = 6;
    /// [`super::Effect::ListDeleted`].
    pub const LIST_DELETED: u32 = 7;
    /// [`super::Effect::RulesRaised`].
    pub const RULES_RAISED: u32 = 8;
    /// [`super::Effect::SettingChanged`].
    pub const SETTING_CHANGED: u32 = 9;

    /// Numbers with their names, in the order of the numbers; a set of kinds is a mask of 32 bits.
    pub const ALL: [(u32, &str); 9] = [
        (RECORD_ADDED, "record_added"),
        (RECORD_CHANGED, "record_changed"),
        (DO_NOT_CALL_ENTERED, "do_not_call_entered"),
        (DO_NOT_CALL_REMOVED, "do_not_call_removed"),
        (LIST_CREATED, "list_created"),
        (LIST_DELETION_BEGUN, "list_deletion_begun"),
        (LIST_DELETED, "list_deleted"),
        (RULES_RAISED, "rules_raised"),
        (SETTING_CHANGED, "setting_changed"),
    ];

    /// The kind of a name.
    pub fn named(name: &str) -> Option<u32> {
        ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// An effect in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEffect {
    /// From 1, without a gap among kept effects, and never reused by the same state.
    pub number: u64,
    /// The epoch of the decision: a group that was forced or restored gives numbers again, under a higher epoch.
    pub epoch: u64,
    /// Stamp of the decision, microseconds since 1970.
    pub stamp_us: u64,
    /// The effect.
    pub effect: Effect,
}

/// A page of the outbox, from one state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxPage {
    /// Effects in the order of their numbers. A first number above the wanted number shows dropped effects.
    pub effects: Vec<KeptEffect>,
    /// The last number given; 0: none.
    pub last: u64,
    /// The last number whose effect is gone, acknowledged or dropped; 0: none.
    pub gone: u64,
    /// Count of effects dropped at the limit `outbox_rows_max`, of all time.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::effect_kind::{ALL, named};

    #[test]
    fn kinds_fit_into_a_mask_and_each_name_leads_to_its_kind() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(ALL.iter().all(|(kind, name)| *kind < u32::BITS && named(name) == Some(*kind)));
        assert_eq!(named("record_adde"), None);
    }
}
