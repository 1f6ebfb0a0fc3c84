//! Parted counters, from rules version 4 on: the rows that commands write, and numbers of new rows that an engine gives in blocks.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{World, batch, request};
use outbound::{Body, Command, Handle, NewList, RULES_NEWEST, RULES_WITH_PARTED_COUNTERS, ReplyBody, Request, key};
use records::{
    Changes, Counter, Counters, DncScope, Key, ListCountersRow, Numbers, Overlay, Row, Rules, Table, decide_with,
};

/// A list and two records, under a rules version.
fn world(version: u32) -> World {
    let mut world = World::default();
    world.create("demo", "", Vec::new());
    for phone in ["1", "2"] {
        add(&mut world, "demo", phone);
    }
    (2..=version).for_each(|version| drop(world.raise(version, Vec::new())));
    world
}

fn add(world: &mut World, list: &str, phone: &str) {
    let reply = world.ask(Body::Request(request("AddRecord", &format!("lists/{list}"), &[("GSW_PHONE", phone)])));
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
}

fn update(attempts: &str) -> Request {
    request("UpdateCallCompletionStats", "records/1", &[("GSW_ATTEMPTS", attempts)])
}

/// The rows of the last changes that the digest covers, without those of requests and of the audit.
fn written(world: &World) -> Vec<Key> {
    let state = world.changes.0.iter().map(|change| change.key.clone());
    state.filter(|key| key.table().is_state() && !matches!(key.table(), Table::Request | Table::Audit)).collect()
}

#[test]
fn a_command_writes_the_counters_that_it_changes_and_no_other() {
    let mut world = world(RULES_NEWEST);
    world.ask(Body::Request(update("1")));
    world.ask(Body::Request(update("2")));
    assert_eq!(written(&world), [Key::Meta, Key::Record(Handle(1))]);
    add(&mut world, "demo", "3");
    add(&mut world, "demo", "4");
    let handle = Key::Counter(Counter::LastHandle);
    assert_eq!(written(&world), [Key::Meta, Key::Record(Handle(4)), handle, Key::ListCounters(101)]);
    let keyed = Request { idempotency_key: Some(vec![7]), ..update("3") };
    world.ask(Body::Request(keyed));
    let keys = [Counter::KeysNext, Counter::KeysFirstStampUs].map(Key::Counter);
    let rows: Vec<_> = written(&world).into_iter().filter(|key| key.table() == Table::Counter).collect();
    assert_eq!(rows, keys, "the first key of all is the oldest");
    world.create("other", "", Vec::new());
    let list = [Key::Meta, Key::List(102), Key::Counter(Counter::LastList), Key::ListCounters(102)];
    assert_eq!(written(&world), list);
}

#[test]
fn a_floor_is_written_when_ids_are_forgotten_and_at_no_other_time() {
    let mut world = world(RULES_NEWEST);
    let is_floor = |key: &Key| key.table() == Table::Floor;
    world.ask(Body::Request(update("1")));
    assert!(!written(&world).iter().any(is_floor));
    world.wait_ms(62_000);
    world.ask(Body::Request(update("2")));
    assert!(written(&world).iter().any(is_floor), "the ids of a minute ago");
}

#[test]
fn a_raise_parts_all_counters_in_one_command() {
    for version in 1..RULES_WITH_PARTED_COUNTERS {
        let mut world = world(version);
        world.create("other", "", Vec::new());
        let before = records::counters(&world.map);
        world.raise(RULES_WITH_PARTED_COUNTERS, Vec::new());
        let after = records::counters(&world.map);
        assert_eq!((after.last_handle, after.last_list), (2, 102));
        assert_eq!(after.floors, before.floors, "from version {version}");
        assert_eq!(records::records_of_all_lists(&world.map), 2);
        let lists: Vec<_> = world.map.table(Table::ListCounters).into_iter().map(|(key, _)| key).collect();
        assert_eq!(lists, [Key::ListCounters(101), Key::ListCounters(102)]);
        add(&mut world, "demo", "3");
        assert_eq!(records::records_from(&world.map, 101, 3, 9).len(), 1, "ids go on");
    }
}

