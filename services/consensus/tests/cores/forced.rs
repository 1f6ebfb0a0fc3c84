//! A node that an operator forces to lead alone: its state takes in the whole log, the node leads at once under a new id, and
//! returning nodes learn until the operator ends single-copy (decision 0011).

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use consensus::{
    ApplyBatch, FetchedState, Kind, Machine, MachineError, ModeError, RaftId,
    core::GENESIS,
    force::{Beginning, Force, ForceError, bring_up, is_of},
    members,
};
use ocs_proto::peer::{ConfState, Entry, Member, PeerFrame, SnapshotMark};
use prost::Message;
use raft_log::{Batch, HardState, Log, MemDisk};

use crate::world::*;

/// The state of a test as a machine; a crash loses the unpersisted part.
struct Book {
    state: AppliedState,
    durable: AppliedState,
}

impl Book {
    fn of(state: AppliedState) -> Self {
        Self { durable: state.clone(), state }
    }
}

impl Machine for Book {
    type Id = u64;
    type Reply = ();

    fn applied(&self) -> SnapshotMark {
        self.state.mark.clone()
    }

    fn apply(&mut self, batch: &ApplyBatch<'_>, _: &mut dyn FnMut(Vec<(u64, ())>)) -> Result<(), MachineError> {
        for entry in batch.entries {
            let at = self.state.mark.index;
            assert!(entry.index == at + 1 || at == 0 && entry.index == GENESIS.0 + 1, "{} after {at}", entry.index);
            let conf_state = ConfState::decode(batch.conf_state).ok();
            self.state.mark = SnapshotMark { index: entry.index, term: entry.term, conf_state };
            self.state.entries.insert(entry.index, entry.data.clone());
        }
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

const EPOCH: u64 = 2;

fn forces(number: u16) -> Force {
    Force { id: members::forced_id(number, EPOCH), epoch: EPOCH }
}

fn configured() -> Vec<(RaftId, Kind)> {
    vec![(1, Kind::Data), (2, Kind::Data), (3, Kind::Witness)]
}

fn conf() -> ConfState {
    let members = vec![Member { id: 0x4_0003, witness: true, token: 9 }];
    ConfState { voters: vec![1, 2, 0x4_0003], members, ..ConfState::default() }
}

fn entry(index: u64, kind: u32) -> Entry {
    Entry { kind, term: 3, index, data: Bytes::from(format!("command {index}")), context: Bytes::new() }
}

/// A log of entries 5 to 12, of which 8 changes the membership; 6 are known committed.
fn log() -> MemDisk {
    let disk = MemDisk::new();
    let start = SnapshotMark { index: 4, term: 3, conf_state: Some(conf()) };
    let mut log = Log::create(disk.clone(), log_config(), start, HardState::default()).unwrap();
    let entries = (5..=12).map(|index| entry(index, if index == 8 { 2 } else { 0 })).collect();
    let hard_state = Some(HardState { term: 3, vote: 2, commit: 6 });
    log.append(&Batch { hard_state, entries, ..Batch::default() }).unwrap();
    disk
}

fn state(index: u64, term: u64) -> AppliedState {
    AppliedState { mark: SnapshotMark { index, term, conf_state: Some(conf()) }, ..AppliedState::default() }
}

fn force(disk: &MemDisk, book: &mut Book) -> Result<Beginning, ForceError> {
    let (log, recovered) = Log::open(disk.clone(), log_config()).unwrap();
    bring_up(forces(1), &configured(), (&log.reader(), &recovered), book)
}

#[test]
fn every_entry_of_the_log_is_applied_and_no_change_among_them_changes_the_forced_membership() {
    let mut book = Book::of(state(5, 3));
    let beginning = force(&log(), &mut book).unwrap();
    assert_eq!(book.durable.entries.keys().copied().collect::<Vec<_>>(), (6..=13).collect::<Vec<_>>());
    assert_eq!((beginning.mark.index, beginning.mark.term), (13, 4));
    assert_eq!(beginning.hard_state, HardState { term: 4, vote: 0, commit: 13 });
    let forced = beginning.mark.conf_state.unwrap();
    assert_eq!((forced.voters, forced.learners), (vec![1 | 1 << 32], vec![]));
    assert_eq!((forced.epoch, forced.single_copy), (EPOCH, true));
    let ids: Vec<(u64, bool)> = forced.members.iter().map(|member| (member.id, member.witness)).collect();
    assert_eq!(ids, [(1 | 1 << 32, false), (2, false), (0x4_0003, true)], "no id of the others may come back");
}

#[test]
fn an_order_that_a_crash_cut_short_ends_in_the_same_place() {
    let disk = log();
    let whole = force(&disk, &mut Book::of(state(5, 3))).unwrap();
    let mut half = Book::of(state(5, 3));
    half.apply(&ApplyBatch { entries: &[entry(6, 0), entry(7, 0)], conf_state: &conf().encode_to_vec() }, &mut |_| {})
        .unwrap();
    assert_eq!(force(&disk, &mut half).unwrap(), whole);
    let mut again = Book::of(half.durable);
    assert_eq!(force(&disk, &mut again).unwrap(), whole, "the state was there, the new log was not");
    assert!(is_of(&whole.mark, EPOCH) && !is_of(&whole.mark, EPOCH + 1));
}

#[test]
fn a_state_that_does_not_reach_the_log_cannot_be_forced_and_one_ahead_of_it_is_all_there_is() {
    let refused = force(&log(), &mut Book::of(state(3, 2)));
    assert!(matches!(refused, Err(ForceError::NoState { state: 3, first: 5 })), "{refused:?}");
    let ahead = force(&log(), &mut Book::of(state(20, 5))).unwrap();
    assert_eq!((ahead.mark.index, ahead.mark.term), (21, 6));
    let mut other_branch = Book::of(state(10, 5));
    let beginning = force(&log(), &mut other_branch).unwrap();
    assert_eq!(
        (beginning.mark.index, other_branch.durable.entries.len()),
        (11, 1),
        "entries that lost are not applied"
    );
}

/// The node with this number is the only node left, and is forced; nothing of its memory is used.
fn forced(world: &mut World, number: u16) -> RaftId {
    let node = world.nodes.remove(&RaftId::from(number)).unwrap();
    world.nodes.clear();
    world.wire.clear();
    let (log, recovered) = Log::open(node.disk, log_config()).unwrap();
    let mut book = Book::of(node.durable);
    let beginning = bring_up(forces(number), &configured(), (&log.reader(), &recovered), &mut book).unwrap();
    let disk = MemDisk::new();
    drop(Log::create(disk.clone(), log_config(), beginning.mark, beginning.hard_state).unwrap());
    let id = forces(number).id;
    world.nodes.insert(id, Node::boot(id, disk, book.durable, 1));
    id
}

/// A forced cluster that has taken updates, and still has every entry that any node had applied before.
fn alone() -> (World, RaftId) {
    let mut world = World::formed();
    world.propose(20);
    let survivor = members::number(world.leader().unwrap());
    let acknowledged = world.agreed.clone();
    let id = forced(&mut world, survivor);
    let kept = &world.nodes[&id].state.entries;
    assert!(acknowledged.iter().all(|(index, data)| kept.get(index) == Some(data)), "an acknowledged update is gone");
    world.node(id).core.tick();
    world.collect(id);
    assert!(world.node(id).core.leads(), "the only voter waits for nobody");
    world.propose(5);
    (world, id)
}

fn leave(world: &mut World, id: RaftId) -> Result<bool, ModeError> {
    let left = world.node(id).core.leave_single_copy();
    world.collect(id);
    left
}

#[test]
fn those_who_come_back_learn_until_the_operator_ends_single_copy() {
    let (mut world, alone) = alone();
    let other = if members::number(alone) == 1 { 2 } else { 1 };
    assert_eq!(leave(&mut world, alone), Err(ModeError::NoCopy));
    let witness = world.rejoin(WITNESS, 77);
    let data = world.rejoin(other, 78);
    assert_eq!(members::incarnation(data), members::first_incarnation(EPOCH), "no id of the epoch before");
    world.until("the data node has everything", |world| {
        world.nodes[&data].state.mark.index == world.nodes[&alone].core.commit()
            && world.nodes[&witness].core.commit() > 0
    });
    (0..200).for_each(|_| world.event());
    let conf_state = world.nodes[&alone].core.conf_state();
    assert_eq!(
        (conf_state.voters, conf_state.learners.len()),
        (vec![alone], 2),
        "nobody votes before the operator says so"
    );
    assert_eq!(world.nodes[&data].core.forced(), (EPOCH, true), "those who learn know it too");
    world.until("single-copy ends", |world| leave(world, alone) == Ok(true));
    world.settle(data);
    assert!(world.nodes.values().all(|node| node.core.forced() == (EPOCH, false)));
    world.until("asking again is safe", |world| world.leader().is_some_and(|leader| leave(world, leader) == Ok(true)));
    let acknowledged = world.agreed.clone();
    world.nodes.remove(&alone); // every update is on another disk again
    world.propose(3);
    let kept = &world.nodes[&data].state.entries;
    assert!(acknowledged.iter().all(|(index, data)| kept.get(index) == Some(data)));
}

#[test]
fn single_copy_ends_without_the_witness_which_votes_when_it_is_there() {
    let (mut world, alone) = alone();
    let other = if members::number(alone) == 1 { 2 } else { 1 };
    let data = world.rejoin(other, 78);
    world.until("single-copy ends", |world| match leave(world, alone) {
        Err(ModeError::NoCopy) => false,
        left => left.unwrap(),
    });
    assert_eq!(world.nodes[&alone].core.conf_state().voters.len(), 2);
    world.rejoin(WITNESS, 79);
    world.settle(data);
}

#[test]
fn a_leader_that_dies_while_single_copy_ends_finishes_it_when_it_is_back() {
    for after in 0..60 {
        let (mut world, alone) = alone();
        let other = if members::number(alone) == 1 { 2 } else { 1 };
        let data = world.rejoin(other, 78);
        world.until("it has caught up", |world| leave(world, alone) == Ok(false));
        (0..after).for_each(|_| world.event());
        world.crash(alone);
        world.until("single-copy ends all the same", |world| {
            world.leader().is_some_and(|leader| leave(world, leader) == Ok(true))
        });
        world.rejoin(WITNESS, 79);
        world.settle(data);
    }
}

#[test]
fn nobody_votes_who_lacks_what_the_forced_log_has_forgotten() {
    let (mut world, alone) = alone();
    let other = if members::number(alone) == 1 { 2 } else { 1 };
    let data = world.rejoin(other, 78);
    world.until("it has caught up", |world| world.nodes[&data].state.mark.index == world.nodes[&alone].core.commit());
    for number in 0..30 {
        world.node(alone).core.propose(Bytes::from(format!("command {number}"))).unwrap();
        world.collect(alone);
    }
    let lost = |frame: &PeerFrame| frame.messages.iter().any(|one| one.to == data && !one.entries.is_empty());
    for _ in 0..300 {
        world.wire.retain(|frame| !lost(frame)); // the learner is heard, and gets no entry
        world.event();
    }
    let persisted = world.nodes[&alone].core.commit();
    let mark = world.node(alone).core.forgettable(persisted, 0, 1).unwrap();
    assert!(world.nodes[&data].core.log_range().2 < mark.index);
    assert_eq!(leave(&mut world, alone), Err(ModeError::NoCopy), "it lacks entries up to {}", mark.index);
    world.until("single-copy ends", |world| match leave(world, alone) {
        Err(ModeError::NoCopy) => false,
        left => left.unwrap(),
    });
}
