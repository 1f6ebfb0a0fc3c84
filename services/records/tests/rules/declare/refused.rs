//! Declarations that are refused: a table of every fault with its place and its message.

use outbound::{
    RefusalCode, ReplyBody, Value,
    declaration::{
        Declaration, DeclaredCampaign, DeclaredDay, DeclaredGroup, DeclaredLimit, DeclaredList, DeclaredPair,
        DeclaredPairs, DeclaredPrefix, DeclaredSubscription, DeclaredTenant, DeclaredTreatment, DeclaredZone,
    },
};
use records::{Fault, declaration_of};

use super::example::{
    RENEWALS, apply, attribute, calendar, campaign, code, column, day, group, limit, list, names, of_lists, option,
    plan, tenant, treatment, with_record, world, zone,
};
use crate::common::show;

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
