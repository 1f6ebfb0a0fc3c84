//! Stamped time (architecture, Stamped time): never goes back, stands still or jumps, however the nodes' wall clocks behave.
//!
//! Pure: every clock comes in as a number of microseconds. Never reads a clock itself. Called by the batch task, the one
//! place that stamps.

use consensus::RaftId;

/// A clock further off than this is odd; time follows a median further ahead only when two clocks agree.
const FAR_US: i64 = 2_000_000;
/// Two clocks agree within this.
const AGREE_US: i64 = 1_000_000;
/// Steering changes the pace by at most one part in this many.
const STEER_PART: i64 = 10;

/// The stamps of one node: given here while the node is primary, the last applied otherwise.
#[derive(Debug, Default)]
pub struct StampClock {
    /// The running time, without the microseconds added to keep stamps apart.
    base_us: i64,
    /// The monotonic clock when `base_us` was right.
    base_mono_us: i64,
    /// Highest stamp given or applied.
    last_us: i64,
    /// `base_us` is known to belong to `base_mono_us`. Not so for a stamp found at start-up, which may be a day old.
    aged: bool,
}

impl StampClock {
    /// Nothing stamped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A command stamped elsewhere was applied here: a new primary goes on from its stamp.
    ///
    /// A stamp near the running time was made just now, or came late, as to a node that was cut off: such a stamp holds time up
    /// by at most a tenth of the elapsed time. A stamp near the clocks was made just now. Any other stamp comes from the replay
    /// of a start: its age is not known.
    pub fn applied(&mut self, stamp_us: u64, mono_us: u64, clocks: &[(RaftId, u64)]) {
        let (stamp_us, mono_us) = (signed(stamp_us), signed(mono_us));
        if stamp_us <= self.last_us {
            return;
        }
        let running_us = self.base_us + (mono_us - self.base_mono_us);
        let near = |other_us: i64| (stamp_us - other_us).abs() <= FAR_US;
        let runs_on = self.aged && near(running_us);
        self.aged = runs_on || median(clocks).is_some_and(near);
        let elapsed_us = mono_us - self.base_mono_us;
        let held_us = if runs_on { running_us - elapsed_us / STEER_PART } else { stamp_us };
        (self.base_us, self.base_mono_us, self.last_us) = (held_us.max(stamp_us), mono_us, stamp_us);
    }

    /// Lets time pass up to now: by the elapsed time, steered to the median by at most a tenth of that time.
    pub fn advance(&mut self, mono_us: u64, clocks: &[(RaftId, u64)]) {
        let mono_us = signed(mono_us);
        let elapsed_us = (mono_us - self.base_mono_us).max(0);
        let running_us = self.base_us + elapsed_us;
        #[cfg(mutant)]
        if consensus::mutant::on(consensus::mutant::Mutant::StampIsWallClock) {
            self.base_us = clocks.first().map_or(running_us, |(_, clock_us)| signed(*clock_us));
            return;
        }
        self.base_us = match median(clocks) {
            Some(median_us) if !self.aged => self.first(running_us, median_us, clocks),
            Some(median_us) => running_us + steer(running_us, median_us, elapsed_us, clocks),
            None => running_us,
        };
        (self.base_mono_us, self.aged) = (mono_us, true);
    }

    /// The next stamp: later than every other, and as late as the running time.
    pub fn stamp(&mut self) -> u64 {
        self.last_us = self.base_us.max(self.last_us + 1);
        self.last_us.unsigned_abs()
    }

    /// The running time without steering, microseconds since 1970.
    pub fn running_us(&self, mono_us: u64) -> u64 {
        (self.base_us + (signed(mono_us) - self.base_mono_us).max(0)).unsigned_abs()
    }

    /// The running time while the age of the last stamp is not known: begins at the clocks, if they agree or if no stamp was ever
    /// made; else runs on from the last stamp.
    fn first(&self, running_us: i64, median_us: i64, clocks: &[(RaftId, u64)]) -> i64 {
        let believed = self.last_us == 0 || agreed(median_us, clocks);
        if believed { median_us.max(running_us) } else { running_us }
    }
}

