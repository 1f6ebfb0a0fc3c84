//! The orders of operators in the simulation: pausing and resuming failover, forcing a node to lead alone, ending that.
//!
//! Follows `control::{pause, mode}` and `run::force` of the node; the real `Core::set_paused`, `Core::leave_single_copy` and
//! `force::bring_up` do the work. Called by `world` and `faults`.

use consensus::{
    ApplyBatch, FetchedState, Machine, MachineError, Replies,
    force::{Beginning, Force, bring_up},
    members,
};
use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use outbound::{Reply, RequestId};
use prost::Message;
use raft_log::{Log, LogError, MemDisk, Recovered};
use rand::Rng;

use super::{
    contract, disks,
    event::{Event, Who},
    node::{Mode, Node},
    state::SimState,
    upgrade::own_file,
    world::World,
};

/// Time until an order that is not settled is given again, microseconds.
const AGAIN_US: u64 = 100_000;
/// An operator ends single-copy so long after the other node was let back, at the latest, microseconds.
const END_LATEST_US: u64 = 2_000_000;
/// The disk of a node that was let back is slow for so long at most, microseconds.
const BUSY_US: u64 = 4_000_000;
/// How often a primary is asked to pause before its operator gives up.
const PAUSES_MAX: u32 = 20;

/// An order, or the next attempt at it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Pause failover at a node; so many attempts are left.
    Pause(usize, u32),
    /// Hand over while failover is paused, look which node is primary, have the new primary die.
    HandOver,
    KillPrimary,
    /// Resume failover at every node where it is still paused.
    Resume,
    /// A node that was fenced may run again.
    LetBack(usize),
    /// End single-copy at the first node that can.
    EndSingleCopy,
}

/// A state that takes in a log while nothing else runs; a crash loses the part that is not persisted.
struct Book {
    at: usize,
    state: SimState,
    durable: SimState,
    taken: Vec<Entry>,
}

impl Machine for Book {
    type Id = RequestId;
    type Reply = Reply;

    fn applied(&self) -> SnapshotMark {
        self.state.mark.clone()
    }

    fn apply(&mut self, batch: &ApplyBatch<'_>, answer: &mut dyn FnMut(Replies<Self>)) -> Result<(), MachineError> {
        self.taken.extend_from_slice(batch.entries);
        let own = own_file(self.at, &self.state);
        answer(self.state.apply(batch.entries, ConfState::decode(batch.conf_state).ok(), &own));
        Ok(())
    }

    fn persist(&mut self) -> Result<u64, MachineError> {
        self.durable = self.state.clone();
        Ok(self.state.mark.index)
    }

    fn digest(&self) -> Option<(u64, u128)> {
        None
    }

    fn digest_at(&self, _: u64) -> Option<u128> {
        None
    }

    fn install(&mut self, _: FetchedState) -> Result<SnapshotMark, MachineError> {
        unreachable!("there is nobody to fetch from")
    }
}

