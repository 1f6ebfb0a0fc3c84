//! Claims about operators' orders and wrong states: one function each, named as a claim, as in `invariants`.
//!
//! Called by `operators`, `quarantine` and `world`.

use consensus::{RaftId, force::Beginning};
use ocs_proto::peer::{ConfState, Head, RaftMessage};
use raft_log::{LogReader, MemDisk};

use super::{
    invariants::{Watch, claim},
    node::{Life, Node},
};

/// Automatic failover is paused: an operator was told so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paused {
    /// The primary at that time.
    holder: RaftId,
    /// The term of that primary.
    term: u64,
}

impl Watch {
    /// An operator was told that failover is paused.
    pub(super) fn pause(&mut self, life: &Life) {
        let paused = Paused { holder: life.core.id(), term: life.core.term() };
        if life.core.term() > self.handed_over {
            self.paused = Some(paused).filter(|_| !self.resuming);
        }
    }

    /// A leader asks another node to take over from this term.
    pub(super) fn hand_over(&mut self, term: u64) {
        self.handed_over = self.handed_over.max(term);
        self.paused = None;
    }

    /// Architecture, services/consensus: while failover is paused only the last primary leads by itself. An operator's
    /// handover, and a resume, end the simulator's knowledge of the pause.
    pub(super) fn while_it_is_paused_nobody_takes_over(&self, life: &Life) {
        let Some(paused) = self.paused.filter(|paused| life.core.leads() && life.core.term() > paused.term) else {
            return;
        };
        claim!(
            life.core.id() == paused.holder,
            "while it is paused nobody takes over",
            "{:#x} leads term {}, failover is paused for {:#x}",
            life.core.id(),
            life.core.term(),
            paused.holder
        );
    }

    /// The node that leads while failover is paused, as far as an operator was told.
    pub(super) fn holder(&self) -> Option<RaftId> {
        self.paused.map(|paused| paused.holder)
    }

    /// Whether a node has all that was committed, and knows every term that had a leader.
    pub(super) fn nothing_is_known_beyond(&self, node: &Node) -> bool {
        let has = self.committed.last_key_value().is_none_or(|(index, term)| node.synced.has(*index, *term));
        has && self.last_term() <= node.synced.hard_state.term
    }

    /// Architecture, What loses what: in a pair, acknowledged updates are on both disks, so either forced node has them.
    pub(super) fn who_is_forced_has_all_that_was_committed(&self, log: &LogReader<MemDisk>, beginning: &Beginning) {
        let last = self.committed.last_key_value();
        let Some((index, term)) = last.filter(|(index, _)| **index >= log.first_index()) else { return };
        claim!(
            log.term(*index) == Some(*term) && beginning.mark.index > *index,
            "who is forced has all that was committed",
            "entry {index} of term {term} was; its log has term {:?} there, and a new one begins after {}",
            log.term(*index),
            beginning.mark.index
        );
    }

    /// Decision 0011: one disk is enough until an operator ends single-copy.
    pub(super) fn single_copy_ends_when_an_operator_says_so(&self, learnt: &[(u64, ConfState)]) {
        for (index, conf) in learnt.iter().filter(|(index, _)| !self.memberships.contains_key(index)) {
            let before = self.memberships.range(..index).next_back().is_some_and(|(_, before)| before.single_copy);
            claim!(
                !before || conf.single_copy || self.single_copy_may_end,
                "single-copy ends when an operator says so",
                "it ended at {index}"
            );
        }
    }
}

/// A follower acknowledges as many entries as an append carries, counted from the entry that the append names.
pub(super) fn an_append_follows_on_the_entry_that_it_names(from: &Node, message: &RaftMessage) {
    let expected = message.index + 1..;
    claim!(
        message.entries.iter().zip(expected).all(|(entry, index)| entry.index == index),
        "an append follows on the entry that it names",
        "{:#x} sends {:?} after {}",
        from.id,
        message.entries.iter().map(|entry| entry.index).collect::<Vec<_>>(),
        message.index
    );
}

/// R11 one-id-one-log: peers of another epoch are refused.
pub(super) fn nothing_is_exchanged_across_epochs(node: &Node, head: &Head) {
    claim!(
        head.epoch == node.epoch,
        "nothing is exchanged across epochs",
        "{:#x} of epoch {} listens to {:#x} of epoch {}",
        node.id,
        node.epoch,
        head.from,
        head.epoch
    );
}

/// Decision 0011: each step detects the steps before it that are already done.
pub(super) fn an_order_that_a_crash_cut_short_ends_in_the_same_place(cut_short: &Beginning, whole: &Beginning) {
    claim!(
        cut_short == whole,
        "an order that a crash cut short ends in the same place",
        "{cut_short:?}, then {whole:?}"
    );
}

/// Decision 0012: a right state stays, unless neither state can be shown wrong: then the backup yields.
/// `doubted`: found wrong, or yielded, before a start.
pub(super) fn a_state_that_is_right_is_not_replaced(life: &Life, doubted: bool) {
    let wrong = life.state.as_ref().is_some_and(|state| state.wrong);
    let yields = life.care.repair.vouched() > 0 && !life.core.leads();
    claim!(
        wrong || yields || doubted,
        "a state that is right is not replaced",
        "{:#x} replaces its own",
        life.core.id()
    );
}

/// Decision 0012: a node serves nothing from a state that is being replaced.
pub(super) fn a_state_that_is_being_replaced_serves_nothing(life: &Life) {
    claim!(
        !life.core.distrusting(),
        "a state that is being replaced serves nothing",
        "{:#x} answers from it",
        life.core.id()
    );
}
