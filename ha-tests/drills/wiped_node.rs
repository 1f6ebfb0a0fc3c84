//! A node that is down loses its data directory, the backup, the witness and the primary in turn: see
//! `docs/drills/wiped-node.md`. Called by `drill`.

use std::{collections::BTreeMap, fs};

use ocs_ha_tests::{
    Cluster,
    drill::{Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "wiped-node", bar: None, network: false, scenario: || Box::new(Wiped::default()) };

/// How often each node was wiped: the incarnation of its newest id.
#[derive(Debug, Default)]
struct Wiped(BTreeMap<&'static str, u64>);

impl Scenario for Wiped {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        Ok(Cluster::start())
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let wiped = [backup, "w", primary][stage.number as usize % 3];
        let other = stage.cluster.other(wiped);
        stage.kill(wiped);
        stage.cluster.kill(wiped); // reaps the process
        fs::remove_dir_all(stage.cluster.settings().data(wiped)).expect("its data directory");
        stage.more(other, 30);
        stage.cluster.start_node(wiped, &[]);
        let incarnation = self.0.entry(wiped).or_default();
        *incarnation += 1;
        stage.cluster.wait_new_id(wiped, *incarnation);
        stage.back(wiped);
        Round::of(format!("wipe {wiped}"))
    }
}
