//! The table of requests, the source of the HTTP interface's document, agrees with the rules: the test gives each known key an
//! impossible value, and each verb that reads the key refuses the request.

use crate::common::{World, field, request};
use outbound::{
    ATTRIBUTES, ApplyDeclaration, Body, BringUp, RULES_NEWEST, Reply, ReplyBody, ResourceType, Value, Verb,
    declaration::{CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup, DeclaredList},
    key,
};

/// A field of the list.
const FIELD: &str = "AGE";

/// The value of the customer field.
const CUSTOMER: &str = "7";
/// A time that is never past.
const TIME: &str = "12/31/2099 10:00";

/// A list with a field, a callback in it, and a loaded campaign group, under the newest rules version.
fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world.create("demo", "Europe/Berlin", vec![field(FIELD, "int")]);
    drop(world.ask(Body::BringUp(BringUp { rows_max: 1 })));
    drop(world.ask(Body::ApplyDeclaration(Box::new(ApplyDeclaration { declaration: campaign(), ..apply() }))));
    let pairs = [("GSW_PHONE", "+9991"), (FIELD, CUSTOMER), ("GSW_DATE_TIME", "01/01/2000 10:00")];
    world.ask(Body::Request(request("AddRecord", "lists/demo", &pairs)));
    world.ask(Body::Request(request("LoadCampaign", "campaigngroups/c@g", &[])));
    world
}

fn apply() -> ApplyDeclaration {
    ApplyDeclaration { declaration: Declaration::default(), revision: 0, prune: false }
}

/// List "demo" with a customer field, campaign "c" and its group "c@g".
fn campaign() -> Declaration {
    let list = DeclaredList { name: "demo".into(), customer_id: Some(FIELD.into()), ..DeclaredList::default() };
    let lists = vec![CampaignList { list: "demo".into(), weight: None }];
    let campaign =
        DeclaredCampaign { name: "c".into(), lists: Some(CampaignLists { lists }), ..DeclaredCampaign::default() };
    let group = DeclaredGroup { campaign: "c".into(), group: "g".into(), ..DeclaredGroup::default() };
    Declaration { lists: vec![list], campaigns: vec![campaign], campaign_groups: vec![group], ..Declaration::default() }
}

/// The verbs that change state and have a request name; PatchRecord changes no record that is handed out.
fn changing() -> impl Iterator<Item = Verb> {
    Verb::all().filter(|verb| !verb.reads() && verb.has_request_name())
}

/// The reply to a request with its needed attributes and one extra attribute. Requests on a record find the record handed out.
fn asked(verb: Verb, key: &str, value: &str) -> Reply {
    let resource = resource(verb);
    let needed = |needed: &'static str| if needed == key::DATE_TIME { TIME } else { "+9992" };
    let needs = verb.needs().iter().filter(|needed| **needed != key).map(|name| (*name, needed(name)));
    let pairs: Vec<(&str, &str)> = needs.chain([(key, value)]).collect();
    let mut world = world();
    if resource == "records/1" {
        world.ask(Body::Request(request("PreviewRecordRequest", "campaigngroups/c@g", &[])));
    }
    world.ask(Body::Request(request(verb.name(), resource, &pairs)))
}

/// A resource of a verb in [`world`].
fn resource(verb: Verb) -> &'static str {
    match verb.on().first() {
        Some(ResourceType::Lists) => "lists/demo",
        Some(ResourceType::CampaignGroups) => "campaigngroups/c@g",
        _ => "records/1",
    }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply.body, ReplyBody::Refused(_))
}

#[test]
fn the_table_of_requests_names_every_attribute_that_the_rules_read_and_no_other() {
    let nonsense = "x".repeat(300);
    for verb in changing() {
        for spec in ATTRIBUTES {
            // a request on Do-Not-Call is never refused for another attempt
            let is_passed_over = verb == Verb::DoNotCall && spec.key == key::CALL_ATTEMPT_GUID;
            let read = verb.takes().contains(&spec.key) || verb.repeats().contains(&spec.key);
            let read = read && !is_passed_over;
            let reply = asked(verb, spec.key, &nonsense);
            assert_eq!(is_refused(&reply), read, "{} of {}: {reply:?}", spec.key, verb.name());
        }
    }
}

#[test]
fn an_attribute_that_a_request_does_not_use_is_named_as_ignored() {
    for verb in changing() {
        for spec in ATTRIBUTES.iter().filter(|spec| !verb.takes().contains(&spec.key)) {
            let ReplyBody::Done(done) = asked(verb, spec.key, "x").body else { continue };
            let named = done.attributes.iter().find(|(key, _)| key == key::IGNORED).map(|(_, value)| value.clone());
            let wanted = (!verb.uses(spec.key)).then(|| Value::text(spec.key));
            assert_eq!(named, wanted, "{} of {}", spec.key, verb.name());
        }
        assert!(verb.uses(key::REFERENCE_ID) && !verb.uses(key::RECORD_URI), "{}", verb.name());
    }
}

#[test]
fn the_table_of_requests_says_which_set_fields_and_what_acknowledges_them() {
    for verb in changing() {
        let reply = asked(verb, FIELD, "young");
        assert_eq!(is_refused(&reply), verb.sets_fields(), "{}: {reply:?}", verb.name());
        let ReplyBody::Done(done) = asked(verb, FIELD, "42").body else { panic!("{} is refused", verb.name()) };
        assert_eq!(done.event, verb.event());
    }
}

#[test]
fn a_request_without_what_it_needs_is_refused() {
    for verb in changing().filter(|verb| !verb.needs().is_empty()) {
        assert!(verb.needs().iter().all(|needed| verb.takes().contains(needed)), "{}", verb.name());
        let reply = world().ask(Body::Request(request(verb.name(), resource(verb), &[])));
        assert!(is_refused(&reply), "{}: {reply:?}", verb.name());
    }
}
