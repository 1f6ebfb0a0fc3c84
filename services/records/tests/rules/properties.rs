//! Random commands from a seed: after every command the rows agree with each other, the digest follows the changes, deciding by
//! entry and deciding by command give the same state, and no request is applied twice.

use std::cell::Cell;

use crate::common::{World, batch, field, request};
use outbound::{
    AcknowledgeEffects, Body, Command, NewList, RULES_NEWEST, RULES_WITH_OUTBOX, RULES_WITH_PARTED_COUNTERS,
    RaiseRules, Reply, ReplyBody, RequestId, RewritePhones, RoleChange, Setting, Value,
};
use records::{Below, Bound, Counters, Key, MapView, Row, Table, View, decide_entry, read, role_changes};

/// Splitmix64: a few lines instead of a dependency, the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn any_body(random: &mut Random) -> Body {
    let list = random.one_of(&["one", "two", "three"]);
    let small = |random: &mut Random| random.below(12).to_string();
    match random.below(18) {
        17 => Body::AcknowledgeEffects(AcknowledgeEffects { up_to: random.below(60) }),
        16 => Body::RewritePhones(RewritePhones { rows_max: 3 }),
        0 => Body::CreateList(NewList {
            name: list.into(),
            time_zone: random.one_of(&["", "Europe/Berlin", "Nowhere"]).into(),
            fields: vec![field("AGE", "int")],
        }),
        1 | 2 => any_import(random, list),
        kind => {
            let verb = ["AddRecord", "UpdateRecord", "RecordProcessed", "DoNotCall"]
                [usize::try_from(kind.saturating_sub(3) / 4).unwrap()];
            let resource = match verb {
                "AddRecord" => format!("lists/{list}"),
                _ => format!("records/{}", random.below(40)),
            };
            let mut pairs = vec![("GSW_REFERENCE_ID", small(random))];
            for key in ["GSW_CALL_RESULT", "GSW_ATTEMPTS", "AGE", "GSW_CHAIN_ID"] {
                if random.below(3) == 0 {
                    pairs.push((key, small(random)));
                }
            }
            if verb == "AddRecord" {
                pairs.push(("GSW_PHONE", format!("{}{}", random.one_of(&["", "tel:", "1\u{2013}"]), small(random))));
            }
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let mut request = request(verb, &resource, &pairs);
            request.idempotency_key = (random.below(4) == 0).then(|| vec![u8::try_from(random.below(8)).unwrap()]);
            request.principal = random.one_of(&["", "", "p"]).into();
            Body::Request(request)
        }
    }
}

fn any_import(random: &mut Random, list: &str) -> Body {
    let header =
        random.one_of(&["contact_info,record_id", "record_id,contact_info,chain_id,x", "CONTACT_INFO,chain_n"]);
    let width = header.split(',').count();
    let row = |random: &mut Random| {
        let cells = (0..width).map(|_| random.one_of(&["", "1", "2", "7", "30", "x"]));
        cells.collect::<Vec<_>>().join(",")
    };
    let rows: Vec<String> = (0..=random.below(4)).map(|_| row(random)).collect();
    let lines: Vec<&str> = [header].into_iter().chain(rows.iter().map(String::as_str)).collect();
    Body::ImportBatch(batch(list, random.one_of(&["f", "g"]), 1 + random.below(5), &lines))
}

/// Commands as from the clients of two nodes: mostly new ids, some retries, time in steps of all sizes.
fn any_command(random: &mut Random, world: &mut World, sent: &mut Vec<Command>) -> Command {
    world.now_us += [1_000, 100_000, 3_000_000, 61_000_000, 90_000_000_000]
        [usize::try_from(random.below(40).saturating_sub(35)).unwrap()];
    if !sent.is_empty() && random.below(8) == 0 {
        let at = usize::try_from(random.below(sent.len() as u64)).unwrap();
        return Command { stamp_us: world.now_us, ..sent[at].clone() };
    }
    world.counter += 1;
    let node = 1 + u32::try_from(random.below(2)).unwrap();
    let id = world.id(node, 1 + world.counter / 300, world.counter);
    let body = std::iter::repeat_with(|| any_body(random)).find(|body| body.rules_min() <= world.version);
    let command = world.command(id, body.unwrap());
    sent.push(command.clone());
    command
}

