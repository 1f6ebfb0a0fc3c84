//! SIGSTOP of the primary past the election timeout and back, with writes in flight: see `docs/drills/pause-primary.md`. Called by `drill`.

use std::time::Instant;

use ocs_ha_tests::{
    Signal,
    drill::{Bar, Drill, Plain, Round, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "pause-primary", bar: Some(Bar::UNREACHABLE), network: false, scenario: || Box::new(Plain(round)) };

pub(crate) fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    stage.excuse(primary);
    let frozen = Instant::now();
    stage.cluster.signal(primary, Signal::STOP);
    let outage = stage.outage(backup, frozen);
    stage.more(backup, 20);
    stage.cluster.signal(primary, Signal::CONT); // the old primary still takes itself for the leader
    stage.more(backup, 20);
    stage.back(primary);
    Round::with_outage(format!("freeze {primary}"), outage)
}
