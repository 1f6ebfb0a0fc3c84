//! Tests of treatments: the outcome of every action, and the position in a sequence.

use outbound::record_type::{CAMPAIGN_RESCHEDULED, PERSONAL_RESCHEDULED};

use super::*;

/// 2024-03-30T12:00:00Z: a day before Berlin's clocks go forward.
const NOON_S: i64 = 1_711_800_000;
const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
const BUSY: i64 = 6;
const NO_ANSWER: i64 = 7;

fn treatment(call_result: i64, number: u32, action: &str) -> DeclaredTreatment {
    DeclaredTreatment {
        name: format!("{call_result}.{number}"),
        call_result: Some(call_result),
        number: Some(number),
        action: Some(action.to_owned()),
        cycle_attempts: Some(3),
        interval: Some(30),
        increment: Some(15),
        ..DeclaredTreatment::default()
    }
}

fn busy(cell: &str) -> RecordRow {
    RecordRow { call_result: BUSY, treatments: cell.to_owned(), ..RecordRow::default() }
}

/// A step at noon UTC.
fn step<'a>(treatment: &'a DeclaredTreatment, times: u32, zone: &str) -> Step<'a> {
    let zone = zones::zone(zone);
    Step { treatment, result: BUSY, times, is_personal: false, now_s: NOON_S, zone }
}

fn retry(due_s: i64, cell: &str) -> Outcome {
    Outcome::Retry { record_type: CAMPAIGN_RESCHEDULED, due_s, cell: cell.to_owned() }
}

#[test]
fn every_action_has_its_outcome() {
    let cell = || "6.1.2".to_owned();
    let (after_wait, at_date) = (NOON_S + 45 * MINUTE_S, NOON_S + 90 * MINUTE_S);
    let table = [
        ("RetryIn", retry(after_wait, "6.1.2")),
        ("Cycle", retry(NOON_S, "6.1.2")),
        ("RetryAtDate", retry(at_date, "6.1.2")),
        ("NextInChain", Outcome::NextInChain { due_s: None, cell: cell() }),
        ("NextInChainAfter", Outcome::NextInChain { due_s: Some(after_wait), cell: cell() }),
        ("NextInChainAtDate", Outcome::NextInChain { due_s: Some(at_date), cell: cell() }),
        ("AssignToGroup", Outcome::AssignToGroup { cell: cell() }),
        ("MarkAsAgentError", Outcome::AgentError { cell: cell() }),
        ("MarkDB", Outcome::UpdateRecord { cell: cell() }),
        ("MarkAllChain", Outcome::UpdateChain { cell: cell() }),
    ];
    assert_eq!(table.each_ref().map(|(action, _)| *action), ACTIONS.map(|row| row.action));
    assert_eq!(ACTIONS.map(|row| row.action), outbound::declaration::ACTIONS.map(|(action, _)| action));
    for (action, expected) in table {
        let treatment = DeclaredTreatment { at: Some("13:30".to_owned()), ..treatment(BUSY, 1, action) };
        assert_eq!(step(&treatment, 2, "UTC").outcome(), expected, "{action}");
    }
    assert_eq!(step(&treatment(BUSY, 1, "Later"), 1, "UTC").outcome(), Outcome::Finish, "an action of a later release");
}

#[test]
fn a_personal_retry_is_for_the_agent_alone() {
    for action in ["RetryIn", "Cycle", "RetryAtDate"] {
        let treatment = treatment(BUSY, 1, action);
        let personal = Step { is_personal: true, ..step(&treatment, 1, "UTC") };
        let Outcome::Retry { record_type, .. } = personal.outcome() else { panic!("{action} is no retry") };
        assert_eq!(record_type, PERSONAL_RESCHEDULED, "{action}");
    }
}

#[test]
fn each_time_of_a_step_waits_longer() {
    let treatment = treatment(BUSY, 1, "RetryIn");
    for (times, minutes) in [(1, 30), (2, 45), (3, 60)] {
        assert_eq!(step(&treatment, times, "UTC").after_wait(), NOON_S + minutes * MINUTE_S, "time {times}");
    }
}

/// A row: the cell of the record, and the cell of the next treatment; none: the sequence is over.
#[test]
fn consecutive_results_go_on_in_the_sequence_and_another_begins_its_own() {
    let once = DeclaredTreatment { cycle_attempts: Some(0), ..treatment(BUSY, 4, "Cycle") };
    let of_list = [once, treatment(BUSY, 2, "RetryIn"), treatment(NO_ANSWER, 1, "Cycle")];
    for (cell, expected) in [
        ("", Some((2, 1))),
        ("6.2.1", Some((2, 2))),
        ("6.2.2", Some((2, 3))),
        ("6.2.3", Some((4, 1))),
        ("6.4.1", None),
        ("6.3.9", Some((4, 1))),
        ("6.1.1", Some((2, 1))),
        ("6.5.1", None),
        ("7.1.2", Some((2, 1))),
        ("6.2", Some((2, 1))),
        ("6.2.1.1", Some((2, 1))),
        ("6.+2.1", Some((2, 1))),
        ("Campaign", Some((2, 1))),
        ("99999999999999999999.2.1", Some((2, 1))),
    ] {
        let next = next(&busy(cell), of_list.iter()).map(|(treatment, times)| (number_of(treatment), times));
        assert_eq!(next, expected, "{cell:?}");
    }
}

/// A row: the text, the zone, and minutes from noon UTC.
#[test]
fn a_date_counts_in_the_records_zone_and_a_time_of_the_day_on_the_next_day_on_which_it_is_not_past() {
    let tomorrow = DAY_S / MINUTE_S;
    for (at, zone, minutes) in [
        ("12:00", "UTC", 0),
        ("12:01", "UTC", 1),
        ("11:59", "UTC", tomorrow - 1),
        ("17:30", "America/New_York", 9 * 60 + 30),
        ("13:00", "Europe/Berlin", 0),
        // 23 hours until the same wall-clock time: the clocks go forward in between
        ("12:59", "Europe/Berlin", 23 * 60 - 1),
        // 02:30 is skipped, and means half an hour after the change
        ("02:30", "Europe/Berlin", 13 * 60 + 30),
        ("2024-03-31T02:30", "Europe/Berlin", 13 * 60 + 30),
        ("2024-03-30T14:00", "Europe/Berlin", 60),
        ("2024-03-30T12:59", "Europe/Berlin", 0),
        ("2020-01-01T00:00", "UTC", 0),
        ("2024-10-27T02:30", "Europe/Berlin", 303_150),
        ("", "UTC", 0),
        ("soon", "UTC", 0),
    ] {
        let treatment = DeclaredTreatment { at: Some(at.to_owned()), ..treatment(BUSY, 1, "RetryAtDate") };
        assert_eq!((step(&treatment, 1, zone).at_date() - NOON_S) / MINUTE_S, minutes, "{at:?} in {zone}");
    }
}
