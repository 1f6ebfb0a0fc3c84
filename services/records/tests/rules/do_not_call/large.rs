//! A DoNotCall of more records than a command changes: the others are marked by due work.

use outbound::{Body, Due, RemoveDoNotCall, Request, key};
use records::Table;

use super::three_lists::{DEMO, add, finish, lists, marked, row, shown, stop};
use crate::common::{World, request};

/// A world in which a request marks at most `max` records, with `count` records of one phone, a customer and a chain of two each.
fn large(max: u64, count: u64) -> World {
    let mut world = lists(max);
    for at in 1..=count {
        add(&mut world, "demo", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7"), ("GSW_REFERENCE_ID", &at.to_string())]);
        let chain = at.to_string();
        add(&mut world, "demo", &[("GSW_PHONE", &format!("+8{at}")), ("GSW_CHAIN_ID", &chain)]);
    }
    world
}

#[test]
fn a_large_request_marks_its_first_records_at_once_and_the_others_by_and_by() {
    for (resource, chain, all) in [
        ("phones/+9991", "AllChain", 40),
        ("phones/+9991", "RecordOnly", 20),
        ("customer_ids/c7", "AllChain", 40),
        ("customer_ids/c7", "RecordOnly", 20),
    ] {
        for rows_max in [1, 2, 7, 100] {
            let mut world = large(3, 20);
            let reply = stop(&mut world, resource, &[("GSW_CHAIN_ATTR", chain)]);
            assert_eq!(shown(&reply, key::RECORDS), "3");
            assert_eq!(shown(&reply, key::MESSAGE), format!("3 records marked, {} are left", all - 3), "{resource}");
            assert_eq!(marked(&world).len(), 3);
            let before = marked(&world).into_iter().map(|handle| (handle, row(&world, handle))).collect::<Vec<_>>();
            let commands = finish(&mut world, rows_max);
            assert_eq!(marked(&world).len(), all, "{resource} {chain} {rows_max}");
            assert!(commands >= (all - 3) / rows_max as usize, "a command marks {rows_max} records at most");
            assert!(before.iter().all(|(handle, record)| row(&world, *handle) == *record), "no record is marked twice");
        }
    }
}

#[test]
fn a_command_marks_no_more_records_than_it_may() {
    let mut world = large(3, 20);
    stop(&mut world, "phones/+9991", &[]);
    while !world.map.table(Table::DncRest).is_empty() {
        let before = marked(&world).len();
        world.ask(Body::Due(Due { rows_max: 5 }));
        let is_more = marked(&world).len() > before;
        assert!(marked(&world).len() <= before + 5 && (is_more || world.map.table(Table::DncRest).is_empty()));
    }
    assert_eq!(marked(&world).len(), 40);
}

#[test]
fn requests_that_are_left_are_finished_in_their_order() {
    let mut world = large(2, 4);
    stop(&mut world, "phones/+9991", &[("GSW_CHAIN_ATTR", "RecordOnly")]);
    stop(&mut world, "customer_ids/c7", &[]);
    assert_eq!(world.map.table(Table::DncRest).len(), 2);
    world.ask(Body::Due(Due { rows_max: 2 }));
    assert_eq!(marked(&world), [1, 2, 3, 4, 5, 7], "those of the phone first");
    finish(&mut world, 100);
    assert_eq!(marked(&world).len(), 8);
    assert_eq!(shown(&stop(&mut world, "phones/+9991", &[]), key::MESSAGE), "0 records marked");
}

#[test]
fn no_record_is_marked_any_more_for_an_entry_that_was_taken_back() {
    let mut world = large(3, 20);
    stop(&mut world, "phones/+9991", &[]);
    let removal = RemoveDoNotCall { phone: "+9991".into(), ..RemoveDoNotCall::default() };
    world.ask(Body::RemoveDoNotCall(removal));
    finish(&mut world, 100);
    assert_eq!(marked(&world).len(), 3);
}

#[test]
fn a_long_chain_of_one_record_is_marked_to_its_end() {
    let mut world = lists(3);
    add(&mut world, "demo", &[("GSW_PHONE", "+9991")]);
    for at in 2..=10 {
        add(&mut world, "demo", &[("GSW_PHONE", &format!("+999{at}")), ("GSW_CHAIN_ID", "1")]);
    }
    add(&mut world, "other", &[("GSW_PHONE", "+9991")]);
    let reply = stop(&mut world, "records/4", &[]);
    assert_eq!(shown(&reply, key::MESSAGE), "3 records marked, 7 are left");
    assert_eq!(marked(&world), [1, 2, 4]);
    finish(&mut world, 2);
    assert_eq!(marked(&world), (1..=10).collect::<Vec<_>>(), "the record of the other list is none of the chain");
}

#[test]
fn the_rest_passes_over_records_that_were_deleted_and_reaches_every_form() {
    let mut world = lists(1);
    for spelling in ["030 12345", "+49 30 12345", "0049 30 12345", "+49-30-12345"] {
        add(&mut world, "north", &[("GSW_PHONE", spelling)]);
    }
    let asked = Request { tenant: "north".into(), ..request("DoNotCall", "phones/+493012345", &[]) };
    let reply = world.ask(Body::Request(asked));
    assert_eq!(shown(&reply, key::MESSAGE), "1 record marked, 3 are left");
    finish(&mut world, 1);
    assert_eq!(marked(&world), [1, 2, 3, 4]);

    let mut world = large(3, 20);
    stop(&mut world, "phones/+9991", &[]);
    world.ask(Body::DeleteList("demo".into()));
    world.ask(Body::DeleteRecords(outbound::DeleteRecords { list: DEMO, rows_max: 10 }));
    finish(&mut world, 10);
}
