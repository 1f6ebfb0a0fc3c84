//! Whole clusters in one thread, from a seed: the real core, log and rules; clock, network and disks simulated.
//!
//! A run has a time of faults, a time in which two nodes of three must serve by themselves, and an end at which all
//! nodes must agree. The same seed gives the same run. Called by the tests and by the binaries `sim` and `mutants`.
//!
//! | file | job |
//! | --- | --- |
//! | `world`, `event` | time, events, the driver's stand-in |
//! | `frames`, `work` | frames between nodes; the log's thread, the apply thread, fetching |
//! | `node` | a process and the disk that outlives it |
//! | `door` | request ids, attempts, stamps, reads, the role: decided by `dispatch::policy` and `pair::stamping` |
//! | `clients`, `requests` | clients and their requests |
//! | `campaign`, `callers`, `duties` | a campaign, its callers, and the commands of its operator and of the primary |
//! | `join` | a node that lost its log, and the group that takes it in |
//! | `net`, `faults` | the network and the faults |
//! | `old_disk` | disks that are put back from an older copy, and the confirming of starts |
//! | `operators` | orders: pausing failover, forcing a node to lead alone |
//! | `quarantine` | states that are wrong, and their replacement |
//! | `state` | the rules over a map |
//! | `upgrade` | the rules version is raised, options are set, ids are given twice |
//! | `invariants`, `disks`, `contract`, `updates`, `hand_outs` | the claims; histories of records: the crate `ocs-history` |

mod callers;
mod campaign;
mod clients;
mod contract;
mod disks;
mod door;
mod duties;
mod event;
mod faults;
mod frames;
mod hand_outs;
mod invariants;
mod join;
mod net;
mod node;
mod old_disk;
mod operators;
mod quarantine;
mod requests;
mod state;
mod updates;
mod upgrade;
mod work;
mod world;

use std::{
    cell::{Cell, RefCell},
    num::NonZero,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use rand::Rng;

use self::{
    invariants::claim,
    node::{Mode, Node},
    operators::Order,
    world::World,
};

/// A leader is cut off for so long at most, before the time of two, microseconds.
const PART_US: u64 = 3_000_000;
/// Two of three must serve within this, microseconds.
const PAIR_US: u64 = 25_000_000;
/// So long a pair must stand still without one of its nodes, microseconds.
const STILL_US: u64 = 3_000_000;
/// All nodes must agree within this, microseconds.
const AGREE_US: u64 = 25_000_000;

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Folds all frames between the nodes, and every byte on their disks: equal seeds have equal traces.
    pub trace: u64,
    /// Entries applied.
    pub entries: u64,
    /// Updates acknowledged.
    pub acknowledged: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Faults so far.
    pub faults: u64,
    /// Disks that were lost, and taken in again under another id.
    pub lost: u64,
    /// Records handed out to callers.
    pub handed_out: u64,
}

/// Runs a seed.
///
/// # Errors
/// The claim that failed, and why.
pub fn run(seed: u64) -> Result<Report, String> {
    run_talking(seed, false)
}

/// Plays these seeds, on as many threads as there are processors. Returns their results in the order of the seeds.
pub fn run_all(seeds: Range<u64>) -> Vec<Result<Report, String>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let own = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end);
        std::iter::from_fn(own).map(|seed| (seed, run(seed))).collect::<Vec<_>>()
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a failed claim is caught in its thread")).collect()
    });
    results.sort_unstable_by_key(|(seed, _)| *seed);
    results.into_iter().map(|(_, result)| result).collect()
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

/// A deliberate mistake.
#[cfg(mutant)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Of the core, the log, the rules or the simulator's stand-ins.
    Core(consensus::mutant::Mutant),
    /// Of the policy.
    Policy(dispatch::mutant::Mutant),
    /// Of the rules of campaigns.
    Campaign(records::mutant::Mutant),
}

#[cfg(mutant)]
impl Mistake {
    /// Every mistake.
    pub fn all() -> impl Iterator<Item = Self> {
        let core = consensus::mutant::Mutant::ALL.into_iter().map(Self::Core);
        let policy = dispatch::mutant::Mutant::ALL.into_iter().map(Self::Policy);
        core.chain(policy).chain(records::mutant::Mutant::ALL.into_iter().map(Self::Campaign))
    }

    /// The mistake's own name.
    pub fn name(self) -> String {
        match self {
            Self::Core(mutant) => format!("{mutant:?}"),
            Self::Policy(mutant) => format!("{mutant:?}"),
            Self::Campaign(mutant) => format!("{mutant:?}"),
        }
    }
}

