//! The measurements of a drill. Never sends. Called by `drill`, and by the verb that shows the report.

#[cfg(test)]
mod tests;

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
