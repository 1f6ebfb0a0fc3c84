//! Disks that hang without an error: a leader whose oldest write has not ended hands over, to a node whose disk works.
//!
//! Knows ages that the driver and the peers' heads tell, no clock and no disk. Never hands over where no quorum is left without
//! this node: its own vote would have to become durable. Called by `core` and the driver.

use std::collections::BTreeMap;

use ocs_proto::peer::Head;
use raft_log::Disk;

use super::Core;
use crate::RaftId;

/// Age of a write at which its disk counts as hanging where nothing else is configured, milliseconds.
pub const DISK_STALL_MS_DEFAULT: u64 = 3000;
/// Extra time for which a leader looks for a successor before reporting none, milliseconds: raft-rs counts the voters that
/// answered lately anew only at each election timeout.
const SEARCH_MS: u64 = 1000;
const WHY: &str = "handover because the disk hangs";

/// Ages of the oldest writes, milliseconds.
#[derive(Debug)]
pub(super) struct Stall {
    limit_ms: u64,
    own_ms: u64,
    /// Of voters; a voter without a late write is not here.
    peers: BTreeMap<RaftId, u64>,
}

impl Default for Stall {
    fn default() -> Self {
        Self { limit_ms: DISK_STALL_MS_DEFAULT, own_ms: 0, peers: BTreeMap::new() }
    }
}

impl<D: Disk> Core<D> {
    /// Age of a write at which its disk counts as hanging, milliseconds.
    pub fn set_disk_stall_ms(&mut self, limit_ms: u64) {
        self.stall.limit_ms = limit_ms;
    }

    /// For how long the oldest write here has not ended, milliseconds; 0: none is late. To be told before each tick.
    pub fn on_write_age(&mut self, age_ms: u64) {
        self.stall.own_ms = age_ms;
    }

    /// The last age that [`Core::on_write_age`] was given.
    pub fn write_age_ms(&self) -> u64 {
        self.stall.own_ms
    }

    /// Whether the disk here hangs: this node neither campaigns nor is handed to.
    pub fn stalled(&self) -> bool {
        self.stall.own_ms >= self.stall.limit_ms
    }

    /// For how long the oldest write of a peer has not ended, as its last head told, milliseconds; 0: none is late.
    pub fn write_age_of(&self, peer: RaftId) -> u64 {
        self.stall.peers.get(&peer).copied().unwrap_or(0)
    }

    /// Whether the disk of a peer hangs.
    pub fn hangs(&self, peer: RaftId) -> bool {
        self.write_age_of(peer) >= self.stall.limit_ms
    }

    /// Whether this node leads, its disk hangs, and no other node can take over: updates wait until the disk goes on.
    pub fn stalled_alone(&self) -> bool {
        let long = self.stall.own_ms >= self.stall.limit_ms.saturating_add(SEARCH_MS);
        let settled = long && self.leads() && self.transfer.is_none();
        settled && (self.paused() || self.stall_successor().is_none())
    }

    /// Most heads tell no late write, and most clusters know none.
    pub(super) fn note_write_age(&mut self, head: &Head) {
        if head.oldest_write_ms == 0 && self.stall.peers.is_empty() {
            return;
        }
        if head.oldest_write_ms == 0 {
            self.stall.peers.remove(&head.from);
        } else if self.is_voter(head.from) {
            self.stall.peers.insert(head.from, head.oldest_write_ms);
        }
    }

    /// A paused cluster keeps its primary.
    pub(super) fn tick_stall(&mut self) {
        let voters = &self.raw.store().conf_state().voters;
        self.stall.peers.retain(|id, _| voters.contains(id));
        if !(self.stalled() && self.leads() && self.transfer.is_none()) || self.paused() {
            return;
        }
        if let Some(to) = self.stall_successor() {
            let _ = self.transfer(to, WHY); // tried again at the next tick
        }
    }

    /// The node to hand over to while the disk here hangs.
    fn stall_successor(&self) -> Option<RaftId> {
        let younger = |id: &RaftId| self.write_age_of(*id) < self.stall.own_ms;
        self.successors().into_iter().find(|id| younger(id) && self.elects_without_this_node(*id))
    }

    /// Whether voters that answer, and whose disks work, are a quorum without this node.
    fn elects_without_this_node(&self, to: RaftId) -> bool {
        let answers = |id: RaftId| self.raw.raft.prs().get(id).is_some_and(|peer| peer.recent_active);
        self.is_quorum(|id| id != self.config.id && !self.hangs(id) && (id == to || answers(id)))
    }
}
