//! Hours: whether a window and a calendar are open in a zone, and when both open next (spec 9, The record).
//!
//! Wall-clock seconds decide: hour × 3600 + minute × 60 + second, on days of 23 and of 25 hours too. Never reads a clock: the
//! caller gives the time.

use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use outbound::declaration::{DeclaredCalendar, DeclaredDay};

use crate::{declared::Declared, tables::ListRow, zones};

/// Days within which a window without a calendar opens, if the window opens at all.
const WINDOW_DAYS_MAX: i64 = 8;
/// Days within which a calendar is searched for its next opening: closed dates of more than a year count as "never".
const CALENDAR_DAYS_MAX: i64 = 400;
const DAY_S: i64 = 86_400;
const DAY_SECONDS: u32 = 86_400;

/// A calendar that is never open, in the place of an undeclared calendar: no customer is called outside of hours by mistake.
static NEVER: DeclaredCalendar = DeclaredCalendar { name: String::new(), hours: None, closed: None };

/// The wall clock of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalTime {
    /// As in `2026-12-25`.
    date: String,
    /// 1 Monday to 7 Sunday.
    weekday: u32,
    /// Wall-clock seconds of the day.
    second: u32,
}

impl LocalTime {
    fn at(zone: &TimeZone, at_s: i64) -> Self {
        Self::of(zone.to_datetime(Timestamp::from_second(at_s).unwrap_or_default()))
    }

    fn of(local: DateTime) -> Self {
        let [hour, minute, second] =
            [local.hour(), local.minute(), local.second()].map(|part| u32::from(part.unsigned_abs()));
        Self {
            date: local.date().to_string(),
            weekday: u32::from(local.weekday().to_monday_one_offset().unsigned_abs()),
            second: hour * 3600 + minute * 60 + second,
        }
    }
}

/// The time of a command with the wall clocks of the zones asked for so far: each zone is looked up once a command.
#[derive(Debug)]
pub(super) struct Clock {
    now_s: i64,
    zones: Vec<(String, LocalTime)>,
}

impl Clock {
    pub(super) fn at(now_s: i64) -> Self {
        Self { now_s, zones: Vec::new() }
    }

    /// UTC seconds.
    pub(super) fn now_s(&self) -> i64 {
        self.now_s
    }

    /// The wall clock of a zone, by its IANA name.
    pub(super) fn local(&mut self, zone: &str) -> &LocalTime {
        let known = self.zones.iter().position(|(name, _)| name == zone);
        let at = known.unwrap_or_else(|| {
            self.zones.push((zone.to_owned(), LocalTime::at(&zones::zone(zone), self.now_s)));
            self.zones.len() - 1
        });
        &self.zones[at].1
    }
}

/// The hours of a record: its window and its list's calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hours<'a> {
    /// Seconds since midnight.
    pub(super) from: u32,
    /// Seconds since midnight, exclusive.
    pub(super) till: u32,
    /// None: the list has no calendar.
    pub(super) calendar: Option<&'a DeclaredCalendar>,
}

impl Hours<'_> {
    /// Whether window and calendar are open.
    pub(super) fn are_open(&self, local: &LocalTime) -> bool {
        self.window_is_open(local) && self.calendar.is_none_or(|calendar| calendar_is_open(calendar, local))
    }

    /// From ≤ now < till; from > till spans midnight; from = till is never open.
    pub(super) fn window_is_open(&self, local: &LocalTime) -> bool {
        let (begun, not_over) = (self.from <= local.second, local.second < self.till);
        match self.from.cmp(&self.till) {
            std::cmp::Ordering::Less => begun && not_over,
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Greater => begun || not_over,
        }
    }

    /// When the closed hours open next after a time, UTC seconds; none: not within the days of the search.
    ///
    /// Hours open at their beginning, at the beginning of a day, and where a change of clocks moves the wall clock into them.
    pub(super) fn open_next(&self, zone: &TimeZone, now_s: i64) -> Option<i64> {
        let days_max = if self.calendar.is_some() { CALENDAR_DAYS_MAX } else { WINDOW_DAYS_MAX };
        let opens = |at_s: &i64| *at_s > now_s && self.are_open(&LocalTime::at(zone, *at_s));
        let now = Timestamp::from_second(now_s).unwrap_or_default();
        let changes = zone.following(now).map(|change| change.timestamp().as_second());
        let by_change = changes.take_while(|at_s| *at_s < now_s + days_max * DAY_S).find(opens);
        let today = zone.to_datetime(now).date();
        let mut dates = (0..=days_max).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
        let by_day = |date: Date| {
            let seconds = self.beginnings();
            let instants = seconds.iter().flat_map(|second| instants(zone, date, *second));
            instants.flatten().filter(opens).min()
        };
        let by_clock = dates.find_map(by_day);
        by_clock.into_iter().chain(by_change).min()
    }

    /// Wall-clock seconds at which the hours of a day may begin.
    fn beginnings(&self) -> Vec<u32> {
        let of_calendar = self.calendar.into_iter().flat_map(days_of).map(|day| day.from);
        [0, self.from].into_iter().chain(of_calendar).collect()
    }
}

