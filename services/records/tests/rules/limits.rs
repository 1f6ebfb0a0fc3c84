//! Contact limits at the hand-out and at the end of an attempt (spec 9, Contact limits). Every record is on the same phone, in a
//! chain of its own, and a result Busy makes it Ready again at once.

use crate::common::World;
use crate::declaring::{DEMO, GROUP, add, ask, change_list, preview, record, treat, treatment};
use outbound::{
    ApplyDeclaration, Body, BringUp, Handle, ReplyBody,
    declaration::{Declaration, DeclaredLimit, DeclaredResults, DeclaredTenant, DeclaredTreatment},
};
use records::{AttemptSubject, Key, ListRow, Table};

const BUSY: i64 = 6;
const ANSWER: i64 = 33;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const PHONE: (&str, &str) = ("GSW_PHONE", "+1 555 0001");

fn limit(max: u32, per: &str, within: u64) -> DeclaredLimit {
    DeclaredLimit {
        name: format!("{max} per {per} within {within}"),
        campaign: Some(String::new()),
        tenant: Some(String::new()),
        max: Some(max),
        per: Some(per.to_owned()),
        within: u32::try_from(within).ok(),
        results: Some(DeclaredResults::default()),
    }
}

fn of_answer(limit: DeclaredLimit) -> DeclaredLimit {
    DeclaredLimit { results: Some(DeclaredResults { results: vec![ANSWER] }), ..limit }
}

fn of_campaign(name: &str, limit: DeclaredLimit) -> DeclaredLimit {
    DeclaredLimit { campaign: Some(name.to_owned()), ..limit }
}

/// A world with a list `other` beside `demo`; both are of the campaign `Renewals`, the former of `Others` too.
fn world(limits: Vec<DeclaredLimit>) -> World {
    world_of(Vec::new(), limits)
}

fn world_of(tenants: Vec<DeclaredTenant>, contact_limits: Vec<DeclaredLimit>) -> World {
    let declaration = Declaration { tenants, contact_limits, ..Declaration::default() };
    let mut world = crate::declaring::world(declaration, &["other"]);
    let busy = DeclaredTreatment { cycle_attempts: Some(99), ..treatment(BUSY, 1, "Cycle") };
    treat(&mut world, vec![busy]);
    world
}

/// Sets the clock, seconds from the start of the tests: 2024-01-01T00:00:00Z.
fn clock(world: &mut World, seconds: u64) {
    world.now_us = crate::common::START_US + seconds * 1_000_000;
}

fn processed(world: &mut World, handle: u64, result: &str) {
    let reply = ask(world, "RecordProcessed", &format!("records/{handle}"), &[("GSW_CALL_RESULT", result)]);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
}

fn attempts(world: &World) -> usize {
    world.map.table(Table::Attempt).len()
}

/// Each row: the limit; seconds of attempts with their result; the second at which the record is held back, and the first second
/// of the next hand-out.
#[test]
fn a_record_is_held_back_until_the_limit_allows_it() {
    let weekly: Vec<(u64, &str)> = (0..7).map(|day| (1_000 + day * DAY, "Busy")).collect();
    let three = vec![(1_000, "Busy"), (2_000, "Busy"), (3_000, "Busy")];
    for (limit, of, held_s, free_s) in [
        (limit(7, "phone", 7 * DAY), weekly.clone(), 1_000 + 7 * DAY - 2, 1_001 + 7 * DAY),
        (limit(7, "customer", 7 * DAY), weekly, 6 * DAY + 2_000, 1_001 + 7 * DAY),
        (limit(3, "chain", DAY), three.clone(), 1_000 + DAY - 2, 1_001 + DAY),
        (limit(2, "phone", DAY), vec![(1_000, "Busy"), (2_000, "Busy")], 999 + DAY, 1_001 + DAY),
        (limit(3, "phone", 0), three, DAY - 2, DAY),
    ] {
        let mut world = world(vec![limit.clone()]);
        add(&mut world, "demo", &[PHONE, ("CLIENT_ID", "c")]);
        for (second, result) in of {
            clock(&mut world, second);
            assert_eq!(preview(&mut world, GROUP), Some(1), "{limit:?} at {second}");
            processed(&mut world, 1, result);
        }
        clock(&mut world, held_s);
        assert_eq!(preview(&mut world, GROUP), None, "{limit:?} at {held_s}");
        clock(&mut world, free_s);
        assert_eq!(preview(&mut world, GROUP), Some(1), "{limit:?} at {free_s}");
    }
}

