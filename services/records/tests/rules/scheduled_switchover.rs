//! A switchover at a time to come: one schedule, done once or lapsed, with its rows in the audit and its note in the history.

use std::sync::Arc;

use crate::common::{START_US, World, show};
use outbound::{
    Body, Command, DueSwitchover, Origin, RULES_NEWEST, RULES_WITH_SCHEDULED_SWITCHOVER, RefusalCode, Reply, ReplyBody,
    RoleChange, SWITCHOVER_AHEAD_MAX_S, SWITCHOVER_LATE_MAX_S, ScheduleSwitchover,
};
use records::{AuditRow, Row, ScheduledSwitchoverRow, Table, decide, role_changes, scheduled_switchover};

/// An hour after the world begins.
const AT_S: u64 = START_US / 1_000_000 + 3_600;

fn world() -> World {
    let mut world = World::default();
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    change_role(&mut world, 3, "a");
    world
}

fn change_role(world: &mut World, term: u64, to: &str) {
    let (to, reason) = (to.to_owned(), "why".to_owned());
    world.ask(Body::RoleChange(RoleChange { term, to, reason, pause_ms: 0, ordered: None }));
}

/// Schedules in the name of maria.
fn schedule(world: &mut World, at_s: u64, to: &str) -> Reply {
    world.counter += 1;
    world.now_us += 1_000;
    let body = Body::ScheduleSwitchover(ScheduleSwitchover { at_s, to: to.to_owned() });
    let id = world.id(1, 1, world.counter);
    let command = Command { principal: "maria".into(), address: "h:1".into(), ..world.command(id, body) };
    let (reply, changes, events) = decide(&command, &world.map, &world.rules);
    world.take(std::slice::from_ref(&reply), changes, events);
    reply
}

/// The step that a primary proposes so many seconds behind the time.
fn due(world: &mut World, late_s: u64, (node, term): (&str, u64), why: &str) -> Reply {
    world.now_us = world.now_us.max((AT_S + late_s) * 1_000_000);
    world.ask(Body::DueSwitchover(DueSwitchover { at_s: AT_S, node: node.to_owned(), term, why: why.to_owned() }))
}

fn scheduled(world: &World) -> Option<ScheduledSwitchoverRow> {
    scheduled_switchover(&world.map)
}

#[track_caller]
fn code(reply: &Reply) -> RefusalCode {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        _ => panic!("not refused: {}", show(reply)),
    }
}

#[track_caller]
fn event(reply: &Reply) -> &str {
    match &reply.body {
        ReplyBody::Done(done) => &done.event,
        _ => panic!("not done: {}", show(reply)),
    }
}

/// Name, principal, subject, details and outcome of the last row of the audit.
fn audited(world: &World) -> [String; 5] {
    let (_, Row::Audit(row)) = world.map.table(Table::Audit).pop().unwrap() else { panic!("no row of the audit") };
    let AuditRow { what, principal, about, details, outcome, .. } = Arc::unwrap_or_clone(row);
    [what, principal, about, details, outcome]
}

#[test]
fn one_switchover_is_scheduled_at_a_time_and_can_be_cancelled() {
    let mut world = world();
    assert_eq!(event(&schedule(&mut world, AT_S, "b")), "SwitchoverScheduled");
    let row = scheduled(&world).unwrap();
    assert_eq!((row.at_s, row.to.as_str(), row.principal.as_str(), row.from.as_str()), (AT_S, "b", "maria", ""));
    assert_eq!(audited(&world), ["ScheduleSwitchover", "maria", "b", "for 2024-01-01T01:00:00Z", "done"]);
    assert_eq!(event(&schedule(&mut world, AT_S, "b")), "SwitchoverScheduled", "the same again");
    for (at_s, to) in [(AT_S, ""), (AT_S + 1, "b")] {
        assert_eq!(code(&schedule(&mut world, at_s, to)), RefusalCode::Conflict, "{at_s} {to}");
    }
    assert_eq!(scheduled(&world), Some(row));
    assert_eq!(event(&world.ask(Body::CancelSwitchover)), "SwitchoverCancelled");
    assert_eq!(audited(&world), ["CancelSwitchover", "", "b", "that for 2024-01-01T01:00:00Z", "done"]);
    assert_eq!(scheduled(&world), None);
    assert_eq!(code(&world.ask(Body::CancelSwitchover)), RefusalCode::Conflict);
}

#[test]
fn a_time_that_is_past_or_more_than_a_year_ahead_is_refused() {
    let mut world = world();
    let now_s = world.now_us / 1_000_000;
    for at_s in [0, now_s - 1, now_s, now_s + SWITCHOVER_AHEAD_MAX_S + 60, u64::MAX] {
        assert_eq!(code(&schedule(&mut world, at_s, "")), RefusalCode::BadValue, "{at_s}");
    }
    assert_eq!(scheduled(&world), None);
    assert_eq!(event(&schedule(&mut world, now_s + SWITCHOVER_AHEAD_MAX_S, "")), "SwitchoverScheduled");
}

#[test]
fn nothing_is_done_before_the_time_nor_for_another_time() {
    let mut world = world();
    schedule(&mut world, AT_S, "");
    let early = DueSwitchover { at_s: AT_S, node: "a".into(), term: 3, why: String::new() };
    assert_eq!(code(&world.ask(Body::DueSwitchover(early.clone()))), RefusalCode::Conflict);
    world.now_us = (AT_S + 1) * 1_000_000;
    let other = DueSwitchover { at_s: AT_S + 1, ..early };
    assert_eq!(code(&world.ask(Body::DueSwitchover(other))), RefusalCode::Conflict);
    assert!(scheduled(&world).is_some_and(|row| row.from.is_empty()));
}

