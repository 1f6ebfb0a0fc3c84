//! The next record of a campaign group, and its preview (spec 7; spec 9, The next record): the seven conditions, the order, windows,
//! chains, turns, and the bounds of a command.

use std::cell::Cell;

use crate::common::request;
use crate::stage::{FUTURE, GROUP, HOUR_S, PAST, PATH, Stage, calendar, event, int, text, value};
use outbound::{
    Body, DUE_RECORDS_MAX, Handle, ReplyBody, Value, call_result, declaration::DeclaredZone, key, record_status,
    record_type,
};
use records::{
    Below, Bound, Event, FieldRow, GroupRow, HandOutClass, Key, MapView, Row, SentColumnRow, Table, View, Window,
    WindowRow, WindowsRow, decide, group_state,
};

/// 2024-01-01T00:00:00Z, a Monday.
const NEW_YEAR_S: i64 = 1_704_067_200;
/// 2024-03-31T00:00:00Z, a Sunday: Berlin's clocks go from 02:00 to 03:00 at 01:00Z.
const SPRING_S: i64 = 1_711_843_200;
/// 2024-10-27T00:00:00Z, a Sunday: Berlin's clocks go from 03:00 to 02:00 at 01:00Z.
const AUTUMN_S: i64 = 1_729_987_200;
const HOUR: i64 = 3600;

fn callback(date_time: &str) -> [(&str, &str); 1] {
    [(key::DATE_TIME, date_time)]
}

fn personal<'a>(agent: &'a str, date_time: &'a str) -> [(&'a str, &'a str); 2] {
    [(key::DATE_TIME, date_time), (key::AGENT_ID, agent)]
}

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

/// A record that is not dialable.
struct Wrong {
    /// The condition that the record fails.
    condition: u32,
    name: &'static str,
    make: fn(&mut Stage) -> u64,
    /// Makes the condition hold; none: not in this test.
    end: Option<fn(&mut Stage, u64)>,
}

fn wrongs() -> Vec<Wrong> {
    vec![
        Wrong {
            condition: 1,
            name: "a record that somebody holds",
            make: |stage| {
                stage.add("demo", &[]);
                stage.preview("b").unwrap()
            },
            end: Some(|stage, _| {
                stage.ask("ForceUnloadCampaign", PATH, &[]);
                stage.ask("LoadCampaign", PATH, &[]);
            }),
        },
        Wrong {
            condition: 1,
            name: "a finalised record",
            make: |stage| edited(stage, |record| record.record_status = record_status::UPDATED),
            end: Some(|stage, handle| stage.edit(handle, |record| record.record_status = record_status::READY)),
        },
        Wrong {
            condition: 1,
            name: "a record of the type NoCall",
            make: |stage| edited(stage, |record| record.record_type = record_type::NO_CALL),
            end: Some(|stage, handle| stage.edit(handle, |record| record.record_type = record_type::GENERAL)),
        },
        Wrong {
            condition: 1,
            name: "a record of the type Unknown",
            make: |stage| edited(stage, |record| record.record_type = 1),
            end: Some(|stage, handle| {
                stage.edit(handle, |record| record.record_type = record_type::CAMPAIGN_RESCHEDULED)
            }),
        },
        Wrong {
            condition: 2,
            name: "a callback before its time",
            make: |stage| stage.add("demo", &callback(FUTURE)),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 24 * HOUR)),
        },
        Wrong {
            condition: 2,
            name: "a record that a pause holds back",
            make: |stage| edited(stage, |record| record.not_before_s = Some(NEW_YEAR_S + 60)),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 60)),
        },
        Wrong {
            condition: 3,
            name: "a record outside its window",
            make: |stage| stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "72000")]),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 8 * HOUR)),
        },
        Wrong {
            condition: 3,
            name: "a record with an empty window",
            make: |stage| stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "28800")]),
            end: None,
        },
        Wrong {
            condition: 3,
            name: "a record outside its list's calendar",
            make: |stage| {
                stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &[(1, 36_000, 72_000)], &[])));
                stage.edit_list("demo", |list| list.calendar = "c".to_owned());
                stage.add("demo", &[])
            },
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 10 * HOUR)),
        },
        Wrong {
            condition: 4,
            name: "a record whose chain somebody holds",
            make: |stage| {
                let first = stage.add("demo", &[]);
                stage.preview("b").unwrap();
                stage.add_to_chain(first, &[])
            },
            end: None,
        },
        Wrong {
            condition: 4,
            name: "a record whose chain waits for a callback",
            make: |stage| {
                let first = stage.add("demo", &[]);
                stage.add_to_chain(first, &callback(FUTURE));
                first
            },
            end: None,
        },
        Wrong {
            condition: 4,
            name: "a callback behind an earlier one of its chain, which is another agent's",
            make: |stage| {
                let first = stage.add("demo", &personal("b", PAST));
                stage.add_to_chain(first, &callback("2023-12-31T23:01:00Z"))
            },
            end: None,
        },
        Wrong {
            condition: 5,
            name: "a callback behind one of its chain that is due at the same time, which is another agent's",
            make: |stage| {
                let first = stage.add("demo", &personal("b", PAST));
                stage.add_to_chain(first, &callback(PAST))
            },
            end: None,
        },
        Wrong {
            condition: 6,
            name: "a record whose phone is on Do-Not-Call",
            make: |stage| {
                let handle = stage.add("demo", &[]);
                stage.do_not_call([handle]);
                handle
            },
            end: None,
        },
        Wrong {
            condition: 7,
            name: "a record with all its attempts",
            make: |stage| {
                stage.edit_list("demo", |list| list.attempts_max = 3);
                stage.add("demo", &[(key::ATTEMPTS, "3")])
            },
            end: Some(|stage, _| {
                stage.edit_list("demo", |list| list.attempts_max = 4);
                stage.wait_s(HOUR_S);
            }),
        },
    ]
}

