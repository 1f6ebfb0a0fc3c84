//! The witness is away for long: see `docs/drills/lose-witness.md`. Called by `drill`.

use std::time::Duration;

use ocs_ha_tests::{
    drill::{Drill, Ended, Plain, Round, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "lose-witness", bar: None, network: false, scenario: || Box::new(Plain(round)) };

/// Time for which an update is tried in vain: no acknowledgement may come meanwhile.
const TRIED: Duration = Duration::from_millis(800);

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    stage.kill("w");
    stage.cluster.kill("w");
    stage.more(backup, 20);
    until("a switchover without the witness", || stage.cluster.ctl(&["switchover", "--to", backup]).code == 0);
    stage.more(primary, 20);
    // With another node lost, no update is acknowledged on one disk.
    stage.excuse(backup);
    let lost = stage.kill(primary);
    stage.cluster.kill(primary);
    let mut caller = stage.recorder().caller(backup);
    while lost.elapsed() < TRIED {
        let ended = caller.probe();
        assert!(!matches!(ended, Ended::Added(_)), "{backup} acknowledged an update alone");
    }
    for node in ["w", primary] {
        stage.cluster.start_node(node, &[]);
    }
    [primary, backup, "w"].iter().for_each(|node| stage.back(node));
    Round::of(format!("w, then {primary}"))
}