#[test]
fn a_command_of_an_earlier_version_behind_the_raise_finds_the_parted_counters() {
    for version in 1..RULES_WITH_PARTED_COUNTERS {
        let mut world = world(RULES_NEWEST);
        world.version = version;
        add(&mut world, "demo", "3");
        world.create("other", "", Vec::new());
        world.ask(Body::ImportBatch(batch("other", "f", 1, &["contact_info,record_id", "4,7", "5,"])));
        assert_eq!(records::record(&world.map, Handle(5)).unwrap().record_id, 8);
        assert_eq!(records::records_of_all_lists(&world.map), 5);
    }
}

#[test]
fn commands_of_one_entry_are_decided_as_if_they_came_alone_around_the_raise() {
    let mut world = world(3);
    let mut alone = world.map.clone();
    let bodies = |phone| Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", phone)]));
    let raise = outbound::RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".into() };
    let mut commands = Vec::new();
    for (at, body) in
        [bodies("11"), Body::RaiseRules(raise), bodies("12"), bodies("13"), bodies("12")].into_iter().enumerate()
    {
        let rules = if at == 0 { 3 } else { RULES_NEWEST };
        let id = world.id(1, 1, 100 + at as u64);
        world.now_us += 1_000;
        commands.push(Command { rules, ..world.command(id, body) });
    }
    for command in &commands {
        let (_, changes, _) = records::decide(command, &alone, &world.rules);
        alone.apply(&changes);
    }
    let (replies, changes, events) = records::decide_entry(&commands, &world.map, &world.rules);
    assert!(replies[4].replayed, "a repeat");
    world.take(&replies, changes, events);
    assert_eq!(world.map, alone);
    assert_eq!(records::counters(&world.map).last_handle, 5);
}

/// Numbers of one block.
const BLOCK: u64 = 5;

/// One of two writers, which take blocks in turn.
struct Blocks {
    writer: u64,
    given: BTreeMap<(&'static str, u32), u64>,
}

impl Blocks {
    fn number(&mut self, kind: &'static str, list: u32) -> u64 {
        let given = self.given.entry((kind, list)).or_default();
        let number = (*given / BLOCK * 2 + self.writer) * BLOCK + *given % BLOCK + 1;
        *given += 1;
        number
    }
}

impl Numbers for Blocks {
    fn handle(&mut self, _: &mut Counters) -> Handle {
        Handle(self.number("handle", 0))
    }

    fn list(&mut self, _: &Counters) -> u32 {
        100 + u32::try_from(self.number("list", 0)).unwrap()
    }

    fn record_id(&mut self, list: u32, _: &ListCountersRow) -> u64 {
        self.number("record", list)
    }

    fn chain_id(&mut self, list: u32, _: &ListCountersRow) -> u64 {
        self.number("chain", list)
    }

    fn ids_are_free(&self) -> bool {
        false
    }
}

/// A state of two writers with numbers out of blocks.
struct Writers {
    world: World,
    numbers: [Blocks; 2],
    changed: BTreeSet<Counter>,
}

impl Writers {
    fn new() -> Self {
        let mut world = World::default();
        world.raise(RULES_NEWEST, Vec::new());
        let numbers = [0, 1].map(|writer| Blocks { writer, given: BTreeMap::new() });
        Self { world, numbers, changed: BTreeSet::new() }
    }

    /// Decides a command with the numbers of a writer; answers the reply.
    fn ask(&mut self, writer: usize, body: Body) -> ReplyBody {
        let world = &mut self.world;
        (world.counter, world.now_us) = (world.counter + 1, world.now_us + 1_000);
        let command = world.command(world.id(1, 1, world.counter), body);
        let (reply, changes) = {
            let mut overlay = Overlay::new(&world.map);
            let numbers = &mut self.numbers[writer];
            let reply = decide_with(&command, &mut overlay, &Rules::default(), numbers, &mut Vec::new());
            (reply, overlay.into_changes())
        };
        self.note(&changes);
        self.world.map.apply(&changes);
        reply.body
    }

