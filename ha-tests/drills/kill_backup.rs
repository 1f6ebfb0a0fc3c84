//! kill -9 of the backup, again and again: see `docs/drills/kill-backup.md`. Called by `drill`.

use ocs_ha_tests::drill::{Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "kill-backup", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    stage.kill(backup);
    stage.more(primary, 50);
    stage.revive(backup);
    Round::of(format!("kill {backup}"))
}
