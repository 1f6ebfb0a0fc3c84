//! Bringing records up: from a state of an earlier release every window, every waiting record of a chain and every customer is as the
//! rules of campaigns have them, in commands of any size, and nothing else changes.

use crate::states::{LIST, START_S, State, callback, done, held, number, ready, refused};
use outbound::{BROUGHT_UP_ROWS_MAX, Body, BringUp, RULES_WITH_CAMPAIGNS, RefusalCode};
use records::{
    BringUpRow, CustomersRow, FieldRow, Key, ListRow, MapView, RecordRow, Row, Table, Window, WindowRow, WindowZone,
    bring_up,
};

const OTHER: u32 = 102;

/// A list whose field CLIENT_ID is the customer.
fn with_customers(state: &mut State) {
    let list = records::list(&state.map, LIST).unwrap();
    let field = FieldRow { column: "CLIENT_ID".into(), kind: "varchar(64)".into(), ..FieldRow::default() };
    let list = ListRow { fields: vec![field], customer_column: "CLIENT_ID".into(), ..(*list).clone() };
    state.put(Key::List(LIST), Row::List(list.into()));
}

/// The raise found records, and visited none yet.
fn not_begun(state: &mut State) {
    state.put(Key::BringUp, Row::BringUp(BringUpRow::default()));
}

/// Records as an earlier release leaves them: no record waits, and none has a customer.
fn of_an_earlier_release() -> State {
    let mut state = State::with_list();
    not_begun(&mut state);
    with_customers(&mut state);
    let of_client = |client: &str, record: RecordRow| RecordRow { user: vec![client.into()], ..record };
    for at in 1..=40 {
        let window = RecordRow { daily_from: i64::try_from(at % 3).unwrap(), ..ready(at) };
        state.put_record(at, of_client(&format!(" C{} ", at % 7), window));
    }
    let in_chain = |chain_n, record: RecordRow| RecordRow { chain_id: 1_000, chain_n, ..record };
    state.put_record(41, in_chain(0, ready(41)));
    state.put_record(42, in_chain(1, callback(42, "", START_S + 50)));
    state.put_record(43, in_chain(2, callback(43, "ann", START_S + 20)));
    let in_chain = |chain_n, record: RecordRow| RecordRow { chain_id: 1_001, chain_n, ..record };
    state.put_record(44, in_chain(0, held(44, "ann", START_S)));
    state.put_record(45, in_chain(1, RecordRow { tz_name: "Europe/Berlin".into(), ..ready(45) }));
    state
}

/// Brings records up to the end; answers the count of commands.
fn brought_up(state: &mut State, rows_max: u32) -> u32 {
    for commands in 1..1_000 {
        let done = done(state.ask(Body::BringUp(BringUp { rows_max })));
        assert_eq!(done.event, "BroughtUp");
        if number(&done, "done") == 1 {
            return commands;
        }
    }
    panic!("bringing up does not end")
}

fn records_of(map: &MapView) -> Vec<(Key, Row)> {
    [Table::Record, Table::Windows].into_iter().flat_map(|table| map.table(table)).collect()
}

#[test]
fn a_command_is_refused_before_its_rules_and_beyond_its_limit() {
    let mut state = State::with_list();
    let before = state.ask_under(RULES_WITH_CAMPAIGNS - 1, Body::BringUp(BringUp { rows_max: 1 }));
    assert_eq!(refused(before).code, RefusalCode::Unavailable);
    for rows_max in [0, BROUGHT_UP_ROWS_MAX + 1] {
        let reply = state.ask(Body::BringUp(BringUp { rows_max }));
        assert_eq!(refused(reply).code, RefusalCode::BadValue, "{rows_max}");
    }
    let nothing_left = BringUpRow { done: true, ..BringUpRow::default() };
    assert_eq!(bring_up(&state.map), nothing_left, "the raise of a state that never had a record leaves nothing");
    not_begun(&mut state);
    assert_eq!(brought_up(&mut state, 1), 1, "a state without records is brought up at once");
    assert_eq!(bring_up(&state.map), nothing_left);
}

