//! Declarations: every row of the table of spec 11, and the effect of declarations on records that are added afterwards.

use crate::common::{World, batch, field, request, show};
use outbound::{
    ApplyDeclaration, Body, DeleteRecords, Handle, RULES_NEWEST, RefusalCode, Reply, ReplyBody, Request, Value,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredField,
        DeclaredGroup, DeclaredHours, DeclaredLimit, DeclaredList, DeclaredNames, DeclaredOption, DeclaredPair,
        DeclaredPairs, DeclaredPrefix, DeclaredResults, DeclaredSubscription, DeclaredTenant, DeclaredTreatment,
        DeclaredZone,
    },
};
use records::{CustomersRow, Fault, Key, Plan, Row, Table, View, declaration_of, plan_declaration};

const RENEWALS: u32 = 101;

fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world
}

fn names(names: &[&str]) -> DeclaredNames {
    DeclaredNames { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn list(name: &str) -> DeclaredList {
    DeclaredList { name: name.into(), ..DeclaredList::default() }
}

fn column(column: &str, kind: &str) -> DeclaredField {
    DeclaredField { column: column.into(), kind: kind.into(), ..Default::default() }
}

fn option(key: &str, value: &str) -> DeclaredOption {
    DeclaredOption { key: key.into(), value: value.into() }
}

fn tenant(name: &str) -> DeclaredTenant {
    DeclaredTenant { name: name.into(), ..DeclaredTenant::default() }
}

fn zone(name: &str, iana: &str) -> DeclaredZone {
    DeclaredZone { name: name.into(), dbid: None, time_zone: Some(iana.into()) }
}

fn day(day: u32, from: u32, till: u32) -> DeclaredDay {
    DeclaredDay { day, from: from * 3600, till: till * 3600 }
}

fn calendar(name: &str, days: &[DeclaredDay]) -> DeclaredCalendar {
    let hours = Some(DeclaredHours { days: days.to_vec() });
    DeclaredCalendar { name: name.into(), hours, closed: None }
}

fn treatment(name: &str, call_result: i64, number: u32) -> DeclaredTreatment {
    DeclaredTreatment {
        name: name.into(),
        call_result: Some(call_result),
        number: Some(number),
        action: Some("retryin".into()),
        ..DeclaredTreatment::default()
    }
}

fn campaign(name: &str, lists: &[&str]) -> DeclaredCampaign {
    let list = |list: &&str| CampaignList { list: (*list).to_owned(), weight: None };
    let lists = Some(CampaignLists { lists: lists.iter().map(list).collect() });
    DeclaredCampaign { name: name.into(), lists, ..DeclaredCampaign::default() }
}

fn group(campaign: &str, group: &str) -> DeclaredGroup {
    DeclaredGroup { campaign: campaign.into(), group: group.into(), ..DeclaredGroup::default() }
}

fn limit(name: &str, campaign: &str) -> DeclaredLimit {
    DeclaredLimit {
        name: name.into(),
        campaign: Some(campaign.into()),
        max: Some(7),
        within: Some(0),
        ..DeclaredLimit::default()
    }
}

/// The list of the example of spec 11.
fn renewals() -> DeclaredList {
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
fn example() -> Declaration {
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

fn command(world: &World, declaration: &Declaration, prune: bool) -> ApplyDeclaration {
    let revision = records::declared(&world.map).revision();
    ApplyDeclaration { declaration: declaration.clone(), revision, prune }
}

fn plan(world: &World, declaration: &Declaration) -> Plan {
    plan_declaration(&world.map, &command(world, declaration, false))
}

fn apply(world: &mut World, declaration: &Declaration) -> Reply {
    let command = command(world, declaration, false);
    world.ask(Body::ApplyDeclaration(Box::new(command)))
}

fn apply_pruning(world: &mut World, declaration: &Declaration) -> Reply {
    let command = command(world, declaration, true);
    world.ask(Body::ApplyDeclaration(Box::new(command)))
}

/// A world with the example declared.
fn declared() -> World {
    let mut world = world();
    assert_eq!(show(&apply(&mut world, &example())), "DeclarationApplied revision=1 changed=10");
    world
}

fn add(world: &mut World, list: &str, pairs: &[(&str, &str)]) -> Reply {
    world.ask(Body::Request(request("AddRecord", &format!("lists/{list}"), pairs)))
}

/// The example with a record in its list.
fn with_record() -> World {
    let mut world = declared();
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "030 12345"), ("client-id", " C7 ")]);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
    world
}

fn of_lists(lists: Vec<DeclaredList>) -> Declaration {
    Declaration { lists, ..Declaration::default() }
}

fn attribute(reply: &Reply, key: &str) -> Option<Value> {
    let pairs = match &reply.body {
        ReplyBody::Done(done) => &done.attributes,
        ReplyBody::Refused(refusal) => &refusal.attributes,
        _ => panic!("{reply:?}"),
    };
    pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
}

fn code(reply: &Reply) -> RefusalCode {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        _ => panic!("{reply:?}"),
    }
}

