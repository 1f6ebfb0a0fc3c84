//! A node that lost its disk comes back under a new id (R11 one-id-one-log): cores on disks and a network in memory, one thread,
//! and one of them crashes at every single step of it in turn.

use consensus::{Kind, RaftId, members};

use crate::world::*;

/// The whole story; returns the event of the loss, and the number of events from the loss on.
fn replaced(number: u16, crash: Option<(usize, RaftId)>) -> (usize, usize) {
    let mut world = World::formed();
    world.propose(20);
    world.until("the entries are applied", |world| world.nodes.values().all(|node| node.to_apply.is_empty()));
    world.wipe(number);
    let lost = world.events;
    world.crash = crash.map(|(after, who)| (lost + after, who));
    world.propose(10);
    let id = world.rejoin(number, 77);
    assert_eq!(members::incarnation(id), 1);
    world.settle(id);
    let took = world.events - lost;
    world.crash = None;
    // The new id carries the cluster: with one other voter, the old voters' majority is not needed any more.
    let other = if number == 1 { 2 } else { 1 };
    let survivor = if number == WITNESS { 2 } else { id };
    let acknowledged = world.agreed.clone();
    world.nodes.remove(&other);
    let before = world.commands(survivor);
    world.propose(5);
    world.until("the survivor goes on", |world| world.commands(survivor) >= before + 5);
    let kept = &world.nodes[&survivor].state.entries;
    assert!(
        acknowledged.iter().all(|(index, data)| kept.get(index) == Some(data)),
        "what was applied anywhere is there"
    );
    (lost, took)
}

#[test]
fn a_data_node_that_lost_its_disk_takes_its_place_under_a_new_id() {
    replaced(2, None);
    replaced(1, None);
}

#[test]
fn a_witness_that_lost_its_disk_takes_its_place_under_a_new_id() {
    replaced(WITNESS, None);
}

#[test]
fn nothing_is_lost_whoever_crashes_at_whatever_step_of_a_replacement() {
    for number in [2, WITNESS] {
        let (_, steps) = replaced(number, None);
        for who in [1, if number == 2 { 3 } else { 2 }, RaftId::from(number) | 1 << 16] {
            for step in 1..=steps {
                replaced(number, Some((step, who)));
            }
        }
    }
}

#[test]
fn a_node_that_is_lost_again_while_it_joins_gets_another_id_and_the_first_one_goes() {
    let mut world = World::formed();
    world.propose(10);
    world.wipe(2);
    let first = world.rejoin(2, 77);
    assert_eq!(first, world.rejoin(2, 77), "the same process gets the same id");
    world.wipe(2);
    let second = world.rejoin(2, 78);
    assert_eq!(members::incarnation(second), 2);
    world.settle(second);
    assert!(world.nodes[&1].core.is_former(first) && world.nodes[&1].core.is_former(2));
    world.wipe(2);
    let third = world.rejoin(2, 79);
    assert_eq!(members::incarnation(third), 3);
    world.settle(third);
}

#[test]
fn a_node_that_joins_asks_nobody_for_votes_when_the_primary_ends() {
    let mut world = World::formed();
    world.propose(10);
    world.wipe(2);
    let id = world.rejoin(2, 77);
    world.until("it hears the leader", |world| world.nodes[&id].core.leader() != 0);
    let leader = world.nodes[&id].core.leader();
    world.node(id).core.on_refused(leader);
    assert!(!world.nodes[&id].core.hurrying());
    world.settle(id);
}

#[test]
fn a_node_that_joins_counts_nothing_until_it_votes() {
    let mut world = World::formed();
    world.propose(10);
    let leader = world.leader().expect("proposals were taken");
    let lost: u16 = if leader == 1 { 2 } else { 1 };
    world.until("both have it", |world| world.nodes[&leader].core.data_durable() > 5);
    world.wipe(lost);
    let id = world.rejoin(lost, 77);
    let start = world.nodes[&leader].core.log_range().0 - 1;
    assert_eq!(world.nodes[&leader].core.data_durable(), start, "the old id's disk is gone");
    world.settle(id);
    world.until("it counts again", |world| {
        let leader = world.leader();
        leader.is_some_and(|leader| world.nodes[&leader].core.data_durable() > 10)
    });
}

/// A late request of an earlier process of a node takes its place: the running process hears no id that is about to go.
#[test]
fn an_id_is_not_told_while_it_is_being_replaced() {
    const LIVING: u64 = 2;
    const EARLIER: u64 = 1;
    let mut world = World::formed();
    world.propose(1);
    let leader = world.leader().expect("just took proposals");
    let number = 3 - leader as u16;
    world.wipe(number);
    let replaced = world.rejoin(number, LIVING);
    let admit = |world: &mut World, token| {
        let told = world.node(leader).core.admit(number, Kind::Data, token).expect("it serves");
        world.collect(leader);
        told
    };
    world.nodes.remove(&replaced);
    assert_eq!(admit(&mut world, EARLIER), None);
    assert_eq!(admit(&mut world, LIVING), None, "{replaced:#x} is about to be replaced");
    let mut told = None;
    world.until("the living one has an id", |world| {
        told = admit(world, LIVING);
        told.is_some()
    });
    assert_ne!(told, Some(replaced));
    let id = told.expect("just looked");
    assert!(world.node(leader).core.conf_state().learners.contains(&id));
}
