//! The power of one node is cut, of each in turn: see `docs/drills/power-cut-one.md`. Called by `drill`.

use ocs_ha_tests::drill::{Drill, PowerCut, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "power-cut-one", bar: None, network: false, scenario: || Box::new(PowerCut::of(whom)) };

fn whom(stage: &mut Stage) -> Vec<&'static str> {
    let (primary, backup) = stage.roles();
    vec![[primary, backup, "w"][stage.number as usize % 3]]
}
