//! Treatments of an attempt's result by RecordProcessed (spec 9, Treatments): a row a cell of the table of actions.

use crate::common::{World, show};
use crate::declaring::{DEMO, GROUP, add, ask, change_list, now_s, preview, record, treat, treatment};
use outbound::declaration::{Declaration, DeclaredTreatment};
use records::ListRow;

const BUSY: i64 = 6;
/// Statuses and types of records.
const READY: i64 = 1;
const UPDATED: i64 = 3;
const AGENT_ERROR: i64 = 6;
const CHAIN_UPDATED: i64 = 7;
const GENERAL: i64 = 2;
const RESCHEDULED: i64 = 3;

/// A world with a chain of three records, the first of which is handed out to the agent `a`.
fn world(treatments: Vec<DeclaredTreatment>) -> World {
    let mut world = crate::declaring::world(Declaration::default(), &[]);
    treat(&mut world, treatments);
    add(&mut world, "demo", &[("GSW_PHONE", "+15550001")]);
    for phone in ["+15550002", "+15550003"] {
        add(&mut world, "demo", &[("GSW_PHONE", phone), ("GSW_CHAIN_ID", "1")]);
    }
    assert_eq!(preview(&mut world, GROUP), Some(1));
    world
}

fn processed(world: &mut World, handle: u64, result: &str) -> String {
    show(&ask(world, "RecordProcessed", &format!("records/{handle}"), &[("GSW_CALL_RESULT", result)]))
}

/// The time of the next attempt of a record, seconds from now.
fn due_in(world: &World, handle: u64) -> Option<i64> {
    record(world, handle).dial_sched_time.map(|due_s| due_s - now_s(world))
}

fn statuses(world: &World) -> [i64; 3] {
    [1, 2, 3].map(|handle| record(world, handle).record_status)
}

/// Each row: the action; the statuses of the chain; type and wait of the treated record; type and wait of the next one. Without a
/// treatment the action is empty.
#[test]
fn every_action_decides_about_the_record_and_the_rest_of_its_chain() {
    let (whole, rest_open) = ([UPDATED, CHAIN_UPDATED, CHAIN_UPDATED], [UPDATED, READY, READY]);
    let (open, waiting, plain) = ([READY; 3], (GENERAL, None), (GENERAL, None));
    let (at_once, later, at_date) = (Some(0), Some(1800), Some(12 * 3600 - 60));
    for (action, expected, treated, next) in [
        ("", whole, plain, plain),
        ("RetryIn", open, (RESCHEDULED, later), waiting),
        ("Cycle", open, (RESCHEDULED, at_once), waiting),
        ("RetryAtDate", open, (RESCHEDULED, at_date), waiting),
        ("NextInChain", rest_open, plain, plain),
        ("NextInChainAfter", rest_open, plain, (RESCHEDULED, later)),
        ("NextInChainAtDate", rest_open, plain, (RESCHEDULED, at_date)),
        ("AssignToGroup", open, plain, waiting),
        ("MarkAsAgentError", [AGENT_ERROR, READY, READY], plain, plain),
        ("MarkDB", rest_open, plain, plain),
        ("MarkAllChain", whole, plain, plain),
    ] {
        let at = Some("12:00".to_owned());
        let treatment = DeclaredTreatment { interval: Some(30), at, ..treatment(BUSY, 1, action) };
        let mut world = world(if action.is_empty() { Vec::new() } else { vec![treatment] });
        world.now_us = crate::common::START_US + 60_000_000;
        processed(&mut world, 1, "Busy");
        assert_eq!(statuses(&world), expected, "{action}");
        for (handle, cell) in [(1, treated), (2, next)] {
            let found = (record(&world, handle).record_type, due_in(&world, handle));
            assert_eq!(found, cell, "{action}, record {handle}");
        }
        assert_eq!((record(&world, 3).record_type, due_in(&world, 3)), plain, "{action}");
        assert_eq!(record(&world, 1).attempt, 1, "{action}");
        let cell = if action.is_empty() { "" } else { "6.1.1" };
        assert_eq!(record(&world, 1).treatments, cell, "{action}");
    }
}

