//! How this node came to lead, by the last signs of the leader before, for the history of the role. Decides nothing.
//!
//! Called by `core`; the driver adds the times, of which the core knows ticks only.

use ocs_proto::peer::Head;
use raft_log::Disk;

use super::Core;
use crate::{Came, RaftId};

/// The last leader, as this node sees that leader.
#[derive(Debug, Default)]
pub(super) struct LastLeader {
    id: RaftId,
    refused: bool,
    quiet_ticks: usize,
    handing_over: String,
}

impl<D: Disk> Core<D> {
    /// Notes a frame of the leader as a sign of life.
    pub(super) fn note_leader(&mut self, head: &Head) {
        if head.from == self.leader() && head.from != self.config.id {
            let handing_over = head.handing_over.clone();
            self.last_leader = LastLeader { id: head.from, handing_over, ..LastLeader::default() };
        }
    }

    /// The leader hands over; its reason may have been overtaken by a later head.
    pub(super) fn note_handed(&mut self) {
        if self.last_leader.handing_over.is_empty() {
            self.last_leader.handing_over = "handover".to_owned();
        }
    }

    /// The leader's process is gone.
    pub(super) fn note_refused(&mut self) {
        self.last_leader.refused = true;
    }

    pub(super) fn tick_reign(&mut self) {
        if self.leads() {
            self.last_leader = LastLeader { id: self.config.id, ..LastLeader::default() };
        } else {
            self.last_leader.quiet_ticks += 1;
        }
    }

    /// How this node comes to lead; noted where the leadership begins.
    pub(super) fn came(&self) -> Came {
        let last = &self.last_leader;
        let fresh = last.quiet_ticks <= self.config.election_ticks_min;
        if !last.handing_over.is_empty() && fresh {
            Came::Handed(last.handing_over.clone())
        } else if self.resuming {
            Came::Resumed
        } else if last.id == 0 {
            Came::First
        } else if last.refused {
            Came::Refused
        } else {
            Came::Silent
        }
    }

    /// How this node came to lead last, and in which term.
    pub fn reign(&self) -> (u64, &Came) {
        (self.reign.0, &self.reign.1)
    }

    /// Why this leader hands over to a node; none: no handover to that node is in flight.
    pub fn handing_over_to(&self, to: RaftId) -> Option<&str> {
        let transfer = self.transfer.as_ref().filter(|transfer| transfer.to == to && self.leads());
        transfer.map(|transfer| transfer.why.as_str())
    }
}
