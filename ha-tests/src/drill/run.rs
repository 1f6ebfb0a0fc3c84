//! A drill, round by round: clients begin, a fault befalls the group, the group is whole again, the clients end, and their
//! history is judged. The first finding ends the drill. Called by the binary `drill`.

use std::{path::PathBuf, time::Duration};

use super::{
    call::Call,
    report::{Bar, Report, RoundLine},
    roles::{RoleWatch, contradiction},
    stage::{DATA, Excuse, Stage},
    verdict::{Verdict, judge},
};
use crate::{cluster::Cluster, net::Net, settings::NODES};

/// A drill by its name.
#[derive(Debug, Clone, Copy)]
pub struct Drill {
    /// One word in three places: here, `docs/drills/`, `make drill NAME=`.
    pub name: &'static str,
    /// The bar for the outage of a round.
    pub bar: Option<Bar>,
    /// The nodes need a network of their own, and the drill runs inside that network.
    pub network: bool,
    /// Makes the scenario.
    pub scenario: fn() -> Box<dyn Scenario>,
}

/// The faults of a drill.
pub trait Scenario {
    /// Forms the group.
    ///
    /// # Errors
    /// The reason why this machine cannot run the drill, which is then skipped.
    fn start(&mut self, options: &Options) -> Result<Cluster, String>;

    /// Called once, before the first round.
    fn prepare(&mut self, _stage: &mut Stage) {}

    /// One round, with clients at work; ends with the group whole.
    fn round(&mut self, stage: &mut Stage) -> Round;
}

/// A drill on a group like any other.
#[derive(Debug, Clone, Copy)]
pub struct Plain(pub fn(&mut Stage) -> Round);

impl Scenario for Plain {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        Ok(Cluster::start())
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        self.0(stage)
    }
}

/// The outcome of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// The victims, in a few words.
    pub what: String,
    /// Longest time without an acknowledged update, where the drill measures an outage.
    pub outage: Option<Duration>,
    /// The outage counts against the drill's bar.
    pub barred: bool,
}

impl Round {
    /// Without an outage to be measured.
    pub fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), outage: None, barred: false }
    }

    /// With an outage that counts against the bar.
    pub fn with_outage(what: impl Into<String>, outage: Duration) -> Self {
        Self { what: what.into(), outage: Some(outage), barred: true }
    }
}

/// Options of a drill.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of rounds.
    pub rounds: u32,
    /// Seed of the drill's chance.
    pub seed: u64,
    /// The network of the drill.
    pub net: Option<String>,
    /// A missed bar fails the drill.
    pub strict: bool,
    /// The programs of an older release, for the drill that begins with them.
    pub old: Option<PathBuf>,
}

/// Runs a drill, and prints every line of its report at once.
///
/// # Errors
/// The reason for skipping the drill.
pub fn run(drill: &Drill, options: &Options, tell: &dyn Fn(&str)) -> Result<Report, String> {
    let mut scenario = (drill.scenario)();
    let cluster = scenario.start(options)?;
    let mut stage = Stage::new(cluster, options.seed, options.net.as_deref().map(Net::named));
    let admin = |node: &'static str| (node, stage.cluster.settings().address(node, "admin"));
    let watch = RoleWatch::start(stage.clock, NODES.map(admin).to_vec());
    let mut report = Report::new(drill, options);
    let mut histories = Vec::new();
    scenario.prepare(&mut stage);
    for _ in 0..options.rounds {
        stage.begin();
        let round = scenario.round(&mut stage);
        let calls = stage.end();
        let differs = stage.cluster.difference(); // waits until both nodes have applied every entry
        let mut verdict = inspect(&stage, &stage.list(), &calls);
        verdict.false_answers.extend(differs);
        let failures = failures(&calls, &stage.excuses);
        let line = RoundLine { number: stage.number, round, calls: calls.len(), failures, verdict };
        tell(&line.text(options.rounds));
        histories.push((stage.list(), calls));
        report.take(line, contradiction(&watch.claims()));
        if report.failed() {
            report.findings().for_each(|finding| tell(&finding));
            stage.cluster.show_logs();
            break;
        }
    }
    if !report.failed() && histories.len() > 1 {
        report.last(look_again(&stage, &histories));
    }
    Ok(report)
}

/// Compares the nodes' content of every round's list: no later round lost an update.
fn look_again(stage: &Stage, histories: &[(String, Vec<Call>)]) -> Verdict {
    let mut all = Verdict::default();
    histories.iter().for_each(|(list, calls)| all.add(inspect(stage, list, calls)));
    all
}

fn inspect(stage: &Stage, list: &str, calls: &[Call]) -> Verdict {
    let exports = DATA.map(|node| (node, stage.cluster.export(list, node)));
    judge(calls, &exports, stage.clock.ns())
}

/// The failures at an HTTP Proxy that had no excuse.
fn failures(calls: &[Call], excuses: &[Excuse]) -> Vec<String> {
    let mut found = Vec::new();
    for call in calls {
        for attempt in &call.attempts {
            let excused = |excuse: &Excuse| {
                excuse.node == attempt.proxy
                    && attempt.to_ns >= excuse.from_ns
                    && excuse.to_ns.is_none_or(|to_ns| attempt.from_ns <= to_ns)
            };
            if let Some(why) = attempt.failure.as_ref().filter(|_| !excuses.iter().any(excused)) {
                let (from_ms, to_ms) = (attempt.from_ns / 1_000_000, attempt.to_ns / 1_000_000);
                found.push(format!("{:?} at {}, {from_ms} to {to_ms} ms: {why}", call.act, attempt.proxy));
            }
        }
    }
    found
}
