//! Disks that are put back from an older copy of themselves, and the confirming of starts (R12 disks-are-evidence).
//!
//! A copy is put back only where another node knows better for certain, by the observations of the simulator and not by that
//! node's own records; the checks of the old disk reach only such nodes until one of them has answered. So an old disk must
//! never take part. Called by `world` and `faults`.

use std::collections::BTreeMap;

use consensus::{
    RaftId, StartStanding,
    core::{EvidenceWrite, StartMessage},
    evidence::Evidence,
};
use ocs_proto::peer::{PeerFrame, RaftMessage, StartVerdict};
use raft_log::MemDisk;
use rand::Rng;

use super::{
    event::{Event, Who},
    faults::Fault,
    frames::VOTE,
    invariants::claim,
    node::{Node, Synced, place},
    state::SimState,
    world::World,
};

/// Ticks between two writes of the table without a waiter.
const KEEP_TICKS: u64 = 10;
/// After so long a leader's count is in its table, and the table on its disk, microseconds.
const KEPT_US: u64 = 1_000_000;
/// Counts of a leader that are remembered.
const COUNTS_MAX: usize = 64;

/// The index that a leader counted as acknowledged by a voter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    at_us: u64,
    term: u64,
    index: u64,
}

/// A disk that was put back.
#[derive(Debug, Clone)]
pub(super) struct OldDisk {
    /// Places of the nodes that know better now.
    knowing: Vec<usize>,
    /// Nodes that knew better at first: one of them may run on an older copy itself for a while.
    knew: Vec<usize>,
}

/// A copy of a node's disk.
#[derive(Debug)]
struct DiskCopy {
    id: RaftId,
    epoch: u64,
    /// The node's starts until then.
    boots: u64,
    disk_boots: u64,
    disk: MemDisk,
    store: Option<SimState>,
    doubted: bool,
    synced: Synced,
    evidence: Evidence,
    /// From just before a start or a vote, and put back as soon as another node knows of that alone.
    close: bool,
}

/// The copies that operators keep, and the starts that the simulator saw.
#[derive(Debug, Default)]
pub(super) struct Copies {
    kept: BTreeMap<usize, DiskCopy>,
    /// The newest disks of nodes that run on an older copy until an operator puts them back.
    newest: BTreeMap<usize, DiskCopy>,
    /// By the place of a voter and the id of the confirmed start: the newest start, as the simulator counts starts.
    confirmed: BTreeMap<(usize, RaftId), u64>,
}

impl DiskCopy {
    fn of(node: &Node) -> Self {
        Self {
            id: node.id,
            epoch: node.epoch,
            boots: node.boots,
            disk_boots: node.disk_boots,
            disk: node.disk.copy_durable(),
            store: node.store.clone(),
            doubted: node.doubted,
            synced: node.synced.clone(),
            evidence: node.evidence.clone(),
            close: false,
        }
    }
}

impl World {
    // === the fault ===

    /// Takes a copy of a disk, or puts the earlier copy back, provided that another node knows better.
    pub(super) fn age_disk(&mut self, at: usize) {
        let node = &self.nodes[at];
        // entries missing in a copy from the time of single-copy cannot be detected while the others are not heard
        let alone = self.nodes[at].life.as_ref().is_none_or(|life| life.core.conf_state().voters.len() == 1);
        let usable = !node.disk_gone() && !node.flipped && !alone;
        let fits = self.copies.kept.get(&at).is_some_and(|copy| copy.id == node.id && copy.epoch == node.epoch);
        if !usable {
            return;
        }
        if !fits {
            drop(self.copies.kept.insert(at, DiskCopy::of(node)));
            return;
        }
        let close = self.copies.kept.get(&at).is_some_and(|copy| copy.close);
        let log_only = !close && self.rng.random_ratio(1, 4);
        let knowing = self.nodes_that_know_better(at, log_only);
        if knowing.is_empty() {
            return;
        }
        match self.places().filter(|other| self.nodes[*other].old.is_some()).collect::<Vec<_>>()[..] {
            [] if self.spares_disk(at) => {
                self.put_back(at, log_only, knowing);
                self.age_another(at);
            }
            [first] => self.put_back_as_second(at, first, log_only, &knowing),
            _ => {}
        }
    }

    /// A copy from before a start or a vote, in some seeds that like old disks: only the start, or only the term, tells it from the newest
    /// disk for a while.
    pub(super) fn copy_before(&mut self, at: usize) {
        if !self.plan.likes_old_disks() || !self.rng.random_ratio(1, 4) {
            return;
        }
        let (node, conf) = (&self.nodes[at], self.watch.membership());
        let older = self.copies.kept.get(&at).is_some_and(|copy| !copy.close && copy.id == node.id);
        if older || node.disk_gone() || node.flipped || conf.single_copy || conf.voters.len() < 2 {
            return;
        }
        let copy = DiskCopy { close: true, ..DiskCopy::of(node) };
        drop(self.copies.kept.insert(at, copy));
    }

