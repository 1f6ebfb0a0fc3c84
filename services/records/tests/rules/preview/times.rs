//! Times of the tests of previews, and the attributes of callbacks at a time.

use outbound::key;

/// 2024-01-01T00:00:00Z, a Monday.
pub const NEW_YEAR_S: i64 = 1_704_067_200;
/// 2024-03-31T00:00:00Z, a Sunday: Berlin's clocks go from 02:00 to 03:00 at 01:00Z.
pub const SPRING_S: i64 = 1_711_843_200;
/// 2024-10-27T00:00:00Z, a Sunday: Berlin's clocks go from 03:00 to 02:00 at 01:00Z.
pub const AUTUMN_S: i64 = 1_729_987_200;
pub const HOUR: i64 = 3600;

pub fn callback(date_time: &str) -> [(&str, &str); 1] {
    [(key::DATE_TIME, date_time)]
}

pub fn personal<'a>(agent: &'a str, date_time: &'a str) -> [(&'a str, &'a str); 2] {
    [(key::DATE_TIME, date_time), (key::AGENT_ID, agent)]
}
