//! The nodes' wall clocks and when each peer was last heard, from what the peers' frames told.
//!
//! Pure: this node's clocks come in as numbers. A peer's clock is kept as a distance to the monotonic clock, so that a jump
//! of this node's wall clock does not look like one of every peer. Called by the batch task and by the role service.

use std::collections::BTreeMap;

use consensus::{RaftId, Status};

/// A peer not heard for longer counts for nothing, microseconds.
const FRESH_US: u64 = 5_000_000;

/// What is known of one peer.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// As the core told it: only compared, to notice news.
    told: (u64, i64),
    /// This node's monotonic clock when its last frame came.
    heard_mono_us: u64,
    /// The peer's wall clock at a moment of this node's monotonic clock: both as of its last frame, moved on together.
    wall_us: u64,
    wall_mono_us: u64,
}

/// All peers' clocks as last heard.
#[derive(Debug, Default)]
pub struct PeerClocks {
    own: RaftId,
    seen: BTreeMap<RaftId, Seen>,
}

impl PeerClocks {
    /// Nobody heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the core knows now.
    pub fn observe(&mut self, status: &Status, wall_us: u64, mono_us: u64) {
        self.own = status.id;
        self.seen.retain(|id, _| status.peers.iter().any(|peer| peer.id == *id));
        for peer in &status.peers {
            if let Some(heard_ms) = peer.heard_ms {
                self.hear(peer.id, (heard_ms, peer.clock_offset_us), wall_us, mono_us);
            }
        }
    }

    fn hear(&mut self, peer: RaftId, told: (u64, i64), wall_us: u64, mono_us: u64) {
        let known = self.seen.get(&peer).copied();
        if known.is_some_and(|seen| seen.told == told) {
            return; // nothing was published since
        }
        let (heard_ms, offset_us) = told;
        // The offset is measured anew with each frame; an equal one is the same frame, told again.
        let (wall_us, wall_mono_us) = match known.filter(|seen| seen.told.1 == offset_us) {
            Some(seen) => (seen.wall_us, seen.wall_mono_us),
            None => (wall_us.saturating_add_signed(offset_us), mono_us),
        };
        let heard_mono_us = mono_us.saturating_sub(heard_ms.saturating_mul(1000));
        self.seen.insert(peer, Seen { told, heard_mono_us, wall_us, wall_mono_us });
    }

    /// The wall clocks of this node and of every peer heard lately.
    pub fn walls(&self, wall_us: u64, mono_us: u64) -> Vec<(RaftId, u64)> {
        let fresh = |seen: &Seen| mono_us.saturating_sub(seen.heard_mono_us) <= FRESH_US;
        let now = |seen: &Seen| seen.wall_us + mono_us.saturating_sub(seen.wall_mono_us);
        let peers = self.seen.iter().filter(|(_, seen)| fresh(seen)).map(|(id, seen)| (*id, now(seen)));
        std::iter::once((self.own, wall_us)).chain(peers).collect()
    }

    /// Milliseconds since the last frame of this peer; none: never heard.
    pub fn heard_ago_ms(&self, peer: RaftId, mono_us: u64) -> Option<u64> {
        self.seen.get(&peer).map(|seen| mono_us.saturating_sub(seen.heard_mono_us) / 1000)
    }

    /// A peer's wall clock minus this node's when it was last heard, microseconds.
    pub fn offset_us(&self, peer: RaftId) -> Option<i64> {
        self.seen.get(&peer).map(|seen| seen.told.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound_api::tests::{B, W, status};

    const S: u64 = 1_000_000;

    fn heard(ago_ms: u64, offset_us: i64) -> Status {
        let mut status = status(3, B);
        for peer in &mut status.peers {
            (peer.heard_ms, peer.clock_offset_us) = (Some(ago_ms), offset_us);
        }
        status
    }

    #[test]
    fn a_jump_of_the_own_clock_does_not_move_the_peers() {
        let mut clocks = PeerClocks::new();
        clocks.observe(&heard(0, 5), 100 * S, 0);
        clocks.observe(&heard(1000, 5), 3700 * S, S);
        let walls = clocks.walls(3700 * S, S);
        assert_eq!(walls, [(1, 3700 * S), (B, 101 * S + 5), (W, 101 * S + 5)]);
        clocks.observe(&heard(0, -3599 * (S as i64)), 3700 * S, S);
        assert_eq!(clocks.walls(3700 * S, S)[1], (B, 101 * S), "a new frame says how far the own clock is off");
    }

    #[test]
    fn a_peer_not_heard_for_long_counts_for_nothing() {
        let mut clocks = PeerClocks::new();
        clocks.observe(&heard(0, 0), 100 * S, 0);
        clocks.observe(&heard(6000, 0), 106 * S, 6 * S);
        assert_eq!(clocks.walls(106 * S, 6 * S), [(1, 106 * S)]);
        assert_eq!(clocks.heard_ago_ms(B, 7 * S), Some(7000));
        assert_eq!(clocks.heard_ago_ms(99, 6 * S), None);
    }

    #[test]
    fn a_core_that_publishes_nothing_makes_nobody_look_fresh() {
        let mut clocks = PeerClocks::new();
        clocks.observe(&heard(10, 0), 100 * S, 0);
        clocks.observe(&heard(10, 0), 109 * S, 9 * S);
        assert_eq!(clocks.walls(109 * S, 9 * S), [(1, 109 * S)]);
    }
}
