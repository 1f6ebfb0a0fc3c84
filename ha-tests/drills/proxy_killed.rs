//! kill -9 of an HTTP Proxy: see `docs/drills/proxy-killed.md`. Called by `drill`.

use ocs_ha_tests::{
    drill::{DATA, Drill, Plain, Round, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "proxy-killed", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let primary = stage.cluster.primary();
    let node = DATA[stage.number as usize % DATA.len()];
    let before = stage.cluster.proxy_pid(node);
    stage.excuse(node);
    stage.cluster.kill_proxy(node);
    until("another HTTP Proxy", || {
        let now = stage.cluster.proxy_pid(node);
        now.is_some() && now != before
    });
    stage.back(node);
    assert_eq!(stage.cluster.primary(), primary, "the role moved");
    Round::of(format!("kill the HTTP Proxy of {node}"))
}
