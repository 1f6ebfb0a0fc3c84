//! The content index is not on disk: after a restart and in a replay, repeated requests still get the answers of a map.

use crate::support::{Random, SEED, mark, open};
use outbound::{
    Attributes, Body, Command, Handle, NewList, Origin, RULES_FIRST, RULES_NEWEST, RaiseRules, Reply, Request,
    RequestId, Resource, Value, Verb, key,
};
use records::{Change, Changes, MapView, Rules, View, decide};
use store::Store;

/// Time between two commands: a content repeats within its window, after its window, and after its request is forgotten.
const STEP_US: u64 = 170_000;

/// A store and a map that get the same changes.
struct Pair {
    store: Store,
    map: MapView,
    random: Random,
    counter: u64,
    /// The version under which commands are stamped.
    rules: u32,
}

impl Pair {
    fn command(&mut self, body: Body) -> Command {
        self.counter += 1;
        let node = 1 + u32::try_from(self.counter % 2).unwrap();
        let token = if self.rules == RULES_FIRST { 0 } else { 5 << 80 };
        let id = RequestId { node, incarnation: 1, token, counter: self.counter };
        let stamp_us = 1_700_000_000_000_000 + self.counter * STEP_US;
        Command { random: vec![7; 16], ..Command::new(self.rules, id, stamp_us, Origin::Http, body) }
    }

    /// A random request out of a few contents; some have an idempotency key of a balancer.
    fn update(&mut self) -> Command {
        let attempts = Value::Int(i64::try_from(self.random.below(40)).unwrap());
        let attributes: Attributes = [(key::ATTEMPTS.to_owned(), attempts)].into_iter().collect();
        let named = self.random.below(4) == 0;
        let idempotency_key = named.then(|| format!("balancer-{}", self.random.below(300)).into_bytes());
        self.command(Body::Request(request(
            Verb::UpdateCallCompletionStats,
            Resource::Record(Handle(1)),
            attributes,
            idempotency_key,
        )))
    }

    fn apply(&mut self, command: &Command) {
        let (reply, changes, _) = decide(command, &self.store.view(), &Rules::default());
        let (expected, same, _) = decide(command, &self.map, &Rules::default());
        assert_eq!((&reply, &changes), (&expected, &same), "{command:?}");
        self.map.apply(&changes);
        self.store.write(&changes, &mark(self.store.applied().index + 1)).unwrap();
    }
}

fn request(verb: Verb, resource: Resource, attributes: Attributes, idempotency_key: Option<Vec<u8>>) -> Request {
    let (tenant, principal) = (String::new(), String::new());
    Request { verb, resource, attributes, tenant, principal, idempotency_key }
}

/// The replies, and the rows that the digest covers.
fn decided(command: &Command, view: &impl View) -> (Reply, Vec<Change>) {
    let (reply, Changes(changes), _) = decide(command, view, &Rules::default());
    (reply, changes.into_iter().filter(|change| change.key.table().is_state()).collect())
}

#[test]
fn a_state_that_was_opened_again_or_is_replayed_knows_the_same_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair =
        Pair { store: open(dir.path()), map: MapView::default(), random: Random(9), counter: 0, rules: RULES_FIRST };
    let list = Body::CreateList(NewList { name: "demo".into(), time_zone: String::new(), fields: Vec::new() });
    let phone: Attributes = [(key::PHONE.to_owned(), Value::text("+15550001"))].into_iter().collect();
    let record = Body::Request(request(Verb::AddRecord, Resource::List("demo".into()), phone, None));
    for body in [list, record] {
        let command = pair.command(body);
        pair.apply(&command);
    }
    let mut repeats = 0;
    for round in 0..20 {
        if round == 10 {
            pair.rules = RULES_NEWEST;
            let raise = RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: String::new() };
            let command = pair.command(Body::RaiseRules(raise));
            pair.apply(&command);
        }
        assert_eq!(pair.store.settings(), records::settings(&pair.map).as_ref());
        for _ in 0..60 {
            let command = pair.update();
            pair.apply(&command);
        }
        let asked: Vec<Command> = (0..40).map(|_| pair.update()).collect();
        let expected: Vec<_> = asked.iter().map(|command| decided(command, &pair.map)).collect();
        repeats += expected.iter().filter(|(reply, _)| reply.replayed).count();
        let snapshot = pair.store.reader().snapshot();
        let replayed = snapshot.for_replay().unwrap();
        let on_replay: Vec<_> = asked.iter().map(|command| decided(command, &replayed)).collect();
        assert_eq!(on_replay, expected, "round {round}");
        drop(replayed);
        drop(snapshot);
        pair.store.persist().unwrap();
        drop(pair.store);
        pair.store = open(dir.path());
        let reopened: Vec<_> = asked.iter().map(|command| decided(command, &pair.store.view())).collect();
        assert_eq!(reopened, expected, "round {round}");
    }
    assert!(repeats > 50, "{repeats} repeats"); // under the newest rules another change ends a window
    assert_eq!(pair.store.digest(), pair.map.digest(SEED));
}
