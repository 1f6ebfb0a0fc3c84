//! Do-Not-Call under rules with campaigns: the entries of requests and of operators, the records that they mark, and the calls that
//! they stop (spec 5; spec 9, Do-Not-Call).

use std::sync::Arc;

use crate::common::{START_US, World, batch, field, request};
use outbound::{
    ApplyDoNotCall, Body, DoNotCallBatch, DoNotCallRow, DoNotCallScope, Due, Effect, Handle, Imported, RULES_NEWEST,
    RemoveDoNotCall, Reply, ReplyBody, Request, RewritePhones, Setting, Value, call_result,
    declaration::{Declaration, DeclaredCampaign, DeclaredTenant},
    key, record_status, record_type,
};
use records::{
    BringUpRow, CustomersRow, DeclaredRow, DncRow, DncScope, DncSubject, Event, Key, ListRow, Overlay, PendingRow,
    RecordRow, Row, Table, View,
};

/// DBIDs of the lists: `demo` and `other` of the default tenant, `north` of the tenant `north`.
const DEMO: u32 = 101;
const OTHER: u32 = 102;
const NORTH: u32 = 103;
const CAMPAIGN: u32 = 201;
/// The hour of the tests, UTC seconds.
const NOW_S: i64 = (START_US / 1_000_000) as i64;

type Pair<'a> = (&'a str, &'a str);

/// Three lists without records; a request changes at most `max` records.
fn lists(max: u64) -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, vec![Setting { key: "records_per_request_max".into(), value: max.to_string() }]);
    (0..2).for_each(|_| drop(world.ask(Body::RewritePhones(RewritePhones { rows_max: 500 }))));
    for list in ["demo", "other", "north"] {
        world.create(list, "UTC", vec![field("CLIENT_ID", "varchar(64)")]);
    }
    for dbid in [DEMO, OTHER, NORTH] {
        change_list(&mut world, dbid, |list| ListRow { customer_column: "CLIENT_ID".into(), ..list });
    }
    change_list(&mut world, NORTH, |list| ListRow { tenant: "north".into(), ..list });
    let north = DeclaredTenant {
        name: "north".into(),
        dbid: Some(101),
        country_code: Some("49".into()),
        trunk_prefix: Some("0".into()),
        national_digits: Some(0),
    };
    let campaign = DeclaredCampaign {
        name: "Renewals".into(),
        dbid: Some(CAMPAIGN),
        tenant: Some(String::new()),
        ..DeclaredCampaign::default()
    };
    let declaration = Declaration { tenants: vec![north], campaigns: vec![campaign], ..Declaration::default() };
    let declared = DeclaredRow { revision: 1, declaration: Some(declaration), ..DeclaredRow::default() };
    put(&mut world, vec![(Key::Declared, Row::Declared(Arc::new(declared.into())))]);
    world
}

/// Records 1 to 3 are a chain of `demo`; 4, alone in `demo`, and 5, in `other`, have phone and customer of record 1; 6 has them in
/// the list of another tenant.
fn world() -> World {
    let mut world = lists(1_000);
    add(&mut world, "demo", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9992"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9993"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "(+999) 1"), ("CLIENT_ID", " c7 ")]);
    add(&mut world, "other", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "north", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    world
}

/// Writes rows past the rules.
fn put(world: &mut World, rows: Vec<(Key, Row)>) {
    let mut overlay = Overlay::new(&world.map);
    rows.into_iter().for_each(|(key, row)| overlay.put(key, row));
    let changes = overlay.into_changes();
    world.take(&[Reply::done("Written", Vec::new())], changes, Vec::new());
}

fn change_list(world: &mut World, dbid: u32, change: impl FnOnce(ListRow) -> ListRow) {
    let list = records::list(&world.map, dbid).unwrap();
    put(world, vec![(Key::List(dbid), Row::List(Arc::new(change((*list).clone()))))]);
}

fn add(world: &mut World, list: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, "AddRecord", &format!("lists/{list}"), pairs);
    assert_eq!(code(&reply), "ok", "{reply:?}");
    reply
}

fn ask(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    world.ask(Body::Request(request(verb, resource, pairs)))
}

fn stop(world: &mut World, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, "DoNotCall", resource, pairs);
    assert_eq!(code(&reply), "ok", "{resource} {pairs:?}: {reply:?}");
    reply
}

/// `ok`, or the code of the refusal.
fn code(reply: &Reply) -> &'static str {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code.word(),
        _ => "ok",
    }
}

