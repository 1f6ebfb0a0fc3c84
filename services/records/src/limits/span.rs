//! The time in which a limit counts attempts: a rolling time, or a calendar day of the record's zone.

use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use outbound::declaration::DeclaredLimit;

use crate::zones;

const SECOND_US: u64 = 1_000_000;
/// No calendar day is longer, not even one with a change of clocks.
const LONGEST_DAY_US: u64 = 48 * 3600 * SECOND_US;

/// The time in which a limit counts attempts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// The last `within_us`.
    Rolling { from_us: u64, within_us: u64 },
    /// From a midnight to the next.
    Day { from_us: u64, until_s: i64 },
}

impl Span {
    /// The time of a limit. `zone`: IANA name of the record's zone.
    pub(super) fn of(limit: &DeclaredLimit, zone: &str, now_us: u64) -> Self {
        let within_us = within_us(limit);
        if within_us == 0 {
            return Self::day(zone, now_us);
        }
        Self::Rolling { from_us: now_us.saturating_add(1).saturating_sub(within_us), within_us }
    }

    fn day(zone: &str, now_us: u64) -> Self {
        let now_s = i64::try_from(now_us / SECOND_US).unwrap_or(i64::MAX);
        let zone = zones::zone(zone);
        let midnight = |date: Date| zone.to_timestamp(date.to_datetime(Time::midnight())).ok();
        let today = Timestamp::from_second(now_s).unwrap_or_default().to_zoned(zone.clone()).date();
        let from_s = midnight(today).map_or(0, |at| at.as_second().max(0).unsigned_abs());
        let until_s = today.tomorrow().ok().and_then(midnight).map_or(i64::MAX, |at| at.as_second());
        Self::Day { from_us: from_s.saturating_mul(SECOND_US), until_s }
    }

    /// The first stamp that counts, microseconds since 1970.
    pub(super) fn begun_us(&self) -> u64 {
        match self {
            Self::Rolling { from_us, .. } | Self::Day { from_us, .. } => *from_us,
        }
    }

    /// The first second, UTC, at which an attempt that counts now does not count any more.
    pub(super) fn until_s(&self, stamp_us: u64) -> i64 {
        match self {
            Self::Rolling { within_us, .. } => {
                i64::try_from(stamp_us.saturating_add(*within_us).div_ceil(SECOND_US)).unwrap_or(i64::MAX)
            }
            Self::Day { until_s, .. } => *until_s,
        }
    }

    /// The age at which an attempt counts in a limit no more, whatever the zone, microseconds.
    pub(super) fn longest_us(limit: &DeclaredLimit) -> u64 {
        match within_us(limit) {
            0 => LONGEST_DAY_US,
            within_us => within_us,
        }
    }
}

/// 0: a calendar day.
fn within_us(limit: &DeclaredLimit) -> u64 {
    u64::from(limit.within.unwrap_or(0)) * SECOND_US
}
