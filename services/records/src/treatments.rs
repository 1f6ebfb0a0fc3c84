//! Treatments: the outcome for a record whose call did not reach anybody (spec 9, Treatments).
//!
//! The treatments of one call result form a sequence. The column `treatments` of a record says how far the record is in the sequence
//! of its last treated result. A single table has the outcome of every action. Pure; the caller writes the outcome. Called by
//! RecordProcessed and by due work.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::TimeZone,
};
use outbound::{declaration::DeclaredTreatment, record_type};

use crate::{
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
    zones,
};

/// The change of a record whose attempt has ended. `cell`: the new value of the column `treatments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No treatment: Updated, and the chain's other open records ChainUpdated.
    Finish,
    /// Ready again with this type (CampaignRescheduled or PersonalRescheduled), due at this time.
    Retry { record_type: i64, due_s: i64, cell: String },
    /// Updated, the rest of the chain stays open; with a time, its next open record becomes CampaignRescheduled at this time.
    NextInChain { due_s: Option<i64>, cell: String },
    /// Ready; personal types become campaign types.
    AssignToGroup { cell: String },
    /// AgentError, the rest of the chain stays open.
    AgentError { cell: String },
    /// Updated, the rest of the chain stays open.
    UpdateRecord { cell: String },
    /// Updated, the other open records ChainUpdated.
    UpdateChain { cell: String },
}

/// A row of the table of actions.
struct ActionRow {
    action: &'static str,
    becomes: fn(&Step<'_>) -> Outcome,
}

/// The outcome of every action (spec 9, Treatments).
const ACTIONS: [ActionRow; 10] = [
    row("RetryIn", |step| step.retry(step.after_wait())),
    row("Cycle", |step| step.retry(step.now_s)),
    row("RetryAtDate", |step| step.retry(step.at_date())),
    row("NextInChain", |step| step.next_in_chain(None)),
    row("NextInChainAfter", |step| step.next_in_chain(Some(step.after_wait()))),
    row("NextInChainAtDate", |step| step.next_in_chain(Some(step.at_date()))),
    row("AssignToGroup", |step| Outcome::AssignToGroup { cell: step.cell() }),
    row("MarkAsAgentError", |step| Outcome::AgentError { cell: step.cell() }),
    row("MarkDB", |step| Outcome::UpdateRecord { cell: step.cell() }),
    row("MarkAllChain", |step| Outcome::UpdateChain { cell: step.cell() }),
];

const fn row(action: &'static str, becomes: fn(&Step<'_>) -> Outcome) -> ActionRow {
    ActionRow { action, becomes }
}

/// The outcome of an attempt. `record` has the attempt's result and its count of attempts already; `personally`: GSW_TREATMENT
/// says Personal.
pub(crate) fn outcome<V: View>(
    record: &RecordRow,
    list: &ListRow,
    personally: bool,
    turn: &Turn<'_, '_, V>,
) -> Outcome {
    let declared = turn.overlay.declared();
    let is_used_up = list.attempts_max > 0 && record.attempt >= i64::from(list.attempts_max);
    let of_list = list.treatments.iter().filter_map(|name| declared.treatment(name));
    let Some((treatment, times)) = next(record, of_list).filter(|_| !is_used_up) else { return Outcome::Finish };
    let zone = zones::zone(zones::name_under(record, list, declared));
    let is_personal = personally && !record.agent_id.is_empty();
    Step { treatment, result: record.call_result, times, is_personal, now_s: turn.now_s(), zone }.outcome()
}

/// The treatment of a record's result that is next in its sequence, and how often the record has had that treatment then.
fn next<'a>(
    record: &RecordRow,
    of_list: impl Iterator<Item = &'a DeclaredTreatment>,
) -> Option<(&'a DeclaredTreatment, u32)> {
    let last = Treated::read(&record.treatments).filter(|treated| treated.result == record.call_result);
    let (step, times) = last.map_or((0, 0), |treated| (treated.step, treated.times));
    let mut sequence: Vec<_> = of_list.filter(|treatment| treatment.call_result == Some(record.call_result)).collect();
    sequence.sort_by_key(|treatment| treatment.number);
    let goes_on = |treatment: &DeclaredTreatment| number_of(treatment) == step && times < attempts_of(treatment);
    let next = sequence.into_iter().find(|treatment| number_of(treatment) > step || goes_on(treatment))?;
    Some((next, if number_of(next) == step { times.saturating_add(1) } else { 1 }))
}

