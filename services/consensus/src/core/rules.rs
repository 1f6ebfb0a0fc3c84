//! The core's own actions: randomness from outside, rounds, transfers, lost snapshots, the witness's rules.

use ocs_proto::peer::RaftMessage;
use raft::{ProgressState, StateRole};
use raft_log::Disk;
use rand::Rng;

use super::{Core, SNAPSHOT_TICKS_MAX, TRANSFER_LAG_MAX, TRANSFER_TICKS_MAX};
use crate::{Kind, RaftId, TransferError};

impl<D: Disk> Core<D> {
    /// Runs after every event: randomness from outside, answers, and the round under way.
    pub(super) fn after(&mut self) {
        let seen = (self.raw.raft.state, self.raw.raft.term);
        if seen != self.seen {
            self.on_role_change(seen);
        }
        self.collect_answers();
        let basis = (self.term(), self.leader(), self.raw.raft.commit_to_current_term());
        if basis != self.round_basis {
            self.round_basis = basis;
            if self.rounds.under_way() {
                self.ask_again(); // forgotten at a change of term, dropped before the first commit
            }
        }
    }

    pub(super) fn on_role_change(&mut self, seen: (StateRole, u64)) {
        let campaigns = |role| matches!(role, StateRole::Candidate | StateRole::PreCandidate);
        if campaigns(seen.0) && !campaigns(self.seen.0) {
            self.elections += 1;
        }
        if seen.0 == StateRole::Leader {
            self.reign = (seen.1, self.came());
            self.reign_began();
        }
        self.seen = seen;
        self.spared = super::round::Spared::default();
        self.draw_timeout();
    }

    /// Draws the timeout in place of raft-rs (R8 chance-from-outside).
    pub(super) fn draw_timeout(&mut self) {
        let timeout = self.rng.random_range(self.config.election_ticks_min..self.config.election_ticks_max);
        self.raw.raft.set_randomized_election_timeout(timeout);
    }

    pub(super) fn hold_snapshot(&mut self, message: RaftMessage) {
        let index = message.snapshot.as_ref().map_or(0, |mark| mark.index);
        if !self.fetching {
            self.fetching = true;
            self.fetch = Some(index);
        }
        self.snapshot_held = Some(message);
    }

    /// The only voter campaigns without an election timeout.
    pub(super) fn lead_alone(&mut self, alone: bool) {
        if alone && self.leader() == 0 && self.raw.raft.promotable() {
            let _ = self.raw.campaign(); // tried again at the next tick
        }
    }

    pub(super) fn tick_transfer(&mut self) {
        let Some(transfer) = &mut self.transfer else { return };
        transfer.ticks += 1;
        let sent = self.raw.raft.prs().get(transfer.to).is_some_and(|peer| peer.matched == self.last_index());
        let over = self.raw.raft.lead_transferee.is_none();
        let late = self.transfer.as_ref().is_some_and(|transfer| transfer.ticks > TRANSFER_TICKS_MAX) && !sent;
        if self.leads() && (late || over) {
            self.raw.raft.abort_leader_transfer();
            self.transfer = None;
            self.transfer_result = Some(Err(TransferError::TimedOut));
        }
    }

    pub(super) fn settle_transfer(&mut self) {
        let Some(transfer) = &self.transfer else { return };
        if self.leads() {
            return;
        }
        let (leader, to) = (self.leader(), transfer.to);
        if leader == to {
            self.transfer = None;
            self.transfer_result = Some(Ok(()));
        } else if leader != 0 || transfer.ticks > self.config.election_ticks_max as u32 * 4 {
            self.transfer = None;
            self.transfer_result = Some(Err(TransferError::TimedOut));
        }
    }

    /// A lost snapshot message would leave the peer waiting for ever: the leader reports a failure to raft-rs, which sends again.
    pub(super) fn tick_snapshots(&mut self) {
        let waiting = |(_, peer): (&u64, &raft::Progress)| peer.state == ProgressState::Snapshot;
        if !self.leads() || !self.raw.raft.prs().iter().any(waiting) {
            self.snapshot_ticks = 0;
            return;
        }
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::SnapshotNotSentAgain) {
            return;
        }
        self.snapshot_ticks += 1;
        if self.snapshot_ticks >= SNAPSHOT_TICKS_MAX {
            self.snapshot_ticks = 0;
            let peers: Vec<_> =
                self.raw.raft.prs().iter().filter(|peer| waiting((peer.0, peer.1))).map(|peer| *peer.0).collect();
            peers.into_iter().for_each(|peer| self.raw.report_snapshot(peer, raft::SnapshotStatus::Failure));
        }
    }

    /// R2 witness-never-serves: the witness votes and holds the log, and leads only to hand over.
    pub(super) fn tick_witness(&mut self) {
        if self.config.kind() != Kind::Witness {
            return self.hand_over_without_state();
        }
        let priority = self.patience.tick(self.leader() != 0);
        self.raw.set_priority(priority);
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::WitnessKeepsLeading) {
            return;
        }
        if self.leads() && self.transfer.is_none() {
            if let Some(to) = self.successors().first().copied() {
                let _ = self.transfer(to, "the witness led and handed over");
            } else if self.patience.alarm() {
                tracing::error!(
                    "the witness leads and no data node has caught up: updates wait; bring a data node back"
                );
            }
        }
    }

    /// A data node whose state is still being fetched votes and leads like any other, but cannot serve: such a leader hands over.
    pub(super) fn hand_over_without_state(&mut self) {
        if !(self.leads() && self.fetching && self.transfer.is_none()) || self.paused() {
            return;
        }
        if let Some(to) = self.successors().first().copied() {
            tracing::warn!(to, "this node leads without a state: it hands over");
            let _ = self.transfer(to, "the node before led without a state"); // tried again at the next tick
        }
    }

    /// Candidates for a leadership transfer, longest log first. A node that has just died looks eligible until raft-rs counts
    /// recent answers, and raft-rs does not count while transfers to the dead node begin again and again.
    pub fn successors(&self) -> Vec<RaftId> {
        let mut able: Vec<RaftId> = self.members().into_iter().map(|(id, _)| id).collect();
        able.retain(|id| self.eligible(*id).is_ok());
        able.sort_by_key(|id| std::cmp::Reverse(self.matched(*id)));
        able
    }

    /// Whether leadership may go to a node now.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn eligible(&self, to: RaftId) -> Result<(), String> {
        if to == self.config.id {
            return Err("it leads already".to_owned());
        }
        if self.kind_of(to) == Kind::Witness {
            return Err("it is the witness, which never serves".to_owned());
        }
        let progress = self.raw.raft.prs().get(to).filter(|_| self.is_voter(to));
        let Some(peer) = progress else { return Err("it is not a voter".to_owned()) };
        if self.hangs(to) {
            return Err(format!("its disk hangs: a write has not ended for {} ms", self.write_age_of(to)));
        }
        if !peer.recent_active {
            return Err("it has not answered for a whole election timeout".to_owned());
        }
        let lag = self.last_index().saturating_sub(peer.matched);
        if lag > TRANSFER_LAG_MAX {
            return Err(format!("it is {lag} entries behind"));
        }
        Ok(())
    }
}
