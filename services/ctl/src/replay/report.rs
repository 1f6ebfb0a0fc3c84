//! The measurements of a replay and of a bench. Never sends. Called by their workers, and by the verb that shows the report.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::{latency::Latencies, print};

/// Failed requests that are named in the report.
const EXAMPLES_MAX: usize = 5;

/// How one attempt, or a whole request, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// 200.
    Succeeded {
        /// The answer was that of an earlier attempt, or of an earlier replay of the same file.
        replayed: bool,
    },
    /// Another status.
    Refused {
        /// HTTP status.
        status: u16,
        /// `GSW_ERROR_CODE`, if the body had one.
        code: String,
    },
    /// No status at all.
    NoAnswer(&'static str),
}

impl End {
    fn label(&self) -> String {
        match self {
            Self::Succeeded { .. } => "200".to_owned(),
            Self::Refused { status, code } => format!("{status} {code}").trim_end().to_owned(),
            Self::NoAnswer(why) => (*why).to_owned(),
        }
    }
}

/// The result of a replay.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Requests that ended; each counts once, whatever the number of attempts.
    pub(crate) requests: u64,
    /// Of those, ended in 200.
    pub(crate) succeeded: u64,
    /// Of those that succeeded, answered from an earlier attempt's result.
    pub(crate) replayed: u64,
    /// How requests ended in the end, by status and code.
    pub(crate) by_status: BTreeMap<String, u64>,
    /// Attempts that were made again, by why.
    pub(crate) retries: BTreeMap<String, u64>,
    /// From a request's first attempt to its end, retries included.
    pub(crate) p50_ms: f64,
    /// The same.
    pub(crate) p99_ms: f64,
    /// The same.
    pub(crate) max_ms: f64,
    /// Between two successes that follow each other.
    pub(crate) longest_gap_ms: f64,
    /// Of the whole replay.
    pub(crate) seconds: f64,
    /// Successes a second.
    pub(crate) requests_per_s: f64,
    /// The first few that failed, by line of the file.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Whether every request ended in success.
    pub(crate) fn all_succeeded(&self) -> bool {
        self.succeeded == self.requests
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let counts = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<_> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        let ms = |value: f64| format!("{value:.1} ms");
        let mut rows = vec![
            ("requests", self.requests.to_string()),
            ("by status", counts(&self.by_status)),
            ("answered before", self.replayed.to_string()),
            ("retries", counts(&self.retries)),
            ("p50", ms(self.p50_ms)),
            ("p99", ms(self.p99_ms)),
            ("max", ms(self.max_ms)),
            ("longest gap", ms(self.longest_gap_ms)),
            ("took", format!("{:.1} s", self.seconds)),
            ("rate", format!("{:.0} requests/s", self.requests_per_s)),
        ];
        rows.extend(self.failures.iter().map(|line| ("failed", line.clone())));
        print::pairs(&rows)
    }
}

/// Measures while workers work.
pub(crate) struct Meter {
    began: Instant,
    bar: ProgressBar,
    state: Mutex<Measured>,
}

struct Measured {
    report: Report,
    latencies: Latencies,
    last_success: Option<Instant>,
}

impl Meter {
    /// Begins to measure now.
    pub(crate) fn new(bar: ProgressBar) -> Self {
        let state = Measured { report: Report::default(), latencies: Latencies::new(), last_success: None };
        Self { began: Instant::now(), bar, state: Mutex::new(state) }
    }

    /// An attempt is made again.
    pub(super) fn retried(&self, why: &End) {
        *self.state().report.retries.entry(why.label()).or_default() += 1;
    }

    /// A request ended, now.
    pub(crate) fn ended(&self, line: u32, end: End, began: Instant) {
        let mut state = self.state();
        state.ended(line, &end, began, Instant::now());
        if state.report.requests.is_multiple_of(64) {
            let rate = state.report.requests as f64 / self.began.elapsed().as_secs_f64().max(0.001);
            self.bar.set_position(state.report.requests);
            self.bar.set_message(format!("{rate:.0} requests/s"));
        }
    }

    /// Ends the measuring.
    pub(crate) fn report(&self) -> Report {
        let mut state = self.state();
        let mut report = std::mem::take(&mut state.report);
        report.p50_ms = state.latencies.quantile_ms(0.5);
        report.p99_ms = state.latencies.quantile_ms(0.99);
        report.max_ms = state.latencies.max_ms();
        report.seconds = self.began.elapsed().as_secs_f64();
        report.requests_per_s = report.succeeded as f64 / report.seconds.max(0.001);
        report
    }

    fn state(&self) -> MutexGuard<'_, Measured> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn ended(&mut self, line: u32, end: &End, began: Instant, now: Instant) {
        self.report.requests += 1;
        *self.report.by_status.entry(end.label()).or_default() += 1;
        self.latencies.add(now.duration_since(began));
        let End::Succeeded { replayed } = end else {
            if self.report.failures.len() < EXAMPLES_MAX {
                self.report.failures.push(format!("line {line}: {}", end.label()));
            }
            return;
        };
        self.report.succeeded += 1;
        self.report.replayed += u64::from(*replayed);
        if let Some(last) = self.last_success.replace(now) {
            let gap_ms = now.duration_since(last).as_secs_f64() * 1000.0;
            self.report.longest_gap_ms = self.report.longest_gap_ms.max(gap_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state_after(ends: &[(u64, End)]) -> Measured {
        let mut state = Meter::new(ProgressBar::hidden()).state.into_inner().unwrap();
        let began = Instant::now();
        for (line, (at_ms, end)) in (1..).zip(ends) {
            state.ended(line, end, began, began + Duration::from_millis(*at_ms));
        }
        state
    }

    fn ok(replayed: bool) -> End {
        End::Succeeded { replayed }
    }

    fn gone() -> End {
        End::Refused { status: 404, code: "RECORD_NOT_FOUND".to_owned() }
    }

    #[test]
    fn the_longest_gap_lies_between_two_successes() {
        let report = state_after(&[(10, ok(false)), (60, gone()), (110, ok(true)), (120, ok(false))]).report;
        assert_eq!(report.longest_gap_ms, 100.0);
        assert_eq!((report.requests, report.succeeded, report.replayed), (4, 3, 1));
        assert!(!report.all_succeeded());
    }

    #[test]
    fn requests_are_counted_by_how_they_ended_in_the_end() {
        let report = state_after(&[(1, ok(false)), (2, gone()), (3, End::NoAnswer("not connected"))]).report;
        let counts: Vec<_> = report.by_status.iter().map(|(what, count)| (what.as_str(), *count)).collect();
        assert_eq!(counts, [("200", 1), ("404 RECORD_NOT_FOUND", 1), ("not connected", 1)]);
        assert_eq!(report.failures, ["line 2: 404 RECORD_NOT_FOUND", "line 3: not connected"]);
    }
}
