//! The bars of design 1, "Failover", and what a drill's figures are worth against them. Never measures. Called by `report`.

use serde::Serialize;

use crate::{cli::DrillKind, print};

/// What an event must hold, and what it should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    event: &'static str,
    must_p99_ms: f64,
    /// Of which percentile, and how much.
    reach: (Percentile, f64),
    /// Whether requests may fail at a proxy whose node is up.
    none_fails: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Percentile {
    P50,
    P99,
}

/// Percentiles of a drill's rounds, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Figures beside their bar.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judged {
    event: &'static str,
    must: String,
    reach: String,
    /// `reached`, `met`, `missed`, or `not measured`.
    verdict: &'static str,
}

impl Bar {
    /// The bar of an event.
    pub(crate) fn of(kind: DrillKind) -> Self {
        let unreachable =
            |event| Self { event, must_p99_ms: 1600.0, reach: (Percentile::P50, 900.0), none_fails: false };
        let planned = |event| Self { event, must_p99_ms: 100.0, reach: (Percentile::P99, 50.0), none_fails: true };
        match kind {
            DrillKind::Kill => Self {
                event: "primary's process killed",
                must_p99_ms: 400.0,
                reach: (Percentile::P99, 150.0),
                none_fails: false,
            },
            DrillKind::Pause => unreachable("primary's process paused"),
            DrillKind::Partition => unreachable("primary unreachable"),
            DrillKind::Switchover => planned("planned switchover"),
            DrillKind::LoseWitness => planned("switchover without the witness"),
        }
    }

    /// What figures are worth; `bad`: requests that failed or whose outcome is not known, at nodes that were up.
    pub(crate) fn judge(&self, figures: Option<&Figures>, bad: u64) -> Judged {
        let (percentile, reach) = self.reach;
        let failures = if self.none_fails { ", 0 failed" } else { "" };
        let word = if percentile == Percentile::P50 { "p50" } else { "p99" };
        Judged {
            event: self.event,
            must: format!("p99 < {} ms{failures}", self.must_p99_ms),
            reach: format!("{word} < {reach} ms{failures}"),
            verdict: figures.map_or("not measured", |figures| self.verdict(figures, bad)),
        }
    }

    fn verdict(&self, figures: &Figures, bad: u64) -> &'static str {
        let (percentile, reach) = self.reach;
        let reached = if percentile == Percentile::P50 { figures.p50 } else { figures.p99 };
        if figures.p99 >= self.must_p99_ms || self.none_fails && bad > 0 {
            "missed"
        } else if reached < reach {
            "reached"
        } else {
            "met"
        }
    }
}

impl Judged {
    /// One line under headers.
    pub(crate) fn table(&self, figures: Option<&Figures>) -> String {
        let value =
            |pick: fn(&Figures) -> f64| figures.map_or("-".to_owned(), |figures| format!("{:.1}", pick(figures)));
        let row = [
            self.event.to_owned(),
            value(|figures| figures.p50),
            value(|figures| figures.p99),
            value(|figures| figures.max),
            self.must.clone(),
            self.reach.clone(),
            self.verdict.to_owned(),
        ];
        print::table(&["event", "p50 ms", "p99 ms", "max ms", "must", "reach", "bar"], [row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kind: DrillKind, p50: f64, p99: f64, bad: u64) -> &'static str {
        Bar::of(kind).judge(Some(&Figures { p50, p99, max: p99 }), bad).verdict
    }

    #[test]
    fn a_bar_is_reached_met_or_missed() {
        assert_eq!(verdict(DrillKind::Kill, 90.0, 149.0, 3), "reached");
        assert_eq!(verdict(DrillKind::Kill, 90.0, 150.0, 0), "met");
        assert_eq!(verdict(DrillKind::Kill, 90.0, 400.0, 0), "missed");
        assert_eq!(verdict(DrillKind::Partition, 899.0, 1599.0, 0), "reached");
        assert_eq!(verdict(DrillKind::Pause, 900.0, 1599.0, 0), "met");
        assert_eq!(Bar::of(DrillKind::Kill).judge(None, 0).verdict, "not measured");
    }

    #[test]
    fn a_switchover_in_which_a_request_failed_misses_its_bar_however_short() {
        assert_eq!(verdict(DrillKind::Switchover, 5.0, 9.0, 0), "reached");
        assert_eq!(verdict(DrillKind::Switchover, 5.0, 9.0, 1), "missed");
        assert_eq!(verdict(DrillKind::LoseWitness, 5.0, 99.0, 0), "met");
    }
}
