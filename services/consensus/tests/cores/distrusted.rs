//! A primary whose state turns out to be wrong hands over before anything else, however soon another state is there.

use crate::world::World;

#[test]
fn a_primary_hands_over_at_once_when_its_state_is_wrong() {
    let mut world = World::formed();
    world.until("there is a primary", |world| world.leader().is_some());
    world.propose(3);
    let primary = world.leader().expect("just took proposals");
    assert!(world.node(primary).core.distrust());
    assert!(world.node(primary).core.transferring(), "not only at the next tick");
    world.collect(primary);
    world.until("the other one is primary", |world| world.leader().is_some_and(|leader| leader != primary));
}
