//! Pause of automatic failover: during a pause only the last primary campaigns by itself; every other node needs an operator,
//! and a handover or a resume.
//!
//! The setting stands in the membership, so that every voter has it, the witness too, over any restart. The setting holds from
//! its entry in the log on, committed or not. Called by `core` and the driver.

use ocs_proto::peer::ChangeContext;
use raft_log::Disk;

use super::{Core, FAST_TICKS_MAX};
use crate::{Kind, RaftId, members};

/// Why failover was not paused or resumed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PauseError {
    /// Only a primary changes the setting; without a primary any node resumes failover.
    #[error("this node is not the primary")]
    NotPrimary,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl<D: Disk> Core<D> {
    /// The last primary, for which automatic failover is paused; 0: failover is not paused.
    pub fn paused_for(&self) -> RaftId {
        self.raw.store().paused_for()
    }

    /// Pauses or resumes failover. False until the change is committed: the caller repeats the call. Without a leader a resume
    /// makes this node campaign, and clear the setting once elected.
    ///
    /// # Errors
    /// [`PauseError`]: nothing was begun here.
    pub fn set_paused(&mut self, paused: bool) -> Result<bool, PauseError> {
        let stands = self.raw.store().conf_state().paused_for;
        let settled = self.paused_for() == stands && (stands != 0) == paused;
        if self.serving() {
            if !settled && !self.changing() {
                self.propose_pause(if paused { self.config.id } else { 0 });
            }
            return Ok(settled);
        }
        // a leader serves in a moment, and a witness that leads hands over to a node that may have been asked too
        let witness_leads = self.leader() != 0 && self.kind_of(self.leader()) == Kind::Witness;
        if !paused && (self.leads() || witness_leads) {
            return Ok(false);
        }
        // the setting here may be stale: only a primary says that the change is settled
        if !paused && !settled && (self.leader() == 0 || self.resuming) {
            self.resume_alone();
            return Ok(false);
        }
        Err(PauseError::NotPrimary)
    }

    /// An operator asks for a primary while there is none.
    fn resume_alone(&mut self) {
        if !std::mem::replace(&mut self.resuming, true) {
            tracing::warn!("automatic failover is resumed here: this node asks for votes");
            if self.raw.raft.promotable() {
                self.fast_ticks = FAST_TICKS_MAX;
                self.campaign_again();
            }
        }
    }

    /// Whether this node must not campaign by itself: failover is paused for another node, or the disk here hangs.
    pub(super) fn held(&self) -> bool {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::PauseNotHeld) {
            return false;
        }
        let holder = self.paused_for();
        let alone = self.raw.raft.prs().is_singleton();
        let paused_for_another = holder != 0 && holder != self.config.id && !self.resuming;
        (paused_for_another || self.stalled()) && !alone && !self.leads()
    }

    /// Whether leadership moves only when an operator says so.
    pub fn paused(&self) -> bool {
        self.paused_for() != 0 && !self.resuming
    }

    /// In place of Raft's tick: at the election timeout this node forgets the leader and does not campaign, so that a returning
    /// leader gets this node's vote.
    pub(super) fn tick_held(&mut self) {
        self.raw.raft.election_elapsed += 1;
        if self.raw.raft.pass_election_timeout() {
            self.forget_leader();
        }
    }

    pub(super) fn forget_leader(&mut self) {
        let term = self.raw.raft.term;
        self.raw.raft.become_follower(term, raft::INVALID_ID);
        self.draw_timeout();
    }

    /// Whether the pause lets this node serve: while failover is paused, a leader serves only once its own name stands as the
    /// holder's. Otherwise a primary could die before its name stands, and the primary before that would campaign by itself.
    pub(super) fn named(&self) -> bool {
        let stands = self.raw.store().conf_state().paused_for;
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::ServesUnnamed) {
            return true;
        }
        stands == 0 || stands == self.config.id || self.resuming
    }

    /// A leader clears the setting that an operator resumed, and else puts its own name in the place of another's as soon as
    /// possible.
    pub(super) fn settle_pause(&mut self) {
        if self.paused_for() == 0 {
            self.resuming = false;
        }
        let stands = self.raw.store().conf_state().paused_for;
        if stands == 0 || !self.could_serve() || self.changing() {
            return;
        }
        #[cfg(mutant)]
        if !self.resuming && crate::mutant::on(crate::mutant::Mutant::ServesUnnamed) {
            return;
        }
        if self.resuming {
            self.propose_pause(0);
        } else if stands != self.config.id {
            self.propose_pause(self.config.id);
        }
    }

    fn propose_pause(&mut self, holder: RaftId) {
        let context = ChangeContext { paused_for: Some(holder), ..ChangeContext::default() };
        self.propose_change(&members::setting(self.config.id, &context));
    }
}
