//! Cuts the power of a group's nodes, again and again: the common part of the drills `power-cut-one`, `power-cut-both` and
//! `power-cut-all`. Called by them.

use std::{thread, time::Duration};

use rand::Rng;
use serde_json::json;

use super::{Disks, Options, Round, Scenario, Stage};
use crate::{cluster::Cluster, settings::NODES};

/// A node's power is cut again at most so long after its start: the moment is random.
const AGAIN: Duration = Duration::from_millis(600);

/// The list of updates whose answers take more than a page: so the state's journal is torn inside a value too.
const LIST: &str = "large";
/// Letters of such an answer, and the number of such updates before a cut.
const LETTERS_MAX: usize = 16_000;
const LARGE_MAX: usize = 8;

/// The nodes that lose power in a round.
#[derive(Debug)]
pub struct PowerCut {
    disks: Disks,
    whom: fn(&mut Stage) -> Vec<&'static str>,
}

impl PowerCut {
    /// The nodes that `whom` names, all at the same moment.
    pub fn of(whom: fn(&mut Stage) -> Vec<&'static str>) -> Self {
        Self { disks: Disks::default(), whom }
    }

    /// Cuts and starts the nodes; in every other round a second time during their start.
    fn cut(&self, stage: &mut Stage, nodes: &[&'static str]) -> String {
        let mut told = self.disks.cut_power(stage, nodes);
        nodes.iter().for_each(|node| stage.cluster.start_node(node, &[]));
        if stage.rng.random_bool(0.5) {
            thread::sleep(AGAIN.mul_f64(stage.rng.random_range(0.0..1.0)));
            told = format!("{told}; again: {}", self.disks.cut_power(stage, nodes));
            nodes.iter().for_each(|node| stage.cluster.start_node(node, &[]));
        }
        told
    }
}

/// Writes updates that no state has synced yet when the power goes.
fn write_large(stage: &mut Stage) {
    let mut client = stage.cluster.http(stage.cluster.primary());
    for number in 0..stage.rng.random_range(0..=LARGE_MAX) {
        let reference = "r".repeat(stage.rng.random_range(1..LETTERS_MAX));
        let body =
            json!({ "GSW_PHONE": format!("+1888{:05}{number:04}", stage.number), "GSW_REFERENCE_ID": reference });
        let answer = client.post(&format!("/lists/{LIST}?req=AddRecord"), &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

impl Scenario for PowerCut {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        self.disks.form(&NODES)
    }

    fn prepare(&mut self, stage: &mut Stage) {
        stage.cluster.create_list(LIST);
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        write_large(stage);
        let nodes = (self.whom)(stage);
        let mut told = self.cut(stage, &nodes);
        nodes.iter().for_each(|node| stage.back(node));
        for node in &nodes {
            let said = stage.said(node);
            assert!(!said.contains("gives its Raft id up"), "{node} lost its log to a power cut: {told}");
            if said.contains("it is moved aside") {
                told = format!("{told}; {node} fetched its state");
            }
            if said.contains("cut a torn batch off") {
                told = format!("{told}; {node} mended its state");
            }
        }
        Round::of(told)
    }
}
