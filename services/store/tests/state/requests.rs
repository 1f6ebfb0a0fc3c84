//! Forgotten requests: hidden from every view at once, and gone from the disk soon after.

use std::{fs, path::Path};

use crate::support::{Random, SEED, assert_agree, assert_same_rows, config, mark, open, remember_and_forget};
use outbound::RequestId;
use records::{Key, MapView, View};
use store::{Store, ingest};

/// Remembered ids of each node.
const KEPT: u64 = 500;
const BYTES: usize = 300;
const PERSIST_EVERY: u64 = 300;

/// A store and a map that remember and forget the same requests.
struct Pair {
    store: Store,
    map: MapView,
    random: Random,
    /// From this index on ids have a token.
    tokens_from: u64,
    /// From this index on floors are rows of their own.
    parted_from: u64,
}

impl Pair {
    fn new(dir: &Path, tokens_from: u64) -> Self {
        Self { store: open(dir), map: MapView::default(), random: Random(5), tokens_from, parted_from: u64::MAX }
    }

    fn id(&self, node: u32, counter: u64) -> RequestId {
        let token = if 2 * counter < self.tokens_from { 0 } else { 7 << 100 };
        RequestId { node, incarnation: 3, token, counter }
    }

    /// Requests of two nodes in turn.
    fn go_on(&mut self, indexes: u64) {
        for index in self.store.applied().index + 1..=self.store.applied().index + indexes {
            let id = self.id(1 + (index % 2) as u32, index.div_ceil(2));
            let floors = (KEPT, index >= self.parted_from);
            let changes = remember_and_forget(&self.store.view(), &mut self.random, (id, BYTES), floors);
            self.map.apply(&changes);
            self.store.write(&changes, &mark(index)).unwrap();
            if index % PERSIST_EVERY == 0 {
                self.store.persist().unwrap();
            }
        }
    }

    fn agree(&self) {
        assert_agree(&self.store, &self.map);
    }
}

/// Bytes of all tables.
fn table_bytes(dir: &Path) -> u64 {
    let within = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let bytes = |path: std::path::PathBuf| match path.is_dir() {
        true => table_bytes(&path),
        false if dir.ends_with("tables") => fs::metadata(&path).map_or(0, |file| file.len()),
        false => 0,
    };
    within.map(bytes).sum()
}

#[test]
fn what_is_forgotten_is_gone_for_every_view_and_leaves_the_disk() {
    for (tokens_from, parted_from) in [(u64::MAX, u64::MAX), (3_000, 9_000)] {
        let dir = tempfile::tempdir().unwrap();
        let mut pair = Pair { parted_from, ..Pair::new(dir.path(), tokens_from) };
        let mut most = 0;
        for _ in 0..10 {
            pair.go_on(2000);
            pair.agree();
            most = most.max(table_bytes(dir.path()));
        }
        for counter in [900, 9_400] {
            let forgotten = Key::Request(pair.id(2, counter));
            assert_eq!(pair.store.view().get(&forgotten), None);
            assert_eq!(pair.store.reader().snapshot().get(&forgotten), None);
        }
        let (remembered, all) = (2 * KEPT * BYTES as u64, 20_000 * BYTES as u64);
        assert!(most > remembered / 2, "{most}: nothing was written as tables");
        // where the kind changes, both kinds are on disk, and ids with a token are longer
        assert!(most < all * 2 / 3, "{most} bytes of tables");
    }
}

#[test]
fn a_state_that_is_held_keeps_what_was_forgotten_since() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(dir.path(), 2_000);
    pair.go_on(3000);
    let (held, map) = (pair.store.reader().snapshot(), pair.map.clone());
    pair.go_on(9000);
    assert_same_rows(&held, &map);
    let sent: Vec<_> = held.export().collect::<Result<_, _>>().unwrap();
    let copy = dir.path().join("copy");
    let ingested = ingest(&copy, &config(), sent.into_iter().map(Ok)).unwrap();
    assert_eq!((ingested.applied.index, ingested.digest), (3000, map.digest(SEED)));
    let copy = open(&copy);
    assert_same_rows(&copy.view(), &map);
    assert!(copy.reader().verify().unwrap().equal());
    pair.agree();
}

#[test]
fn after_a_restart_the_same_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair { parted_from: 4_000, ..Pair::new(dir.path(), 6_000) };
    for _ in 0..5 {
        pair.go_on(2500);
        pair.store.persist().unwrap();
        drop(pair.store);
        pair.store = open(dir.path());
        pair.agree();
    }
}
