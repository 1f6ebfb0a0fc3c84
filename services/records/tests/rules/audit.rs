//! The audit: a row for each order and each change by an operator, once, without secrets; and the history of records.

use std::sync::Arc;

use crate::common::{World, batch, request, show};
use outbound::{
    ApplyDeclaration, Audited, Body, Command, CreateToken, DeleteRecords, DoNotCallBatch, DoNotCallRow, Handle,
    NewList, Origin, RULES_NEWEST, RULES_WITH_AUDIT, RULES_WITH_CAMPAIGNS, RefusalCode, RemoveDoNotCall, Reply,
    ReplyBody, RequestId, RevokeToken, RoleChange, Setting,
    declaration::{Declaration, DeclaredList, DeclaredTenant},
    record_status, token_hash, token_text,
};
use records::{AuditRow, Key, Row, Table, decide, plan_declaration, record_history};

const MARIA: (&str, &str) = ("maria", "10.0.0.9:4711");
const PHONE: &str = "+9990001234";

fn world_of(version: u32) -> World {
    let mut world = World::default();
    (2..=version).for_each(|version| drop(world.raise(version, Vec::new())));
    world
}

/// Under the newest rules, whose raise has left the first row.
fn world() -> World {
    world_of(RULES_NEWEST)
}

/// Decides a command of a caller under an id.
fn ask_as(world: &mut World, id: RequestId, (principal, address): (&str, &str), body: Body) -> Reply {
    world.now_us += 1_000;
    let command = Command { principal: principal.into(), address: address.into(), ..world.command(id, body) };
    let (reply, changes, events) = decide(&command, &world.map, &world.rules);
    world.take(std::slice::from_ref(&reply), changes, events);
    reply
}

/// The same under the next id.
fn ask(world: &mut World, caller: (&str, &str), body: Body) -> Reply {
    world.counter += 1;
    let id = world.id(1, 1, world.counter);
    ask_as(world, id, caller, body)
}

/// The rows with their numbers.
fn rows(world: &World) -> Vec<(u64, AuditRow)> {
    let row = |row| match row {
        (Key::Audit { number, .. }, Row::Audit(row)) => (number, Arc::unwrap_or_clone(row)),
        other => panic!("{other:?}"),
    };
    world.map.table(Table::Audit).into_iter().map(row).collect()
}

fn last(world: &World) -> AuditRow {
    rows(world).pop().unwrap().1
}

fn numbers(world: &World) -> Vec<u64> {
    rows(world).into_iter().map(|(number, _)| number).collect()
}

fn set(key: &str, value: &str) -> Body {
    Body::SetSettings(vec![Setting { key: key.into(), value: value.into() }])
}

fn create(name: &str) -> Body {
    Body::CreateList(NewList { name: name.into(), time_zone: String::new(), fields: Vec::new() })
}

fn token() -> CreateToken {
    let scopes = vec!["read".into(), "admin".into()];
    CreateToken { hash: token_hash(b"1").to_vec(), name: "crm".into(), scopes, ..CreateToken::default() }
}

fn declared(lists: Vec<DeclaredList>, revision: u64) -> Body {
    let tenants = vec![DeclaredTenant { name: "north".into(), ..DeclaredTenant::default() }];
    let declaration = Declaration { tenants, lists, ..Declaration::default() };
    Body::ApplyDeclaration(Box::new(ApplyDeclaration { declaration, revision, prune: false }))
}

fn list(name: &str, record_history: Option<bool>) -> DeclaredList {
    DeclaredList { name: name.into(), record_history, ..DeclaredList::default() }
}

fn removal(phone: &str, customer: &str) -> Body {
    let [phone, customer] = [phone, customer].map(str::to_owned);
    Body::RemoveDoNotCall(RemoveDoNotCall { phone, customer, ..RemoveDoNotCall::default() })
}

fn entries() -> Body {
    let row = DoNotCallRow { phone: PHONE.into(), ..DoNotCallRow::default() };
    let source = "day.csv".to_owned();
    Body::DoNotCallBatch(DoNotCallBatch {
        import_id: vec![1],
        first_row: 1,
        source,
        rows: vec![row],
        ..Default::default()
    })
}

