//! Values of some figures at equal distances, in memory of a fixed size.
//!
//! Pure: time comes with each reading. Called by `series` alone.

use std::time::Duration;

use http_proxy::from_api::SERIES_NAMES;

use crate::metrics::DurationCounts;

/// The figures of one interval, in the order of [`SERIES_NAMES`]; NaN: no value.
type Row = [f64; SERIES_NAMES.len()];
const NO_VALUES: Row = [f64::NAN; SERIES_NAMES.len()];

/// The figures of one moment. Counts begin with the process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// Monotonic time.
    pub(super) at: Duration,
    /// Updates of clients in the entries that were applied.
    pub(super) updates: u64,
    /// Records handed out in these entries.
    pub(super) hand_outs: u64,
    /// The time that passed by the stamps of these entries.
    pub(super) stamped: Duration,
    /// Durations of updates that were done.
    pub(super) durations: DurationCounts,
    /// The largest lag of the connected voters; none: not known here.
    pub(super) lag_entries: Option<u64>,
}

/// The values of the last intervals, all of one length.
#[derive(Debug)]
pub(super) struct Track {
    step: Duration,
    /// By the number of the interval, modulo their count.
    rows: Box<[Row]>,
    /// Number of the newest interval that has ended.
    newest: u64,
    /// The reading at the end of that interval; none: no reading came.
    before: Option<Reading>,
    lag_max: Option<u64>,
}

impl Track {
    /// So many intervals of this length, a whole number of seconds, without a value.
    pub(super) fn new(step: Duration, count: usize) -> Self {
        Self { step, rows: vec![NO_VALUES; count].into(), newest: 0, before: None, lag_max: None }
    }

    /// Takes a reading; the first one after the end of an interval gives the values of that interval. Intervals without a reading have
    /// no value.
    pub(super) fn take(&mut self, reading: &Reading) {
        let ended = reading.at.as_secs() / self.step.as_secs();
        self.lag_max = self.lag_max.max(reading.lag_entries);
        let Some(before) = self.before else {
            (self.newest, self.before) = (ended, Some(*reading));
            return;
        };
        if ended <= self.newest {
            return;
        }
        let row = row(&before, reading, self.lag_max.take(), self.step);
        let missed = (ended - self.newest - 1).min(self.rows.len() as u64);
        (ended - missed..ended).for_each(|number| *self.at(number) = NO_VALUES);
        *self.at(ended) = row;
        (self.newest, self.before) = (ended, Some(*reading));
    }

    fn at(&mut self, number: u64) -> &mut Row {
        let place = number % self.rows.len() as u64;
        &mut self.rows[place as usize]
    }

    /// The length of an interval.
    pub(super) fn step(&self) -> Duration {
        self.step
    }

    /// How long ago the oldest interval ended, at this moment by the time of the readings.
    pub(super) fn age(&self, now: Duration) -> Duration {
        let steps = |count: u64| Duration::from_secs(self.step.as_secs() * count);
        now.saturating_sub(steps(self.newest)) + steps(self.rows.len() as u64 - 1)
    }

    /// The values of a figure by its place in [`SERIES_NAMES`], oldest first.
    pub(super) fn values(&self, place: usize) -> impl Iterator<Item = f64> {
        let oldest = (self.newest + 1) % self.rows.len() as u64;
        let (newer, older) = self.rows.split_at(oldest as usize);
        older.iter().chain(newer).map(move |row| row[place])
    }
}

/// The values of the interval between two readings. A node that saw less than half of the interval has no values: a rate over a moment
/// says nothing.
fn row(before: &Reading, now: &Reading, lag_entries: Option<u64>, step: Duration) -> Row {
    let seen = now.at.saturating_sub(before.at);
    if seen * 2 < step {
        return NO_VALUES;
    }
    // a node that catches up applies the updates of an hour within seconds: the group did them at the pace of their stamps
    let seconds = seen.max(now.stamped.saturating_sub(before.stamped)).as_secs_f64();
    let rate = |before: u64, now: u64| Some(now.saturating_sub(before) as f64 / seconds);
    let durations = now.durations.since(&before.durations);
    [
        rate(before.updates, now.updates),
        durations.quantile_ms(0.5),
        durations.quantile_ms(0.99),
        lag_entries.map(|entries| entries as f64),
        rate(before.hand_outs, now.hand_outs),
    ]
    .map(|value| value.map_or(f64::NAN, rounded))
}