/// Each row: the zone; the day of the attempt; seconds of the attempt, of a time on the same day and of the next midnight, counted
/// from midnight UTC.
#[test]
fn a_calendar_day_is_one_of_the_records_zone_with_its_change_of_clocks() {
    let (autumn, spring) = (300 * DAY, 90 * DAY); // 2024-10-27 and 2024-03-31
    for (zone, day, attempt_s, same_s, next_s) in [
        ("UTC", 0, HOUR, 23 * HOUR, DAY),
        ("America/New_York", 0, 6 * HOUR, 28 * HOUR, 29 * HOUR),
        ("Europe/Berlin", spring, 0, 22 * HOUR - 10, 22 * HOUR),
        ("Europe/Berlin", autumn, 0, 23 * HOUR - 10, 23 * HOUR),
    ] {
        let mut world = world(vec![limit(1, "phone", 0)]);
        clock(&mut world, day);
        add(&mut world, "demo", &[PHONE, ("GSW_TZ_NAME", zone)]);
        clock(&mut world, day + attempt_s + 60);
        assert_eq!(preview(&mut world, GROUP), Some(1), "{zone}");
        processed(&mut world, 1, "Busy");
        clock(&mut world, day + same_s);
        assert_eq!(preview(&mut world, GROUP), None, "{zone}");
        clock(&mut world, day + next_s);
        assert_eq!(preview(&mut world, GROUP), Some(1), "{zone}");
    }
}

#[test]
fn a_limit_of_results_counts_the_attempts_that_ended_so() {
    let mut world = world(vec![of_answer(limit(1, "phone", 7 * DAY))]);
    for _ in 0..3 {
        add(&mut world, "demo", &[PHONE]);
    }
    for result in ["Busy", "Busy", "NoAnswer"] {
        let handle = preview(&mut world, GROUP).unwrap();
        processed(&mut world, handle, result);
    }
    let (answered, running) = (preview(&mut world, GROUP).unwrap(), preview(&mut world, GROUP));
    assert!(running.is_some(), "an attempt without a result counts in no limit of results");
    processed(&mut world, answered, "Answer");
    assert_eq!(preview(&mut world, GROUP), None);
    processed(&mut world, running.unwrap(), "Busy");
    assert_eq!(preview(&mut world, GROUP), None);
}

#[test]
fn a_reject_and_a_cancel_take_an_attempt_back() {
    for verb in ["RecordReject", "RequestRecordCancel"] {
        let mut world = world(vec![limit(1, "phone", DAY)]);
        add(&mut world, "demo", &[PHONE]);
        assert_eq!((preview(&mut world, GROUP), attempts(&world)), (Some(1), 1));
        ask(&mut world, verb, "records/1", &[]);
        assert_eq!(attempts(&world), 0, "{verb}");
        add(&mut world, "demo", &[PHONE]);
        assert_eq!(preview(&mut world, GROUP), Some(2), "{verb}");
    }
}

#[test]
fn records_of_one_phone_share_its_attempts_over_lists_and_spellings() {
    let mut world = world(vec![limit(1, "phone", DAY)]);
    add(&mut world, "demo", &[PHONE]);
    add(&mut world, "other", &[("GSW_PHONE", "001-555-0001")]);
    add(&mut world, "other", &[("GSW_PHONE", "+1 555 0002")]);
    let handed = [preview(&mut world, GROUP).unwrap(), preview(&mut world, GROUP).unwrap()];
    assert!(handed.contains(&3) && handed != [3, 3], "{handed:?}");
    assert_eq!(preview(&mut world, GROUP), None);
}

