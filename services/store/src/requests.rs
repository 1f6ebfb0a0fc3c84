//! The remembered requests, in keyspaces of their own: every update adds a row that lives for a minute.
//!
//! In the keyspace of the other rows, every compaction would rewrite these rows, and a tombstone each would delete them. A
//! node's request ids are forgotten in order, up to the node's floor (`records`, request ids): rows at or below the floor count
//! as deleted. No view shows them, and a table of such rows is dropped as a whole once the floor is durable. Each node number
//! has its own lane, so that the ids of a table are contiguous. Called by every module that reads or writes rows of this table.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    thread::{self, JoinHandle},
};

use fjall::{AbstractTree, Guard, PersistMode, Slice, Snapshot};
use outbound::RequestId;
use records::{Encoded, FloorRow, Key, MetaRow, Row, Table, ids_with_token};

use crate::{
    engine::Engine,
    error::StoreError,
    rows::{self, LANES, PREFIX_BYTES, ROWS_FROM, Space, lane},
};

/// Rows of one batch of the migration from format 1.
const MOVED_TOGETHER: usize = 1000;

/// The floors of all nodes at one index: requests at or below a floor count as deleted. Ids with a token have separate floors and
/// sort after the other ids of their node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Floors(Arc<[Floor]>);

/// The range from the first key of a node and kind of id to the highest forgotten key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Floor {
    first: Encoded,
    highest: Encoded,
}

impl Floor {
    fn of(id: RequestId) -> Self {
        let highest = rows::tagged(Table::Request, &Key::Request(id).encode());
        let first = match id.token {
            0 => Encoded::from_slice(&highest[..PREFIX_BYTES]),
            _ => rows::tagged(Table::Request, &ids_with_token(id.node)),
        };
        Self { first, highest }
    }

    fn range(&self) -> RangeInclusive<&[u8]> {
        &self.first..=&self.highest
    }
}

impl Floors {
    /// The floors in the counters' row, where rules versions before 4 have them.
    pub(crate) fn of(meta: &MetaRow) -> Self {
        let floors = meta.floors.iter().chain(&meta.floors_with_token);
        Self(floors.filter_map(FloorRow::id).map(Floor::of).collect())
    }

    /// The floors of a state of the engine.
    pub(crate) fn read(engine: &Engine, at: Option<&Snapshot>) -> Result<Self, StoreError> {
        let place = rows::tagged(Table::Meta, &Key::Meta.encode());
        let bytes = engine.get(at, Space::State, &place).map_err(StoreError::engine("reading the counters"))?;
        let mut floors = match bytes.map(|bytes| rows::row(Table::Meta, &bytes)).transpose()? {
            Some(Row::Meta(meta)) => Self::of(&meta),
            _ => Self::default(),
        };
        let prefix = rows::tagged(Table::Floor, &[]);
        for pair in engine.range(at, Space::State, &prefix, &prefix).into_iter().flatten() {
            let (key, value) = pair.into_inner().map_err(StoreError::engine("reading the floors"))?;
            if let (_, Row::Floor(row)) = rows::pair(&key, &value)? {
                floors.raise(&row);
            }
        }
        Ok(floors)
    }

    /// Raises the floor of a node and kind of id, which never falls.
    pub(crate) fn raise(&mut self, row: &FloorRow) {
        let Some(floor) = row.id().map(Floor::of).filter(|floor| !self.0.contains(floor)) else { return };
        let others = self.0.iter().filter(|other| other.first != floor.first).cloned();
        self.0 = others.chain([floor.clone()]).collect();
    }

    /// Whether the request under this key is forgotten.
    pub(crate) fn hides(&self, place: &[u8]) -> bool {
        self.0.iter().any(|floor| floor.range().contains(&place))
    }

    /// The forgotten range of each floor, with its lane.
    fn forgotten(&self) -> impl Iterator<Item = (u8, RangeInclusive<&[u8]>)> {
        self.0.iter().map(|floor| (lane(&floor.highest), floor.range()))
    }
}

