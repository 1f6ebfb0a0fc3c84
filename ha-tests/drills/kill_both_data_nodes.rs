//! kill -9 of both data nodes at once: see `docs/drills/kill-both-data-nodes.md`. Called by `drill`.

use std::time::Instant;

use ocs_ha_tests::drill::{DATA, Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "kill-both-data-nodes", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let killed = Instant::now();
    for node in DATA {
        stage.kill(node);
    }
    DATA.iter().for_each(|node| stage.cluster.kill(node)); // reaps the process
    DATA.iter().for_each(|node| stage.cluster.start_node(node, &[]));
    let outage = stage.outage("a", killed);
    DATA.iter().for_each(|node| stage.back(node));
    Round { barred: false, ..Round::with_outage("kill a and b", outage) }
}
