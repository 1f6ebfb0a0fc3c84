//! Durations of updates that were done, counted in the buckets of the request metric, for the quantiles of plots.
//!
//! The page of a scrape has a histogram for each name and status, which cannot be read back; the counts here are of the same answers and
//! the same buckets, so that a plot agrees with a dashboard. HTTP Proxy's counts are added by `metrics`, quantiles are read by `series`.

use std::{
    collections::BTreeSet,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http_proxy::from_api::ROUTES;
use ocs_proto::link::RequestCount;
use outbound::{AccessScope, Verb};
use prometheus_client::metrics::histogram::exponential_buckets;

/// Upper bound of the first bucket, seconds; each other bound is twice the bound before.
const FIRST_BOUND_S: f64 = 250e-6;
const FACTOR: f64 = 2.0;
/// Buckets with an upper bound, the last of 16 s: beyond the deadline of a request.
const BOUNDED: u16 = 17;
/// With the bucket beyond the last bound.
const BUCKETS: usize = BOUNDED as usize + 1;
/// Statuses of an update that was done.
const DONE: std::ops::Range<u32> = 200..300;

/// Names under which HTTP Proxy counts updates: requests, and operations of the REST interface.
static UPDATES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let requests = Verb::all().filter(|verb| !verb.reads()).map(Verb::name);
    let operations = ROUTES.iter().filter(|route| route.scope == AccessScope::Update).map(|route| route.id);
    requests.chain(operations).collect()
});

/// The upper bounds of the buckets of a request's duration, seconds.
pub(super) fn request_bounds() -> impl Iterator<Item = f64> {
    exponential_buckets(FIRST_BOUND_S, FACTOR, BOUNDED)
}

/// Durations of all updates since the start of this process.
#[derive(Debug, Default)]
pub(super) struct UpdateDurations([AtomicU64; BUCKETS]);

impl UpdateDurations {
    /// Adds answers of HTTP Proxy, if they are of updates that were done.
    pub(super) fn add(&self, counted: &RequestCount) {
        if !DONE.contains(&counted.status) || !UPDATES.contains(counted.request.as_str()) {
            return;
        }
        for duration_us in &counted.durations_us {
            let seconds = f64::from(*duration_us) / 1e6;
            let bucket = request_bounds().take_while(|bound| *bound < seconds).count();
            self.0[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts now.
    pub(super) fn counts(&self) -> DurationCounts {
        DurationCounts(std::array::from_fn(|bucket| self.0[bucket].load(Ordering::Relaxed)))
    }
}

/// Counts of durations by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DurationCounts([u64; BUCKETS]);

impl DurationCounts {
    /// The counts since earlier ones of the same process.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket])))
    }

    /// The duration that this part of the updates did not exceed, milliseconds, as `histogram_quantile` of Prometheus reads the buckets:
    /// linear within a bucket, and the last bound for all durations beyond it. None: no update.
    pub(crate) fn quantile_ms(&self, part: f64) -> Option<f64> {
        let total: u64 = self.0.iter().sum();
        let rank = part * total as f64;
        let (mut below, mut from) = (0.0, 0.0);
        for (count, to) in self.0.iter().zip(request_bounds()) {
            let within = *count as f64;
            if within > 0.0 && below + within >= rank {
                return Some((from + (to - from) * (rank - below) / within) * 1e3);
            }
            (below, from) = (below + within, to);
        }
        (total > 0).then_some(from * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(request: &str, status: u32, durations_us: &[u32]) -> RequestCount {
        RequestCount { request: request.into(), status, durations_us: durations_us.to_vec() }
    }

    fn counts(answers: &[RequestCount]) -> DurationCounts {
        let durations = UpdateDurations::default();
        answers.iter().for_each(|answers| durations.add(answers));
        durations.counts()
    }

    #[test]
    fn updates_that_were_done_count_and_no_read_and_no_refusal() {
        let sum = |request: &str, status| counts(&[answers(request, status, &[300])]).0.iter().sum::<u64>();
        for (request, status, count) in [
            ("AddRecord", 200, 1),
            ("RecordProcessed", 200, 1),
            ("addRecord", 201, 1),
            ("patchRecord", 200, 1),
            ("removeDoNotCall", 204, 0),
            ("AddRecord", 404, 0),
            ("AddRecord", 504, 0),
            ("GetRecord", 200, 0),
            ("listRecords", 200, 0),
            ("getCluster", 200, 0),
            ("-", 200, 0),
        ] {
            assert_eq!(sum(request, status), count, "{request} {status}");
        }
    }

    #[test]
    fn a_quantile_is_that_of_prometheus() {
        // buckets end at 0.25, 0.5, 1, 2 ms and so on
        let ten = counts(&[answers("AddRecord", 200, &[100, 300, 400, 600, 700, 800, 900, 1000, 1500, 1900])]);
        for (part, quantile_ms) in [(0.1, 0.25), (0.5, 0.7), (0.8, 1.0), (0.99, 1.95), (1.0, 2.0)] {
            let found = ten.quantile_ms(part).unwrap();
            assert!((found - quantile_ms).abs() < 1e-9, "{part}: {found}");
        }
        assert_eq!(DurationCounts::default().quantile_ms(0.5), None);
        let late = counts(&[answers("AddRecord", 200, &[60_000_000])]);
        assert_eq!(late.quantile_ms(0.5), Some(16_384.0), "the last bound");
    }

    #[test]
    fn counts_since_earlier_ones_are_of_the_updates_in_between() {
        let durations = UpdateDurations::default();
        durations.add(&answers("AddRecord", 200, &[100, 100]));
        let earlier = durations.counts();
        durations.add(&answers("AddRecord", 200, &[900]));
        let between = durations.counts().since(&earlier);
        assert_eq!((between.0.iter().sum::<u64>(), between.quantile_ms(1.0)), (1, Some(1.0)));
        assert_eq!(durations.counts().since(&durations.counts()).quantile_ms(0.5), None);
    }
}