#[test]
fn windows_chains_and_customers_are_as_the_rules_have_them_and_nothing_else_changes() {
    let mut state = of_an_earlier_release();
    let before: Vec<_> = (1..=45).map(|at| state.record(at)).collect();
    brought_up(&mut state, 500);
    let waits: Vec<u64> = (1..=45).filter(|at| state.record(*at).waits).collect();
    assert_eq!(waits, [41, 42, 45], "behind the earliest callback, and behind a held record");
    for (at, before) in (1..).zip(before) {
        let RecordRow { waits, customer, .. } = state.record(at);
        let expected = if at <= 40 { format!("C{}", at % 7) } else { String::new() };
        assert_eq!(customer, expected, "record {at}");
        assert_eq!(state.record(at), RecordRow { waits, customer, ..before }, "record {at}");
    }
    let Row::Windows(windows) = state.map.table(Table::Windows).remove(0).1 else { panic!("not windows") };
    let zone = |from, zone| WindowRow::from(&Window { from, till: 86_400, zone });
    let berlin = zone(0, WindowZone::Name("Europe/Berlin".into()));
    let expected = [1, 2, 0].map(|from| zone(from, WindowZone::OfList)).into_iter().chain([berlin]);
    assert_eq!(windows.windows, expected.collect::<Vec<_>>());
    assert_eq!(state.map.table(Table::RecordByCustomer).len(), 40);
    assert_eq!(bring_up(&state.map), BringUpRow { done: true, ..BringUpRow::default() });
}

#[test]
fn commands_of_any_size_make_one_state() {
    let mut whole = of_an_earlier_release();
    assert_eq!(brought_up(&mut whole, 500), 1);
    for (rows_max, commands) in [(1, 46), (2, 23), (44, 2), (45, 2), (46, 1)] {
        let mut pieces = of_an_earlier_release();
        assert_eq!(brought_up(&mut pieces, rows_max), commands, "{rows_max}");
        assert_eq!(records_of(&pieces.map), records_of(&whole.map), "{rows_max}");
    }
}

#[test]
fn a_command_behind_the_end_changes_nothing() {
    let mut state = of_an_earlier_release();
    brought_up(&mut state, 500);
    let before = (records_of(&state.map), bring_up(&state.map));
    assert_eq!(brought_up(&mut state, 500), 1);
    assert_eq!((records_of(&state.map), bring_up(&state.map)), before);
}

#[test]
fn the_customers_of_a_list_follow_its_changed_field_list_by_list_and_a_list_that_is_gone_has_none() {
    let mut state = of_an_earlier_release();
    brought_up(&mut state, 500);
    let list = records::list(&state.map, LIST).unwrap();
    let field = FieldRow { column: "OTHER_ID".into(), kind: "int".into(), ..FieldRow::default() };
    let fields = list.fields.iter().cloned().chain([FieldRow { default: "7".into(), ..field }]).collect();
    let list = ListRow { fields, customer_column: "OTHER_ID".into(), ..(*list).clone() };
    state.put(Key::List(LIST), Row::List(list.into()));
    let job = |list| CustomersRow { list, record_id: 0 };
    let progress = BringUpRow { done: true, customers: vec![job(OTHER), job(LIST)], ..BringUpRow::default() };
    state.put(Key::BringUp, Row::BringUp(progress));

    let done = done(state.ask(Body::BringUp(BringUp { rows_max: 10 })));
    assert_eq!(number(&done, "done"), 0);
    assert_eq!(bring_up(&state.map).customers, [job(LIST)], "the other list is gone");
    state.ask(Body::BringUp(BringUp { rows_max: 10 }));
    assert_eq!(bring_up(&state.map).customers, [CustomersRow { list: LIST, record_id: 11 }]);
    assert_eq!((state.record(10).customer.as_str(), state.record(11).customer.as_str()), ("7", "C4"));
    brought_up(&mut state, 10);
    assert!((1..=45).all(|at| state.record(at).customer == "7"));
    assert_eq!(bring_up(&state.map), BringUpRow { done: true, ..BringUpRow::default() });
    assert_eq!(state.map.table(Table::RecordByCustomer).len(), 45);
}
