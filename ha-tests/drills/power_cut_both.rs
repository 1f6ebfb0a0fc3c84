//! The power of both data nodes is cut at the same moment: see `docs/drills/power-cut-both.md`. Called by `drill`.

use ocs_ha_tests::drill::{DATA, Drill, PowerCut};

pub(crate) const DRILL: Drill =
    Drill { name: "power-cut-both", bar: None, network: false, scenario: || Box::new(PowerCut::of(|_| DATA.to_vec())) };
