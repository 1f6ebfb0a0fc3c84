//! Figures of the last hour and of the last day, for plots without a Prometheus.
//!
//! Never decides anything by a figure, and keeps nothing on disk: a process that starts has no past. Updates and hand-outs are counted
//! where entries are applied, which both data nodes do: after a failover the curve of the new primary goes on. Durations are those of
//! this node's HTTP Proxy, and the lag of the others is known to the primary alone. Started by `run`, read by the REST interface.

mod track;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use http_proxy::from_api::SERIES_NAMES;
use ocs_proto::link::{ApiSeries, ApiSeriesRequest, ApiSeriesValues};
use pair::wall_us;
use tokio::time::Instant;

use crate::metrics::{Metrics, Sources};

use track::{Reading, Track};

/// Between two samples, and two values of the last hour.
const STEP: Duration = Duration::from_secs(10);
/// Values of the last hour.
const HOUR_VALUES: usize = 360;
/// Between two values of the last day: a multiple of [`STEP`].
const DAY_STEP: Duration = Duration::from_secs(120);
/// Values of the last day.
const DAY_VALUES: usize = 720;

/// The series of one node. Cheap to clone; all clones show the same series.
#[derive(Debug, Clone)]
pub struct Series(Arc<Recorder>);

#[derive(Debug)]
struct Recorder {
    node: String,
    clock: Clock,
    tracks: Mutex<Tracks>,
}

#[derive(Debug)]
struct Tracks {
    hour: Track,
    day: Track,
}

/// Monotonic time. Its zero is a multiple of [`DAY_STEP`] by the wall clock of the start, so that the values of both data nodes are of the
/// same intervals; a later step of the wall clock moves the times of all values and no interval.
#[derive(Debug)]
struct Clock {
    started: Instant,
    phase: Duration,
}

impl Clock {
    fn begin(wall_us: u64) -> Self {
        let phase = Duration::from_micros(wall_us % DAY_STEP.as_micros() as u64);
        Self { started: Instant::now(), phase }
    }

    fn now(&self) -> Duration {
        self.phase + self.started.elapsed()
    }
}

impl Series {
    /// The series of a node, without a value.
    pub(crate) fn new(node: &str) -> Self {
        let tracks = Tracks { hour: Track::new(STEP, HOUR_VALUES), day: Track::new(DAY_STEP, DAY_VALUES) };
        Self(Arc::new(Recorder { node: node.to_owned(), clock: Clock::begin(wall_us()), tracks: Mutex::new(tracks) }))
    }

    /// Samples these figures until the process stops.
    pub(crate) fn follow(&self, sources: Sources, metrics: Arc<Metrics>, tasks: &Tasks) {
        let (series, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn("series", AtEnd::Log, async move {
            loop {
                series.take(&reading(&sources, &metrics, series.0.clock.now()));
                tokio::select! {
                    () = tokio::time::sleep(until_next(series.0.clock.now())) => {}
                    () = stopping.cancelled() => return,
                }
            }
        });
    }

    /// The values of a range, oldest first.
    pub(crate) fn answer(&self, asked: &ApiSeriesRequest) -> ApiSeries {
        let tracks = self.0.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let track = if asked.day { &tracks.day } else { &tracks.hour };
        let is_wanted = |name: &str| asked.names.is_empty() || asked.names.iter().any(|wanted| wanted == name);
        let values = |(place, name): (usize, &&str)| ApiSeriesValues {
            name: (*name).to_owned(),
            values: track.values(place).collect(),
        };
        ApiSeries {
            node: self.0.node.clone(),
            step_s: track.step().as_secs() as u32,
            from_s: seconds_of(wall_us(), track.age(self.0.clock.now())),
            series: SERIES_NAMES.iter().enumerate().filter(|(_, name)| is_wanted(name)).map(values).collect(),
        }
    }

    fn take(&self, reading: &Reading) {
        let mut tracks = self.0.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.hour.take(reading);
        tracks.day.take(reading);
    }
}

/// The moment of this age, UTC seconds. Rounded: the wall clock and the monotonic clock are read one behind the other.
fn seconds_of(wall_us: u64, age: Duration) -> i64 {
    let at_us = i128::from(wall_us) - age.as_micros().cast_signed();
    i64::try_from((at_us + 500_000).div_euclid(1_000_000)).unwrap_or_default()
}

/// From this moment until a sample is due.
fn until_next(now: Duration) -> Duration {
    STEP - Duration::from_nanos((now.as_nanos() % STEP.as_nanos()) as u64)
}

fn reading(sources: &Sources, metrics: &Metrics, at: Duration) -> Reading {
    let state = sources.api.as_ref().map(|api| api.engine().state());
    let peers = sources.role.peers();
    let behind = peers.iter().filter(|peer| peer.connected && peer.voter);
    Reading {
        at,
        updates: state.map_or(0, |state| state.client_updates()),
        hand_outs: sources.preview_counts().handed_out.values().sum(),
        stamped: state.map_or(Duration::ZERO, |state| state.stamped_time()),
        durations: metrics.update_durations(),
        lag_entries: behind.filter_map(|peer| peer.lag_entries).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(day: bool, names: &[&str]) -> ApiSeriesRequest {
        ApiSeriesRequest { day, names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_range_has_its_step_its_values_and_the_wanted_names_and_no_value_before_the_start() {
        let series = Series::new("a");
        for (day, names, step_s, count, found) in [
            (false, &[][..], 10, 360, &SERIES_NAMES[..]),
            (true, &[], 120, 720, &SERIES_NAMES),
            (false, &["lag_entries", "updates"], 10, 360, &["updates", "lag_entries"]),
        ] {
            let answer = series.answer(&asked(day, names));
            assert_eq!((answer.node.as_str(), answer.step_s), ("a", step_s));
            assert_eq!(answer.series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), found);
            for series in &answer.series {
                assert_eq!(series.values.len(), count, "{}", series.name);
                assert!(series.values.iter().all(|value| value.is_nan()), "{}", series.name);
            }
        }
    }

    #[test]
    fn a_sample_ends_an_interval_of_the_hour_and_only_each_twelfth_one_of_the_day() {
        let series = Series::new("a");
        let (first, step) = (Duration::from_secs(1200), Duration::from_secs(10));
        let reading = |at: Duration, updates| Reading { at, updates, ..Reading::default() };
        series.take(&reading(first, 100));
        let newest = |day| series.answer(&asked(day, &["updates"])).series[0].values.last().copied().unwrap();
        series.take(&reading(first + step, 200));
        assert_eq!(newest(false), 10.0);
        assert!(newest(true).is_nan(), "its interval goes on");
        series.take(&reading(first + 12 * step, 340));
        assert_eq!(newest(true), 2.0);
    }

    #[test]
    fn values_end_at_multiples_of_the_longer_step_by_the_wall_clock_of_the_start() {
        let wall_us = 1_767_225_600_000_000 + 77_250_000;
        let clock = Clock::begin(wall_us);
        assert_eq!(clock.phase, Duration::from_millis(77_250));
        assert_eq!(until_next(clock.phase), Duration::from_millis(2750));
        assert_eq!(until_next(Duration::from_secs(80)), STEP);
        assert_eq!(seconds_of(wall_us, clock.phase), 1_767_225_600);
        assert_eq!(seconds_of(wall_us, clock.phase + Duration::from_micros(30)), 1_767_225_600);
        assert_eq!(seconds_of(0, Duration::from_secs(3600)), -3600);
    }
}
