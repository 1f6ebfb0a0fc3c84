//! Deletion of lists in batches: with any event between two batches, the whole list is gone at the end, every other list is
//! untouched, and indexes and counts agree at every step (`common` checks both after each command).

use crate::common::{World, batch, export, request};
use outbound::{Body, DeleteRecords, RULES_NEWEST, Reply, ReplyBody, RewritePhones, Value};
use records::{Key, MapView, Table};

const DEMO: u32 = 101;
const OTHER: u32 = 102;
/// Steps within which a deletion must end.
const STEPS_MAX: u32 = 2_000;

fn add(world: &mut World, list: &str, phone: &str, chain: Option<&str>) {
    let mut pairs = vec![("GSW_PHONE", phone)];
    pairs.extend(chain.map(|chain| ("GSW_CHAIN_ID", chain)));
    let reply = world.ask(Body::Request(request("AddRecord", &format!("lists/{list}"), &pairs)));
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
}

fn import(world: &mut World, list: &str, import_id: &str, phones: std::ops::Range<u32>) {
    let rows: Vec<String> = phones.map(|phone| format!("+999\u{2013}{phone}")).collect();
    for (at, rows) in rows.chunks(20).enumerate() {
        let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
        world.ask(Body::ImportBatch(batch(list, import_id, 1 + 20 * at as u64, &lines)));
    }
}

/// Two lists with records of every rules version, some phones in both lists, and Do-Not-Call entries; under a rules version that
/// deletes.
fn two_lists(version: u32) -> World {
    let mut world = World::default();
    world.create("demo", "", Vec::new());
    world.create("other", "", Vec::new());
    import(&mut world, "demo", "first", 0..50);
    import(&mut world, "other", "first", 0..10);
    world.raise(2, Vec::new());
    (0..5).for_each(|n| add(&mut world, "demo", &format!("1 {n}"), Some("1")));
    world.ask(Body::Request(request("DoNotCall", "records/3", &[])));
    world.raise(3, Vec::new());
    import(&mut world, "demo", "second", 100..140);
    add(&mut world, "other", "+999\u{2013}7777", None);
    (4..=version).for_each(|version| drop(world.raise(version, Vec::new())));
    world
}

fn delete_some(world: &mut World, rows_max: u32) -> bool {
    let reply = world.ask(Body::DeleteRecords(DeleteRecords { list: DEMO, rows_max }));
    attribute(&reply, "done") == 1
}

fn attribute(reply: &Reply, name: &str) -> i64 {
    let ReplyBody::Done(done) = &reply.body else { panic!("{reply:?}") };
    let value = done.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let Some(Value::Int(number)) = value else { panic!("no number {name}: {reply:?}") };
    *number
}

fn rows_of(map: &MapView, list: u32) -> usize {
    let of_list = |key: &Key| match key {
        Key::List(dbid) | Key::ListCounters(dbid) => *dbid == list,
        Key::RecordById { list: of, .. } | Key::RecordByChain { list: of, .. } | Key::ImportBatch { list: of, .. } => {
            *of == list
        }
        _ => false,
    };
    let tables = [Table::List, Table::ListCounters, Table::RecordById, Table::RecordByChain, Table::ImportBatch];
    tables.into_iter().flat_map(|table| map.table(table)).filter(|(key, _)| of_list(key)).count()
}

fn rows_of_other(world: &World) -> Vec<String> {
    export(&world.map, "other", &["record_id", "contact_info", "handle"].map(str::to_owned))
}

