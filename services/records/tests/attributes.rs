//! The table of requests, the source of the HTTP interface's document, agrees with the rules: the test gives each known key an
//! impossible value, and each verb that reads the key refuses the request.

#![allow(clippy::unwrap_used)] // a test may unwrap

mod common;

use common::{World, field, request};
use outbound::{ATTRIBUTES, Body, RULES_NEWEST, Reply, ReplyBody, ResourceType, Value, Verb, key};

/// A field of the list.
const FIELD: &str = "AGE";

/// A list with a field and a record, under the newest rules version.
fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world.create("demo", "Europe/Berlin", vec![field(FIELD, "int")]);
    world.ask(Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", "+9991")])));
    world
}

/// The verbs that change state.
fn changing() -> impl Iterator<Item = Verb> {
    Verb::all().filter(|verb| !verb.reads())
}

/// The reply to a request with its needed attributes and one extra attribute.
fn asked(verb: Verb, key: &str, value: &str) -> Reply {
    let resource = if verb.on().contains(&ResourceType::Lists) { "lists/demo" } else { "records/1" };
    let needs = verb.needs().iter().filter(|needed| **needed != key).map(|needed| (*needed, "+9992"));
    let pairs: Vec<(&str, &str)> = needs.chain([(key, value)]).collect();
    world().ask(Body::Request(request(verb.name(), resource, &pairs)))
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply.body, ReplyBody::Refused(_))
}

#[test]
fn the_table_of_requests_names_every_attribute_that_the_rules_read_and_no_other() {
    let nonsense = "x".repeat(300);
    for verb in changing() {
        for spec in ATTRIBUTES {
            let read = verb.takes().contains(&spec.key) || verb.repeats().contains(&spec.key);
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
        let reply = world().ask(Body::Request(request(verb.name(), "lists/demo", &[])));
        assert!(is_refused(&reply), "{}: {reply:?}", verb.name());
    }
}
