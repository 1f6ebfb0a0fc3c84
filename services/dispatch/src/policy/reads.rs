//! How long a read waits for a quorum: as an update waits for a primary, until no quorum was confirmed for `hold_time`. From then on
//! a read is answered at once from the last state known (spec 6).
//!
//! Pure: a moment is the time since a start of the caller's choice.

use std::time::Duration;

use super::Moment;

/// The time without a quorum, as last heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuorumOutage {
    /// When a quorum was first found missing; none: the last question to a quorum was answered.
    since: Option<Moment>,
}

impl QuorumOutage {
    /// A quorum has answered.
    pub fn ended(&mut self) {
        self.since = None;
    }

    /// No quorum has answered a question. An outage begins with the first such question.
    pub fn goes_on(&mut self, now: Moment) {
        self.since.get_or_insert(now);
    }

    /// How long a read that comes now waits for a quorum; zero: the read asks no quorum.
    pub fn patience(&self, now: Moment, hold_time: Duration) -> Duration {
        self.since.map_or(hold_time, |since| (since + hold_time).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(5);

    fn s(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_read_waits_until_no_quorum_was_confirmed_for_hold_time_and_then_no_more() {
        let (heard, missed) = (true, false);
        for (case, told, now, patience) in [
            ("nothing is known", vec![], s(0), HOLD),
            ("a quorum answered", vec![(1, heard)], s(100), HOLD),
            ("none answers, just now", vec![(1, heard), (10, missed)], s(10), HOLD),
            ("none has answered for a while", vec![(10, missed)], s(13), s(2)),
            ("each question goes unanswered", vec![(10, missed), (11, missed), (12, missed)], s(13), s(2)),
            ("none has answered for hold_time", vec![(10, missed)], s(15), s(0)),
            ("none has answered for long", vec![(10, missed), (400, missed)], s(500), s(0)),
            ("one answers again", vec![(10, missed), (400, heard)], s(500), HOLD),
            ("it is gone again", vec![(10, missed), (400, heard), (401, missed)], s(404), s(2)),
        ] {
            let mut outage = QuorumOutage::default();
            for (at, answered) in told {
                if answered { outage.ended() } else { outage.goes_on(s(at)) }
            }
            assert_eq!(outage.patience(now, HOLD), patience, "{case}");
        }
    }

    #[test]
    fn without_holding_a_read_waits_for_nothing() {
        assert_eq!(QuorumOutage::default().patience(s(9), Duration::ZERO), Duration::ZERO);
    }
}
