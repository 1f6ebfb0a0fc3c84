//! The effect of declarations on records, those that are there and those that are added afterwards.

use outbound::{
    Body, DeleteRecords, Handle, RefusalCode, ReplyBody, Request, Value,
    declaration::{CampaignLists, Declaration, DeclaredField, DeclaredList, DeclaredPrefix},
};
use records::{CustomersRow, Key, Row, Table, View, declaration_of};

use super::example::{
    RENEWALS, add, apply, attribute, code, column, declared, list, of_lists, plan, with_record, zone,
};
use crate::common::{World, batch, request, show};

#[test]
fn fields_are_added_and_change_their_default_and_send_attribute() {
    let mut world = with_record();
    let given = |default: &str, key: &str| DeclaredField {
        default: Some(default.into()),
        send_attribute: Some(key.into()),
        ..column("CLIENT_ID", "")
    };
    let file = of_lists(vec![DeclaredList {
        fields: vec![given("nobody", "client"), column("AGE", "int")],
        ..list("renewals")
    }]);
    assert_eq!(show(&apply(&mut world, &file)), "DeclarationApplied revision=2 changed=2");
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "client"), Some(Value::text(" C7 ")));
    assert_eq!(attribute(&shown, "client-id"), None);
    let taken = of_lists(vec![DeclaredList { fields: vec![given("", "age")], ..list("renewals") }]);
    assert_eq!(plan(&world, &taken).faults[0].path, "lists.renewals.fields.CLIENT_ID");
}

fn customers(world: &World) -> Vec<CustomersRow> {
    match world.map.get(&Key::BringUp) {
        Some(Row::BringUp(row)) => row.customers,
        _ => Vec::new(),
    }
}

#[test]
fn another_customer_field_of_a_list_with_records_is_brought_up() {
    let mut world = declared();
    let other =
        DeclaredList { fields: vec![column("OTHER", "int")], customer_id: Some("other".into()), ..list("renewals") };
    let first = DeclaredList { customer_id: Some("client_id".into()), ..list("renewals") };
    apply(&mut world, &of_lists(vec![other.clone()]));
    assert!(customers(&world).is_empty(), "without records nothing needs to be brought up");
    apply(&mut world, &of_lists(vec![first.clone()]));
    add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("client-id", "C1")]);
    apply(&mut world, &of_lists(vec![other]));
    assert_eq!(customers(&world), [CustomersRow { list: RENEWALS, record_id: 0 }]);
    apply(&mut world, &of_lists(vec![first]));
    assert_eq!(customers(&world), [CustomersRow { list: RENEWALS, record_id: 0 }], "begun again");
}

#[test]
fn a_changed_zone_counts_for_the_lists_and_records_that_name_it() {
    let mut world = declared();
    apply(&mut world, &of_lists(vec![DeclaredList { time_zone: Some("vic".into()), ..list("v") }]));
    add(&mut world, "v", &[("GSW_PHONE", "1"), ("GSW_TZ_NAME", "Vic")]);
    let record = records::record(&world.map, Handle(1)).unwrap();
    assert_eq!((record.tz_dbid, record.tz_name.as_str()), (Some(122), ""));
    let file = Declaration { time_zones: vec![zone("VIC", "Europe/Moscow")], ..Declaration::default() };
    assert_eq!(show(&apply(&mut world, &file)), "DeclarationApplied revision=3 changed=1");
    let list = records::find_list(&world.map, "v").unwrap().1;
    assert_eq!((list.time_zone.as_str(), list.zone_name.as_str()), ("Europe/Moscow", "VIC"));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "GSW_TZ_NAME"), Some(Value::text("VIC")));
    assert_eq!(attribute(&shown, "GSW_TZ_OFFSET"), Some(Value::Int(3 * 3600)));
}

