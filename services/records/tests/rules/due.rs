//! Due work: each cause as a row of a table, just before its time and at it, and many causes within the limit of a
//! command.

use crate::states::{LIST, START_S, State, callback, done, held, number, ready, refused};
use outbound::{
    Body, DUE_RECORDS_MAX, Due, RECORD_STATUS, RECORD_TYPE, RULES_WITH_CAMPAIGNS, RefusalCode, call_result,
    declaration::{Declaration, DeclaredTreatment},
    record_status,
};
use records::{Declared, DeclaredRow, Event, Key, ListRow, PendingRow, RecordRow, Row, Table, is_due};

/// The options of every state here, seconds.
const TIMEOUT_S: u64 = 100;
const GRACE_S: u64 = 200;
const EXPIRY_S: u64 = 1_000;

fn state() -> State {
    let mut state = State::with_list();
    state.set("retrieved_timeout", TIMEOUT_S);
    state.set("personal_callback_grace", GRACE_S);
    state
}

fn due(state: &mut State, rows_max: u32) -> [i64; 2] {
    let done = done(state.ask(Body::Due(Due { rows_max })));
    assert_eq!(done.event, "DueDone");
    ["changed", "more"].map(|name| number(&done, name))
}

fn short(record: &RecordRow) -> String {
    let status = RECORD_STATUS.name_of(record.record_status).unwrap_or("?");
    let kind = RECORD_TYPE.name_of(record.record_type).unwrap_or("?");
    let passed = |at: i64| at - i64::try_from(START_S).unwrap();
    let time = record.dial_sched_time.map_or_else(|| "-".to_owned(), |at| passed(at).to_string());
    format!("{status} {kind} {time} {}", record.agent_id).trim_end().to_owned()
}

#[test]
fn a_command_is_refused_before_its_rules_and_beyond_its_limit() {
    let mut state = state();
    let before = state.ask_under(RULES_WITH_CAMPAIGNS - 1, Body::Due(Due { rows_max: 1 }));
    assert_eq!(refused(before).code, RefusalCode::Unavailable);
    for rows_max in [0, DUE_RECORDS_MAX + 1] {
        assert_eq!(refused(state.ask(Body::Due(Due { rows_max }))).code, RefusalCode::BadValue, "{rows_max}");
    }
    assert_eq!(due(&mut state, DUE_RECORDS_MAX), [0, 0], "nothing is due");
}

/// A record at the start; when its time is over, seconds behind the start; and the record then.
type Cause = (&'static str, RecordRow, u64, &'static str);

fn causes() -> Vec<Cause> {
    let pending = PendingRow { record_type: 4, dial_sched_time: (START_S + 900) as i64, agent_id: "ann".into() };
    let rescheduled = RecordRow { pending: Some(pending), ..held(1, "ann", START_S) };
    let paused = RecordRow { not_before_s: Some((START_S + 60) as i64), ..ready(1) };
    vec![
        ("held for too long", held(1, "ann", START_S), TIMEOUT_S, "Ready General - own"),
        ("held, with a reschedule", rescheduled, TIMEOUT_S, "Ready PersonalRescheduled 900 ann"),
        ("a personal callback", callback(1, "ann", START_S + 10), 10 + GRACE_S, "Ready CampaignCallback 10"),
        (
            "a personal retry",
            RecordRow { record_type: 4, ..callback(1, "ann", START_S) },
            GRACE_S,
            "Ready CampaignRescheduled 0",
        ),
        ("a pause", paused, 60, "Ready General -"),
    ]
}

#[test]
fn each_cause_changes_its_record_at_its_time_and_not_a_second_before() {
    for (cause, record, after_s, expected) in causes() {
        let mut state = state();
        state.put_record(1, record.clone());
        state.now_s = START_S + after_s - 1;
        assert!(!is_due(&state.map, state.now_us()), "{cause}");
        assert_eq!(due(&mut state, 100), [0, 0], "{cause}");
        assert_eq!(state.record(1), record, "{cause}");
        state.now_s += 1;
        assert!(is_due(&state.map, state.now_us()), "{cause}");
        assert_eq!(due(&mut state, 100), [1, 0], "{cause}");
        let found = state.record(1);
        assert_eq!(short(&found), expected, "{cause}");
        assert_eq!((found.changed_us, found.not_before_s), (record.changed_us, None), "{cause}: no request came");
        assert_eq!(found.attempt_guid, record.attempt_guid, "{cause}");
        assert!(!is_due(&state.map, state.now_us()), "{cause}");
        assert_eq!(due(&mut state, 100), [0, 0], "{cause}");
    }
}

#[test]
fn a_callback_that_was_not_handed_out_in_time_is_missed_if_an_expiry_is_set() {
    for agent in ["", "ann"] {
        let mut state = state();
        state.set("personal_callback_grace", 0);
        state.put_record(1, callback(1, agent, START_S));
        state.now_s = START_S + 1_000_000;
        assert!(!is_due(&state.map, state.now_us()), "waits for ever: {agent:?}");
        assert_eq!(due(&mut state, 100), [0, 0]);
        state.set("callback_expiry", 1_000_000);
        assert!(is_due(&state.map, state.now_us()));
        assert_eq!(due(&mut state, 100), [1, 0]);
        assert_eq!(state.record(1).record_status, record_status::MISSED_CALLBACK);
    }
}

#[test]
fn a_personal_callback_that_is_overdue_and_expired_is_missed_by_one_command() {
    let mut state = state();
    state.set("callback_expiry", EXPIRY_S);
    state.put_record(1, callback(1, "ann", START_S));
    state.now_s = START_S + EXPIRY_S;
    assert_eq!(due(&mut state, 100), [2, 0]);
    assert_eq!(short(&state.record(1)), "MissedCallback CampaignCallback 0");
    assert_eq!(state.record(1).call_result, call_result::AGENT_CALL_BACK_ERROR);
}

