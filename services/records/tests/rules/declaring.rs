//! A world under the newest rules with a list `demo` in a campaign group `Renewals@Agents`, and with declarations that a test sets
//! in the state itself.

use std::sync::Arc;

use outbound::{
    Body, Due, Handle, RULES_NEWEST, Reply, ReplyBody, Value,
    declaration::{CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup, DeclaredTreatment},
    key,
};
use records::{BringUpRow, DeclaredRow, GroupRow, Key, ListRow, Overlay, RecordRow, Row, group_state};

use crate::common::{World, field, request};

/// DBID of the list.
pub const DEMO: u32 = 101;
/// DBID of the campaign.
pub const CAMPAIGN: u32 = 201;
/// DBID of the campaign group.
pub const GROUP: u32 = 301;

/// A world in which the group is loaded. `lists`: further lists of the campaign.
pub fn world(declaration: Declaration, lists: &[&str]) -> World {
    let mut world = World::default();
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    for list in [&["demo"][..], lists].concat() {
        world.create(list, "UTC", vec![field("CLIENT_ID", "varchar(32)")]);
    }
    let bring_up = Row::BringUp(BringUpRow { done: true, ..BringUpRow::default() });
    let loaded = |dbid| (Key::Group(dbid), Row::Group(GroupRow { state: group_state::LOADED, ..GroupRow::default() }));
    put(&mut world, vec![(Key::BringUp, bring_up), loaded(GROUP), loaded(GROUP + 1)]);
    declare(&mut world, with_campaigns(declaration, lists));
    change_list(&mut world, DEMO, |list| ListRow { customer_column: "CLIENT_ID".to_owned(), ..list });
    world
}

/// The campaign `Renewals` of all lists, and a campaign `Others` of the lists beside `demo`.
fn with_campaigns(declaration: Declaration, lists: &[&str]) -> Declaration {
    let list = |name: &&str| CampaignList { list: (*name).to_owned(), weight: Some(10) };
    let campaign = |name: &str, dbid: u32, lists: &[&str]| DeclaredCampaign {
        name: name.to_owned(),
        dbid: Some(dbid),
        tenant: Some(String::new()),
        lists: Some(CampaignLists { lists: lists.iter().map(list).collect() }),
    };
    let group = |campaign: &str, dbid: u32| DeclaredGroup {
        campaign: campaign.to_owned(),
        group: "Agents".to_owned(),
        dbid: Some(dbid),
        desktop_chains_limit: Some(0),
    };
    Declaration {
        campaigns: vec![
            campaign("Renewals", CAMPAIGN, &[&["demo"][..], lists].concat()),
            campaign("Others", CAMPAIGN + 1, lists),
        ],
        campaign_groups: vec![group("Renewals", GROUP), group("Others", GROUP + 1)],
        ..declaration
    }
}

pub fn treatment(call_result: i64, number: u32, action: &str) -> DeclaredTreatment {
    DeclaredTreatment {
        name: format!("{call_result}-{number}"),
        dbid: Some(100 * number + u32::try_from(call_result).unwrap()),
        call_result: Some(call_result),
        number: Some(number),
        action: Some(action.to_owned()),
        cycle_attempts: Some(1),
        interval: Some(0),
        increment: Some(0),
        at: Some(String::new()),
    }
}

/// Declares treatments, and assigns them to the list.
pub fn treat(world: &mut World, treatments: Vec<DeclaredTreatment>) {
    let names: Vec<String> = treatments.iter().map(|treatment| treatment.name.clone()).collect();
    let declaration = Declaration { treatments, ..declared(world) };
    declare(world, declaration);
    change_list(world, DEMO, |list| ListRow { treatments: names, ..list });
}

fn declared(world: &World) -> Declaration {
    match records::View::get(&world.map, &Key::Declared) {
        Some(Row::Declared(declared)) => declared.declaration().clone(),
        _ => Declaration::default(),
    }
}

fn declare(world: &mut World, declaration: Declaration) {
    let row = DeclaredRow { declaration: Some(declaration), ..DeclaredRow::default() };
    put(world, vec![(Key::Declared, Row::Declared(Arc::new(row.into())))]);
}

pub fn change_list(world: &mut World, dbid: u32, change: impl FnOnce(ListRow) -> ListRow) {
    let list = records::list(&world.map, dbid).unwrap();
    put(world, vec![(Key::List(dbid), Row::List(Arc::new(change((*list).clone()))))]);
}

fn put(world: &mut World, rows: Vec<(Key, Row)>) {
    let mut overlay = Overlay::new(&world.map);
    rows.into_iter().for_each(|(key, row)| overlay.put(key, row));
    let changes = overlay.into_changes();
    world.take(&[Reply::done("Declared", Vec::new())], changes, Vec::new());
}

/// A request, after everything that is due was done.
pub fn ask(world: &mut World, verb: &str, resource: &str, pairs: &[(&str, &str)]) -> Reply {
    world.ask(Body::Due(Due { rows_max: 100 }));
    let reference = world.counter.to_string();
    let pairs = [pairs, &[(key::REFERENCE_ID, reference.as_str())]].concat();
    world.ask(Body::Request(request(verb, resource, &pairs)))
}

/// Adds a record; answers its handle.
pub fn add(world: &mut World, list: &str, pairs: &[(&str, &str)]) -> u64 {
    let reply = ask(world, "AddRecord", &format!("lists/{list}"), pairs);
    handle_of(&reply).unwrap_or_else(|| panic!("{reply:?}"))
}

/// The next record of a group, by its handle.
pub fn preview(world: &mut World, group: u32) -> Option<u64> {
    handle_of(&ask(world, "PreviewRecordRequest", &format!("campaigngroups/{group}"), &[("GSW_AGENT_ID", "a")]))
}

fn handle_of(reply: &Reply) -> Option<u64> {
    let ReplyBody::Done(done) = &reply.body else { panic!("{reply:?}") };
    done.attributes.iter().find_map(|(name, value)| match value {
        Value::Int(number) if name == key::RECORD_HANDLE => u64::try_from(*number).ok(),
        _ => None,
    })
}

pub fn record(world: &World, handle: u64) -> RecordRow {
    records::record(&world.map, Handle(handle)).unwrap()
}

pub fn now_s(world: &World) -> i64 {
    i64::try_from(world.now_us / 1_000_000).unwrap()
}