#[test]
fn a_deleted_list_is_no_list_of_a_campaign_any_more() {
    let mut world = declared();
    world.ask(Body::DeleteList("renewals".into()));
    world.ask(Body::DeleteRecords(DeleteRecords { list: RENEWALS, rows_max: 500 }));
    let exported = declaration_of(&world.map);
    assert_eq!(exported.campaigns[0].lists, Some(CampaignLists::default()));
    assert_eq!(show(&apply(&mut world, &exported)), "DeclarationApplied revision=1 changed=0");
}

#[test]
fn a_deleted_list_leaves_no_windows() {
    let mut world = with_record();
    assert_eq!(world.map.table(Table::Windows).len(), 1);
    world.ask(Body::DeleteList("renewals".into()));
    world.ask(Body::DeleteRecords(DeleteRecords { list: RENEWALS, rows_max: 500 }));
    assert!(world.map.table(Table::Windows).is_empty());
}

#[test]
fn a_resource_is_there_for_its_own_tenant_alone() {
    let mut world = with_record();
    let of_tenant = |request: Request, tenant: &str| Body::Request(Request { tenant: tenant.into(), ..request });
    let get = || request("GetRecord", "records/1", &[]);
    let add = || request("AddRecord", "lists/renewals", &[("GSW_PHONE", "2")]);
    for tenant in ["", "north"] {
        let reply = world.ask(of_tenant(get(), tenant));
        assert_eq!(attribute(&reply, "GSW_RECORD_HANDLE"), Some(Value::Int(1)), "{reply:?}");
    }
    for (tenant, record, list) in [
        ("default", RefusalCode::RecordNotFound, RefusalCode::ListNotFound),
        ("south", RefusalCode::TenantNotFound, RefusalCode::TenantNotFound),
    ] {
        assert_eq!(code(&world.ask(of_tenant(get(), tenant))), record, "{tenant}");
        assert_eq!(code(&world.ask(of_tenant(add(), tenant))), list, "{tenant}");
    }
}

#[test]
fn the_phone_of_a_body_is_the_records_in_any_form_of_its_number() {
    let mut world = with_record();
    for (phone, is_same) in [("+49 30 12345", true), ("03012345", true), ("+49 30 12346", false)] {
        let reply =
            world.ask(Body::Request(request("UpdateCallCompletionStats", "records/1", &[("GSW_PHONE", phone)])));
        assert_eq!(matches!(reply.body, ReplyBody::Done(_)), is_same, "{phone}: {reply:?}");
    }
}

#[test]
fn a_record_has_the_customer_of_its_field_and_is_found_by_it() {
    let mut world = with_record();
    let is_indexed = |world: &World, customer: &str| {
        world.map.get(&Key::RecordByCustomer { customer: customer.into(), handle: Handle(1) }).is_some()
    };
    assert!(is_indexed(&world, "C7"));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "GSW_CUSTOMER_ID"), Some(Value::text("C7")));
    world.ask(Body::Request(request("UpdateCallCompletionStats", "records/1", &[("client-id", "C8")])));
    assert!(is_indexed(&world, "C8") && !is_indexed(&world, "C7"));
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["contact_info,CLIENT_ID", "2, C9 "])));
    let rows = world.map.table(Table::RecordByCustomer);
    assert_eq!(rows.last().unwrap().0, Key::RecordByCustomer { customer: "C9".into(), handle: Handle(2) });
}

#[test]
fn a_column_travels_under_its_key_too() {
    let mut world = declared();
    let reply = add(&mut world, "renewals", &[("Phone", "030 1"), ("agent", "x")]);
    assert_eq!(attribute(&reply, "GSW_PHONE"), Some(Value::text("030 1")));
    assert_eq!(attribute(&reply, "phone"), Some(Value::text("030 1")));
    assert_eq!(attribute(&reply, "GSW_IGNORED"), Some(Value::text("agent")));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "phone"), Some(Value::text("030 1")));
    let other = world.ask(Body::Request(request("RecordProcessed", "records/1", &[("phone", "030 2")])));
    assert_eq!(code(&other), RefusalCode::BadValue, "{other:?}");
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["phone", "030 3"])));
    assert_eq!(records::record(&world.map, Handle(2)).unwrap().contact_info, "030 3");
}

