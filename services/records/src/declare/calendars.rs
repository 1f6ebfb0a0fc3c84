//! Calendars: hours by day of the week, and closed dates (spec 9, The record).

use jiff::civil::Date;
use outbound::declaration::{DeclaredCalendar, DeclaredDay, DeclaredHours, DeclaredNames};

use super::{
    Faults,
    item::{Item, Pairs, Shown, missing, path, set},
};
use crate::rules::DAY_END;

/// Closed dates of a calendar, at most.
const CLOSED_DATES_MAX: usize = 4_000;
/// Days of the week in files, from Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Shown for DeclaredCalendar {
    const WORD: &'static str = "calendar";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        let days = self.hours.iter().flat_map(|hours| &hours.days);
        let hours: Vec<String> = days.map(|day| format!("{} {}", name_of(day), shown(day))).collect();
        let closed: Vec<&str> = self.closed.iter().flat_map(|closed| &closed.names).map(String::as_str).collect();
        vec![("hours", hours.join(", ")), ("closed", closed.join(", "))]
    }
}

impl Item for DeclaredCalendar {
    const KIND: &'static str = "calendars";

    fn take(&mut self, named: Self) {
        set(&mut self.hours, named.hours);
        set(&mut self.closed, named.closed);
    }

    fn complete(&mut self, faults: &mut Faults) {
        if self.hours.is_none() {
            missing(self, "hours", faults);
        }
        let mut hours = self.hours.take().unwrap_or_default();
        hours.days.sort_by_key(|day| day.day);
        check_hours(self, &hours, faults);
        self.hours = Some(hours);
        let closed = self.closed.take().unwrap_or_default().names;
        let names = dates(self, &closed, faults);
        self.closed = Some(DeclaredNames { names });
    }
}

fn check_hours(calendar: &DeclaredCalendar, hours: &DeclaredHours, faults: &mut Faults) {
    for (at, day) in hours.days.iter().enumerate() {
        let path = path(calendar, &format!("hours.{}", name_of(day)));
        match () {
            () if !(1..=7).contains(&day.day) => faults.add(path, "is no day of the week"),
            () if at > 0 && hours.days[at - 1].day == day.day => faults.add(path, "is there twice"),
            () if i64::from(day.till) > DAY_END => faults.add(path, format!("{} ends behind 24:00", shown(day))),
            () if day.till < day.from => faults.add(path, format!("{} ends before it begins", shown(day))),
            () if day.till == day.from => faults.add(path, format!("{} ends when it begins", shown(day))),
            () => {}
        }
    }
}

/// The closed dates in order, each once.
fn dates(calendar: &DeclaredCalendar, closed: &[String], faults: &mut Faults) -> Vec<String> {
    if closed.len() > CLOSED_DATES_MAX {
        faults.add(path(calendar, "closed"), format!("has more than {CLOSED_DATES_MAX} dates"));
    }
    let mut dates = Vec::with_capacity(closed.len());
    for text in closed {
        match Date::strptime("%Y-%m-%d", text.trim()) {
            Ok(date) => dates.push(date),
            Err(_) => faults.add(path(calendar, "closed"), format!("{text:?} is no date such as \"2026-12-25\"")),
        }
    }
    dates.sort_unstable();
    dates.dedup();
    dates.iter().map(Date::to_string).collect()
}

fn name_of(day: &DeclaredDay) -> String {
    let name = usize::try_from(day.day).ok().and_then(|day| DAYS.get(day.checked_sub(1)?));
    name.map_or_else(|| day.day.to_string(), |name| (*name).to_owned())
}

fn shown(day: &DeclaredDay) -> String {
    let time = |seconds: u32| match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (hours, minutes, 0) => format!("{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    };
    format!("{}-{}", time(day.from), time(day.till))
}
