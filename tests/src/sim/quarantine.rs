//! Wrong states in the simulation: how a state becomes wrong, how nodes find out which state is wrong, and its replacement.
//!
//! Follows `run::judge` and `pair::machine::judge`; the real `consensus::repair` decides on a wrong state. Called by
//! `world`, `work` and `faults`.

use std::{collections::VecDeque, rc::Rc};

use consensus::{
    Comparison, Kind, RaftId,
    core::Core,
    members,
    repair::{Here, Other, Repair},
};
use ocs_proto::peer::Entry;
use raft_log::MemDisk;
use rand::Rng;

use super::{
    contract,
    event::{Event, Who},
    node::{Life, Node, place},
    state::{CLUSTER_KEY, SimState},
    world::World,
};

/// Entries between two digests that nodes compare: few, so that a difference shows in a run.
pub(super) const DIGEST_EVERY: u64 = 32;
/// Digests that are remembered.
const DIGESTS_MAX: usize = 64;
/// A peer heard within this is there, microseconds.
const SILENT_US: u64 = 1_500_000;

/// A process's knowledge of its state and of the states of others.
#[derive(Debug, Default)]
pub(super) struct Care {
    pub(super) repair: Repair,
    pub(super) digests: VecDeque<(u64, u128)>,
    /// The state at the newest digest, and the last one on which the nodes agreed.
    newest: Option<Rc<SimState>>,
    agreed: Option<Rc<SimState>>,
    /// Differences under examination, in order; each with the state agreed then, and the number of states taken over until
    /// then.
    judging: VecDeque<(Comparison, Option<Rc<SimState>>, u32)>,
    /// The node applies nothing until another state is there.
    pub(super) standing: bool,
    /// States taken over from others.
    installed: u32,
    /// The state was found wrong before this start, or yielded then: if no node had another state, this node serves from it
    /// again, and still replaces it later.
    doubted: bool,
}

impl Care {
    /// `doubted`: found wrong before this start.
    pub(super) fn new(doubted: bool) -> Self {
        Self { repair: Repair::new(doubted), doubted, ..Self::default() }
    }

    /// Notes the state at an index with a digest.
    pub(super) fn note(&mut self, state: &SimState) {
        if self.digests.len() == DIGESTS_MAX {
            self.digests.pop_front();
        }
        self.digests.push_back((state.mark.index, state.digest));
        self.newest = Some(Rc::new(state.clone()));
    }

    /// A wrong state, or a difference under examination, is known here.
    pub(super) fn under_way(&self, core: &Core<MemDisk>) -> bool {
        self.repair.wanted() || core.distrusting() || !self.judging.is_empty()
    }

    fn compare(&mut self, peer: RaftId, theirs: (u64, u128)) -> Option<Comparison> {
        let digests = &self.digests;
        let at = |index| digests.iter().find(|(known, _)| *known == index).map(|(_, digest)| *digest);
        self.repair.compare(peer, theirs, at)
    }

    /// Takes a comparison: after equal digests later differences are judged from this state. Returns whether the digests
    /// differ.
    fn take(&mut self, compared: Comparison) -> bool {
        if compared.ours != compared.theirs {
            self.judging.push_back((compared, self.agreed.clone(), self.installed));
            return true;
        }
        if self.newest.as_ref().is_some_and(|newest| newest.mark.index == compared.index) {
            self.agreed = self.newest.clone();
        }
        false
    }

    /// Another state replaces this one.
    pub(super) fn install(&mut self) {
        self.digests.clear();
        (self.newest, self.agreed, self.doubted) = (None, None, false);
        self.installed += 1;
    }
}

impl World {
    /// A data node's state differs from the log from now on: an entry was applied wrongly, or the disk changed a row.
    pub(super) fn spoil(&mut self, at: usize) {
        let any_wrong = self.nodes.iter().any(|node| node.is_data() && !node.has_state());
        if any_wrong || !self.spares_state(at) || !self.nodes[at].is_data() || !self.whole(&self.nodes[at]) {
            return;
        }
        let (row, applied) = (self.rng.random::<u64>(), self.rng.random_ratio(1, 2));
        if let Some(state) = self.nodes[at].life.as_mut().and_then(|life| life.state.as_mut()) {
            state.spoil(row, applied);
            self.ordered = true;
        }
    }