/// Three decimals say enough.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use ocs_proto::link::{RequestCount, Stats};

    use super::*;
    use crate::metrics::Metrics;

    const UPDATES: usize = 0;
    const P50: usize = 1;
    const P99: usize = 2;
    const LAG: usize = 3;
    const HAND_OUTS: usize = 4;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A track of four intervals of 10 s that takes updates at these seconds.
    fn track(readings: &[(u64, u64)]) -> Track {
        let mut track = Track::new(seconds(10), 4);
        for (at_s, updates) in readings {
            track.take(&Reading { at: seconds(*at_s), updates: *updates, ..Reading::default() });
        }
        track
    }

    /// The values of a figure; none in the place of NaN.
    fn values(track: &Track, place: usize) -> Vec<Option<f64>> {
        track.values(place).map(|value| Some(value).filter(|value| !value.is_nan())).collect()
    }

    #[test]
    fn each_interval_has_its_rate_and_intervals_that_were_missed_have_none() {
        let none = None::<f64>;
        for (readings, wanted) in [
            (&[(100, 7)][..], [none; 4]),
            (&[(100, 7), (110, 17), (120, 17)], [none, none, Some(1.0), Some(0.0)]),
            (&[(100, 0), (110, 10), (120, 30), (130, 60), (140, 100), (150, 150)], [2.0, 3.0, 4.0, 5.0].map(Some)),
            (&[(100, 0), (110, 10), (140, 160)], [Some(1.0), none, none, Some(5.0)]),
            (&[(100, 0), (110, 10), (120, 20), (1000, 900)], [none, none, none, Some(1.0)]),
        ] {
            assert_eq!(values(&track(readings), UPDATES), wanted, "{readings:?}");
        }
    }

    #[test]
    fn an_interval_of_which_less_than_half_was_seen_has_no_value() {
        assert_eq!(values(&track(&[(106, 0), (110, 400), (120, 410)]), UPDATES), [None, None, None, Some(1.0)]);
        assert_eq!(values(&track(&[(104, 0), (110, 12), (120, 22)]), UPDATES)[2], Some(2.0));
    }

    #[test]
    fn a_reading_within_an_interval_gives_no_value_but_its_lag_counts() {
        let mut track = Track::new(seconds(10), 4);
        for (at_s, lag_entries) in
            [(100, None), (103, Some(70)), (107, Some(9)), (110, None), (120, Some(3)), (130, None)]
        {
            track.take(&Reading { at: seconds(at_s), lag_entries, ..Reading::default() });
        }
        assert_eq!(values(&track, LAG), [None, Some(70.0), Some(3.0), None]);
    }

    #[test]
    fn a_node_that_catches_up_shows_the_pace_of_the_group() {
        let mut track = Track::new(seconds(10), 4);
        let reading = |at_s, updates, hand_outs, stamped_s| Reading {
            at: seconds(at_s),
            updates,
            hand_outs,
            stamped: seconds(stamped_s),
            ..Reading::default()
        };
        track.take(&reading(100, 0, 0, 0));
        track.take(&reading(110, 360_000, 7200, 3600));
        track.take(&reading(120, 361_000, 7220, 3609));
        assert_eq!(values(&track, UPDATES)[2..], [Some(100.0), Some(100.0)]);
        assert_eq!(values(&track, HAND_OUTS)[2..], [Some(2.0), Some(2.0)]);
    }

    #[test]
    fn the_durations_of_an_interval_are_those_of_its_updates() {
        let (metrics, mut track) = (Metrics::new(), Track::new(seconds(10), 4));
        let mut sample = |at_s, durations_us: &[u32]| {
            let request =
                RequestCount { request: "AddRecord".into(), status: 200, durations_us: durations_us.to_vec() };
            metrics.add(&Stats { requests: vec![request], ..Stats::default() });
            track.take(&Reading { at: seconds(at_s), durations: metrics.update_durations(), ..Reading::default() });
        };
        sample(100, &[9_000_000]);
        sample(110, &[900; 100]);
        sample(120, &[]);
        assert_eq!(values(&track, P50)[2..], [Some(0.75), None]);
        assert_eq!(values(&track, P99)[2..], [Some(0.995), None]);
    }

    #[test]
    fn the_oldest_value_is_as_old_as_all_intervals_behind_it() {
        let track = track(&[(100, 0), (110, 0), (120, 0)]);
        assert_eq!(track.age(seconds(120)), seconds(30));
        assert_eq!(track.age(seconds(127)), seconds(37));
        assert_eq!(Track::new(seconds(10), 4).age(seconds(3)), seconds(33), "before any reading");
    }
}
