//! The bars of architecture, Failover, and the verdict on a drill's figures. Never measures. Called by `report`.

use serde::Serialize;

use crate::{cli::DrillKind, print};

/// The limit that an event must hold, and the target that is better than that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    event: &'static str,
    limit_p99_ms: f64,
    /// Of which percentile, and how much.
    target: (Percentile, f64),
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
    limit: String,
    target: String,
    /// `within target`, `within limit`, `over limit`, or `not measured`.
    result: &'static str,
}

impl Bar {
    /// The bar of an event.
    pub(crate) fn of(kind: DrillKind) -> Self {
        let unreachable =
            |event| Self { event, limit_p99_ms: 1600.0, target: (Percentile::P50, 900.0), none_fails: false };
        let planned = |event| Self { event, limit_p99_ms: 100.0, target: (Percentile::P99, 50.0), none_fails: true };
        match kind {
            DrillKind::Kill => Self {
                event: "primary's process killed",
                limit_p99_ms: 400.0,
                target: (Percentile::P99, 150.0),
                none_fails: false,
            },
            DrillKind::Pause => unreachable("primary's process paused"),
            DrillKind::Partition => unreachable("primary unreachable"),
            DrillKind::Switchover => planned("planned switchover"),
            DrillKind::LoseWitness => planned("switchover without the witness"),
        }
    }

    /// The verdict on figures; `bad`: requests that failed or whose outcome is unknown, at nodes that were up.
    pub(crate) fn judge(&self, figures: Option<&Figures>, bad: u64) -> Judged {
        let (percentile, target) = self.target;
        let failures = if self.none_fails { ", 0 failed" } else { "" };
        let word = if percentile == Percentile::P50 { "p50" } else { "p99" };
        Judged {
            event: self.event,
            limit: format!("p99 < {} ms{failures}", self.limit_p99_ms),
            target: format!("{word} < {target} ms{failures}"),
            result: figures.map_or("not measured", |figures| self.result(figures, bad)),
        }
    }

    fn result(&self, figures: &Figures, bad: u64) -> &'static str {
        let (percentile, target) = self.target;
        let found = if percentile == Percentile::P50 { figures.p50 } else { figures.p99 };
        if figures.p99 >= self.limit_p99_ms || self.none_fails && bad > 0 {
            "over limit"
        } else if found < target {
            "within target"
        } else {
            "within limit"
        }
    }
}

impl Judged {
    /// Two lines under headers: the figures, and their verdict.
    pub(crate) fn table(&self, figures: Option<&Figures>) -> String {
        let value =
            |pick: fn(&Figures) -> f64| figures.map_or("-".to_owned(), |figures| format!("{:.1}", pick(figures)));
        let row = [
            self.event.to_owned(),
            value(|figures| figures.p50),
            value(|figures| figures.p99),
            value(|figures| figures.max),
        ];
        let worth = [self.limit.clone(), self.target.clone(), self.result.to_owned()];
        format!(
            "{}\n\n{}",
            print::table(&["event", "p50 ms", "p99 ms", "max ms"], [row]),
            print::table(&["limit", "target", "result"], [worth])
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(kind: DrillKind, p50: f64, p99: f64, bad: u64) -> &'static str {
        Bar::of(kind).judge(Some(&Figures { p50, p99, max: p99 }), bad).result
    }

    #[test]
    fn figures_are_within_the_target_within_the_limit_or_over_it() {
        assert_eq!(result(DrillKind::Kill, 90.0, 149.0, 3), "within target");
        assert_eq!(result(DrillKind::Kill, 90.0, 150.0, 0), "within limit");
        assert_eq!(result(DrillKind::Kill, 90.0, 400.0, 0), "over limit");
        assert_eq!(result(DrillKind::Partition, 899.0, 1599.0, 0), "within target");
        assert_eq!(result(DrillKind::Pause, 900.0, 1599.0, 0), "within limit");
        assert_eq!(Bar::of(DrillKind::Kill).judge(None, 0).result, "not measured");
    }

    #[test]
    fn a_switchover_in_which_a_request_failed_is_over_its_limit_however_short() {
        assert_eq!(result(DrillKind::Switchover, 5.0, 9.0, 0), "within target");
        assert_eq!(result(DrillKind::Switchover, 5.0, 9.0, 1), "over limit");
        assert_eq!(result(DrillKind::LoseWitness, 5.0, 99.0, 0), "within limit");
    }
}
