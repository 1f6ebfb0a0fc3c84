//! Keys that no list has (spec 4): a list that refuses unknown keys is changed by no request with such a key.

use crate::common::{World, request, show};
use crate::declaring::{DEMO, GROUP, add, change_list, preview};
use outbound::{
    ApplyDeclaration, Body, Handle, RULES_NEWEST, RefusalCode, Reply, ReplyBody, ResourceType, Value, Verb,
    declaration::{Declaration, DeclaredList},
    key,
};
use records::ListRow;

/// A key with spaces, a key that is misspelt, and a key that is unknown.
const KEYS: [&str; 3] = [" GSW_CALL_RESULT ", "GSW_CALLRESULT", "GSW_CALL_RESULTT"];

/// A world with a list `demo`, which ignores or refuses unknown keys, and its record 1.
fn world(unknown_keys: &str) -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    let list = DeclaredList { name: "demo".into(), unknown_keys: Some(unknown_keys.into()), ..DeclaredList::default() };
    let declaration = Declaration { lists: vec![list], ..Declaration::default() };
    let apply = ApplyDeclaration { declaration, revision: 0, prune: false };
    done(&world.ask(Body::ApplyDeclaration(Box::new(apply))));
    done(&world.ask(Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", "+99984")]))));
    world
}

fn done(reply: &Reply) -> &[(String, Value)] {
    match &reply.body {
        ReplyBody::Done(done) => &done.attributes,
        _ => panic!("{reply:?}"),
    }
}

#[test]
fn a_list_that_refuses_unknown_keys_is_changed_by_no_request_with_one() {
    let mut world = world("refuse");
    let before = records::record(&world.map, Handle(1)).unwrap();
    let requests: [(&str, &[(&str, &str)]); 3] = [
        ("RecordProcessed", &[]),
        ("RecordProcessed", &[("GSW_ATTEMPTS", "3")]),
        ("UpdateCallCompletionStats", &[("GSW_CALL_RESULT", "33")]),
    ];
    for (verb, pairs) in requests {
        for key in KEYS {
            let pairs = [pairs, &[(key, "33")]].concat();
            let reply = world.ask(Body::Request(request(verb, "records/1", &pairs)));
            let ReplyBody::Refused(refusal) = &reply.body else { panic!("{verb} {key:?}: {reply:?}") };
            assert_eq!(refusal.code, RefusalCode::BadValue, "{verb} {key:?}");
            assert!(refusal.message.contains(&format!("{key:?}")), "{}", show(&reply));
            assert_eq!(records::record(&world.map, Handle(1)).unwrap(), before, "{verb} {key:?} changed the record");
        }
    }
    done(&world.ask(Body::Request(request("RecordProcessed", "records/1", &[("GSW_CALL_RESULT", "33")]))));
}

#[test]
fn a_list_that_ignores_unknown_keys_names_them_and_takes_the_rest() {
    for key in KEYS {
        let mut world = world("ignore");
        let pairs = [("GSW_ATTEMPTS", "3"), (key, "33")];
        let reply = world.ask(Body::Request(request("RecordProcessed", "records/1", &pairs)));
        let ignored = done(&reply).iter().find(|(name, _)| name == "GSW_IGNORED").map(|(_, value)| value);
        assert_eq!(ignored, Some(&Value::text(key)));
        assert_eq!(records::record(&world.map, Handle(1)).unwrap().attempt, 3);
    }
}

/// A world with a list `demo` that refuses unknown keys and a list `lax` that ignores them, each with a record of its own phone and
/// customer, and with a record of the phone and customer of both. Record 1, of `demo`, is held.
fn two_lists() -> World {
    let mut world = crate::declaring::world(Declaration::default(), &["lax"]);
    change_list(&mut world, DEMO, |list| ListRow { refuses_unknown_keys: true, ..list });
    change_list(&mut world, DEMO + 1, |list| ListRow { customer_column: "CLIENT_ID".to_owned(), ..list });
    add(&mut world, "demo", &[("GSW_PHONE", "+99981"), ("CLIENT_ID", "ann")]);
    assert_eq!(preview(&mut world, GROUP), Some(1));
    add(&mut world, "lax", &[("GSW_PHONE", "+99982"), ("CLIENT_ID", "bob")]);
    for list in ["demo", "lax"] {
        add(&mut world, list, &[("GSW_PHONE", "+99983"), ("CLIENT_ID", "cy")]);
    }
    world
}

/// The value of a mandatory attribute.
fn needed(key: &'static str) -> (&'static str, &'static str) {
    match key {
        key::PHONE => (key, "+99984"),
        key::DATE_TIME => (key, "12/24/2034 18:00"),
        _ => panic!("no value for {key}"),
    }
}

fn path(kind: ResourceType) -> String {
    match kind {
        ResourceType::Records => "records/1".to_owned(),
        ResourceType::Phones => "phones/+99981".to_owned(),
        ResourceType::CustomerIds => "customer_ids/ann".to_owned(),
        ResourceType::Lists => "lists/demo".to_owned(),
        ResourceType::CampaignGroups => format!("campaigngroups/{GROUP}"),
    }
}

/// Whether a request concerns a list by its resource: the lists of a campaign group are the group's, and `GET` has no body.
fn concerns_a_list(verb: Verb, kind: ResourceType) -> bool {
    kind != ResourceType::CampaignGroups && verb != Verb::GetRecord
}

#[test]
fn every_request_on_every_resource_of_a_list_that_refuses_unknown_keys_is_refused_with_one() {
    let pairs = |verb: Verb| verb.needs().iter().copied().map(needed).collect::<Vec<_>>();
    // PatchRecord changes no record that is handed out
    let verbs = Verb::all().filter(|verb| *verb != Verb::PatchRecord);
    let requests = verbs.flat_map(|verb| verb.on().iter().map(move |kind| (verb, *kind)));
    for (verb, kind) in requests {
        let (name, path, known) = (verb.name(), path(kind), pairs(verb));
        for key in KEYS {
            let unknown = [known.as_slice(), &[(key, "33")]].concat();
            let reply = two_lists().ask(Body::Request(request(name, &path, &unknown)));
            if concerns_a_list(verb, kind) {
                let ReplyBody::Refused(refusal) = &reply.body else { panic!("{name} {path} {key:?}: {reply:?}") };
                assert_eq!(refusal.code, RefusalCode::BadValue, "{name} {path} {key:?}");
                assert!(refusal.message.contains(&format!("{key:?}")), "{}", show(&reply));
            } else {
                let ignored = done(&reply).iter().find(|(name, _)| name == key::IGNORED).map(|(_, value)| value);
                let is_named = verb != Verb::GetRecord;
                assert_eq!(ignored, is_named.then_some(&Value::text(key)), "{name} {path}");
            }
        }
        let mut of_query = request(name, &path, &[known.as_slice(), &[("_", "1")]].concat());
        of_query.attributes.sent.query_keys = vec!["_".to_owned()];
        for understood in [request(name, &path, &known), of_query] {
            let reply = two_lists().ask(Body::Request(understood));
            let is_of_state =
                |code: RefusalCode| code == RefusalCode::Conflict && verb == Verb::ScheduledRecordReschedule;
            let is_taken = match &reply.body {
                ReplyBody::Done(_) => true,
                ReplyBody::Refused(refusal) => is_of_state(refusal.code),
                _ => false,
            };
            assert!(is_taken, "{name} {path}: {reply:?}");
        }
    }
}

/// Each row: phone or customer, the list to which the request is narrowed, a key, and whether the request is refused for the key.
#[test]
fn a_request_by_phone_or_customer_is_refused_if_one_of_its_lists_refuses_the_key() {
    for (path, list, key, is_refused) in [
        ("phones/+99981", "", "colour", true),
        ("phones/+99982", "", "colour", false),
        ("phones/+99983", "", "colour", true),
        ("phones/+99983", "", "CLIENT_ID", false),
        ("phones/+99983", "demo", "colour", true),
        ("phones/+99983", "lax", "colour", false),
        ("phones/+99982", "demo", "colour", true),
        ("customer_ids/ann", "", "colour", true),
        ("customer_ids/bob", "", "colour", false),
        ("customer_ids/cy", "", "colour", true),
        ("customer_ids/cy", "demo", "colour", true),
        ("customer_ids/cy", "lax", "colour", false),
        ("customer_ids/bob", "demo", "colour", true),
    ] {
        for verb in ["RequestRecordCancel", "DoNotCall"] {
            let narrowed = if list.is_empty() { Vec::new() } else { vec![(key::CALLING_LIST, list)] };
            let pairs = [narrowed.as_slice(), &[(key, "red")]].concat();
            let reply = two_lists().ask(Body::Request(request(verb, path, &pairs)));
            match &reply.body {
                ReplyBody::Refused(refusal) if is_refused => {
                    assert_eq!(refusal.code, RefusalCode::BadValue, "{verb} {path} {list:?}");
                    let named = "\"colour\" is no attribute of";
                    assert!(refusal.message.contains(named) && refusal.message.contains("\"demo\""), "{refusal:?}");
                }
                ReplyBody::Done(_) if !is_refused => {}
                _ => panic!("{verb} {path} {list:?} {key}: {reply:?}"),
            }
        }
    }
}

#[test]
fn a_phone_that_no_record_has_concerns_no_list() {
    let ask = |verb| two_lists().ask(Body::Request(request(verb, "phones/+99985", &[("colour", "red")])));
    assert!(matches!(&ask("DoNotCall").body, ReplyBody::Done(_)));
    let reply = ask("RequestRecordCancel");
    let ReplyBody::Refused(refusal) = &reply.body else { panic!("{reply:?}") };
    assert_eq!(refusal.code, RefusalCode::PhoneNotFound);
}
