//! Campaign groups: the table of their states (spec 9, Campaign groups), a cell a row of a test, and what they hold.

use crate::stage::{GROUP, PATH, Stage, event, int, text, value};
use outbound::{Body, Due, ReplyBody, Value, declaration::DeclaredTenant, key, record_status};
use records::{group_state, groups, is_due};

const STATES: [&str; 5] = ["NotLoaded", "Loaded", "Running", "Stopped", "Unloading"];

/// Each request with its effect in each state, as the specification has it.
const TABLE: [(&str, [&str; 5]); 6] = [
    ("LoadCampaign", ["Loaded", "stays", "stays", "stays", "409"]),
    ("StartDialing", ["409", "Running", "stays", "Running", "409"]),
    ("StopDialing", ["409", "Stopped", "Stopped", "stays", "409"]),
    ("UnloadCampaign", ["stays", "Unloading", "Unloading", "Unloading", "stays"]),
    ("ForceUnloadCampaign", ["stays", "NotLoaded", "NotLoaded", "NotLoaded", "NotLoaded"]),
    ("PreviewRecordRequest", ["409", "stays", "stays", "409", "409"]),
];

/// A group in a state, which holds a record, and has another one.
fn holding(state: u32) -> (Stage, u64) {
    let mut stage = Stage::new();
    let held = stage.add("demo", &[]);
    stage.add("demo", &[]);
    assert_eq!(stage.preview("a"), Some(held));
    stage.set_state(state);
    (stage, held)
}

fn event_of(verb: &str, after: &str) -> &'static str {
    match (verb, after) {
        ("LoadCampaign", _) => "CampaignLoaded",
        ("StartDialing", _) => "DialingStarted",
        ("StopDialing", _) => "DialingStopped",
        ("UnloadCampaign", "Unloading") => "CampaignUnloading",
        ("UnloadCampaign" | "ForceUnloadCampaign", _) => "CampaignUnloaded",
        _ => "PreviewRecord",
    }
}

#[test]
fn every_request_does_in_every_state_what_the_table_says() {
    for (verb, row) in TABLE {
        for (before, (state, cell)) in (0..).zip(STATES.into_iter().zip(row)) {
            let (mut stage, _) = holding(before);
            let reply = stage.ask(verb, PATH, &[]);
            let after = STATES[stage.state() as usize];
            if cell == "409" {
                assert_eq!((event(&reply), after), ("CONFLICT", state), "{verb} in {state}");
                continue;
            }
            let expected = if cell == "stays" { state } else { cell };
            assert_eq!(after, expected, "{verb} in {state}");
            assert_eq!(event(&reply), event_of(verb, expected), "{verb} in {state}");
            assert_eq!(text(&reply, key::CAMPAIGN_NAME), "Renewals");
            assert_eq!(text(&reply, key::CAMPAIGN_GROUP_NAME), "Renewals@Agents");
            assert_eq!(int(&reply, key::CAMPAIGN_GROUP_DBID), i64::from(GROUP));
        }
    }
}

#[test]
fn the_status_is_the_event_of_the_state() {
    let events = ["CampaignUnloaded", "CampaignLoaded", "CampaignStarted", "CampaignStopped", "CampaignUnloading"];
    for (state, expected) in (0..).zip(events) {
        let (mut stage, _) = holding(state);
        let reply = stage.ask("CampaignStatusRequest", PATH, &[]);
        assert_eq!(event(&reply), expected);
        assert_eq!(text(&reply, key::CAMPAIGN_GROUP_NAME), "Renewals@Agents");
        let held = value(&reply, key::RECORDS);
        assert_eq!(held, (expected == "CampaignUnloading").then_some(Value::Int(1)), "{expected}");
    }
}

#[test]
fn a_new_group_is_not_loaded_and_an_unknown_one_is_not_found() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| {
        let mut group = declaration.campaign_groups[0].clone();
        (group.group, group.dbid) = ("Others".to_owned(), Some(302));
        declaration.campaign_groups.push(group);
    });
    assert_eq!(event(&stage.ask("CampaignStatusRequest", "campaigngroups/Renewals@Others", &[])), "CampaignUnloaded");
    for verb in ["CampaignStatusRequest", "LoadCampaign", "UnloadCampaign"] {
        assert_eq!(event(&stage.ask(verb, "campaigngroups/303", &[])), "GROUP_NOT_FOUND", "{verb}");
        let other = [(key::CAMPAIGN_GROUP_DBID, "301")];
        assert_eq!(event(&stage.ask(verb, "campaigngroups/302", &other)), "BAD_VALUE", "{verb}");
    }
}

#[test]
fn a_group_belongs_to_the_tenant_of_its_campaign() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| {
        let tenant = |name: &str| DeclaredTenant { name: name.to_owned(), ..DeclaredTenant::default() };
        declaration.tenants = vec![tenant("north"), tenant("south")];
        declaration.campaigns[0].tenant = Some("north".to_owned());
    });
    for (tenant, expected) in [
        ("", "CampaignLoaded"),
        ("north", "CampaignLoaded"),
        ("south", "GROUP_NOT_FOUND"),
        ("east", "TENANT_NOT_FOUND"),
    ] {
        let mut request = crate::common::request("LoadCampaign", PATH, &[]);
        request.tenant = tenant.to_owned();
        assert_eq!(event(&stage.world.ask(Body::Request(request))), expected, "{tenant:?}");
    }
}

