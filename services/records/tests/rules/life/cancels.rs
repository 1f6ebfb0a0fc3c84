//! Cancels by record, by phone and by customer.

use outbound::{
    Body, Request, Setting, Value, call_result,
    declaration::{Declaration, DeclaredTenant},
    key,
};
use records::{BringUpRow, CustomersRow, Key, Row};

use super::two_lists::{
    GUID, LATER_MS, OTHER, Pair, TEN, ask, code, declare, done, edit, edit_list, event, hold, is_held, row, status,
    statuses, value, world, write,
};
use crate::common::request;

/// A resource, attributes of a cancel; the cancelled handles, or the code of the refusal.
type CancelCase<'a> = (&'a str, &'a [Pair<'a>], Result<&'a [u64], &'a str>);

#[test]
fn a_cancel_ends_the_record_or_its_chain_whoever_holds_it() {
    let only = ["Cancelled", "Ready", "Ready", "Ready"];
    let all = ["Cancelled", "Cancelled", "Cancelled", "Ready"];
    let cases: [(&[Pair<'_>], [&str; 4]); 3] = [
        (&[], only),
        (&[("GSW_CHAIN_ATTR", "RecordOnly"), ("GSW_CALLING_LIST", "demo")], only),
        (&[("GSW_CHAIN_ATTR", "AllChain")], all),
    ];
    for (pairs, wanted) in cases {
        for held in [false, true] {
            let mut world = world();
            if held {
                hold(&mut world, 1);
                done(&mut world, "RecordReschedule", "records/1", &[("GSW_DATE_TIME", TEN)]);
            }
            let reply = done(&mut world, "RequestRecordCancel", "records/1", pairs);
            assert_eq!(event(&reply), "RecordCancelAcknowledge");
            assert_eq!(statuses(&world, [1, 2, 3, 4]), wanted, "{pairs:?}");
            let count = wanted.iter().filter(|status| **status == "Cancelled").count() as i64;
            assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(count)));
            assert!(
                matches!(value(&reply, key::MESSAGE), Some(Value::Str(text)) if text.starts_with(&format!("{count} ")))
            );
            assert_eq!(value(&reply, key::RECORD_HANDLE), Some(Value::Int(1)));
            let record = row(&world, 1);
            assert!(record.call_result == call_result::CANCEL_RECORD && !is_held(&record), "{record:?}");
            assert_eq!([2, 3].map(|handle| row(&world, handle).waits), [false; 2], "nobody holds the chain");
            let late = ask(&mut world, "RecordProcessed", "records/1", &[("GSW_CALL_ATTEMPT_GUID", GUID)]);
            assert_eq!(code(&late), "RECORD_FINALISED", "the agent who held the record is told");
        }
    }
}

#[test]
fn a_cancel_by_phone_or_customer_finds_every_open_record_and_no_other() {
    let demo = ("GSW_CALLING_LIST", "demo");
    let all = ("GSW_CHAIN_ATTR", "AllChain");
    let cases: [CancelCase<'_>; 19] = [
        ("phones/+9991", &[], Ok(&[1, 4, 5])),
        ("phones/(+999)-1", &[("GSW_PHONE", "+999 1")], Ok(&[1, 4, 5])),
        ("phones/+9991", &[demo], Ok(&[1, 4])),
        ("phones/+9991", &[("GSW_CALLING_LIST", "101")], Ok(&[1, 4])),
        ("phones/+9991", &[("GSW_CALLING_LIST_DBID", "102")], Ok(&[5])),
        ("phones/+9991", &[demo, ("GSW_CALLING_LIST_DBID", "102")], Err("BAD_VALUE")),
        ("phones/+9991", &[all], Ok(&[1, 2, 3, 4, 5])),
        ("phones/+9991", &[all, demo], Ok(&[1, 2, 3, 4])),
        ("phones/+9992", &[], Ok(&[2])),
        ("phones/+9992", &[("GSW_CALLING_LIST", "other")], Err("PHONE_NOT_FOUND")),
        ("phones/+9990", &[], Err("PHONE_NOT_FOUND")),
        ("phones/-", &[], Err("PHONE_NOT_FOUND")),
        ("phones/+9991", &[("GSW_CALLING_LIST", "nowhere")], Err("LIST_NOT_FOUND")),
        ("phones/+9991", &[("GSW_PHONE", "+9992")], Err("BAD_VALUE")),
        ("customer_ids/c7", &[], Ok(&[1, 4, 5])),
        ("customer_ids/ c7 ", &[("GSW_CUSTOMER_ID", "c7")], Ok(&[1, 4, 5])),
        ("customer_ids/c7", &[all, demo], Ok(&[1, 2, 3, 4])),
        ("customer_ids/C7", &[], Err("CUSTOMER_NOT_FOUND")),
        ("customer_ids/c7", &[("GSW_CUSTOMER_ID", "c8")], Err("BAD_VALUE")),
    ];
    for (resource, pairs, wanted) in cases {
        let mut world = world();
        hold(&mut world, 1);
        let reply = ask(&mut world, "CancelRecord", resource, pairs);
        let cancelled: Vec<u64> = (1..=5).filter(|handle| status(&world, *handle) == "Cancelled").collect();
        assert_eq!(cancelled, wanted.unwrap_or_default(), "{resource} {pairs:?}: {reply:?}");
        let Ok(handles) = wanted else {
            assert_eq!(code(&reply), wanted.unwrap_err(), "{resource} {pairs:?}");
            continue;
        };
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(handles.len() as i64)));
        let (kind, identifier) = resource.split_once('/').unwrap();
        let named = if kind == "phones" { key::PHONE } else { key::CUSTOMER_ID };
        assert_eq!(value(&reply, named), Some(Value::text(identifier)));
        assert_eq!(value(&reply, key::RECORD_HANDLE), None, "no handle");
    }
}