#[test]
fn whatever_comes_both_nodes_agree_and_the_rows_do_too() {
    for seed in 0..12 {
        let raised_to = 2 + u32::try_from(seed % 3).unwrap();
        let mut random = Random(seed);
        let (mut one, mut many) = (World::default(), World::default());
        one.rules.idempotency_keys_max = 5;
        many.rules = one.rules;
        let mut sent = Vec::new();
        for round in 0..80 {
            let mut commands: Vec<_> =
                (0..1 + random.below(12)).map(|_| any_command(&mut random, &mut one, &mut sent)).collect();
            if round == 40 {
                commands.push(raise(&mut one, raised_to)); // later retries are decided as stamped
            }
            let (replies, changes, events) = decide_entry(&commands, &many.map, &many.rules);
            many.take(&replies, changes, events);
            for (command, reply) in commands.iter().zip(&replies) {
                let (alone, changes, events) = records::decide(command, &one.map, &one.rules);
                assert_eq!(alone, *reply, "seed {seed}");
                one.take(&[alone], changes, events);
            }
            assert_eq!(one.digest, many.digest, "seed {seed}");
            assert_eq!(one.map, many.map, "seed {seed}");
        }
        assert!(records::records_of_all_lists(&one.map) > 20, "seed {seed} did something");
        assert_eq!(records::settings(&one.map).map(|settings| settings.rules_version()), Some(raised_to));
        let mark = records::outbox_mark(&one.map);
        assert_eq!(mark.last > 20 && mark.dropped > 0, raised_to >= RULES_WITH_OUTBOX, "seed {seed}: {mark:?}");
    }
}

/// A world under the rules before the counters are parted.
fn with_whole_counters() -> World {
    let mut world = World::default();
    let few_keys = || vec![Setting { key: "idempotency_keys_max".into(), value: "5".into() }];
    (2..RULES_WITH_PARTED_COUNTERS).for_each(|version| drop(world.raise(version, few_keys())));
    world
}

/// Decides commands under the version of a world.
fn decide_in(world: &mut World, commands: &[Command]) -> Vec<Reply> {
    let stamped = |command: &Command| Command { rules: world.version, ..command.clone() };
    let commands: Vec<_> = commands.iter().map(stamped).collect();
    let (replies, changes, events) = decide_entry(&commands, &world.map, &world.rules);
    world.take(&replies, changes, events);
    replies
}

/// A raise to the version with parted counters where the round has come, else a raise that changes nothing: both remember a request.
fn maybe_raise(world: &mut World, round: u32, raises: bool, stamp_us: u64) {
    world.version = if raises { RULES_WITH_PARTED_COUNTERS } else { world.version };
    let id = RequestId { node: 9, incarnation: 1, token: 1, counter: 1 + u64::from(round) };
    let body = Body::RaiseRules(RaiseRules { to: world.version, settings: Vec::new(), release: "0.1.0".into() });
    let raise = Command { stamp_us, ..world.command(id, body) };
    decide_in(world, &[raise]);
}

/// Every row except those of counters, and without the replies to the raise.
fn rows_beside_counters(map: &MapView) -> Vec<(Key, Row)> {
    let counters =
        [Table::Meta, Table::List, Table::Counter, Table::Floor, Table::Phones, Table::ListCounters, Table::Settings];
    let tables = Table::ALL.into_iter().filter(|table| !counters.contains(table));
    let is_raise = |key: &Key| matches!(key, Key::Request(id) if id.node == 9);
    tables.flat_map(|table| map.table(table)).filter(|(key, _)| !is_raise(key)).collect()
}

