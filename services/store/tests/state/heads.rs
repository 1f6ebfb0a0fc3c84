//! The heads of queues: reads that begin at a remembered head give the rows of a map, after any sets and removals, in every
//! view, after a restart, and in a state that was taken over.

use std::path::Path;

use crate::support::{Random, assert_same_rows, config, mark, open};
use outbound::{Handle, RULES_WITH_CAMPAIGNS};
use records::{
    Bound, Change, Changes, Class, Declared, DeclaredRow, DncRestRow, EmptyRow, Key, MapView, Overlay, Row, Settings,
    Table, View, Window, WindowZone,
};
use store::{Store, ingest};

const AGENTS: [&str; 2] = ["a", "ab"];

/// A store and a map that get the same changes.
struct Pair {
    store: Store,
    map: MapView,
    random: Random,
}

impl Pair {
    /// Under rules with campaigns: all index rows are sent.
    fn new(dir: &Path, seed: u64) -> Self {
        let mut pair = Self { store: open(dir), map: MapView::default(), random: Random(seed) };
        let settings = Settings::first(RULES_WITH_CAMPAIGNS, "0.1.0", &[]).unwrap();
        pair.write(Changes(vec![Change { key: Key::Settings, old: None, new: Some(Row::Settings(settings.into())) }]));
        pair
    }

    fn write(&mut self, changes: Changes) {
        self.map.apply(&changes);
        self.store.write(&changes, &mark(self.store.applied().index + 1)).unwrap();
    }

    /// Sets some rows, removes some, and takes some from the front of a queue.
    fn change(&mut self) {
        let changes = {
            let (view, random) = (self.store.view(), &mut self.random);
            let mut overlay = Overlay::new(&view);
            for _ in 0..random.below(8) {
                let (key, row) = row(random);
                if random.below(4) == 0 { overlay.remove(key) } else { overlay.put(key, row) }
            }
            let (bound, taken) = (bound(random), random.below(12) as u32);
            overlay.next(&bound, taken).into_iter().for_each(|(key, _)| overlay.remove(key));
            overlay.into_changes()
        };
        self.write(changes);
    }

    /// Compares reads of the newest state, and of the state that other threads have, with the map.
    fn read(&mut self, times: u32) {
        let (view, snapshot) = (self.store.view(), self.store.reader().snapshot());
        for _ in 0..times {
            let (bound, limit) = (bound(&mut self.random), self.random.below(5) as u32);
            let expected = self.map.next(&bound, limit);
            assert_eq!(view.next(&bound, limit), expected, "{limit} of {bound:?}");
            assert_eq!(snapshot.next(&bound, limit), expected, "{limit} of {bound:?} in the state of others");
        }
    }
}

fn row(random: &mut Random) -> (Key, Row) {
    let (number, handle) = (random.below(40), Handle(random.below(6)));
    let (list, group) = (101 + random.below(2) as u32, 1 + random.below(3) as u32);
    let agent = AGENTS[random.below(2) as usize].to_owned();
    match random.below(8) {
        0..3 => {
            let class = match random.below(3) {
                0 => Class::Personal(agent),
                1 => Class::Callback,
                _ => Class::General,
            };
            let window = Window { from: random.below(2) as u32, till: 9, zone: WindowZone::OfList };
            // behind a callback's time stands its handle
            let order = if class == Class::General { (number, random.below(3)) } else { (number, handle.0) };
            (Key::Dialable { list, class, window, order, handle }, Row::Dialable(EmptyRow))
        }
        3 => (Key::HeldByTime { changed_us: number, handle }, Row::HeldByTime(EmptyRow)),
        4 => (Key::HeldByGroup { group, agent, held_since_us: number, handle }, Row::HeldByGroup(EmptyRow)),
        5 => {
            let personal = random.below(2) == 0;
            (Key::CallbackByDue { personal, due_s: number, handle }, Row::CallbackByDue(EmptyRow))
        }
        6 => (Key::WaitingUntil { until_s: number, handle }, Row::WaitingUntil(EmptyRow)),
        _ => (Key::DncRest(number), Row::DncRest(DncRestRow { handle: number, ..DncRestRow::default() })),
    }
}