fn edited(stage: &mut Stage, change: fn(&mut records::RecordRow)) -> u64 {
    let handle = stage.add("demo", &[]);
    stage.edit(handle, change);
    handle
}

#[test]
fn a_record_that_fails_a_condition_is_not_handed_out_until_the_condition_holds() {
    for Wrong { condition, name, make, end } in wrongs() {
        let mut stage = Stage::new();
        let handle = make(&mut stage);
        assert_eq!(stage.why(handle), Some(condition), "{name}");
        assert_eq!(stage.preview("a"), None, "{name}");
        let Some(end) = end else { continue };
        end(&mut stage, handle);
        assert_eq!(stage.preview("a"), Some(handle), "{name} is handed out again");
    }
}

#[test]
fn a_record_that_meets_all_conditions_has_no_reason_against_it() {
    let mut stage = Stage::new();
    let handle = stage.add("demo", &[]);
    assert_eq!(stage.why(handle), None);
    assert_eq!(stage.preview("a"), Some(handle));
    assert_eq!(stage.why(999), None, "there is no such record");
}

#[test]
fn a_chain_gives_its_lowest_position_first_and_the_next_once_that_is_over() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let second = stage.add_to_chain(first, &[]);
    assert_eq!((stage.why(first), stage.why(second)), (None, Some(5)));
    stage.edit(first, |record| record.record_status = record_status::UPDATED);
    assert_eq!((stage.why(first), stage.why(second)), (Some(1), None));
    assert_eq!(stage.preview("a"), Some(second));
}

#[test]
fn the_reason_tells_until_when() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| {
        declaration.calendars.push(calendar("c", &[(1, 28_800, 72_000), (2, 28_800, 72_000)], &["2024-01-01"]));
    });
    let window = stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "72000")]);
    let due = stage.add("demo", &callback(FUTURE));
    let why = |stage: &Stage, handle| records::why_not_dialable(&stage.world.map, Handle(handle), stage.world.now_us);
    let found = why(&stage, window).unwrap();
    assert_eq!((found.condition, found.until_s), (3, Some(NEW_YEAR_S + 8 * HOUR)));
    assert!(found.reason.contains("08:00 to 20:00 in UTC"), "{}", found.reason);
    assert_eq!(why(&stage, due).unwrap().until_s, Some(NEW_YEAR_S + 24 * HOUR));
    stage.edit_list("demo", |list| list.calendar = "c".to_owned());
    stage.go_to(NEW_YEAR_S + 9 * HOUR);
    let found = why(&stage, window).unwrap();
    assert_eq!((found.condition, found.until_s), (3, Some(NEW_YEAR_S + 32 * HOUR)));
    assert!(found.reason.contains("calendar \"c\""), "{}", found.reason);
}