#[test]
fn a_file_makes_what_it_declares_with_defaults_and_dbids() {
    let world = declared();
    let made = declaration_of(&world.map);
    assert_eq!(made.tenants[0].dbid, Some(101));
    assert_eq!(made.time_zones[0], DeclaredZone { dbid: Some(122), ..zone("VIC", "Australia/Melbourne") });
    let closed = Some(names(&["2026-12-25", "2026-12-26"]));
    let weekdays = calendar("weekdays", &[day(1, 8, 20), day(2, 8, 20)]);
    assert_eq!(made.calendars, [DeclaredCalendar { closed, ..weekdays }]);
    assert_eq!(made.zone_prefixes, [DeclaredPrefix { prefix: "+613".into(), time_zone: Some("VIC".into()) }]);
    let treatment = &made.treatments[0];
    assert_eq!((treatment.action.as_deref(), treatment.cycle_attempts), (Some("RetryIn"), Some(1)));
    let list = &made.lists[0];
    assert_eq!((list.dbid, list.time_zone.as_deref()), (Some(RENEWALS), Some("Europe/Berlin")));
    assert_eq!((list.unique_phone.as_deref(), list.unknown_keys.as_deref()), (Some("no"), Some("ignore")));
    assert_eq!(made.campaigns[0].lists.as_ref().unwrap().lists[0].weight, Some(10));
    assert_eq!(made.campaign_groups[0].dbid, Some(101));
    assert_eq!(made.contact_limits[0].results, Some(DeclaredResults { results: vec![6, 33] }));
    assert!(made.options.contains(&option("reject_pause", "30")));
    assert!(made.options.contains(&option("callback_expiry", "0")), "with its default");
}

#[test]
fn the_difference_has_a_line_a_changed_item() {
    let world = declared();
    let wanted = Declaration {
        options: vec![option("reject_pause", "61")],
        lists: vec![
            DeclaredList { calendar: Some(String::new()), attempts_max: Some(3), ..list("renewals") },
            DeclaredList { fields: vec![column("AGE", "int")], ..list("b") },
        ],
        campaigns: vec![campaign("Other", &[])],
        ..Declaration::default()
    };
    let lines = [
        "options: reject_pause \"30\" -> \"61\"",
        "list \"renewals\": calendar \"weekdays\" -> \"\", attempts_max \"12\" -> \"3\"",
        "+ list \"b\"",
        "+ campaign \"Other\"",
    ];
    assert_eq!(plan(&world, &wanted).differences, lines);
    let added = of_lists(vec![DeclaredList { fields: vec![column("AGE", "int")], ..list("renewals") }]);
    assert_eq!(plan(&world, &added).differences, ["+ field \"renewals.AGE\""]);
}

#[test]
fn the_same_file_again_changes_nothing_and_says_so() {
    let mut world = declared();
    let before = (declaration_of(&world.map), records::declared(&world.map));
    assert_eq!(show(&apply(&mut world, &example())), "DeclarationApplied revision=1 changed=0");
    assert_eq!((declaration_of(&world.map), records::declared(&world.map)), before);
    assert!(plan(&world, &example()).differences.is_empty());
}

#[test]
fn an_export_makes_the_same_state_and_changes_nothing_in_its_own() {
    let mut world = with_record();
    world.create("by hand", "Australia/Melbourne", vec![field("AGE", "int")]);
    let exported = declaration_of(&world.map);
    assert_eq!(show(&apply(&mut world, &exported)), "DeclarationApplied revision=1 changed=0");
    let mut other = self::world();
    let reply = apply(&mut other, &exported);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
    assert_eq!(declaration_of(&other.map), exported);
}

#[test]
fn a_state_without_declarations_exports_its_lists_and_options() {
    let mut world = World::default();
    world.create("demo", "", Vec::new());
    world.raise(RULES_NEWEST, Vec::new());
    let exported = declaration_of(&world.map);
    assert_eq!((exported.lists.len(), exported.lists[0].tenant.as_deref()), (1, Some("")));
    assert_eq!(show(&apply(&mut world, &exported)), "DeclarationApplied revision=0 changed=0");
}

#[test]
fn what_a_file_leaves_out_stays_as_it_is() {
    let mut world = declared();
    let mut wanted = declaration_of(&world.map);
    wanted.lists[0].attempts_max = Some(5);
    wanted.treatments[0].interval = Some(30);
    let file = Declaration {
        lists: vec![DeclaredList { attempts_max: Some(5), ..list("renewals") }],
        treatments: vec![DeclaredTreatment {
            name: "busy-again".into(),
            interval: Some(30),
            ..DeclaredTreatment::default()
        }],
        ..Declaration::default()
    };
    assert_eq!(show(&apply(&mut world, &file)), "DeclarationApplied revision=2 changed=2");
    assert_eq!(declaration_of(&world.map), wanted);
    assert_eq!(show(&apply(&mut world, &Declaration::default())), "DeclarationApplied revision=2 changed=0");
}

#[test]
fn pruning_removes_what_a_file_does_not_name() {
    let mut world = declared();
    let of_default = Declaration { tenants: vec![tenant("default")], ..Declaration::default() };
    apply(&mut world, &of_default);
    apply_pruning(&mut world, &Declaration::default());
    let left = declaration_of(&world.map);
    let tenants: Vec<&str> = left.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    assert_eq!((tenants, left.lists.len(), left.campaigns.len()), (vec!["default"], 0, 0));
    assert!(left.options.contains(&option("reject_pause", "30")), "an option is left alone");
    assert!(records::list(&world.map, RENEWALS).unwrap().deleting);
    let again = apply(&mut world, &of_lists(vec![list("renewals")]));
    assert!(show(&again).contains("lists.renewals: is being deleted"), "{again:?}");
    world.ask(Body::DeleteRecords(DeleteRecords { list: RENEWALS, rows_max: 500 }));
    apply(&mut world, &example());
    let made = declaration_of(&world.map);
    let dbids = (made.lists[0].dbid, made.campaigns[0].dbid, made.campaign_groups[0].dbid, made.tenants[1].dbid);
    assert_eq!(dbids, (Some(102), Some(102), Some(102), Some(103)), "a DBID is never given twice");
}

