//! The measurements of a drill. Never sends. Called by `drill`, and by the verb that shows the report.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    bars::{Bar, Figures, Judged},
    check::Check,
    prober::{Outcome, Probe, Probes},
};
use crate::{cli::DrillKind, latency::nearest_rank, print};

/// One round of harm.
#[derive(Debug)]
pub(crate) struct Round {
    /// The node that was primary.
    pub(crate) node: String,
    /// Of updates.
    pub(crate) unavailable: Duration,
    /// From the harm until the group was whole again, where the primary was not to be reached.
    pub(crate) down: Option<(Instant, Instant)>,
}

impl Round {
    /// A line of progress.
    pub(crate) fn line(&self, kind: DrillKind, number: u32, of: u32) -> String {
        let moved = match kind {
            DrillKind::Kill => "killed",
            DrillKind::Pause => "paused",
            DrillKind::Partition => "cut off",
            DrillKind::Switchover => "handed over",
            DrillKind::LoseWitness => "handed over without the witness",
        };
        format!("round {number} of {of}: {} {moved}, unavailable {:.1} ms", self.node, ms(self.unavailable))
    }

    fn was_down(&self, node: Option<&str>, probe: &Probe) -> bool {
        let within = |(from, to): (Instant, Instant)| probe.done >= from && probe.sent <= to;
        node == Some(self.node.as_str()) && self.down.is_some_and(within)
    }
}

/// The course of a drill.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The list that the updates went to.
    pub(crate) list: String,
    /// Why the list is left; none: it is being deleted.
    pub(crate) list_left: Option<String>,
    /// Rounds that were asked for.
    pub(crate) wanted: u32,
    /// Rounds that were run.
    pub(crate) rounds: Vec<Round>,
    /// Switchovers that were refused and asked for again.
    pub(crate) refusals: u32,
    /// Why not everything was run or checked.
    pub(crate) stopped: Option<String>,
}

/// The result of a drill; updates = acknowledged + failed + unknown + at_down_node.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kind: &'static str,
    list: String,
    /// Why the list is left; none: it is being deleted.
    list_left: Option<String>,
    rounds_wanted: u32,
    rounds: usize,
    /// From the harm to the first update sent after it and acknowledged through another node's proxy; or the longest pause
    /// between acknowledged updates around a switchover.
    unavailable_ms: Option<Figures>,
    bar: Judged,
    each_ms: Vec<f64>,
    /// Switchovers that were refused, changed nothing, and were asked for again.
    refusals: u32,
    updates: u64,
    acknowledged: u64,
    /// Answered with anything but 200, or not delivered, at a node that was not down.
    failed: u64,
    /// Connection broken after sending, no answer, or 504, at a node that was not down.
    unknown: u64,
    /// Failed or unknown at the proxy of the node that was away, until its return.
    at_down_node: u64,
    /// Not sent, because too many were in flight.
    skipped: u64,
    lost: u64,
    duplicates: u64,
    unknown_applied: u64,
    /// Why not everything was run or checked.
    stopped: Option<String>,
}

impl Report {
    /// Builds the report.
    pub(crate) fn new(kind: DrillKind, ran: Ran, probes: &Probes, check: &Check) -> Self {
        let bar = Bar::of(kind);
        let each_ms: Vec<f64> = ran.rounds.iter().map(|round| ms(round.unavailable)).collect();
        let mut report = Self {
            kind: kind.word(),
            list: ran.list,
            list_left: ran.list_left,
            rounds_wanted: ran.wanted,
            rounds: ran.rounds.len(),
            bar: bar.judge(None, 0),
            unavailable_ms: figures(&each_ms),
            each_ms,
            refusals: ran.refusals,
            updates: probes.probes.len() as u64,
            acknowledged: 0,
            failed: 0,
            unknown: 0,
            at_down_node: 0,
            skipped: probes.skipped,
            lost: check.lost,
            duplicates: check.duplicates,
            unknown_applied: check.unknown_applied,
            stopped: ran.stopped,
        };
        probes.probes.iter().for_each(|probe| report.count(probe, &ran.rounds, &probes.nodes));
        report.bar = bar.judge(report.unavailable_ms.as_ref(), report.failed + report.unknown);
        report
    }