fn number_of(treatment: &DeclaredTreatment) -> u32 {
    treatment.number.unwrap_or(0)
}

/// How often a treatment is done before the next one; a treatment that gives no number is done once.
fn attempts_of(treatment: &DeclaredTreatment) -> u32 {
    treatment.cycle_attempts.unwrap_or(0).max(1)
}

/// The cell of the column `treatments`, as `6.1.2`.
struct Treated {
    /// Call result of the last treated attempt.
    result: i64,
    /// Number of the treatment in its sequence.
    step: u32,
    /// How often the record has had that treatment.
    times: u32,
}

impl Treated {
    /// None: the cell has another form, and counts as empty (spec 9, Small print).
    fn read(cell: &str) -> Option<Self> {
        let digits = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = cell.split('.');
        let mut part = || parts.next().filter(digits);
        let (result, step, times) = (part()?.parse().ok()?, part()?.parse().ok()?, part()?.parse().ok()?);
        parts.next().is_none().then_some(Self { result, step, times })
    }
}

/// A treatment that is done to a record now.
struct Step<'a> {
    treatment: &'a DeclaredTreatment,
    /// The call result of the attempt.
    result: i64,
    /// How often the record has had this treatment, this time included.
    times: u32,
    /// Whether a retry is for the record's agent alone.
    is_personal: bool,
    /// UTC seconds.
    now_s: i64,
    /// The record's zone.
    zone: TimeZone,
}

impl Step<'_> {
    /// An action that this release does not know finishes the record, as no treatment does.
    fn outcome(&self) -> Outcome {
        let action = self.treatment.action.as_deref().unwrap_or_default();
        let row = ACTIONS.iter().find(|row| row.action == action);
        row.map_or(Outcome::Finish, |row| (row.becomes)(self))
    }

    fn retry(&self, due_s: i64) -> Outcome {
        let record_type =
            if self.is_personal { record_type::PERSONAL_RESCHEDULED } else { record_type::CAMPAIGN_RESCHEDULED };
        Outcome::Retry { record_type, due_s, cell: self.cell() }
    }

    fn next_in_chain(&self, due_s: Option<i64>) -> Outcome {
        Outcome::NextInChain { due_s, cell: self.cell() }
    }

    fn cell(&self) -> String {
        format!("{}.{}.{}", self.result, number_of(self.treatment), self.times)
    }

    /// The end of the wait: the k-th time waits interval + (k - 1) × increment minutes.
    fn after_wait(&self) -> i64 {
        let minutes = |given: Option<u32>| i64::from(given.unwrap_or(0));
        let grown = minutes(self.treatment.increment).saturating_mul(i64::from(self.times) - 1);
        self.now_s.saturating_add(minutes(self.treatment.interval).saturating_add(grown).saturating_mul(60))
    }

    /// The time that the treatment names: a date, else a time of the next day on which that time is not past. A past date, and a
    /// text that names no time, are due at once.
    fn at_date(&self) -> i64 {
        let at = self.treatment.at.as_deref().unwrap_or_default();
        let time = || time_of_day(at).and_then(|time| self.next_time(time));
        let date = at.contains('T').then(|| at.parse::<DateTime>().ok()).flatten();
        let named = date.and_then(|date| self.instant(date)).or_else(time);
        named.map_or(self.now_s, |at_s| at_s.max(self.now_s))
    }

    /// Today's or tomorrow's time in the record's zone, whichever is the first that is not past.
    fn next_time(&self, time: Time) -> Option<i64> {
        let today = Timestamp::from_second(self.now_s).ok()?.to_zoned(self.zone.clone()).date();
        let today_s = self.instant(today.to_datetime(time))?;
        if today_s >= self.now_s { Some(today_s) } else { self.instant(today.tomorrow().ok()?.to_datetime(time)) }
    }

    /// A local time that a change of clocks skips or repeats has the offset before the change, as GSW_DATE_TIME (spec 8).
    fn instant(&self, local: DateTime) -> Option<i64> {
        self.zone.to_timestamp(local).ok().map(|at| at.as_second())
    }
}

/// A time of the day, as `17:30`.
fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests;