#[test]
fn pruning_keeps_a_list_that_has_records_with_its_fields() {
    let mut world = with_record();
    let reply = apply_pruning(&mut world, &Declaration::default());
    assert!(show(&reply).contains("lists.renewals.tenant: there is no tenant"), "{reply:?}");
    let file =
        Declaration { lists: vec![list("renewals")], campaigns: Vec::new(), campaign_groups: Vec::new(), ..example() };
    let file = Declaration { contact_limits: Vec::new(), ..file };
    let reply = apply_pruning(&mut world, &file);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
    let left = declaration_of(&world.map);
    assert_eq!((left.campaigns.len(), left.lists[0].fields.len()), (0, 1));
}

#[test]
fn a_field_goes_with_pruning_from_a_list_without_records() {
    let mut world = declared();
    let two = DeclaredList { fields: vec![column("A", "int"), column("B", "int")], ..list("two") };
    apply(&mut world, &of_lists(vec![two]));
    let one = DeclaredList { fields: vec![column("B", "int")], ..list("two") };
    let file = Declaration { lists: vec![renewals(), one], ..example() };
    assert_eq!(show(&apply_pruning(&mut world, &file)), "DeclarationApplied revision=3 changed=1");
    assert_eq!(declaration_of(&world.map).lists[1].fields.len(), 1);
}

#[test]
fn another_revision_meanwhile_is_refused() {
    let mut world = declared();
    let late = ApplyDeclaration { declaration: of_lists(vec![list("b")]), revision: 0, prune: false };
    let reply = world.ask(Body::ApplyDeclaration(Box::new(late)));
    assert_eq!((code(&reply), attribute(&reply, "revision")), (RefusalCode::Conflict, Some(Value::Int(1))));
}

#[test]
fn a_dbid_is_the_given_one_or_the_next_that_is_free() {
    let mut world = declared();
    let given = |name: &str, dbid: u32| DeclaredCampaign { dbid: Some(dbid), ..campaign(name, &[]) };
    let file = Declaration {
        campaigns: vec![campaign("B", &[]), given("C", 500), campaign("D", &[])],
        lists: vec![DeclaredList { dbid: Some(7), ..list("seven") }, list("next")],
        ..Declaration::default()
    };
    apply(&mut world, &file);
    let made = declaration_of(&world.map);
    let campaigns: Vec<_> = made.campaigns.iter().map(|campaign| campaign.dbid.unwrap()).collect();
    assert_eq!(campaigns, [101, 501, 500, 502]);
    let lists: Vec<_> = made.lists.iter().map(|list| (list.dbid.unwrap(), list.name.as_str())).collect();
    assert_eq!(lists, [(7, "seven"), (101, "renewals"), (102, "next")]);
    assert_eq!(records::find_list(&world.map, "7").unwrap().1.name, "seven");
}

#[test]
fn lists_without_records_may_exchange_their_dbids() {
    let mut world = world();
    world.create("a", "", Vec::new());
    world.create("b", "", Vec::new());
    let with = |name: &str, dbid: u32| DeclaredList { dbid: Some(dbid), ..list(name) };
    let reply = apply(&mut world, &of_lists(vec![with("a", 102), with("b", 101)]));
    assert_eq!(show(&reply), "DeclarationApplied revision=1 changed=2");
    assert_eq!(records::list(&world.map, 102).unwrap().name, "a");
    assert_eq!(records::find_list(&world.map, "b").unwrap().0, 101);
}

/// A file that is refused, the path of its first fault, and a part of that fault's message.
type Refused = (Declaration, &'static str, &'static str);

fn unknown_references() -> Vec<Refused> {
    let of = Declaration::default;
    let calendar = DeclaredList { calendar: Some("never".into()), ..list("a") };
    let treatments = DeclaredList { treatments: Some(names(&["none"])), ..list("a") };
    let tenant = DeclaredList { tenant: Some("south".into()), ..list("a") };
    let zone = DeclaredList { time_zone: Some("Mars/Base".into()), ..list("a") };
    let customer = DeclaredList { customer_id: Some("NOBODY".into()), ..list("a") };
    let prefix = DeclaredPrefix { prefix: "+1".into(), time_zone: Some("NSW".into()) };
    let others_list = campaign("New", &["renewals"]);
    vec![
        (of_lists(vec![calendar]), "lists.a.calendar", "no calendar \"never\""),
        (of_lists(vec![treatments]), "lists.a.treatments", "no treatment \"none\""),
        (of_lists(vec![tenant]), "lists.a.tenant", "no tenant \"south\""),
        (of_lists(vec![zone]), "lists.a.time_zone", "\"Mars/Base\""),
        (of_lists(vec![customer]), "lists.a.customer_id", "\"NOBODY\" is no field"),
        (Declaration { zone_prefixes: vec![prefix], ..of() }, "zone_prefixes.+1.time_zone", "\"NSW\""),
        (Declaration { time_zones: vec![self::zone("X", "Mars")], ..of() }, "time_zones.X.time_zone", "no IANA name"),
        (
            Declaration { campaigns: vec![campaign("New", &["b"])], ..of() },
            "campaigns.New.lists",
            "no calling list \"b\"",
        ),
        (Declaration { campaigns: vec![others_list], ..of() }, "campaigns.New.lists", "another tenant's"),
        (
            Declaration { campaign_groups: vec![group("X", "Y")], ..of() },
            "campaign_groups.X@Y.campaign",
            "no campaign \"X\"",
        ),
        (
            Declaration { contact_limits: vec![limit("l", "X")], ..of() },
            "contact_limits.l.campaign",
            "no campaign \"X\"",
        ),
    ]
}

