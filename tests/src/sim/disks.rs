//! Claims about disks, memberships and stamps: one function each, named as a claim, as in `invariants`.
//!
//! Called by `world` after every step.

use consensus::{Kind, RaftId, members};
use ocs_proto::peer::{ConfState, RaftMessage, SnapshotMark};
use raft_log::{HardState, LogError};

use super::{
    invariants::{Watch, claim},
    node::{Life, Mode, Node, Synced},
    state::NOON_US,
};

/// A node within so many entries of the end of the log has caught up (architecture, Failover: one batch).
const BATCH_ENTRIES: u64 = 512;
/// One odd clock moves no stamp by more than this, microseconds (architecture, Stamped time).
const ODD_US: u64 = 2_000_000;
/// Difference allowed between right clocks in a run, with the delay of heads, microseconds.
const SLACK_US: u64 = 1_000_000;

impl Watch {
    /// R11 one-id-one-log.
    pub(super) fn an_id_stands_for_one_log(&mut self, id: RaftId) {
        claim!(self.ids.insert(id), "a Raft id stands for one log, for ever", "{id:#x} was given twice");
    }

    /// R11: every node learns the same memberships, and any two majorities of two consecutive memberships share a node.
    pub(super) fn memberships_are_the_same_and_overlap(&mut self, learnt: &[(u64, ConfState)]) {
        for (index, conf) in learnt {
            let known = self.memberships.entry(*index).or_insert_with(|| conf.clone());
            claim!(known == conf, "memberships are the same everywhere", "at {index}: {known:?}, {conf:?}");
            let before = self.memberships.range(..index).next_back().map_or(conf, |(_, before)| before);
            claim!(
                overlap(before, conf),
                "majorities of memberships that follow one another overlap",
                "at {index}: {before:?}, then {conf:?}"
            );
        }
    }

    /// R11: a learner votes only when its log has the group's entries, but for one batch.
    pub(super) fn who_begins_to_vote_has_caught_up(&self, learnt: &[(u64, ConfState)], nodes: &[Node]) {
        for (index, conf) in learnt {
            let before = self.memberships.range(..index).next_back().map_or(conf, |(_, before)| before);
            for id in conf.voters.iter().filter(|id| !before.voters.contains(id)) {
                let last = self.synced(nodes, *id).map_or(0, Synced::last);
                claim!(
                    last > 0 && last + BATCH_ENTRIES + 1 >= *index,
                    "who begins to vote has caught up",
                    "{id:#x} has up to {last} and votes from {index} on"
                );
            }
        }
    }

    /// Architecture, raft-rs: the witness too applies changes of the membership, and no start forgets one.
    pub(super) fn nobody_goes_on_under_an_old_membership(&self, life: &Life) {
        if self.memberships.len() == 1 {
            return;
        }
        let core = &life.core;
        // a fetched state may be ahead of the log, and entries that are not durable here are not applied to Raft
        let reached = core.applied().min(core.commit()).min(core.log_range().2);
        let Some((newest, _)) = self.memberships.range(..=reached).next_back() else { return };
        let conf = core.conf_state();
        let known = self.memberships.range(newest..).any(|(_, known)| *known == conf);
        claim!(
            known,
            "nobody goes on under an old membership",
            "{:#x} has applied {reached} and lives by {conf:?}, others by {:?}",
            core.id(),
            self.memberships.range(newest..).next()
        );
    }

    /// R6 durable-before-acknowledged: committed entries, which may be acknowledged, are on the disks of a majority.
    pub(super) fn what_is_committed_is_on_a_majority_of_disks(&mut self, life: &Life, nodes: &[Node]) {
        let commit = life.core.commit();
        if commit <= self.commit_max {
            return;
        }
        let Some(mark) = life.core.mark(commit) else { return };
        let has = |id: &RaftId| self.synced(nodes, *id).is_some_and(|synced| synced.has(commit, mark.term));
        // a change of the membership counts from the index where it is applied: entries before that were counted under the
        // older one
        let mut known = self.memberships.values().rev().take(3);
        let counted = known.any(|conf| [&conf.voters, &conf.voters_outgoing].into_iter().all(|ids| majority(ids, has)));
        claim!(
            counted,
            "what is committed is on a majority of disks",
            "{:#x} counts entry {commit} of term {} as committed",
            life.core.id(),
            mark.term
        );
        self.commit_max = commit;
    }

    /// R1 forget-what-both-have: every data voter has on its disk the entries that a node forgets; with three full copies, the
    /// node's own state has them.
    pub(super) fn what_is_forgotten_is_on_every_data_node(
        &self,
        at: usize,
        mark: &SnapshotMark,
        conf: &ConfState,
        nodes: &[Node],
    ) {
        let has = |id: &RaftId| self.synced(nodes, *id).is_some_and(|synced| synced.has(mark.index, mark.term));
        let data = |id: &&RaftId| self.kind(**id) == Kind::Data && self.mode != Mode::Three;
        // a follower believes its leader, whose word may include a change of the membership that this follower has not heard of
        let known = [conf, self.membership()];
        claim!(
            known.iter().any(|conf| conf.voters.iter().filter(data).all(has)),
            "what is forgotten is on every data node",
            "node {} forgets up to {}, not all of {:?} have it",
            at + 1,
            mark.index,
            conf.voters
        );
        let state = nodes[at].store.as_ref().map(|state| state.mark.index);
        claim!(
            state.is_none_or(|state| state >= mark.index),
            "what a data node forgets is in its state",
            "node {} forgets up to {}, its state is durable up to {state:?}",
            at + 1,
            mark.index
        );
    }

