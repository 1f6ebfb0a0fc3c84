//! The disk of a node is slow for a while: see `docs/drills/slow-disk.md`. Called by `drill`.

use std::time::Duration;

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{DATA, Disks, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "slow-disk", bar: None, network: false, scenario: || Box::new(Slow::default()) };

/// Of every write and every sync: some hundred times a good disk's.
const DELAY: Duration = Duration::from_millis(40);

#[derive(Debug, Default)]
struct Slow(Disks);

impl Scenario for Slow {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        self.0.form(&NODES)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let slow = [backup, "w", primary][stage.number as usize % 3];
        self.0.of(slow).slow(DELAY);
        DATA.iter().for_each(|node| stage.more(node, 60));
        self.0.of(slow).slow(Duration::ZERO);
        assert_eq!(stage.cluster.primary(), primary, "the role moved");
        stage.back(slow);
        Round::of(format!("slow the disk of {slow}"))
    }
}
