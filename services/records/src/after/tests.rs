//! The outcomes of an attempt as a table: the record, and the rest of its chain.

use outbound::{Body, Command, Due, Origin, RECORD_STATUS, RECORD_TYPE, RULES_NEWEST, RequestId};

use super::*;
use crate::{
    lookup,
    map::MapView,
    numbers::OneByOne,
    overlay::Overlay,
    rules::Rules,
    tables::{Key, Row, indexes},
};

const LIST: u32 = 101;
const NOW_US: u64 = 9_000_000;
/// The cell that the treatments of the table leave.
const CELL: &str = "6.1.2";

fn member(chain_n: u64, record_status: i64, record_type: i64) -> RecordRow {
    RecordRow {
        list: LIST,
        record_id: 1 + chain_n,
        chain_id: 7,
        chain_n,
        record_status,
        record_type,
        ..RecordRow::default()
    }
}

/// A chain whose second record is held by Ann. The first record is finalised, the third record is Ready, and Bob has promised to
/// call at the number of the fourth record.
fn chain() -> Vec<RecordRow> {
    let held = member(1, record_status::RETRIEVED, record_type::GENERAL);
    let promised = member(3, record_status::READY, record_type::PERSONAL_CALLBACK);
    vec![
        member(0, record_status::UPDATED, record_type::GENERAL),
        RecordRow {
            agent_id: "ann".into(),
            agent_before: "own".into(),
            held_since_us: 5,
            attempt_guid: vec![1; 16],
            ..held
        },
        member(2, record_status::READY, record_type::GENERAL),
        RecordRow { agent_id: "bob".into(), dial_sched_time: Some(100), ..promised },
    ]
}

/// A state of these records, their handles from 1 on.
fn state(records: Vec<RecordRow>) -> MapView {
    let mut map = MapView::default();
    let changes = {
        let mut overlay = Overlay::new(&map);
        for (at, record) in records.into_iter().enumerate() {
            let handle = Handle(1 + at as u64);
            indexes::of_record(handle, &record, String::new()).into_iter().for_each(|(key, row)| overlay.put(key, row));
            overlay.put(Key::Record(handle), Row::Record(record.into()));
        }
        overlay.into_changes()
    };
    map.apply(&changes);
    map
}

/// The records of a chain after an outcome of the attempt on one of them.
fn after(records: Vec<RecordRow>, handle: Handle, outcome: Outcome) -> Vec<RecordRow> {
    let (map, count) = (state(records.clone()), records.len() as u64);
    let body = Body::Due(Due { rows_max: 1 });
    let command = Command::new(RULES_NEWEST, RequestId::default(), NOW_US, Origin::Control, body);
    let (own, mut numbers, mut events) = (Rules::default(), OneByOne, Vec::new());
    let mut overlay = Overlay::new(&map);
    let mut turn = Turn::begin(&command, &mut overlay, &own, &mut numbers, &mut events);
    let record = lookup::record(turn.overlay, handle).unwrap();
    apply_outcome(handle, record, outcome, &mut turn);
    turn.end();
    (1..=count).map(|at| lookup::record(&overlay, Handle(at)).unwrap()).collect()
}

fn short(record: &RecordRow) -> String {
    let status = RECORD_STATUS.name_of(record.record_status).unwrap_or("?");
    let kind = RECORD_TYPE.name_of(record.record_type).unwrap_or("?");
    let time = record.dial_sched_time.map_or_else(|| "-".to_owned(), |at| at.to_string());
    format!("{status} {kind} {time} {}", record.agent_id).trim_end().to_owned()
}

fn cell() -> String {
    CELL.to_owned()
}