fn taken_names_and_dbids() -> Vec<Refused> {
    let of = Declaration::default;
    let with = |name: &str, dbid: u32| DeclaredCampaign { dbid: Some(dbid), ..campaign(name, &[]) };
    let groups = vec![group("Renewals", "Agents"), group("Renewals", "Agents")];
    let list_with = |name: &str, dbid: u32| DeclaredList { dbid: Some(dbid), ..list(name) };
    let fields = vec![column("a", "int"), column("A", "int")];
    vec![
        (of_lists(vec![list("a"), list("a")]), "lists.a", "is there twice"),
        (Declaration { campaign_groups: groups, ..of() }, "campaign_groups.Renewals@Agents", "is there twice"),
        (Declaration { time_zones: vec![zone("vic", "UTC")], ..of() }, "time_zones.vic.name", "in other letters"),
        (Declaration { campaigns: vec![with("New", 101)], ..of() }, "campaigns.New.dbid", "the DBID of \"Renewals\""),
        (Declaration { campaigns: vec![with("A", 9), with("B", 9)], ..of() }, "campaigns.B.dbid", "the DBID of \"A\""),
        (Declaration { campaigns: vec![with("A", 0)], ..of() }, "campaigns.A.dbid", "from 1 to"),
        (of_lists(vec![list_with("a", RENEWALS)]), "lists.a.dbid", "the DBID of \"renewals\""),
        (of_lists(vec![DeclaredList { fields, ..list("a") }]), "lists.a.fields.A", "is there twice"),
        (of_lists(vec![list("..")]), "lists....name", "neither . nor .."),
        (of_lists(vec![list("a\u{202e}")]), "lists.a\u{202e}.name", "U+202E"),
        (
            Declaration { campaign_groups: vec![group("Renewals", "a@b")], ..of() },
            "campaign_groups.Renewals@a@b.group",
            "without @",
        ),
    ]
}

/// An item with records keeps its kind, tenant and DBID.
fn changes_of_what_has_records() -> Vec<Refused> {
    let of = Declaration::default;
    let dbid = Some(9);
    let kind = DeclaredList { fields: vec![column("client_id", "varchar(10)")], ..list("renewals") };
    let tenant = DeclaredList { tenant: Some("default".into()), ..list("renewals") };
    let campaign = DeclaredCampaign { dbid, lists: None, ..campaign("Renewals", &[]) };
    let group = DeclaredGroup { dbid, ..group("Renewals", "Agents") };
    let zone = DeclaredZone { dbid, ..zone("VIC", "Australia/Melbourne") };
    let north = DeclaredTenant { dbid, ..self::tenant("north") };
    let treatment = DeclaredTreatment { dbid, ..treatment("busy-again", 6, 1) };
    vec![
        (
            of_lists(vec![kind]),
            "lists.renewals.fields.CLIENT_ID.type",
            "is varchar(64), and may not become varchar(10)",
        ),
        (of_lists(vec![tenant]), "lists.renewals.tenant", "has records"),
        (of_lists(vec![DeclaredList { dbid, ..list("renewals") }]), "lists.renewals.dbid", "from 101 to 9"),
        (Declaration { campaigns: vec![campaign], ..of() }, "campaigns.Renewals.dbid", "from 101 to 9"),
        (Declaration { campaign_groups: vec![group], ..of() }, "campaign_groups.Renewals@Agents.dbid", "from 101 to 9"),
        (Declaration { time_zones: vec![zone], ..of() }, "time_zones.VIC.dbid", "from 122 to 9"),
        (Declaration { tenants: vec![north], ..of() }, "tenants.north.dbid", "from 101 to 9"),
        (Declaration { treatments: vec![treatment], ..of() }, "treatments.busy-again.dbid", "from 101 to 9"),
    ]
}

