//! GSW_DATE_TIME: `MM/dd/yyyy HH:mm` in the record's zone; ISO 8601 is accepted too, with or without offset (spec 8).
//!
//! Pure: the caller gives the zone, and no function reads a clock.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::rules::TIME_MAX;

const FORMAT: &str = "%m/%d/%Y %H:%M";
/// Hours of an offset in ISO 8601, at most.
const OFFSET_HOURS_MAX: u8 = 23;

/// UTC seconds of a text. A local time that a change of clocks skips or repeats has the offset before the change, as in Java: the
/// time that long after the change, or the first (spec 8).
/// None: not a time, or outside 1970 to 9999.
pub(crate) fn parse(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    let local = || DateTime::strptime(FORMAT, text).ok();
    // jiff looks up a zone in brackets in a database that this crate does not control.
    let iso = (!text.contains('[')).then_some(text);
    let instant = iso.and_then(|text| text.parse::<Timestamp>().ok());
    let in_zone = |date_time: DateTime| date_time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let civil = || local().or_else(|| iso.and_then(|text| text.parse().ok())).and_then(in_zone);
    let seconds = instant.or_else(civil)?.as_second();
    (0..=TIME_MAX).contains(&seconds).then_some(seconds)
}

/// Whether the offset of a time that [`parse`] reads is one of ISO 8601: that parser reads up to 25 hours. True without an offset.
pub(crate) fn has_offset_of_a_day(text: &str) -> bool {
    let time = text.trim().split_once(['T', 't', ' ']).map_or("", |(_, time)| time);
    let offset = time.split_once(['+', '-']).map_or("", |(_, offset)| offset);
    let hours = offset.get(..2).unwrap_or(offset);
    !hours.parse::<u8>().is_ok_and(|hours| hours > OFFSET_HOURS_MAX)
}

/// The text of UTC seconds, as RFC 3339 writes them.
pub(crate) fn rfc_3339(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(|| seconds.to_string(), |at| at.to_string())
}

/// The text of UTC seconds, to the minute.
pub(crate) fn show(seconds: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime(FORMAT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones;

    #[test]
    fn every_form_of_the_same_time_is_the_same() {
        let melbourne = zones::zone("Australia/Melbourne");
        for text in [
            "07/01/2024 10:00",
            "2024-07-01T10:00",
            "2024-07-01 10:00:00",
            "2024-07-01T00:00:00Z",
            "2024-07-01T02:00:00+02:00",
        ] {
            assert_eq!(parse(text, &melbourne), Some(1_719_792_000), "{text}");
        }
        assert_eq!(show(1_719_792_000, &melbourne), "07/01/2024 10:00");
    }

    #[test]
    fn an_offset_has_at_most_the_hours_of_a_day() {
        for text in ["2024-07-01T10:00:00+25:00", "2024-07-01 10:00-24:00", " 2024-07-01t10:00:00-2400 "] {
            assert!(parse(text, &TimeZone::UTC).is_some() && !has_offset_of_a_day(text), "{text}");
        }
        for text in
            ["07/01/2024 10:00", "2024-07-01T10:00", "2024-07-01", "2024-07-01T10:00Z", "2024-07-01T10:00-23:59"]
        {
            assert!(has_offset_of_a_day(text), "{text}");
        }
    }

    #[test]
    fn a_local_time_that_is_left_out_comes_after_the_change_and_one_that_is_doubled_is_the_first() {
        let berlin = zones::zone("Europe/Berlin");
        for (text, shown, utc) in [
            // 02:00 becomes 03:00
            ("03/31/2024 01:59", "03/31/2024 01:59", "2024-03-31T00:59:00Z"),
            ("03/31/2024 02:00", "03/31/2024 03:00", "2024-03-31T01:00:00Z"),
            ("03/31/2024 02:30", "03/31/2024 03:30", "2024-03-31T01:30:00Z"),
            ("2024-03-31T02:59:59", "03/31/2024 03:59", "2024-03-31T01:59:59Z"),
            ("03/31/2024 03:30", "03/31/2024 03:30", "2024-03-31T01:30:00Z"),
            // 03:00 becomes 02:00
            ("10/27/2024 02:30", "10/27/2024 02:30", "2024-10-27T00:30:00Z"),
            ("2024-10-27T02:30+01:00", "10/27/2024 02:30", "2024-10-27T01:30:00Z"),
            ("10/27/2024 03:00", "10/27/2024 03:00", "2024-10-27T02:00:00Z"),
        ] {
            let seconds = parse(text, &berlin);
            assert_eq!(seconds, utc.parse::<Timestamp>().ok().map(Timestamp::as_second), "{text}");
            assert_eq!(seconds.map(|at| show(at, &berlin)).as_deref(), Some(shown), "{text}");
        }
        let apia = zones::zone("Pacific/Apia");
        // 30 December 2011 is left out
        assert_eq!(parse("12/30/2011 10:00", &apia), parse("12/31/2011 10:00", &apia));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["02/30/2024 10:00", "2023-02-29T10:00", "2024-02-30T10:00:00Z", "02/01/2024 24:00"] {
            assert_eq!(parse(text, &TimeZone::UTC), None, "{text}");
        }
        for text in ["", "tomorrow", "13/01/2024 10:00", "07/01/2024", "1969-12-31T00:00:00Z", "2024-07-01T10:00[UTC]"]
        {
            assert_eq!(parse(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
