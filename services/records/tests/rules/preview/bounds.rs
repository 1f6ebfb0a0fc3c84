//! The bounds of a command: records that a preview changes, and reads that a preview makes.

use std::cell::Cell;

use outbound::{Body, DUE_RECORDS_MAX, key, record_status, record_type};
use records::{Below, Bound, Event, Key, MapView, Row, Table, View, Window, WindowRow, WindowsRow, decide};

use super::times::{HOUR, NEW_YEAR_S};
use crate::{
    common::request,
    stage::{PATH, Stage, event, int},
};

#[test]
fn a_command_changes_a_hundred_records_at_most_and_the_next_one_goes_on() {
    let mut stage = Stage::new();
    let rows: Vec<String> = (0..251).map(|row| format!("+1555{row:04}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    stage.do_not_call(handles[..250].iter().copied());
    let no_call = |stage: &Stage| {
        let is_no_call = |handle: &&u64| stage.record(**handle).record_type == record_type::NO_CALL;
        handles.iter().filter(is_no_call).count()
    };
    // the same command each time: a reply Again is remembered under no id
    let body = Body::Request(request("PreviewRecordRequest", PATH, &[(key::AGENT_ID, "a")]));
    let id = stage.world.id(1, 1, 10_000);
    for met in [100, 200] {
        assert_eq!(event(&stage.world.ask_as(id, body.clone())), "Again");
        assert_eq!(no_call(&stage), met);
        assert_eq!(stage.world.events.iter().filter(|event| **event == Event::MetOnDoNotCall).count(), 100);
    }
    let reply = stage.world.ask_as(id, body);
    assert_eq!((event(&reply), no_call(&stage)), ("PreviewRecord", 250));
    assert_eq!(int(&reply, key::RECORD_HANDLE), i64::try_from(handles[250]).unwrap());
}

#[test]
fn callbacks_that_wait_for_others_of_their_chains_are_passed_over_within_the_bound() {
    let mut stage = Stage::new();
    let due_s = NEW_YEAR_S - HOUR;
    let row = |chain: u32, n: u32| format!("+1555{n}{chain:04},{chain},{n},6,{due_s}");
    let rows: Vec<String> = (1..=250).map(|chain| row(chain, 1)).chain((1..=250).map(|chain| row(chain, 0))).collect();
    let header = "contact_info,chain_id,chain_n,record_type,dial_sched_time";
    let lines: Vec<&str> = [header].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    assert_eq!(event(&stage.preview_reply("a")), "Again");
    let changed = stage.world.changes.0.iter().filter(|change| change.key.table() == Table::Record).count();
    assert_eq!(changed, DUE_RECORDS_MAX as usize);
    assert_eq!(stage.preview("a"), Some(handles[250]), "the first of the lower positions");
}

#[test]
fn a_hundred_records_whose_pause_is_over_are_freed_by_a_command() {
    let mut stage = Stage::new();
    let rows: Vec<String> = (0..150).map(|row| format!("+1555{row:04}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    stage.edit_all(handles.iter().copied(), |record| record.not_before_s = Some(NEW_YEAR_S + 60));
    assert_eq!(stage.preview("a"), None);
    stage.go_to(NEW_YEAR_S + 60);
    assert_eq!(stage.preview("a"), Some(handles[0]));
    assert_eq!(stage.world.map.table(Table::WaitingUntil).len(), 50);
    assert_eq!(stage.preview("a"), Some(handles[1]));
    assert_eq!(stage.world.map.table(Table::WaitingUntil).len(), 0);
}

#[test]
fn of_a_chain_of_an_earlier_release_the_first_hundred_take_part() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let mut chain = vec![first];
    chain.extend((1..100).map(|_| stage.add_to_chain(first, &[])));
    let beyond = stage.add("demo", &[]);
    let chain_id = stage.record(first).chain_id;
    move_to_chain(&mut stage, beyond, chain_id, 100);
    assert_eq!(stage.why(beyond), Some(4));
    stage.edit_all(chain, |record| record.record_status = record_status::UPDATED);
    assert_eq!(stage.preview("a"), None);
    assert!(stage.record(beyond).waits, "the record has left the index");
}

fn move_to_chain(stage: &mut Stage, handle: u64, chain_id: u64, chain_n: u64) {
    stage.edit(handle, |record| (record.chain_id, record.chain_n) = (chain_id, chain_n));
}

/// A view that counts its reads.
struct Counting<'a> {
    map: &'a MapView,
    reads: Cell<u32>,
}

impl View for Counting<'_> {
    fn get(&self, key: &Key) -> Option<Row> {
        self.reads.set(self.reads.get() + 1);
        self.map.get(key)
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.reads.set(self.reads.get() + 1);
        self.map.next(bound, limit)
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.reads.set(self.reads.get() + 1);
        self.map.last(below)
    }
}

#[test]
fn closed_windows_cost_no_read() {
    let reads = |closed: u32| {
        let mut stage = Stage::new();
        let handle = stage.add("demo", &[]);
        let open = WindowRow::from(&Window::of(&stage.record(handle)));
        let closed = (0..closed).map(|at| WindowRow { from: 40_000 + at, till: 50_000, ..WindowRow::default() });
        let row = WindowsRow { windows: closed.chain([open]).collect() };
        stage.put(vec![(Key::Windows(101), Row::Windows(row.into()))]);
        let body = Body::Request(request("PreviewRecordRequest", PATH, &[(key::AGENT_ID, "a")]));
        let command = stage.world.command(stage.world.id(1, 1, 10_000), body);
        let view = Counting { map: &stage.world.map, reads: Cell::new(0) };
        let (reply, ..) = decide(&command, &view, &stage.world.rules);
        assert_eq!(event(&reply), "PreviewRecord");
        view.reads.get()
    };
    assert_eq!([reads(49), reads(999)], [reads(0); 2]);
}
