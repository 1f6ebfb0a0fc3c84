//! Commands on the wire: the bytes for an earlier release stay unchanged, and different bodies have different contents.

#![allow(clippy::unwrap_used)] // a test may unwrap

use outbound::{
    AcknowledgeEffects, ApplyDoNotCall, Attributes, Audited, Body, Command, CreateToken, DeleteRecords, DoNotCallBatch,
    DoNotCallRow, DoNotCallScope, DueSwitchover, ImportBatch, ImportRow, NewList, Origin, RaiseRules, RemoveDoNotCall,
    Request, RequestId, Resource, RevokeToken, RewritePhones, RoleChange, ScheduleSwitchover, Sent, Setting, Verb,
    wire::{command_from_wire, command_to_wire},
};
use prost::Message;

fn request() -> Request {
    Request {
        verb: Verb::AddRecord,
        resource: Resource::List("demo".into()),
        attributes: Attributes::default(),
        tenant: "north".into(),
        principal: "crm".into(),
        idempotency_key: None,
    }
}

fn id(token: u128) -> RequestId {
    RequestId { node: 1, incarnation: 2, token, counter: 3 }
}

fn setting(key: &str, value: &str) -> Setting {
    Setting { key: key.into(), value: value.into() }
}

fn removal(phone: &str, list: &str, customer: &str) -> RemoveDoNotCall {
    let [phone, list, customer] = [phone, list, customer].map(str::to_owned);
    RemoveDoNotCall { phone, list, customer, ..RemoveDoNotCall::default() }
}

fn entries(phone: &str, expires_s: Option<i64>) -> DoNotCallBatch {
    let row = DoNotCallRow { phone: phone.into(), message: "m".into(), expires_s, ..DoNotCallRow::default() };
    let scope = DoNotCallScope { tenant: "north".into(), campaign: "c".into(), list: String::new() };
    DoNotCallBatch { scope, import_id: vec![7], first_row: 1, source: "day.csv".into(), rows: vec![row] }
}

fn token(scopes: &[&str], lists: &[&str], expires_s: Option<i64>) -> CreateToken {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (name, note, tenant) = ("crm".into(), "n".into(), "north".into());
    CreateToken { hash: vec![7; 32], name, note, scopes: words(scopes), lists: words(lists), tenant, expires_s }
}

fn one_of_each() -> Vec<Body> {
    let batch = |values: [&str; 2]| ImportBatch {
        list: "demo".into(),
        import_id: vec![7],
        first_row: 1,
        columns: vec!["contact_info".into()],
        rows: vec![ImportRow { values: values.map(str::to_owned).to_vec() }],
    };
    let raise = |value: &str| RaiseRules { to: 2, settings: vec![setting("a", value)], release: "0.1.0".into() };
    vec![
        Body::Request(request()),
        Body::CreateList(NewList { name: "demo".into(), time_zone: String::new(), fields: Vec::new() }),
        Body::CreateList(NewList { name: "dem".into(), time_zone: "o".into(), fields: Vec::new() }),
        Body::ImportBatch(batch(["1", "23"])),
        Body::ImportBatch(batch(["12", "3"])),
        Body::RoleChange(role_change(None)),
        Body::RoleChange(role_change(Some(order("Drain", "")))),
        Body::RaiseRules(raise("1")),
        Body::RaiseRules(raise("2")),
        Body::SetSettings(vec![setting("a", "bc")]),
        Body::SetSettings(vec![setting("ab", "c")]),
        Body::RewritePhones(RewritePhones { rows_max: 1 }),
        Body::RewritePhones(RewritePhones { rows_max: 500 }),
        Body::DeleteList("demo".into()),
        Body::DeleteRecords(DeleteRecords { list: 101, rows_max: 1 }),
        Body::DeleteRecords(DeleteRecords { list: 1, rows_max: 101 }),
        Body::RemoveDoNotCall(removal("+999", "", "")),
        Body::RemoveDoNotCall(removal("+99", "9", "")),
        Body::RemoveDoNotCall(removal("+99", "9", "c7")),
        Body::DoNotCallBatch(entries("+1", None)),
        Body::DoNotCallBatch(entries("+1", Some(0))),
        Body::DoNotCallBatch(entries("+12", None)),
        Body::ApplyDoNotCall(ApplyDoNotCall { list: "demo".into(), from_record_id: 0, rows_max: 500 }),
        Body::ApplyDoNotCall(ApplyDoNotCall { list: "demo".into(), from_record_id: 500, rows_max: 0 }),
        Body::AcknowledgeEffects(AcknowledgeEffects { up_to: 1 }),
        Body::AcknowledgeEffects(AcknowledgeEffects { up_to: 500 }),
        Body::CreateToken(token(&["read"], &["demo"], None)),
        Body::CreateToken(token(&["read", "demo"], &[], None)),
        Body::CreateToken(token(&["read"], &["demo"], Some(0))),
        Body::RevokeToken(RevokeToken { id: "0123456789ab".into() }),
        Body::Audited(order("Drain", "a")),
        Body::Audited(order("Draina", "")),
        Body::ScheduleSwitchover(ScheduleSwitchover { at_s: 7, to: "b".into() }),
        Body::ScheduleSwitchover(ScheduleSwitchover { at_s: 7, to: String::new() }),
        Body::CancelSwitchover,
        Body::DueSwitchover(DueSwitchover { at_s: 7, node: "a".into(), term: 3, why: String::new() }),
        Body::DueSwitchover(DueSwitchover { at_s: 3, node: "a".into(), term: 7, why: String::new() }),
        Body::DueSwitchover(DueSwitchover { at_s: 7, node: "a".into(), term: 3, why: "b is away".into() }),
    ]
}

