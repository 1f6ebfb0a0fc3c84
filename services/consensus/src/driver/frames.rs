//! Frames of peers: the driver keeps the facts of a frame's head and passes the rest to the core. Called by the driver.

use std::time::Instant;

use ocs_proto::peer::PeerFrame;
use raft_log::Disk;

use super::{Driver, FRAME_FORMAT};
use crate::{
    Machine, Versions,
    members::{self, Epochs},
};

/// Raft ids with a remembered head: a node that was replaced many times has had many ids.
const PEERS_MAX: usize = 64;

impl<D: Disk, M: Machine> Driver<D, M> {
    pub(super) fn on_frame(&mut self, frame: PeerFrame) {
        let Some(head) = &frame.head else { return };
        let over = members::epochs(self.config.epoch, head.epoch) == Epochs::TheirsOver;
        if head.format > FRAME_FORMAT || head.cluster[..] != self.config.cluster || over {
            tracing::warn!(
                from = head.from,
                format = head.format,
                epoch = head.epoch,
                "a frame that is not ours was dropped"
            );
            return;
        }
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&head.from) {
            let core = &self.core;
            self.peers.retain(|id, _| !core.is_former(*id));
            if self.peers.len() >= PEERS_MAX {
                return tracing::warn!(from = head.from, "a frame under one more id was dropped: too many are known");
            }
        }
        let digest: Option<[u8; 16]> = head.digest[..].try_into().ok();
        let seen = self.peers.entry(head.from).or_default();
        (seen.heard, seen.lost) = (Some(Instant::now()), false);
        seen.applied = head.applied;
        seen.short = head.disk_short_bytes > 0;
        (seen.log_full, seen.drained) = (head.log_full, head.drained);
        (seen.ready, seen.vouched) = (head.data_ready, head.vouched_index);
        seen.wall_us = head.wall_clock_us;
        (seen.versions, seen.unconfirmed) = (Versions::of(head), head.unconfirmed);
        seen.start = head.start[..].try_into().ok();
        if let Some(digest) = digest.filter(|_| head.digest_index > 0) {
            seen.digest = Some((head.digest_index, u128::from_be_bytes(digest)));
        }
        if head.from == self.core.leader() {
            self.leader_seen = Instant::now();
        }
        let from = head.from;
        self.core.step(frame);
        if self.core.leads() && self.core.is_former(from) {
            self.transmit(from, Vec::new()); // the head of this frame tells the members
        }
    }
}
