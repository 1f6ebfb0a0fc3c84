//! Times of the model. A local time is written as the seconds of the same wall-clock time in UTC. Only the offsets come from a
//! library.

use std::sync::LazyLock;

use jiff::{Timestamp, tz::TimeZoneDatabase};

pub const DAY_S: i64 = 86_400;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The local time in a zone.
pub fn local(zone: &str, at_s: i64) -> i64 {
    let offset = ZONES.get(zone).unwrap().to_offset(Timestamp::from_second(at_s).unwrap());
    at_s + i64::from(offset.seconds())
}

/// The instant of a local time: the first of two; of a time that is left out, as long after the change of clocks.
pub fn instant(zone: &str, local_s: i64) -> i64 {
    let offset = |at_s: i64| local(zone, at_s) - at_s;
    let [before, after] = [offset(local_s - DAY_S), offset(local_s + DAY_S)];
    let standing = [before, after].into_iter().find(|standing| offset(local_s - standing) == *standing);
    local_s - standing.unwrap_or(before)
}

/// The instant at which the local day of a time begins, and the one at which the next begins.
pub fn day(zone: &str, at_s: i64) -> [i64; 2] {
    let midnight = local(zone, at_s).div_euclid(DAY_S) * DAY_S;
    [midnight, midnight + DAY_S].map(|midnight| instant(zone, midnight))
}

/// 1 Monday to 7 Sunday.
pub fn weekday(local_s: i64) -> u32 {
    u32::try_from((local_s.div_euclid(DAY_S) + 3).rem_euclid(7) + 1).unwrap()
}

/// Year, month and day.
fn date(local_s: i64) -> (i64, i64, i64) {
    let (mut year, mut days) = (1970, local_s.div_euclid(DAY_S));
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn clock(local_s: i64) -> (i64, i64, i64) {
    let second = local_s.rem_euclid(DAY_S);
    (second / 3600, second / 60 % 60, second % 60)
}

/// As GSW_DATE_TIME.
pub fn minute_text(local_s: i64) -> String {
    let ((year, month, day), (hour, minute, _)) = (date(local_s), clock(local_s));
    format!("{month:02}/{day:02}/{year} {hour:02}:{minute:02}")
}

/// As ISO 8601 without an offset.
pub fn iso_text(local_s: i64) -> String {
    let (hour, minute, second) = clock(local_s);
    format!("{}T{hour:02}:{minute:02}:{second:02}", date_text(local_s))
}

pub fn date_text(local_s: i64) -> String {
    let (year, month, day) = date(local_s);
    format!("{year}-{month:02}-{day:02}")
}

#[test]
fn times_are_those_of_the_calendar() {
    assert_eq!(minute_text(1_711_800_000), "03/30/2024 12:00");
    assert_eq!(iso_text(951_782_399), "2000-02-28T23:59:59");
    assert_eq!(weekday(1_711_800_000), 6);
    assert_eq!(instant("Europe/Berlin", local("Europe/Berlin", 1_711_800_000)), 1_711_800_000);
    assert_eq!(instant("Europe/Berlin", 1_711_852_200), 1_711_848_600, "02:30 is left out, and means 03:30");
    assert_eq!(instant("Europe/Berlin", 1_729_996_200), 1_729_989_000, "02:30 comes twice");
    assert_eq!(day("Europe/Berlin", 1_711_848_600), [1_711_839_600, 1_711_922_400]);
}