    fn note(&mut self, Changes(changes): &Changes) {
        for change in changes {
            let twice = match (&change.key, &change.old, &change.new) {
                (Key::Record(_), Some(Row::Record(old)), Some(Row::Record(new))) => {
                    (old.list, old.record_id) != (new.list, new.record_id)
                }
                (Key::RecordById { .. } | Key::RecordByChain { .. }, old, _) => old.is_some(),
                _ => false,
            };
            assert!(!twice, "a number was given twice: {change:?}");
        }
        self.changed.extend(changes.iter().filter_map(|change| match change.key {
            Key::Counter(counter) => Some(counter),
            _ => None,
        }));
    }

    fn add(&mut self, writer: usize, list: &str, phone: u32) {
        let (resource, phone) = (format!("lists/{list}"), phone.to_string());
        let added = self.ask(writer, Body::Request(request("AddRecord", &resource, &[("GSW_PHONE", &phone)])));
        assert!(matches!(added, ReplyBody::Done(_)), "{added:?}");
    }
}

fn new_list(name: &str) -> Body {
    Body::CreateList(NewList { name: name.into(), time_zone: String::new(), fields: Vec::new() })
}

#[test]
fn two_writers_give_numbers_out_of_blocks_and_never_the_same() {
    let mut writers = Writers::new();
    writers.ask(0, new_list("demo"));
    for round in 0..8 {
        writers.add(0, "demo", 100 + round);
        writers.add(1, "demo", 200 + round);
    }
    // rows with ids of the blocks that the writers have taken, and with none
    let rows = ["contact_info,record_id,chain_id", "301,14,14", "302,20,", "303,,16", "304,,", "305,,"];
    let ReplyBody::Imported(imported) = writers.ask(1, Body::ImportBatch(batch("demo", "f", 1, &rows))) else {
        panic!("refused")
    };
    assert_eq!((imported.added, imported.rejected.len()), (5, 0));
    for round in 0..8 {
        writers.add(round % 2, "demo", 400 + u32::try_from(round).unwrap());
    }
    let map = &writers.world.map;
    let records = records::records_from(map, 101, 0, u32::MAX);
    assert_eq!(records.len() as u64, 24 + imported.added);
    for record_id in [14, 20] {
        assert!(records::record_by_id(map, 101, record_id).unwrap().1.contact_info.starts_with('3'), "{record_id}");
    }
    let handles: BTreeSet<u64> = records.iter().map(|(handle, _)| handle.0).collect();
    assert_eq!(handles.len(), records.len());
    let list = records::list(map, 101).unwrap();
    assert_eq!(records::list_counters(map, 101, &list).records, records.len() as u64);
    assert_eq!(writers.changed, BTreeSet::from([Counter::LastList]), "no writer waits for another's numbers");
}

#[test]
fn a_refused_request_takes_no_number() {
    let mut writers = Writers::new();
    writers.ask(0, new_list("demo"));
    let chain = [("GSW_PHONE", "1"), ("GSW_CHAIN_ID", "77")];
    let refused = writers.ask(0, Body::Request(request("AddRecord", "lists/demo", &chain)));
    assert!(matches!(refused, ReplyBody::Refused(_)), "{refused:?}");
    writers.add(0, "demo", 1);
    assert_eq!(records::record_by_id(&writers.world.map, 101, 1).map(|(handle, _)| handle), Some(Handle(1)));
}

#[test]
fn do_not_call_entries_of_a_list_out_of_a_block_are_found() {
    let mut writers = Writers::new();
    writers.ask(1, new_list("second"));
    writers.add(1, "second", 9997);
    let of_list = [(key::CALLING_LIST, "second")];
    let stopped = writers.ask(0, Body::Request(request("DoNotCall", "phones/9997", &of_list)));
    assert!(matches!(stopped, ReplyBody::Done(_)), "{stopped:?}");
    let (_, entries) = records::do_not_call_of(&writers.world.map, "9997");
    let scopes: Vec<_> = entries.iter().map(|(key, _)| key.clone()).collect();
    assert!(matches!(scopes[..], [Key::Dnc(DncScope::List(106), _)]), "{scopes:?}");
}