#[test]
fn a_cancel_by_phone_without_an_open_record_changes_none() {
    let mut world = world();
    (1..=3)
        .for_each(|status| edit(&mut world, [1, 4, 5][status - 1], |record| record.record_status = status as i64 + 2));
    for resource in ["phones/+9991", "customer_ids/c7"] {
        let before = statuses(&world, [1, 4, 5]);
        let reply = done(&mut world, "RecordCancel", resource, &[]);
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(0)));
        assert!(matches!(value(&reply, key::MESSAGE), Some(Value::Str(text)) if text.starts_with("0 ")));
        assert_eq!(statuses(&world, [1, 4, 5]), before);
    }
}

#[test]
fn a_cancel_of_too_many_records_is_refused_whole() {
    for (resource, attr, records) in [
        ("records/1", "AllChain", 3),
        ("phones/+9991", "RecordOnly", 3),
        ("phones/+9991", "AllChain", 5),
        ("customer_ids/c7", "AllChain", 5),
    ] {
        let mut world = world();
        let setting = Setting { key: "records_per_request_max".into(), value: "2".into() };
        world.ask(Body::SetSettings(vec![setting]));
        let reply = ask(&mut world, "RequestRecordCancel", resource, &[("GSW_CHAIN_ATTR", attr)]);
        assert_eq!(code(&reply), "TOO_MANY", "{resource}");
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(records)), "{resource} {attr}");
        assert_eq!(statuses(&world, [1, 2, 3, 4, 5]), ["Ready"; 5]);
        done(&mut world, "RequestRecordCancel", "phones/+9991", &[("GSW_CALLING_LIST", "demo")]);
    }
}

#[test]
fn a_list_that_is_being_deleted_has_no_phone_and_no_customer() {
    for (resource, missing) in [("phones/+9991", "PHONE_NOT_FOUND"), ("customer_ids/c7", "CUSTOMER_NOT_FOUND")] {
        let mut world = world();
        world.ask(Body::DeleteList("demo".into()));
        let reply = done(&mut world, "RequestRecordCancel", resource, &[]);
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(1)));
        world.ask(Body::DeleteList("other".into()));
        world.wait_ms(LATER_MS);
        assert_eq!(code(&ask(&mut world, "RequestRecordCancel", resource, &[])), missing);
    }
}

#[test]
fn requests_by_customer_wait_until_the_customers_of_the_tenant_are_indexed() {
    let mut world = world();
    let customers = vec![CustomersRow { list: OTHER, record_id: 1 }];
    write(
        &mut world,
        &Key::BringUp,
        Row::BringUp(BringUpRow { done: true, handle: 5, customers, ..BringUpRow::default() }),
    );
    assert_eq!(code(&ask(&mut world, "RequestRecordCancel", "customer_ids/c7", &[])), "CONFLICT");
    done(&mut world, "RequestRecordCancel", "phones/+9991", &[]);
    edit_list(&mut world, OTHER, |list| list.tenant = "north".to_owned());
    done(&mut world, "RequestRecordCancel", "customer_ids/c7", &[]);
}

#[test]
fn a_phone_means_the_default_tenant_and_a_record_answers_for_its_own() {
    let tenants = || vec![DeclaredTenant { name: "north".to_owned(), dbid: Some(101), ..DeclaredTenant::default() }];
    for (tenant, resource, wanted) in [
        ("", "phones/+9991", Ok(vec![1, 4])),
        ("default", "phones/+9991", Ok(vec![1, 4])),
        ("north", "phones/+9991", Ok(vec![5])),
        ("north", "phones/+9992", Err("PHONE_NOT_FOUND")),
        ("south", "phones/+9991", Err("TENANT_NOT_FOUND")),
        ("", "records/5", Ok(vec![5])),
        ("north", "records/5", Ok(vec![5])),
        ("default", "records/5", Err("RECORD_NOT_FOUND")),
        ("north", "records/1", Err("RECORD_NOT_FOUND")),
        ("south", "records/1", Err("TENANT_NOT_FOUND")),
    ] {
        let mut world = world();
        declare(&mut world, Declaration { tenants: tenants(), ..Declaration::default() });
        edit_list(&mut world, OTHER, |list| list.tenant = "north".to_owned());
        let asked = Request { tenant: tenant.to_owned(), ..request("RequestRecordCancel", resource, &[]) };
        let reply = world.ask(Body::Request(asked));
        let cancelled: Vec<u64> = (1..=5).filter(|handle| status(&world, *handle) == "Cancelled").collect();
        assert_eq!(code(&reply), wanted.as_ref().err().copied().unwrap_or("ok"), "{tenant} {resource}: {reply:?}");
        assert_eq!(cancelled, wanted.unwrap_or_default(), "{tenant} {resource}");
    }
}
