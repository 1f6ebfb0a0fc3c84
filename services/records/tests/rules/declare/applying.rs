//! Applying, planning, pruning and exporting declarations.

use outbound::{
    ApplyDeclaration, Body, DeleteRecords, RULES_NEWEST, RefusalCode, ReplyBody, Value,
    declaration::{
        Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredList, DeclaredPrefix, DeclaredResults,
        DeclaredTreatment, DeclaredZone,
    },
};
use records::declaration_of;

use super::example::{
    RENEWALS, apply, apply_pruning, attribute, calendar, campaign, code, column, day, declared, example, list, names,
    of_lists, option, plan, renewals, tenant, with_record, world, zone,
};
use crate::common::{World, field, show};

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