#[test]
fn a_personal_treatment_calls_again_for_the_agent_alone() {
    let mut world = world(vec![treatment(BUSY, 1, "Cycle")]);
    let pairs = [("GSW_CALL_RESULT", "Busy"), ("GSW_TREATMENT", "RecordTreatPersonal")];
    let reply = show(&ask(&mut world, "RecordProcessed", "records/1", &pairs));
    assert!(reply.contains("GSW_RECORD_STATUS=1") && reply.contains("GSW_RECORD_TYPE=4"), "{reply}");
    let treated = record(&world, 1);
    assert_eq!((treated.record_type, treated.agent_id.as_str()), (4, "a"));
    let other = [("GSW_AGENT_ID", "b")];
    let empty = show(&ask(&mut world, "PreviewRecordRequest", &format!("campaigngroups/{GROUP}"), &other));
    assert!(empty.starts_with("PreviewRecordEmpty"), "{empty}");
    assert_eq!(preview(&mut world, GROUP), Some(1));
}

#[test]
fn a_sequence_goes_on_over_attempts_until_it_ends() {
    let twice = DeclaredTreatment { cycle_attempts: Some(2), ..treatment(BUSY, 1, "Cycle") };
    let mut world = world(vec![treatment(BUSY, 2, "Cycle"), twice, treatment(7, 1, "Cycle")]);
    for (result, cell, status) in [
        ("Busy", "6.1.1", READY),
        ("Busy", "6.1.2", READY),
        ("Busy", "6.2.1", READY),
        ("NoAnswer", "7.1.1", READY),
        ("Busy", "6.1.1", READY),
        ("NoAnswer", "7.1.1", READY),
        ("NoAnswer", "7.1.1", UPDATED),
    ] {
        let reply = processed(&mut world, 1, result);
        let record = record(&world, 1);
        assert_eq!((record.treatments.as_str(), record.record_status), (cell, status), "{reply}");
        assert_eq!(reply.contains("GSW_RECORD_STATUS"), status == READY, "{reply}");
        if status == READY {
            assert_eq!(preview(&mut world, GROUP), Some(1));
        }
    }
    assert_eq!(statuses(&world), [UPDATED, CHAIN_UPDATED, CHAIN_UPDATED]);
}

#[test]
fn no_treatment_goes_beyond_the_attempts_of_the_list() {
    let mut world = world(vec![DeclaredTreatment { cycle_attempts: Some(9), ..treatment(BUSY, 1, "Cycle") }]);
    change_list(&mut world, DEMO, |list| ListRow { attempts_max: 2, ..list });
    processed(&mut world, 1, "Busy");
    assert_eq!(preview(&mut world, GROUP), Some(1));
    processed(&mut world, 1, "Busy");
    assert_eq!((record(&world, 1).attempt, statuses(&world)), (2, [UPDATED, CHAIN_UPDATED, CHAIN_UPDATED]));
}

#[test]
fn the_next_in_chain_of_the_last_open_record_is_nothing() {
    let mut world = world(vec![treatment(BUSY, 1, "NextInChainAfter")]);
    processed(&mut world, 1, "Busy");
    for handle in [2, 3] {
        assert_eq!(preview(&mut world, GROUP), Some(handle));
        processed(&mut world, handle, "Busy");
    }
    assert_eq!(statuses(&world), [UPDATED; 3]);
    assert_eq!(preview(&mut world, GROUP), None);
}

#[test]
fn a_record_that_was_not_handed_out_is_treated_alike() {
    let mut world = world(vec![treatment(BUSY, 1, "Cycle")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+15550004")]);
    processed(&mut world, 4, "Busy");
    let treated = record(&world, 4);
    assert_eq!((treated.record_type, treated.attempt, treated.treatments.as_str()), (RESCHEDULED, 0, "6.1.1"));
}
