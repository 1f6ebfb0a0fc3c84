//! The power of the whole group is cut at the same moment: see `docs/drills/power-cut-all.md`. Called by `drill`.

use ocs_ha_tests::{
    NODES,
    drill::{Drill, PowerCut},
};

pub(crate) const DRILL: Drill =
    Drill { name: "power-cut-all", bar: None, network: false, scenario: || Box::new(PowerCut::of(|_| NODES.to_vec())) };
