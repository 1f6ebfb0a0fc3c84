//! SIGSTOP of the backup past the election timeout and back: see `docs/drills/pause-backup.md`. Called by `drill`.

use std::{thread, time::Duration};

use ocs_ha_tests::{
    Signal,
    drill::{Drill, Plain, Round, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "pause-backup", bar: None, network: false, scenario: || Box::new(Plain(round)) };

/// Longer than any election timeout: the length of the freeze is the case.
const FREEZE: Duration = Duration::from_millis(1300);

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let frozen = backup;
    stage.excuse(frozen);
    stage.cluster.signal(frozen, Signal::STOP);
    thread::sleep(FREEZE);
    stage.more(primary, 20);
    stage.cluster.signal(frozen, Signal::CONT);
    stage.back(frozen);
    assert_eq!(stage.cluster.primary(), primary, "the role moved");
    Round::of(format!("freeze {frozen}"))
}