    /// R1: entries believed durable on every data node, and known committed, are on the disk of each node's newest id. A newest
    /// id that does not vote yet counts for nothing: its leader has only forgotten entries for it. A node that an order left
    /// behind is no data node until the group takes it in again.
    pub(super) fn data_durable_is_on_every_data_node(&self, life: &Life, nodes: &[Node]) {
        let core = &life.core;
        if core.forced().1 {
            return; // an operator ordered that one disk is enough
        }
        let believed = core.data_durable().min(core.commit());
        let forgotten = core.log_range().0 - 1;
        if believed == 0 || (self.mode == Mode::Three && believed <= forgotten) {
            return;
        }
        let conf = core.conf_state();
        let data = (0..nodes.len()).filter(|at| self.mode.kind(*at) == Kind::Data);
        let newest = data.filter_map(|at| members::newest(&conf, at as u16 + 1));
        for newest in newest.filter(|id| members::ids(&conf).contains(id)) {
            let last = self.synced(nodes, newest).map_or(0, Synced::last);
            // a follower repeats its leader's last word, which may be older than a change of the membership
            let counts = match conf.voters.contains(&newest) {
                true => last >= believed || (members::incarnation(newest) > 0 && !core.leads()),
                false => believed <= forgotten || !core.leads(),
            };
            claim!(
                counts,
                "data_durable is never above what a data node has durable",
                "{:#x} believes {believed}, {newest:#x} has up to {last}",
                core.id()
            );
        }
    }

    /// Architecture, Stamped time.
    pub(super) fn stamps_never_go_back_or_stand_still(&mut self, stamp_us: u64) {
        claim!(
            stamp_us > self.stamp_us,
            "stamps never go back or stand still",
            "{stamp_us} was applied after {}",
            self.stamp_us
        );
        self.stamp_us = stamp_us;
    }

    /// Architecture, Stamped time: of one clock that jumps, no stamp moves by more than 2 s ahead of the true time. `now`: a
    /// moment after the stamp. A node that was forced to lead alone has one clock, and believes it.
    pub(super) fn one_odd_clock_is_not_followed(&self, stamp_us: u64, now: u64) {
        let latest_us = NOON_US + now + ODD_US + SLACK_US;
        claim!(
            self.odd_clocks.len() > 1 || self.forced || stamp_us <= latest_us,
            "one odd clock is not followed",
            "{stamp_us} is {} us ahead, clocks of {:?} have jumped",
            stamp_us.saturating_sub(NOON_US + now),
            self.odd_clocks
        );
    }

    /// Architecture, Stamped time: stamps are near the true time while all clocks are right. `now`: the time of the stamp. A
    /// process that was stopped reads the frames of the meantime, and takes those clocks for late.
    pub(super) fn stamps_follow_right_clocks(&self, stamp_us: u64, now: u64) {
        let late_us = ODD_US + SLACK_US + self.stopped_us;
        claim!(
            !self.odd_clocks.is_empty() || stamp_us + late_us >= NOON_US + now,
            "stamps follow right clocks",
            "{stamp_us} is {} us late",
            (NOON_US + now).saturating_sub(stamp_us)
        );
    }
}

/// R6: a node that forgets its vote could vote twice in a term.
pub(super) fn a_vote_leaves_when_it_is_durable(node: &Node, vote: &RaftMessage) {
    let HardState { term, vote: durable, .. } = node.synced.hard_state;
    claim!(
        term > vote.term || (term == vote.term && durable == vote.to),
        "a vote leaves when it is durable",
        "{:#x} votes for {:#x} in term {}, its disk has {durable:#x} in term {term}",
        node.id,
        vote.to,
        vote.term
    );
}

/// R10 torn-is-cut-corrupt-is-kept: no crash leaves a log that counts as damaged.
pub(super) fn only_a_damaged_log_is_given_up(node: &Node, fault: &LogError) {
    claim!(node.flipped, "only a damaged log is given up", "{:#x}: {fault}", node.id);
}

/// Architecture, Stamped time: while a node is primary its stamps advance with time, whatever any clock does: by a tenth more
/// or less, and the drift of clocks.
pub(super) fn stamps_move_as_time_does(moved_us: u64, elapsed_us: u64) {
    let (least, most) = (elapsed_us * 85 / 100, elapsed_us * 115 / 100);
    claim!(
        moved_us + 10_000 >= least && moved_us <= most + 10_000,
        "stamps move as time does",
        "by {moved_us} us in {elapsed_us} us"
    );
}

/// Whether more than half of some voters are such; of no voters: yes.
pub(super) fn majority(ids: &[RaftId], such: impl Fn(&RaftId) -> bool) -> bool {
    ids.is_empty() || ids.iter().filter(|id| such(id)).count() > ids.len() / 2
}

/// Whether every quorum of one membership shares a node with every quorum of the other.
fn overlap(one: &ConfState, other: &ConfState) -> bool {
    let mut ids = members::ids(one);
    ids.extend(members::ids(other));
    ids.sort_unstable();
    ids.dedup();
    let decides = |conf: &ConfState, set: u32| {
        let inside = |id: &RaftId| ids.iter().position(|known| known == id).is_some_and(|at| set >> at & 1 == 1);
        majority(&conf.voters, inside) && majority(&conf.voters_outgoing, inside)
    };
    // the nodes outside a quorum must not be a quorum
    let all = (1_u32 << ids.len()) - 1;
    (0..=all).all(|set| !(decides(one, set) && decides(other, all & !set)))
}