/// Remembered rows of the table from `from` on whose key begins with `prefix`, in order.
pub(crate) fn range(
    engine: &Engine,
    at: Option<&Snapshot>,
    floors: &Floors,
    from: &[u8],
    prefix: &[u8],
) -> impl Iterator<Item = fjall::Result<(Slice, Slice)>> + use<> {
    let ranges: Vec<_> =
        lanes(prefix).filter_map(|lane| engine.range(at, Space::Requests(lane), from, prefix)).collect();
    let floors = floors.clone();
    let remembered = move |pair: &fjall::Result<(Slice, Slice)>| pair.as_ref().is_ok_and(|(key, _)| !floors.hides(key));
    ranges.into_iter().flatten().map(Guard::into_inner).filter(move |pair| pair.is_err() || remembered(pair))
}

/// The last remembered row of the table whose key begins with `prefix` and is lower than `until`.
pub(crate) fn last(
    engine: &Engine,
    at: Option<&Snapshot>,
    floors: &Floors,
    prefix: &[u8],
    until: &[u8],
) -> Option<fjall::Result<(Slice, Slice)>> {
    let lane = |lane| engine.between(at, Space::Requests(lane), prefix, Some(until.to_vec())).rev();
    let mut rows = lanes(prefix).rev().flat_map(lane).map(Guard::into_inner);
    rows.find(|pair| pair.as_ref().map_or(true, |(key, _)| !floors.hides(key)))
}

/// The lanes of the keys with a prefix, in the order of the keys.
fn lanes(prefix: &[u8]) -> RangeInclusive<u8> {
    if prefix.len() < PREFIX_BYTES { 0..=LANES as u8 - 1 } else { lane(prefix)..=lane(prefix) }
}

/// All remembered rows of the table, in order.
pub(crate) fn all(
    engine: &Engine,
    at: Option<&Snapshot>,
    floors: &Floors,
) -> impl Iterator<Item = fjall::Result<(Slice, Slice)>> + use<> {
    let prefix = rows::tagged(Table::Request, &[]);
    range(engine, at, floors, &prefix, &prefix)
}

/// All rows that the digest covers, remembered requests included, in key order.
pub(crate) fn state_rows(
    engine: &Engine,
    at: Option<&Snapshot>,
    floors: &Floors,
) -> impl Iterator<Item = fjall::Result<(Slice, Slice)>> + use<> {
    let tag = Table::Request.tag();
    let before = engine.between(at, Space::State, &[ROWS_FROM], Some(vec![tag]));
    let behind = engine.between(at, Space::State, &[tag + 1], None);
    let read = |iter: fjall::Iter| iter.map(Guard::into_inner);
    read(before).chain(all(engine, at, floors)).chain(read(behind))
}

/// The same rows at a snapshot, read without holding the snapshot (see [`Engine::between_apart`]).
pub(crate) fn state_rows_apart(
    engine: &Engine,
    at: &Snapshot,
    floors: &Floors,
) -> impl Iterator<Item = fjall::Result<(Slice, Slice)>> + Send + use<> {
    let tag = Table::Request.tag();
    let before = engine.between_apart(at, Space::State, &[ROWS_FROM], Some(vec![tag]));
    let behind = engine.between_apart(at, Space::State, &[tag + 1], None);
    let lane = |lane| engine.between_apart(at, Space::Requests(lane), &[tag], Some(vec![tag + 1]));
    let lanes: Vec<_> = (0..LANES as u8).map(lane).collect();
    let floors = floors.clone();
    let remembered = move |pair: &fjall::Result<(Slice, Slice)>| pair.as_ref().is_ok_and(|(key, _)| !floors.hides(key));
    let lanes = lanes.into_iter().flatten().filter(move |pair| pair.is_err() || remembered(pair));
    before.chain(lanes).chain(behind)
}

