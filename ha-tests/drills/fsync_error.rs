//! A sync fails, and its writes are lost: see `docs/drills/fsync-error.md`. Called by `drill`.

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{Disks, Drill, Options, Round, Scenario, Stage},
    until,
};
use rand::Rng;

pub(crate) const DRILL: Drill =
    Drill { name: "fsync-error", bar: None, network: false, scenario: || Box::new(Failing::default()) };

const EXIT_DISK: i32 = 74;

#[derive(Debug, Default)]
struct Failing(Disks);

impl Scenario for Failing {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        self.0.form(&NODES)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let node = [primary, backup, "w"][stage.number as usize % 3];
        stage.excuse(node);
        until(&format!("{node} ends"), || {
            if self.0.of(node).failing_syncs() == 0 {
                self.0.of(node).fail_syncs(1); // the last one hit a file that the node can spare
            }
            !stage.cluster.runs(node)
        });
        self.0.of(node).fail_syncs(0);
        assert_eq!(stage.cluster.node(node).wait(), EXIT_DISK, "{node} did not say that its disk is at fault");
        stage.more(stage.cluster.other(node), 30);
        let told = if stage.rng.random_bool(0.5) {
            self.0.cut_power(stage, &[node])
        } else {
            stage.cluster.kill(node); // reaps the process
            "and restart it".to_owned()
        };
        stage.cluster.start_node(node, &[]);
        stage.back(node);
        assert!(!stage.said(node).contains("gives its Raft id up"), "{node} lost its log to a failed sync");
        Round::of(format!("fail a sync of {node} {told}"))
    }
}
