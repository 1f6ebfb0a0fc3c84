//! Three lists, two of the default tenant and one of the tenant `north`, with requests to them and with Do-Not-Call entries.

use std::sync::Arc;

use outbound::{
    Body, DoNotCallBatch, DoNotCallRow, DoNotCallScope, Due, Handle, Imported, RULES_NEWEST, Reply, ReplyBody,
    RewritePhones, Setting, Value, call_result,
    declaration::{Declaration, DeclaredCampaign, DeclaredTenant},
    record_status, record_type,
};
use records::{DeclaredRow, DncRow, DncScope, DncSubject, Key, ListRow, Overlay, RecordRow, Row, Table};

use crate::common::{START_US, World, field, request};

/// DBIDs of the lists: `demo` and `other` of the default tenant, `north` of the tenant `north`.
pub const DEMO: u32 = 101;
pub const OTHER: u32 = 102;
pub const NORTH: u32 = 103;
pub const CAMPAIGN: u32 = 201;
/// The hour of the tests, UTC seconds.
pub const NOW_S: i64 = (START_US / 1_000_000) as i64;

pub type Pair<'a> = (&'a str, &'a str);

/// Three lists without records; a request changes at most `max` records.
pub fn lists(max: u64) -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, vec![Setting { key: "records_per_request_max".into(), value: max.to_string() }]);
    (0..2).for_each(|_| drop(world.ask(Body::RewritePhones(RewritePhones { rows_max: 500 }))));
    for list in ["demo", "other", "north"] {
        world.create(list, "UTC", vec![field("CLIENT_ID", "varchar(64)")]);
    }
    for dbid in [DEMO, OTHER, NORTH] {
        change_list(&mut world, dbid, |list| ListRow { customer_column: "CLIENT_ID".into(), ..list });
    }
    change_list(&mut world, NORTH, |list| ListRow { tenant: "north".into(), ..list });
    let north = DeclaredTenant {
        name: "north".into(),
        dbid: Some(101),
        country_code: Some("49".into()),
        trunk_prefix: Some("0".into()),
        national_digits: Some(0),
    };
    let campaign = DeclaredCampaign {
        name: "Renewals".into(),
        dbid: Some(CAMPAIGN),
        tenant: Some(String::new()),
        ..DeclaredCampaign::default()
    };
    let declaration = Declaration { tenants: vec![north], campaigns: vec![campaign], ..Declaration::default() };
    let declared = DeclaredRow { revision: 1, declaration: Some(declaration), ..DeclaredRow::default() };
    put(&mut world, vec![(Key::Declared, Row::Declared(Arc::new(declared.into())))]);
    world
}

/// Records 1 to 3 are a chain of `demo`; 4, alone in `demo`, and 5, in `other`, have phone and customer of record 1; 6 has them in
/// the list of another tenant.
pub fn world() -> World {
    let mut world = lists(1_000);
    add(&mut world, "demo", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9992"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9993"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "(+999) 1"), ("CLIENT_ID", " c7 ")]);
    add(&mut world, "other", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "north", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    world
}

/// Writes rows past the rules.
pub fn put(world: &mut World, rows: Vec<(Key, Row)>) {
    let mut overlay = Overlay::new(&world.map);
    rows.into_iter().for_each(|(key, row)| overlay.put(key, row));
    let changes = overlay.into_changes();
    world.take(&[Reply::done("Written", Vec::new())], changes, Vec::new());
}

pub fn change_list(world: &mut World, dbid: u32, change: impl FnOnce(ListRow) -> ListRow) {
    let list = records::list(&world.map, dbid).unwrap();
    put(world, vec![(Key::List(dbid), Row::List(Arc::new(change((*list).clone()))))]);
}

pub fn add(world: &mut World, list: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, "AddRecord", &format!("lists/{list}"), pairs);
    assert_eq!(code(&reply), "ok", "{reply:?}");
    reply
}

pub fn ask(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    world.ask(Body::Request(request(verb, resource, pairs)))
}