#[test]
fn a_raise_to_parted_counters_keeps_every_answer_whenever_it_comes() {
    const ROUNDS: u32 = 60;
    for seed in 0..6 {
        let mut random = Random(seed);
        let mut source = with_whole_counters();
        let mut worlds = [0, ROUNDS / 2, ROUNDS].map(|raised_in| (raised_in, with_whole_counters()));
        let mut sent = Vec::new();
        for round in 0..ROUNDS {
            let before_us = source.now_us;
            let commands: Vec<_> =
                (0..1 + random.below(12)).map(|_| any_command(&mut random, &mut source, &mut sent)).collect();
            let replies = worlds.each_mut().map(|(raised_in, world)| {
                maybe_raise(world, round, round == *raised_in, before_us);
                decide_in(world, &commands)
            });
            assert!(replies.iter().all(|of_world| *of_world == replies[0]), "seed {seed}, round {round}: {replies:?}");
        }
        let [early, late, never] = worlds.map(|(_, world)| world);
        assert_eq!(
            [&early, &late, &never].map(|world| records::rules_version(&world.map)),
            [RULES_WITH_PARTED_COUNTERS, RULES_WITH_PARTED_COUNTERS, 3]
        );
        for world in [&early, &late] {
            let counted = |map: &MapView| Counters { records: None, ..records::counters(map) };
            assert_eq!(counted(&world.map), counted(&never.map), "seed {seed}");
            assert_eq!(rows_beside_counters(&world.map), rows_beside_counters(&never.map), "seed {seed}");
            for (dbid, list) in records::lists(&never.map) {
                let of_world = records::list(&world.map, dbid).unwrap();
                assert_eq!((&of_world.name, &of_world.fields), (&list.name, &list.fields));
                let counted = [(&world.map, &of_world), (&never.map, &list)];
                let [one, other] = counted.map(|(map, list)| records::list_counters(map, dbid, list));
                assert_eq!(one, other, "seed {seed}, list {dbid}");
            }
        }
        assert!(records::records_of_all_lists(&late.map) > 20, "seed {seed} did something");
    }
}

/// The options of an outbox that drops effects soon.
fn outbox() -> [Setting; 2] {
    let setting = |key: &str, value: &str| Setting { key: key.into(), value: value.into() };
    [setting("outbox_effects", "record_added,record_changed,list_created"), setting("outbox_rows_max", "9")]
}

fn raise(world: &mut World, to: u32) -> Command {
    world.counter += 1;
    let id = world.id(1, 1 + world.counter / 300, world.counter);
    let mut settings = vec![Setting { key: "idempotency_keys_max".into(), value: "5".into() }];
    if to >= RULES_WITH_OUTBOX {
        settings.extend(outbox());
    }
    let command = world.command(id, Body::RaiseRules(RaiseRules { to, settings, release: "0.1.0".into() }));
    world.version = to;
    command
}

#[test]
fn an_id_that_is_sent_again_changes_nothing_whenever_it_comes() {
    let mut world = World::default();
    world.create("one", "", vec![field("AGE", "int")]);
    let mut random = Random(7);
    for turn in 0..600 {
        if turn % 150 == 149 && turn < 450 {
            world.raise(world.version + 1, Vec::new());
        }
        let command = any_command(&mut random, &mut world, &mut Vec::new());
        let (reply, changes, events) = records::decide(&command, &world.map, &world.rules);
        world.take(std::slice::from_ref(&reply), changes, events);
        world.now_us += 1 + random.below(20_000_000);
        let again = Command { stamp_us: world.now_us, ..command };
        let (second, changes, _) = records::decide(&again, &world.map, &world.rules);
        assert_eq!(second, reply);
        assert!(changes.0.is_empty());
    }
}

/// A view that fails at a read, and answers none from then on.
struct Failing<'a> {
    map: &'a MapView,
    reads_left: Cell<u32>,
}

impl Failing<'_> {
    fn read<T: Default>(&self, read: impl FnOnce() -> T) -> T {
        match self.reads_left.get().checked_sub(1) {
            Some(left) => {
                self.reads_left.set(left);
                read()
            }
            None => T::default(),
        }
    }
}

