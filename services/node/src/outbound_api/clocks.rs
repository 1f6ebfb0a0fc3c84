//! The nodes' wall clocks and when each peer was last heard, from what the peers' frames told.
//!
//! Pure: this node's clocks come in as numbers. A peer's clock is kept as a distance to the monotonic clock, so that a jump
//! of this node's wall clock does not look like one of every peer. Called by the batch task and by the role service.

use std::collections::BTreeMap;

use consensus::{RaftId, Status};

/// A peer not heard for longer counts for nothing, microseconds.
const FRESH_US: u64 = 5_000_000;

/// What is known of one peer's clock.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The driver's time of the frame: only compared, to notice a new one.
    heard_ms: u64,
    /// This node's monotonic clock when the new frame was noticed.
    at_mono_us: u64,
    /// The peer's wall clock then.
    wall_us: u64,
    offset_us: i64,
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
            let Some(heard_ms) = peer.heard_ms else { continue };
            if self.seen.get(&peer.id).is_some_and(|seen| seen.heard_ms == heard_ms) {
                continue;
            }
            let peer_wall_us = wall_us.saturating_add_signed(peer.clock_offset_us);
            let seen = Seen { heard_ms, at_mono_us: mono_us, wall_us: peer_wall_us, offset_us: peer.clock_offset_us };
            self.seen.insert(peer.id, seen);
        }
    }

    /// The wall clocks of this node and of every peer heard lately.
    pub fn walls(&self, wall_us: u64, mono_us: u64) -> Vec<(RaftId, u64)> {
        let fresh = |seen: &Seen| mono_us.saturating_sub(seen.at_mono_us) <= FRESH_US;
        let now = |seen: &Seen| seen.wall_us + mono_us.saturating_sub(seen.at_mono_us);
        let peers = self.seen.iter().filter(|(_, seen)| fresh(seen)).map(|(id, seen)| (*id, now(seen)));
        std::iter::once((self.own, wall_us)).chain(peers).collect()
    }

    /// Milliseconds since a frame of this peer was noticed; none: never.
    pub fn heard_ago_ms(&self, peer: RaftId, mono_us: u64) -> Option<u64> {
        self.seen.get(&peer).map(|seen| mono_us.saturating_sub(seen.at_mono_us) / 1000)
    }

    /// A peer's wall clock minus this node's when it was last heard, microseconds.
    pub fn offset_us(&self, peer: RaftId) -> Option<i64> {
        self.seen.get(&peer).map(|seen| seen.offset_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound_api::tests::{B, W, status};

    const S: u64 = 1_000_000;

    fn heard(at_ms: u64, offset_us: i64) -> Status {
        let mut status = status(3, B);
        for peer in &mut status.peers {
            (peer.heard_ms, peer.clock_offset_us) = (Some(at_ms), offset_us);
        }
        status
    }

    #[test]
    fn a_jump_of_the_own_clock_does_not_move_the_peers() {
        let mut clocks = PeerClocks::new();
        clocks.observe(&heard(1, 5), 100 * S, 0);
        let walls = clocks.walls(3700 * S, S);
        assert_eq!(walls, [(1, 3700 * S), (B, 101 * S + 5), (W, 101 * S + 5)]);
    }

    #[test]
    fn a_peer_not_heard_for_long_counts_for_nothing() {
        let mut clocks = PeerClocks::new();
        clocks.observe(&heard(1, 0), 100 * S, 0);
        clocks.observe(&heard(1, 0), 106 * S, 6 * S);
        assert_eq!(clocks.walls(106 * S, 6 * S), [(1, 106 * S)]);
        assert_eq!(clocks.heard_ago_ms(B, 6 * S), Some(6000));
        assert_eq!(clocks.heard_ago_ms(99, 6 * S), None);
    }
}
