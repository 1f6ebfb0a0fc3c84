//! A durable bit flips in the log of a node that is down: see `docs/drills/corrupted-log.md`. Called by `drill`.

use ocs_ha_tests::{
    disk::{flip, segments},
    drill::{Drill, Plain, Round, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "corrupted-log", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let spoilt = [backup, "w", primary][stage.number as usize % 3];
    stage.kill(spoilt);
    stage.cluster.kill(spoilt); // reaps the process
    // The oldest segment is durable as a whole.
    flip(&segments(stage.cluster.settings(), spoilt)[0]);
    stage.more(stage.cluster.other(spoilt), 30);
    stage.cluster.start_node(spoilt, &[]);
    stage.back(spoilt);
    assert!(stage.said(spoilt).contains("is damaged at byte"), "{spoilt} did not say that its log is damaged");
    Round::of(format!("flip a bit in the log of {spoilt}"))
}