/// Microseconds to add to the elapsed time.
fn steer(running_us: i64, median_us: i64, elapsed_us: i64, clocks: &[(RaftId, u64)]) -> i64 {
    let ahead_us = median_us - running_us;
    if ahead_us > FAR_US && !agreed(median_us, clocks) {
        return 0;
    }
    ahead_us.clamp(-elapsed_us / STEER_PART, elapsed_us / STEER_PART)
}

/// The median; of two clocks the later one, since a lead of the median is guarded and a lag is not.
fn median(clocks: &[(RaftId, u64)]) -> Option<i64> {
    let mut sorted: Vec<i64> = clocks.iter().map(|(_, clock_us)| signed(*clock_us)).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Whether two clocks stand behind the median. A single clock has no other clock to disagree with.
fn agreed(median_us: i64, clocks: &[(RaftId, u64)]) -> bool {
    #[cfg(mutant)]
    if consensus::mutant::on(consensus::mutant::Mutant::OddClockFollowed) {
        return true;
    }
    let behind = clocks.iter().filter(|(_, clock_us)| (signed(*clock_us) - median_us).abs() <= AGREE_US).count();
    behind >= 2 || clocks.len() == 1
}

/// The nodes whose clock is more than 2 s off: from the median where two clocks agree, else from the running stamp.
pub fn odd_clocks(running_us: u64, clocks: &[(RaftId, u64)]) -> Vec<RaftId> {
    let agreed_median = median(clocks).filter(|median_us| agreed(*median_us, clocks));
    let right_us = agreed_median.unwrap_or(signed(running_us));
    let odd = |clock_us: u64| (signed(clock_us) - right_us).abs() > FAR_US;
    clocks.iter().filter(|(_, clock_us)| odd(*clock_us)).map(|(node, _)| *node).collect()
}

/// Microseconds since 1970 fit 63 bits for 290,000 years; anything beyond is a broken clock, cut to the largest.
fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;
    const HOUR: u64 = 3600 * S;
    /// Wall time at the start of every test.
    const T: u64 = 1_800_000_000 * S;

    /// Three clocks that are right `after` the start, plus the error of each.
    fn clocks(after: u64, off: [i64; 3]) -> Vec<(RaftId, u64)> {
        let clock = |(at, off): (usize, &i64)| (at as u64 + 1, (T + after).checked_add_signed(*off).unwrap());
        off.iter().enumerate().map(clock).collect()
    }

    /// A clock that has stamped once, at the start, with three clocks that are right.
    fn started() -> StampClock {
        let mut clock = StampClock::new();
        clock.advance(0, &clocks(0, [0; 3]));
        assert_eq!(clock.stamp(), T);
        clock
    }

    /// The stamp after `seconds` with one advance a second.
    fn run(clock: &mut StampClock, from: u64, seconds: u64, off: [i64; 3]) -> u64 {
        let mut last = 0;
        for second in 1..=seconds {
            let after = from + second * S;
            clock.advance(after, &clocks(after, off));
            let stamp = clock.stamp();
            assert!(stamp > last, "stamps increase");
            assert!(last == 0 || stamp - last <= S + S / 10, "no jump");
            last = stamp;
        }
        last
    }

    #[test]
    fn stamps_follow_right_clocks_and_never_repeat() {
        let mut clock = started();
        assert_eq!(run(&mut clock, 0, 10, [0; 3]), T + 10 * S);
        let stamps: Vec<u64> = (0..1000).map(|_| clock.stamp()).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn many_stamps_at_one_moment_do_not_push_the_running_time_ahead() {
        let mut clock = started();
        assert_eq!((0..100_000).map(|_| clock.stamp()).last(), Some(T + 100_000));
        assert_eq!(run(&mut clock, 0, 1, [0; 3]), T + S);
    }

    #[test]
    fn one_clock_that_jumps_an_hour_is_not_followed_and_is_named() {
        for (odd, off) in [(1, [HOUR as i64, 0, 0]), (3, [0, 0, -(HOUR as i64)])] {
            let mut clock = started();
            assert_eq!(run(&mut clock, 0, 60, off), T + 60 * S);
            assert_eq!(odd_clocks(clock.running_us(60 * S), &clocks(60 * S, off)), [odd]);
        }
    }

    #[test]
    fn two_clocks_that_agree_an_hour_ahead_are_followed_by_a_tenth() {
        let mut clock = started();
        let off = [HOUR as i64, HOUR as i64, 0];
        assert_eq!(run(&mut clock, 0, 60, off), T + 66 * S);
        assert_eq!(odd_clocks(clock.running_us(60 * S), &clocks(60 * S, off)), [3]);
    }

    #[test]
    fn two_clocks_that_jump_apart_are_not_followed() {
        let mut clock = started();
        let off = [HOUR as i64, 2 * HOUR as i64, 0];
        assert_eq!(run(&mut clock, 0, 60, off), T + 60 * S);
        assert_eq!(odd_clocks(clock.running_us(60 * S), &clocks(60 * S, off)), [1, 2]);
    }

    #[test]
    fn clocks_that_go_back_slow_the_stamps_by_a_tenth() {
        let mut clock = started();
        assert_eq!(run(&mut clock, 0, 60, [-(HOUR as i64); 3]), T + 54 * S);
    }

    #[test]
    fn a_lead_below_two_seconds_is_made_up_without_agreement() {
        let mut clock = started();
        assert_eq!(run(&mut clock, 0, 5, [1_500_000, 1_500_000, 0]), T + 5 * S + S / 2);
    }

    #[test]
    fn with_two_clocks_left_the_one_that_jumped_is_not_followed_and_is_named() {
        let mut clock = started();
        let two = [(1, T + S), (2, T + S + HOUR)];
        clock.advance(S, &two);
        assert_eq!(clock.stamp(), T + S);
        assert_eq!(odd_clocks(clock.running_us(S), &two), [2]);
    }

    #[test]
    fn a_pause_of_an_hour_is_an_hour() {
        let mut clock = started();
        clock.advance(HOUR, &clocks(HOUR, [0; 3]));
        assert_eq!(clock.stamp(), T + HOUR);
    }

    #[test]
    fn a_new_primary_goes_on_from_the_last_stamp_applied() {
        let mut clock = StampClock::new();
        clock.applied(T, 0, &clocks(0, [0; 3]));
        clock.applied(T + 10 * S, 10 * S, &clocks(10 * S, [0; 3]));
        let jumped = clocks(12 * S, [HOUR as i64; 3]);
        clock.advance(12 * S, &jumped);
        assert_eq!(clock.stamp(), T + 12 * S + S / 5, "by what elapsed and a tenth, not by the hour");
    }

    #[test]
    fn a_stamp_that_comes_late_does_not_hold_time_up() {
        let mut clock = StampClock::new();
        clock.applied(T, 0, &clocks(0, [0; 3]));
        clock.applied(T + S, 2 * S, &clocks(2 * S, [0; 3]));
        clock.advance(2 * S, &clocks(2 * S, [HOUR as i64; 3]));
        assert_eq!(clock.stamp(), T + 2 * S - S / 5, "the node was cut off for a second");
    }

    #[test]
    fn a_stamp_ahead_of_all_clocks_is_gone_on_from() {
        let mut clock = started();
        clock.applied(T + HOUR, S, &clocks(S, [0; 3]));
        clock.advance(2 * S, &clocks(2 * S, [0; 3]));
        assert!(clock.stamp() > T + HOUR);
    }

    #[test]
    fn a_group_that_was_down_for_a_day_goes_on_at_the_clocks() {
        let mut clock = StampClock::new();
        clock.applied(T - 24 * HOUR, 0, &clocks(0, [0; 3]));
        clock.applied(T - 24 * HOUR + S, S, &clocks(S, [0; 3]));
        clock.advance(2 * S, &clocks(2 * S, [0; 3]));
        assert_eq!(clock.stamp(), T + 2 * S);
    }

    #[test]
    fn a_day_old_stamp_runs_on_where_no_two_clocks_agree() {
        let mut clock = StampClock::new();
        clock.applied(T - 24 * HOUR, 0, &clocks(0, [0; 3]));
        clock.advance(S, &clocks(S, [HOUR as i64, 2 * HOUR as i64, 3 * HOUR as i64]));
        assert_eq!(clock.stamp(), T - 24 * HOUR + S);
    }

    #[test]
    fn a_monotonic_clock_that_stands_still_still_gives_later_stamps() {
        let mut clock = started();
        clock.advance(0, &clocks(0, [0; 3]));
        assert_eq!(clock.stamp(), T + 1);
    }
}