pub fn stop(world: &mut World, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, "DoNotCall", resource, pairs);
    assert_eq!(code(&reply), "ok", "{resource} {pairs:?}: {reply:?}");
    reply
}

/// `ok`, or the code of the refusal.
pub fn code(reply: &Reply) -> &'static str {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code.word(),
        _ => "ok",
    }
}

/// The text or number under a key of an answer.
pub fn shown(reply: &Reply, key: &str) -> String {
    let ReplyBody::Done(done) = &reply.body else { panic!("not done: {reply:?}") };
    match done.attributes.iter().find(|(other, _)| other == key).map(|(_, value)| value) {
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Str(text)) => text.clone(),
        None => String::new(),
    }
}

pub fn row(world: &World, handle: u64) -> RecordRow {
    records::record(&world.map, Handle(handle)).unwrap()
}

/// Handles of the records with the marks of Do-Not-Call.
pub fn marked(world: &World) -> Vec<u64> {
    let is_marked = |record: &RecordRow| {
        let marks = (record.record_type, record.record_status, record.call_result);
        marks == (record_type::NO_CALL, record_status::UPDATED, call_result::DO_NOT_CALL)
    };
    let rows = world.map.table(Table::Record).into_iter();
    let handles = rows.filter_map(|(key, row)| match (key, row) {
        (Key::Record(handle), Row::Record(record)) if is_marked(&record) => Some(handle.0),
        _ => None,
    });
    handles.collect()
}

pub fn entries(world: &World) -> Vec<(DncScope, DncSubject, DncRow)> {
    let entry = |(key, row)| match (key, row) {
        (Key::Dnc(scope, subject), Row::Dnc(row)) => (scope, subject, row),
        other => panic!("no entry: {other:?}"),
    };
    world.map.table(Table::Dnc).into_iter().map(entry).collect()
}

pub fn tenant(name: &str) -> DncScope {
    DncScope::Tenant(name.to_owned())
}

pub fn phone(form: &str) -> DncSubject {
    DncSubject::Phone(form.to_owned())
}

pub fn customer(id: &str) -> DncSubject {
    DncSubject::Customer(id.to_owned())
}

/// The entries without their rows.
pub fn keys(world: &World) -> Vec<(DncScope, DncSubject)> {
    entries(world).into_iter().map(|(scope, subject, _)| (scope, subject)).collect()
}

pub fn about_phone(phone: &str) -> DoNotCallRow {
    DoNotCallRow { phone: phone.into(), ..DoNotCallRow::default() }
}

pub fn scope(tenant: &str, campaign: &str, list: &str) -> DoNotCallScope {
    let [tenant, campaign, list] = [tenant, campaign, list].map(str::to_owned);
    DoNotCallScope { tenant, campaign, list }
}

/// A batch for the whole default tenant.
pub fn file(import_id: &str, first_row: u64, rows: Vec<DoNotCallRow>) -> DoNotCallBatch {
    let (import_id, source) = (import_id.as_bytes().to_vec(), "day.csv".to_owned());
    DoNotCallBatch { scope: DoNotCallScope::default(), import_id, first_row, source, rows }
}

pub fn enter(world: &mut World, batch: DoNotCallBatch) -> Imported {
    match world.ask(Body::DoNotCallBatch(batch)).body {
        ReplyBody::Imported(imported) => imported,
        other => panic!("refused: {other:?}"),
    }
}

/// Makes an entry as `dnc add` does.
pub fn enter_one(world: &mut World, scope: DoNotCallScope, row: DoNotCallRow) -> Imported {
    let import_id = world.counter.to_string();
    enter(world, DoNotCallBatch { scope, ..file(&import_id, 1, vec![row]) })
}

/// Does due work, `rows_max` records a command, until nothing of a DoNotCall is left; answers the count of commands.
pub fn finish(world: &mut World, rows_max: u32) -> usize {
    for commands in 0..1_000 {
        if world.map.table(Table::DncRest).is_empty() {
            return commands;
        }
        world.ask(Body::Due(Due { rows_max }));
    }
    panic!("no end: {:?}", world.map.table(Table::DncRest))
}