#[test]
fn a_list_that_refuses_unknown_keys_names_them() {
    let mut world = with_record();
    apply(&mut world, &of_lists(vec![DeclaredList { unknown_keys: Some("refuse".into()), ..list("renewals") }]));
    for (verb, resource) in
        [("AddRecord", "lists/renewals"), ("UpdateCallCompletionStats", "records/1"), ("DoNotCall", "records/1")]
    {
        let pairs: &[(&str, &str)] = if verb == "AddRecord" { &[("GSW_PHONE", "9")] } else { &[] };
        let mut misspelt = request(verb, resource, &[pairs, &[("clientid", "1")]].concat());
        let reply = world.ask(Body::Request(misspelt.clone()));
        assert_eq!(code(&reply), RefusalCode::BadValue);
        assert!(show(&reply).contains("\"clientid\" is no attribute of"), "{reply:?}");
        misspelt.attributes.sent.query_keys = vec!["clientid".into()];
        let reply = world.ask(Body::Request(misspelt));
        assert!(matches!(reply.body, ReplyBody::Done(_)), "a key of the query is silent: {reply:?}");
    }
}

#[test]
fn a_list_takes_a_phone_once_in_any_form_of_its_number() {
    let mut world = with_record();
    for (unique, finalised, is_taken) in
        [("no", false, true), ("open", false, false), ("open", true, true), ("ever", true, false)]
    {
        let mut world =
            World { map: world.map.clone(), version: world.version, now_us: world.now_us, ..World::default() };
        (world.digest, world.counter) = (world.map.digest(crate::common::CLUSTER_KEY), 1_000);
        if finalised {
            world.ask(Body::Request(request("RecordProcessed", "records/1", &[])));
        }
        apply(&mut world, &of_lists(vec![DeclaredList { unique_phone: Some(unique.into()), ..list("renewals") }]));
        let reply = add(&mut world, "renewals", &[("GSW_PHONE", "+49 30 12345")]);
        let import = world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["contact_info", "0049 30 12345"])));
        if is_taken {
            assert!(matches!(reply.body, ReplyBody::Done(_)), "{unique}: {reply:?}");
        } else {
            assert_eq!(code(&reply), RefusalCode::Duplicate, "{unique}");
            assert_eq!(attribute(&reply, "GSW_RECORD_HANDLE"), Some(Value::Int(1)));
            assert!(show(&import).contains("row 1: contact_info: the list takes a phone once"), "{}", show(&import));
        }
    }
    let other = DeclaredList { unique_phone: Some("ever".into()), ..list("other") };
    apply(&mut world, &of_lists(vec![other]));
    let reply = add(&mut world, "other", &[("GSW_PHONE", "030 12345")]);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "another list's record does not count: {reply:?}");
}

#[test]
fn a_record_without_a_zone_has_that_of_the_longest_prefix_of_its_phone() {
    let mut world = declared();
    let prefix = |prefix: &str, zone: &str| DeclaredPrefix { prefix: prefix.into(), time_zone: Some(zone.into()) };
    let by_phone = DeclaredList { zone_by_phone: Some(true), ..list("renewals") };
    let zone_prefixes = vec![prefix("+49", "Europe/Berlin"), prefix("+4930", "VIC")];
    apply(&mut world, &Declaration { zone_prefixes, lists: vec![by_phone], ..Declaration::default() });
    add(&mut world, "renewals", &[("GSW_PHONE", "040 1")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "030 1")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "030 2"), ("GSW_TZ_NAME", "UTC")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "+1 212")]);
    let lines = ["contact_info,tz_dbid,tz_name", "030 3,,", "030 4,7,", "030 5,,UTC"];
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &lines)));
    let zones: Vec<(Option<i64>, String)> = (1..=7)
        .map(|handle| records::record(&world.map, Handle(handle)).unwrap())
        .map(|record| (record.tz_dbid, record.tz_name))
        .collect();
    let wanted: [(Option<i64>, &str); 7] = [
        (Some(0), "Europe/Berlin"),
        (Some(122), ""),
        (Some(0), "UTC"),
        (None, ""),
        (Some(122), ""),
        (Some(7), ""),
        (Some(0), "UTC"),
    ];
    assert_eq!(zones, wanted.map(|(dbid, name)| (dbid, name.to_owned())));
}

