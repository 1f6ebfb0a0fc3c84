//! The nodes that a leader asks before a read: the other data node alone while that node answers first, else every voter.

use crate::world::{WITNESS, World};
use consensus::RaftId;

/// eraftpb's number of a heartbeat.
const HEARTBEAT: u32 = 8;

fn ask(world: &mut World, leader: RaftId, question: u64) {
    world.node(leader).core.ask(question);
    world.collect(leader);
}

fn answered(world: &mut World, leader: RaftId, question: u64) {
    world.until("the question is settled", |world| world.answered.contains(&(leader, question)));
    world.until("the wire is empty", |world| world.wire.is_empty());
}

/// The receivers of questions on the wire.
fn asked(world: &World) -> Vec<RaftId> {
    let messages = world.wire.iter().flat_map(|frame| &frame.messages);
    messages.filter(|asks| asks.kind == HEARTBEAT && !asks.context.is_empty()).map(|asks| asks.to).collect()
}

/// A leader whose last question the other data node settled, and that node.
fn settled() -> (World, RaftId, RaftId) {
    let mut world = World::formed();
    world.propose(3);
    let leader = world.leader().expect("just took proposals");
    world.until("the wire is empty", |world| world.wire.is_empty());
    ask(&mut world, leader, 1);
    assert_eq!(asked(&world).len(), 2, "nobody has answered yet");
    answered(&mut world, leader, 1);
    (world, leader, 3 - leader)
}

#[test]
fn the_witness_is_not_asked_while_the_data_node_answers_first() {
    let (mut world, leader, other) = settled();
    ask(&mut world, leader, 2);
    assert_eq!(asked(&world), [other]);
    answered(&mut world, leader, 2);
}

#[test]
fn everybody_is_asked_once_the_data_node_is_silent() {
    let (mut world, leader, other) = settled();
    world.wipe(other as u16);
    ask(&mut world, leader, 2);
    assert_eq!(asked(&world), [other], "it is not known yet");
    answered(&mut world, leader, 2);
    ask(&mut world, leader, 3);
    assert!(asked(&world).contains(&WITNESS.into()));
}

#[test]
fn everybody_is_asked_at_once_when_the_stream_of_the_data_node_ends() {
    let (mut world, leader, other) = settled();
    ask(&mut world, leader, 2);
    world.wipe(other as u16);
    world.node(leader).core.on_unreachable(other);
    world.collect(leader);
    assert!(asked(&world).contains(&WITNESS.into()));
    answered(&mut world, leader, 2);
}