#[test]
fn an_agents_own_callbacks_come_before_the_campaigns_and_those_before_general_records() {
    let mut stage = Stage::of(&[("demo", 10), ("other", 10)]);
    let general = stage.add("demo", &[]);
    let late = stage.add("demo", &callback("2023-12-31T23:30:00Z"));
    let of_nobody = stage.add("other", &[(key::DATE_TIME, PAST), (key::RECORD_TYPE, "5")]);
    let early = stage.add("other", &callback(PAST));
    let own_late = stage.add("demo", &personal("a", "2023-12-31T23:45:00Z"));
    let own_early = stage.add("other", &personal("a", "2023-12-31T23:40:00Z"));
    let of_another = stage.add("demo", &personal("A", PAST));
    let asked: Vec<_> = (0..7).map(|_| stage.preview("a")).collect();
    let expected = [own_early, own_late, of_nobody, early, late, general].map(Some);
    assert_eq!(asked, [&expected[..], &[None]].concat());
    assert_eq!(stage.preview(""), None, "without an agent there are no personal callbacks");
    assert_eq!(stage.preview("A"), Some(of_another), "agents are compared exactly");
}

#[test]
fn general_records_of_a_list_come_by_chain_and_position() {
    let mut stage = Stage::new();
    let lines = ["contact_info,chain_id,chain_n", "+15551,9,1", "+15552,9,0", "+15553,7,3"];
    let [second, first, other]: [u64; 3] = stage.import("demo", &lines).try_into().unwrap();
    assert_eq!(stage.preview("a"), Some(other));
    assert_eq!(stage.preview("a"), Some(first));
    assert_eq!(stage.preview("a"), None, "the chain of {second} is held");
}

#[test]
fn lists_take_turns_by_their_weights_among_those_that_have_a_record() {
    let mut stage = Stage::of(&[("a", 5), ("b", 1), ("c", 1), ("none", 0)]);
    let mut lists = std::collections::BTreeMap::new();
    for (list, records) in [("a", 6), ("b", 3), ("c", 1), ("none", 1)] {
        for _ in 0..records {
            lists.insert(stage.add(list, &[]), list);
        }
    }
    let taken: Vec<&str> = std::iter::from_fn(|| stage.preview("a")).map(|handle| lists[&handle]).collect();
    assert_eq!(taken.join(" "), "a a b a c a a a b b");
    let Some(Row::Group(GroupRow { turns, .. })) = stage.world.map.get(&Key::Group(GROUP)) else { panic!("no row") };
    assert!(turns.is_sorted_by_key(|turn| turn.list) && !turns.is_empty(), "{turns:?}");
}

#[test]
fn a_single_list_with_a_record_takes_no_turn() {
    let mut stage = Stage::of(&[("a", 5), ("b", 1)]);
    stage.add("a", &[]);
    stage.preview("x").unwrap();
    let group = stage.world.map.get(&Key::Group(GROUP));
    assert_eq!(group, Some(Row::Group(GroupRow { state: group_state::LOADED, ..GroupRow::default() })));
}

