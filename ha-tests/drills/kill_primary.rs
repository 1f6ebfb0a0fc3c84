//! kill -9 of the primary, again and again: see `docs/drills/kill-primary.md`. Called by `drill`.

use ocs_ha_tests::drill::{Bar, Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "kill-primary", bar: Some(Bar::KILL), network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let killed = stage.kill(primary);
    let outage = stage.outage(backup, killed);
    stage.more(backup, 20);
    stage.revive(primary);
    Round::with_outage(format!("kill {primary}"), outage)
}
