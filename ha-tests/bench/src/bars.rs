//! The bars: limits for our pair, as ratios to another system in the same round.
//!
//! A ratio whose range over the rounds spans its bar is not decided.

use std::fmt;

use crate::line::Line;

/// The compared figure of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Rate,
    P50,
    P99,
}

impl Figure {
    pub(crate) fn of(self, line: &Line) -> f64 {
        match self {
            Figure::Rate => line.rate,
            Figure::P50 => line.p50_ms,
            Figure::P99 => line.p99_ms,
        }
    }
}

/// One bar. Rates must be at least the ratio, latencies at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) clients: usize,
    pub(crate) figure: Figure,
    /// The system whose figure is divided.
    pub(crate) ours: &'static str,
    /// The divisor's system.
    pub(crate) theirs: &'static str,
    pub(crate) must: Option<f64>,
    pub(crate) reach: Option<f64>,
}

const fn bar(clients: usize, figure: Figure, theirs: &'static str, must: Option<f64>, reach: Option<f64>) -> Bar {
    Bar { clients, figure, ours: "ocs", theirs, must, reach }
}

pub(crate) const BARS: [Bar; 14] = [
    bar(1, Figure::Rate, "postgresql", Some(0.9), None),
    bar(1, Figure::P50, "floor", None, Some(1.5)),
    bar(16, Figure::Rate, "postgresql", Some(1.0), Some(1.3)),
    bar(16, Figure::Rate, "etcd", Some(1.5), Some(2.5)),
    bar(64, Figure::Rate, "postgresql", Some(1.5), Some(2.5)),
    bar(64, Figure::Rate, "etcd", Some(2.0), Some(4.0)),
    bar(64, Figure::Rate, "redis", None, Some(1.0)),
    bar(64, Figure::P99, "etcd", Some(0.7), Some(0.4)),
    bar(256, Figure::Rate, "etcd", Some(2.0), Some(3.5)),
    bar(256, Figure::Rate, "redis", None, Some(1.0)),
    bar(256, Figure::P99, "etcd", Some(0.6), Some(0.4)),
    bar(64, Figure::Rate, "floor", None, None),
    Bar { ours: "ocs-get", ..bar(64, Figure::Rate, "axum", Some(0.4), Some(0.55)) },
    Bar { ours: "ocs-backup", ..bar(64, Figure::Rate, "ocs", Some(0.7), Some(0.85)) },
];

/// The verdict of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    NotDecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::NotDecided => "not decided",
        })
    }
}

/// Smallest, middle, largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { least, median, most })
    }
}

impl Bar {
    /// The ratio, over the rounds in which both ran.
    pub(crate) fn ratio(&self, lines: &[Line]) -> Option<Spread> {
        let of = |system: &str, round: u32| {
            let found = |line: &&Line| line.system == system && line.clients == self.clients && line.round == round;
            lines.iter().find(found).map(|line| self.figure.of(line)).filter(|figure| *figure > 0.0)
        };
        let rounds = lines.iter().map(|line| line.round).max().unwrap_or(0);
        Spread::of((1..=rounds).filter_map(|round| Some(of(self.ours, round)? / of(self.theirs, round)?)).collect())
    }

    pub(crate) fn verdict(&self, ratio: Spread, limit: f64) -> Verdict {
        let holds = |value: f64| if self.figure == Figure::Rate { value >= limit } else { value <= limit };
        match (holds(ratio.least), holds(ratio.most)) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
            _ => Verdict::NotDecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(system: &str, round: u32, rate: f64) -> Line {
        Line { system: system.into(), clients: 64, round, rate, p50_ms: 1.0, p99_ms: 2.0, samples: 1, errors: 0 }
    }

    #[test]
    fn a_ratio_is_taken_within_a_round_and_a_range_across_the_bar_is_not_decided() {
        let bar = bar(64, Figure::Rate, "etcd", Some(2.0), Some(4.0));
        let mut lines = vec![line("ocs", 1, 30.0), line("etcd", 1, 10.0), line("ocs", 2, 50.0), line("etcd", 2, 10.0)];
        lines.push(line("ocs", 3, 90.0)); // etcd did not run
        let ratio = bar.ratio(&lines).unwrap();
        assert_eq!(ratio, Spread { least: 3.0, median: 4.0, most: 5.0 });
        assert_eq!(bar.verdict(ratio, 2.0), Verdict::Met);
        assert_eq!(bar.verdict(ratio, 4.0), Verdict::NotDecided);
        assert_eq!(bar.verdict(ratio, 6.0), Verdict::Missed);
    }

    #[test]
    fn a_latency_holds_its_bar_from_below() {
        let bar = bar(64, Figure::P99, "etcd", Some(0.7), None);
        let ratio = Spread { least: 0.3, median: 0.4, most: 0.5 };
        assert_eq!(bar.verdict(ratio, 0.7), Verdict::Met);
        assert_eq!(bar.verdict(ratio, 0.2), Verdict::Missed);
    }
}