#[test]
fn a_group_that_is_loaded_again_begins_anew_with_the_turns_of_its_lists() {
    let mut stage = Stage::of(&[("a", 10), ("b", 10)]);
    let [of_a, of_b] = ["a", "b"].map(|list| stage.add(list, &[]));
    let load = |stage: &mut Stage| event(&stage.ask("LoadCampaign", PATH, &[])).to_owned();
    let unload = |stage: &mut Stage| event(&stage.ask("ForceUnloadCampaign", PATH, &[])).to_owned();
    assert_eq!(stage.preview("x"), Some(of_a));
    assert_eq!([unload(&mut stage), load(&mut stage)], ["CampaignUnloaded", "CampaignLoaded"]);
    assert_eq!(stage.preview("x"), Some(of_a), "the turn of the list b is forgotten");
    assert_eq!(stage.preview("x"), Some(of_b));
}

#[test]
fn a_list_of_weight_0_and_a_list_that_is_deleted_give_nothing() {
    let mut stage = Stage::of(&[("none", 0), ("gone", 10)]);
    for list in ["none", "gone"] {
        stage.add(list, &[]);
        stage.add(list, &callback(PAST));
        stage.add(list, &personal("a", PAST));
    }
    stage.world.ask(Body::DeleteList("gone".into()));
    assert_eq!(stage.preview("a"), None);
}

#[test]
fn a_window_across_midnight_is_open_at_both_of_its_ends() {
    for (hour, open) in [(21, false), (22, true), (24, true), (29, true), (30, false), (46, true)] {
        let mut stage = Stage::new();
        let handle = stage.add("demo", &[(key::FROM, "79200"), (key::UNTIL, "21600")]);
        stage.go_to(NEW_YEAR_S + hour * HOUR);
        assert_eq!(stage.preview("a"), open.then_some(handle), "hour {hour}");
    }
}

#[test]
fn a_window_follows_the_wall_clock_of_its_zone_through_changes_of_clocks() {
    let table = [
        // from, till, UTC, open: 02:30 to 04:00 on a day without 02:30
        ("9000", "14400", SPRING_S + HOUR - 1, false),
        ("9000", "14400", SPRING_S + HOUR, true),
        ("9000", "14400", SPRING_S + 2 * HOUR, false),
        // 02:00 to 02:30 on a day that has it twice
        ("7200", "9000", AUTUMN_S, true),
        ("7200", "9000", AUTUMN_S + HOUR / 2, false),
        ("7200", "9000", AUTUMN_S + HOUR, true),
        // noon
        ("43200", "46800", SPRING_S + 10 * HOUR, true),
        ("43200", "46800", AUTUMN_S + 10 * HOUR, false),
        ("43200", "46800", AUTUMN_S + 11 * HOUR, true),
    ];
    for (from, till, at_s, open) in table {
        let mut stage = Stage::new();
        let pairs = [(key::FROM, from), (key::UNTIL, till), (key::TZ_NAME, "Europe/Berlin")];
        let handle = stage.add("demo", &pairs);
        stage.go_to(at_s);
        assert_eq!(stage.why(handle), (!open).then_some(3), "{from} to {till} at {at_s}");
        assert_eq!(stage.preview("a"), open.then_some(handle), "{from} to {till} at {at_s}");
    }
}

#[test]
fn a_calendar_binds_beside_the_window() {
    // Monday to Saturday, 08:00 to 20:00, but for a Tuesday
    let days: Vec<_> = (1..=6).map(|day| (day, 28_800, 72_000)).collect();
    for (at_s, open) in [
        (NEW_YEAR_S + 7 * HOUR, false),
        (NEW_YEAR_S + 8 * HOUR, true),
        (NEW_YEAR_S + 20 * HOUR, false),
        (NEW_YEAR_S + (24 + 10) * HOUR, false),
        (NEW_YEAR_S + (48 + 10) * HOUR, true),
        (NEW_YEAR_S + (6 * 24 + 10) * HOUR, false),
    ] {
        let mut stage = Stage::new();
        stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &days, &["2024-01-02"])));
        stage.edit_list("demo", |list| list.calendar = "c".to_owned());
        let handle = stage.add("demo", &[]);
        stage.go_to(at_s);
        assert_eq!(stage.preview("a"), open.then_some(handle), "{at_s}");
    }
}