/// The instants of a wall-clock time: two where the clocks go back, and the times before and after a gap.
fn instants(zone: &TimeZone, date: Date, second: u32) -> [Option<i64>; 2] {
    if second >= DAY_SECONDS {
        return [None, None];
    }
    let part = |number: u32| i8::try_from(number).unwrap_or_default();
    let time = date.at(part(second / 3600), part(second / 60 % 60), part(second % 60), 0);
    let instants = zone.to_ambiguous_timestamp(time);
    [instants.earlier(), instants.later()].map(|instant| instant.ok().map(Timestamp::as_second))
}

fn days_of(calendar: &DeclaredCalendar) -> &[DeclaredDay] {
    match &calendar.hours {
        Some(hours) => &hours.days,
        None => &[],
    }
}

/// Whether a calendar is open: on a day with hours, within them, and on no closed date.
fn calendar_is_open(calendar: &DeclaredCalendar, local: &LocalTime) -> bool {
    let covers = |day: &DeclaredDay| day.day == local.weekday && day.from <= local.second && local.second < day.till;
    let is_closed = || calendar.closed.iter().flat_map(|closed| &closed.names).any(|date| *date == local.date);
    days_of(calendar).iter().any(covers) && !is_closed()
}

/// The calendar of a list.
pub(super) fn calendar_of<'a>(list: &ListRow, declared: &'a Declared) -> Option<&'a DeclaredCalendar> {
    (!list.calendar.is_empty()).then(|| declared.calendar(&list.calendar).unwrap_or(&NEVER))
}

#[cfg(test)]
mod tests {
    use outbound::declaration::{DeclaredHours, DeclaredNames};

    use super::*;

    const HOUR: u32 = 3600;
    /// 2024-03-31T00:00:00Z, a Sunday: Berlin's clocks go forward at 01:00Z.
    const SPRING_S: i64 = 1_711_843_200;
    /// 2024-10-27T00:00:00Z, a Sunday: Berlin's clocks go back at 01:00Z.
    const AUTUMN_S: i64 = 1_729_987_200;

