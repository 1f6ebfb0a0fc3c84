//! How far a log may forget where its disk is behind its node's commit index (R1 forget-what-both-have and
//! R6 durable-before-acknowledged).

use crate::world::*;

/// raft-rs hands over only durable entries, and passes over missing entries: changes of the membership too.
#[test]
fn nothing_is_forgotten_that_was_not_handed_over() {
    let mut world = World::formed();
    world.propose(20);
    (0..500).for_each(|_| world.event());
    world.stuck = Some(WITNESS.into());
    // The witness learns with the second batch that the first is committed.
    for count in [30, 1] {
        world.propose(count);
        (0..500).for_each(|_| world.event());
    }
    let core = &mut world.node(WITNESS.into()).core;
    let (_, _, durable) = core.log_range();
    assert!(core.commit() > durable && core.data_durable() > durable, "{} {durable}", core.commit());
    let mark = core.forgettable(0, 0, 1).expect("the data nodes have all of it");
    assert_eq!(mark.index, durable);
}