#[test]
fn windows_and_calendar_bind_callbacks_unless_the_list_says_otherwise() {
    for any_time in [false, true] {
        let mut stage = Stage::new();
        stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &[], &[])));
        stage.edit_list("demo", |list| {
            list.callbacks_any_time = any_time;
            list.calendar = "c".to_owned();
        });
        let closed = [(key::FROM, "28800"), (key::UNTIL, "72000")];
        stage.add("demo", &closed);
        let callback = stage.add("demo", &[&closed[..], &callback(PAST)].concat());
        let own = stage.add("demo", &[&closed[..], &personal("a", PAST)].concat());
        assert_eq!(stage.why(callback), (!any_time).then_some(3));
        let taken = [stage.preview("a"), stage.preview("a"), stage.preview("a")];
        let expected = if any_time { [Some(own), Some(callback), None] } else { [None; 3] };
        assert_eq!(taken, expected, "callbacks_any_time: {any_time}");
    }
}

#[test]
fn nobody_is_called_at_two_numbers_at_a_time() {
    let mut stage = Stage::new();
    let mut chains = Vec::new();
    for _ in 0..3 {
        let first = stage.add("demo", &[]);
        stage.add_to_chain(first, &[]);
        stage.add_to_chain(first, &[]);
        chains.push(first);
    }
    let taken: Vec<u64> = std::iter::from_fn(|| stage.preview("a")).collect();
    assert_eq!(taken, chains);
    let late = stage.add_to_chain(chains[0], &callback(PAST));
    assert_eq!((stage.why(late), stage.preview("a")), (Some(4), None), "a record that joins waits with its chain");
}

/// Two callbacks of a chain that are due at the same time: position 1 has the lower handle.
fn tied(stage: &mut Stage, of_first: &str, of_second: &str) -> (u64, u64) {
    let header = "contact_info,chain_id,chain_n,record_type,dial_sched_time,daily_from,daily_till,agent_id";
    let due_s = NEW_YEAR_S - HOUR;
    let line = |n: u32, rest: &str| format!("+1555{n},1,{n},5,{due_s},{rest}");
    let [second, first] = [line(1, of_second), line(0, of_first)];
    let [second, first]: [u64; 2] = stage.import("demo", &[header, &second, &first]).try_into().unwrap();
    (first, second)
}

#[test]
fn of_callbacks_of_a_chain_due_at_the_same_time_the_lowest_position_with_an_open_window_comes() {
    let (open, closed) = ("0,86400,", "28800,72000,");
    let mut stage = Stage::new();
    let (first, _) = tied(&mut stage, open, open);
    assert_eq!(stage.preview("a"), Some(first), "the lower position, and not the lower handle");
    let mut stage = Stage::new();
    let (_, second) = tied(&mut stage, closed, open);
    assert_eq!(stage.preview("a"), Some(second));
    let mut stage = Stage::new();
    let (first, second) = tied(&mut stage, "0,86400,b", open);
    let general = stage.add("demo", &[]);
    assert_eq!(stage.preview("a"), Some(general), "{second} waits for agent b");
    assert_eq!(stage.preview("b"), Some(first));
}

#[test]
fn a_desktop_limit_gives_an_agent_again_what_the_agent_has_held_longest() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| declaration.campaign_groups[0].desktop_chains_limit = Some(2));
    let handles: Vec<u64> = (0..4).map(|_| stage.add("demo", &[])).collect();
    let first = stage.preview_reply("a");
    assert_eq!(value(&first, key::MESSAGE), None);
    assert_eq!(stage.preview("a"), Some(handles[1]));
    let before = stage.record(handles[0]);
    let again = stage.preview_reply("a");
    assert_eq!(int(&again, key::RECORD_HANDLE), int(&first, key::RECORD_HANDLE));
    assert_eq!(text(&again, key::CALL_ATTEMPT_GUID), text(&first, key::CALL_ATTEMPT_GUID));
    assert_eq!(text(&again, key::MESSAGE), "held");
    assert_eq!(stage.record(handles[0]), before, "unchanged");
    assert_eq!(stage.preview("b"), Some(handles[2]), "the limit is each agent's");
    assert_eq!(stage.preview(""), Some(handles[3]), "and without an agent there is none");
    stage.edit(handles[0], |record| record.record_status = record_status::UPDATED);
    assert_eq!(stage.preview("a"), None, "the agent holds fewer, and may have another one");
}

