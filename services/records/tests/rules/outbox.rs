//! The outbox: subscribed effects are kept under numbers until they are acknowledged, and every other state stays unchanged.

use crate::common::{World, batch, request, show};
use outbound::{
    ACKNOWLEDGED_EFFECTS_MAX, AcknowledgeEffects, Body, Effect, Handle, RULES_WITH_OUTBOX, Reply, RequestId, Setting,
};
use records::{OutboxMarkRow, Table, outbox_behind, outbox_mark};

/// DBID of the list of every test.
const DEMO: u32 = 101;

/// Under rules with an outbox, and an empty list.
fn world(version: u32) -> World {
    let mut world = World::default();
    (2..=version).for_each(|version| drop(world.raise(version, Vec::new())));
    world.create("demo", "", Vec::new());
    world
}

fn set(world: &mut World, pairs: &[(&str, &str)]) -> String {
    let setting = |(key, value): &(&str, &str)| Setting { key: (*key).to_owned(), value: (*value).to_owned() };
    show(&world.ask(Body::SetSettings(pairs.iter().map(setting).collect())))
}

/// A world that keeps every added record.
fn keeping() -> World {
    let mut world = world(RULES_WITH_OUTBOX);
    set(&mut world, &[("outbox_effects", "record_added")]);
    world
}