#[test]
fn a_group_that_holds_nothing_is_unloaded_at_once() {
    for state in [group_state::LOADED, group_state::RUNNING, group_state::STOPPED] {
        let mut stage = Stage::new();
        stage.add("demo", &[]);
        stage.set_state(state);
        let reply = stage.ask("UnloadCampaign", PATH, &[]);
        assert_eq!((event(&reply), value(&reply, key::RECORDS)), ("CampaignUnloaded", None));
        assert_eq!(stage.state(), group_state::NOT_LOADED);
    }
}

#[test]
fn a_group_unloads_by_itself_once_it_holds_no_record() {
    let (mut stage, held) = holding(group_state::RUNNING);
    let reply = stage.ask("UnloadCampaign", PATH, &[]);
    assert_eq!((event(&reply), int(&reply, key::RECORDS)), ("CampaignUnloading", 1));
    assert!(!is_due(&stage.world.map, stage.world.now_us));
    stage.world.ask(Body::Due(Due { rows_max: 100 }));
    assert_eq!(stage.state(), group_state::UNLOADING);
    stage.edit(held, |record| record.record_status = record_status::UPDATED);
    assert!(is_due(&stage.world.map, stage.world.now_us));
    stage.world.ask(Body::Due(Due { rows_max: 100 }));
    assert_eq!(stage.state(), group_state::NOT_LOADED);
    assert!(!is_due(&stage.world.map, stage.world.now_us));
}

#[test]
fn a_forced_unload_makes_what_the_group_holds_ready_and_open_for_its_holder() {
    let (mut stage, held) = holding(group_state::RUNNING);
    let before = stage.record(held);
    stage.ask("ForceUnloadCampaign", PATH, &[]);
    let record = stage.record(held);
    assert_eq!((record.record_status, record.agent_id.as_str()), (record_status::READY, ""));
    assert_eq!((record.campaign_id, record.group_id, record.held_since_us), (None, None, 0));
    assert_eq!(record.attempt_guid, before.attempt_guid, "so that a late answer is recognised");
    let update = stage.ask("UpdateCallCompletionStats", &format!("records/{held}"), &[(key::CALL_RESULT, "7")]);
    assert_eq!(event(&update), "UpdateCallCompletionStatsAcknowledge");
    stage.ask("LoadCampaign", PATH, &[]);
    assert_eq!(stage.preview("b"), Some(held));
}

#[test]
fn a_large_group_gives_a_thousand_records_back_at_once_and_the_rest_as_they_come_due() {
    let mut stage = Stage::new();
    let rows: Vec<String> = (0..1_150).map(|row| format!("+1555{row:04}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let handles = stage.import("demo", &lines);
    stage.edit_all(handles.iter().copied(), |record| {
        record.record_status = record_status::RETRIEVED;
        (record.campaign_id, record.group_id) = (Some(201), Some(GROUP.into()));
        record.agent_id = "a".to_owned();
        (record.held_since_us, record.changed_us) = (crate::common::START_US, crate::common::START_US);
    });
    let held = |stage: &Stage| groups(&stage.world.map)[0].held_total;
    assert_eq!(event(&stage.ask("ForceUnloadCampaign", PATH, &[])), "CampaignUnloaded");
    assert_eq!((stage.state(), held(&stage)), (group_state::NOT_LOADED, 150));
    for left in [50, 0] {
        assert!(is_due(&stage.world.map, stage.world.now_us));
        stage.world.ask(Body::Due(Due { rows_max: 100 }));
        assert_eq!(held(&stage), left);
    }
    assert!(!is_due(&stage.world.map, stage.world.now_us));
}

#[test]
fn a_group_shows_what_each_agent_holds_and_since_when() {
    let mut stage = Stage::new();
    let [first, second] = [stage.add("demo", &[]), stage.add("demo", &[])];
    stage.preview("b").unwrap();
    let first_us = stage.world.now_us;
    stage.preview("a").unwrap();
    let second_us = stage.world.now_us;
    let all = groups(&stage.world.map);
    let [group] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((group.dbid, group.name.as_str(), group.state), (GROUP, "Renewals@Agents", group_state::LOADED));
    assert_eq!((group.campaign.as_str(), group.campaign_dbid, group.held_total), ("Renewals", 201, 2));
    assert_eq!(group.held, [("a".to_owned(), second, second_us), ("b".to_owned(), first, first_us)]);
}

#[test]
fn a_form_that_nobody_understood_loads_nothing() {
    let mut stage = Stage::new();
    stage.set_state(group_state::NOT_LOADED);
    let mut request = crate::common::request("LoadCampaign", PATH, &[("colour", "red")]);
    request.attributes.sent.unknown_form = true;
    let ReplyBody::Refused(refusal) = stage.world.ask(Body::Request(request)).body else { panic!("done") };
    assert_eq!((refusal.code.word(), stage.state()), ("BAD_BODY", group_state::NOT_LOADED));
    let reply = stage.ask("LoadCampaign", PATH, &[("colour", "red")]);
    assert_eq!((event(&reply), text(&reply, key::IGNORED)), ("CampaignLoaded", "colour".to_owned()));
}