#[test]
fn records_of_one_number_share_its_attempts_in_every_form_that_the_tenant_declares() {
    let germany = DeclaredTenant {
        name: "default".to_owned(),
        country_code: Some("49".to_owned()),
        trunk_prefix: Some("0".to_owned()),
        ..DeclaredTenant::default()
    };
    for (tenants, hand_outs) in [(vec![germany], 1), (Vec::new(), 2)] {
        for phones in [["+49 30 12345", "030 12345"], ["030 12345", "0049 30 12345"]] {
            let mut world = world_of(tenants.clone(), vec![limit(1, "phone", DAY)]);
            add(&mut world, "demo", &[("GSW_PHONE", phones[0])]);
            add(&mut world, "other", &[("GSW_PHONE", phones[1])]);
            let handed = (0..3).filter_map(|_| preview(&mut world, GROUP)).count();
            assert_eq!((handed, attempts(&world)), (hand_outs, hand_outs), "{phones:?}");
        }
    }
}

/// Each row: the limit, and whether the second campaign hands a record out after an attempt on another record of the same phone in
/// the first campaign.
#[test]
fn a_campaigns_limit_counts_its_own_attempts_and_a_tenants_limit_all() {
    for (limit, is_handed_out) in [
        (limit(1, "phone", DAY), false),
        (of_campaign("Renewals", limit(1, "phone", DAY)), true),
        (of_campaign("Others", limit(1, "phone", DAY)), true),
    ] {
        let mut world = world(vec![limit.clone()]);
        add(&mut world, "demo", &[PHONE]);
        assert_eq!(preview(&mut world, GROUP), Some(1));
        add(&mut world, "other", &[PHONE]);
        assert_eq!(preview(&mut world, GROUP + 1).is_some(), is_handed_out, "{limit:?}");
    }
}

#[test]
fn an_attempt_without_a_hand_out_counts_in_every_campaign_of_the_list() {
    let limits = ["Renewals", "Others"].map(|name| of_campaign(name, limit(1, "phone", DAY)));
    for (list, held) in [("demo", [true, false]), ("other", [true, true])] {
        let mut world = world(limits.to_vec());
        add(&mut world, list, &[PHONE]);
        processed(&mut world, 1, "Answer");
        add(&mut world, "other", &[PHONE]);
        let handed = [GROUP, GROUP + 1].map(|group| {
            let mut asked = World { map: world.map.clone(), ..World::default() };
            (asked.version, asked.now_us, asked.counter) = (world.version, world.now_us, world.counter);
            asked.digest = world.digest;
            preview(&mut asked, group).is_none()
        });
        assert_eq!(handed, held, "{list}");
    }
}

#[test]
fn no_row_is_written_where_no_limit_applies() {
    for limits in [vec![], vec![of_campaign("Others", limit(1, "phone", DAY))]] {
        let mut world = world(limits);
        add(&mut world, "demo", &[PHONE]);
        preview(&mut world, GROUP);
        processed(&mut world, 1, "Busy");
        assert_eq!(attempts(&world), 0);
    }
}

#[test]
fn an_attempt_is_a_row_of_the_subject_with_campaign_list_and_result() {
    let mut world = world(vec![limit(3, "phone", DAY), limit(3, "chain", DAY), limit(3, "customer", DAY)]);
    add(&mut world, "demo", &[PHONE]);
    preview(&mut world, GROUP);
    let stamp_us = record(&world, 1).held_since_us;
    processed(&mut world, 1, "Busy");
    let rows = world.map.table(Table::Attempt);
    let expected = [AttemptSubject::Phone(0, "+15550001".to_owned()), AttemptSubject::Chain(DEMO, 1)];
    assert_eq!(rows.len(), expected.len(), "the record has no customer");
    for ((key, row), subject) in rows.into_iter().zip(expected) {
        assert_eq!(key, Key::Attempt { subject, stamp_us, handle: outbound::Handle(1) });
        let campaign = crate::declaring::CAMPAIGN;
        let expected = records::AttemptRow { campaign, list: DEMO, result: Some(BUSY) };
        assert_eq!(row, records::Row::Attempt(expected));
    }
}

