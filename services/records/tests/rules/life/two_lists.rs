//! Two lists with five records, requests to them, and rows that a test writes past the rules.

use std::{collections::BTreeMap, sync::Arc};

use outbound::{
    Body, Handle, RECORD_STATUS, RULES_NEWEST, Reply, ReplyBody, Value, declaration::Declaration, record_status,
};
use records::{
    Change, Changes, Declared, DeclaredRow, Key, ListRow, RecordRow, Row, View, canonical_phone, indexes_of,
};

use crate::common::{START_US, World, field, request};

/// DBIDs of the two lists: `demo` lives in Berlin, `other` in UTC.
pub const DEMO: u32 = 101;
pub const OTHER: u32 = 102;
/// The hour of the tests, UTC seconds: 01:00 in Berlin.
pub const NOW_S: i64 = (START_US / 1_000_000) as i64;
/// 10:00 in Berlin on the next day.
pub const TEN: &str = "01/02/2024 10:00";
pub const TEN_S: i64 = NOW_S + 33 * 3_600;
/// The GUID of the attempt that holds a record.
pub const GUID: &str = "ABABABABABABABABABABABABABABABAB";
/// Longer than the replay window.
pub const LATER_MS: u64 = 10_000;

pub type Pair<'a> = (&'a str, &'a str);

/// Records 1 to 3 are a chain of `demo`; 4, alone in `demo`, and 5, in `other`, have phone and customer of record 1.
pub fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world.create("demo", "Europe/Berlin", vec![field("OUTCOME", "varchar(20)"), field("CLIENT_ID", "varchar(64)")]);
    world.create("other", "UTC", vec![field("CUSTOMER", "varchar(64)")]);
    edit_list(&mut world, DEMO, |list| list.customer_column = "CLIENT_ID".into());
    edit_list(&mut world, OTHER, |list| list.customer_column = "CUSTOMER".into());
    add(&mut world, "demo", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9992"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9993"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "(+999) 1"), ("CLIENT_ID", " c7 ")]);
    add(&mut world, "other", &[("GSW_PHONE", "+9991"), ("CUSTOMER", "c7")]);
    world
}

pub fn add(world: &mut World, list: &str, pairs: &[Pair<'_>]) {
    let reply = ask(world, "AddRecord", &format!("lists/{list}"), pairs);
    assert_eq!(code(&reply), "ok", "{reply:?}");
}

pub fn ask(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    world.ask(Body::Request(request(verb, resource, pairs)))
}

/// The reply to a request that must be done.
pub fn done(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, verb, resource, pairs);
    assert_eq!(code(&reply), "ok", "{verb} {resource} {pairs:?}: {reply:?}");
    reply
}

/// `ok`, or the code of the refusal.
pub fn code(reply: &Reply) -> &'static str {
    match &reply.body {
        ReplyBody::Done(_) => "ok",
        ReplyBody::Refused(refusal) => refusal.code.word(),
        other => panic!("no answer to a request: {other:?}"),
    }
}

/// The value of a key in an answer or refusal.
pub fn value(reply: &Reply, key: &str) -> Option<Value> {
    let attributes = match &reply.body {
        ReplyBody::Done(done) => &done.attributes,
        ReplyBody::Refused(refusal) => &refusal.attributes,
        other => panic!("no answer to a request: {other:?}"),
    };
    attributes.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
}

pub fn event(reply: &Reply) -> &str {
    match &reply.body {
        ReplyBody::Done(done) => &done.event,
        other => panic!("not done: {other:?}"),
    }
}

pub fn row(world: &World, handle: u64) -> RecordRow {
    records::record(&world.map, Handle(handle)).unwrap()
}

pub fn status(world: &World, handle: u64) -> &'static str {
    RECORD_STATUS.name_of(row(world, handle).record_status).unwrap()
}

pub fn statuses<const N: usize>(world: &World, handles: [u64; N]) -> [&'static str; N] {
    handles.map(|handle| status(world, handle))
}

/// Writes a row past the rules, with its index entries.
pub fn write(world: &mut World, key: &Key, row: Row) {
    let indexes = |row: &Row| indexes_of(key, row, canonical_phone);
    let mut rows: Vec<(Key, Option<Row>)> = Vec::new();
    let old = world.map.get(key);
    rows.extend(old.iter().flat_map(indexes).map(|(index, _)| (index, None)));
    rows.extend(indexes(&row).into_iter().map(|(index, entry)| (index, Some(entry))));
    rows.push((key.clone(), Some(row)));
    let last: BTreeMap<_, _> =
        rows.into_iter().map(|(key, new)| ((key.table(), key.encode().into_vec()), (key, new))).collect();
    let changes = last.into_values().map(|(key, new)| Change { old: world.map.get(&key), key, new }).collect();
    world.take(&[Reply::done("Written", Vec::new())], Changes(changes), Vec::new());
}

pub fn edit(world: &mut World, handle: u64, change: impl FnOnce(&mut RecordRow)) {
    let mut record = row(world, handle);
    change(&mut record);
    write(world, &Key::Record(Handle(handle)), Row::Record(Arc::new(record)));
}

pub fn edit_list(world: &mut World, dbid: u32, change: impl FnOnce(&mut ListRow)) {
    let mut list = ListRow::clone(&records::list(&world.map, dbid).unwrap());
    change(&mut list);
    write(world, &Key::List(dbid), Row::List(Arc::new(list)));
}

pub fn declare(world: &mut World, declaration: Declaration) {
    let row = DeclaredRow { revision: 1, declaration: Some(declaration), ..DeclaredRow::default() };
    write(world, &Key::Declared, Row::Declared(Arc::new(Declared::from(row))));
}

/// Hands a record out to agent `a`; the rest of its chain waits.
pub fn hold(world: &mut World, handle: u64) {
    let now_us = world.now_us;
    edit(world, handle, |record| {
        record.record_status = record_status::RETRIEVED;
        record.agent_before = std::mem::replace(&mut record.agent_id, "a".to_owned());
        (record.campaign_id, record.group_id) = (Some(7), Some(8));
        (record.held_since_us, record.changed_us) = (now_us, now_us);
        record.attempt_guid = vec![0xab; 16];
        record.waits = false;
    });
    let RecordRow { list, chain_id, .. } = row(world, handle);
    let chain: Vec<Handle> = records::chain(&world.map, list, chain_id).collect();
    for other in chain.into_iter().filter(|other| other.0 != handle) {
        edit(world, other.0, |record| record.waits = record.record_status == record_status::READY);
    }
}

pub fn is_held(record: &RecordRow) -> bool {
    record.held_since_us != 0 || record.attempts_set || record.pending.is_some() || !record.agent_before.is_empty()
}
