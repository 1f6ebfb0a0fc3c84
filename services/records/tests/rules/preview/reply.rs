//! The reply to a preview, and the state of a record that is handed out.

use outbound::{Body, ReplyBody, Value, call_result, declaration::DeclaredZone, key, record_status, record_type};
use records::{Event, FieldRow, HandOutClass, Key, Row, SentColumnRow, Window, WindowRow, WindowsRow, decide};

use super::times::{HOUR, personal};
use crate::{
    common::request,
    stage::{GROUP, PAST, PATH, Stage, event, int, text, value},
};

fn guid(stage: &mut Stage) -> String {
    text(&stage.preview_reply("a"), key::CALL_ATTEMPT_GUID)
}

#[test]
fn a_preview_has_the_keys_of_the_specification_in_their_order() {
    let mut stage = Stage::new();
    stage.edit_list("demo", |list| {
        let [column, kind, send_attribute] = ["CLIENT_ID", "varchar(64)", "client-id"].map(str::to_owned);
        list.fields = vec![FieldRow { column, kind, default: "none".to_owned(), send_attribute }];
        let sent = [("contact_info", "phone"), ("contact_info_type", "kind")];
        let row = |(column, key): (&str, &str)| SentColumnRow { column: column.to_owned(), key: key.to_owned() };
        list.send_attributes = sent.map(row).to_vec();
    });
    let pairs =
        [(key::PHONE, "+49 30 1"), (key::PHONE_TYPE, "4"), (key::TZ_NAME, "Europe/Berlin"), (key::ATTEMPTS, "2")];
    stage.add("demo", &pairs);
    let pairs = [(key::AGENT_ID, "a"), (key::APPLICATION_ID, "134"), (key::CAMPAIGN_NAME, "Campaign1")];
    let reply = stage.ask("PreviewRecordRequest", PATH, &pairs);
    let ReplyBody::Done(done) = &reply.body else { panic!("{reply:?}") };
    let guid = text(&reply, key::CALL_ATTEMPT_GUID);
    assert!(guid.len() == 32 && guid.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte)), "{guid}");
    let expected: [(&str, Value); 22] = [
        (key::APPLICATION_ID, Value::Int(134)),
        (key::CAMPAIGN_NAME, Value::text("Campaign1")),
        (key::CAMPAIGN_GROUP_NAME, Value::text("Renewals@Agents")),
        (key::CAMPAIGN_GROUP_DBID, Value::Int(GROUP.into())),
        (key::CALLING_LIST, Value::text("demo")),
        (key::CALLING_LIST_DBID, Value::Int(101)),
        (key::PHONE, Value::text("+49 30 1")),
        (key::PHONE_TYPE, Value::Int(4)),
        (key::ATTEMPTS, Value::Int(2)),
        (key::CALL_RESULT, Value::Int(call_result::UNKNOWN)),
        (key::CALL_ATTEMPT_GUID, Value::text(guid)),
        (key::TZ_NAME, Value::text("Europe/Berlin")),
        (key::TZ_OFFSET, Value::Int(3600)),
        (key::AGENT_ID, Value::text("a")),
        (key::RECORD_HANDLE, Value::Int(1)),
        (key::CHAIN_ID, Value::Int(1)),
        (key::CHAIN_N, Value::Int(0)),
        ("InteractionType", Value::text("Outbound")),
        ("InteractionSubtype", Value::text("OutboundNew")),
        ("client-id", Value::text("none")),
        ("phone", Value::text("+49 30 1")),
        ("kind", Value::Int(4)),
    ];
    let mut expected = expected.map(|(key, value)| (key.to_owned(), value)).to_vec();
    expected.push((key::REFERENCE_ID.to_owned(), value(&reply, key::REFERENCE_ID).unwrap()));
    assert_eq!(done.event, "PreviewRecord");
    assert_eq!(done.attributes, expected);
}

#[test]
fn an_application_id_is_the_requests_else_the_records_else_the_options() {
    let mut stage = Stage::new();
    let of_record = stage.add("demo", &[]);
    stage.edit(of_record, |record| record.app_id = Some(7));
    stage.add("demo", &[]);
    stage.set_option("application_id", "99");
    assert_eq!(int(&stage.preview_reply("a"), key::APPLICATION_ID), 7);
    assert_eq!(int(&stage.preview_reply("a"), key::APPLICATION_ID), 99);
}

#[test]
fn a_zone_is_shown_by_its_configured_name_where_the_record_names_it() {
    let mut stage = Stage::new();
    let [name, time_zone] = ["VIC", "Australia/Melbourne"].map(str::to_owned);
    stage.redeclare(|declaration| {
        declaration.time_zones.push(DeclaredZone { name, dbid: Some(122), time_zone: Some(time_zone) });
    });
    let handle = stage.add("demo", &[]);
    stage.edit(handle, |record| record.tz_dbid = Some(122));
    note_window(&mut stage, handle);
    let reply = stage.preview_reply("a");
    assert_eq!((text(&reply, key::TZ_NAME), int(&reply, key::TZ_OFFSET)), ("VIC".to_owned(), 11 * HOUR));
}

