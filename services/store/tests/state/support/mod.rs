//! A story of random changes, applied to a store and to a map alike. Used by the tests of this crate.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part

use std::path::Path;

use outbound::{Handle, RequestId};
use records::{
    Changes, EmptyRow, FloorRow, Key, MapView, MetaRow, NumberRow, Overlay, RecordRow, RequestRow, Row, Table, View,
};
use store::{AppliedMark, Store, StoreConfig};

pub const CLUSTER: [u8; 16] = *b"one test cluster";
/// The seed of the digest that belongs to [`CLUSTER`].
pub const SEED: u64 = u64::from_be_bytes(*b"one test");

/// Small buffers, so that tests flush and compact too.
pub fn config() -> StoreConfig {
    StoreConfig {
        cache_bytes: 8 << 20,
        write_buffer_bytes: 1 << 20,
        journal_bytes_max: 64 << 20,
        ..StoreConfig::new(CLUSTER)
    }
}

pub fn open(dir: &Path) -> Store {
    Store::open(dir, config()).unwrap()
}

/// xorshift64*: the same numbers on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

fn random_row(random: &mut Random) -> (Key, Row) {
    let number = random.below(200);
    let row = RecordRow { record_id: random.below(1 << 30), attempt: 7, ..RecordRow::default() };
    match random.below(5) {
        0 | 1 => (Key::Record(Handle(number)), Row::Record(std::sync::Arc::new(row))),
        2 => {
            let id =
                RequestId { node: 1 + u32::try_from(number % 2).unwrap(), incarnation: 1, token: 0, counter: number };
            (
                Key::Request(id),
                Row::Request(RequestRow { stamp_us: number, reply: vec![3; 300], ..RequestRow::default() }),
            )
        }
        3 => {
            let list = 101 + u32::try_from(number % 3).unwrap();
            let number = random.below(1 << 40);
            (Key::RecordById { list, record_id: number % 200 }, Row::RecordById(NumberRow { number }))
        }
        _ => {
            let phone = format!("+{}", number % 20);
            (Key::RecordByPhone { phone, handle: Handle(number) }, Row::RecordByPhone(EmptyRow))
        }
    }
}

/// Up to 20 rows set or removed, decided on `view`.
pub fn random_changes(random: &mut Random, view: &impl View) -> Changes {
    let mut overlay = Overlay::new(view);
    for _ in 0..random.below(20) {
        let (key, row) = random_row(random);
        if random.below(4) == 0 { overlay.remove(key) } else { overlay.put(key, row) }
    }
    overlay.into_changes()
}

pub fn mark(index: u64) -> AppliedMark {
    AppliedMark { index, term: 3, conf_state: vec![8, 1, 8, 2] }
}

/// Writes one batch an index up to `last`, to the store and to the map.
pub fn write_up_to(store: &mut Store, map: &mut MapView, random: &mut Random, last: u64) {
    for index in store.applied().index + 1..=last {
        let changes = random_changes(random, &store.view());
        map.apply(&changes);
        store.write(&changes, &mark(index)).unwrap();
    }
}

/// The same rows in every table that has an order.
pub fn assert_same_rows(view: &impl View, map: &MapView) {
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Content) {
        let all = records::Bound { table, from: Vec::new(), prefix: Vec::new() };
        assert_eq!(view.next(&all, u32::MAX), map.table(table), "{table:?}");
    }
}

/// Store and map have the same rows, digest and count of records, by the current view, by a snapshot, and read anew from the disk.
pub fn assert_agree(store: &Store, map: &MapView) {
    let snapshot = store.reader().snapshot();
    assert_same_rows(&store.view(), map);
    assert_same_rows(&snapshot, map);
    assert_eq!(store.digest(), map.digest(SEED));
    let verified = store.reader().verify().unwrap();
    assert!(verified.equal(), "{verified:?}");
    assert_eq!(snapshot.records(), map.table(Table::Record).len() as u64);
}

/// Remembers a request of a node, and forgets older ids beyond the last `kept` as the rules do: by raising the floor, in the
/// counters' row, or in a row of its own if counters are `parted`.
pub fn remember_and_forget(
    view: &impl View,
    random: &mut Random,
    (id, bytes): (RequestId, usize),
    (kept, parted): (u64, bool),
) -> Changes {
    let mut meta = match view.get(&Key::Meta) {
        Some(Row::Meta(meta)) => meta,
        _ => MetaRow::default(),
    };
    let floors = if id.token == 0 { &mut meta.floors } else { &mut meta.floors_with_token };
    if !floors.iter().any(|floor| floor.node == id.node) {
        let counter = if id.token == 0 { 0 } else { id.counter - 1 };
        floors.push(FloorRow { node: id.node, counter, ..FloorRow::default() });
    }
    let in_counters = floors.iter_mut().find(|floor| floor.node == id.node).unwrap();
    let place = Key::Floor { node: id.node, with_token: id.token != 0 };
    let mut floor = match view.get(&place) {
        Some(Row::Floor(row)) => row,
        _ => in_counters.clone(),
    };
    let mut overlay = Overlay::new(view);
    while floor.counter + kept < id.counter {
        (floor.incarnation, floor.counter) = (id.incarnation, floor.counter + 1);
        (floor.token_high, floor.token_low) = outbound::wire::halves(id.token);
        overlay.remove(Key::Request(RequestId { counter: floor.counter, ..id }));
    }
    if parted {
        overlay.put(place, Row::Floor(floor));
    } else {
        *in_counters = floor;
        overlay.put(Key::Meta, Row::Meta(meta));
    }
    let reply = (0..bytes).map(|_| random.below(256) as u8).collect();
    overlay.put(Key::Request(id), Row::Request(RequestRow { stamp_us: id.counter, reply, ..RequestRow::default() }));
    overlay.into_changes()
}