fn values_that_cannot_be() -> Vec<Refused> {
    let of = Declaration::default;
    let of_calendar = |days: &[DeclaredDay]| Declaration { calendars: vec![calendar("c", days)], ..of() };
    let sent = |column: &str, key: &str| {
        let pairs = vec![DeclaredPair { key: column.into(), value: key.into() }];
        of_lists(vec![DeclaredList { send_attributes: Some(DeclaredPairs { pairs }), ..list("renewals") }])
    };
    let second = treatment("second", 6, 1);
    let both = DeclaredList { treatments: Some(names(&["busy-again", "second"])), ..list("renewals") };
    let alike = Declaration { treatments: vec![second], lists: vec![both], ..of() };
    let no_action = DeclaredTreatment { action: Some("Wait".into()), ..treatment("x", 6, 1) };
    let at_no_time = DeclaredTreatment { action: Some("RetryAtDate".into()), ..treatment("x", 6, 1) };
    let per = DeclaredLimit { per: Some("agent".into()), ..limit("l", "Renewals") };
    let no_max = DeclaredLimit { max: None, ..limit("l", "Renewals") };
    let two_ways = DeclaredTenant {
        country_code: Some("1".into()),
        trunk_prefix: Some("1".into()),
        national_digits: Some(10),
        ..tenant("south")
    };
    let long = DeclaredList { customer_id: Some("C".into()), fields: vec![column("C", "varchar(256)")], ..list("a") };
    let subscription = DeclaredSubscription { name: "crm".into() };
    vec![
        (of_calendar(&[day(1, 20, 8)]), "calendars.c.hours.mon", "20:00-08:00 ends before it begins"),
        (of_calendar(&[day(7, 8, 8)]), "calendars.c.hours.sun", "ends when it begins"),
        (of_calendar(&[day(1, 8, 9), day(1, 10, 11)]), "calendars.c.hours.mon", "is there twice"),
        (of_calendar(&[day(8, 8, 9)]), "calendars.c.hours.8", "no day of the week"),
        (of_calendar(&[day(1, 8, 25)]), "calendars.c.hours.mon", "ends behind 24:00"),
        (alike, "lists.renewals.treatments", "\"busy-again\" and \"second\" are both number 1 of Busy"),
        (Declaration { treatments: vec![no_action], ..of() }, "treatments.x.action", "\"Wait\" is no action"),
        (Declaration { treatments: vec![at_no_time], ..of() }, "treatments.x.at", "is missing"),
        (Declaration { contact_limits: vec![per], ..of() }, "contact_limits.l.per", "phone, customer, chain"),
        (Declaration { contact_limits: vec![no_max], ..of() }, "contact_limits.l.max", "is missing"),
        (Declaration { tenants: vec![two_ways], ..of() }, "tenants.south.national_digits", "without a trunk prefix"),
        (sent("nothing", "x"), "lists.renewals.send_attributes.nothing", "no column of every list"),
        (sent("attempt", "client-id"), "lists.renewals.send_attributes.attempt", "of a field"),
        (sent("attempt", "GSW_PHONE"), "lists.renewals.send_attributes.attempt", "of an attribute"),
        (of_lists(vec![long]), "lists.a.customer_id", "varchar of at most 255 letters"),
        (Declaration { options: vec![option("nope", "1")], ..of() }, "options.nope", "is no option"),
        (Declaration { options: vec![option("reject_pause", "0")], ..of() }, "options.reject_pause", "from 1 to"),
        (
            Declaration { subscriptions: vec![subscription], ..of() },
            "subscriptions.crm",
            "subscriptions come with events, which this release does not have",
        ),
    ]
}

#[test]
fn a_file_with_a_fault_is_refused_by_the_name_of_its_place_and_changes_nothing() {
    let table = [unknown_references(), taken_names_and_dbids(), changes_of_what_has_records(), values_that_cannot_be()];
    for (file, path, message) in table.into_iter().flatten() {
        let mut world = with_record();
        let faults = plan(&world, &file).faults;
        let first = faults.first().unwrap_or_else(|| panic!("no fault at {path}"));
        assert_eq!(first.path, path, "{faults:?}");
        assert!(first.message.contains(message), "{first:?} has not {message:?}");
        let before = declaration_of(&world.map);
        let reply = apply(&mut world, &file);
        assert_eq!(code(&reply), RefusalCode::BadValue);
        assert!(show(&reply).contains(&format!("{path}: ")), "{reply:?}");
        assert_eq!(attribute(&reply, path), Some(Value::text(&first.message)));
        assert_eq!(declaration_of(&world.map), before);
    }
}

#[test]
fn all_faults_are_told_up_to_a_hundred() {
    let mut world = world();
    let lists = (0..150).map(|at| DeclaredList { calendar: Some("none".into()), ..list(&format!("l{at:03}")) });
    let file = of_lists(lists.collect());
    let faults = plan(&world, &file).faults;
    assert_eq!(faults.len(), 100);
    assert_eq!(
        faults[99],
        Fault { path: "lists.l099.calendar".into(), message: "there is no calendar \"none\"".into() }
    );
    let ReplyBody::Refused(refusal) = apply(&mut world, &file).body else { panic!("not refused") };
    assert!(refusal.message.ends_with("(and 99 more)"), "{}", refusal.message);
    assert_eq!(refusal.attributes.len(), 20);
}

#[test]
fn fields_are_added_and_change_their_default_and_send_attribute() {
    let mut world = with_record();
    let given = |default: &str, key: &str| DeclaredField {
        default: Some(default.into()),
        send_attribute: Some(key.into()),
        ..column("CLIENT_ID", "")
    };
    let file = of_lists(vec![DeclaredList {
        fields: vec![given("nobody", "client"), column("AGE", "int")],
        ..list("renewals")
    }]);
    assert_eq!(show(&apply(&mut world, &file)), "DeclarationApplied revision=2 changed=2");
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "client"), Some(Value::text(" C7 ")));
    assert_eq!(attribute(&shown, "client-id"), None);
    let taken = of_lists(vec![DeclaredList { fields: vec![given("", "age")], ..list("renewals") }]);
    assert_eq!(plan(&world, &taken).faults[0].path, "lists.renewals.fields.CLIENT_ID");
}

