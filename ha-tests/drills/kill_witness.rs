//! kill -9 of the witness, again and again: see `docs/drills/kill-witness.md`. Called by `drill`.

use ocs_ha_tests::drill::{Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "kill-witness", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    stage.kill("w");
    stage.more(primary, 25);
    stage.more(backup, 25);
    stage.revive("w");
    assert_eq!(stage.cluster.primary(), primary, "the role moved");
    Round::of("kill w")
}
