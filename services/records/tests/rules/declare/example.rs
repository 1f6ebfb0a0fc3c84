//! The example of spec 11 as a declaration, and the items that tests declare beside it.

use outbound::{
    ApplyDeclaration, Body, RULES_NEWEST, RefusalCode, Reply, ReplyBody, Value,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredField,
        DeclaredGroup, DeclaredHours, DeclaredLimit, DeclaredList, DeclaredNames, DeclaredOption, DeclaredPair,
        DeclaredPairs, DeclaredPrefix, DeclaredResults, DeclaredTenant, DeclaredTreatment, DeclaredZone,
    },
};
use records::{Plan, plan_declaration};

use crate::common::{World, request, show};

pub const RENEWALS: u32 = 101;

pub fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world
}

pub fn names(names: &[&str]) -> DeclaredNames {
    DeclaredNames { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

pub fn list(name: &str) -> DeclaredList {
    DeclaredList { name: name.into(), ..DeclaredList::default() }
}

pub fn column(column: &str, kind: &str) -> DeclaredField {
    DeclaredField { column: column.into(), kind: kind.into(), ..Default::default() }
}

pub fn option(key: &str, value: &str) -> DeclaredOption {
    DeclaredOption { key: key.into(), value: value.into() }
}

pub fn tenant(name: &str) -> DeclaredTenant {
    DeclaredTenant { name: name.into(), ..DeclaredTenant::default() }
}

pub fn zone(name: &str, iana: &str) -> DeclaredZone {
    DeclaredZone { name: name.into(), dbid: None, time_zone: Some(iana.into()) }
}

pub fn day(day: u32, from: u32, till: u32) -> DeclaredDay {
    DeclaredDay { day, from: from * 3600, till: till * 3600 }
}

pub fn calendar(name: &str, days: &[DeclaredDay]) -> DeclaredCalendar {
    let hours = Some(DeclaredHours { days: days.to_vec() });
    DeclaredCalendar { name: name.into(), hours, closed: None }
}

pub fn treatment(name: &str, call_result: i64, number: u32) -> DeclaredTreatment {
    DeclaredTreatment {
        name: name.into(),
        call_result: Some(call_result),
        number: Some(number),
        action: Some("retryin".into()),
        ..DeclaredTreatment::default()
    }
}

pub fn campaign(name: &str, lists: &[&str]) -> DeclaredCampaign {
    let list = |list: &&str| CampaignList { list: (*list).to_owned(), weight: None };
    let lists = Some(CampaignLists { lists: lists.iter().map(list).collect() });
    DeclaredCampaign { name: name.into(), lists, ..DeclaredCampaign::default() }
}

pub fn group(campaign: &str, group: &str) -> DeclaredGroup {
    DeclaredGroup { campaign: campaign.into(), group: group.into(), ..DeclaredGroup::default() }
}

pub fn limit(name: &str, campaign: &str) -> DeclaredLimit {
    DeclaredLimit {
        name: name.into(),
        campaign: Some(campaign.into()),
        max: Some(7),
        within: Some(0),
        ..DeclaredLimit::default()
    }
}

/// The list of the example of spec 11.
pub fn renewals() -> DeclaredList {
    let sent = DeclaredPair { key: "contact_info".into(), value: "phone".into() };
    DeclaredList {
        tenant: Some("north".into()),
        time_zone: Some("europe/berlin".into()),
        customer_id: Some("CLIENT_ID".into()),
        treatments: Some(names(&["busy-again"])),
        calendar: Some("weekdays".into()),
        attempts_max: Some(12),
        send_attributes: Some(DeclaredPairs { pairs: vec![sent] }),
        fields: vec![DeclaredField { send_attribute: Some("client-id".into()), ..column("CLIENT_ID", "varchar(64)") }],
        ..list("renewals")
    }
}

/// A declaration of every kind.
pub fn example() -> Declaration {
    let north = DeclaredTenant { country_code: Some("49".into()), trunk_prefix: Some("0".into()), ..tenant("north") };
    let weekdays = calendar("weekdays", &[day(2, 8, 20), day(1, 8, 20)]);
    let closed = Some(names(&["2026-12-26", "2026-12-25", "2026-12-26"]));
    let results = Some(DeclaredResults { results: vec![33, 6, 33] });
    Declaration {
        options: vec![option("reject_pause", "30")],
        tenants: vec![north],
        time_zones: vec![DeclaredZone { dbid: Some(122), ..zone("VIC", "australia/melbourne") }],
        calendars: vec![DeclaredCalendar { closed, ..weekdays }],
        zone_prefixes: vec![DeclaredPrefix { prefix: "+61 3".into(), time_zone: Some("vic".into()) }],
        treatments: vec![treatment("busy-again", 6, 1)],
        lists: vec![renewals()],
        campaigns: vec![DeclaredCampaign { tenant: Some("north".into()), ..campaign("Renewals", &["renewals"]) }],
        campaign_groups: vec![group("Renewals", "Agents")],
        contact_limits: vec![DeclaredLimit { results, ..limit("seven-a-day", "Renewals") }],
        subscriptions: Vec::new(),
    }
}

pub fn command(world: &World, declaration: &Declaration, prune: bool) -> ApplyDeclaration {
    let revision = records::declared(&world.map).revision();
    ApplyDeclaration { declaration: declaration.clone(), revision, prune }
}

pub fn plan(world: &World, declaration: &Declaration) -> Plan {
    plan_declaration(&world.map, &command(world, declaration, false))
}

pub fn apply(world: &mut World, declaration: &Declaration) -> Reply {
    let command = command(world, declaration, false);
    world.ask(Body::ApplyDeclaration(Box::new(command)))
}

pub fn apply_pruning(world: &mut World, declaration: &Declaration) -> Reply {
    let command = command(world, declaration, true);
    world.ask(Body::ApplyDeclaration(Box::new(command)))
}

/// A world with the example declared.
pub fn declared() -> World {
    let mut world = world();
    assert_eq!(show(&apply(&mut world, &example())), "DeclarationApplied revision=1 changed=10");
    world
}

pub fn add(world: &mut World, list: &str, pairs: &[(&str, &str)]) -> Reply {
    world.ask(Body::Request(request("AddRecord", &format!("lists/{list}"), pairs)))
}

/// The example with a record in its list.
pub fn with_record() -> World {
    let mut world = declared();
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "030 12345"), ("client-id", " C7 ")]);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
    world
}

pub fn of_lists(lists: Vec<DeclaredList>) -> Declaration {
    Declaration { lists, ..Declaration::default() }
}

pub fn attribute(reply: &Reply, key: &str) -> Option<Value> {
    let pairs = match &reply.body {
        ReplyBody::Done(done) => &done.attributes,
        ReplyBody::Refused(refusal) => &refusal.attributes,
        _ => panic!("{reply:?}"),
    };
    pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
}

pub fn code(reply: &Reply) -> RefusalCode {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        _ => panic!("{reply:?}"),
    }
}