fn customers(world: &World) -> Vec<CustomersRow> {
    match world.map.get(&Key::BringUp) {
        Some(Row::BringUp(row)) => row.customers,
        _ => Vec::new(),
    }
}

#[test]
fn another_customer_field_of_a_list_with_records_is_brought_up() {
    let mut world = declared();
    let other =
        DeclaredList { fields: vec![column("OTHER", "int")], customer_id: Some("other".into()), ..list("renewals") };
    let first = DeclaredList { customer_id: Some("client_id".into()), ..list("renewals") };
    apply(&mut world, &of_lists(vec![other.clone()]));
    assert!(customers(&world).is_empty(), "without records nothing needs to be brought up");
    apply(&mut world, &of_lists(vec![first.clone()]));
    add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("client-id", "C1")]);
    apply(&mut world, &of_lists(vec![other]));
    assert_eq!(customers(&world), [CustomersRow { list: RENEWALS, record_id: 0 }]);
    apply(&mut world, &of_lists(vec![first]));
    assert_eq!(customers(&world), [CustomersRow { list: RENEWALS, record_id: 0 }], "begun again");
}

#[test]
fn a_changed_zone_counts_for_the_lists_and_records_that_name_it() {
    let mut world = declared();
    apply(&mut world, &of_lists(vec![DeclaredList { time_zone: Some("vic".into()), ..list("v") }]));
    add(&mut world, "v", &[("GSW_PHONE", "1"), ("GSW_TZ_NAME", "Vic")]);
    let record = records::record(&world.map, Handle(1)).unwrap();
    assert_eq!((record.tz_dbid, record.tz_name.as_str()), (Some(122), ""));
    let file = Declaration { time_zones: vec![zone("VIC", "Europe/Moscow")], ..Declaration::default() };
    assert_eq!(show(&apply(&mut world, &file)), "DeclarationApplied revision=3 changed=1");
    let list = records::find_list(&world.map, "v").unwrap().1;
    assert_eq!((list.time_zone.as_str(), list.zone_name.as_str()), ("Europe/Moscow", "VIC"));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "GSW_TZ_NAME"), Some(Value::text("VIC")));
    assert_eq!(attribute(&shown, "GSW_TZ_OFFSET"), Some(Value::Int(3 * 3600)));
}

#[test]
fn a_deleted_list_is_no_list_of_a_campaign_any_more() {
    let mut world = declared();
    world.ask(Body::DeleteList("renewals".into()));
    world.ask(Body::DeleteRecords(DeleteRecords { list: RENEWALS, rows_max: 500 }));
    let exported = declaration_of(&world.map);
    assert_eq!(exported.campaigns[0].lists, Some(CampaignLists::default()));
    assert_eq!(show(&apply(&mut world, &exported)), "DeclarationApplied revision=1 changed=0");
}

#[test]
fn a_deleted_list_leaves_no_windows() {
    let mut world = with_record();
    assert_eq!(world.map.table(Table::Windows).len(), 1);
    world.ask(Body::DeleteList("renewals".into()));
    world.ask(Body::DeleteRecords(DeleteRecords { list: RENEWALS, rows_max: 500 }));
    assert!(world.map.table(Table::Windows).is_empty());
}

#[test]
fn a_resource_is_there_for_its_own_tenant_alone() {
    let mut world = with_record();
    let of_tenant = |request: Request, tenant: &str| Body::Request(Request { tenant: tenant.into(), ..request });
    let get = || request("GetRecord", "records/1", &[]);
    let add = || request("AddRecord", "lists/renewals", &[("GSW_PHONE", "2")]);
    for tenant in ["", "north"] {
        let reply = world.ask(of_tenant(get(), tenant));
        assert_eq!(attribute(&reply, "GSW_RECORD_HANDLE"), Some(Value::Int(1)), "{reply:?}");
    }
    for (tenant, record, list) in [
        ("default", RefusalCode::RecordNotFound, RefusalCode::ListNotFound),
        ("south", RefusalCode::TenantNotFound, RefusalCode::TenantNotFound),
    ] {
        assert_eq!(code(&world.ask(of_tenant(get(), tenant))), record, "{tenant}");
        assert_eq!(code(&world.ask(of_tenant(add(), tenant))), list, "{tenant}");
    }
}

#[test]
fn the_phone_of_a_body_is_the_records_in_any_form_of_its_number() {
    let mut world = with_record();
    for (phone, is_same) in [("+49 30 12345", true), ("03012345", true), ("+49 30 12346", false)] {
        let reply =
            world.ask(Body::Request(request("UpdateCallCompletionStats", "records/1", &[("GSW_PHONE", phone)])));
        assert_eq!(matches!(reply.body, ReplyBody::Done(_)), is_same, "{phone}: {reply:?}");
    }
}

