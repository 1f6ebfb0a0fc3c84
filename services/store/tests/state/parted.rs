//! States of every rules version are opened, fetched and restored as they were, and raised to parted counters afterwards.

use std::path::Path;

use crate::support::{assert_agree, config, mark, open};
use outbound::{
    Attributes, Body, Command, Handle, NewList, Origin, RULES_NEWEST, RaiseRules, Request, RequestId, Resource, Value,
    Verb, key,
};
use records::{Key, MapView, Rules, Table, View, decide};
use store::{Archive, ArchiveHead, ArchiveOut, Store, ingest};

/// Records of the first rules version, more than a page of keys.
const RECORDS: u64 = 300;

/// A store and a map that get the same changes.
struct Pair {
    store: Store,
    map: MapView,
    counter: u64,
    rules: u32,
}

impl Pair {
    fn new(dir: &Path) -> Self {
        Self { store: open(dir), map: MapView::default(), counter: 0, rules: 1 }
    }

    /// A second between two commands: ids are forgotten, and floors rise.
    fn ask(&mut self, body: Body) {
        self.counter += 1;
        let (node, token) = (1 + (self.counter % 2) as u32, if self.rules == 1 { 0 } else { 5 << 80 });
        let id = RequestId { node, incarnation: 1, token, counter: self.counter };
        let stamp_us = 1_700_000_000_000_000 + self.counter * 1_000_000;
        let command = Command::new(self.rules.max(body.rules_min()), id, stamp_us, Origin::Http, body);
        let (reply, changes, _) = decide(&command, &self.store.view(), &Rules::default());
        let (expected, same, _) = decide(&command, &self.map, &Rules::default());
        assert_eq!((&reply, &changes), (&expected, &same), "{command:?}");
        self.map.apply(&changes);
        self.store.write(&changes, &mark(self.store.applied().index + 1)).unwrap();
    }

    fn raise(&mut self, to: u32) {
        self.ask(Body::RaiseRules(RaiseRules { to, settings: Vec::new(), release: "0.1.0".to_owned() }));
        self.rules = to;
    }

    fn add(&mut self, phone: u64) {
        let phone = [(key::PHONE.to_owned(), Value::text(format!("+9997{phone:05}")))];
        self.ask(Body::Request(Request {
            verb: Verb::AddRecord,
            resource: Resource::List("demo".to_owned()),
            attributes: phone.into_iter().collect::<Attributes>(),
            tenant: String::new(),
            principal: String::new(),
            idempotency_key: Some(self.counter.to_be_bytes().to_vec()),
        }));
    }

    fn agree(&self) {
        assert_agree(&self.store, &self.map);
    }
}

/// A state of a rules version, with requests that are forgotten.
fn of_version(dir: &Path, version: u32) -> Pair {
    let mut pair = Pair::new(dir);
    pair.ask(Body::CreateList(NewList { name: "demo".to_owned(), time_zone: String::new(), fields: Vec::new() }));
    (0..RECORDS).for_each(|phone| pair.add(phone));
    for to in 2..=version {
        pair.raise(to);
        (0..100).for_each(|phone| pair.add(1_000 * u64::from(to) + phone));
    }
    pair.agree();
    pair
}

/// A store made of the chunks that a node sends, and a store made of a backup.
fn copies(store: &Store, dir: &Path) -> [Store; 2] {
    let [sent, restored] = ["sent", "restored"].map(|name| dir.join(name));
    let snapshot = store.reader().snapshot();
    let chunks: Vec<_> = snapshot.export().collect::<Result<_, _>>().unwrap();
    ingest(&sent, &config(), chunks.into_iter().map(Ok::<_, String>)).unwrap();
    let file: Vec<u8> = ArchiveOut::new(&snapshot, ArchiveHead::default()).flat_map(Result::unwrap).collect();
    let archive = Archive::open(&file[..]).unwrap();
    let chunks = archive.chunks().map(|chunk| chunk.map_err(|error| error.to_string()));
    ingest(&restored, &config(), chunks).unwrap();
    [open(&sent), open(&restored)]
}

#[test]
fn a_state_of_every_rules_version_is_fetched_and_restored_and_its_counters_are_parted_then() {
    for version in 1..=RULES_NEWEST {
        let dir = tempfile::tempdir().unwrap();
        let Pair { store, map, counter, rules } = of_version(&dir.path().join("first"), version);
        for store in copies(&store, dir.path()) {
            let mut copy = Pair { store, map: map.clone(), counter, rules };
            copy.agree();
            copy.raise(RULES_NEWEST);
            (50_000..50_100).for_each(|phone| copy.add(phone));
            copy.agree();
            assert!(copy.map.get(&Key::ListCounters(101)).is_some());
            let handles = copy.map.table(Table::Record).len() as u64;
            assert!(records::record(&copy.map, Handle(handles)).is_some(), "handles go on without a gap");
        }
    }
}

#[test]
fn a_store_that_is_opened_again_goes_on_with_parted_counters() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = of_version(dir.path(), RULES_NEWEST);
    for round in 0..3 {
        pair.store.persist().unwrap();
        drop(pair.store);
        pair.store = open(dir.path());
        pair.agree();
        (0..100).for_each(|phone| pair.add(60_000 + 1_000 * round + phone));
        pair.agree();
    }
}