/// The text or number under a key of an answer.
fn shown(reply: &Reply, key: &str) -> String {
    let ReplyBody::Done(done) = &reply.body else { panic!("not done: {reply:?}") };
    match done.attributes.iter().find(|(other, _)| other == key).map(|(_, value)| value) {
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Str(text)) => text.clone(),
        None => String::new(),
    }
}

fn row(world: &World, handle: u64) -> RecordRow {
    records::record(&world.map, Handle(handle)).unwrap()
}

/// Handles of the records with the marks of Do-Not-Call.
fn marked(world: &World) -> Vec<u64> {
    let is_marked = |record: &RecordRow| {
        let marks = (record.record_type, record.record_status, record.call_result);
        marks == (record_type::NO_CALL, record_status::UPDATED, call_result::DO_NOT_CALL)
    };
    let rows = world.map.table(Table::Record).into_iter();
    let handles = rows.filter_map(|(key, row)| match (key, row) {
        (Key::Record(handle), Row::Record(record)) if is_marked(&record) => Some(handle.0),
        _ => None,
    });
    handles.collect()
}

fn entries(world: &World) -> Vec<(DncScope, DncSubject, DncRow)> {
    let entry = |(key, row)| match (key, row) {
        (Key::Dnc(scope, subject), Row::Dnc(row)) => (scope, subject, row),
        other => panic!("no entry: {other:?}"),
    };
    world.map.table(Table::Dnc).into_iter().map(entry).collect()
}

fn tenant(name: &str) -> DncScope {
    DncScope::Tenant(name.to_owned())
}

fn phone(form: &str) -> DncSubject {
    DncSubject::Phone(form.to_owned())
}

fn customer(id: &str) -> DncSubject {
    DncSubject::Customer(id.to_owned())
}

/// The entries without their rows.
fn keys(world: &World) -> Vec<(DncScope, DncSubject)> {
    entries(world).into_iter().map(|(scope, subject, _)| (scope, subject)).collect()
}

fn about_phone(phone: &str) -> DoNotCallRow {
    DoNotCallRow { phone: phone.into(), ..DoNotCallRow::default() }
}

fn scope(tenant: &str, campaign: &str, list: &str) -> DoNotCallScope {
    let [tenant, campaign, list] = [tenant, campaign, list].map(str::to_owned);
    DoNotCallScope { tenant, campaign, list }
}

/// A batch for the whole default tenant.
fn file(import_id: &str, first_row: u64, rows: Vec<DoNotCallRow>) -> DoNotCallBatch {
    let (import_id, source) = (import_id.as_bytes().to_vec(), "day.csv".to_owned());
    DoNotCallBatch { scope: DoNotCallScope::default(), import_id, first_row, source, rows }
}

fn enter(world: &mut World, batch: DoNotCallBatch) -> Imported {
    match world.ask(Body::DoNotCallBatch(batch)).body {
        ReplyBody::Imported(imported) => imported,
        other => panic!("refused: {other:?}"),
    }
}

/// Makes an entry as `dnc add` does.
fn enter_one(world: &mut World, scope: DoNotCallScope, row: DoNotCallRow) -> Imported {
    let import_id = world.counter.to_string();
    enter(world, DoNotCallBatch { scope, ..file(&import_id, 1, vec![row]) })
}

/// Does due work, `rows_max` records a command, until nothing of a DoNotCall is left; answers the count of commands.
fn finish(world: &mut World, rows_max: u32) -> usize {
    for commands in 0..1_000 {
        if world.map.table(Table::DncRest).is_empty() {
            return commands;
        }
        world.ask(Body::Due(Due { rows_max }));
    }
    panic!("no end: {:?}", world.map.table(Table::DncRest))
}

// === requests ===