#[test]
fn a_record_has_the_customer_of_its_field_and_is_found_by_it() {
    let mut world = with_record();
    let is_indexed = |world: &World, customer: &str| {
        world.map.get(&Key::RecordByCustomer { customer: customer.into(), handle: Handle(1) }).is_some()
    };
    assert!(is_indexed(&world, "C7"));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "GSW_CUSTOMER_ID"), Some(Value::text("C7")));
    world.ask(Body::Request(request("UpdateCallCompletionStats", "records/1", &[("client-id", "C8")])));
    assert!(is_indexed(&world, "C8") && !is_indexed(&world, "C7"));
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["contact_info,CLIENT_ID", "2, C9 "])));
    let rows = world.map.table(Table::RecordByCustomer);
    assert_eq!(rows.last().unwrap().0, Key::RecordByCustomer { customer: "C9".into(), handle: Handle(2) });
}

#[test]
fn a_column_travels_under_its_key_too() {
    let mut world = declared();
    let reply = add(&mut world, "renewals", &[("Phone", "030 1"), ("agent", "x")]);
    assert_eq!(attribute(&reply, "GSW_PHONE"), Some(Value::text("030 1")));
    assert_eq!(attribute(&reply, "phone"), Some(Value::text("030 1")));
    assert_eq!(attribute(&reply, "GSW_IGNORED"), Some(Value::text("agent")));
    let shown = world.ask(Body::Request(request("GetRecord", "records/1", &[])));
    assert_eq!(attribute(&shown, "phone"), Some(Value::text("030 1")));
    let other = world.ask(Body::Request(request("RecordProcessed", "records/1", &[("phone", "030 2")])));
    assert_eq!(code(&other), RefusalCode::BadValue, "{other:?}");
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["phone", "030 3"])));
    assert_eq!(records::record(&world.map, Handle(2)).unwrap().contact_info, "030 3");
}

#[test]
fn a_list_that_refuses_unknown_keys_names_them() {
    let mut world = with_record();
    apply(&mut world, &of_lists(vec![DeclaredList { unknown_keys: Some("refuse".into()), ..list("renewals") }]));
    for (verb, resource) in
        [("AddRecord", "lists/renewals"), ("UpdateCallCompletionStats", "records/1"), ("DoNotCall", "records/1")]
    {
        let pairs: &[(&str, &str)] = if verb == "AddRecord" { &[("GSW_PHONE", "9")] } else { &[] };
        let mut misspelt = request(verb, resource, &[pairs, &[("clientid", "1")]].concat());
        let reply = world.ask(Body::Request(misspelt.clone()));
        assert_eq!(code(&reply), RefusalCode::BadValue);
        assert!(show(&reply).contains("\"clientid\" is no attribute of"), "{reply:?}");
        misspelt.attributes.sent.query_keys = vec!["clientid".into()];
        let reply = world.ask(Body::Request(misspelt));
        assert!(matches!(reply.body, ReplyBody::Done(_)), "a key of the query is silent: {reply:?}");
    }
}

#[test]
fn a_list_takes_a_phone_once_in_any_form_of_its_number() {
    let mut world = with_record();
    for (unique, finalised, is_taken) in
        [("no", false, true), ("open", false, false), ("open", true, true), ("ever", true, false)]
    {
        let mut world =
            World { map: world.map.clone(), version: world.version, now_us: world.now_us, ..World::default() };
        (world.digest, world.counter) = (world.map.digest(crate::common::CLUSTER_KEY), 1_000);
        if finalised {
            world.ask(Body::Request(request("RecordProcessed", "records/1", &[])));
        }
        apply(&mut world, &of_lists(vec![DeclaredList { unique_phone: Some(unique.into()), ..list("renewals") }]));
        let reply = add(&mut world, "renewals", &[("GSW_PHONE", "+49 30 12345")]);
        let import = world.ask(Body::ImportBatch(batch("renewals", "i", 1, &["contact_info", "0049 30 12345"])));
        if is_taken {
            assert!(matches!(reply.body, ReplyBody::Done(_)), "{unique}: {reply:?}");
        } else {
            assert_eq!(code(&reply), RefusalCode::Duplicate, "{unique}");
            assert_eq!(attribute(&reply, "GSW_RECORD_HANDLE"), Some(Value::Int(1)));
            assert!(show(&import).contains("row 1: contact_info: the list takes a phone once"), "{}", show(&import));
        }
    }
    let other = DeclaredList { unique_phone: Some("ever".into()), ..list("other") };
    apply(&mut world, &of_lists(vec![other]));
    let reply = add(&mut world, "other", &[("GSW_PHONE", "030 12345")]);
    assert!(matches!(reply.body, ReplyBody::Done(_)), "another list's record does not count: {reply:?}");
}

