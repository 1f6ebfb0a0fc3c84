//! Whole clusters in one thread, from a seed: the real core, log and rules; clock, network and disks simulated.
//!
//! A run has a time of faults, a time in which two nodes of three must serve by themselves, and an end at which all
//! nodes must agree. The same seed gives the same run. Called by the tests and by the binaries `sim` and `mutants`.
//!
//! | file | job |
//! | --- | --- |
//! | `world` | time, events, what stands in for the driver |
//! | `node` | a process and the disk that outlives it |
//! | `door` | request ids, forward and hold, stamps, reads, the role |
//! | `clients`, `requests` | who asks, and what |
//! | `net`, `faults` | what goes wrong |
//! | `state` | the rules over a map |
//! | `invariants` | what must hold; histories of records: the crate `ocs-history` |

mod clients;
mod door;
mod faults;
mod invariants;
mod net;
mod node;
mod requests;
#[path = "../../../services/node/src/outbound_api/stamp.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used)] // pure, and the rest of `node` would come with its crate
mod stamp;
mod state;
mod world;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use rand::Rng;

use self::{invariants::claim, node::WITNESS, world::World};

/// Length of the time of faults, microseconds.
const FAULTS_US: u64 = 7_000_000;
/// A leader is cut off for so long at most, before the time of two, microseconds.
const PART_US: u64 = 3_000_000;
/// Two of three must serve within this, microseconds.
const PAIR_US: u64 = 25_000_000;
/// All nodes must agree within this, microseconds.
const AGREE_US: u64 = 25_000_000;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Folds all that the nodes told each other: equal seeds have equal traces.
    pub trace: u64,
    /// Entries applied.
    pub entries: u64,
    /// Updates acknowledged.
    pub acknowledged: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Faults that befell.
    pub faults: u64,
    /// A node's disk was lost.
    pub lost: bool,
}

/// Runs a seed.
///
/// # Errors
/// Which claim did not hold, and why.
pub fn run(seed: u64) -> Result<Report, String> {
    run_talking(seed, false)
}

/// As [`run`]; `talks`: tells every event on standard error.
///
/// # Errors
/// As [`run`].
pub fn run_talking(seed: u64, talks: bool) -> Result<Report, String> {
    quiet_panics();
    PLAYING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| play(seed, talks)));
    PLAYING.set(false);
    let reason = FAILED.with(RefCell::take);
    result.map_err(|_| format!("seed {seed}: {}", reason.unwrap_or_default()))
}

/// Makes a deliberate mistake in every run of this thread from now on, or none.
#[cfg(mutant)]
pub fn mistake(mutant: Option<consensus::mutant::Mutant>) {
    use consensus::mutant::Mutant;
    consensus::mutant::set(mutant);
    records::mutant::set(mutant == Some(Mutant::RequestIdsOff), mutant == Some(Mutant::IdempotencyKeysOff));
}

thread_local! {
    static FAILED: RefCell<Option<String>> = const { RefCell::new(None) };
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// A claim that fails is told by its run, not by the panic's own words.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if PLAYING.get() {
                FAILED.with(|failed| *failed.borrow_mut() = Some(info.to_string()));
            } else {
                usual(info);
            }
        }));
    });
}

fn play(seed: u64, talks: bool) -> Report {
    let mut world = World::new(seed, talks);
    world.run_until(FAULTS_US, |_| false);
    let parted = part_the_leader(&mut world);
    two_of_three_serve(&mut world, parted);
    all_agree(&mut world);
    world.watch.histories_are_linearizable(&world.clients);
    Report {
        trace: world.trace,
        entries: world.watch.entries() as u64,
        acknowledged: world.watch.acknowledged,
        terms: world.watch.terms() as u64,
        faults: world.plan.befallen,
        lost: world.nodes.iter().any(|node| node.lost),
    }
}

/// In some runs the time of two begins in the worst moment: a leader was cut off and has taken more than its successor,
/// which then goes. The one that must go on has the longer log, the witness the newer one (rule 2). The successor's place.
fn part_the_leader(world: &mut World) -> Option<usize> {
    let leads = |at: &usize| world.nodes[*at].life.as_ref().is_some_and(|life| life.core.serving());
    let leader = (0..WITNESS).find(leads).filter(|_| world.nodes.iter().all(|node| node.life.is_some()))?;
    if !world.rng.random_ratio(1, 3) {
        return None;
    }
    world.plan.calm = true;
    for peer in (0..3).filter(|peer| *peer != leader) {
        world.net.cut(leader, peer, true);
        world.net.cut(peer, leader, true);
    }
    let end = |node: &node::Node| node.synced.terms.last_key_value().map_or((0, 0), |(index, term)| (*index, *term));
    let parted = world.run_until(world.now + PART_US, |world| {
        let ((ours, before), (theirs, after)) = (end(&world.nodes[leader]), end(&world.nodes[WITNESS]));
        after > before && theirs <= ours
    });
    parted.then_some(WITNESS - 1 - leader)
}

/// Design 1, what loses what: with one node gone the others serve by themselves.
fn two_of_three_serve(world: &mut World, parted: Option<usize>) {
    world.calm_down();
    (0..3).for_each(|at| world.start(at));
    let state_missing = |at: usize| world.nodes[at].store.as_ref().is_some_and(|state| state.mark.index == 0);
    let drawn = parted.unwrap_or_else(|| world.rng.random_range(0..3));
    let gone = match world.nodes.iter().position(|node| node.lost) {
        Some(lost) => lost,
        None if (0..WITNESS).any(state_missing) => WITNESS,
        None => drawn,
    };
    if world.nodes[gone].life.is_some() {
        world.die(gone, false);
    }
    let held = std::mem::replace(&mut world.nodes[gone].lost, true);
    (0..3).filter(|at| *at != gone).for_each(|at| world.start(at));
    let (begun, before) = (world.now, world.watch.acknowledged);
    let served = world.run_until(begun + PAIR_US, |world| {
        let served = |call: &clients::Call| call.called_us > begun && call.outcome == Some(ocs_history::Outcome::Done);
        world.watch.acknowledged > before && world.clients.calls().any(|(_, call)| served(call))
    });
    claim!(served, "two of three serve by themselves", "without node {}", gone + 1);
    world.nodes[gone].lost = held;
    if !held {
        world.start(gone);
    }
}

/// At the end everybody who has a disk has everything.
fn all_agree(world: &mut World) {
    world.clients.quiet = true;
    let begun = world.now;
    let agreed = world.run_until(begun + AGREE_US, World::converged);
    claim!(agreed, "all nodes agree in the end", "not within {AGREE_US} us");
}