    fn window(from: u32, till: u32) -> Hours<'static> {
        Hours { from, till, calendar: None }
    }

    fn berlin() -> TimeZone {
        zones::zone("Europe/Berlin")
    }

    fn second_of_day(second: u32) -> LocalTime {
        LocalTime { date: "2024-01-01".to_owned(), weekday: 1, second }
    }

    #[test]
    fn a_window_is_open_from_its_beginning_until_before_its_end() {
        let table = [
            // from, till, second, open
            (8 * HOUR, 20 * HOUR, 8 * HOUR - 1, false),
            (8 * HOUR, 20 * HOUR, 8 * HOUR, true),
            (8 * HOUR, 20 * HOUR, 20 * HOUR - 1, true),
            (8 * HOUR, 20 * HOUR, 20 * HOUR, false),
            (22 * HOUR, 6 * HOUR, 22 * HOUR - 1, false),
            (22 * HOUR, 6 * HOUR, 22 * HOUR, true),
            (22 * HOUR, 6 * HOUR, 0, true),
            (22 * HOUR, 6 * HOUR, 6 * HOUR - 1, true),
            (22 * HOUR, 6 * HOUR, 6 * HOUR, false),
            (0, DAY_SECONDS, 0, true),
            (0, DAY_SECONDS, DAY_SECONDS - 1, true),
            (9 * HOUR, 9 * HOUR, 9 * HOUR, false),
            (0, 0, 0, false),
            (DAY_SECONDS, HOUR, DAY_SECONDS - 1, false),
            (DAY_SECONDS, HOUR, HOUR - 1, true),
        ];
        for (from, till, second, open) in table {
            let is_open = window(from, till).are_open(&second_of_day(second));
            assert_eq!(is_open, open, "{from} to {till} at {second}");
        }
    }

    #[test]
    fn the_wall_clock_decides_on_days_of_23_and_25_hours() {
        let at = |at_s| LocalTime::at(&berlin(), at_s).second;
        assert_eq!([at(SPRING_S + 3599), at(SPRING_S + 3600)], [2 * HOUR - 1, 3 * HOUR], "an hour is left out");
        let hour = i64::from(HOUR);
        assert_eq!([at(AUTUMN_S), at(AUTUMN_S + hour)], [2 * HOUR, 2 * HOUR], "an hour comes twice");
        let noon = window(12 * HOUR, 13 * HOUR);
        for (midnight_s, noon_z) in [(SPRING_S, 10), (AUTUMN_S, 11)] {
            let noon_s = midnight_s + noon_z * hour;
            assert!(!noon.are_open(&LocalTime::at(&berlin(), noon_s - 1)));
            assert!(noon.are_open(&LocalTime::at(&berlin(), noon_s)));
        }
    }

    fn calendar(days: &[(u32, u32, u32)], closed: &[&str]) -> DeclaredCalendar {
        let days = days.iter().map(|(day, from, till)| DeclaredDay { day: *day, from: *from, till: *till });
        let closed = DeclaredNames { names: closed.iter().map(|date| (*date).to_owned()).collect() };
        DeclaredCalendar {
            name: "c".to_owned(),
            hours: Some(DeclaredHours { days: days.collect() }),
            closed: Some(closed),
        }
    }

    #[test]
    fn a_calendar_is_open_in_the_hours_of_its_days_and_on_no_closed_date() {
        let calendar = calendar(&[(1, 8 * HOUR, 20 * HOUR), (6, 10 * HOUR, DAY_SECONDS)], &["2024-01-08"]);
        let table = [
            ("2024-01-01", 1, 8 * HOUR, true),
            ("2024-01-01", 1, 20 * HOUR, false),
            ("2024-01-02", 2, 8 * HOUR, false),
            ("2024-01-06", 6, DAY_SECONDS - 1, true),
            ("2024-01-08", 1, 8 * HOUR, false),
            ("2024-01-15", 1, 8 * HOUR, true),
        ];
        for (date, weekday, second, open) in table {
            let local = LocalTime { date: date.to_owned(), weekday, second };
            assert_eq!(calendar_is_open(&calendar, &local), open, "{date} {second}");
            let whole_day = Hours { calendar: Some(&calendar), ..window(0, DAY_SECONDS) };
            assert_eq!(whole_day.are_open(&local), open, "{date} {second}");
        }
        assert!(!calendar_is_open(&NEVER, &second_of_day(12 * HOUR)));
    }

    #[test]
    fn closed_hours_open_at_their_beginning_at_midnight_or_at_a_change_of_clocks() {
        let hour = i64::from(HOUR);
        let table = [
            // window, zone, now, next opening
            (window(8 * HOUR, 20 * HOUR), "UTC", SPRING_S, Some(SPRING_S + 8 * hour)),
            (window(8 * HOUR, 20 * HOUR), "UTC", SPRING_S + 20 * hour, Some(SPRING_S + 32 * hour)),
            (window(DAY_SECONDS, HOUR), "UTC", SPRING_S + 2 * hour, Some(SPRING_S + 24 * hour)),
            (window(9 * HOUR, 9 * HOUR), "UTC", SPRING_S, None),
            // 02:30 is left out: the wall clock goes from 02:00 to 03:00
            (window(2 * HOUR + HOUR / 2, 4 * HOUR), "Europe/Berlin", SPRING_S, Some(SPRING_S + hour)),
            // 02:00 to 02:30 comes a second time
            (window(2 * HOUR, 2 * HOUR + HOUR / 2), "Europe/Berlin", AUTUMN_S + hour / 2, Some(AUTUMN_S + hour)),
            // 02:30 to 03:00 comes a second time
            (window(2 * HOUR + HOUR / 2, 3 * HOUR), "Europe/Berlin", AUTUMN_S + hour, Some(AUTUMN_S + 3 * hour / 2)),
        ];
        for (hours, zone, now_s, opens) in table {
            assert_eq!(hours.open_next(&zones::zone(zone), now_s), opens, "{hours:?} {zone} {now_s}");
        }
    }

    #[test]
    fn a_calendar_opens_on_its_next_day_that_is_not_closed() {
        let hour = i64::from(HOUR);
        let mondays = calendar(&[(1, 8 * HOUR, 20 * HOUR)], &["2024-04-01", "2024-04-08"]);
        let whole_day = Hours { calendar: Some(&mondays), ..window(0, DAY_SECONDS) };
        assert_eq!(whole_day.open_next(&TimeZone::UTC, SPRING_S), Some(SPRING_S + 15 * DAY_S + 8 * hour));
        let mornings = Hours { calendar: Some(&mondays), ..window(0, 7 * HOUR) };
        assert_eq!(mornings.open_next(&TimeZone::UTC, SPRING_S), None, "window and calendar are never open together");
    }
}
