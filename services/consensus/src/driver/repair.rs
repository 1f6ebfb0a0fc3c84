//! Feeds [`crate::repair`], which decides about a wrong state, and carries the decisions out.

use raft_log::Disk;

use super::{Driver, SILENT, Work};
use crate::{
    Kind, Machine, RaftId, members,
    repair::{Here, Other},
};

impl<D: Disk, M: Machine> Driver<D, M> {
    /// Tells the node of every pair of digests, equal or not.
    pub(super) fn compare_digests(&mut self) {
        for (peer, seen) in &self.peers {
            let Some(theirs) = seen.digest else { continue };
            let compared = self.repair.compare(*peer, theirs, |index| self.digests.at(index));
            if let Some(comparison) = compared {
                self.mismatches += u64::from(comparison.ours != comparison.theirs);
                (self.compared)(comparison);
            }
        }
    }

    /// Begins a repair that is due. A leader without a state to serve from hands over by itself.
    pub(super) fn seek_repair(&mut self) {
        let others = self.other_data_nodes();
        if self.repair.due(Here::of(&self.core), &others) && self.core.distrust() {
            self.work.send(Work::Distrust);
        }
    }

    pub(super) fn on_fetch_failed(&mut self) {
        let others = self.other_data_nodes();
        let trust = self.repair.fetch_failed(Here::of(&self.core), &others);
        self.core.on_fetch_failed();
        if trust {
            self.core.trust_again();
            self.work.send(Work::Trust);
        }
    }

    fn other_data_nodes(&self) -> Vec<Other> {
        let conf_state = self.core.conf_state();
        let newest = |id: RaftId| members::newest(&conf_state, members::number(id)) == Some(id);
        let others = self.core.members().into_iter().filter(|(id, kind)| *id != self.core.id() && *kind == Kind::Data);
        let other = |(id, _): (RaftId, Kind)| {
            let seen = self.peers.get(&id)?;
            let lively = seen.heard.is_some_and(|heard| heard.elapsed() < SILENT);
            let able = self.core.leads() && self.core.eligible(id).is_ok();
            Some(Other { id, lively, ready: seen.ready, vouched: seen.vouched, able })
        };
        others.filter(|(id, _)| newest(*id)).filter_map(other).collect()
    }
}
