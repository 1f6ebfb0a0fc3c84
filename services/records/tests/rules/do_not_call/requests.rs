//! DoNotCall requests: the records that they mark, and the entries that they make.

use std::sync::Arc;

use outbound::{
    Body, DoNotCallRow, DoNotCallScope, Handle, RemoveDoNotCall, Reply, ReplyBody, Request, key, record_status,
};
use records::{BringUpRow, CustomersRow, DncRow, DncScope, Key, Overlay, PendingRow, RecordRow, Row, Table};

use super::three_lists::{
    DEMO, NOW_S, OTHER, Pair, about_phone, add, ask, code, customer, enter_one, entries, keys, marked, phone, put, row,
    shown, stop, tenant, world,
};
use crate::common::{START_US, batch, request};

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
