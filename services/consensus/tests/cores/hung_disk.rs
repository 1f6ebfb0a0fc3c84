//! Disks that hang without an error, and states that stand still: nodes that hand over, take over, stay, or do not even ask for
//! votes.

use crate::world::{TICK_MS, WITNESS, World};
use consensus::{RaftId, TransferError};
use ocs_proto::peer::{Head, PeerFrame};

const W: RaftId = WITNESS as RaftId;
/// From then on a disk counts as hanging, milliseconds.
const STALL_MS: u64 = consensus::core::DISK_STALL_MS_DEFAULT;
/// Ticks that are many election timeouts.
const LONG: u64 = 400;

/// A cluster with a primary, and the other data node.
fn formed() -> (World, RaftId, RaftId) {
    let mut world = World::formed();
    world.until("there is a primary", |world| world.leader().is_some());
    world.propose(3);
    let primary = world.leader().expect("just took proposals");
    (world, primary, 3 - primary)
}

/// The disk of a node hangs from now on, with a write in it.
fn hang(world: &mut World, id: RaftId) {
    world.hung.insert(id, 0);
}

/// Until the node's disk has hung for so long.
fn until_age(world: &mut World, id: RaftId, age_ms: u64) {
    world.until("its write grows old", |world| world.hung[&id] >= age_ms);
}

/// A frame of a peer that tells of its disk and of nothing else.
fn tell_age(world: &mut World, to: RaftId, from: RaftId, oldest_write_ms: u64) {
    let term = world.node(from).core.term();
    let head = Head { from, term, oldest_write_ms, ..Head::default() };
    world.node(to).core.step(PeerFrame { head: Some(head), ..PeerFrame::default() });
}

#[test]
fn a_primary_whose_disk_hangs_hands_over() {
    let (mut world, primary, backup) = formed();
    hang(&mut world, primary);
    world.propose(2);
    let last = world.node(primary).core.log_range().1;
    until_age(&mut world, primary, STALL_MS - TICK_MS);
    assert_eq!(world.leader(), Some(primary), "a slow disk is none that hangs");
    world.until("the backup is primary", |world| world.leader() == Some(backup));
    assert!(world.hung[&primary] < STALL_MS + 1000, "{:?}", world.hung);
    assert!(!world.node(primary).core.leads(), "it follows without a write of its own");
    assert_eq!(world.node(primary).core.leader(), backup);
    assert!(world.node(backup).core.commit() > last, "what only the others have on disk is not lost");
    world.propose(3);
    world.hung.clear();
    world.until("both have applied all", |world| world.commands(1) == 8 && world.commands(2) == 8);
    assert_eq!(world.nodes[&1].state.entries, world.nodes[&2].state.entries);
}

#[test]
fn a_primary_whose_entries_wait_for_a_state_that_stands_still_hands_over() {
    let (mut world, primary, backup) = formed();
    world.unapplied.insert(primary, 0);
    world.propose(2);
    world.until("the entries wait", |world| world.unapplied[&primary] >= STALL_MS - TICK_MS);
    assert_eq!(world.leader(), Some(primary), "a slow state is none that stands still");
    world.until("the backup is primary", |world| world.leader() == Some(backup));
    assert!(world.unapplied[&primary] < STALL_MS + 1000, "{:?}", world.unapplied);
    world.propose(3);
    world.unapplied.clear();
    world.until("both have applied all", |world| world.commands(1) == 8 && world.commands(2) == 8);
    assert_eq!(world.nodes[&1].state.entries, world.nodes[&2].state.entries);
}

#[test]
fn nobody_hands_over_to_a_node_whose_entries_wait_for_a_state_that_stands_still() {
    let (mut world, primary, backup) = formed();
    world.unapplied.insert(backup, 0);
    world.propose(2);
    world.until("the primary knows", |world| world.node(primary).core.hangs(backup));
    let refused = world.node(primary).core.transfer(backup, "a test");
    assert!(matches!(&refused, Err(TransferError::NotEligible(_))), "{refused:?}");
    world.unapplied.clear();
    world.until("the backup may take over once its state goes on", |world| {
        world.node(primary).core.eligible(backup).is_ok()
    });
}

#[test]
fn a_node_whose_disk_hangs_does_not_campaign() {
    let (mut world, primary, backup) = formed();
    let elections = world.node(backup).core.elections();
    hang(&mut world, backup);
    until_age(&mut world, backup, STALL_MS);
    world.nodes.remove(&primary);
    until_age(&mut world, backup, STALL_MS + LONG * TICK_MS);
    assert_eq!(world.node(backup).core.elections(), elections);
    world.hung.clear();
    world.until("it takes over once its disk goes on", |world| world.leader() == Some(backup));
}

#[test]
fn nobody_hands_over_to_a_node_whose_disk_hangs_longer() {
    let (mut world, primary, backup) = formed();
    hang(&mut world, primary);
    world.hung.insert(backup, 2 * STALL_MS);
    until_age(&mut world, primary, STALL_MS + TICK_MS);
    assert!(!world.node(primary).core.transferring());
    assert_eq!(world.leader(), Some(primary));
    tell_age(&mut world, primary, backup, 3 * STALL_MS);
    let refused = world.node(primary).core.transfer(backup, "a test");
    assert!(matches!(&refused, Err(TransferError::NotEligible(_))), "{refused:?}");
    let why = world.node(primary).core.eligible(backup);
    assert!(why.as_ref().is_err_and(|why| why.contains("its disk hangs")), "{why:?}");
    world.hung.remove(&backup);
    world.until("it takes over once its disk goes on", |world| world.leader() == Some(backup));
}

#[test]
fn a_primary_alone_with_its_hung_disk_stays_and_says_so() {
    let (mut world, primary, backup) = formed();
    hang(&mut world, primary);
    hang(&mut world, W); // its vote would be needed
    world.propose(1);
    until_age(&mut world, W, STALL_MS);
    tell_age(&mut world, primary, W, STALL_MS);
    world.until("it says so", |world| world.node(primary).core.stalled_alone());
    assert_eq!(world.leader(), Some(primary));
    assert!(!world.node(primary).core.transferring());
    world.hung.remove(&W);
    tell_age(&mut world, primary, W, 0);
    world.until("the backup is primary", |world| world.leader() == Some(backup));
    assert!(!world.node(primary).core.stalled_alone());
}

#[test]
fn a_paused_group_keeps_its_primary_though_its_disk_hangs() {
    let (mut world, primary, backup) = formed();
    world.until("failover is paused", |world| {
        let settled = world.node(primary).core.set_paused(true);
        world.collect(primary);
        settled == Ok(true)
    });
    hang(&mut world, primary);
    world.until("it says so", |world| world.node(primary).core.stalled_alone());
    assert_eq!(world.leader(), Some(primary));
    world.until("an operator may hand over", |world| {
        let taken = world.node(primary).core.transfer(backup, "an operator's switchover").is_ok();
        world.collect(primary);
        taken
    });
    world.until("the backup is primary", |world| world.leader() == Some(backup));
}