    /// Follows the driver at each tick.
    pub(super) fn look_after_states(&mut self, at: usize) {
        if !self.plan.spoils || !self.nodes[at].is_data() {
            return;
        }
        self.compare_digests(at);
        let others = self.other_data_nodes(at);
        let node = &mut self.nodes[at];
        let Some(life) = &mut node.life else { return };
        if !life.care.repair.due(Here::of(&life.core), &others) {
            return;
        }
        contract::a_state_that_is_right_is_not_replaced(life, node.doubted || life.care.doubted);
        if life.core.distrust() {
            let state = life.state.as_ref().expect("a data node has a state");
            life.care.standing = true;
            (node.doubted, node.store, life.persisted) = (true, Some(state.clone()), state.mark.index);
            life.core.replace(state.mark.index);
        }
    }

    fn compare_digests(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let told: Vec<_> = life.heard.values().filter_map(|heard| Some((heard.id, heard.digest?))).collect();
        let compared: Vec<_> = told.into_iter().filter_map(|(peer, theirs)| life.care.compare(peer, theirs)).collect();
        let who = Who { node: at, boot: life.boot };
        let differ = compared.into_iter().filter(|one| life.care.take(*one)).count();
        for _ in 0..differ {
            let takes_us = self.rng.random_range(1_000..200_000);
            self.after(takes_us, Event::Judge(who));
        }
    }

    /// Judges a difference: by the digest of the log's entries above the agreed state, and by the rows.
    pub(super) fn judge(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let Some((compared, agreed, installed)) = life.care.judging.pop_front() else { return };
        let replayed = agreed.and_then(|agreed| replay(life, &agreed, compared.index));
        let Some(state) = &life.state else { return };
        let by_log = replayed.is_some_and(|digest| digest != compared.ours);
        if !by_log && state.map.digest(CLUSTER_KEY) == state.digest {
            return life.care.repair.vouch(compared.index, Here::of(&life.core));
        }
        if installed == life.care.installed {
            assert!(state.wrong, "the simulator takes a state for wrong that is right");
            let here = Here::of(&life.core);
            life.care.repair.distrust("it is not what the log makes".to_owned(), here);
        }
    }

    /// No state came: follows the driver.
    pub(super) fn fetch_failed(&mut self, at: usize) {
        let others = self.other_data_nodes(at);
        let node = &mut self.nodes[at];
        let Some(life) = &mut node.life else { return };
        let trust = life.care.repair.fetch_failed(Here::of(&life.core), &others);
        life.core.on_fetch_failed();
        if trust {
            life.core.trust_again();
            (life.care.standing, node.doubted) = (false, false);
        }
    }

    fn other_data_nodes(&self, at: usize) -> Vec<Other> {
        let Some(life) = &self.nodes[at].life else { return Vec::new() };
        let (core, conf) = (&life.core, life.core.conf_state());
        let newest = |id: RaftId| members::newest(&conf, members::number(id)) == Some(id);
        let others = core.members().into_iter().filter(|(id, kind)| *id != core.id() && *kind == Kind::Data);
        let other = |(id, _): (RaftId, Kind)| {
            let heard = life.heard.get(&place(id)).filter(|heard| heard.id == id)?;
            let lively = self.now - heard.at_us < SILENT_US;
            let able = core.leads() && core.eligible(id).is_ok();
            Some(Other { id, lively, ready: heard.ready, vouched: heard.vouched, able })
        };
        others.filter(|(id, _)| newest(*id)).filter_map(other).collect()
    }
}

/// The digest that the log gives a state at an index, if the log still has all entries in between.
fn replay(life: &Life, agreed: &SimState, index: u64) -> Option<u128> {
    let entries: Vec<Entry> = life.log.reader().entries(agreed.mark.index + 1, index + 1, usize::MAX).ok()?;
    if entries.last()?.index != index {
        return None;
    }
    let mut from = agreed.clone();
    entries.iter().for_each(|entry| from.apply_one(entry));
    Some(from.digest)
}

impl Node {
    /// The state differs from the log, on the disk or in the process.
    pub(super) fn is_wrong(&self) -> bool {
        let running = self.life.as_ref().and_then(|life| life.state.as_ref());
        self.doubted || running.into_iter().chain(&self.store).any(|state| state.wrong)
    }
}