fn add(world: &mut World, records: u32) {
    for _ in 0..records {
        let phone = format!("+1555{:07}", world.counter);
        world.ask(Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", &phone)])));
    }
}

/// Records of an import, up to 500 rows.
fn import(world: &mut World, first_row: u64, rows: u64) {
    let lines: Vec<String> = (first_row..first_row + rows).map(|row| format!("+1666{row:07}")).collect();
    let lines: Vec<&str> = ["contact_info"].into_iter().chain(lines.iter().map(String::as_str)).collect();
    world.ask(Body::ImportBatch(batch("demo", "file", first_row, &lines)));
}

fn acknowledge(world: &mut World, up_to: u64) -> Reply {
    world.ask(Body::AcknowledgeEffects(AcknowledgeEffects { up_to }))
}

fn numbers(world: &World) -> Vec<u64> {
    outbox_behind(&world.map, 0, u32::MAX).into_iter().map(|(number, _)| number).collect()
}

#[test]
fn subscribed_effects_are_kept_in_the_order_of_the_decisions() {
    let mut world = world(RULES_WITH_OUTBOX);
    let reply = set(&mut world, &[("outbox_effects", " record_changed, record_added,,record_added")]);
    assert_eq!(reply, "SettingsSet outbox_effects=\"\" outbox_effects=\"record_added,record_changed\"");
    add(&mut world, 1);
    let added_us = world.now_us;
    world.create("other", "", Vec::new());
    world.ask(Body::Request(request("UpdateCallCompletionStats", "records/1", &[("GSW_ATTEMPTS", "2")])));
    add(&mut world, 1);
    let kept = outbox_behind(&world.map, 0, u32::MAX);
    let effects: Vec<_> = kept.iter().map(|(number, row)| (*number, row.effect())).collect();
    let added = |handle| Effect::RecordAdded { handle: Handle(handle), list: DEMO };
    let changed = Effect::RecordChanged { handle: Handle(1), list: DEMO };
    assert_eq!(effects, [(1, added(1)), (2, changed), (3, added(2))], "and no effect of another kind");
    assert_eq!((kept[0].1.stamp_us, kept[0].1.epoch), (added_us, 1));
    assert_eq!(outbox_behind(&world.map, 1, 1)[0].0, 2, "a page begins behind a number");
    assert!(outbox_behind(&world.map, 3, 1).is_empty());
}

#[test]
fn a_request_that_is_repeated_or_refused_has_no_effect_of_its_own() {
    let mut world = keeping();
    let pairs = [("GSW_PHONE", "+1")];
    let id = world.id(1, 1, 900);
    let first = world.ask_as(id, Body::Request(request("AddRecord", "lists/demo", &pairs)));
    let again = world.ask_as(id, Body::Request(request("AddRecord", "lists/demo", &pairs)));
    assert_eq!(first, again);
    assert!(world.ask(Body::Request(request("AddRecord", "lists/demo", &pairs))).replayed, "the replay window");
    world.ask(Body::Request(request("AddRecord", "lists/nowhere", &pairs)));
    assert_eq!(numbers(&world), [1]);
}

#[test]
fn no_number_is_given_again_after_everything_was_acknowledged() {
    let mut world = keeping();
    add(&mut world, 3);
    assert_eq!(show(&acknowledge(&mut world, 2)), "EffectsAcknowledged left=0");
    assert_eq!(numbers(&world), [3]);
    acknowledge(&mut world, 3);
    assert!(world.map.table(Table::Outbox).is_empty());
    add(&mut world, 1);
    assert_eq!(numbers(&world), [4]);
    assert_eq!(outbox_mark(&world.map), OutboxMarkRow { last: 4, gone: 3, dropped: 0, epoch: 1 });
}

#[test]
fn an_acknowledgement_twice_is_one() {
    let mut world = keeping();
    add(&mut world, 3);
    let first = acknowledge(&mut world, 2);
    let second = acknowledge(&mut world, 2);
    assert_eq!(first, second);
    let of_outbox = |table| matches!(table, Table::Outbox | Table::OutboxMark);
    assert!(!world.changes.0.iter().any(|change| of_outbox(change.key.table())), "{:?}", world.changes);
    acknowledge(&mut world, 1);
    assert_eq!(numbers(&world), [3], "an older acknowledgement that comes late takes nothing back");
}

#[test]
fn a_number_that_was_never_given_is_not_acknowledged() {
    let mut world = keeping();
    add(&mut world, 1);
    let refused = "BAD_VALUE \"Effect 2 is not acknowledged: the last effect has number 1\"";
    assert_eq!(show(&acknowledge(&mut world, 2)), refused);
    assert_eq!(numbers(&world), [1]);
}

#[test]
fn an_acknowledgement_removes_a_bounded_piece_and_says_how_many_are_left() {
    let mut world = keeping();
    for batch in 0..3 {
        import(&mut world, 1 + batch * 500, 500);
    }
    let max = u64::from(ACKNOWLEDGED_EFFECTS_MAX);
    assert_eq!(show(&acknowledge(&mut world, 1_400)), format!("EffectsAcknowledged left={}", 1_400 - max));
    assert_eq!(numbers(&world), (max + 1..=1_500).collect::<Vec<_>>());
    assert_eq!(show(&acknowledge(&mut world, 1_400)), "EffectsAcknowledged left=0");
    assert_eq!(numbers(&world), (1_401..=1_500).collect::<Vec<_>>());
}

#[test]
fn beyond_the_limit_the_oldest_effects_are_dropped_and_counted() {
    let mut world = keeping();
    set(&mut world, &[("outbox_rows_max", "4")]);
    add(&mut world, 6);
    assert_eq!(numbers(&world), [3, 4, 5, 6], "a reader sees the gap");
    assert_eq!(outbox_mark(&world.map), OutboxMarkRow { last: 6, gone: 2, dropped: 2, epoch: 1 });
    assert_eq!(show(&acknowledge(&mut world, 1)), "EffectsAcknowledged left=0", "a dropped effect counts as taken");
    import(&mut world, 1, 9);
    assert_eq!(numbers(&world), [12, 13, 14, 15], "a command with more effects than the limit");
    assert_eq!(outbox_mark(&world.map).dropped, 11);
}

#[test]
fn a_lower_limit_is_reached_in_bounded_pieces() {
    let mut world = keeping();
    for batch in 0..3 {
        import(&mut world, 1 + batch * 500, 500);
    }
    set(&mut world, &[("outbox_rows_max", "10")]);
    assert_eq!(numbers(&world).len(), 1_500, "a setting removes no row");
    add(&mut world, 1);
    assert_eq!(numbers(&world).len(), 500, "the written one and a thousand more");
    add(&mut world, 1);
    assert_eq!(numbers(&world), (1_493..=1_502).collect::<Vec<_>>());
}

#[test]
fn no_effect_is_kept_without_a_subscription() {
    let mut world = world(RULES_WITH_OUTBOX);
    add(&mut world, 2);
    assert_eq!(world.map.table(Table::Outbox).len() + world.map.table(Table::OutboxMark).len(), 0);
    set(&mut world, &[("outbox_effects", "list_created")]);
    add(&mut world, 2);
    assert!(world.map.table(Table::OutboxMark).is_empty());
}

#[test]
fn rules_version_3_has_no_outbox_and_no_option_of_an_outbox() {
    let mut three = world(3);
    let refused = set(&mut three, &[("outbox_effects", "record_added")]);
    assert!(refused.starts_with("BAD_VALUE"), "{refused}");
    assert_eq!(refused.matches("outbox").count(), 1, "the refused key alone: {refused}");
    let settings = |world: &World| records::settings(&world.map).unwrap().values().to_vec();
    let before = settings(&three);
    three.raise(RULES_WITH_OUTBOX, Vec::new());
    assert_eq!(settings(&three), before, "a raise writes no option of the outbox");

    set(&mut three, &[("outbox_effects", "record_added")]);
    three.version = 3;
    add(&mut three, 1);
    assert!(three.map.table(Table::Outbox).is_empty(), "a command of version 3 behind the raise");
    three.version = RULES_WITH_OUTBOX;
    add(&mut three, 1);
    assert_eq!(numbers(&three), [1]);
}

#[test]
fn an_effect_names_the_highest_epoch_so_far() {
    let mut world = keeping();
    let incarnations = [5, 2 << 48, 3, (3 << 48) + 1];
    for (counter, incarnation) in (900..).zip(incarnations) {
        let id = RequestId { node: 2, incarnation, token: 7, counter };
        let phone = counter.to_string();
        world.ask_as(id, Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", &phone)])));
    }
    let epochs: Vec<u64> = outbox_behind(&world.map, 0, 9).into_iter().map(|(_, row)| row.epoch).collect();
    assert_eq!(epochs, [1, 3, 3, 4]);
}

#[test]
fn an_option_of_the_outbox_takes_known_effects_and_a_limit_of_rows() {
    let mut world = keeping();
    let refused = set(&mut world, &[("outbox_effects", "record_added,records_added")]);
    assert!(refused.starts_with("BAD_VALUE \"outbox_effects takes names of effects"), "{refused}");
    assert!(set(&mut world, &[("outbox_rows_max", "0")]).starts_with("BAD_VALUE"));
    let reply = set(&mut world, &[("outbox_rows_max", "5")]);
    assert_eq!(reply, "SettingsSet outbox_rows_max=\"100000\" outbox_rows_max=\"5\"");
    let ended = set(&mut world, &[("outbox_effects", "")]);
    assert_eq!(ended, "SettingsSet outbox_effects=\"record_added\" outbox_effects=\"\"");
    add(&mut world, 1);
    assert!(numbers(&world).is_empty());
}
