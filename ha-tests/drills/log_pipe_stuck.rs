//! Standard error of both data nodes is a full pipe without a reader: see `docs/drills/log-pipe-stuck.md`. Called by `drill`.

use std::time::Instant;

use ocs_ha_tests::{
    Cluster,
    drill::{Bar, DATA, Drill, Options, Round, Scenario, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "log-pipe-stuck", bar: Some(Bar::STALL), network: false, scenario: || Box::new(Stuck) };

const DROPPED: &str = "ocs_log_lines_dropped_total";
/// Lines that are dropped in a round: each of them found the queue full.
const LINES: f64 = 500.0;

#[derive(Debug)]
struct Stuck;

impl Scenario for Stuck {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        let mut cluster = Cluster::prepare(&[]);
        let loud = ["--bootstrap", "--set", "logging.filter=info,h2=trace,hyper=trace"];
        DATA.iter().for_each(|node| cluster.start_node_unread(node, &loud));
        cluster.start_node("w", &["--bootstrap"]);
        cluster.wait_whole();
        Ok(cluster)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let began = Instant::now();
        for node in DATA {
            let before = stage.cluster.metric(node, DROPPED);
            until("lines are dropped", || stage.cluster.metric(node, DROPPED) >= before + LINES);
        }
        assert_eq!(stage.cluster.primary(), primary, "the role moved");
        let to = [primary, backup][stage.number as usize % 2];
        if to == backup {
            until("a switchover that is not refused", || stage.cluster.ctl(&["switchover", "--to", to]).code == 0);
        }
        DATA.iter().for_each(|node| stage.more(node, 30));
        let pause = stage.pause_since(began);
        stage.cluster.wait_back();
        Round::with_outage(format!("nobody reads the logs, {to} is primary"), pause)
    }
}