/// Moves the requests of a store of format 1 into the lanes; the next call completes a move that a crash interrupts.
pub(crate) fn move_out(engine: &Engine) -> Result<(), StoreError> {
    // Sync the directories first: after a power cut, moved rows in a keyspace without a durable name would be lost.
    engine.sync_names()?;
    let failed = StoreError::engine("moving remembered requests");
    let prefix = rows::tagged(Table::Request, &[]);
    let moved = || -> fjall::Result<usize> {
        let mut batch = engine.batch(2 * MOVED_TOGETHER);
        let mut count = 0;
        for row in engine.range(None, Space::State, &prefix, &prefix).into_iter().flatten().take(MOVED_TOGETHER) {
            let (key, value) = row.into_inner()?;
            batch.remove(engine.keyspace(Space::State), &*key);
            batch.insert(engine.keyspace(rows::space(&key)), &*key, &*value);
            count += 1;
        }
        batch.commit().map(|()| count)
    };
    loop {
        match moved() {
            Ok(0) => return engine.persist(PersistMode::SyncAll),
            Ok(_) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Drops tables of forgotten rows on a thread of its own, so that the apply thread waits for none of their syncs.
#[derive(Default)]
pub(crate) struct Forgetting(Option<JoinHandle<()>>);

impl Forgetting {
    /// Begins a round up to these floors, unless an earlier round is still running. The floors must be durable: a dropped table
    /// stays dropped, and a state from before the floor, found after a crash, still needs its rows.
    pub(crate) fn begin(&mut self, engine: &Arc<Engine>, durable: &Floors) {
        if self.0.as_ref().is_some_and(|round| !round.is_finished()) || !has_forgotten_tables(engine, durable) {
            return;
        }
        self.end();
        let (engine, durable) = (Arc::clone(engine), durable.clone());
        let round = thread::Builder::new().name("forget".to_owned()).spawn(move || drop_tables(&engine, &durable));
        match round {
            Ok(round) => self.0 = Some(round),
            Err(error) => tracing::warn!(%error, "forgotten requests stay on disk for now"),
        }
    }

    fn end(&mut self) {
        if let Some(round) = self.0.take()
            && round.join().is_err()
        {
            tracing::error!("dropping forgotten requests panicked: they stay on disk");
        }
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.end();
    }
}

fn has_forgotten_tables(engine: &Engine, durable: &Floors) -> bool {
    durable.forgotten().any(|(lane, range)| {
        let tables = engine.keyspace(Space::Requests(lane)).tree.current_version();
        tables.iter_tables().any(|table| {
            let keys = &table.metadata.key_range;
            range.contains(&&**keys.min()) && range.contains(&&**keys.max())
        })
    })
}

fn drop_tables(engine: &Engine, durable: &Floors) {
    for (lane, range) in durable.forgotten() {
        if let Err(error) = engine.keyspace(Space::Requests(lane)).tree.drop_range(range) {
            tracing::warn!(%error, "forgotten requests stay on disk for now");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use fjall::{Database, KeyspaceCreateOptions};
    use prost::Message;
    use records::{Changes, Overlay, RequestRow};

    use super::*;
    use crate::{AppliedMark, STORE_FORMAT, Store, StoreConfig, engine::STATE_KEY, stamp::StoreStamp};

    const CONFIG: StoreConfig = StoreConfig::new([5; 16]);

    fn id(node: u32, counter: u64) -> RequestId {
        RequestId { node, incarnation: 1, token: 0, counter }
    }

    fn remembered(store: &Store) -> Changes {
        let view = store.view();
        let mut overlay = Overlay::new(&view);
        for counter in 1..=1500 {
            let row = RequestRow { stamp_us: counter, ..RequestRow::default() };
            overlay.put(Key::Request(id(1 + (counter % 3) as u32, counter)), Row::Request(row));
        }
        overlay.into_changes()
    }

    /// The same state as an earlier release leaves it: two keyspaces, with all rows of the digest in `state`.
    fn as_format_1(store: &Store, dir: &Path) {
        let stamp = StoreStamp { format: 1, cluster: CONFIG.cluster, generation: 1, index: 0 };
        fs::create_dir_all(dir).unwrap();
        let database = Database::builder(stamp.database(dir)).open().unwrap();
        let [state, _] =
            ["state", "index"].map(|name| database.keyspace(name, KeyspaceCreateOptions::default).unwrap());
        let snapshot = store.reader().snapshot();
        for row in state_rows(snapshot.engine(), snapshot.at(), snapshot.floors()) {
            let (key, value) = row.unwrap();
            state.insert(key, value).unwrap();
        }
        state.insert(STATE_KEY, snapshot.state().to_row().encode_to_vec()).unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
        stamp.write(dir).unwrap();
    }

    #[test]
    fn a_store_of_format_1_is_brought_up_when_it_is_opened_and_after_a_crash_in_the_middle_of_that() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("new"), CONFIG).unwrap();
        let changes = remembered(&store);
        store.write(&changes, &AppliedMark { index: 1, term: 1, conf_state: Vec::new() }).unwrap();
        for (name, moved) in [("old", 0), ("crashed", 700)] {
            let old = dir.path().join(name);
            as_format_1(&store, &old);
            let stamp = StoreStamp::read(&old, &CONFIG.cluster).unwrap();
            if moved > 0 {
                crash_while_moving(&stamp.database(&old), moved);
            }
            let opened = Store::open(&old, CONFIG).unwrap();
            assert_eq!(StoreStamp::read(&old, &CONFIG.cluster).unwrap().format, STORE_FORMAT);
            let verified = opened.reader().verify().unwrap();
            assert_eq!((verified.rows, verified.recomputed), (1500, store.digest()), "{name}");
            let stays = opened.reader().snapshot().engine().range(
                None,
                Space::State,
                &[Table::Request.tag()],
                &[Table::Request.tag()],
            );
            assert_eq!(stays.into_iter().flatten().count(), 0, "{name}: moved, not copied");
        }
    }

    /// Moves the first rows and leaves the stamp at format 1.
    fn crash_while_moving(database: &Path, moved: usize) {
        let database = Database::builder(database).open().unwrap();
        let keyspace = |name: &str| database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
        let (state, lanes) = (keyspace("state"), [0, 1, 2, 3].map(|lane| keyspace(&format!("requests-{lane}"))));
        let rows: Vec<_> =
            state.prefix([Table::Request.tag()]).take(moved).map(|row| row.into_inner().unwrap()).collect();
        for (key, value) in rows {
            lanes[usize::from(lane(&key))].insert(key.clone(), value).unwrap();
            state.remove(key).unwrap();
        }
        database.persist(PersistMode::SyncAll).unwrap();
    }

    #[test]
    fn a_floor_hides_its_own_nodes_rows_up_to_itself() {
        let floor = records::FloorRow { node: 2, incarnation: 1, counter: 7, ..records::FloorRow::default() };
        let floors = Floors::of(&MetaRow { floors: vec![floor], ..MetaRow::default() });
        let hidden = |id| floors.hides(&rows::tagged(Table::Request, &Key::Request(id).encode()));
        assert!(hidden(id(2, 7)) && hidden(id(2, 1)) && hidden(RequestId { incarnation: 0, ..id(2, 9) }));
        assert!(!hidden(id(2, 8)) && !hidden(id(1, 7)) && !hidden(id(3, 7)));
        assert!(!hidden(RequestId { token: 1, ..id(2, 1) }), "ids with a token have a floor of their own");
    }

    #[test]
    fn a_floor_that_is_raised_stands_beside_those_of_other_nodes_and_kinds() {
        let floor =
            |node, counter, token_low| FloorRow { node, incarnation: 1, counter, token_low, ..FloorRow::default() };
        let mut floors = Floors::of(&MetaRow { floors: vec![floor(2, 7, 0), floor(1, 7, 0)], ..MetaRow::default() });
        for row in [floor(2, 9, 0), floor(2, 3, 5), floor(3, 0, 0), floor(2, 9, 0)] {
            floors.raise(&row);
        }
        let hidden = |id| floors.hides(&rows::tagged(Table::Request, &Key::Request(id).encode()));
        assert!(hidden(id(2, 9)) && !hidden(id(2, 10)), "the raised floor");
        assert!(hidden(id(1, 7)) && !hidden(id(1, 8)), "another node's");
        assert!(hidden(RequestId { token: 5, ..id(2, 3) }) && !hidden(RequestId { token: 5, ..id(2, 4) }));
        assert_eq!(floors.0.len(), 4);
    }

    #[test]
    fn a_floor_with_a_token_hides_no_id_without_one() {
        let floor =
            records::FloorRow { node: 2, incarnation: 5, counter: 7, token_low: 9, ..records::FloorRow::default() };
        let floors = Floors::of(&MetaRow { floors_with_token: vec![floor], ..MetaRow::default() });
        let hidden = |id| floors.hides(&rows::tagged(Table::Request, &Key::Request(id).encode()));
        let id = |incarnation, token, counter| RequestId { node: 2, incarnation, token, counter };
        assert!(hidden(id(5, 9, 7)) && hidden(id(4, 1 << 90, 99)) && hidden(id(5, 8, 99)));
        assert!(!hidden(id(5, 9, 8)) && !hidden(id(5, 10, 1)) && !hidden(id(5, 0, 1)));
        assert!(!hidden(RequestId { node: 1, ..id(5, 9, 7) }));
    }
}