#[test]
fn a_list_goes_in_batches_with_all_that_was_its_own_and_nothing_else() {
    for (rows_max, version) in [(1, 3), (3, 4), (7, 3), (7, 4), (500, 4)] {
        let mut world = two_lists(version);
        let (other, entries) = (rows_of_other(&world), world.map.table(Table::Dnc));
        assert!(rows_of(&world.map, DEMO) > 190, "records by id and chain, batches of imports, and the list");
        let begun = world.ask(Body::DeleteList("demo".into()));
        assert_eq!(attribute(&begun, "records"), 95);
        let batches = (1..STEPS_MAX).find(|_| delete_some(&mut world, rows_max)).unwrap();
        assert!(batches >= 95 / rows_max, "a command deletes no more than it may");
        assert_eq!(rows_of(&world.map, DEMO), 0);
        assert_eq!(records::records_of_all_lists(&world.map), 11);
        assert_eq!(rows_of_other(&world), other);
        assert_eq!(world.map.table(Table::Dnc), entries);
        assert_eq!(records::lists(&world.map).len(), 1);
    }
}

#[test]
fn no_batch_deletes_more_records_than_it_may() {
    for version in 3..=RULES_NEWEST {
        let mut world = two_lists(version);
        world.ask(Body::DeleteList("demo".into()));
        let mut before = records::records_of_all_lists(&world.map);
        while !delete_some(&mut world, 7) {
            let now = records::records_of_all_lists(&world.map);
            assert!(before - now <= 7, "{before} to {now}");
            let list = records::list(&world.map, DEMO).unwrap();
            let left = records::list_counters(&world.map, DEMO, &list).records;
            assert_eq!(left, now - 11, "the list counts what is left");
            before = now;
        }
    }
}

#[test]
fn a_deletion_goes_on_beside_updates_rewritten_phones_and_another_node() {
    for raised_at in [0, 7, STEPS_MAX] {
        goes_on_beside_others(raised_at);
    }
}

/// `raised_at`: the step at which the group is raised to the newest rules version.
fn goes_on_beside_others(raised_at: u32) {
    let mut world = two_lists(3);
    let mut joined = None;
    world.ask(Body::DeleteList("demo".into()));
    for step in 0..STEPS_MAX {
        if step == raised_at {
            world.raise(RULES_NEWEST, Vec::new());
        }
        if step == 5 {
            // a node that installs the state in the middle continues from there
            joined = Some((world.map.clone(), world.version));
        }
        if step % 3 == 0 {
            world.ask(Body::RewritePhones(RewritePhones { rows_max: 9 }));
        }
        add(&mut world, "other", &format!("2 {step}"), None);
        if delete_some(&mut world, 4) {
            break;
        }
    }
    assert_eq!((rows_of(&world.map, DEMO), records::list(&world.map, DEMO)), (0, None));
    while attribute(&world.ask(Body::RewritePhones(RewritePhones { rows_max: 9 })), "done") == 0 {}
    let (dbid, other) = records::find_list(&world.map, "other").unwrap();
    let counted = records::list_counters(&world.map, dbid, &other).records;
    assert_eq!((dbid, counted), (OTHER, records::records_of_all_lists(&world.map)));

    let (map, version) = joined.unwrap();
    let mut again = World { map, version, now_us: world.now_us, ..World::default() };
    again.digest = again.map.digest(crate::common::CLUSTER_KEY);
    again.counter = 10_000;
    while !delete_some(&mut again, 500) {}
    assert_eq!(rows_of(&again.map, DEMO), 0);
}

#[test]
fn commands_of_one_entry_delete_as_if_they_came_alone() {
    let mut world = two_lists(RULES_NEWEST);
    world.ask(Body::DeleteList("demo".into()));
    let mut alone = world.map.clone();
    world.counter += 1;
    let first = world.counter;
    let delete = || Body::DeleteRecords(DeleteRecords { list: DEMO, rows_max: 30 });
    let commands: Vec<_> = (0..4).map(|at| world.command(world.id(1, 1, first + at), delete())).collect();
    for command in &commands {
        let (_, changes, _) = records::decide(command, &alone, &world.rules);
        alone.apply(&changes);
    }
    let (replies, changes, events) = records::decide_entry(&commands, &world.map, &world.rules);
    world.take(&replies, changes, events);
    assert_eq!(world.map, alone);
    assert_eq!(records::list(&world.map, DEMO), None);
}