#[test]
fn the_first_primary_behind_the_time_hands_over_and_the_next_primary_finds_it_done() {
    let mut world = world();
    schedule(&mut world, AT_S, "");
    for attempt in 0..3 {
        assert_eq!(event(&due(&mut world, attempt, ("a", 3), "b is away")), "SwitchoverBegun", "{attempt}");
    }
    assert!(scheduled(&world).is_some_and(|row| (row.from.as_str(), row.term) == ("a", 3)));
    assert_eq!(event(&due(&mut world, 4, ("b", 4), "")), "SwitchoverDone");
    let details = "scheduled for 2024-01-01T01:00:00Z by maria: from a";
    assert_eq!(audited(&world), ["Switchover", "", "b", details, "done"]);
    assert_eq!(scheduled(&world), None);
    assert_eq!(code(&due(&mut world, 5, ("b", 4), "")), RefusalCode::Conflict, "a second time");
    assert!(role_changes(&world.map).iter().all(|(_, row)| row.note.is_empty()));
}

#[test]
fn a_primary_that_lost_the_role_and_has_it_again_hands_over_no_second_time() {
    let mut world = world();
    schedule(&mut world, AT_S, "");
    due(&mut world, 0, ("a", 3), "");
    change_role(&mut world, 4, "b");
    change_role(&mut world, 6, "a");
    let done = due(&mut world, 30, ("a", 6), "");
    assert_eq!(event(&done), "SwitchoverDone");
    assert_eq!(audited(&world)[2], "b");
}

#[test]
fn a_primary_that_only_was_elected_again_goes_on() {
    let mut world = world();
    schedule(&mut world, AT_S, "");
    due(&mut world, 0, ("a", 3), "");
    change_role(&mut world, 5, "a");
    assert_eq!(event(&due(&mut world, 30, ("a", 5), "")), "SwitchoverBegun");
}

#[test]
fn the_wanted_node_that_is_primary_already_keeps_the_role() {
    let mut world = world();
    schedule(&mut world, AT_S, "b");
    change_role(&mut world, 4, "b");
    assert_eq!(event(&due(&mut world, 0, ("b", 4), "")), "SwitchoverDone");
    assert!(audited(&world)[3].ends_with("b was primary already"), "{:?}", audited(&world));
}

#[test]
fn a_switchover_that_is_not_done_in_time_lapses_and_says_why() {
    for (why, begins, said) in
        [("", false, "there was no primary"), ("no node can take over", true, "no node can take")]
    {
        let mut world = world();
        schedule(&mut world, AT_S, "b");
        if begins {
            due(&mut world, 0, ("a", 3), "");
            assert_eq!(event(&due(&mut world, SWITCHOVER_LATE_MAX_S - 1, ("a", 3), why)), "SwitchoverBegun");
        }
        assert_eq!(event(&due(&mut world, SWITCHOVER_LATE_MAX_S, ("a", 3), why)), "SwitchoverLapsed");
        let [what, _, about, details, outcome] = audited(&world);
        assert_eq!([what.as_str(), about.as_str(), outcome.as_str()], ["Switchover", "b", "lapsed"]);
        assert!(details.contains("not done within 600 s") && details.contains(said), "{details}");
        let (_, newest) = role_changes(&world.map).pop().unwrap();
        assert!(newest.note.contains(said) && newest.reason == "why", "{newest:?}");
        assert_eq!(scheduled(&world), None);
    }
}

#[test]
fn a_second_lapse_is_noted_beside_the_first_within_a_bounded_length() {
    let mut world = world();
    for round in 0..9 {
        let at_s = AT_S + 10_000 * round;
        assert_eq!(event(&schedule(&mut world, at_s, "b")), "SwitchoverScheduled", "{round}");
        world.now_us = (at_s + SWITCHOVER_LATE_MAX_S) * 1_000_000;
        let (node, why) = ("a".to_owned(), "x".repeat(10_000));
        world.ask(Body::DueSwitchover(DueSwitchover { at_s, node, term: 3, why }));
    }
    let (_, newest) = role_changes(&world.map).pop().unwrap();
    assert!(newest.note.len() <= 512, "{}", newest.note.len());
}

#[test]
fn rules_before_version_7_schedule_nothing() {
    let mut world = World::default();
    (2..RULES_WITH_SCHEDULED_SWITCHOVER).for_each(|version| drop(world.raise(version, Vec::new())));
    let bodies = [
        Body::ScheduleSwitchover(ScheduleSwitchover { at_s: AT_S, to: String::new() }),
        Body::CancelSwitchover,
        Body::DueSwitchover(DueSwitchover { at_s: AT_S, ..DueSwitchover::default() }),
    ];
    for (number, body) in (900..).zip(bodies) {
        assert_eq!(body.rules_min(), RULES_WITH_SCHEDULED_SWITCHOVER);
        let id = world.id(1, 1, number);
        let stamp_us = world.now_us + number;
        let early = Command::new(RULES_WITH_SCHEDULED_SWITCHOVER - 1, id, stamp_us, Origin::Control, body);
        let (reply, changes, events) = decide(&early, &world.map, &world.rules);
        assert_eq!(code(&reply), RefusalCode::Unavailable);
        world.take(&[reply], changes, events);
    }
    assert_eq!(scheduled(&world), None);
}
