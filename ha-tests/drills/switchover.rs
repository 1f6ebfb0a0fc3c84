//! Planned switchovers: see `docs/drills/switchover.md`. Called by `drill`.

use std::time::Instant;

use ocs_ha_tests::{
    drill::{Bar, Drill, Plain, Round, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "switchover", bar: Some(Bar::SWITCHOVER), network: false, scenario: || Box::new(Plain(round)) };

pub(crate) fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let mut asked = Instant::now();
    until("a switchover that is not refused", || {
        asked = Instant::now();
        stage.cluster.ctl(&["switchover", "--to", backup]).code == 0
    });
    stage.more(primary, 20);
    stage.more(backup, 20);
    let pause = stage.pause_since(asked);
    stage.cluster.wait_back();
    Round::with_outage(format!("{primary} to {backup}"), pause)
}