fn role_change(ordered: Option<Audited>) -> RoleChange {
    RoleChange { term: 1, to: "a".into(), reason: "b".into(), pause_ms: 2, ordered }
}

fn order(what: &str, about: &str) -> Audited {
    let [node, what, about, details, outcome] = ["a", what, about, "d", "done"].map(str::to_owned);
    Audited { node, at_us: 5, after_us: 4, what, about, details, outcome }
}

#[test]
fn every_command_comes_back_from_the_wire() {
    for body in one_of_each() {
        let command = Command { address: "h:1".into(), ..Command::new(2, id(u128::MAX - 1), 9, Origin::Control, body) };
        let bytes = command_to_wire(&command).encode_to_vec();
        let read = ocs_proto::outbound::Command::decode(bytes.as_slice()).unwrap();
        assert_eq!(command_from_wire(read).unwrap(), command);
    }
}

#[test]
fn how_attributes_were_sent_comes_back_from_the_wire_and_a_condition_alone_is_content() {
    let mut request = request();
    let content = request.content();
    request.attributes.sent = Sent { query_keys: vec!["_".into()], unknown_form: true, if_match: Vec::new() };
    assert_eq!(request.content(), content);
    // a change under another condition is another request, and no repeat
    request.attributes.sent.if_match = vec!["a1".into()];
    assert_ne!(request.content(), content);
    let command = Command::new(3, id(7), 9, Origin::Http, Body::Request(request));
    let bytes = command_to_wire(&command).encode_to_vec();
    let read = ocs_proto::outbound::Command::decode(bytes.as_slice()).unwrap();
    assert_eq!(command_from_wire(read).unwrap(), command);
}

#[test]
fn a_command_of_rules_version_1_has_no_byte_of_a_later_one() {
    let change = RoleChange { term: 4, to: String::new(), reason: String::new(), pause_ms: 0, ordered: None };
    let command = Command::new(1, id(0), 5, Origin::Control, Body::RoleChange(change));
    let bytes = command_to_wire(&command).encode_to_vec();
    let (head, id_and_stamp) = ([0x08, 1, 0x10, 1], [0x1a, 6, 0x08, 1, 0x10, 2, 0x18, 3, 0x20, 5]);
    assert_eq!(bytes, [&head[..], &id_and_stamp, &[0x28, 2, 0x6a, 2, 0x08, 4]].concat());
}

#[test]
fn the_head_says_whose_request_it_is_from_rules_version_2_on() {
    let command = |rules| Command::new(rules, id(0), 5, Origin::Http, Body::Request(request()));
    let whose = |command: Command| [command.tenant, command.principal];
    assert_eq!(whose(command(1)), ["", ""]);
    assert_eq!(whose(command(2)), ["north", "crm"]);
    assert_eq!(command(2).body, Body::Request(request()), "the request's own fields stay");
}

#[test]
fn contents_tell_bodies_apart_and_are_the_same_each_time() {
    let contents: Vec<_> = one_of_each().iter().map(Body::content).collect();
    let again: Vec<_> = one_of_each().iter().map(Body::content).collect();
    assert_eq!(contents, again);
    for (at, content) in contents.iter().enumerate() {
        assert!(!contents[..at].contains(content), "body {at}");
    }
    let Body::Request(request) = &one_of_each()[0] else { panic!("a request") };
    assert_eq!(contents[0], request.content());
}
