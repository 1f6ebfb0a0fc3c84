//! Figures of a drill, a line a round and a few at the end, and the same as JSON. Pure. Called by `run` and the binary `drill`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    run::{Drill, Options, Round},
    verdict::Verdict,
};

/// Findings that are printed at most.
const TOLD_MAX: usize = 5;

/// A bar of architecture, Failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The 99th percentile stays below.
    pub p99_ms: u64,
    /// Better than that: this percentile stays below.
    pub target: (u32, u64),
}

impl Bar {
    /// The primary's process was killed.
    pub const KILL: Self = Self { p99_ms: 400, target: (99, 150) };
    /// The primary cannot be reached: connections are neither refused nor answered.
    pub const UNREACHABLE: Self = Self { p99_ms: 1600, target: (50, 900) };
    /// A disk or the reader of the log hangs without an error. `node.disk_stall_ms` and 1 s, or 2 s.
    pub const STALL: Self = Self { p99_ms: 5000, target: (50, 4000) };
    /// A planned switchover.
    pub const SWITCHOVER: Self = Self { p99_ms: 100, target: (99, 50) };
}

/// One round and its judgement.
#[derive(Debug, Clone)]
pub(super) struct RoundLine {
    pub(super) number: u32,
    pub(super) round: Round,
    pub(super) calls: usize,
    pub(super) failures: Vec<String>,
    pub(super) verdict: Verdict,
}

impl RoundLine {
    pub(super) fn text(&self, rounds: u32) -> String {
        let outage = self.round.outage.map_or(String::new(), |outage| format!("outage {} ms, ", outage.as_millis()));
        let Verdict { lost, duplicates, stale, false_answers } = &self.verdict;
        format!(
            "round {}/{rounds}: {}: {outage}{} calls, {} failed, {} lost, {} twice, {} stale, {} false",
            self.number,
            self.round.what,
            self.calls,
            self.failures.len(),
            lost.len(),
            duplicates.len(),
            stale.len(),
            false_answers.len()
        )
    }

    fn json(&self) -> Value {
        json!({
            "round": self.number,
            "what": self.round.what,
            "outage_ms": self.round.outage.map(ms),
            "barred": self.round.barred,
            "calls": self.calls,
            "failed": self.failures.len(),
            "lost": self.verdict.lost.len(),
            "twice": self.verdict.duplicates.len(),
            "stale": self.verdict.stale.len(),
            "false": self.verdict.false_answers.len(),
        })
    }
}

/// The result of a drill.
#[derive(Debug, Clone)]
pub struct Report {
    name: &'static str,
    seed: u64,
    strict: bool,
    bar: Option<Bar>,
    rounds: Vec<RoundLine>,
    claims: Option<String>,
    last: Verdict,
}

impl Report {
    pub(super) fn new(drill: &Drill, options: &Options) -> Self {
        Self {
            name: drill.name,
            seed: options.seed,
            strict: options.strict,
            bar: drill.bar,
            rounds: Vec::new(),
            claims: None,
            last: Verdict::default(),
        }
    }

    pub(super) fn take(&mut self, line: RoundLine, claims: Option<String>) {
        self.rounds.push(line);
        self.claims = claims;
    }

    pub(super) fn last(&mut self, verdict: Verdict) {
        self.last = verdict;
    }

    /// The first findings, a line each.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        let failures = self.rounds.iter().flat_map(|line| line.failures.iter().map(|why| format!("failed: {why}")));
        let verdicts = self.rounds.iter().flat_map(|line| line.verdict.findings());
        let claims = self.claims.iter().map(|why| format!("claims of the role: {why}"));
        let last = self.last.findings().map(|finding| format!("at the end: {finding}"));
        verdicts.chain(claims).chain(failures).chain(last).take(TOLD_MAX)
    }

    /// Whether the drill has findings.
    pub fn failed(&self) -> bool {
        self.findings().next().is_some() || self.strict && self.met() == Some(false)
    }

    /// The outages that count, sorted.
    fn outages(&self) -> Vec<Duration> {
        let barred = self.rounds.iter().filter(|line| line.round.barred);
        let mut outages: Vec<Duration> = barred.filter_map(|line| line.round.outage).collect();
        outages.sort_unstable();
        outages
    }

    /// Whether the bar's limit is kept; none: there is no bar, or no outage.
    fn met(&self) -> Option<bool> {
        let p99 = percentile(&self.outages(), 99)?;
        self.bar.map(|bar| p99 < Duration::from_millis(bar.p99_ms))
    }

    /// The end of the report.
    pub fn text(&self) -> String {
        let calls: usize = self.rounds.iter().map(|line| line.calls).sum();
        let mut lines = vec![format!(
            "{}: {} rounds, {calls} calls; histories {}, digests {}, claims of the role {} (seed {})",
            self.name,
            self.rounds.len(),
            if self.rounds.iter().all(|line| line.verdict == Verdict::default()) {
                "linearizable"
            } else {
                "NOT explained"
            },
            if self.failed() { "not looked at again" } else { "equal" },
            if self.claims.is_none() { "linearizable" } else { "NOT linearizable" },
            self.seed,
        )];
        let outages = self.outages();
        if let (Some(p50), Some(p99), Some(max)) = (percentile(&outages, 50), percentile(&outages, 99), outages.last())
        {
            let bar = self.bar.map_or(String::new(), |bar| bar_text(bar, &outages));
            lines.push(format!("outage p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms{bar}", ms(p50), ms(p99), ms(*max)));
        }
        lines.push(if self.failed() { "FAIL".to_owned() } else { "pass".to_owned() });
        lines.join("\n")
    }

    /// The whole report, for a program.
    pub fn json(&self) -> Value {
        let outages = self.outages();
        let at = |part| percentile(&outages, part).map(ms);
        json!({
            "drill": self.name,
            "seed": self.seed,
            "passed": !self.failed(),
            "outage_ms": { "p50": at(50), "p99": at(99), "max": at(100), "rounds": outages.len() },
            "bar_met": self.met(),
            "findings": self.findings().collect::<Vec<_>>(),
            "rounds": self.rounds.iter().map(RoundLine::json).collect::<Vec<_>>(),
        })
    }
}

fn bar_text(bar: Bar, outages: &[Duration]) -> String {
    let (part, target_ms) = bar.target;
    let below = |part, limit_ms| percentile(outages, part).is_some_and(|found| found < Duration::from_millis(limit_ms));
    let result = match (below(99, bar.p99_ms), below(part, target_ms)) {
        (true, true) => "within target",
        (true, false) => "within limit",
        (false, _) => "OVER LIMIT",
    };
    format!("; limit p99 < {} ms, target p{part} < {target_ms} ms, result: {result}", bar.p99_ms)
}

/// The smallest value that so many in a hundred do not exceed.
fn percentile(sorted: &[Duration], part: u32) -> Option<Duration> {
    let place = (sorted.len() * part as usize).div_ceil(100).max(1);
    sorted.get(place - 1).copied()
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&sorted, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&sorted[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn an_outage_is_within_target_within_limit_or_over_it() {
        let text = |ms| bar_text(Bar::KILL, &[Duration::from_millis(ms)]);
        assert_eq!(text(149), "; limit p99 < 400 ms, target p99 < 150 ms, result: within target");
        assert_eq!(text(399), "; limit p99 < 400 ms, target p99 < 150 ms, result: within limit");
        assert_eq!(text(400), "; limit p99 < 400 ms, target p99 < 150 ms, result: OVER LIMIT");
    }
}
