//! Every node is told to stop and started again, one after the other: see `docs/drills/rolling-restart.md`. Called by `drill`.

use ocs_ha_tests::drill::{Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "rolling-restart", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    for node in [backup, "w", primary] {
        stage.excuse(node);
        assert_eq!(stage.cluster.stop(node), 0, "{node} did not end well");
        stage.cluster.start_node(node, &[]);
        stage.back(node);
    }
    Round::of("restart all")
}
