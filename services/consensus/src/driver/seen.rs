//! What is known of a peer by its frames. Called by the driver.

use std::time::Instant;

use super::SILENT;

/// What the last frames of a peer told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) heard: Option<Instant>,
    /// Its stream has ended since.
    pub(super) lost: bool,
    /// Its disk is full.
    pub(super) short: bool,
    /// Its log has reached its limit.
    pub(super) log_full: bool,
    pub(super) applied: u64,
    /// Its wall clock then, microseconds.
    pub(super) wall_us: u64,
    pub(super) digest: Option<(u64, u128)>,
    /// Its state takes part, and it stands by its digest at this index.
    pub(super) ready: bool,
    pub(super) vouched: u64,
}

impl Seen {
    /// It was heard a moment ago.
    pub(super) fn lately(&self) -> bool {
        self.heard.is_some_and(|heard| heard.elapsed() < SILENT)
    }
}
