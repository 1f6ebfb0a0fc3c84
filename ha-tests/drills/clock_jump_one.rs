//! The wall clock of one node jumps by an hour, and back: see `docs/drills/clock-jump-one.md`. Called by `drill`.

use std::{thread, time::Duration};

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{Clocks, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "clock-jump-one", bar: None, network: false, scenario: || Box::new(Jump::default()) };

/// A stamp may move by no more.
const MOVES_MAX_MS: i64 = 2000;

/// How long the clock is wrong.
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
        let before = self.clocks().lead_ms(stage);
        self.clocks().set(odd, seconds);
        self.clocks().wait_named(stage, &[odd]);
        let (primary, _) = stage.roles();
        assert!(stage.said(primary).contains("wall clocks differ"), "{primary} did not say so in its log");
        thread::sleep(WRONG);
        let during = self.clocks().lead_ms(stage);
        self.clocks().set(odd, 0);
        self.clocks().wait_named(stage, &[]);
        let after = self.clocks().lead_ms(stage);
        for moved in [during - before, after - before] {
            assert!(moved.abs() <= MOVES_MAX_MS, "the stamps moved by {moved} ms with the clock of {odd}");
        }
        Round::of(format!("{odd} by {seconds} s: stamps moved by {} ms", during - before))
    }
}
