//! The wall clock of one node jumps by an hour, and back: see `docs/drills/clock-jump-one.md`. Called by `drill`.

use std::time::Duration;

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{Clocks, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "clock-jump-one", bar: None, network: false, scenario: || Box::new(Jump::default()) };

/// A stamp may move by no more.
const MOVES_MAX_MS: i64 = 2000;

/// Time for which the clock is wrong.
const WRONG: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Jump(Option<Clocks>);

impl Jump {
    fn clocks(&mut self) -> &mut Clocks {
        self.0.as_mut().expect("a group that was formed has clocks")
    }
}

impl Scenario for Jump {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        let (clocks, cluster) = Clocks::form()?;
        self.0 = Some(clocks);
        Ok(cluster)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let odd = NODES[stage.number as usize % NODES.len()];
        let seconds = if stage.number.is_multiple_of(2) { 3600 } else { -3600 };
        let (during, after) = self.clocks().jump(stage, (&[odd], seconds), &[odd], WRONG);
        for moved in [during, after] {
            assert!(moved.abs() <= MOVES_MAX_MS, "the stamps moved by {moved} ms with the clock of {odd}");
        }
        Round::of(format!("{odd} by {seconds} s: stamps moved by {during} ms"))
    }
}
