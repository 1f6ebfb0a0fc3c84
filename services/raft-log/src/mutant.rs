//! Deliberate bugs of the log: compiled in only by `--cfg mutant`, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread.

use std::cell::Cell;

/// The bugs that a thread makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bugs {
    /// R6: a failed fdatasync is tried again.
    pub failed_sync_retried: bool,
    /// R6: bytes that a start reads count as durable, though a failed fdatasync may have left them behind.
    pub read_counts_as_durable: bool,
    /// R10: bad bytes below the mark are cut as if torn.
    pub mark_ignored: bool,
}

thread_local! {
    static BUGS: Cell<Bugs> = Cell::default();
}

/// Sets the bugs of this thread from now on.
pub fn set(bugs: Bugs) {
    BUGS.set(bugs);
}

/// The bugs of this thread.
pub(crate) fn bugs() -> Bugs {
    BUGS.get()
}