    /// A close copy is put back now, or in a moment.
    fn put_close_back(&mut self, id: RaftId, within_us: u64) {
        let at = place(id);
        if self.copies.kept.get(&at).is_some_and(|copy| copy.close && copy.id == id) {
            let after_us = self.rng.random_range(0..within_us);
            self.after(after_us, Event::Fault(Fault::OldDisk(at)));
        }
    }

    /// A vote has come to its candidate, which keeps it beside its first write as a leader.
    pub(super) fn note_vote(&mut self, frame: &PeerFrame) {
        let granted = |message: &&RaftMessage| message.kind == VOTE && !message.reject;
        let votes: Vec<RaftId> = frame.messages.iter().filter(granted).map(|message| message.from).collect();
        votes.into_iter().for_each(|id| self.put_close_back(id, 4_000));
    }

    fn put_back(&mut self, at: usize, log_only: bool, knowing: Vec<usize>) {
        let Some(copy) = self.copies.kept.remove(&at) else { return };
        self.end_process(at, false);
        self.forget_confirmations(at);
        self.watch.bury(&self.nodes[at]);
        let node = &mut self.nodes[at];
        (node.disk, node.synced) = (copy.disk, copy.synced);
        if !log_only {
            (node.store, node.doubted, node.evidence) = (copy.store, copy.doubted, copy.evidence);
            node.disk_boots = copy.disk_boots;
        }
        node.old = Some(OldDisk { knew: knowing.clone(), knowing });
    }

    /// An operator may put two copies back at the same time.
    fn age_another(&mut self, first: usize) {
        if self.rng.random_ratio(1, 2) {
            let others: Vec<usize> = self.places().filter(|other| *other != first).collect();
            let second = others[self.rng.random_range(0..others.len())];
            let after_us = self.rng.random_range(0..500_000);
            self.after(after_us, Event::Fault(Fault::OldDisk(second)));
        }
    }

    /// Drops a node's table of evidence, and with it the starts that the node has confirmed.
    pub(super) fn forget_confirmations(&mut self, at: usize) {
        self.copies.confirmed.retain(|(by, _), _| *by != at);
    }

    /// Two old disks are two lost ones: the group decides nothing until an operator puts the newest disk of the second node
    /// back. The third node knows better of both, and is asked first.
    fn put_back_as_second(&mut self, at: usize, first: usize, log_only: bool, knowing: &[usize]) {
        let third = self.places().find(|other| *other != at && *other != first);
        let knows = |third: &usize| {
            let first_known = self.nodes[first].old.as_ref().is_some_and(|old| old.knowing.contains(third));
            knowing.contains(third) && first_known && self.whole(&self.nodes[*third])
        };
        let Some(third) = third.filter(knows) else { return };
        if at == first || !self.whole(&self.nodes[at]) {
            return;
        }
        self.end_process(at, false);
        self.copies.newest.insert(at, DiskCopy::of(&self.nodes[at]));
        self.put_back(at, log_only, vec![third]);
        if let Some(old) = &mut self.nodes[first].old {
            old.knowing = vec![third];
        }
        let noticed_us = self.rng.random_range(500_000..3_000_000);
        self.after(noticed_us, Event::Fault(Fault::NewestDisk(at)));
    }

    /// The newest disk comes back, unless the group went on without it.
    pub(super) fn put_newest_back(&mut self, at: usize) {
        let Some(newest) = self.copies.newest.remove(&at) else { return };
        let node = &self.nodes[at];
        if node.old.is_none() || (node.id, node.epoch) != (newest.id, newest.epoch) {
            return;
        }
        self.end_process(at, false);
        let node = &mut self.nodes[at];
        (node.disk, node.synced) = (newest.disk, newest.synced);
        (node.store, node.doubted, node.evidence) = (newest.store, newest.doubted, newest.evidence);
        (node.disk_boots, node.old, node.asking) = (newest.disk_boots, None, None);
        let others = self.nodes.iter_mut().filter_map(|node| node.old.as_mut());
        others.filter(|old| old.knew.contains(&at)).for_each(|old| old.knowing.push(at));
    }

    /// Places of the nodes that know more of a disk than its copy holds, as the simulator has seen.
    fn nodes_that_know_better(&self, at: usize, log_only: bool) -> Vec<usize> {
        let Some(copy) = self.copies.kept.get(&at) else { return Vec::new() };
        let others = self.places().filter(|other| *other != at);
        others.filter(|other| self.knows_better(*other, copy, log_only)).collect()
    }

    fn knows_better(&self, other: usize, copy: &DiskCopy, log_only: bool) -> bool {
        let confirmed = self.copies.confirmed.get(&(other, copy.id)).copied().unwrap_or(0);
        if !log_only && confirmed > copy.boots {
            return true;
        }
        if copy.close && self.nodes[other].evidence.of(copy.id).term > copy.synced.hard_state.term {
            return true;
        }
        let running = self.nodes.iter().find(|node| node.id == copy.id).map_or(0, |node| node.boots);
        let counted = self.nodes[other].life.as_ref().and_then(|life| life.counted.get(&copy.id));
        let old_enough = |counted: &&Counted| counted.at_us + KEPT_US <= self.now;
        let Some(counted) = counted.and_then(|all| all.iter().rev().find(old_enough)) else { return false };
        confirmed == running && (counted.term > copy.synced.hard_state.term || counted.index > copy.synced.last())
    }

