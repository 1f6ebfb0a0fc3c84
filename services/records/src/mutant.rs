//! Deliberate mistakes of the rules: compiled in by `--cfg mutant` alone, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread.

use std::cell::Cell;

thread_local! {
    static REQUEST_IDS_OFF: Cell<bool> = const { Cell::new(false) };
    static KEYS_OFF: Cell<bool> = const { Cell::new(false) };
}

/// Which memories of what was answered are passed over, from now on, on this thread.
pub fn set(request_ids_off: bool, keys_off: bool) {
    REQUEST_IDS_OFF.set(request_ids_off);
    KEYS_OFF.set(keys_off);
}

pub(crate) fn request_ids_off() -> bool {
    REQUEST_IDS_OFF.get()
}

pub(crate) fn keys_off() -> bool {
    KEYS_OFF.get()
}