/// Makes a deliberate mistake in every run of this thread from now on, or none.
#[cfg(mutant)]
pub fn mistake(mistake: Option<Mistake>) {
    use consensus::mutant::Mutant;
    let (core, policy, campaign) = match mistake {
        Some(Mistake::Core(mutant)) => (Some(mutant), None, None),
        Some(Mistake::Policy(mutant)) => (None, Some(mutant), None),
        Some(Mistake::Campaign(mutant)) => (None, None, Some(mutant)),
        None => (None, None, None),
    };
    consensus::mutant::set(core);
    dispatch::mutant::set(policy);
    records::mutant::set_of_campaigns(campaign);
    records::mutant::set_of_rules_5(campaign == Some(records::mutant::Mutant::AgainRemembered));
    raft_log::mutant::set(raft_log::mutant::Bugs {
        failed_sync_retried: core == Some(Mutant::FailedSyncRetried),
        read_counts_as_durable: core == Some(Mutant::ReadCountsAsDurable),
        mark_ignored: core == Some(Mutant::MarkIgnored),
    });
    records::mutant::set(core == Some(Mutant::RequestIdsOff), core == Some(Mutant::IdempotencyKeysOff));
    records::mutant::set_of_rules_2(core == Some(Mutant::ContentPassedOver), core == Some(Mutant::OwnOptions));
    records::mutant::set_of_rules_4(core == Some(Mutant::OutboxBeginsAgain));
}

thread_local! {
    static FAILED: RefCell<Option<String>> = const { RefCell::new(None) };
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// A run reports a failed claim, so the panic's own message is dropped.
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
    world.run_until(world.plan.lasts_us, |_| false);
    paused_primary_is_primary_again(&mut world);
    end_orders(&mut world);
    let parted = part_the_leader(&mut world);
    let gone = leave_one_out(&mut world, parted);
    match world.mode {
        Mode::Pair => one_of_two_stands_still(&mut world, gone),
        Mode::Witness | Mode::Three => two_of_three_serve(&mut world, gone),
    }
    world.nodes[gone].held = false;
    world.start(gone);
    all_agree(&mut world);
    world.fold_disks();
    Report {
        trace: world.trace,
        entries: world.watch.entries() as u64,
        acknowledged: world.watch.acknowledged,
        terms: world.watch.terms() as u64,
        faults: world.plan.befallen,
        lost: (world.watch.ids.len() - world.nodes.len()) as u64,
        handed_out: world.watch.hand_outs.count(),
    }
}

/// Architecture, services/consensus: while failover is paused, a primary that restarts is primary again, without its operator.
/// The exceptions are a primary that lost its log, and a primary that ended before its own disk had the entries of the others'
/// disks: that group waits for the operator.
fn paused_primary_is_primary_again(world: &mut World) {
    let Some(holder) = world.watch.holder().filter(|_| world.nodes.iter().all(|node| !node.fenced)) else { return };
    world.calm_down();
    world.places().for_each(|at| world.start(at));
    let begun = world.now;
    let served = world.run_until(begun + PAIR_US, |world| updated_since(world, begun));
    let end = |node: &Node| node.synced.terms.last_key_value().map_or((0, 0), |(index, term)| (*term, *index));
    let best = world.nodes.iter().map(end).max();
    let lost = world.nodes.iter().all(|node| node.id != holder || node.log_lost || Some(end(node)) < best);
    claim!(served || lost, "a primary is primary again while failover is paused", "not {holder:#x}");
}

/// Orders and known wrong states come to their end while every node is up: a group that waits for its operator promises nothing
/// by itself.
fn end_orders(world: &mut World) {
    if !world.ordered {
        return;
    }
    world.calm_down();
    for at in world.places() {
        match world.nodes[at].fenced {
            true => world.obey(Order::LetBack(at)),
            false => world.start(at),
        }
    }
    [Order::Resume, Order::EndSingleCopy].into_iter().for_each(|order| world.obey(order));
    let ended = world.run_until(world.now + AGREE_US, |world| !world.orders_open());
    claim!(ended, "what operators order comes to its end", "not within {AGREE_US} us");
}