#[test]
fn every_outcome_ends_the_record_and_leaves_or_ends_the_rest_of_the_chain() {
    let (third, fourth) = ("Ready General -", "Ready PersonalCallback 100 bob");
    let (no_third, no_fourth) = ("ChainUpdated General -", "ChainUpdated PersonalCallback 100 bob");
    let retry = |record_type| Outcome::Retry { record_type, due_s: 50, cell: cell() };
    let rows = [
        (Outcome::Finish, ["Updated General - ann", no_third, no_fourth]),
        (retry(record_type::CAMPAIGN_RESCHEDULED), ["Ready CampaignRescheduled 50", third, fourth]),
        (retry(record_type::PERSONAL_RESCHEDULED), ["Ready PersonalRescheduled 50 ann", third, fourth]),
        (Outcome::NextInChain { due_s: None, cell: cell() }, ["Updated General - ann", third, fourth]),
        (
            Outcome::NextInChain { due_s: Some(60), cell: cell() },
            ["Updated General - ann", "Ready CampaignRescheduled 60", fourth],
        ),
        (Outcome::AssignToGroup { cell: cell() }, ["Ready General - own", third, fourth]),
        (Outcome::AgentError { cell: cell() }, ["AgentError General - ann", third, fourth]),
        (Outcome::UpdateRecord { cell: cell() }, ["Updated General - ann", third, fourth]),
        (Outcome::UpdateChain { cell: cell() }, ["Updated General - ann", no_third, no_fourth]),
    ];
    for (outcome, expected) in rows {
        let has_cell = outcome != Outcome::Finish;
        let found = after(chain(), Handle(2), outcome.clone());
        assert_eq!(found.iter().map(short).collect::<Vec<_>>()[1..], expected, "{outcome:?}");
        assert_eq!(short(&found[0]), "Updated General -", "a finalised record stays: {outcome:?}");
        assert_eq!(found[1].treatments, if has_cell { CELL } else { "" }, "{outcome:?}");
        assert_eq!((found[1].held_since_us, found[1].attempt_guid.len()), (0, 16), "{outcome:?}");
    }
}

#[test]
fn what_is_assigned_to_the_group_is_no_longer_for_one_agent() {
    let callback = |record_type| {
        let held = member(0, record_status::RETRIEVED, record_type);
        RecordRow { agent_id: "ann".into(), dial_sched_time: Some(40), held_since_us: 5, ..held }
    };
    for (before, expected) in [
        (record_type::PERSONAL_CALLBACK, "Ready CampaignCallback 40"),
        (record_type::PERSONAL_RESCHEDULED, "Ready CampaignRescheduled 40"),
        (record_type::CAMPAIGN_CALLBACK, "Ready CampaignCallback 40"),
    ] {
        let held = callback(before);
        let ready = RecordRow { record_status: record_status::READY, held_since_us: 0, ..held.clone() };
        let assign = || Outcome::AssignToGroup { cell: cell() };
        assert_eq!(short(&after(vec![held], Handle(1), assign())[0]), expected);
        if before != record_type::CAMPAIGN_CALLBACK {
            assert_eq!(short(&after(vec![ready], Handle(1), assign())[0]), expected);
        }
    }
}

#[test]
fn behind_the_end_of_a_chain_its_first_record_comes_next_and_none_that_is_held_or_never_called() {
    let last = |chain: &mut Vec<RecordRow>| chain.truncate(2);
    let next = || Outcome::NextInChain { due_s: Some(60), cell: cell() };
    let mut first_is_ready = chain();
    last(&mut first_is_ready);
    first_is_ready[0].record_status = record_status::READY;
    let found = after(first_is_ready, Handle(2), next());
    assert_eq!(short(&found[0]), "Ready CampaignRescheduled 60");

    let mut first_is_held = chain();
    last(&mut first_is_held);
    first_is_held[0].record_status = record_status::RETRIEVED;
    let found = after(first_is_held, Handle(2), next());
    assert_eq!([short(&found[0]), short(&found[1])], ["Retrieved General -", "Updated General - ann"]);

    let mut third_is_never_called = chain();
    third_is_never_called[2].record_type = record_type::NO_CALL;
    let found = after(third_is_never_called, Handle(2), next());
    assert_eq!([short(&found[2]), short(&found[3])], ["Ready NoCall -", "Ready CampaignRescheduled 60"]);
}