/// A bound from the front of a prefix, for the most part.
fn bound(random: &mut Random) -> Bound {
    let cut = |random: &mut Random| {
        let key = row(random).0;
        let mut bytes = key.encode().into_vec();
        bytes.truncate(random.below(1 + bytes.len() as u64) as usize);
        (key.table(), bytes)
    };
    let (table, prefix) = cut(random);
    let from = match random.below(4) {
        0 => cut(random).1,
        1 => prefix.clone(),
        _ => Vec::new(),
    };
    Bound { table, from, prefix }
}

#[test]
fn reads_from_the_front_of_a_queue_miss_no_row_whatever_was_set_and_removed() {
    for seed in 1..=4 {
        let dir = tempfile::tempdir().unwrap();
        let mut pair = Pair::new(dir.path(), seed);
        let mut held = Vec::new();
        for index in 0..600 {
            pair.change();
            pair.read(6);
            if index % 150 == 0 {
                held.push((pair.store.reader().snapshot(), pair.map.clone()));
            }
        }
        for (snapshot, map) in held {
            assert_same_rows(&snapshot, &map);
        }
    }
}

#[test]
fn after_a_restart_and_in_a_state_that_was_taken_over_no_head_is_that_of_another_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut pair = Pair::new(&path("store"), 5);
    (0..200).for_each(|_| pair.change());
    pair.read(200);
    pair.store.persist().unwrap();
    drop(pair.store);
    pair.store = open(&path("store"));
    pair.read(200);

    let mut other = Pair::new(&path("other"), 6);
    (0..300).for_each(|_| other.change());
    let chunks: Vec<_> = other.store.reader().snapshot().export().collect::<Result<_, _>>().unwrap();
    ingest(&path("fetched"), &config(), chunks.into_iter().map(Ok::<_, String>)).unwrap();
    pair.store.install(&path("fetched")).unwrap();
    pair.map = other.map.clone();
    pair.read(200);
    for _ in 0..100 {
        pair.change();
        pair.read(6);
    }
}

#[test]
fn what_is_declared_is_read_as_it_was_written_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(dir.path(), 7);
    let row = |revision| {
        let row = DeclaredRow { revision, ..DeclaredRow::default() };
        Row::Declared(std::sync::Arc::new(Declared::from(row)))
    };
    for (old, new) in [(None, Some(1)), (Some(1), Some(2)), (Some(2), None), (None, Some(3))] {
        let change = Change { key: Key::Declared, old: old.map(row), new: new.map(row) };
        pair.write(Changes(vec![change]));
        assert_eq!(pair.store.view().get(&Key::Declared), new.map(row));
    }
    pair.store.persist().unwrap();
    drop(pair.store);
    assert_eq!(open(dir.path()).view().get(&Key::Declared), Some(row(3)));
}

#[test]
fn the_front_of_a_queue_follows_the_rows_that_are_taken_and_added_in_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(dir.path(), 8);
    let key = |number: u64| Key::HeldByTime { changed_us: number, handle: Handle(number) };
    let held = || Bound { table: Table::HeldByTime, from: Vec::new(), prefix: Vec::new() };
    for number in 1..=500 {
        let taken = Change { key: key(number - 1), old: Some(Row::HeldByTime(EmptyRow)), new: None };
        let added = Change { key: key(number), old: None, new: Some(Row::HeldByTime(EmptyRow)) };
        let taken = (number > 1).then_some(taken);
        pair.write(Changes(taken.into_iter().chain([added]).collect()));
        let first = pair.store.reader().snapshot().next(&held(), 1);
        assert_eq!(first.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [key(number)]);
    }
}
