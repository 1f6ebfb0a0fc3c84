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
