//! Deliberate bugs of the rules: compiled in only by `--cfg mutant`, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread.

use std::cell::Cell;

thread_local! {
    static REQUEST_IDS_OFF: Cell<bool> = const { Cell::new(false) };
    static KEYS_OFF: Cell<bool> = const { Cell::new(false) };
    static CONTENT_PASSED_OVER: Cell<bool> = const { Cell::new(false) };
    static OWN_OPTIONS: Cell<bool> = const { Cell::new(false) };
    static OUTBOX_BEGINS_AGAIN: Cell<bool> = const { Cell::new(false) };
    static AGAIN_REMEMBERED: Cell<bool> = const { Cell::new(false) };
}

/// Sets which memories of replies are skipped, from now on, on this thread.
pub fn set(request_ids_off: bool, keys_off: bool) {
    REQUEST_IDS_OFF.set(request_ids_off);
    KEYS_OFF.set(keys_off);
}

/// Sets whether a remembered reply answers any content, and whether options come from the node's own file, from now on, on this
/// thread.
pub fn set_of_rules_2(content_passed_over: bool, own_options: bool) {
    CONTENT_PASSED_OVER.set(content_passed_over);
    OWN_OPTIONS.set(own_options);
}

/// Sets whether an empty outbox gives its numbers again, from now on, on this thread.
pub fn set_of_rules_4(outbox_begins_again: bool) {
    OUTBOX_BEGINS_AGAIN.set(outbox_begins_again);
}

/// Sets whether a reply that asks for another proposal is remembered, from now on, on this thread.
pub fn set_of_rules_5(again_remembered: bool) {
    AGAIN_REMEMBERED.set(again_remembered);
}

pub(crate) fn again_remembered() -> bool {
    AGAIN_REMEMBERED.get()
}

pub(crate) fn outbox_begins_again() -> bool {
    OUTBOX_BEGINS_AGAIN.get()
}

pub(crate) fn content_passed_over() -> bool {
    CONTENT_PASSED_OVER.get()
}

pub(crate) fn own_options() -> bool {
    OWN_OPTIONS.get()
}

pub(crate) fn request_ids_off() -> bool {
    REQUEST_IDS_OFF.get()
}

pub(crate) fn keys_off() -> bool {
    KEYS_OFF.get()
}

/// A mistake of the rules of campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Spec 5: the attempt that a request names is not compared with the attempt that holds the record.
    AttemptNotCompared,
    /// Spec 9, Contact limits: a hand-out is not counted.
    HandOutNotCounted,
    /// Spec 9, The next record: a chain does not wait for its record that is held.
    ChainNotSettled,
    /// Spec 9, The next record: a reply that asks for another proposal is remembered.
    AgainRemembered,
    /// Spec 9, Do-Not-Call: a preview does not look entries up.
    EntryPassedOver,
    /// Spec 9, Life of a record: a held record is given back whatever the stamp.
    HoldWithoutTime,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AttemptNotCompared,
        Self::HandOutNotCounted,
        Self::ChainNotSettled,
        Self::AgainRemembered,
        Self::EntryPassedOver,
        Self::HoldWithoutTime,
    ];
}

thread_local! {
    static OF_CAMPAIGNS: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Makes this mistake from now on, on this thread. The memories of replies ask [`set_of_rules_5`].
pub fn set_of_campaigns(mutant: Option<Mutant>) {
    OF_CAMPAIGNS.set(mutant);
}

/// Whether this mistake is made.
pub(crate) fn on(mutant: Mutant) -> bool {
    OF_CAMPAIGNS.get() == Some(mutant)
}
