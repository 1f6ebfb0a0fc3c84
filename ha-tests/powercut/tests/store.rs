//! The store on a disk whose power is cut: the store opens by itself, at or behind the durable index, and holds the rows of
//! that index. Skipped, with a reason, where nothing can be mounted.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

#[path = "../../../services/store/tests/state/support/mod.rs"]
mod support;

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use outbound::RequestId;
use powercut::Mounted;
use records::{Changes, Key, MapView, Overlay, RequestRow, Row};
use store::Store;
use support::{Random, assert_same_rows, config, mark, random_changes, remember_and_forget, write_up_to};

const BYTES_MAX: u64 = 1 << 30;
const ROUNDS: u64 = 15;
/// Request ids that are remembered: more than a table holds; otherwise a recovery reads them back from the journal.
const KEPT: u64 = 200;
const BYTES: usize = 3000;

/// The written content: the changes of each index from 1 on.
struct Written {
    changes: Vec<Changes>,
    map: MapView,
    random: Random,
    /// Request ids of one node, so far: forgotten ids are dropped from the disk.
    requests: u64,
}

impl Written {
    fn new() -> Self {
        Self { changes: Vec::new(), map: MapView::default(), random: Random(11), requests: 0 }
    }

    /// Some rows, one of them larger than a page now and then.
    fn next(&mut self, index: u64) -> Changes {
        let mut changes = random_changes(&mut self.random, &self.map);
        if self.random.below(4) == 0 {
            let mut overlay = Overlay::new(&self.map);
            let id = RequestId { node: 2, incarnation: 1 + index, token: 0, counter: 1 };
            let reply = vec![7; self.random.below(3 * 4096) as usize];
            overlay.put(Key::Request(id), Row::Request(RequestRow { stamp_us: index, reply, ..RequestRow::default() }));
            changes.0.extend(overlay.into_changes().0);
        }
        if self.random.below(2) == 0 {
            let id = RequestId { node: 3, incarnation: 1, token: 0, counter: self.requests + 1 };
            changes.0.extend(remember_and_forget(&self.map, &mut self.random, (id, BYTES), (KEPT, false)).0);
            self.requests += 1;
        }
        changes
    }

    /// Goes on until the disk is gone; returns the durable index.
    fn write(&mut self, store: &mut Store, count: &AtomicU64) -> u64 {
        let mut durable = 0;
        loop {
            let index = self.changes.len() as u64 + 1;
            let changes = self.next(index);
            let written = store.write(&changes, &mark(index));
            self.map.apply(&changes);
            self.changes.push(changes);
            if written.is_err() {
                return durable;
            }
            count.fetch_add(1, Relaxed);
            if self.random.below(200) == 0 {
                match store.persist() {
                    Ok(index) => durable = index,
                    Err(_) => return durable,
                }
            }
        }
    }

    /// Forgets the changes behind an index.
    fn back_to(&mut self, index: u64) {
        self.changes.truncate(index as usize);
        self.map = MapView::default();
        self.changes.iter().for_each(|changes| self.map.apply(changes));
    }
}

fn cut_when(disk: &Mounted, count: &AtomicU64, at: u64) {
    while count.load(Relaxed) < at {
        thread::yield_now();
    }
    disk.cut();
    disk.off();
}

#[test]
fn a_store_opens_after_every_cut_with_the_rows_of_an_index_that_is_not_below_what_was_durable() {
    if let Some(why) = powercut::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let rounds: u64 = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let dir = tempfile::tempdir().unwrap();
    let disk = Mounted::at(dir.path(), BYTES_MAX).unwrap();
    let (path, mut written, mut durable) = (disk.path().join("state"), Written::new(), 0);
    for seed in 0..rounds {
        let mut store = open(&path, seed);
        let index = store.applied().index;
        assert!(index >= durable, "seed {seed}: {index} is below {durable}, which was durable");
        written.back_to(index);
        assert_same_rows(&store.view(), &written.map);
        assert!(store.reader().verify().unwrap().equal(), "seed {seed}");
        let (count, at) = (AtomicU64::new(0), written.random.below(800));
        durable = durable.max(thread::scope(|scope| {
            scope.spawn(|| cut_when(&disk, &count, at));
            written.write(&mut store, &count)
        }));
        drop(store);
        eprintln!("seed {seed}: index {index}, then {:?} lost", disk.on(seed));
    }
}

/// The engine does not sync every new directory.
#[test]
fn a_store_that_was_just_made_loses_no_part_of_itself() {
    const WRITTEN: u64 = 30;
    if let Some(why) = powercut::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = Mounted::at(dir.path(), BYTES_MAX).unwrap();
    for seed in 0..40 {
        let path = disk.path().join(format!("state-{seed}"));
        let (mut store, mut map, mut random) = (open(&path, seed), MapView::default(), Random(seed + 1));
        write_up_to(&mut store, &mut map, &mut random, WRITTEN);
        store.persist().unwrap();
        disk.cut();
        disk.off();
        drop(store);
        disk.on(seed);
        let store = open(&path, seed);
        assert_eq!(store.applied().index, WRITTEN, "seed {seed}");
        assert_same_rows(&store.view(), &map);
        drop(store);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

fn open(path: &Path, seed: u64) -> Store {
    Store::open(path, config()).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}