#[test]
fn a_chain_takes_no_record_beyond_its_hundredth() {
    let mut world = declared();
    let rows: Vec<String> = (0..100).map(|at| format!("{at},7")).collect();
    let lines: Vec<&str> = ["contact_info,chain_id"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let reply = world.ask(Body::ImportBatch(batch("renewals", "i", 1, &lines)));
    assert_eq!(show(&reply), "Imported added=100 duplicates=0 made_ready=0");
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("GSW_CHAIN_ID", "7")]);
    assert_eq!((code(&reply), attribute(&reply, "GSW_RECORDS")), (RefusalCode::TooMany, Some(Value::Int(100))));
    let lines = ["contact_info,chain_id,chain_n", "1,7,500"];
    let reply = world.ask(Body::ImportBatch(batch("renewals", "j", 1, &lines)));
    assert!(show(&reply).contains("row 1: chain_id: Chain 7 has 100 records"), "{}", show(&reply));
}

#[test]
fn a_list_takes_no_record_with_another_window_than_its_thousand() {
    let mut world = declared();
    for (import, from) in [("a", 0), ("b", 500)] {
        let rows: Vec<String> = (from..from + 500).map(|at| format!("{at},{at}")).collect();
        let lines: Vec<&str> = ["contact_info,daily_from"].into_iter().chain(rows.iter().map(String::as_str)).collect();
        let reply = world.ask(Body::ImportBatch(batch("renewals", import, 1, &lines)));
        assert_eq!(show(&reply), "Imported added=500 duplicates=0 made_ready=0");
    }
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("GSW_FROM", "1000")]);
    assert_eq!((code(&reply), attribute(&reply, "GSW_RECORDS")), (RefusalCode::TooMany, Some(Value::Int(1000))));
    let reply = world.ask(Body::ImportBatch(batch("renewals", "c", 1, &["contact_info,daily_from", "1,1000", "2,5"])));
    assert!(show(&reply).starts_with("Imported added=1") && show(&reply).contains("row 1: "), "{}", show(&reply));
}

#[test]
fn an_explicit_type_wins_over_the_rule() {
    let mut world = declared();
    let at = ("GSW_DATE_TIME", "2030-01-01T00:00:00Z");
    for (pairs, record_type, callback) in [
        (vec![at, ("GSW_RECORD_TYPE", "PersonalCallback")], 5, Some("Personal")),
        (vec![at, ("GSW_AGENT_ID", "a")], 5, Some("Personal")),
        (vec![at], 6, Some("Campaign")),
        (vec![("GSW_RECORD_TYPE", "General")], 2, None),
        (vec![at, ("GSW_RECORD_TYPE", "General")], 2, None),
    ] {
        let reply = add(&mut world, "renewals", &[pairs, vec![("GSW_PHONE", "1")]].concat());
        let Some(Value::Int(handle)) = attribute(&reply, "GSW_RECORD_HANDLE") else { panic!("{reply:?}") };
        let shown = world.ask(Body::Request(request("GetRecord", &format!("records/{handle}"), &[])));
        assert_eq!(attribute(&shown, "GSW_RECORD_TYPE"), Some(Value::Int(record_type)));
        assert_eq!(attribute(&shown, "GSW_CALLBACK_TYPE"), callback.map(Value::text));
        world.wait_ms(10_000);
    }
}
