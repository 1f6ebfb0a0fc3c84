//! The figures of a load. Never measures: the meter does. Called by `bench`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{print, replay::Report};

/// The result of a load.
#[derive(Debug, Serialize)]
pub(crate) struct BenchReport {
    /// `update`, `get` or `preview`.
    what: &'static str,
    /// The list; empty until the verb names it.
    pub(crate) list: String,
    clients: usize,
    /// From the first request to the last answer.
    seconds: f64,
    requests: u64,
    /// Requests that did not end in 200.
    pub(crate) errors: u64,
    /// How requests ended, by status and code.
    by_status: BTreeMap<String, u64>,
    /// Successes a second.
    requests_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Previews found no record any more, so that the load ended early.
    no_record_left: bool,
    /// Records that stay handed out until `retrieved_timeout`: their RecordReject failed.
    not_given_back: u64,
    /// Why the list that was made is left; none: no list is left behind.
    pub(crate) list_left: Option<String>,
}

impl BenchReport {
    /// Out of the meter's figures.
    pub(super) fn new(
        what: &'static str,
        clients: usize,
        figures: Report,
        no_record_left: bool,
        not_given_back: u64,
    ) -> Self {
        Self {
            what,
            list: String::new(),
            clients,
            seconds: figures.seconds,
            requests: figures.requests,
            errors: figures.requests - figures.succeeded,
            by_status: figures.by_status,
            requests_per_s: figures.requests_per_s,
            p50_ms: figures.p50_ms,
            p99_ms: figures.p99_ms,
            max_ms: figures.max_ms,
            no_record_left,
            not_given_back,
            list_left: None,
        }
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let ms = |value: f64| format!("{value:.1} ms");
        let by_status: Vec<_> = self.by_status.iter().map(|(end, count)| format!("{end}: {count}")).collect();
        let mut rows = vec![
            ("what", format!("{} of {}, {} clients, {:.1} s", self.what, self.list, self.clients, self.seconds)),
            ("requests", print::grouped(self.requests)),
            ("rate", format!("{:.0} requests/s", self.requests_per_s)),
            ("median", ms(self.p50_ms)),
            ("p99", ms(self.p99_ms)),
            ("max", ms(self.max_ms)),
            ("errors", self.errors.to_string()),
            ("by status", if by_status.is_empty() { "none".to_owned() } else { by_status.join(", ") }),
        ];
        if self.no_record_left {
            rows.push(("ended early", "the group has no record left that can be handed out now".to_owned()));
        }
        if self.not_given_back > 0 {
            let held = format!("{} records stay handed out until retrieved_timeout", self.not_given_back);
            rows.push(("not given back", held));
        }
        if let Some(why) = &self.list_left {
            rows.push(("left", format!("list {}: {why}", self.list)));
        }
        print::pairs(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(succeeded: u64) -> Report {
        let by_status = BTreeMap::from([("200".to_owned(), succeeded), ("503 UNAVAILABLE".to_owned(), 2)]);
        let (requests, requests_per_s) = (succeeded + 2, 1234.4);
        Report { requests, succeeded, by_status, requests_per_s, p50_ms: 1.25, p99_ms: 9.0, ..Report::default() }
    }

    #[test]
    fn requests_that_did_not_succeed_are_errors_by_their_status() {
        let report = BenchReport::new("update", 16, figures(1_000), false, 0);
        assert_eq!(report.errors, 2);
        let shown = report.table();
        for part in ["requests   1,002", "1234 requests/s", "errors     2", "503 UNAVAILABLE: 2", "p99        9.0 ms"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("ended early") && !shown.contains("not given back"), "{shown}");
    }

    #[test]
    fn previews_that_ran_dry_and_records_that_were_kept_are_told() {
        let mut report = BenchReport::new("preview", 4, figures(1), true, 3);
        (report.list, report.list_left) = ("bench-1".to_owned(), Some("no primary".to_owned()));
        let shown = report.table();
        for part in ["ended early", "3 records stay handed out", "list bench-1: no primary"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((json["errors"].as_u64(), json["no_record_left"].as_bool()), (Some(2), Some(true)));
    }
}