#[test]
fn a_command_tells_the_count_of_its_changes_by_their_cause() {
    let mut state = state();
    state.set("callback_expiry", EXPIRY_S);
    state.put_record(1, held(1, "ann", START_S));
    state.put_record(2, held(2, "bob", START_S));
    // overdue, and then missed as a campaign callback
    state.put_record(3, callback(3, "ann", START_S));
    state.put_record(4, callback(4, "", START_S));
    state.put_record(5, RecordRow { not_before_s: Some((START_S + 60) as i64), ..ready(5) });
    let causes = |state: &State| {
        let told = state.events.iter().filter(|event| !matches!(event, Event::Effect(_)));
        told.cloned().collect::<Vec<_>>()
    };
    state.now_s = START_S + EXPIRY_S;
    assert_eq!(due(&mut state, 100), [6, 0]);
    let expected = [Event::Returned { records: 2 }, Event::Overdue { records: 1 }, Event::Missed { records: 2 }];
    assert_eq!(causes(&state), expected);
    assert_eq!(due(&mut state, 100), [0, 0]);
    assert_eq!(causes(&state), []);
}

#[test]
fn a_callback_without_a_time_is_neither_overdue_nor_missed() {
    let mut state = state();
    state.set("callback_expiry", 1);
    let untimed = RecordRow { dial_sched_time: None, ..callback(1, "ann", START_S) };
    state.put_record(1, untimed.clone());
    state.now_s = START_S + 1_000_000;
    assert!(!is_due(&state.map, state.now_us()));
    assert_eq!(due(&mut state, 100), [0, 0]);
    assert_eq!(state.record(1), untimed);
}

#[test]
fn the_lists_treatment_of_agent_call_back_error_decides_over_an_overdue_callback() {
    for (action, callback_becomes, other) in [
        ("RetryIn", "Ready CampaignRescheduled 1700", "Ready General -"),
        ("MarkDB", "Updated PersonalCallback 0 ann", "Ready General -"),
        ("MarkAllChain", "Updated PersonalCallback 0 ann", "ChainUpdated General -"),
        ("MarkAsAgentError", "AgentError PersonalCallback 0 ann", "Ready General -"),
    ] {
        let mut state = state();
        let treatment = DeclaredTreatment {
            name: "late".into(),
            call_result: Some(call_result::AGENT_CALL_BACK_ERROR),
            number: Some(1),
            action: Some(action.into()),
            cycle_attempts: Some(1),
            interval: Some(25),
            ..DeclaredTreatment::default()
        };
        let declaration = Declaration { treatments: vec![treatment], ..Declaration::default() };
        let declared = DeclaredRow { declaration: Some(declaration), ..DeclaredRow::default() };
        state.put(Key::Declared, Row::Declared(Declared::from(declared).into()));
        let list = records::list(&state.map, LIST).unwrap();
        let list = ListRow { treatments: vec!["late".into()], ..(*list).clone() };
        state.put(Key::List(LIST), Row::List(list.into()));
        state.put_record(1, callback(1, "ann", START_S));
        state.put_record(2, RecordRow { chain_id: 1, chain_n: 1, waits: true, ..ready(2) });
        state.now_s = START_S + GRACE_S;
        assert_eq!(due(&mut state, 100), [1, 0], "{action}");
        assert_eq!([short(&state.record(1)), short(&state.record(2))], [callback_becomes, other], "{action}");
        assert_eq!(state.record(2).waits, action == "RetryIn", "the rest of the chain waits for a callback alone");
    }
}

#[test]
fn a_chain_is_free_again_once_its_held_record_is_given_back() {
    let mut state = state();
    state.put_record(1, RecordRow { chain_id: 9, chain_n: 0, ..held(1, "ann", START_S) });
    state.put_record(2, RecordRow { chain_id: 9, chain_n: 1, waits: true, ..ready(2) });
    state.now_s = START_S + TIMEOUT_S;
    assert_eq!(due(&mut state, 100), [1, 0]);
    assert!(!state.record(2).waits);
    assert_eq!(state.map.table(Table::Dialable).len(), 2);
}

#[test]
fn a_command_changes_as_many_records_as_it_may_and_the_longest_due_come_first() {
    let mut state = state();
    for at in 1..=30 {
        state.put_record(at, held(at, "ann", START_S - at));
    }
    for at in 31..=60 {
        state.put_record(at, callback(at, "ann", START_S - at));
    }
    state.now_s = START_S + 10 * GRACE_S;
    let is_held = |state: &State, at| state.record(at).record_status == record_status::RETRIEVED;
    assert_eq!(due(&mut state, 20), [20, 1]);
    assert!((11..=30).all(|at| !is_held(&state, at)) && (1..=10).all(|at| is_held(&state, at)));
    assert_eq!(due(&mut state, 20), [20, 1]);
    assert_eq!(state.map.table(Table::HeldByTime), []);
    let left = |state: &State| state.map.table(Table::CallbackByDue).iter().filter(|(key, _)| is_personal(key)).count();
    assert_eq!(left(&state), 20);
    assert_eq!(due(&mut state, 100), [20, 0]);
    assert_eq!((left(&state), due(&mut state, 100)), (0, [0, 0]));
}

fn is_personal(key: &Key) -> bool {
    matches!(key, Key::CallbackByDue { personal: true, .. })
}

#[test]
fn a_state_before_the_rules_of_campaigns_shows_nothing_due() {
    let mut state = State::default();
    assert!(!is_due(&state.map, u64::MAX));
    state.put_record(1, held(1, "ann", START_S));
    assert!(!is_due(&state.map, u64::MAX));
}
