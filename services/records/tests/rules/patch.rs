//! PatchRecord: PATCH of the REST interface, decided with its condition by rules version 7.

use crate::common::{World, field, request, show};
use outbound::{
    Body, Handle, RULES_NEWEST, RULES_WITH_PATCH, RefusalCode, Reply, ReplyBody, Request, Value, content_under, key,
};
use records::{list, record, row_version};

fn world() -> World {
    let mut world = World::default();
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    world.create("demo", "Europe/Berlin", vec![field("AGE", "int"), field("NAME", "varchar(5)")]);
    let pairs = [("GSW_PHONE", "+9991"), ("AGE", "7")];
    world.ask(Body::Request(request("AddRecord", "lists/demo", &pairs)));
    world
}

fn patch(pairs: &[(&str, &str)], if_match: &[&str]) -> Request {
    let mut request = request("PatchRecord", "records/1", pairs);
    request.attributes.sent.if_match = if_match.iter().map(|tag| (*tag).to_owned()).collect();
    request
}

fn version(world: &World) -> String {
    row_version(&record(&world.map, Handle(1)).unwrap())
}

#[track_caller]
fn code(reply: &Reply) -> RefusalCode {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        _ => panic!("not refused: {}", show(reply)),
    }
}

#[track_caller]
fn told_version(reply: &Reply) -> String {
    let ReplyBody::Done(done) = &reply.body else { panic!("{}", show(reply)) };
    let told = done.attributes.iter().find(|(name, _)| name == key::ROW_VERSION);
    match told {
        Some((_, Value::Str(version))) => version.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_patch_sets_fields_window_zone_and_phone_type_and_tells_the_version_of_the_row() {
    let mut world = world();
    let pairs = [
        ("GSW_PHONE_TYPE", "4"),
        ("GSW_FROM", "3600"),
        ("GSW_UNTIL", "7200"),
        ("GSW_TZ_NAME", "Australia/Melbourne"),
        ("AGE", "8"),
    ];
    let before = version(&world);
    let reply = world.ask(Body::Request(patch(&pairs, &[])));
    assert_eq!(told_version(&reply), version(&world));
    assert_ne!(version(&world), before);
    let row = record(&world.map, Handle(1)).unwrap();
    assert_eq!((row.contact_info_type, row.daily_from, row.daily_till), (4, 3600, 7200));
    assert_eq!((row.tz_name.as_str(), row.user[0].as_str()), ("Australia/Melbourne", "8"));
    assert!(list(&world.map, row.list).is_some());
}

#[test]
fn a_value_that_is_none_changes_nothing() {
    for (name, value) in [
        ("GSW_PHONE_TYPE", "99"),
        ("GSW_FROM", "-1"),
        ("GSW_UNTIL", "86401"),
        ("GSW_TZ_NAME", "Nowhere"),
        ("AGE", "young"),
        ("NAME", "too long"),
    ] {
        let mut world = world();
        let before = version(&world);
        let reply = world.ask(Body::Request(patch(&[(name, value)], &[])));
        assert_eq!((code(&reply), version(&world)), (RefusalCode::BadValue, before), "{name}");
    }
}

#[test]
fn a_stale_condition_is_refused_and_a_true_one_holds_once() {
    let mut world = world();
    let first = version(&world);
    for if_match in [&["00"][..], &["W/\"x\"", "00"]] {
        let reply = world.ask(Body::Request(patch(&[("AGE", "8")], if_match)));
        assert_eq!(code(&reply), RefusalCode::PreconditionFailed, "{if_match:?}");
    }
    let mut ask = |if_match: &[&str]| world.ask(Body::Request(patch(&[("AGE", "8")], if_match)));
    let next = told_version(&ask(&["00", &first]));
    assert_eq!(
        code(&ask(&[&first])),
        RefusalCode::PreconditionFailed,
        "the same change of another client is no repeat"
    );
    told_version(&ask(&["*"]));
    assert_eq!(code(&ask(&[&next])), RefusalCode::PreconditionFailed);
}

#[test]
fn a_record_that_is_finalised_held_or_not_there_is_not_changed() {
    let mut world = world();
    assert_eq!(code(&world.ask(Body::Request(request("PatchRecord", "records/9", &[])))), RefusalCode::RecordNotFound);
    world.ask(Body::Request(request("RequestRecordCancel", "records/1", &[])));
    assert_eq!(code(&world.ask(Body::Request(patch(&[("AGE", "8")], &["00"])))), RefusalCode::RecordFinalised);
}

#[test]
fn an_earlier_rules_version_knows_no_patch() {
    let mut world = World::default();
    (2..RULES_WITH_PATCH).for_each(|version| drop(world.raise(version, Vec::new())));
    assert_eq!(patch(&[], &[]).rules_min(), RULES_WITH_PATCH);
    world.create("demo", "UTC", Vec::new());
}

#[test]
fn the_condition_is_part_of_the_content() {
    let content = |if_match: &[&str]| patch(&[("AGE", "8")], if_match).content();
    assert_eq!(content(&["a1"]), content(&["a1"]));
    assert_ne!(content(&["a1"]), content(&["a2"]));
    assert_ne!(content(&[]), content(&["a1"]));
    assert_ne!(content_under(&content(&[]), b"k"), content(&[]));
}