impl View for Failing<'_> {
    fn get(&self, key: &Key) -> Option<Row> {
        self.read(|| self.map.get(key))
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.read(|| self.map.next(bound, limit))
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.read(|| self.map.last(below))
    }
}

#[test]
fn deciding_ends_at_whichever_read_the_view_begins_to_fail() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut world = World::default();
        world.rules.idempotency_keys_max = 5;
        let mut sent = Vec::new();
        for turn in 0..120 {
            if turn % 30 == 29 && turn < 100 {
                world.raise(world.version + 1, Vec::new());
            }
            if turn == 90 {
                world.ask(Body::SetSettings(outbox().to_vec()));
            }
            let command = any_command(&mut random, &mut world, &mut sent);
            let sound = records::decide(&command, &world.map, &world.rules);
            for reads in 0.. {
                let view = Failing { map: &world.map, reads_left: Cell::new(reads) };
                let decided = records::decide(&command, &view, &world.rules);
                if view.reads_left.get() > 0 {
                    assert_eq!(decided, sound, "seed {seed}: no read failed");
                    break;
                }
            }
            let (reply, changes, events) = sound;
            world.take(&[reply], changes, events);
        }
    }
}

#[test]
fn memories_do_not_grow_for_ever() {
    for version in 1..=RULES_NEWEST {
        memories_stay_small(version);
    }
}

