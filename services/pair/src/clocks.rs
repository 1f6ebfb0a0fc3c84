//! The nodes' wall clocks and the time of each peer's last frame, out of the core's status.
//!
//! Pure: this node's clocks are arguments. A peer's clock runs on with this node's monotonic clock, so that a jump of this node's
//! wall clock does not look like a jump of every peer's. Called by the batch task and by the role service.

use std::time::{Duration, Instant};

use consensus::{PeerStatus, RaftId, Status};

/// A peer not heard for longer is left out.
const FRESH: Duration = Duration::from_secs(5);

/// The wall clocks of this node and of every peer heard lately, microseconds since 1970.
pub fn walls(status: &Status, wall_us: u64, now: Instant) -> Vec<(RaftId, u64)> {
    let fresh = |peer: &&PeerStatus| heard_ago(peer, now).is_some_and(|ago| ago <= FRESH);
    let peers = status.peers.iter().filter(fresh).map(|peer| (peer.id, peer_us(peer, now)));
    std::iter::once((status.id, wall_us)).chain(peers).collect()
}

/// Time since the last frame of this peer; none: never heard.
pub fn heard_ago(peer: &PeerStatus, now: Instant) -> Option<Duration> {
    peer.heard.map(|heard| now.saturating_duration_since(heard))
}

/// A peer's wall clock minus this node's, microseconds; none: never heard.
pub fn offset_us(peer: &PeerStatus, wall_us: u64, now: Instant) -> Option<i64> {
    peer.heard.map(|_| peer_us(peer, now).cast_signed().wrapping_sub(wall_us.cast_signed()))
}

/// A peer's wall clock now: the time of its last frame plus the time since.
fn peer_us(peer: &PeerStatus, now: Instant) -> u64 {
    peer.wall_us.saturating_add(heard_ago(peer, now).map_or(0, micros))
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{A, B, W, status};

    const S: u64 = 1_000_000;
    const SECOND: Duration = Duration::from_secs(1);

    fn heard(at: Instant, wall_us: u64) -> Status {
        let mut status = status(3, B);
        status.peers.iter_mut().for_each(|peer| (peer.heard, peer.wall_us) = (Some(at), wall_us));
        status
    }

    #[test]
    fn a_jump_of_the_own_clock_does_not_move_the_peers() {
        let start = Instant::now();
        let told = heard(start, 100 * S + 5);
        assert_eq!(walls(&told, 100 * S, start), [(A, 100 * S), (B, 100 * S + 5), (W, 100 * S + 5)]);
        let jumped = walls(&told, 3700 * S, start + SECOND);
        assert_eq!(jumped, [(A, 3700 * S), (B, 101 * S + 5), (W, 101 * S + 5)]);
        assert_eq!(offset_us(&told.peers[0], 3700 * S, start + SECOND), Some(5 - 3599 * S.cast_signed()));
    }

    #[test]
    fn a_peer_not_heard_for_long_counts_for_nothing() {
        let start = Instant::now();
        let told = heard(start, 100 * S);
        assert_eq!(walls(&told, 105 * S, start + 5 * SECOND).len(), 3);
        assert_eq!(walls(&told, 106 * S, start + 6 * SECOND), [(A, 106 * S)]);
        assert_eq!(heard_ago(&told.peers[0], start + 7 * SECOND), Some(7 * SECOND));
        let never = status(3, B);
        assert_eq!((heard_ago(&never.peers[0], start), offset_us(&never.peers[0], S, start)), (None, None));
    }
}
