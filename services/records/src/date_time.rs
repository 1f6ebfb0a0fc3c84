//! GSW_DATE_TIME: `MM/dd/yyyy HH:mm` in the record's zone; ISO 8601 is accepted too, with or without offset (spec 8).
//!
//! Pure: the caller gives the zone, and no function reads a clock.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::rules::TIME_MAX;

const FORMAT: &str = "%m/%d/%Y %H:%M";

/// UTC seconds of a text. A local time that a change of clocks skips or repeats has the offset before the change, as in Java.
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
    fn what_is_no_time_is_refused() {
        for text in ["", "tomorrow", "13/01/2024 10:00", "07/01/2024", "1969-12-31T00:00:00Z", "2024-07-01T10:00[UTC]"]
        {
            assert_eq!(parse(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