fn memories_stay_small(version: u32) {
    let mut world = World::default();
    world.create("one", "", Vec::new());
    if version > 1 {
        world.raise(version, Vec::new());
    }
    for turn in 0..2_000 {
        let reference = turn.to_string();
        let pairs = [("GSW_REFERENCE_ID", reference.as_str()), ("GSW_PHONE", "1")];
        let mut request = request("AddRecord", "lists/nowhere", &pairs);
        request.idempotency_key = (turn % 2 == 0).then(|| reference.clone().into_bytes());
        world.now_us += 500_000;
        let id = world.id(1 + turn % 2, 1, u64::from(turn) + 3);
        let command = world.command(id, Body::Request(request));
        let (_, changes, _) = records::decide(&command, &world.map, &world.rules);
        world.map.apply(&changes);
    }
    assert!(world.map.table(records::Table::Request).len() <= 125, "two a second, kept for a minute");
    assert_eq!(records::counters(&world.map).floors_with_token.is_empty(), version == 1);
    assert_eq!(world.map.table(records::Table::Idempotency).len(), 1_000);
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_rules_back() {
    let mut world = World::default();
    world.create("one", "", Vec::new());
    world.wait_ms(10_000);
    let added = request("AddRecord", "lists/one", &[("GSW_PHONE", "1")]);
    let first = world.ask(Body::Request(added.clone()));
    world.now_us -= 8_000_000;
    let second = world.ask(Body::Request(added));
    assert_eq!((first.body, second.replayed), (second.body, true));
    assert_eq!(records::last_stamp_us(&world.map), crate::common::START_US + 10_002_000);
}

#[test]
fn the_newest_changes_of_the_role_are_kept_once_each_and_in_the_order_of_their_terms() {
    let mut world = World::default();
    let change = |term: u64| {
        let (to, reason) = (format!("node {term}"), "é".repeat(400));
        Body::RoleChange(RoleChange { term, to, reason, pause_ms: 7, ordered: None })
    };
    for term in (2..150).chain([151, 150, 151]) {
        assert!(matches!(world.ask(change(term)).body, ReplyBody::Done(_)));
    }
    let kept = role_changes(&world.map);
    assert_eq!(kept.iter().map(|(term, _)| *term).collect::<Vec<_>>(), (51..=151).collect::<Vec<_>>());
    let (_, last) = kept.last().unwrap();
    assert_eq!((last.to.as_str(), last.pause_ms, last.reason.chars().count()), ("node 151", 7, 256));
}

#[test]
fn reading_is_the_same_in_the_log_and_beside_it() {
    let mut world = World::default();
    world.create("one", "Australia/Melbourne", vec![field("AGE", "int")]);
    world.ask(Body::Request(request("AddRecord", "lists/one", &[("GSW_PHONE", "1"), ("AGE", "5")])));
    let get = request("GetRecord", "records/1", &[]);
    let beside = read(&get, &world.map);
    assert_eq!(world.ask(Body::Request(get)), beside);
    assert!(world.changes.0.is_empty(), "a read leaves nothing behind");
    let ReplyBody::Done(done) = beside.body else { panic!("refused") };
    let offset = done.attributes.iter().find(|(key, _)| key == "GSW_TZ_OFFSET").map(|(_, value)| value.clone());
    assert_eq!(offset, Some(Value::Int(39_600)));
    let add = request("AddRecord", "lists/one", &[("GSW_PHONE", "2")]);
    assert!(matches!(read(&add, &world.map).body, ReplyBody::Refused(_)));
}

#[test]
fn what_export_writes_import_reads_back_as_the_same_records() {
    let header = "record_id,contact_info,contact_info_type,record_type,record_status,call_result,attempt,dial_sched_time,\
                  call_time,daily_from,daily_till,tz_dbid,campaign_id,agent_id,chain_id,chain_n,group_id,app_id,\
                  treatments,media_ref,email_subject,email_template_id,switch_id,AGE,JOB";
    let rows = [
        "1,+9991000000001,0,2,1,28,0,,,32400,75600,101,,,1,0,,,,,,,,58,management",
        "10,+9991000000010,1,2,1,28,0,,,32400,75600,101,,,10,0,,,,,,,,41,admin.",
        "11,+9992000000010,1,2,1,28,0,,,32400,75600,101,,,10,1,,,,,,,,,",
        "12,x,11,6,3,53,7,1700000000,1700000001,0,86400,0,1,agent,11,4,2,3,t,4,s,5,6,-3,a b",
    ];
    let lines: Vec<&str> = [header].into_iter().chain(rows).collect();
    let mut world = World::default();
    world.create("one", "", Vec::new());
    world.ask(Body::ImportBatch(batch("one", "f", 1, &lines)));
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    assert_eq!(crate::common::export(&world.map, "one", &columns), lines);
    let (_, list) = records::find_list(&world.map, "one").unwrap();
    assert_eq!(records::export_columns(&list, 1), [columns.as_slice(), &["handle".into()]].concat());

    let all = records::export_columns(&list, 1);
    let exported = crate::common::export(&world.map, "one", &all);
    world.create("two", "", Vec::new());
    let again: Vec<&str> = exported.iter().map(String::as_str).collect();
    world.ask(Body::ImportBatch(batch("two", "f", 1, &again)));
    assert_eq!(crate::common::export(&world.map, "two", &columns), lines);
}

/// A world under the newest rules.
fn newest() -> World {
    let mut world = World::default();
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    world
}

/// A record as GET shows it, without its list and its handle.
fn shown(world: &World, handle: &str) -> Vec<(String, Value)> {
    let ReplyBody::Done(done) = read(&request("GetRecord", handle, &[]), &world.map).body else { panic!("refused") };
    let own = ["GSW_CALLING_LIST", "GSW_RECORD_HANDLE"];
    done.attributes.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect()
}

#[test]
fn a_zone_given_by_name_comes_back_from_an_export_in_a_list_of_another_zone() {
    let mut world = newest();
    world.create("one", "America/New_York", Vec::new());
    world.create("two", "Asia/Tokyo", Vec::new());
    let by_name = [
        ("GSW_PHONE", "+99970001"),
        ("GSW_TZ_NAME", "Europe/Berlin"),
        ("GSW_DATE_TIME", "12/31/2030 14:30"),
        ("GSW_FROM", "28800"),
        ("GSW_UNTIL", "72000"),
    ];
    world.ask(Body::Request(request("AddRecord", "lists/one", &by_name)));
    let (_, list) = records::find_list(&world.map, "one").unwrap();
    let columns = records::export_columns(&list, RULES_NEWEST);
    assert_eq!(columns[22..], ["switch_id", "tz_name", "handle"]);
    let exported = crate::common::export(&world.map, "one", &columns);
    let lines: Vec<&str> = exported.iter().map(String::as_str).collect();
    world.ask(Body::ImportBatch(batch("two", "f", 1, &lines)));
    let again = shown(&world, "records/2");
    assert_eq!(again, shown(&world, "records/1"));
    assert!(again.contains(&("GSW_TZ_NAME".to_owned(), Value::text("Europe/Berlin"))), "{again:?}");
    assert!(again.contains(&("GSW_DATE_TIME".to_owned(), Value::text("12/31/2030 14:30"))), "{again:?}");
    assert_eq!(records::record(&world.map, outbound::Handle(2)).unwrap().tz_dbid, Some(0));
}

#[test]
fn a_zone_that_nobody_knows_rejects_its_row() {
    let mut world = newest();
    world.create("one", "", Vec::new());
    let lines = ["contact_info,tz_name,tz_dbid", "+1,europe/berlin,", "+2,Nowhere/Land,", "+3,,", "+4,Asia/Tokyo,122"];
    let reply = world.ask(Body::ImportBatch(batch("one", "f", 1, &lines)));
    let ReplyBody::Imported(imported) = reply.body else { panic!("refused") };
    assert_eq!((imported.added, imported.rejected.len()), (3, 1));
    assert_eq!(imported.rejected[0].reason, "tz_name: \"Nowhere/Land\" is no known time zone");
    let columns = ["contact_info", "tz_name", "tz_dbid"].map(str::to_owned);
    let exported = crate::common::export(&world.map, "one", &columns);
    assert_eq!(exported[1..], ["+1,Europe/Berlin,0", "+3,,", "+4,Asia/Tokyo,122"]);
}

#[test]
fn a_field_tz_name_of_an_earlier_rules_version_stays_a_field() {
    let mut world = World::default();
    world.create("old", "", Vec::new());
    world.ask(Body::ImportBatch(batch("old", "f", 1, &["contact_info,tz_name", "+1,theirs"])));
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    world.ask(Body::ImportBatch(batch("old", "g", 1, &["contact_info,tz_name", "+2,no zone"])));
    let (_, list) = records::find_list(&world.map, "old").unwrap();
    let columns = records::export_columns(&list, RULES_NEWEST);
    assert_eq!(columns[22..], ["switch_id", "tz_name", "handle"]);
    let exported = crate::common::export(&world.map, "old", &["contact_info", "tz_name"].map(str::to_owned));
    assert_eq!(exported[1..], ["+1,theirs", "+2,no zone"]);
    let refused = world.create("new", "", vec![field("TZ_NAME", "int")]);
    assert!(matches!(refused.body, ReplyBody::Refused(_)), "every list has that column now");
}

#[test]
fn records_are_found_by_id_phone_and_chain() {
    let mut world = World::default();
    world.create("one", "", Vec::new());
    let lines: Vec<String> = (0..600).map(|n| format!("+999 {n},7,{}", if n == 599 { 5_000 } else { n })).collect();
    for (at, chunk) in lines.chunks(300).enumerate() {
        let chunk: Vec<&str> =
            ["contact_info,chain_id,chain_n"].into_iter().chain(chunk.iter().map(String::as_str)).collect();
        world.ask(Body::ImportBatch(batch("one", "f", 1 + 300 * at as u64, &chunk)));
    }
    assert_eq!(records::chain(&world.map, 101, 7).count(), 600);
    assert_eq!(records::chain_end(&world.map, 101, 7), Some(5_000));
    assert_eq!(records::chain_end(&world.map, 101, 8), None);
    assert_eq!(records::record_by_id(&world.map, 101, 600).unwrap().1.chain_n, 5_000);
    let found = records::records_by_phone(&world.map, "00999-599", 10);
    assert_eq!(found.iter().map(|(handle, _)| handle.0).collect::<Vec<_>>(), [600]);
    assert_eq!(records::records_from(&world.map, 101, 599, 10).len(), 2);
}
