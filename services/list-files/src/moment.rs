//! A moment in the forms that files and command lines have. Called by `entries`, and by the command line of `ocsctl`.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Digits of a moment in UTC seconds: fewer could be a date without separators.
const SECONDS_DIGITS: std::ops::RangeInclusive<usize> = 9..=12;

/// The UTC seconds of a moment: a date is its midnight in UTC, a time without an offset is UTC.
///
/// # Errors
/// The text has none of these forms, or names a time before 1970.
pub fn moment(text: &str) -> Result<i64, String> {
    let seconds = seconds_of(text.trim()).filter(|seconds| *seconds >= 0);
    let forms = "2027-01-31 (midnight, UTC), 2027-01-31T10:00:00+01:00, or UTC seconds";
    seconds.ok_or_else(|| format!("{text:?} is no moment of the form {forms}"))
}

fn seconds_of(text: &str) -> Option<i64> {
    if SECONDS_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_second());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_seconds_and_never_a_short_number() {
        for (text, seconds) in [
            ("1970-01-02", 86_400),
            ("2027-01-31", 1_801_353_600),
            ("2027-01-31T10:00:00+01:00", 1_801_386_000),
            ("2027-01-31T09:00:00Z", 1_801_386_000),
            ("2027-01-31 09:00", 1_801_386_000),
            (" 1801386000 ", 1_801_386_000),
        ] {
            assert_eq!(moment(text), Ok(seconds), "{text}");
        }
        for text in ["", "soon", "1801386", "1969-12-31", "2027-02-30", "31.01.2027", "99999999999999"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
