//! SIGSTOP of the witness past the election timeout and back: see `docs/drills/pause-witness.md`. Called by `drill`.

use std::{thread, time::Duration};

use ocs_ha_tests::{
    Signal,
    drill::{Drill, Plain, Round, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "pause-witness", bar: None, network: false, scenario: || Box::new(Plain(round)) };

/// Longer than any election timeout: the length of the freeze is the case.
const FREEZE: Duration = Duration::from_millis(1300);

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let frozen = "w";
    let others = [primary, backup];
    stage.cluster.signal(frozen, Signal::STOP);
    thread::sleep(FREEZE);
    others.iter().for_each(|node| stage.more(node, 20));
    stage.cluster.signal(frozen, Signal::CONT);
    stage.back(frozen);
    assert_eq!(stage.cluster.primary(), primary, "the role moved");
    Round::of(format!("freeze {frozen}"))
}
