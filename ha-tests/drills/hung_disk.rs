//! The disk of a node hangs without an error for a while: see `docs/drills/hung-disk.md`. Called by `drill`.

use std::time::{Duration, Instant};

use ocs_ha_tests::{
    Cluster, NODES,
    drill::{Bar, Disks, Drill, Options, Round, Scenario, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "hung-disk", bar: Some(Bar::STALL), network: false, scenario: || Box::new(Hung::default()) };

/// A client waits longer than the disk needs to count as hanging.
const PATIENCE: Duration = Duration::from_secs(9);

#[derive(Debug, Default)]
struct Hung(Disks);

impl Scenario for Hung {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        self.0.form(&NODES)
    }

    fn prepare(&mut self, stage: &mut Stage) {
        stage.patience = PATIENCE;
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        match stage.number % 4 {
            0 => self.hang_another(stage, [backup, "w"][stage.number as usize / 4 % 2]),
            _ => self.hang_primary(stage, primary, backup),
        }
    }
}

impl Hung {
    fn hang_primary(&self, stage: &mut Stage, primary: &'static str, backup: &'static str) -> Round {
        stage.excuse(primary);
        let began = Instant::now();
        self.0.of(primary).hang(true);
        let outage = stage.outage(backup, began);
        assert_eq!(stage.cluster.primary(), backup, "the role did not move");
        stage.more(backup, 30);
        says_so(&stage.cluster, primary);
        self.0.of(primary).hang(false);
        stage.back(primary);
        Round::with_outage(format!("hang the disk of {primary}, primary"), outage)
    }

    /// No client waits for this disk.
    fn hang_another(&self, stage: &mut Stage, node: &'static str) -> Round {
        let (primary, _) = stage.roles();
        stage.excuse(node);
        self.0.of(node).hang(true);
        stage.more(primary, 30);
        says_so(&stage.cluster, node);
        stage.more(primary, 30);
        assert_eq!(stage.cluster.primary(), primary, "the role moved");
        self.0.of(node).hang(false);
        stage.back(node);
        Round::of(format!("hang the disk of {node}"))
    }
}

/// The node answers all questions of operators and balancers while the disk hangs.
fn says_so(cluster: &Cluster, node: &str) {
    until("its metrics show it", || cluster.metric(node, "ocs_disk_stalled") >= 1.0);
    let mut admin = cluster.admin(node);
    assert_eq!(admin.get("/livez").status, 200);
    assert_eq!(admin.get("/primary").status, 503);
    let ready = admin.get("/readyz");
    assert!(ready.status == 503 && ready.body.contains("disk stalled"), "{ready:?}");
    let warnings = cluster.of_node(node)["warnings"].to_string();
    assert!(warnings.contains("the disk hangs"), "{warnings}");
}
