//! What is known of a peer by its frames. Called by the driver.

use std::time::{Duration, Instant};

use super::SILENT;
use crate::{Versions, evidence::Token};

/// A log that does not grow for so long, though it lacks entries, does not count as a copy.
const STALLED: Duration = Duration::from_secs(3);

/// What the last frames of a peer told.
#[derive(Debug)]
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
    pub(super) versions: Versions,
    /// Its start is not confirmed: it takes no part yet.
    pub(super) unconfirmed: bool,
    /// The start that speaks; none: of a release without starts.
    pub(super) start: Option<Token>,
    /// Last index that it had acknowledged, and when that grew or was all there is; none: it is not counted here.
    moved: Option<(u64, Instant)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            heard: None,
            lost: false,
            short: false,
            log_full: false,
            applied: 0,
            wall_us: 0,
            digest: None,
            ready: false,
            vouched: 0,
            versions: Versions::FIRST,
            unconfirmed: false,
            start: None,
            moved: None,
        }
    }
}

impl Seen {
    /// What the leader counts of it now; none: this node does not lead.
    pub(super) fn note_matched(&mut self, matched: Option<u64>, commit: u64, now: Instant) {
        self.moved = matched.map(|matched| match self.moved {
            Some((before, at)) if matched <= before && matched < commit => (matched, at),
            _ => (matched, now),
        });
    }

    /// It lacks committed entries, and its log has not grown for [`STALLED`].
    pub(super) fn stalled(&self) -> bool {
        self.moved.is_some_and(|(_, at)| at.elapsed() > STALLED)
    }

    /// It was heard a moment ago, and takes part.
    pub(super) fn lately(&self) -> bool {
        !self.unconfirmed && self.heard.is_some_and(|heard| heard.elapsed() < SILENT)
    }
}
