//! Changes of the membership (R11 one-id-one-log): a node that lost its log comes back under a new id, as a learner. A learner
//! that has caught up takes the place of the node's old id in one joint change.
//!
//! A change takes effect on this thread where its entry is handed over to be applied; the witness takes part. Only a primary
//! proposes a change, and raft-rs refuses a second change until the first is applied, so that ids are given once.

use ocs_proto::peer::{ConfChangeV2, ConfState, Member};
use prost::Message as _;
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft_log::{Batch, Disk};

use super::{Core, Output, TRANSFER_LAG_MAX, Write};
use crate::{Kind, RaftId, eraft::conf_state_to_wire, members};

/// Why a node is not taken in, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Only a primary changes the membership.
    #[error("this node is not the primary")]
    NotPrimary,
    /// Its old id speaks: two processes have the same name.
    #[error("the node is still heard under its old id")]
    StillHeard,
    /// The primary does not replace itself.
    #[error("it is the primary's own name")]
    Primary,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// Why single-copy does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// Only a primary changes the membership.
    #[error("this node is not the primary")]
    NotPrimary,
    /// No second copy would stand.
    #[error("no other data node has caught up")]
    NoCopy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl<D: Disk> Core<D> {
    /// Admits the node with this number under a new id, as a learner. None until the change is committed: the caller repeats the
    /// call. The same token gets the same id.
    ///
    /// # Errors
    /// [`JoinError`]: nothing was begun.
    pub fn admit(&mut self, number: u16, kind: Kind, token: u64) -> Result<Option<RaftId>, JoinError> {
        if !self.serving() {
            return Err(JoinError::NotPrimary);
        }
        if members::number(self.config.id) == number {
            return Err(JoinError::Primary);
        }
        if self.changing() {
            return Ok(None); // the change may replace this very node's id, on a request of an earlier process
        }
        if let Some(id) = self.admitted(number, token) {
            return Ok(Some(id));
        }
        let conf = self.conf_state();
        let incarnation = members::newest(&conf, number).map_or(0, |id| members::incarnation(id) + 1);
        let incarnation = incarnation.max(members::first_incarnation(conf.epoch));
        let id = RaftId::from(number) | incarnation << 16;
        let member = Member { id, witness: kind == Kind::Witness, token };
        self.propose_change(&members::admission(&conf, member));
        Ok(None)
    }

    fn admitted(&self, number: u16, token: u64) -> Option<RaftId> {
        let conf = self.raw.store().conf_state();
        let member = conf.members.iter().find(|member| members::number(member.id) == number)?;
        let in_it = conf.learners.contains(&member.id) || conf.voters.contains(&member.id);
        #[cfg(mutant)]
        let token = crate::mutant::instead(crate::mutant::Mutant::TokenIgnored, token, member.token);
        (member.token == token && token != 0 && in_it).then_some(member.id)
    }

    /// Whether a change is under way: proposed and not applied, or joint.
    pub fn changing(&self) -> bool {
        self.raw.raft.has_pending_conf() || !self.raw.store().conf_state().voters_outgoing.is_empty()
    }

    /// Every id of the membership, and its kind.
    pub fn members(&self) -> Vec<(RaftId, Kind)> {
        let conf = self.raw.store().conf_state();
        members::ids(conf).into_iter().map(|id| (id, self.kind_of(id))).collect()
    }

    /// The kind of the node with this id.
    pub fn kind_of(&self, id: RaftId) -> Kind {
        members::kind_of(self.raw.store().conf_state(), &self.config.kinds, id)
    }

    /// Whether an id was replaced: the id is no member, and its node has a newer id. The core drops frames under a replaced id.
    pub fn is_former(&self, id: RaftId) -> bool {
        let conf = self.raw.store().conf_state();
        !members::ids(conf).contains(&id)
            && members::newest(conf, members::number(id)).is_some_and(|newest| newest > id)
    }

    /// The ids in the heads of a leader: told to every node while a member is a learner, and always to a node that speaks under a
    /// replaced id, which would otherwise wait for a leader for ever ([`members::replaced`]).
    pub fn members_to_tell(&self, to: RaftId) -> Vec<RaftId> {
        let conf = self.raw.store().conf_state();
        let told = !conf.learners.is_empty() || self.is_former(to);
        if self.leads() && told { members::ids(conf) } else { Vec::new() }
    }

    /// Whether an id is a voter.
    pub fn is_voter(&self, id: RaftId) -> bool {
        self.raw.store().conf_state().voters.contains(&id)
    }

    /// The lowest index durable on every data node, as counted by the leader. A data node whose newest id does not vote yet
    /// counts 0, whatever its old id had (R1 forget-what-both-have). In single-copy no other node votes, and a learner counts
    /// with its own index: the witness then keeps the entries that a later voter lacks.
    pub(super) fn counted_durable(&self) -> u64 {
        let conf = self.raw.store().conf_state();
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::OldIdCounts) {
            let voters = conf.voters.iter().filter(|id| self.kind_of(**id) == Kind::Data);
            return voters.map(|id| self.matched(*id).unwrap_or(0)).min().unwrap_or(0);
        }
        let durable = |id: RaftId| match members::newest(conf, members::number(id)) {
            Some(newest) if conf.single_copy || conf.voters.contains(&newest) => self.matched(newest).unwrap_or(0),
            _ => 0,
        };
        let data = members::ids(conf).into_iter().filter(|id| self.kind_of(*id) == Kind::Data);
        data.map(durable).min().unwrap_or(0)
    }

    pub(super) fn propose_change(&mut self, change: &ConfChangeV2) {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.config.id;
        let mut entry = Entry::default();
        entry.set_entry_type(EntryType::EntryConfChangeV2);
        entry.data = change.encode_to_vec().into();
        message.set_entries(vec![entry].into());
        if let Err(fault) = self.raw.raft.step(message) {
            tracing::warn!(%fault, "a change of the membership was not proposed; it is tried again");
        }
        self.after();
    }

    /// Makes a learner that has caught up a voter; leaves a joint membership that its leader did not leave.
    pub(super) fn tick_members(&mut self) {
        let conf = self.raw.store().conf_state();
        let quiet = conf.learners.is_empty() && conf.voters_outgoing.is_empty();
        if quiet || !self.serving() || self.raw.raft.has_pending_conf() {
            return;
        }
        if !conf.voters_outgoing.is_empty() {
            return self.propose_change(&ConfChangeV2::default()); // the leader of the joint change ended first
        }
        #[cfg(not(mutant))]
        let ends = false;
        #[cfg(mutant)]
        let ends = crate::mutant::on(crate::mutant::Mutant::SingleCopyEndsByItself);
        if conf.single_copy && !ends {
            return; // an operator says when
        }
        let caught_up = conf.learners.iter().copied().find(|id| self.has_caught_up(*id));
        if let Some(learner) = caught_up {
            let change = members::replacement(conf, learner);
            tracing::info!(learner, "a node that joins has caught up: it becomes a voter");
            self.propose_change(&change);
        }
    }

    /// Ends single-copy: every learner that has caught up becomes a voter in one joint change. False until the change is
    /// committed, by the new voters too: the caller repeats the call.
    ///
    /// # Errors
    /// [`ModeError`]: nothing was begun.
    pub fn leave_single_copy(&mut self) -> Result<bool, ModeError> {
        if !self.serving() {
            return Err(ModeError::NotPrimary);
        }
        let changing = self.changing();
        let conf = self.raw.store().conf_state();
        if changing || !conf.single_copy {
            return Ok(!changing);
        }
        // in single-copy a log forgets by the state beside it: a learner that lacks forgotten entries must not vote
        let forgotten = self.to_forget.max(self.raw.store().start().index);
        #[cfg(mutant)]
        let forgotten = crate::mutant::instead(crate::mutant::Mutant::UnfedVotes, forgotten, 0);
        let fed = |id: RaftId| self.matched(id) >= Some(forgotten);
        let ready: Vec<RaftId> =
            conf.learners.iter().copied().filter(|id| self.has_caught_up(*id) && fed(*id)).collect();
        if !ready.iter().any(|id| self.kind_of(*id) == Kind::Data) {
            return Err(ModeError::NoCopy);
        }
        tracing::info!(?ready, "an operator ends single-copy: those who have caught up become voters");
        self.propose_change(&members::restoration(&ready));
        Ok(false)
    }

    /// Whether these nodes are enough to decide anything, in a joint membership in both halves of it.
    pub fn is_quorum(&self, there: impl Fn(RaftId) -> bool) -> bool {
        let conf = self.raw.store().conf_state();
        let most = |ids: &[RaftId]| ids.iter().filter(|id| there(**id)).count() * 2 > ids.len();
        most(&conf.voters) && (conf.voters_outgoing.is_empty() || most(&conf.voters_outgoing))
    }

    fn has_caught_up(&self, id: RaftId) -> bool {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::LearnerVotesAtOnce) {
            return true;
        }
        let last = self.last_index();
        let near =
            |peer: &raft::Progress| peer.recent_active && peer.matched > 0 && last - peer.matched <= TRANSFER_LAG_MAX;
        self.raw.raft.prs().get(id).is_some_and(near)
    }

    /// A committed change takes effect and is recorded. A change that raft-rs refuses changes nothing, on every node alike.
    pub(super) fn apply_change(&mut self, entry: &Entry) {
        let change = match ConfChangeV2::decode(entry.data.clone()) {
            Ok(change) => change,
            Err(fault) => {
                return tracing::error!(%fault, index = entry.index, "an entry is no change of the membership");
            }
        };
        match self.raw.apply_conf_change(&members::change_to_raft(&change)) {
            Ok(now) => {
                #[cfg(mutant)]
                let now = self.left_at_once(now);
                let before = self.raw.store().conf_state();
                let now = members::after(before, conf_state_to_wire(&now), &change);
                tracing::info!(index = entry.index, voters = ?now.voters, learners = ?now.learners, leaving = ?now.voters_outgoing, "the membership changed");
                self.raw.mut_store().set_conf_state(entry.index, now.clone());
                self.unrecorded.push((entry.index, now));
                self.forget_former();
                self.step_down_if_removed();
            }
            Err(fault) => tracing::warn!(%fault, index = entry.index, "a change of the membership changes nothing"),
        }
    }

    /// A leader that is no voter any more steps down: raft-rs would look for its own progress, and panic.
    fn step_down_if_removed(&mut self) {
        if self.leads() && !self.raw.raft.promotable() {
            tracing::warn!("this node leads, and is no voter any more: it steps down");
            self.raw.raft.become_follower(self.raw.raft.term, raft::INVALID_ID);
            self.after();
        }
    }

    /// The mistake: a joint membership ends in the step that begins it.
    #[cfg(mutant)]
    fn left_at_once(&mut self, now: raft::eraftpb::ConfState) -> raft::eraftpb::ConfState {
        if now.get_voters_outgoing().is_empty() || !crate::mutant::on(crate::mutant::Mutant::JointSkipped) {
            return now;
        }
        self.raw.apply_conf_change(&raft::eraftpb::ConfChangeV2::default()).expect("a joint membership can be left")
    }

    /// Writes applied memberships to the log. A crash before such a write does no harm, since the entries stand in the log.
    pub(super) fn record_changes(&mut self, output: &mut Output) {
        for (index, conf_state) in std::mem::take(&mut self.unrecorded) {
            self.memberships.push((index, conf_state.clone()));
            #[cfg(mutant)]
            if crate::mutant::on(crate::mutant::Mutant::MembershipNotReplayed) {
                continue;
            }
            let batch = Batch { conf_state: Some((index, conf_state)), ..Batch::default() };
            output.writes.push(Write { number: self.written, batch, then: Vec::new(), evidence: None });
        }
    }

    /// The memberships that came with the entries of the last [`Core::output`] to be applied: each holds from its index on.
    pub fn take_memberships(&mut self) -> Vec<(u64, ConfState)> {
        std::mem::take(&mut self.memberships)
    }
}