/// Notes the window of a record that was changed past the rules.
fn note_window(stage: &mut Stage, handle: u64) {
    let record = stage.record(handle);
    let windows = vec![WindowRow::from(&Window::of(&record))];
    stage.put(vec![(Key::Windows(record.list), Row::Windows(WindowsRow { windows }.into()))]);
}

#[test]
fn a_record_that_is_handed_out_is_retrieved_and_its_agents() {
    let mut stage = Stage::new();
    let handle = stage.add("demo", &personal("a", PAST));
    let now_us = stage.world.now_us + 1_000;
    assert_eq!(stage.preview("a"), Some(handle));
    let record = stage.record(handle);
    assert_eq!(record.record_status, record_status::RETRIEVED);
    assert_eq!((record.agent_id.as_str(), record.agent_before.as_str()), ("a", "a"));
    assert_eq!((record.campaign_id, record.group_id), (Some(201), Some(301)));
    assert_eq!((record.held_since_us, record.changed_us), (now_us, now_us));
    assert_eq!(record.attempt, 0, "an attempt counts when it is processed");
    let class = HandOutClass::Personal;
    assert!(stage.world.events.contains(&Event::HandedOut { group: GROUP, class }), "{:?}", stage.world.events);
    assert_eq!(stage.preview("a"), None);
    assert!(stage.world.events.contains(&Event::PreviewEmpty { group: GROUP }), "{:?}", stage.world.events);
}

#[test]
fn a_guid_is_another_each_time_a_record_is_handed_out() {
    let mut stage = Stage::new();
    let handle = stage.add("demo", &[]);
    let mut guids = Vec::new();
    for _ in 0..3 {
        guids.push(guid(&mut stage));
        stage.edit(handle, |record| record.record_status = record_status::READY);
    }
    guids.sort();
    guids.dedup();
    assert_eq!(guids.len(), 3, "{guids:?}");
}

#[test]
fn a_guid_has_the_chance_of_its_command() {
    let mut stage = Stage::new();
    stage.add("demo", &[]);
    let body = Body::Request(request("PreviewRecordRequest", PATH, &[]));
    let mut command = stage.world.command(stage.world.id(1, 1, 1_000), body);
    command.random = vec![0xAB; 16];
    command.stamp_us += 1_000_000;
    let (reply, ..) = decide(&command, &stage.world.map, &stage.world.rules);
    assert_eq!(text(&reply, key::CALL_ATTEMPT_GUID), format!("{:016X}{}", command.stamp_us, "AB".repeat(8)));
}

#[test]
fn the_preview_of_a_callback_says_what_was_promised() {
    let mut stage = Stage::new();
    let pairs = [(key::DATE_TIME, "01/01/2024 00:30"), (key::TZ_NAME, "Europe/Berlin")];
    stage.add("demo", &pairs);
    let reply = stage.preview_reply("");
    assert_eq!(text(&reply, key::DATE_TIME), "01/01/2024 00:30");
    assert_eq!(int(&reply, key::RECORD_TYPE), record_type::CAMPAIGN_CALLBACK);
    assert_eq!(text(&reply, key::AGENT_ID), "");
    stage.add("demo", &[]);
    let reply = stage.preview_reply("");
    assert_eq!((value(&reply, key::DATE_TIME), value(&reply, key::RECORD_TYPE)), (None, None));
}

/// A resource, attributes of a preview, the code of the refusal.
type RefusalCase<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn a_preview_is_refused_with_its_reason_and_leaves_no_trace() {
    let mut stage = Stage::new();
    stage.add("demo", &[]);
    let long = "a".repeat(33);
    let table: [RefusalCase<'_>; 9] = [
        ("campaigngroups/999", &[], "GROUP_NOT_FOUND"),
        ("campaigngroups/Renewals@Others", &[], "GROUP_NOT_FOUND"),
        ("campaigngroups/renewals@agents", &[], "GROUP_NOT_FOUND"),
        (PATH, &[(key::CAMPAIGN_GROUP_NAME, "Renewals@Others")], "BAD_VALUE"),
        (PATH, &[(key::CAMPAIGN_GROUP_DBID, "302")], "BAD_VALUE"),
        (PATH, &[(key::AGENT_ID, long.as_str())], "BAD_VALUE"),
        ("campaigngroups/Renewals@Agents", &[], "PreviewRecord"),
        (PATH, &[(key::CAMPAIGN_GROUP_NAME, "Renewals@Agents")], "PreviewRecordEmpty"),
        (PATH, &[(key::CAMPAIGN_GROUP_DBID, "301"), (key::AGENT_ID, "b")], "PreviewRecordEmpty"),
    ];
    for (path, pairs, expected) in table {
        let reply = stage.ask("PreviewRecordRequest", path, pairs);
        assert_eq!(event(&reply), expected, "{path} {pairs:?}: {reply:?}");
    }
}

#[test]
fn no_preview_is_answered_before_all_records_are_brought_up() {
    let mut stage = Stage::new();
    stage.add("demo", &[]);
    stage.put(vec![(Key::BringUp, Row::BringUp(records::BringUpRow::default()))]);
    let ReplyBody::Refused(refusal) = stage.preview_reply("a").body else { panic!("answered") };
    assert_eq!((refusal.code.word(), refusal.message.contains("brought up")), ("UNAVAILABLE", true));
}
