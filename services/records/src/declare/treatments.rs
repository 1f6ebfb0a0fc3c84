//! Treatments: the outcome for a record whose call did not reach anybody (spec 9, Treatments).

use jiff::civil::{DateTime, Time};
use outbound::{
    CALL_RESULT,
    declaration::{DeclaredTreatment, action},
};

use super::{
    Faults,
    item::{Item, Pairs, Shown, missing, number, path, set, text},
};

/// Highest number in a sequence, and most cycle attempts of a step.
const STEPS_MAX: u32 = 1_000;
/// Longest interval and increment, minutes: a year.
const MINUTES_MAX: u32 = 366 * 24 * 60;
/// Formats of `at`: a time of the day, and a date with a time.
const TIME: &str = "%H:%M";
const DATE_TIME: &str = "%Y-%m-%dT%H:%M";
/// The actions that happen at a given time.
const AT_A_TIME: [&str; 2] = ["RetryAtDate", "NextInChainAtDate"];

impl Shown for DeclaredTreatment {
    const WORD: &'static str = "treatment";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        let result = self.call_result.and_then(|result| CALL_RESULT.name_of(result)).unwrap_or_default();
        vec![
            ("dbid", text(&self.dbid)),
            ("call_result", result.to_owned()),
            ("number", text(&self.number)),
            ("action", text(&self.action)),
            ("cycle_attempts", text(&self.cycle_attempts)),
            ("interval", text(&self.interval)),
            ("increment", text(&self.increment)),
            ("at", text(&self.at)),
        ]
    }
}

impl Item for DeclaredTreatment {
    const KIND: &'static str = "treatments";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.call_result, named.call_result);
        set(&mut self.number, named.number);
        set(&mut self.action, named.action);
        set(&mut self.cycle_attempts, named.cycle_attempts);
        set(&mut self.interval, named.interval);
        set(&mut self.increment, named.increment);
        set(&mut self.at, named.at);
    }

    fn complete(&mut self, faults: &mut Faults) {
        match self.call_result {
            None => missing(self, "call_result", faults),
            Some(result) if !CALL_RESULT.contains(result) => {
                faults.add(path(self, "call_result"), format!("{result} is no call_result"));
            }
            Some(_) => {}
        }
        self.number = number(self, "number", self.number, 1, (1, STEPS_MAX), faults);
        self.cycle_attempts = number(self, "cycle_attempts", self.cycle_attempts, 1, (1, STEPS_MAX), faults);
        self.interval = number(self, "interval", self.interval, 0, (0, MINUTES_MAX), faults);
        self.increment = number(self, "increment", self.increment, 0, (0, MINUTES_MAX), faults);
        complete_action(self, faults);
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}

/// Writes action and time in their canonical forms.
fn complete_action(treatment: &mut DeclaredTreatment, faults: &mut Faults) {
    match treatment.action.clone().map(|name| (action(&name), name)) {
        None => missing(treatment, "action", faults),
        Some((None, name)) => faults.add(path(treatment, "action"), format!("{name:?} is no action")),
        Some((Some(action), _)) => treatment.action = Some(action.to_owned()),
    }
    let at = treatment.at.get_or_insert_default().trim().to_owned();
    let needs_time = treatment.action.as_deref().is_some_and(|action| AT_A_TIME.contains(&action));
    match canonical_at(&at) {
        Some(at) => treatment.at = Some(at),
        None if at.is_empty() && needs_time => missing(treatment, "at", faults),
        None if at.is_empty() => {}
        None => {
            let message = format!("{at:?} is neither a time such as \"17:30\" nor a date such as \"2026-12-24T09:00\"");
            faults.add(path(treatment, "at"), message);
        }
    }
}

fn canonical_at(text: &str) -> Option<String> {
    let time = || Time::strptime(TIME, text).ok().map(|time| time.strftime(TIME).to_string());
    let date_time = || DateTime::strptime(DATE_TIME, text).ok().map(|time| time.strftime(DATE_TIME).to_string());
    time().or_else(date_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_one_way() {
        for (text, canonical) in [
            ("17:30", Some("17:30")),
            ("2026-12-24T09:00", Some("2026-12-24T09:00")),
            ("", None),
            ("25:00", None),
            ("17:30:00", None),
            ("2026-02-30T09:00", None),
            ("2026-12-24", None),
            ("2026-12-24T09:00Z", None),
        ] {
            assert_eq!(canonical_at(text).as_deref(), canonical, "{text}");
        }
    }
}