    /// Of the nodes that are up beside an old disk, the first that answers knows better.
    pub(super) fn may_be_asked(&self, from: usize, to: usize) -> bool {
        self.nodes[from].old.as_ref().is_none_or(|old| old.knowing.contains(&to))
    }

    // === stand-in for the driver ===

    pub(super) fn send_starts(
        &mut self,
        at: usize,
        starts: Vec<(RaftId, StartMessage)>,
        evidence: Option<EvidenceWrite>,
    ) {
        for (to, message) in starts {
            let frame = message.into_frame(self.head(at, to));
            self.transmit(at, place(to), frame);
        }
        if let Some(EvidenceWrite { evidence, then }) = evidence {
            self.write_evidence(at, evidence, then);
        }
    }

    fn write_evidence(&mut self, at: usize, evidence: Evidence, then: Vec<(RaftId, StartMessage)>) {
        let slow = self.nodes[at].slow_until > self.now;
        let write_us = if slow { self.rng.random_range(50_000..600_000) } else { self.rng.random_range(50..1_500) };
        let Some(life) = &mut self.nodes[at].life else { return };
        life.evidence_sent = evidence.version();
        let who = Who { node: at, boot: life.boot };
        self.after(write_us, Event::EvidenceKept { who, write: Box::new((evidence, then)) });
    }

    pub(super) fn evidence_kept(&mut self, at: usize, write: (Evidence, Vec<(RaftId, StartMessage)>)) {
        let (evidence, then) = write;
        if evidence.version() > self.nodes[at].evidence.version() {
            self.nodes[at].evidence = evidence;
        }
        for (to, message) in then {
            let frame = message.into_frame(self.head(at, to));
            self.transmit(at, place(to), frame);
        }
    }

    /// Writes the changes since the last write, twice a second; keeps a leader's counts for the simulator's own record.
    pub(super) fn keep_evidence(&mut self, at: usize) {
        let now = self.now;
        let Some(life) = &mut self.nodes[at].life else { return };
        let (term, commit) = (life.core.term(), life.core.commit());
        for (id, _) in life.core.members() {
            let Some(index) = life.core.matched(id).filter(|index| *index > 0) else { continue };
            let counts = life.counted.entry(id).or_default();
            counts.push_back(Counted { at_us: now, term, index: index.min(commit) });
            if counts.len() > COUNTS_MAX {
                counts.pop_front();
            }
        }
        let due = (now / super::node::TICK_US).is_multiple_of(KEEP_TICKS);
        let changed = life.core.evidence().filter(|table| table.version() != life.evidence_sent).cloned();
        if let Some(evidence) = changed.filter(|_| due) {
            self.write_evidence(at, evidence, Vec::new());
        }
    }

    /// A voter has confirmed a start, and the starting node learns so.
    pub(super) fn note_confirmation(&mut self, at: usize, frame: &PeerFrame) {
        let Some(head) = &frame.head else { return };
        let Some(life) = &self.nodes[at].life else { return };
        let own = life.core.start_token();
        let confirmed = frame
            .start_answer
            .as_ref()
            .filter(|answer| answer.verdict() == StartVerdict::Yes && own.is_some_and(|own| answer.token[..] == own));
        // an older copy forgets the start when the newest disk is put back, also while its answer is in flight
        let sender = &self.nodes[place(head.from)];
        let token = sender.life.as_ref().and_then(|life| life.core.start_token());
        let remembers = sender.old.is_none() && token.is_some_and(|token| head.start[..] == token);
        if confirmed.is_some() && remembers {
            self.copies.confirmed.insert((place(head.from), self.nodes[at].id), self.nodes[at].boots);
            self.put_close_back(self.nodes[at].id, 500);
        }
    }

    /// The group detects an old disk before it takes part; its node asks for a new id, and every whole node keeps its own.
    pub(super) fn look_at_start(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(life) = &node.life else { return };
        claim!(
            node.old.is_none() || !life.core.confirmed(),
            "an old disk takes no part",
            "{:#x} was confirmed, {:?} knew better",
            node.id,
            node.old
        );
        claim!(
            life.core.contradiction().is_empty(),
            "no history contradicts another one",
            "{:#x}: {}",
            node.id,
            life.core.contradiction()
        );
        let StartStanding::Old(why) = life.core.start_standing() else { return };
        claim!(node.old.is_some(), "a node on its own newest disk keeps its id", "{:#x} gives it up: {why}", node.id);
        if node.asking.is_none() {
            self.nodes[at].asking = Some(self.rng.random_range(1..=u64::MAX));
            let who = Who { node: at, boot: self.nodes[at].boots };
            self.after(0, Event::AskToJoin(who));
        }
    }
}