#[test]
fn attempts_are_forgotten_once_they_are_older_than_the_longest_limit() {
    let mut world = world(vec![limit(50, "phone", HOUR)]);
    add(&mut world, "demo", &[PHONE]);
    for _ in 0..20 {
        preview(&mut world, GROUP);
        processed(&mut world, 1, "Busy");
    }
    assert_eq!(attempts(&world), 20);
    world.wait_ms(HOUR * 1_000 + 1);
    for _ in 0..100 {
        ask(&mut world, "CampaignStatusRequest", &format!("campaigngroups/{GROUP}"), &[]);
    }
    assert_eq!(attempts(&world), 0);
}

/// Each row: the request about the first record, and whether the first record may be handed out again after it.
#[test]
fn an_attempt_that_is_taken_back_frees_the_records_that_its_limit_held_back() {
    for verb in ["RecordReject", "RequestRecordCancel"] {
        for per in ["phone", "customer"] {
            let mut world = world(vec![limit(1, per, 7 * DAY)]);
            for _ in 0..3 {
                add(&mut world, "demo", &[PHONE, ("CLIENT_ID", "c")]);
            }
            assert_eq!((preview(&mut world, GROUP), preview(&mut world, GROUP)), (Some(1), None), "{verb} {per}");
            let reply = ask(&mut world, verb, "records/1", &[]);
            assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
            assert_eq!((preview(&mut world, GROUP), preview(&mut world, GROUP)), (Some(2), None), "{verb} {per}");
        }
    }
}

#[test]
fn a_declaration_that_changes_frees_the_records_that_limits_held_back() {
    let mut world = world(vec![limit(1, "phone", 7 * DAY)]);
    for _ in 0..4 {
        add(&mut world, "demo", &[PHONE]);
    }
    assert_eq!((preview(&mut world, GROUP), preview(&mut world, GROUP)), (Some(1), None));
    let raised = DeclaredLimit { max: Some(2), ..limit(1, "phone", 7 * DAY) };
    let raised = Declaration { contact_limits: vec![raised], ..Declaration::default() };
    let revision = records::declared(&world.map).revision();
    let reply =
        world.ask(Body::ApplyDeclaration(Box::new(ApplyDeclaration { declaration: raised, revision, prune: false })));
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
    let mut commands = 0;
    while records::bring_up(&world.map).is_left() {
        world.ask(Body::BringUp(BringUp { rows_max: 2 }));
        commands += 1;
    }
    assert_eq!(commands, 2, "three records, two a command");
    assert_eq!((preview(&mut world, GROUP), preview(&mut world, GROUP)), (Some(2), None));
}

#[test]
fn a_request_on_a_record_that_is_held_back_has_the_next_preview_ask_anew() {
    let mut world = world(Vec::new());
    change_list(&mut world, DEMO, |list| ListRow { attempts_max: 2, ..list });
    add(&mut world, "demo", &[PHONE, ("GSW_ATTEMPTS", "2")]);
    assert_eq!(preview(&mut world, GROUP), None);
    assert_eq!(why(&world, 1), (7, None), "neither pause nor limit holds the record back");
    ask(&mut world, "UpdateCallCompletionStats", "records/1", &[("GSW_ATTEMPTS", "1")]);
    assert_eq!(preview(&mut world, GROUP), Some(1));
}

/// Number of the first condition that a record fails, and the end of the obstacle.
fn why(world: &World, handle: u64) -> (u32, Option<i64>) {
    let why = records::why_not_dialable(&world.map, Handle(handle), world.now_us).unwrap();
    (why.condition, why.until_s)
}
