//! Packets between nodes are dropped, silently: see `docs/drills/partition.md`. Called by `drill`.

use std::{
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster, Cut, Net,
    drill::{Bar, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "partition", bar: Some(Bar::UNREACHABLE), network: true, scenario: || Box::new(Partition) };

/// Length of a cut that needs no failover: longer than any election timeout.
const LASTS: Duration = Duration::from_millis(1200);
/// Time that a client waits for an answer, since dropped packets give none; longer than any election.
const PATIENCE: Duration = Duration::from_millis(2000);

/// The nodes that a cut separates.
#[derive(Debug, Clone, Copy)]
enum Case {
    /// The primary from all nodes and clients: the other node must take over.
    PrimaryFromAll,
    /// The primary from the other nodes, not from its clients: they must not get stale answers.
    PrimaryFromNodes,
    /// Two nodes, by role; both ways or from the first to the second.
    Pair(Role, Role, bool),
    /// A node from all other nodes and clients.
    One(Role),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Backup,
    Witness,
}

use Role::{Backup, Primary, Witness};

/// The cases of even rounds, in turn; odd rounds cut the primary off.
const EVEN: [Case; 11] = [
    Case::Pair(Primary, Backup, true),
    Case::Pair(Primary, Witness, true),
    Case::Pair(Backup, Witness, true),
    Case::Pair(Primary, Backup, false),
    Case::Pair(Backup, Primary, false),
    Case::Pair(Primary, Witness, false),
    Case::Pair(Witness, Primary, false),
    Case::Pair(Backup, Witness, false),
    Case::Pair(Witness, Backup, false),
    Case::One(Backup),
    Case::One(Witness),
];

struct Partition;

impl Scenario for Partition {
    fn start(&mut self, options: &Options) -> Result<Cluster, String> {
        let net = options.net.as_deref().map(Net::named).ok_or("it runs in a network of its own")?;
        let mut cluster = Cluster::prepare_on(Some(net), &[]);
        cluster.form();
        Ok(cluster)
    }

    fn prepare(&mut self, stage: &mut Stage) {
        stage.patience = PATIENCE;
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let at = stage.number as usize - 1;
        let case = match at % 4 {
            0 => Case::PrimaryFromAll,
            2 => Case::PrimaryFromNodes,
            _ => EVEN[at / 2 % EVEN.len()],
        };
        let (primary, backup) = stage.roles();
        let name = |role| match role {
            Primary => primary,
            Backup => backup,
            Witness => "w",
        };
        match case {
            Case::PrimaryFromAll => fail_over(stage, &from_all(primary), "all"),
            Case::PrimaryFromNodes => {
                fail_over(stage, &[both(primary, backup), both(primary, "w")].concat(), "the nodes")
            }
            Case::Pair(one, other, true) => go_on(stage, &both(name(one), name(other))),
            Case::Pair(from, to, false) => go_on(stage, &[one_way(name(from), name(to))]),
            Case::One(role) => go_on(stage, &from_all(name(role))),
        }
    }
}

fn one_way(from: &'static str, to: &'static str) -> Cut {
    Cut { from: Some(from), to: Some(to) }
}

fn both(one: &'static str, other: &'static str) -> Vec<Cut> {
    vec![one_way(one, other), one_way(other, one)]
}

fn from_all(node: &'static str) -> Vec<Cut> {
    vec![Cut { from: Some(node), to: None }, Cut { from: None, to: Some(node) }]
}

/// The primary is cut off, and the other node takes over.
fn fail_over(stage: &mut Stage, cuts: &[Cut], from: &str) -> Round {
    let (primary, backup) = stage.roles();
    stage.excuse(primary);
    let moment = Instant::now();
    cut(stage, cuts);
    let outage = stage.outage(backup, moment);
    stage.more(backup, 20);
    cut(stage, &[]);
    stage.back(primary);
    Round::with_outage(format!("{primary}, primary, from {from}"), outage)
}

/// The primary keeps a quorum, and goes on.
fn go_on(stage: &mut Stage, cuts: &[Cut]) -> Round {
    let (primary, backup) = stage.roles();
    let touches = |node| cuts.iter().any(|cut| cut.from == Some(node) || cut.to == Some(node));
    if touches(backup) && (touches(primary) || !touches("w")) {
        stage.excuse(backup);
    }
    cut(stage, cuts);
    stage.more(primary, 20);
    thread::sleep(LASTS);
    stage.more(primary, 20);
    cut(stage, &[]);
    stage.back(backup);
    let side = |side: Option<&'static str>| side.unwrap_or("all");
    let cuts: Vec<String> = cuts.iter().map(|cut| format!("{} to {}", side(cut.from), side(cut.to))).collect();
    Round::of(format!("{}, primary {primary}", cuts.join(", ")))
}

fn cut(stage: &Stage, cuts: &[Cut]) {
    let net = stage.net.as_ref().expect("it runs in a network of its own");
    net.cut(cuts).expect("nft took the first rules too");
}