#[test]
fn a_record_on_do_not_call_becomes_no_call_when_it_is_met() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let second = stage.add_to_chain(first, &[]);
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(second), "the chain goes on in the same command");
    assert!(stage.world.events.contains(&Event::MetOnDoNotCall));
    let record = stage.record(first);
    let marks = (record.record_type, record.record_status, record.call_result);
    assert_eq!(marks, (record_type::NO_CALL, record_status::UPDATED, call_result::DO_NOT_CALL));
}

#[test]
fn a_callback_that_falls_away_frees_its_chain_in_the_same_command() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &callback(PAST));
    let own = stage.add_to_chain(first, &personal("a", "2023-12-31T23:30:00Z"));
    let general = stage.add_to_chain(first, &[]);
    let other = stage.add("demo", &callback("2023-12-31T23:15:00Z"));
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(own), "the agent's own callback comes before {other}");
    assert_eq!(stage.record(first).record_type, record_type::NO_CALL);
    assert_eq!(stage.why(general), Some(4));
}

#[test]
fn a_callback_that_falls_away_frees_its_chain_behind_a_pause_that_ended_while_the_chain_waited() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &callback(PAST));
    let second = stage.add_to_chain(first, &callback("2023-12-31T23:30:00Z"));
    assert_eq!(stage.preview("a"), Some(first));
    stage.ask("RecordReject", &format!("records/{first}"), &[]);
    assert_eq!(stage.preview("a"), None, "a pause holds the whole chain back");
    stage.wait_s(HOUR_S);
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(second));
    assert_eq!(stage.record(second).not_before_s, None);
}

#[test]
fn an_expired_callback_is_missed_at_the_hand_out() {
    let mut stage = Stage::new();
    stage.set_option("callback_expiry", "1800");
    let expired = stage.add("demo", &callback(PAST));
    let general = stage.add_to_chain(expired, &[]);
    let in_time = stage.add("demo", &callback("2023-12-31T23:31:00Z"));
    let no_time = stage.add("demo", &[(key::RECORD_TYPE, "6")]);
    assert_eq!(stage.preview("a"), Some(no_time), "a callback without a time is due, and never expires");
    assert_eq!(stage.preview("a"), Some(in_time));
    assert!(stage.world.events.contains(&Event::Missed { records: 1 }), "{:?}", stage.world.events);
    assert_eq!(stage.record(expired).record_status, record_status::MISSED_CALLBACK);
    assert_eq!(stage.preview("a"), Some(general), "its chain goes on");
}