#[test]
fn a_record_without_a_zone_has_that_of_the_longest_prefix_of_its_phone() {
    let mut world = declared();
    let prefix = |prefix: &str, zone: &str| DeclaredPrefix { prefix: prefix.into(), time_zone: Some(zone.into()) };
    let by_phone = DeclaredList { zone_by_phone: Some(true), ..list("renewals") };
    let zone_prefixes = vec![prefix("+49", "Europe/Berlin"), prefix("+4930", "VIC")];
    apply(&mut world, &Declaration { zone_prefixes, lists: vec![by_phone], ..Declaration::default() });
    add(&mut world, "renewals", &[("GSW_PHONE", "040 1")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "030 1")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "030 2"), ("GSW_TZ_NAME", "UTC")]);
    add(&mut world, "renewals", &[("GSW_PHONE", "+1 212")]);
    let lines = ["contact_info,tz_dbid,tz_name", "030 3,,", "030 4,7,", "030 5,,UTC"];
    world.ask(Body::ImportBatch(batch("renewals", "i", 1, &lines)));
    let zones: Vec<(Option<i64>, String)> = (1..=7)
        .map(|handle| records::record(&world.map, Handle(handle)).unwrap())
        .map(|record| (record.tz_dbid, record.tz_name))
        .collect();
    let wanted: [(Option<i64>, &str); 7] = [
        (Some(0), "Europe/Berlin"),
        (Some(122), ""),
        (Some(0), "UTC"),
        (None, ""),
        (Some(122), ""),
        (Some(7), ""),
        (Some(0), "UTC"),
    ];
    assert_eq!(zones, wanted.map(|(dbid, name)| (dbid, name.to_owned())));
}

#[test]
fn a_chain_takes_no_record_beyond_its_hundredth() {
    let mut world = declared();
    let rows: Vec<String> = (0..100).map(|at| format!("{at},7")).collect();
    let lines: Vec<&str> = ["contact_info,chain_id"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let reply = world.ask(Body::ImportBatch(batch("renewals", "i", 1, &lines)));
    assert_eq!(show(&reply), "Imported added=100 duplicates=0 made_ready=0");
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("GSW_CHAIN_ID", "7")]);
    assert_eq!((code(&reply), attribute(&reply, "GSW_RECORDS")), (RefusalCode::TooMany, Some(Value::Int(100))));
    let lines = ["contact_info,chain_id,chain_n", "1,7,500"];
    let reply = world.ask(Body::ImportBatch(batch("renewals", "j", 1, &lines)));
    assert!(show(&reply).contains("row 1: chain_id: Chain 7 has 100 records"), "{}", show(&reply));
}

#[test]
fn a_list_takes_no_record_with_another_window_than_its_thousand() {
    let mut world = declared();
    for (import, from) in [("a", 0), ("b", 500)] {
        let rows: Vec<String> = (from..from + 500).map(|at| format!("{at},{at}")).collect();
        let lines: Vec<&str> = ["contact_info,daily_from"].into_iter().chain(rows.iter().map(String::as_str)).collect();
        let reply = world.ask(Body::ImportBatch(batch("renewals", import, 1, &lines)));
        assert_eq!(show(&reply), "Imported added=500 duplicates=0 made_ready=0");
    }
    let reply = add(&mut world, "renewals", &[("GSW_PHONE", "1"), ("GSW_FROM", "1000")]);
    assert_eq!((code(&reply), attribute(&reply, "GSW_RECORDS")), (RefusalCode::TooMany, Some(Value::Int(1000))));
    let reply = world.ask(Body::ImportBatch(batch("renewals", "c", 1, &["contact_info,daily_from", "1,1000", "2,5"])));
    assert!(show(&reply).starts_with("Imported added=1") && show(&reply).contains("row 1: "), "{}", show(&reply));
}

#[test]
fn an_explicit_type_wins_over_the_rule() {
    let mut world = declared();
    let at = ("GSW_DATE_TIME", "2030-01-01T00:00:00Z");
    for (pairs, record_type, callback) in [
        (vec![at, ("GSW_RECORD_TYPE", "PersonalCallback")], 5, Some("Personal")),
        (vec![at, ("GSW_AGENT_ID", "a")], 5, Some("Personal")),
        (vec![at], 6, Some("Campaign")),
        (vec![("GSW_RECORD_TYPE", "General")], 2, None),
        (vec![at, ("GSW_RECORD_TYPE", "General")], 2, None),
    ] {
        let reply = add(&mut world, "renewals", &[pairs, vec![("GSW_PHONE", "1")]].concat());
        let Some(Value::Int(handle)) = attribute(&reply, "GSW_RECORD_HANDLE") else { panic!("{reply:?}") };
        let shown = world.ask(Body::Request(request("GetRecord", &format!("records/{handle}"), &[])));
        assert_eq!(attribute(&shown, "GSW_RECORD_TYPE"), Some(Value::Int(record_type)));
        assert_eq!(attribute(&shown, "GSW_CALLBACK_TYPE"), callback.map(Value::text));
        world.wait_ms(10_000);
    }
}

#[test]
fn options_of_a_file_are_the_settings() {
    let mut world = declared();
    assert_eq!(records::settings(&world.map).unwrap().value("reject_pause"), Some("30"));
    let same = Declaration { options: vec![option("reject_pause", "0030")], ..Declaration::default() };
    assert_eq!(show(&apply(&mut world, &same)), "DeclarationApplied revision=1 changed=0");
    let other = Declaration { options: vec![option("outbox_effects", "list_created")], ..Declaration::default() };
    assert_eq!(show(&apply(&mut world, &other)), "DeclarationApplied revision=2 changed=1");
    assert!(declaration_of(&world.map).options.contains(&option("outbox_effects", "list_created")));
}

#[test]
fn a_group_below_the_rules_version_declares_nothing() {
    let mut world = World::default();
    world.raise(4, Vec::new());
    let faults = plan(&world, &example()).faults;
    assert_eq!((faults.len(), faults[0].path.as_str()), (1, "declaration"));
    assert!(faults[0].message.contains("needs rules version 5"), "{faults:?}");
}
