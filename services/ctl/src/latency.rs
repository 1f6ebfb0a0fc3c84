//! Durations and their percentiles. Never reads a clock. Called by the reports of `replay`, `bench` and `drill`.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest duration that is told apart, microseconds: 10 minutes.
const LONGEST_US: u64 = 600_000_000;

/// Many durations in little memory, to three significant digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constant and valid"))
    }

    /// Adds a duration; a duration over 10 minutes counts as 10 minutes.
    pub(crate) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(micros);
    }

    /// The duration that a fraction (0 to 1) of them does not exceed, milliseconds; 0 when there are none.
    pub(crate) fn quantile_ms(&self, fraction: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_quantile(fraction) as f64 / 1000.0 }
    }

    /// The longest, milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.max() as f64 / 1000.0 }
    }
}

/// The nearest-rank percentile of few values: the smallest that at least `fraction` of them do not exceed.
pub(crate) fn nearest_rank(values: &[f64], fraction: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(nearest_rank(&values, 0.5), Some(100.0));
        assert_eq!(nearest_rank(&values, 0.99), Some(198.0));
        assert_eq!(nearest_rank(&values[..20], 0.99), Some(20.0));
        assert_eq!(nearest_rank(&[7.0], 0.5), Some(7.0));
        assert_eq!(nearest_rank(&[], 0.5), None);
    }

    #[test]
    fn quantiles_come_in_milliseconds() {
        let mut latencies = Latencies::new();
        (1..=100).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        assert!((latencies.quantile_ms(0.5) - 50.0).abs() < 0.1);
        assert!((latencies.quantile_ms(0.99) - 99.0).abs() < 0.1);
        assert!((latencies.max_ms() - 100.0).abs() < 0.1);
        assert_eq!(Latencies::new().max_ms(), 0.0);
    }

    #[test]
    fn a_duration_beyond_the_bounds_counts_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.add(Duration::from_secs(3600));
        assert!(latencies.max_ms() >= 599_000.0);
    }
}
