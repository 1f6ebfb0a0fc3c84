//! A peer as its frames show the peer. Called by the driver.

use std::time::{Duration, Instant};

use super::SILENT;
use crate::{Versions, evidence::Token};

/// A log that lacks entries and does not grow for so long does not count as a copy.
const STALLED: Duration = Duration::from_secs(3);

/// The facts in a peer's last frames.
#[derive(Debug)]
pub(super) struct PeerFacts {
    pub(super) heard: Option<Instant>,
    /// Its stream has ended since.
    pub(super) lost: bool,
    /// Its disk is full.
    pub(super) short: bool,
    /// Its log has reached its limit.
    pub(super) log_full: bool,
    /// Its operator drained it: the peer takes no clients.
    pub(super) drained: bool,
    pub(super) applied: u64,
    /// Its wall clock then, microseconds.
    pub(super) wall_us: u64,
    pub(super) digest: Option<(u64, u128)>,
    /// Its state serves; and the last index at which the peer stands by a differing digest.
    pub(super) ready: bool,
    pub(super) vouched: u64,
    pub(super) versions: Versions,
    /// Its start is not confirmed: the peer takes no part yet.
    pub(super) unconfirmed: bool,
    /// The start that speaks; none: of a release without starts.
    pub(super) start: Option<Token>,
    /// Last acknowledged index, and when that index last grew or was all there is; none: this node does not lead.
    moved: Option<(u64, Instant)>,
}

impl Default for PeerFacts {
    fn default() -> Self {
        Self {
            heard: None,
            lost: false,
            short: false,
            log_full: false,
            drained: false,
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

impl PeerFacts {
    /// Notes the index that the leader counts for the peer; none: this node does not lead.
    pub(super) fn note_matched(&mut self, matched: Option<u64>, commit: u64, now: Instant) {
        self.moved = matched.map(|matched| match self.moved {
            Some((before, at)) if matched <= before && matched < commit => (matched, at),
            _ => (matched, now),
        });
    }

    /// The peer lacks committed entries, and its log has not grown for [`STALLED`].
    pub(super) fn stalled(&self) -> bool {
        self.moved.is_some_and(|(_, at)| at.elapsed() > STALLED)
    }

    /// The peer was heard within [`SILENT`], and takes part.
    pub(super) fn lately(&self) -> bool {
        !self.unconfirmed && self.heard.is_some_and(|heard| heard.elapsed() < SILENT)
    }
}
