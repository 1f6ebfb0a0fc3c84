//! Moments to the second as RFC 3339 writes them: `2026-12-01T03:00:00Z`.
//!
//! Never takes a local time: the zone of a reader is not that of the writer. Called by every side that schedules something.

use jiff::{Timestamp, civil::DateTime};

/// UTC seconds of a moment with a zone; fractions of a second are cut.
///
/// # Errors
/// A sentence that names the missing part.
pub fn seconds_of(text: &str) -> Result<u64, String> {
    let text = text.trim();
    // a zone in brackets would be looked up in a database of this machine
    let at = Some(text).filter(|text| !text.contains('[')).and_then(|text| text.parse::<Timestamp>().ok());
    if let Some(at) = at {
        return u64::try_from(at.as_second()).map_err(|_| format!("{text:?} is before 1970"));
    }
    if text.parse::<DateTime>().is_ok() && !text.contains('[') {
        return Err(format!("{text:?} has no zone: end it with Z for UTC, or with an offset such as +01:00"));
    }
    Err(format!("{text:?} is no moment of the form 2026-12-01T03:00:00Z"))
}

/// UTC seconds in words.
pub fn text_of(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(|| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_zone_and_comes_back_as_text() {
        for (text, seconds) in [
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2023-11-14T23:13:20+01:00", 1_700_000_000),
            (" 2023-11-14 22:13:20.9Z ", 1_700_000_000),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(seconds_of(text), Ok(seconds), "{text}");
        }
        assert_eq!(text_of(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(text_of(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn a_local_time_is_refused_with_the_way_to_write_its_zone_and_anything_else_with_an_example() {
        for text in ["2023-11-14T22:13:20", "2023-11-14 22:13", "2023-11-14"] {
            assert!(seconds_of(text).unwrap_err().contains("has no zone: end it with Z"), "{text}");
        }
        for text in ["", "soon", "1700000000", "22:13", "2023-11-14T22:13:20[Europe/Berlin]", "2023-11-31T00:00:00Z"] {
            assert!(seconds_of(text).unwrap_err().contains("of the form 2026-12-01T03:00:00Z"), "{text}");
        }
        assert!(seconds_of("1969-12-31T23:59:59Z").unwrap_err().contains("before 1970"));
    }
}