/// Changes in their order, each with the name, the subject, a part of the details and the outcome of its row.
fn changes() -> Vec<(Body, [&'static str; 4])> {
    let group = || Body::Request(request("LoadCampaign", "campaigngroups/nobody@g", &[]));
    let lines = ["contact_info", "+1", "+2"];
    vec![
        (set("reject_pause", "30"), ["SetSettings", "reject_pause", "reject_pause: \"60\" -> \"30\"", "done"]),
        (set("reject_pause", "0"), ["SetSettings", "reject_pause", "takes a number from 1", "BAD_VALUE"]),
        (create("demo"), ["CreateList", "demo", "", "done"]),
        (create("demo"), ["CreateList", "demo", "already", "CONFLICT"]),
        (Body::ImportBatch(batch("demo", "f", 1, &lines)), ["Import", "demo", "2 added", "done"]),
        (Body::CreateToken(token()), ["CreateToken", "crm", "; read,admin; all lists", "done"]),
        (
            Body::RevokeToken(RevokeToken { id: "nothing".into() }),
            ["RevokeToken", "nothing", "There is no", "BAD_VALUE"],
        ),
        (
            declared(vec![list("north", None)], 0),
            ["ApplyDeclaration", "", "+ tenant \"north\"; + list \"north\"", "done"],
        ),
        (declared(Vec::new(), 0), ["ApplyDeclaration", "", "show it again", "CONFLICT"]),
        (entries(), ["EnterDoNotCall", "all lists", "from day.csv; first rows: 1 added", "done"]),
        (removal(PHONE, ""), ["RemoveDoNotCall", "***34 for all lists", "removed 1", "done"]),
        (removal("", "C-77"), ["RemoveDoNotCall", "a customer for all lists", "removed 0", "done"]),
        (removal("12.5E+10", ""), ["RemoveDoNotCall", "***10 for all lists", "", "BAD_VALUE"]),
        (group(), ["LoadCampaign", "nobody@g", "", "GROUP_NOT_FOUND"]),
        (Body::DeleteList("demo".into()), ["DeleteList", "demo", "records 2", "done"]),
    ]
}

#[test]
fn each_change_of_an_operator_leaves_one_row_with_its_caller_and_its_outcome() {
    let mut world = world();
    assert_eq!(last(&world).what, "RaiseRules", "the audit begins with the raise");
    for (number, (body, [what, about, details, outcome])) in (2..).zip(changes()) {
        let reply = ask(&mut world, MARIA, body);
        let (last_number, row) = rows(&world).pop().unwrap();
        let shown = format!("{row:?} of {}", show(&reply));
        assert_eq!((last_number, row.what.as_str(), row.about.as_str()), (number, what, about), "{shown}");
        assert_eq!(row.outcome, outcome, "{shown}");
        assert!(row.details.contains(details), "{shown}");
        assert_eq!((row.principal.as_str(), row.address.as_str()), MARIA);
        assert_eq!((row.node.as_str(), row.acted_us), ("", 0), "a command of the log");
    }
    let about_a_phone = |row: &AuditRow| row.what == "RemoveDoNotCall" && row.outcome == "BAD_VALUE";
    let quiet = rows(&world).into_iter().filter(|(_, row)| about_a_phone(row));
    assert!(quiet.map(|(_, row)| row.details).eq([String::new()]), "the message of such a refusal repeats the phone");
    let all = format!("{:?}", rows(&world));
    let hash: String = token_hash(b"1").iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in ["9990001234", "C-77", "12.5", &hash] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn updates_of_records_later_pieces_of_files_and_repeats_leave_no_row() {
    let mut world = world();
    world.create("demo", "", Vec::new());
    let before = rows(&world).len();
    ask(&mut world, MARIA, Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", PHONE)])));
    ask(&mut world, MARIA, Body::Request(request("DoNotCall", "records/1", &[])));
    ask(&mut world, MARIA, Body::ImportBatch(batch("demo", "f", 3, &["contact_info", "+3"])));
    assert_eq!(rows(&world).len(), before);
    let first = || Body::ImportBatch(batch("demo", "f", 1, &["contact_info", "+1", "+2"]));
    ask(&mut world, MARIA, first());
    assert!(ask(&mut world, MARIA, first()).replayed);
    let id = world.id(1, 1, 900);
    let once = ask_as(&mut world, id, MARIA, set("reject_pause", "30"));
    assert_eq!(ask_as(&mut world, id, MARIA, set("reject_pause", "30")), once);
    assert_eq!(rows(&world).len(), before + 2);
}

#[test]
fn rules_before_version_7_leave_no_row() {
    let mut world = world_of(RULES_WITH_AUDIT - 1);
    for (body, _) in changes() {
        ask(&mut world, MARIA, body);
    }
    assert!(rows(&world).is_empty());
    let order = Body::Audited(order("Drain", 5, 0));
    assert_eq!(order.rules_min(), RULES_WITH_AUDIT);
    let id = world.id(1, 1, 900);
    let early = Command::new(RULES_WITH_AUDIT - 1, id, world.now_us + 1, Origin::Control, order);
    let (reply, changes, events) = decide(&early, &world.map, &world.rules);
    assert!(matches!(&reply.body, ReplyBody::Refused(refusal) if refusal.code == RefusalCode::Unavailable));
    world.take(&[reply], changes, events);
    assert!(rows(&world).is_empty());
}

fn order(what: &str, at_us: u64, after_us: u64) -> Audited {
    let [node, what, about, outcome] = ["b", what, "a", "REFUSED"].map(str::to_owned);
    Audited { node, at_us, after_us, what, about, details: "why".into(), outcome }
}

#[test]
fn an_order_of_a_node_is_noted_once_however_often_the_node_asks() {
    let mut world = world();
    let after_us = world.now_us;
    for _ in 0..2 {
        let reply = ask(&mut world, MARIA, Body::Audited(order("Drain", 77, after_us)));
        assert!(matches!(reply.body, ReplyBody::Done(_)), "{}", show(&reply));
    }
    ask(&mut world, ("", ""), Body::Audited(order("Drain", 78, after_us)));
    let noted = rows(&world);
    let [_, (_, of_maria), (_, of_nobody)] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((of_maria.principal.as_str(), of_maria.address.as_str()), MARIA);
    assert_eq!((of_maria.node.as_str(), of_maria.acted_us, of_maria.details.as_str()), ("b", 77, "why"));
    assert_eq!((of_nobody.principal.as_str(), of_nobody.acted_us, of_nobody.outcome.as_str()), ("", 78, "REFUSED"));
    let nameless = ask(&mut world, MARIA, Body::Audited(Audited::default()));
    assert!(matches!(nameless.body, ReplyBody::Refused(_)));
}

#[test]
fn the_order_behind_a_role_is_noted_with_the_first_row_of_its_term() {
    let mut world = world();
    let change = |term, ordered| {
        Body::RoleChange(RoleChange { term, to: "b".into(), reason: "maria forced it".into(), pause_ms: 0, ordered })
    };
    for _ in 0..2 {
        ask(&mut world, MARIA, change(9, Some(order("ForcePrimary", 5, 5))));
    }
    ask(&mut world, ("", ""), change(10, None));
    let noted: Vec<AuditRow> = rows(&world).into_iter().map(|(_, row)| row).collect();
    assert_eq!(noted.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["RaiseRules", "ForcePrimary"]);
    assert_eq!((noted[1].principal.as_str(), noted[1].address.as_str()), MARIA);
    assert_eq!(change(9, Some(order("ForcePrimary", 5, 5))).rules_min(), RULES_WITH_AUDIT);
    assert_eq!(change(9, None).rules_min(), 1);
}

#[test]
fn a_row_has_a_bounded_length_and_never_the_text_of_a_token() {
    let mut world = world();
    let long = "\u{e4}".repeat(3_000);
    let order = Audited { details: long.clone(), about: long.clone(), ..order(&long, 1, 0) };
    ask(
        &mut world,
        (long.as_str(), long.as_str()),
        Body::Audited(Audited { outcome: long.clone(), node: long.clone(), ..order }),
    );
    let bytes = Row::Audit(last(&world).into()).encode().len();
    assert!(bytes > 1_500 && bytes < 2_100, "{bytes}");
    ask(&mut world, MARIA, Body::RevokeToken(RevokeToken { id: token_text(&[7; 32]) }));
    assert_eq!((last(&world).about.as_str(), last(&world).details.as_str()), ("***", "***"));
}

#[test]
fn old_rows_go_a_few_a_command_and_numbers_go_on() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let mut world = world();
    ask(&mut world, MARIA, set("audit_days", "1"));
    for at in 0..20 {
        ask(&mut world, MARIA, create(&format!("list {at}")));
    }
    assert_eq!(numbers(&world), (1..=22).collect::<Vec<_>>());
    world.wait_ms(2 * DAY_MS);
    ask(&mut world, MARIA, set("reject_pause", "30"));
    // a draw may have forgotten sixteen more
    assert!([17, 23].contains(&numbers(&world)[0]) && numbers(&world).ends_with(&[23]), "{:?}", numbers(&world));
    ask(&mut world, MARIA, set("reject_pause", "31"));
    assert_eq!(numbers(&world), [23, 24]);
    // commands without a row forget too, now and then, and leave the newest row
    world.wait_ms(2 * DAY_MS);
    let other = |at: u64| Body::Request(request("UpdateCallCompletionStats", &format!("records/{at}"), &[]));
    let commands = (1..1_000).take_while(|at| {
        world.ask(other(*at));
        numbers(&world).len() > 1
    });
    assert!(commands.count() < 990);
    world.wait_ms(2 * DAY_MS);
    (1..200).for_each(|at| drop(world.ask(other(10_000 + at))));
    assert_eq!(numbers(&world), [24]);
    ask(&mut world, MARIA, set("reject_pause", "32"));
    assert_eq!(numbers(&world), [25]);
}

#[test]
fn the_period_of_the_audit_is_an_option_from_rules_version_7_on() {
    let mut before = world_of(RULES_WITH_AUDIT - 1);
    assert!(show(&before.ask(set("audit_days", "30"))).starts_with("BAD_VALUE"));
    let mut world = world();
    assert!(show(&world.ask(set("audit_days", "0"))).starts_with("BAD_VALUE"));
    assert_eq!(show(&world.ask(set("audit_days", "30"))), "SettingsSet audit_days=\"365\" audit_days=\"30\"");
}

/// The names and principals of a record's changes, with the status behind each.
fn changed(world: &World, handle: u64) -> Vec<(String, String, i64)> {
    let changes = record_history(&world.map, Handle(handle)).changes.into_iter();
    changes.map(|change| (change.what, change.principal, change.record_status)).collect()
}

#[test]
fn a_record_keeps_its_last_changes_where_its_list_asks_for_it() {
    let mut world = world();
    ask(&mut world, MARIA, declared(vec![list("kept", Some(true)), list("plain", None)], 0));
    for name in ["kept", "plain"] {
        let added = request("AddRecord", &format!("lists/{name}"), &[("GSW_PHONE", &format!("+1{}", name.len()))]);
        ask(&mut world, ("crm", ""), Body::Request(added));
    }
    let update = |attempts: u64| {
        request("UpdateCallCompletionStats", "records/1", &[("GSW_ATTEMPTS", attempts.to_string().as_str())])
    };
    ask(&mut world, ("desk", ""), Body::Request(update(1)));
    ask(&mut world, ("desk", ""), Body::Request(request("RequestRecordCancel", "records/1", &[])));
    let row = |what: &str, principal: &str, status| (what.to_owned(), principal.to_owned(), status);
    let wanted = [
        row("AddRecord", "crm", record_status::READY),
        row("UpdateCallCompletionStats", "desk", record_status::READY),
        row("RequestRecordCancel", "desk", record_status::CANCELLED),
    ];
    assert_eq!(changed(&world, 1), wanted);
    assert!(changed(&world, 2).is_empty(), "the other list keeps none");
    let refused = ask(&mut world, ("desk", ""), Body::Request(request("RecordProcessed", "records/9", &[])));
    assert!(matches!(refused.body, ReplyBody::Refused(_)));
    assert_eq!(changed(&world, 1).len(), 3);

    ask(&mut world, MARIA, Body::DeleteList("kept".into()));
    ask(&mut world, ("", ""), Body::DeleteRecords(DeleteRecords { list: 101, rows_max: 500 }));
    assert!(world.map.table(Table::RecordHistory).is_empty(), "the history goes with its record");
}

#[test]
fn a_record_keeps_fifty_changes() {
    let mut world = world();
    ask(&mut world, MARIA, declared(vec![list("kept", Some(true))], 0));
    ask(&mut world, ("crm", ""), Body::Request(request("AddRecord", "lists/kept", &[("GSW_PHONE", "+1")])));
    for attempts in 1..=60 {
        let attempts: String = attempts.to_string();
        let update = request("UpdateCallCompletionStats", "records/1", &[("GSW_ATTEMPTS", attempts.as_str())]);
        ask(&mut world, ("crm", ""), Body::Request(update));
    }
    let kept = changed(&world, 1);
    assert!(kept.len() == 50 && kept.iter().all(|(what, ..)| what == "UpdateCallCompletionStats"), "{kept:?}");
}

#[test]
fn histories_need_the_rules_that_keep_them() {
    let rules_min = |body: Body| body.rules_min();
    assert_eq!(rules_min(declared(vec![list("a", None)], 0)), RULES_WITH_CAMPAIGNS);
    for flag in [false, true] {
        assert_eq!(rules_min(declared(vec![list("a", Some(flag))], 0)), RULES_WITH_AUDIT);
    }
    let Body::ApplyDeclaration(apply) = declared(vec![list("a", Some(true))], 0) else { panic!("a declaration") };
    let plan = plan_declaration(&world_of(RULES_WITH_AUDIT - 1).map, &apply);
    assert_eq!(plan.faults[0].path, "lists.a.record_history");
    assert!(plan_declaration(&world().map, &apply).faults.is_empty());
}