    fn count(&mut self, probe: &Probe, rounds: &[Round], nodes: &[Option<String>]) {
        let node = nodes.get(probe.proxy).and_then(Option::as_deref);
        let counter = match probe.outcome {
            Outcome::Acked => &mut self.acknowledged,
            _ if rounds.iter().any(|round| round.was_down(node, probe)) => &mut self.at_down_node,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Unknown => &mut self.unknown,
        };
        *counter += 1;
    }

    /// Why the drill did not succeed, in one line.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.lost > 0 || self.duplicates > 0 {
            return Some(format!("{} acknowledged updates lost, {} duplicates", self.lost, self.duplicates));
        }
        self.stopped.clone()
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![
            ("drill", format!("{}, {} of {} rounds", self.kind, self.rounds, self.rounds_wanted)),
            ("updates", format!("{}, acknowledged {}", self.updates, self.acknowledged)),
            ("lost", self.lost.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("failed", self.failed.to_string()),
            ("outcome unknown", self.unknown.to_string()),
        ];
        if self.at_down_node > 0 {
            rows.push(("not sent on", format!("{}: their node was down on purpose", self.at_down_node)));
        }
        if self.refusals > 0 {
            rows.push(("refused", format!("{} switchovers, asked for again", self.refusals)));
        }
        if self.skipped > 0 {
            rows.push(("never sent", format!("{}: too many were in flight", self.skipped)));
        }
        format!("{}\n\n{}", self.bar.table(self.unavailable_ms.as_ref()), print::pairs(&rows))
    }
}

fn figures(each_ms: &[f64]) -> Option<Figures> {
    let at = |fraction| nearest_rank(each_ms, fraction);
    Some(Figures { p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)? })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(check: Check, stopped: Option<String>) -> Report {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let probe =
            |proxy, sent_ms, outcome| Probe { number: 0, proxy, sent: at(sent_ms), done: at(sent_ms + 1), outcome };
        let probes = vec![
            probe(0, 10, Outcome::Acked),
            probe(0, 100, Outcome::Failed(0)),
            probe(0, 110, Outcome::Unknown),
            probe(1, 120, Outcome::Failed(503)),
            probe(1, 130, Outcome::Unknown),
            probe(0, 900, Outcome::Failed(503)),
        ];
        let round = |unavailable_ms| Round {
            node: "a".to_owned(),
            unavailable: Duration::from_millis(unavailable_ms),
            down: Some((at(90), at(500))),
        };
        let probes = Probes { probes, nodes: vec![Some("a".to_owned()), Some("b".to_owned())], skipped: 0 };
        let ran = Ran {
            list: "drill-1".to_owned(),
            list_left: None,
            wanted: 2,
            rounds: vec![round(100), round(140)],
            refusals: 0,
            stopped,
        };
        Report::new(DrillKind::Kill, ran, &probes, &check)
    }

    #[test]
    fn what_fails_at_a_node_while_it_is_down_is_counted_apart() {
        let report = report(Check::default(), None);
        assert_eq!((report.acknowledged, report.at_down_node, report.failed, report.unknown), (1, 2, 2, 1));
        assert_eq!(report.updates, report.acknowledged + report.at_down_node + report.failed + report.unknown);
    }

    #[test]
    fn a_lost_update_or_a_duplicate_fails_the_drill_and_a_failed_request_does_not() {
        assert_eq!(report(Check::default(), None).complaint(), None);
        assert!(report(Check { lost: 1, ..Check::default() }, None).complaint().is_some());
        assert!(report(Check { duplicates: 1, ..Check::default() }, None).complaint().is_some());
        assert!(report(Check::default(), Some("round 2: no".to_owned())).complaint().is_some());
    }

    #[test]
    fn the_table_shows_percentiles_of_the_rounds() {
        let table = report(Check::default(), None).table();
        assert!(table.contains("100.0") && table.contains("140.0") && table.contains("within target"), "{table}");
        assert!(table.contains("2: their node was down on purpose") && table.contains("LIMIT"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= print::WIDTH), "{table}");
    }
}
