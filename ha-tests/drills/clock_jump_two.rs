//! The wall clocks of two nodes jump by the same hour, and back: see `docs/drills/clock-jump-two.md`. Called by `drill`.

use std::time::Duration;

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{Clocks, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "clock-jump-two", bar: None, network: false, scenario: || Box::new(Jump::default()) };

/// Time for which the clocks are wrong: the stamps follow by a tenth of that.
const WRONG: Duration = Duration::from_secs(5);

/// The stamps followed if they moved so far at least, and no further, in that time.
const MOVES_MS: std::ops::RangeInclusive<i64> = 250..=1500;

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
        let right = NODES[stage.number as usize % NODES.len()];
        let seconds = if stage.number.is_multiple_of(2) { 3600 } else { -3600 };
        let wrong: Vec<&str> = NODES.into_iter().filter(|node| *node != right).collect();
        let (moved, _) = self.clocks().jump(stage, (&wrong, seconds), &[right], WRONG);
        let followed = moved * seconds.signum();
        assert!(
            MOVES_MS.contains(&followed),
            "the stamps moved by {moved} ms after two clocks had jumped by {seconds} s"
        );
        Round::of(format!("all but {right} by {seconds} s: stamps moved by {moved} ms"))
    }
}