impl World {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Pause(at, left) => self.pause(at, left),
            Order::HandOver => self.hand_over_while_paused(),
            Order::KillPrimary => self.kill_primary(),
            Order::Resume => self.resume(),
            Order::LetBack(at) => self.let_back(at),
            Order::EndSingleCopy => self.end_single_copy(),
        }
    }

    /// An operator pauses failover for a while.
    pub(super) fn begin_pause(&mut self, lasts_us: u64) {
        self.ordered = true;
        let primary = self.places().find(|at| self.nodes[*at].life.as_ref().is_some_and(|life| life.core.serving()));
        if let Some(at) = primary {
            self.pause(at, PAUSES_MAX);
            self.after(lasts_us, Event::Ordered(Order::Resume));
        }
    }

    fn pause(&mut self, at: usize, left: u32) {
        if self.plan.calm || !self.nodes[at].awake(self.now) {
            return; // the operator resumes by now, or has no answer
        }
        let Some(life) = &mut self.nodes[at].life else { return };
        match life.core.set_paused(true) {
            Ok(true) => self.ask_whether_paused(at),
            Ok(false) if left > 0 => self.after(AGAIN_US, Event::Ordered(Order::Pause(at, left - 1))),
            _ => {} // refused, or given up
        }
        self.settle(at);
    }

    /// An operator was told that failover is paused, and may try a handover or a kill.
    pub(super) fn try_the_pause(&mut self) {
        if self.rng.random_ratio(1, 2) {
            let soon_us = self.rng.random_range(1_000..300_000);
            self.after(soon_us, Event::Ordered(Order::HandOver));
        }
    }

    fn hand_over_while_paused(&mut self) {
        if self.plan.calm || self.watch.holder().is_none() {
            return;
        }
        self.switch_over();
        let looks_us = self.rng.random_range(1_000..60_000);
        self.after(looks_us, Event::Ordered(Order::KillPrimary));
    }

    /// Asks for the role first: a confirmed answer counts even if its node is dead by then.
    fn kill_primary(&mut self) {
        let primary = self.places().find(|at| self.nodes[*at].life.as_ref().is_some_and(|life| life.core.serving()));
        let Some(at) = primary.filter(|_| !self.plan.calm) else { return };
        if self.watch.holder().is_some() {
            return self.end_process(at, true);
        }
        self.ask_for_role(at);
        self.settle(at);
        let later_us = self.rng.random_range(1_000..60_000);
        self.after(later_us, Event::Ordered(Order::KillPrimary));
    }

    /// Asks any node; a node that is not the primary asks for votes if there is no primary.
    fn resume(&mut self) {
        self.watch.paused = None;
        self.watch.resuming = true;
        let paused = |at: &usize| self.nodes[*at].life.as_ref().is_some_and(|life| life.core.paused_for() != 0);
        let still: Vec<usize> = self.places().filter(paused).collect();
        if still.is_empty() && self.nodes.iter().all(Node::runs) {
            self.watch.resuming = false;
            return;
        }
        let at = still.get(self.rng.random_range(0..still.len().max(1))).copied();
        if let Some((at, life)) = at.and_then(|at| Some((at, self.nodes[at].life.as_mut()?))) {
            let _ = life.core.set_paused(false); // refused: the next attempt asks another node
            let who = Who { node: at, boot: life.boot };
            self.after(0, Event::Wake(who));
        }
        self.after(AGAIN_US, Event::Ordered(Order::Resume));
    }

    /// An operator fences all others and forces a data node to lead alone (`ocsctl force-primary`).
    pub(super) fn force_primary(&mut self, at: usize, lasts_us: u64) {
        if !self.may_be_forced(at) {
            return;
        }
        self.ordered = true;
        let others: Vec<usize> = self.places().filter(|other| *other != at).collect();
        for other in &others {
            let killed = self.rng.random_ratio(1, 2);
            self.die(*other, killed);
            self.nodes[*other].fenced = true;
        }
        self.die(at, true); // drained
        if let Some((beginning, state)) = self.execute(at) {
            self.watch.paused = None;
            (self.watch.forced, self.watch.single_copy_may_end) = (true, false);
            self.watch.memberships.insert(beginning.mark.index, beginning.mark.conf_state.clone().unwrap_or_default());
            self.watch.bury(&self.nodes[at]);
            let (id, epoch) = self.forced(at);
            self.watch.an_id_stands_for_one_log(id);
            self.nodes[at].begin_alone(id, epoch, beginning, state);
        }
        let down_us = self.rng.random_range(20_000..300_000);
        self.after(down_us, Event::Start(at));
        for other in others {
            let back_us = self.rng.random_range(lasts_us / 4..=lasts_us / 2);
            self.after(back_us, Event::Ordered(Order::LetBack(other)));
        }
    }

    /// Whether forcing a node loses nothing. In a pair either node has every acknowledged update. Elsewhere a node may lack
    /// updates, and the term of a fenced node; an operator who wants no loss looks for a node that lacks neither.
    fn may_be_forced(&self, at: usize) -> bool {
        let fit = |node: &Node| node.is_data() && self.whole(node) && node.has_state();
        if self.nodes.iter().any(|node| node.fenced) {
            return false;
        }
        match self.mode {
            Mode::Pair => self.nodes.iter().all(fit),
            Mode::Witness | Mode::Three => fit(&self.nodes[at]) && self.watch.nothing_is_known_beyond(&self.nodes[at]),
        }
    }

    /// The id and the epoch that an order gives a node.
    fn forced(&self, at: usize) -> (consensus::RaftId, u64) {
        let epoch = self.nodes[at].epoch + 1;
        (members::forced_id(at as u16 + 1, epoch), epoch)
    }

    /// The state takes in the log; in some runs a crash interrupts this, before or after the state is durable.
    fn execute(&mut self, at: usize) -> Option<(Beginning, SimState)> {
        let (log, recovered) = self.open_to_force(at)?;
        let state = self.nodes[at].store.clone()?;
        let mut book = Book { at, durable: state.clone(), state, taken: Vec::new() };
        let beginning = self.bring_up(at, (&log, &recovered), &mut book)?;
        let before_us = self.now;
        for entry in &book.taken {
            self.watch.everybody_applies_the_same(entry, self.moment, before_us);
        }
        self.watch.who_is_forced_has_all_that_was_committed(&log.reader(), &beginning);
        if self.rng.random_ratio(1, 2) {
            let found = if self.rng.random_ratio(1, 2) { self.nodes[at].store.clone()? } else { book.durable.clone() };
            book = Book { at, durable: found.clone(), state: found, taken: Vec::new() };
            let again = self.bring_up(at, (&log, &recovered), &mut book)?;
            contract::an_order_that_a_crash_cut_short_ends_in_the_same_place(&beginning, &again);
        }
        Some((beginning, book.durable))
    }

    /// The disk may fail first: the order is executed again by the next start.
    fn open_to_force(&mut self, at: usize) -> Option<(Log<MemDisk>, Recovered)> {
        loop {
            match self.nodes[at].open_log() {
                Ok(opened) => return Some(opened),
                Err(LogError::Io { .. }) => {}
                Err(fault) => {
                    disks::only_a_damaged_log_is_given_up(&self.nodes[at], &fault);
                    return None;
                }
            }
        }
    }

    fn bring_up(&self, at: usize, found: (&Log<MemDisk>, &Recovered), book: &mut Book) -> Option<Beginning> {
        let (id, epoch) = self.forced(at);
        let kinds = self.places().map(|place| (place as u64 + 1, self.mode.kind(place))).collect::<Vec<_>>();
        bring_up(Force { id, epoch }, &kinds, (&found.0.reader(), found.1), book).ok()
    }

    /// Nodes return one at a time: two nodes that have not heard of the order yet would form the old group.
    fn let_back(&mut self, at: usize) {
        let newest = self.nodes.iter().map(|node| node.epoch).max();
        let unaware = |node: &Node| !node.fenced && !node.log_lost && Some(node.epoch) < newest;
        if self.nodes.iter().any(unaware) {
            return self.after(AGAIN_US, Event::Ordered(Order::LetBack(at)));
        }
        self.nodes[at].fenced = false;
        if !self.plan.calm && self.rng.random_ratio(3, 4) {
            self.nodes[at].slow_until = self.now + self.rng.random_range(0..BUSY_US); // the node has much to write
        }
        self.start(at);
        let later_us = self.rng.random_range(AGAIN_US..END_LATEST_US);
        self.after(later_us, Event::Ordered(Order::EndSingleCopy));
    }

    fn end_single_copy(&mut self) {
        if !self.watch.membership().single_copy {
            return;
        }
        self.watch.single_copy_may_end = true;
        for at in self.places() {
            let Some(life) = &mut self.nodes[at].life else { continue };
            let _ = life.core.leave_single_copy(); // not the primary, or no backup has caught up yet
            let who = Who { node: at, boot: life.boot };
            self.after(0, Event::Wake(who));
        }
        self.after(AGAIN_US, Event::Ordered(Order::EndSingleCopy));
    }

    /// A node heard of a higher epoch: its own epoch is over, and so is its id.
    pub(super) fn give_up_for(&mut self, at: usize, epoch: u64) {
        if epoch <= self.nodes[at].epoch {
            return;
        }
        self.give_up(at);
        self.nodes[at].epoch = epoch;
    }

    /// A node's id is over: the node begins anew.
    pub(super) fn give_up(&mut self, at: usize) {
        self.die(at, true);
        self.lose_log(at);
        let down_us = self.rng.random_range(5_000..200_000);
        self.after(down_us, Event::Start(at));
    }

    /// Whether anything waits for an operator, for the end of an order or of a repair; a node that is down may know of more.
    pub(super) fn orders_open(&self) -> bool {
        let open = |node: &Node| {
            let busy = |life: &super::node::Life| life.core.paused_for() != 0 || life.care.under_way(&life.core);
            node.fenced || !node.runs() || node.life.as_ref().is_some_and(busy)
        };
        self.watch.membership().single_copy || self.nodes.iter().any(open)
    }
}