/// In some runs the time of two begins in the worst moment: a leader was cut off and has taken more entries than its successor,
/// which then goes. The old leader must go on and has the longer log, the witness the newer one (R2 witness-never-serves).
/// Returns the successor's place.
fn part_the_leader(world: &mut World) -> Option<usize> {
    let leads = |at: &usize| world.nodes[*at].life.as_ref().is_some_and(|life| life.core.serving());
    let all = world.mode != Mode::Pair && world.nodes.iter().all(|node| node.life.is_some());
    let leader = world.places().find(leads).filter(|_| all)?;
    if !world.rng.random_ratio(1, 3) {
        return None;
    }
    let successor = (leader + 1) % world.mode.data_nodes();
    let third = 3 - leader - successor;
    world.plan.calm = true;
    for peer in [successor, third] {
        world.net.cut(leader, peer, true);
        world.net.cut(peer, leader, true);
    }
    let end = |node: &Node| node.synced.terms.last_key_value().map_or((0, 0), |(index, term)| (*index, *term));
    let parted = world.run_until(world.now + PART_US, |world| {
        let ((ours, before), (theirs, after)) = (end(&world.nodes[leader]), end(&world.nodes[third]));
        after > before && theirs <= ours
    });
    parted.then_some(successor)
}

/// Everything works again but for one node, which is down: the successor that was to go, or any node that the others can spare.
/// While a node is being replaced, only that node can be spared.
fn leave_one_out(world: &mut World, parted: Option<usize>) -> usize {
    world.calm_down();
    world.places().for_each(|at| world.start(at));
    let stateless =
        |gone: usize| world.nodes.iter().filter(|node| node.at != gone && node.is_data() && !node.has_state()).count();
    let spared = if world.mode == Mode::Witness { 1 } else { 0 };
    let state_left =
        |gone: usize| stateless(gone) <= spared && world.nodes.iter().any(|node| node.at != gone && node.has_state());
    let spares: Vec<usize> = world.places().filter(|gone| world.spares_node(*gone)).collect();
    let able: Vec<usize> = spares.iter().copied().filter(|gone| state_left(*gone)).collect();
    let able = if able.is_empty() { spares } else { able };
    let drawn = able[world.rng.random_range(0..able.len())];
    let gone = parted.filter(|gone| able.contains(gone)).unwrap_or(drawn);
    if world.nodes[gone].runs() {
        world.die(gone, false);
    }
    world.nodes[gone].held = true;
    world.places().for_each(|at| world.start(at));
    gone
}

/// Whether an update requested since then has been acknowledged.
fn updated_since(world: &World, begun: u64) -> bool {
    let mut since = world.clients.calls().filter(|(_, call)| call.called_us > begun);
    since.any(|(_, call)| call.outcome == Some(ocs_history::Outcome::Done))
}

/// Whether a read requested since then has been answered.
fn read_since(world: &World, begun: u64) -> bool {
    let mut since = world.clients.calls().filter(|(_, call)| call.called_us > begun);
    since.any(|(_, call)| matches!(call.outcome, Some(ocs_history::Outcome::Shown(_))))
}

/// Architecture, What loses what: without one node the others serve by themselves.
fn two_of_three_serve(world: &mut World, gone: usize) {
    let begun = world.now;
    let served = world.run_until(begun + PAIR_US, |world| updated_since(world, begun) && read_since(world, begun));
    claim!(served, "two of three serve by themselves", "without node {}{}", gone + 1, standings(world));
}

/// Architecture, What loses what: a pair without one of its nodes takes no update.
fn one_of_two_stands_still(world: &mut World, gone: usize) {
    let begun = world.now;
    let updated = world.run_until(begun + STILL_US, |world| updated_since(world, begun));
    claim!(!updated, "one of two takes no update", "without node {}", gone + 1);
}

/// At the end every node that has a disk has every entry.
fn all_agree(world: &mut World) {
    world.clients.quiet = true;
    world.watch.answered.clear();
    let all_answered = |world: &World| world.watch.answered.len() == world.nodes.len();
    let agreed = world.run_until(world.now + AGREE_US, |world| world.converged() && all_answered(world));
    claim!(agreed, "all nodes agree in the end", "not within {AGREE_US} us{}", standings(world));
}

/// The standing of each node by its own account, for a report.
fn standings(world: &World) -> String {
    let cores = world.nodes.iter().filter_map(|node| Some((node.id, &node.life.as_ref()?.core)));
    let said = cores.map(|(id, core)| {
        format!("\n  {id:#x}: start {:?}, old {:?}, {:?}", core.start_standing(), core.contradiction(), core.members())
    });
    said.collect()
}