#[test]
fn a_command_changes_a_hundred_records_at_most_and_the_next_one_goes_on() {
    let mut stage = Stage::new();
    let rows: Vec<String> = (0..251).map(|row| format!("+1555{row:04}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    stage.do_not_call(handles[..250].iter().copied());
    let no_call = |stage: &Stage| {
        let is_no_call = |handle: &&u64| stage.record(**handle).record_type == record_type::NO_CALL;
        handles.iter().filter(is_no_call).count()
    };
    // the same command each time: a reply Again is remembered under no id
    let body = Body::Request(request("PreviewRecordRequest", PATH, &[(key::AGENT_ID, "a")]));
    let id = stage.world.id(1, 1, 10_000);
    for met in [100, 200] {
        assert_eq!(event(&stage.world.ask_as(id, body.clone())), "Again");
        assert_eq!(no_call(&stage), met);
        assert_eq!(stage.world.events.iter().filter(|event| **event == Event::MetOnDoNotCall).count(), 100);
    }
    let reply = stage.world.ask_as(id, body);
    assert_eq!((event(&reply), no_call(&stage)), ("PreviewRecord", 250));
    assert_eq!(int(&reply, key::RECORD_HANDLE), i64::try_from(handles[250]).unwrap());
}

#[test]
fn callbacks_that_wait_for_others_of_their_chains_are_passed_over_within_the_bound() {
    let mut stage = Stage::new();
    let due_s = NEW_YEAR_S - HOUR;
    let row = |chain: u32, n: u32| format!("+1555{n}{chain:04},{chain},{n},6,{due_s}");
    let rows: Vec<String> = (1..=250).map(|chain| row(chain, 1)).chain((1..=250).map(|chain| row(chain, 0))).collect();
    let header = "contact_info,chain_id,chain_n,record_type,dial_sched_time";
    let lines: Vec<&str> = [header].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    assert_eq!(event(&stage.preview_reply("a")), "Again");
    let changed = stage.world.changes.0.iter().filter(|change| change.key.table() == Table::Record).count();
    assert_eq!(changed, DUE_RECORDS_MAX as usize);
    assert_eq!(stage.preview("a"), Some(handles[250]), "the first of the lower positions");
}

#[test]
fn a_hundred_records_whose_pause_is_over_are_freed_by_a_command() {
    let mut stage = Stage::new();
    let rows: Vec<String> = (0..150).map(|row| format!("+1555{row:04}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    stage.edit_all(handles.iter().copied(), |record| record.not_before_s = Some(NEW_YEAR_S + 60));
    assert_eq!(stage.preview("a"), None);
    stage.go_to(NEW_YEAR_S + 60);
    assert_eq!(stage.preview("a"), Some(handles[0]));
    assert_eq!(stage.world.map.table(Table::WaitingUntil).len(), 50);
    assert_eq!(stage.preview("a"), Some(handles[1]));
    assert_eq!(stage.world.map.table(Table::WaitingUntil).len(), 0);
}

#[test]
fn of_a_chain_of_an_earlier_release_the_first_hundred_take_part() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let mut chain = vec![first];
    chain.extend((1..100).map(|_| stage.add_to_chain(first, &[])));
    let beyond = stage.add("demo", &[]);
    let chain_id = stage.record(first).chain_id;
    move_to_chain(&mut stage, beyond, chain_id, 100);
    assert_eq!(stage.why(beyond), Some(4));
    stage.edit_all(chain, |record| record.record_status = record_status::UPDATED);
    assert_eq!(stage.preview("a"), None);
    assert!(stage.record(beyond).waits, "the record has left the index");
}

fn move_to_chain(stage: &mut Stage, handle: u64, chain_id: u64, chain_n: u64) {
    stage.edit(handle, |record| (record.chain_id, record.chain_n) = (chain_id, chain_n));
}

/// A view that counts its reads.
struct Counting<'a> {
    map: &'a MapView,
    reads: Cell<u32>,
}

impl View for Counting<'_> {
    fn get(&self, key: &Key) -> Option<Row> {
        self.reads.set(self.reads.get() + 1);
        self.map.get(key)
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.reads.set(self.reads.get() + 1);
        self.map.next(bound, limit)
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.reads.set(self.reads.get() + 1);
        self.map.last(below)
    }
}

#[test]
fn closed_windows_cost_no_read() {
    let reads = |closed: u32| {
        let mut stage = Stage::new();
        let handle = stage.add("demo", &[]);
        let open = WindowRow::from(&Window::of(&stage.record(handle)));
        let closed = (0..closed).map(|at| WindowRow { from: 40_000 + at, till: 50_000, ..WindowRow::default() });
        let row = WindowsRow { windows: closed.chain([open]).collect() };
        stage.put(vec![(Key::Windows(101), Row::Windows(row.into()))]);
        let body = Body::Request(request("PreviewRecordRequest", PATH, &[(key::AGENT_ID, "a")]));
        let command = stage.world.command(stage.world.id(1, 1, 10_000), body);
        let view = Counting { map: &stage.world.map, reads: Cell::new(0) };
        let (reply, ..) = decide(&command, &view, &stage.world.rules);
        assert_eq!(event(&reply), "PreviewRecord");
        view.reads.get()
    };
    assert_eq!([reads(49), reads(999)], [reads(0); 2]);
}