#[test]
fn a_ready_record_that_is_called_again_at_its_own_time_waits_with_its_chain_as_before() {
    let callback = |chain_n, at, waits| {
        let ready = member(chain_n, record_status::READY, record_type::CAMPAIGN_RESCHEDULED);
        RecordRow { dial_sched_time: Some(at), waits, ..ready }
    };
    let chain = vec![callback(0, 10, false), callback(1, 50, true)];
    let retry = Outcome::Retry { record_type: record_type::CAMPAIGN_RESCHEDULED, due_s: 50, cell: cell() };
    let found = after(chain, Handle(2), retry);
    assert_eq!([found[0].waits, found[1].waits], [false, true]);
}

#[test]
fn no_request_has_changed_a_record_whose_attempt_ended_by_itself() {
    let found = after(chain(), Handle(2), Outcome::Finish);
    assert!(found[1..].iter().all(|record| record.changed_us == 0), "{found:?}");
}

/// A record that agent `a` holds.
fn held_record(record_type: i64) -> RecordRow {
    RecordRow {
        record_type,
        record_status: record_status::RETRIEVED,
        agent_id: "a".to_owned(),
        agent_before: "own".to_owned(),
        held_since_us: 5,
        attempt_guid: vec![7; 16],
        attempts_set: true,
        ..RecordRow::default()
    }
}

#[test]
fn every_outcome_ends_the_attempt_in_its_status() {
    use record_type::{CAMPAIGN_CALLBACK, CAMPAIGN_RESCHEDULED, GENERAL, PERSONAL_CALLBACK, PERSONAL_RESCHEDULED};
    let cell = || CELL.to_owned();
    let retry = |record_type| Outcome::Retry { record_type, due_s: 9, cell: cell() };
    let (ready, updated) = (record_status::READY, record_status::UPDATED);
    for (before, outcome, status, after, agent, due_s, column) in [
        (GENERAL, Outcome::Finish, updated, GENERAL, "a", None, ""),
        (GENERAL, Outcome::NextInChain { due_s: Some(9), cell: cell() }, updated, GENERAL, "a", None, CELL),
        (GENERAL, Outcome::UpdateRecord { cell: cell() }, updated, GENERAL, "a", None, CELL),
        (GENERAL, Outcome::UpdateChain { cell: cell() }, updated, GENERAL, "a", None, CELL),
        (GENERAL, Outcome::AgentError { cell: cell() }, record_status::AGENT_ERROR, GENERAL, "a", None, CELL),
        (GENERAL, retry(CAMPAIGN_RESCHEDULED), ready, CAMPAIGN_RESCHEDULED, "", Some(9), CELL),
        (GENERAL, retry(PERSONAL_RESCHEDULED), ready, PERSONAL_RESCHEDULED, "a", Some(9), CELL),
        (GENERAL, Outcome::AssignToGroup { cell: cell() }, ready, GENERAL, "own", None, CELL),
        (PERSONAL_CALLBACK, Outcome::AssignToGroup { cell: cell() }, ready, CAMPAIGN_CALLBACK, "", None, CELL),
        (PERSONAL_RESCHEDULED, Outcome::AssignToGroup { cell: cell() }, ready, CAMPAIGN_RESCHEDULED, "", None, CELL),
    ] {
        let (record, _) = outcome_of(held_record(before), outcome.clone());
        assert_eq!((record.record_status, record.record_type), (status, after), "{outcome:?}");
        assert_eq!((record.agent_id.as_str(), record.dial_sched_time), (agent, due_s), "{outcome:?}");
        assert_eq!(record.treatments, column, "{outcome:?}");
        assert_eq!((record.held_since_us, record.attempts_set, record.agent_before.as_str()), (0, false, ""));
        assert_eq!(record.attempt_guid, [7; 16], "a late answer is recognised");
    }
}

#[test]
fn a_ready_record_that_is_called_again_waits_with_its_chain_as_before() {
    let ready = RecordRow { waits: true, record_status: record_status::READY, ..held_record(record_type::GENERAL) };
    let outcome = || Outcome::Retry { record_type: record_type::CAMPAIGN_RESCHEDULED, due_s: 9, cell: CELL.to_owned() };
    assert!(outcome_of(ready, outcome()).0.waits);
    assert!(!outcome_of(held_record(record_type::GENERAL), outcome()).0.waits);
}