#[test]
fn every_record_that_matches_is_marked_and_with_all_chain_its_chain_too() {
    let everywhere: &[Pair<'_>] = &[];
    let alone: &[Pair<'_>] = &[("GSW_CHAIN_ATTR", "RecordOnly")];
    let of_other: &[Pair<'_>] = &[("GSW_CALLING_LIST", "other")];
    let of_demo_alone: &[Pair<'_>] = &[("GSW_CALLING_LIST", "demo"), ("GSW_CHAIN_ATTR", "RecordOnly")];
    let of_dbid: &[Pair<'_>] = &[("GSW_CALLING_LIST_DBID", "102")];
    for (resource, pairs, handles, entry) in [
        ("records/1", everywhere, &[1, 2, 3][..], (tenant(""), phone("+9991"))),
        ("records/1", alone, &[1], (tenant(""), phone("+9991"))),
        ("records/2", everywhere, &[1, 2, 3], (tenant(""), phone("+9992"))),
        ("records/6", everywhere, &[6], (tenant("north"), phone("+9991"))),
        ("phones/+9991", everywhere, &[1, 2, 3, 4, 5], (tenant(""), phone("+9991"))),
        ("phones/+9991", alone, &[1, 4, 5], (tenant(""), phone("+9991"))),
        ("phones/00999-1", of_other, &[5], (DncScope::List(OTHER), phone("+9991"))),
        ("phones/+9991", of_dbid, &[5], (DncScope::List(OTHER), phone("+9991"))),
        ("phones/+9998", everywhere, &[], (tenant(""), phone("+9998"))),
        ("customer_ids/c7", everywhere, &[1, 2, 3, 4, 5], (tenant(""), customer("c7"))),
        ("customer_ids/ c7 ", of_demo_alone, &[1, 4], (DncScope::List(DEMO), customer("c7"))),
        ("customer_ids/C7", everywhere, &[], (tenant(""), customer("C7"))),
    ] {
        let mut world = world();
        let reply = stop(&mut world, resource, pairs);
        assert_eq!(marked(&world), handles, "{resource} {pairs:?}");
        assert_eq!(keys(&world), [entry], "{resource} {pairs:?}");
        assert_eq!(shown(&reply, key::RECORDS), handles.len().to_string(), "{resource} {pairs:?}");
        let records = if handles.len() == 1 { "record" } else { "records" };
        assert_eq!(shown(&reply, key::MESSAGE), format!("{} {records} marked", handles.len()));
        let names_a_record = resource.starts_with("records/");
        assert_eq!(!shown(&reply, key::RECORD_HANDLE).is_empty(), names_a_record, "{resource}");
        let subject = [key::PHONE, key::CUSTOMER_ID].map(|key| shown(&reply, key)).concat();
        let named = resource.split_once('/').unwrap().1.trim();
        assert_eq!(subject, if names_a_record { "" } else { named }, "{resource}");
    }
}

#[test]
fn a_request_of_a_tenant_is_about_the_lists_of_this_tenant() {
    let asked = |tenant: &str, resource: &str| Request {
        tenant: tenant.into(),
        ..request("DoNotCall", resource, &[("GSW_CHAIN_ATTR", "RecordOnly")])
    };
    for (named, resource, handles, entry) in [
        ("", "phones/+9991", &[1, 4, 5][..], tenant("")),
        ("default", "phones/+9991", &[1, 4, 5], tenant("")),
        ("north", "phones/+9991", &[6], tenant("north")),
        ("north", "customer_ids/c7", &[6], tenant("north")),
    ] {
        let mut world = world();
        assert_eq!(code(&world.ask(Body::Request(asked(named, resource)))), "ok");
        assert_eq!(marked(&world), handles, "{named} {resource}");
        assert_eq!(keys(&world)[0].0, entry, "{named} {resource}");
    }
    let mut world = world();
    assert_eq!(code(&world.ask(Body::Request(asked("south", "phones/+9991")))), "TENANT_NOT_FOUND");
}

#[test]
fn what_a_request_may_not_say_is_refused_and_makes_no_entry() {
    let long = "x".repeat(256);
    for (resource, pairs, wanted) in [
        ("records/1", &[("GSW_CALLING_LIST", "other")][..], "BAD_VALUE"),
        ("records/1", &[("GSW_CALLING_LIST", "nowhere")], "BAD_VALUE"),
        ("records/1", &[("GSW_CALLING_LIST_DBID", "102")], "BAD_VALUE"),
        ("records/1", &[("GSW_PHONE", "+9992")], "BAD_VALUE"),
        ("records/1", &[("GSW_CHAIN_ATTR", "Some")], "BAD_VALUE"),
        ("records/1", &[("GSW_MESSAGE", long.as_str())], "BAD_VALUE"),
        ("records/99", &[], "RECORD_NOT_FOUND"),
        ("phones/+9991", &[("GSW_CALLING_LIST", "nowhere")], "LIST_NOT_FOUND"),
        ("phones/+9991", &[("GSW_CALLING_LIST", "north")], "LIST_NOT_FOUND"),
        ("phones/+9991", &[("GSW_CALLING_LIST", "demo"), ("GSW_CALLING_LIST_DBID", "102")], "BAD_VALUE"),
        ("phones/+9991", &[("GSW_PHONE", "+9992")], "BAD_VALUE"),
        ("phones/1.5E+10", &[], "BAD_VALUE"),
        ("phones/nobody", &[], "BAD_VALUE"),
        ("phones/  ", &[], "BAD_VALUE"),
        ("customer_ids/c7", &[("GSW_CUSTOMER_ID", "c8")], "BAD_VALUE"),
        ("customer_ids/  ", &[], "BAD_VALUE"),
    ] {
        let mut world = world();
        let reply = ask(&mut world, "DoNotCall", resource, pairs);
        assert_eq!(code(&reply), wanted, "{resource} {pairs:?}: {reply:?}");
        assert_eq!(entries(&world), []);
    }
    let mut world = world();
    for (resource, pairs) in [
        ("records/1", &[("GSW_CALLING_LIST", "demo"), ("GSW_PHONE", "00999 1")][..]),
        ("records/1", &[("GSW_CALLING_LIST", "101"), ("GSW_CALL_ATTEMPT_GUID", "AB")]),
        ("phones/+9991", &[("GSW_PHONE", "(+999) 1")]),
        ("customer_ids/c7", &[("GSW_CUSTOMER_ID", " c7 ")]),
    ] {
        stop(&mut world, resource, pairs);
    }
}

#[test]
fn requests_by_customer_wait_until_the_customers_of_the_tenant_are_indexed() {
    let mut world = world();
    let customers = vec![CustomersRow { list: OTHER, record_id: 1 }];
    put(
        &mut world,
        vec![(Key::BringUp, Row::BringUp(BringUpRow { done: true, handle: 6, customers, ..BringUpRow::default() }))],
    );
    assert_eq!(code(&ask(&mut world, "DoNotCall", "customer_ids/c7", &[])), "CONFLICT");
    stop(&mut world, "phones/+9991", &[]);
    let asked = Request { tenant: "north".into(), ..request("DoNotCall", "customer_ids/c7", &[]) };
    assert_eq!(code(&world.ask(Body::Request(asked))), "ok");
}

#[test]
fn a_record_that_somebody_holds_is_marked_and_nothing_of_its_attempt_stays() {
    for resource in ["records/4", "phones/+9991", "customer_ids/c7"] {
        let mut world = world();
        let pending = PendingRow { record_type: 3, dial_sched_time: NOW_S, agent_id: String::new() };
        let held = RecordRow {
            record_status: record_status::RETRIEVED,
            held_since_us: START_US,
            attempt_guid: vec![7; 16],
            pending: Some(pending),
            agent_id: "a".into(),
            group_id: Some(301),
            ..row(&world, 4)
        };
        let by_group = Key::HeldByGroup { group: 301, agent: "a".into(), held_since_us: START_US, handle: Handle(4) };
        let by_time = Key::HeldByTime { changed_us: held.changed_us, handle: Handle(4) };
        let ready: Vec<Key> = records::indexes_of(
            &Key::Record(Handle(4)),
            &Row::Record(Arc::new(row(&world, 4))),
            records::canonical_phone,
        )
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| key.table() == Table::Dialable)
        .collect();
        let mut overlay = Overlay::new(&world.map);
        ready.into_iter().for_each(|key| overlay.remove(key));
        overlay.put(by_group, Row::HeldByGroup(records::EmptyRow));
        overlay.put(by_time, Row::HeldByTime(records::EmptyRow));
        overlay.put(Key::Record(Handle(4)), Row::Record(Arc::new(held)));
        let changes = overlay.into_changes();
        world.take(&[Reply::done("Written", Vec::new())], changes, Vec::new());

        stop(&mut world, resource, &[]);
        let record = row(&world, 4);
        assert!(marked(&world).contains(&4), "{resource}");
        assert_eq!((record.held_since_us, record.pending, record.waits), (0, None, false), "{resource}");
        let late = ask(&mut world, "RecordProcessed", "records/4", &[]);
        assert_eq!(code(&late), "RECORD_FINALISED", "{resource}");
    }
}

#[test]
fn an_entry_stops_additions_and_imports_by_phone_and_by_customer() {
    for resource in ["phones/+9998", "customer_ids/c8"] {
        let mut world = world();
        stop(&mut world, resource, &[]);
        let pairs = [("GSW_PHONE", "(+999) 8"), ("CLIENT_ID", " c8")];
        for list in ["demo", "other"] {
            assert_eq!(code(&ask(&mut world, "AddRecord", &format!("lists/{list}"), &pairs)), "DO_NOT_CALL");
        }
        add(&mut world, "north", &pairs);
        let rows = batch("demo", "f", 1, &["contact_info,CLIENT_ID", "00999-8,c8", "+9997,c9"]);
        let ReplyBody::Imported(imported) = world.ask(Body::ImportBatch(rows)).body else { panic!("refused") };
        assert_eq!((imported.added, imported.no_call), (2, 1), "{resource}");
    }
}

#[test]
fn a_repeated_request_is_answered_again_until_its_entry_changes() {
    for resource in ["records/4", "phones/+9991", "customer_ids/c7"] {
        let mut world = world();
        let ours = [("GSW_MESSAGE", "asked twice")];
        let first = stop(&mut world, resource, &ours);
        let again = stop(&mut world, resource, &ours);
        assert!(again.replayed && again.body == first.body, "{resource}: {again:?}");
        // A, B, A ends with A
        assert!(!stop(&mut world, resource, &[("GSW_MESSAGE", "a lawyer wrote")]).replayed);
        assert!(!stop(&mut world, resource, &ours).replayed, "{resource}");
        assert_eq!(entries(&world)[0].2.message, "asked twice");

        let about = match resource {
            "customer_ids/c7" => RemoveDoNotCall { customer: "c7".into(), ..RemoveDoNotCall::default() },
            _ => RemoveDoNotCall { phone: "+9991".into(), ..RemoveDoNotCall::default() },
        };
        assert_eq!(shown(&world.ask(Body::RemoveDoNotCall(about)), "removed"), "1");
        assert!(!stop(&mut world, resource, &ours).replayed, "{resource}");
        assert_eq!(entries(&world).len(), 1, "the entry is made again");
    }
}

#[test]
fn a_request_without_a_message_keeps_that_of_the_entry_and_makes_it_last() {
    let mut world = world();
    let expires_s = Some(NOW_S + 3_600);
    let row = DoNotCallRow { message: "by file".into(), expires_s, ..about_phone("+9991") };
    enter_one(&mut world, DoNotCallScope::default(), row);
    let (.., before) = entries(&world).remove(0);
    assert_eq!((before.message.as_str(), before.source.as_str(), before.expires_s), ("by file", "day.csv", expires_s));
    stop(&mut world, "phones/+9991", &[]);
    let (.., after) = entries(&world).remove(0);
    assert_eq!(after, DncRow { expires_s: None, ..before }, "time, message and source stay");
}

// === a large DoNotCall ===

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

// === forms, expiry, campaigns ===

#[test]
fn an_entry_under_one_form_of_a_number_stops_each_form_that_the_tenant_declares() {
    let forms = ["+49 30 12345", "0049 (0)30 12345", "030/12345"];
    for of_entry in forms {
        for of_record in forms {
            let mut world = lists(1_000);
            enter_one(&mut world, scope("north", "", ""), about_phone(of_entry));
            let pairs = [("GSW_PHONE", of_record)];
            let refused = ask(&mut world, "AddRecord", "lists/north", &pairs);
            assert_eq!(code(&refused), "DO_NOT_CALL", "{of_entry} {of_record}");
            add(&mut world, "demo", &pairs);
            let (found, entries) = records::do_not_call_of(&world.map, of_record);
            assert_eq!(entries.len(), 1, "{of_entry} {of_record}");
            assert_eq!(found.len(), 2, "{found:?}");
            let removal =
                RemoveDoNotCall { phone: of_record.into(), tenant: "north".into(), ..RemoveDoNotCall::default() };
            assert_eq!(shown(&world.ask(Body::RemoveDoNotCall(removal)), "removed"), "1");
            add(&mut world, "north", &pairs);
        }
    }
    let mut world = lists(1_000);
    enter_one(&mut world, DoNotCallScope::default(), about_phone("030 12345"));
    add(&mut world, "demo", &[("GSW_PHONE", "+49 30 12345")]);
}

#[test]
fn an_expired_entry_counts_as_absent() {
    let mut world = world();
    let until = |seconds: i64| DoNotCallRow { expires_s: Some(NOW_S + seconds), ..about_phone("+9998") };
    enter_one(&mut world, DoNotCallScope::default(), until(60));
    let pairs = [("GSW_PHONE", "+9998")];
    assert_eq!(code(&ask(&mut world, "AddRecord", "lists/demo", &pairs)), "DO_NOT_CALL");
    world.wait_ms(60_000);
    add(&mut world, "demo", &pairs);

    let (.., before) = entries(&world).remove(0);
    let imported = enter_one(&mut world, DoNotCallScope::default(), until(3_600));
    assert_eq!((imported.added, imported.duplicates), (1, 0), "the expired entry is none");
    let (.., after) = entries(&world).remove(0);
    assert!(after.stamp_us > before.stamp_us && entries(&world).len() == 1);
    assert_eq!(code(&ask(&mut world, "AddRecord", "lists/other", &pairs)), "DO_NOT_CALL");
}

#[test]
fn an_entry_of_a_list_stops_this_list_and_an_entry_of_a_campaign_no_addition() {
    let mut world = world();
    enter_one(&mut world, scope("", "", "other"), about_phone("+9998"));
    enter_one(&mut world, scope("", "Renewals", ""), about_phone("+9997"));
    assert_eq!(keys(&world), [(DncScope::List(OTHER), phone("+9998")), (DncScope::Campaign(CAMPAIGN), phone("+9997"))]);
    for (list, of_phone, wanted) in
        [("other", "+9998", "DO_NOT_CALL"), ("demo", "+9998", "ok"), ("other", "+9997", "ok"), ("demo", "+9997", "ok")]
    {
        let reply = ask(&mut world, "AddRecord", &format!("lists/{list}"), &[("GSW_PHONE", of_phone)]);
        assert_eq!(code(&reply), wanted, "{list} {of_phone}");
    }
    let application = ApplyDoNotCall { list: "demo".into(), from_record_id: 0, rows_max: 500 };
    assert_eq!(shown(&world.ask(Body::ApplyDoNotCall(application)), "marked"), "0");
}

// === operators ===

#[test]
fn each_row_of_a_batch_is_entered_stands_already_or_is_rejected_with_its_reason() {
    let mut world = world();
    let row = |phone: &str, customer: &str| DoNotCallRow { customer: customer.into(), ..about_phone(phone) };
    let rows = vec![
        row("+9991", ""),
        row("00999-1", ""),
        row("", " c7 "),
        row("", ""),
        row("+9992", "c8"),
        row("nobody", ""),
        row("1.5E+10", ""),
        row(&"1".repeat(129), ""),
        row("", &"c".repeat(1_025)),
        DoNotCallRow { message: "m".repeat(256), ..about_phone("+9993") },
        DoNotCallRow { expires_s: Some(-1), ..about_phone("+9994") },
        DoNotCallRow { expires_s: Some(i64::MAX), ..about_phone("+9995") },
    ];
    let imported = enter(&mut world, file("f", 5, rows));
    assert_eq!((imported.added, imported.duplicates, imported.rejected.len()), (2, 1, 9));
    let reasons: Vec<_> = imported.rejected.iter().map(|row| (row.row, row.reason.as_str())).collect();
    for ((row, reason), (wanted, begins)) in reasons.into_iter().zip([
        (8, "has neither a phone nor a customer_id"),
        (9, "has a phone and a customer_id"),
        (10, "phone: \"nobody\" has no digit"),
        (11, "phone: \"1.5E+10\" is a number with an exponent"),
        (12, "phone: must have at most 128 letters"),
        (13, "customer_id: must have 1 to 1024 bytes"),
        (14, "message: must have at most 255 letters"),
        (15, "expires: -1 is no time"),
        (16, "expires: 9223372036854775807 is no time"),
    ]) {
        assert!(row == wanted && reason.starts_with(begins), "row {row}: {reason}");
    }
    assert_eq!(keys(&world), [(tenant(""), phone("+9991")), (tenant(""), customer("c7"))]);
    assert_eq!(marked(&world), Vec::<u64>::new(), "no record changes");
}

#[test]
fn a_batch_is_applied_once_however_often_and_however_cut_it_comes() {
    let mut world = world();
    let rows = |phones: &[&str]| phones.iter().map(|phone| about_phone(phone)).collect::<Vec<_>>();
    let first = enter(&mut world, file("f", 1, rows(&["+1", "+2", "x"])));
    assert_eq!((first.added, first.duplicates, first.rejected.len()), (2, 0, 1));
    let removal = RemoveDoNotCall { phone: "+1".into(), ..RemoveDoNotCall::default() };
    world.ask(Body::RemoveDoNotCall(removal));
    let again = world.ask(Body::DoNotCallBatch(file("f", 1, rows(&["+1", "+2", "x"]))));
    assert!(again.replayed && again.body == ReplyBody::Imported(first));
    assert_eq!(keys(&world), [(tenant(""), phone("+2"))], "what was taken back stays so");
    let otherwise = enter(&mut world, file("f", 2, rows(&["+2", "x", "+3"])));
    assert_eq!((otherwise.added, otherwise.duplicates, otherwise.rejected.len()), (1, 2, 0));
    let other = enter(&mut world, file("g", 1, rows(&["+1", "+2"])));
    assert_eq!((other.added, other.duplicates), (1, 1));
}

#[test]
fn a_standing_entry_keeps_its_time_and_its_end_and_takes_a_message() {
    let mut world = world();
    let everywhere = DoNotCallScope::default;
    stop(&mut world, "phones/+9991", &[("GSW_MESSAGE", "asked")]);
    let (.., first) = entries(&world).remove(0);
    enter_one(&mut world, everywhere(), about_phone("(+999) 1"));
    assert_eq!(entries(&world)[0].2, first, "nothing was given");
    let row = DoNotCallRow { message: "again".into(), expires_s: Some(NOW_S + 90), ..about_phone("+9991") };
    assert_eq!(enter_one(&mut world, everywhere(), row).duplicates, 1);
    let (.., after) = entries(&world).remove(0);
    assert_eq!(after, DncRow { message: "again".into(), ..first });
}

#[test]
fn a_batch_for_an_unknown_scope_or_without_sense_is_refused_whole() {
    let everywhere = DoNotCallScope::default;
    let one = || file("f", 1, vec![about_phone("+1")]);
    for (asked, wanted) in [
        (DoNotCallBatch { scope: scope("south", "", ""), ..one() }, "TENANT_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("", "", "nowhere"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("north", "", "demo"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("default", "", "north"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("", "Nothing", ""), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { scope: scope("north", "Renewals", ""), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { scope: scope("", "Renewals", "demo"), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { import_id: Vec::new(), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { import_id: vec![0; 65], ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { first_row: 0, ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { rows: Vec::new(), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { source: "s".repeat(256), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { rows: vec![about_phone("+1"); 501], ..one() }, "LIMIT"),
    ] {
        let mut world = world();
        assert_eq!(code(&world.ask(Body::DoNotCallBatch(asked.clone()))), wanted, "{:?}", asked.scope);
        assert_eq!(entries(&world), []);
    }
    for (named, key) in [
        (everywhere(), tenant("")),
        (scope("default", "", ""), tenant("")),
        (scope("north", "", ""), tenant("north")),
        (scope("north", "", "north"), DncScope::List(NORTH)),
        (scope("", "", "102"), DncScope::List(OTHER)),
        (scope("default", "201", ""), DncScope::Campaign(CAMPAIGN)),
    ] {
        let mut world = world();
        enter_one(&mut world, named, about_phone("+1"));
        assert_eq!(keys(&world), [(key, phone("+1"))]);
    }
}

#[test]
fn readers_of_events_hear_of_a_single_entry_and_never_of_a_files() {
    let mut world = world();
    let is_entry = |event: &Event| matches!(event, Event::Effect(Effect::DoNotCallEntered { .. }));
    enter(&mut world, file("f", 1, vec![about_phone("+1"), about_phone("+2")]));
    assert!(!world.events.iter().any(is_entry));
    enter_one(&mut world, scope("", "", "other"), about_phone("+3"));
    assert!(world.events.contains(&Event::Effect(Effect::DoNotCallEntered { list: Some(OTHER) })));
    enter_one(&mut world, scope("", "", "other"), about_phone("+3"));
    assert!(!world.events.iter().any(is_entry), "the entry stood already");
}

#[test]
fn an_application_marks_the_open_records_of_a_list_in_the_order_of_their_ids() {
    let mut world = world();
    for at in 10..15 {
        add(&mut world, "demo", &[("GSW_PHONE", &format!("+99{at}"))]);
    }
    ask(&mut world, "RecordProcessed", "records/4", &[]);
    enter(&mut world, file("f", 1, vec![about_phone("+9991"), about_phone("+9911"), about_phone("+9914")]));
    let (mut from_record_id, mut looked, mut steps) = (0, 0, Vec::new());
    loop {
        let asked = ApplyDoNotCall { list: "demo".into(), from_record_id, rows_max: 3 };
        let reply = world.ask(Body::ApplyDoNotCall(asked));
        steps.push(shown(&reply, "marked"));
        looked += shown(&reply, "looked").parse::<u64>().unwrap();
        match shown(&reply, "next_record_id").parse() {
            Ok(next) => from_record_id = next,
            Err(_) => break,
        }
    }
    assert_eq!((steps.concat(), looked), ("1110".to_owned(), 9), "a chain's other records and finalised ones stay");
    assert_eq!(marked(&world), [1, 8, 11], "no record of another list");
    for (list, rows_max, wanted) in
        [("nowhere", 1, "LIST_NOT_FOUND"), ("demo", 0, "BAD_VALUE"), ("demo", 501, "BAD_VALUE")]
    {
        let asked = ApplyDoNotCall { list: list.into(), from_record_id: 0, rows_max };
        assert_eq!(code(&world.ask(Body::ApplyDoNotCall(asked))), wanted);
    }
}

#[test]
fn an_entry_is_taken_back_by_its_scope_and_its_subject() {
    let scopes = [scope("", "", ""), scope("north", "", ""), scope("", "", "other"), scope("", "Renewals", "")];
    for (at, taken_back) in scopes.iter().enumerate() {
        for of_customer in [false, true] {
            let mut world = world();
            let (phone, customer) = if of_customer { ("", "c8") } else { ("+9998", "") };
            for scope in scopes.clone() {
                let row = DoNotCallRow { phone: phone.into(), customer: customer.into(), ..DoNotCallRow::default() };
                enter_one(&mut world, scope, row);
            }
            let before = keys(&world);
            let DoNotCallScope { tenant, campaign, list } = taken_back.clone();
            let removal = RemoveDoNotCall { phone: phone.into(), customer: customer.into(), tenant, campaign, list };
            let reply = world.ask(Body::RemoveDoNotCall(removal.clone()));
            assert_eq!(shown(&reply, "removed"), "1", "{taken_back:?}");
            assert_eq!(shown(&reply, key::CUSTOMER_ID), customer);
            let gone: Vec<_> =
                before.into_iter().filter(|key| !keys(&world).contains(key)).map(|(scope, _)| scope).collect();
            let wanted = [
                DncScope::Tenant(String::new()),
                self::tenant("north"),
                DncScope::List(OTHER),
                DncScope::Campaign(CAMPAIGN),
            ];
            assert_eq!(gone, [wanted[at].clone()]);
            assert_eq!(shown(&world.ask(Body::RemoveDoNotCall(removal)), "removed"), "0");
        }
    }
}

#[test]
fn the_dbid_of_a_list_or_campaign_that_is_gone_still_names_the_scope_of_its_entries() {
    let mut world = world();
    enter_one(&mut world, scope("", "", "other"), about_phone("+1"));
    enter_one(&mut world, scope("", "Renewals", ""), about_phone("+1"));
    world.ask(Body::DeleteList("other".into()));
    world.ask(Body::DeleteRecords(outbound::DeleteRecords { list: OTHER, rows_max: 500 }));
    put(&mut world, vec![(Key::Declared, Row::Declared(Arc::default()))]);
    let removal = |list: &str, campaign: &str| RemoveDoNotCall {
        phone: "+1".into(),
        list: list.into(),
        campaign: campaign.into(),
        ..RemoveDoNotCall::default()
    };
    for (named, wanted) in [
        (removal("other", ""), "LIST_NOT_FOUND"),
        (removal("", "Renewals"), "BAD_VALUE"),
        (removal("102", ""), "ok"),
        (removal("", "201"), "ok"),
        (RemoveDoNotCall { customer: "c7".into(), ..removal("", "") }, "BAD_VALUE"),
    ] {
        assert_eq!(code(&world.ask(Body::RemoveDoNotCall(named.clone()))), wanted, "{named:?}");
    }
    assert_eq!(entries(&world), []);
}

#[test]
fn entries_of_a_phone_or_customer_are_found_in_every_scope() {
    let mut world = world();
    for scope in [scope("", "Renewals", ""), scope("", "", "other"), scope("north", "", ""), scope("", "", "")] {
        enter_one(&mut world, scope.clone(), about_phone("+9998"));
        enter_one(&mut world, scope, DoNotCallRow { customer: "c8".into(), ..DoNotCallRow::default() });
    }
    let scopes = [tenant(""), tenant("north"), DncScope::List(OTHER), DncScope::Campaign(CAMPAIGN)];
    let of = |found: Vec<(Key, DncRow)>| -> Vec<DncScope> {
        let scope = |(key, _)| match key {
            Key::Dnc(scope, _) => scope,
            other => panic!("no entry: {other:?}"),
        };
        found.into_iter().map(scope).collect()
    };
    assert_eq!(of(records::do_not_call_of(&world.map, "00999-8").1), scopes);
    assert_eq!(of(records::do_not_call_of_customer(&world.map, " c8")), scopes);
    assert!(records::do_not_call_of(&world.map, "+9997").1.is_empty());
    assert!(world.map.get(&Key::Dnc(tenant(""), phone("+9998"))).is_some());
}

/// Each row: the ends of two entries about one phone, seconds from now, and the end that counts.
#[test]
fn an_entry_stands_until_the_later_of_the_ends_that_were_given() {
    for (first, second, end) in
        [(None, Some(60), None), (Some(60), None, None), (Some(60), Some(90), Some(90)), (Some(90), Some(60), Some(90))]
    {
        let mut world = world();
        let until = |seconds: Option<i64>| DoNotCallRow {
            expires_s: seconds.map(|seconds| NOW_S + seconds),
            ..about_phone("+9998")
        };
        enter_one(&mut world, DoNotCallScope::default(), until(first));
        enter_one(&mut world, DoNotCallScope::default(), until(second));
        let (.., row) = entries(&world).remove(0);
        assert_eq!(row.expires_s, end.map(|seconds| NOW_S + seconds), "{first:?} {second:?}");
    }
}
