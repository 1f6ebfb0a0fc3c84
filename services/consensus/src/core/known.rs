//! Read access to the core, for the driver and the simulator. Changes nothing.

use ocs_proto::peer::{ConfState, SnapshotMark};
use raft::StateRole;
use raft_log::Disk;

use super::{Core, CoreConfig};
use crate::{Kind, RaftId, RaftRole};

impl<D: Disk> Core<D> {
    /// This node.
    pub fn id(&self) -> RaftId {
        self.config.id
    }

    /// The configuration of this core.
    pub fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// Raft's term.
    pub fn term(&self) -> u64 {
        self.raw.raft.term
    }

    /// The leader known here; 0: none.
    pub fn leader(&self) -> RaftId {
        self.raw.raft.leader_id
    }

    /// Raft's role.
    pub fn role(&self) -> RaftRole {
        match self.raw.raft.state {
            StateRole::Follower if !self.raw.raft.promotable() => RaftRole::Learner,
            StateRole::Follower => RaftRole::Follower,
            StateRole::Candidate | StateRole::PreCandidate => RaftRole::Candidate,
            StateRole::Leader => RaftRole::Leader,
        }
    }

    /// Whether Raft's role here is leader: no proof of anything (R5 leader-is-not-primary).
    pub fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// Whether this node takes proposals: a data node that leads, has its state, has applied an entry of its own term and hands
    /// nothing over; while failover is paused, only the node for which failover is paused.
    pub fn serving(&self) -> bool {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::WitnessServes) && self.config.kind() == Kind::Witness {
            return self.leads();
        }
        self.could_serve() && self.named()
    }

    pub(super) fn could_serve(&self) -> bool {
        self.leads()
            && self.config.kind() == Kind::Data
            && !self.transferring()
            && !self.fetching
            && self.raw.raft.apply_to_current_term()
    }

    /// A transfer is under way.
    pub fn transferring(&self) -> bool {
        self.raw.raft.lead_transferee.is_some()
    }

    /// Highest index known committed.
    pub fn commit(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    /// Highest index applied by the state here; 0 while that state is missing or wrong and another state is fetched: for Raft
    /// such a state stands where the log begins, but no read may use the state.
    pub fn applied(&self) -> u64 {
        #[cfg(not(mutant))]
        let distrusted = self.distrusted.is_some();
        #[cfg(mutant)]
        let distrusted = self.distrusted.is_some() && !crate::mutant::on(crate::mutant::Mutant::DistrustedServes);
        let missing = self.fetching && (self.held_from.is_some() || distrusted);
        if missing { 0 } else { self.applied }
    }

    /// The log's first index that still counts, its last, and the last that is durable.
    pub fn log_range(&self) -> (u64, u64, u64) {
        (self.raw.store().first(), self.last_index(), self.raw.store().durable())
    }

    pub(super) fn last_index(&self) -> u64 {
        self.raw.raft.raft_log.last_index()
    }

    /// The mark of an entry that still counts.
    pub fn mark(&self, index: u64) -> Option<SnapshotMark> {
        let term = self.raw.store().term_of(index)?;
        let conf_state = self.raw.store().conf_state_at(index).clone();
        Some(SnapshotMark { index, term, conf_state: Some(conf_state) })
    }

    /// The membership.
    pub fn conf_state(&self) -> ConfState {
        self.raw.store().conf_state().clone()
    }

    /// The epoch in which the cluster was forced, 0: never; and whether one disk is enough by an operator's order.
    pub fn forced(&self) -> (u64, bool) {
        let conf = self.raw.store().conf_state();
        (conf.epoch, conf.single_copy)
    }

    /// Whether a state is being fetched: this node has none to serve from.
    pub fn fetching(&self) -> bool {
        self.fetching
    }

    /// Whether the fetch replaces a state that is wrong.
    pub fn distrusting(&self) -> bool {
        self.distrusted.is_some()
    }

    /// Last index known durable on a peer; known to the leader only.
    pub fn matched(&self, peer: RaftId) -> Option<u64> {
        self.leads().then(|| self.raw.raft.prs().get(peer).map(|progress| progress.matched)).flatten()
    }

    /// Lowest index durable on both data voters: counted by the leader, told to the other nodes, believed only from the
    /// leader of the current term (R1 forget-what-both-have).
    pub fn data_durable(&self) -> u64 {
        if self.leads() && self.full_copies() >= 3 {
            return self.counted_durable(); // each data node forgets by its own state, whatever the other nodes have
        }
        if self.leads() {
            // Both data nodes had the entries that this log has forgotten. A new leader has no acknowledgements yet, and without
            // this floor a witness that is behind the log could not catch up while the other data node is away.
            #[cfg(mutant)]
            if crate::mutant::on(crate::mutant::Mutant::NewLeaderCountsNothing) {
                return self.counted_durable();
            }
            return self.counted_durable().max(self.raw.store().start().index);
        }
        let (term, value) = self.told_durable;
        #[cfg(mutant)]
        let term = crate::mutant::instead(crate::mutant::Mutant::DataDurableOfOldTerm, term, self.term());
        if term == self.term() && self.leader() != 0 { value } else { 0 }
    }

    /// Data nodes among the voters.
    pub fn full_copies(&self) -> usize {
        let conf = self.raw.store().conf_state();
        conf.voters.iter().filter(|id| self.kind_of(**id) == Kind::Data).count()
    }

    /// Whether a data node may forget what its own state has durable, whatever the other nodes have: with three copies, or by an
    /// operator's order.
    pub(super) fn is_its_own_copy(&self) -> bool {
        self.full_copies() >= 3 || self.forced().1
    }

    /// Elections that this node began.
    pub fn elections(&self) -> u64 {
        self.elections
    }
}
