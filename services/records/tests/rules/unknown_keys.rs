//! Keys that no list has (spec 4): a list that refuses unknown keys is changed by no request with such a key.

use crate::common::{World, request, show};
use outbound::{
    ApplyDeclaration, Body, Handle, RULES_NEWEST, RefusalCode, Reply, ReplyBody, Value,
    declaration::{Declaration, DeclaredList},
};

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
