//! Rebuilds of indexes: damaged, cut off, of another form, and while phones have two forms.

use std::{cell::Cell, collections::BTreeMap, path::Path, sync::Arc};

use outbound::{RULES_WITH_CAMPAIGNS, RequestId, record_status, record_type};
use records::{
    IdempotencyRow, ListRow, MetaRow, NumberRow, Overlay, PhonesRow, RequestRow, Scope, Settings, canonical_phone,
    first_phone_form,
};

use super::*;
use crate::{
    AppliedMark, StateSnapshot, Store, StoreConfig,
    chunk::{self, Body, HeadRow, TailRow},
    heads::Heads,
    ingest,
    requests::Floors,
    stamp::StoreStamp,
};

const CONFIG: StoreConfig = StoreConfig::new([5; 16]);
const LIST: u32 = 101;
const RECORDS: u64 = 60;
const KEYS: u8 = 20;
/// Rows of a transaction of an interrupted rebuild.
const PIECE: usize = 7;

fn record(number: u64) -> (Key, Row) {
    // the two forms of this phone differ
    let contact_info = format!("+999\u{2013}{}", 1000 + number);
    let row = RecordRow {
        list: LIST,
        record_id: number,
        chain_id: number,
        contact_info,
        record_status: record_status::READY,
        record_type: record_type::GENERAL,
        ..RecordRow::default()
    };
    (Key::Record(Handle(number)), Row::Record(Arc::new(row)))
}

/// Rows of every table that has index rows.
fn state_rows() -> Vec<(Key, Row)> {
    let list = ListRow { name: "demo".to_owned(), ..ListRow::default() };
    let key = |number: u8| {
        let row = IdempotencyRow { sequence: number.into(), ..IdempotencyRow::default() };
        (Key::Idempotency(Scope::default(), vec![number]), Row::Idempotency(row))
    };
    let content = Key::Content([7; 16], Scope::default()).encode().into_vec();
    let request = RequestRow { contents: vec![content], ..RequestRow::default() };
    let id = RequestId { node: 1, incarnation: 1, token: 0, counter: 1 };
    let mut rows = vec![(Key::List(LIST), Row::List(Arc::new(list))), (Key::Request(id), Row::Request(request))];
    rows.extend((1..=RECORDS).map(record).chain((1..=KEYS).map(key)));
    rows
}

/// Makes a store of these rows and of their index rows; answers its digest.
fn made(dir: &Path, rows: Vec<(Key, Row)>, form: impl Fn(Handle, &str) -> String) -> u128 {
    let mut store = Store::open(dir, CONFIG).unwrap();
    let changes = {
        let view = store.view();
        let mut overlay = Overlay::new(&view);
        for (key, row) in rows {
            let handle = if let Key::Record(handle) = &key { *handle } else { Handle(0) };
            for (key, row) in indexes_of(&key, &row, |given| form(handle, given)) {
                overlay.put(key, row);
            }
            overlay.put(key, row);
        }
        overlay.into_changes()
    };
    store.write(&changes, &AppliedMark { index: 1, term: 1, conf_state: Vec::new() }).unwrap();
    store.persist().unwrap();
    store.digest()
}

fn first_form(_: Handle, given: &str) -> String {
    first_phone_form(given)
}

fn engine(dir: &Path) -> Engine {
    let stamp = StoreStamp::read(dir, &CONFIG.cluster).unwrap();
    Engine::open(&stamp.database(dir), &CONFIG, stamp.format).unwrap()
}

type Bytes = BTreeMap<Vec<u8>, Vec<u8>>;

fn bytes(engine: &Engine, space: Space) -> Bytes {
    let rows = engine.between(None, space, &[ROWS_FROM], None).map(Guard::into_inner);
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// Removes some index rows, changes others, and adds rows that no row of the state has.
fn damage(engine: &Engine) {
    let index = engine.keyspace(Space::Index);
    for (at, key) in bytes(engine, Space::Index).into_keys().enumerate() {
        match at % 5 {
            0 => index.remove(key).unwrap(),
            1 => index.insert(key, b"no row").unwrap(),
            _ => {}
        }
    }
    let stray = Key::RecordById { list: 999, record_id: 1 };
    let place = rows::tagged(stray.table(), &stray.encode());
    index.insert(&*place, Row::RecordById(NumberRow { number: 1 }).encode()).unwrap();
    index.insert([Table::RecordByPhone.tag(), 1], b"no key of the table").unwrap();
    index.insert([200_u8], b"no table").unwrap();
    engine.persist(PersistMode::SyncAll).unwrap();
}

fn rebuilt(engine: &Engine, form: u32) -> Result<IndexRebuild, StoreError> {
    let last = Cell::new(IndexRebuild::default());
    bring_up(engine, form, &mut |progress| last.set(progress))?;
    Ok(last.get())
}

#[test]
fn damaged_index_rows_are_right_after_a_rebuild_and_the_rows_of_the_state_stay() {
    let dir = tempfile::tempdir().unwrap();
    let digest = made(dir.path(), state_rows(), first_form);
    let engine = engine(dir.path());
    let (right, state) = (bytes(&engine, Space::Index), bytes(&engine, Space::State));
    assert_eq!(right.len() as u64, 1 + 4 * RECORDS + u64::from(KEYS), "contents are never written");
    damage(&engine);
    assert_ne!(bytes(&engine, Space::Index), right);
    let done = rebuilt(&engine, INDEX_FORM + 1).unwrap();
    assert_eq!((done.form, done.written), (INDEX_FORM + 1, right.len() as u64));
    assert_eq!(bytes(&engine, Space::Index), right);
    assert_eq!(bytes(&engine, Space::State), state);
    drop(engine);
    let store = Store::open(dir.path(), CONFIG).unwrap();
    let verified = store.reader().verify().unwrap();
    assert_eq!((store.digest(), verified.recomputed), (digest, digest));
}

#[test]
fn a_store_of_the_form_of_this_build_is_not_rebuilt_not_even_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let open = || drop(Store::open_telling(dir.path(), CONFIG, &mut |progress| panic!("{progress:?}")).unwrap());
    open();
    made(dir.path(), state_rows(), first_form);
    open();
    assert!(engine(dir.path()).index_mark(None).unwrap().is_whole(INDEX_FORM));
}

/// Leaves the database as the release before forms had numbers wrote it.
fn as_first_form(engine: &Engine) {
    let index = engine.keyspace(Space::Index);
    let later = bytes(engine, Space::Index).into_keys().filter(|key| key[0] >= Table::RecordByCustomer.tag());
    later.for_each(|key| index.remove(key).unwrap());
    let mut batch = engine.batch(1);
    put_mark(engine, &mut batch, &IndexMark::first());
    batch.commit().unwrap();
    engine.persist(PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_of_an_earlier_release_gets_the_later_indexes_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), state_rows(), first_form);
    let right = {
        let engine = engine(dir.path());
        let right = bytes(&engine, Space::Index);
        as_first_form(&engine);
        assert_eq!(right.len() - bytes(&engine, Space::Index).len(), RECORDS as usize);
        assert_eq!(engine.get(None, Space::State, INDEXES_KEY).unwrap(), None);
        right
    };
    let mut told = Vec::new();
    drop(Store::open_telling(dir.path(), CONFIG, &mut |progress| told.push(progress)).unwrap());
    let done = told[told.len() - 1];
    assert_eq!((done.removed, done.written), (0, RECORDS), "the first form's rows stay as they are");
    let engine = engine(dir.path());
    assert_eq!(bytes(&engine, Space::Index), right);
    assert!(engine.index_mark(None).unwrap().is_whole(INDEX_FORM));
}

#[test]
fn added_indexes_go_on_behind_the_last_transaction_and_leave_the_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), state_rows(), first_form);
    let engine = engine(dir.path());
    let right = bytes(&engine, Space::Index);
    as_first_form(&engine);
    for transactions in [1, 3, 5] {
        let before = engine.index_mark(None).unwrap();
        let mut rebuild = Rebuild::begin(&engine, INDEX_FORM, before).unwrap();
        for _ in 0..transactions {
            assert!(rebuild.step(PIECE).unwrap());
        }
        assert_eq!((rebuild.progress.removed, rebuild.progress.read), (0, (transactions * PIECE) as u64));
    }
    let done = rebuilt(&engine, INDEX_FORM).unwrap();
    assert!(done.written < RECORDS, "{} rows are written a second time", done.written);
    assert_eq!(bytes(&engine, Space::Index), right);
    assert!(engine.index_mark(None).unwrap().is_whole(INDEX_FORM));
}

/// Head and tail of the chunks in which a node sends a state.
fn sent(dir: &Path) -> (HeadRow, TailRow) {
    let snapshot = snapshot(Arc::new(engine(dir)));
    let chunks: Vec<Vec<u8>> = snapshot.export().map(Result::unwrap).collect();
    let last = chunks.len() - 1;
    match (chunk::decode(0, &chunks[0]).unwrap(), chunk::decode(last as u64, &chunks[last]).unwrap()) {
        (Body::Head(head), Body::Tail(tail)) => (head, tail),
        other => panic!("{other:?}"),
    }
}

fn snapshot(engine: Arc<Engine>) -> StateSnapshot {
    let (state, floors) = (engine.state(None).unwrap(), Floors::read(&engine, None).unwrap());
    let queues = Heads::read(&engine).unwrap().queues();
    StateSnapshot::new(engine, state, floors, queues, 0)
}

#[test]
fn a_state_is_sent_with_the_indexes_that_an_earlier_release_knows_until_the_rules_version_is_raised() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    let settings = Settings::first(RULES_WITH_CAMPAIGNS, "0.1.0", &[]).unwrap();
    made(&before, state_rows(), first_form);
    made(&after, [state_rows(), vec![(Key::Settings, Row::Settings(Arc::new(settings)))]].concat(), first_form);
    let all = bytes(&engine(&before), Space::Index).len() as u64;
    for (dir, form, rows) in [(&before, 0, all - RECORDS), (&after, INDEX_FORM, all)] {
        let (head, tail) = sent(dir);
        assert_eq!((head.index_form, tail.index_rows), (form, rows), "{}", dir.display());
    }
}

#[test]
fn a_store_of_another_form_is_rebuilt_when_it_is_opened_and_gets_the_mark_of_this_build() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), state_rows(), first_form);
    let right = {
        let engine = engine(dir.path());
        let right = bytes(&engine, Space::Index);
        rebuilt(&engine, INDEX_FORM + 1).unwrap();
        damage(&engine);
        right
    };
    let mut told = Vec::new();
    drop(Store::open_telling(dir.path(), CONFIG, &mut |progress| told.push(progress)).unwrap());
    let (first, last) = (told[0], told[told.len() - 1]);
    assert_eq!(first, IndexRebuild { form: INDEX_FORM, ..IndexRebuild::default() });
    assert_eq!((last.form, last.written), (INDEX_FORM, right.len() as u64));
    let engine = engine(dir.path());
    assert_eq!(bytes(&engine, Space::Index), right);
    assert!(engine.index_mark(None).unwrap().is_whole(INDEX_FORM));
}

#[test]
fn a_rebuild_that_is_cut_off_after_any_transaction_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), state_rows(), first_form);
    let right = bytes(&engine(dir.path()), Space::Index);
    let mut cut_during = [0; 2];
    for transactions in (1..60).step_by(3) {
        let form = INDEX_FORM + transactions;
        let (read, standing, cut) = {
            let engine = engine(dir.path());
            damage(&engine);
            let standing = bytes(&engine, Space::Index).len() as u64;
            let mut rebuild = Rebuild::begin(&engine, form, engine.index_mark(None).unwrap()).unwrap();
            let goes_on = (0..transactions).all(|_| rebuild.step(PIECE).unwrap());
            if goes_on {
                cut_during[usize::from(rebuild.at.removed)] += 1;
            }
            (bytes(&engine, Space::State).len() as u64, standing, rebuild.progress)
        };
        let engine = engine(dir.path());
        let rest = rebuilt(&engine, form).unwrap();
        assert_eq!(bytes(&engine, Space::Index), right, "cut off after {transactions}");
        assert_eq!(cut.removed + rest.removed, standing, "cut off after {transactions}");
        assert_eq!(cut.read + rest.read, read, "cut off after {transactions}");
    }
    assert!(cut_during.into_iter().all(|cuts| cuts > 2), "{cut_during:?}");
}

#[test]
fn a_rebuild_that_is_cut_off_begins_again_for_a_newer_form() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), state_rows(), first_form);
    let right = {
        let engine = engine(dir.path());
        let right = bytes(&engine, Space::Index);
        let mut rebuild = Rebuild::begin(&engine, INDEX_FORM + 1, IndexMark::first()).unwrap();
        while rebuild.progress.written < 30 {
            assert!(rebuild.step(PIECE).unwrap());
        }
        let written = bytes(&engine, Space::Index).into_keys().next().unwrap();
        engine.keyspace(Space::Index).remove(written).unwrap(); // in the other form there is no such row
        right
    };
    let engine = engine(dir.path());
    let done = rebuilt(&engine, INDEX_FORM + 2).unwrap();
    assert_eq!(bytes(&engine, Space::Index), right);
    assert_eq!(done.read, bytes(&engine, Space::State).len() as u64);
    assert!(engine.index_mark(None).unwrap().is_whole(INDEX_FORM + 2));
}

/// Rules version 3, with the phones of the records up to a handle rewritten.
fn rewriting(up_to: u64) -> [(Key, Row); 2] {
    let phones = PhonesRow { entries_done: true, handle: up_to, ..PhonesRow::default() };
    let counters = MetaRow { phones: Some(Box::new(phones)), ..MetaRow::default() };
    let settings = Settings::first(3, "0.1.0", &[]).unwrap();
    [(Key::Meta, Row::Meta(counters)), (Key::Settings, Row::Settings(Arc::new(settings)))]
}

#[test]
fn while_phones_are_rewritten_each_record_keeps_its_form_in_the_index() {
    let dir = tempfile::tempdir().unwrap();
    // up to 10 rewritten, up to 40 not yet, the others added under rules version 3
    let form = |Handle(handle): Handle, given: &str| match handle {
        11..=40 => first_phone_form(given),
        _ => canonical_phone(given),
    };
    made(dir.path(), [state_rows(), rewriting(10).to_vec()].concat(), form);
    let engine = engine(dir.path());
    let right = bytes(&engine, Space::Index);
    let phone = |phone: String, handle| {
        let key = Key::RecordByPhone { phone, handle: Handle(handle) };
        rows::tagged(key.table(), &key.encode()).into_vec()
    };
    let index = engine.keyspace(Space::Index);
    let (Key::Record(_), Row::Record(fifth)) = record(5) else { unreachable!() };
    index.remove(phone(canonical_phone(&fifth.contact_info), 5)).unwrap();
    index.insert(phone("+4930".to_owned(), 20), b"").unwrap();
    index.insert(phone("+4930".to_owned(), RECORDS + 1), b"").unwrap();
    rebuilt(&engine, INDEX_FORM + 1).unwrap();
    assert_eq!(bytes(&engine, Space::Index), right);
    let (Key::Record(_), Row::Record(twentieth)) = record(20) else { unreachable!() };
    index.remove(phone(first_phone_form(&twentieth.contact_info), 20)).unwrap();
    let refused = rebuilt(&engine, INDEX_FORM + 2).unwrap_err();
    assert!(refused.may_be_set_aside() && refused.to_string().contains("record 20"), "{refused}");
}

#[test]
fn a_received_state_with_another_form_of_its_indexes_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = (dir.path().join("sender"), dir.path().join("receiver"));
    let settings = Settings::first(RULES_WITH_CAMPAIGNS, "0.1.0", &[]).unwrap();
    let phones = PhonesRow { done: true, ..PhonesRow::default() };
    let of_campaigns = vec![(Key::Settings, Row::Settings(Arc::new(settings))), (Key::Phones, Row::Phones(phones))];
    let digest = made(&sender, [state_rows(), of_campaigns].concat(), |_, given| canonical_phone(given));
    let engine_of_sender = Arc::new(engine(&sender));
    let right = bytes(&engine_of_sender, Space::Index);
    rebuilt(&engine_of_sender, INDEX_FORM + 1).unwrap();
    damage(&engine_of_sender);
    engine_of_sender.keyspace(Space::Index).remove([200_u8]).unwrap(); // a snapshot has rows of known tables alone
    let snapshot = snapshot(engine_of_sender);
    let chunks = snapshot.export().map(|chunk| chunk.map_err(|error| error.to_string()));
    assert_eq!(ingest(&receiver, &CONFIG, chunks).unwrap().digest, digest);
    let received = engine(&receiver);
    assert_eq!(bytes(&received, Space::Index), right);
    assert!(received.index_mark(None).unwrap().is_whole(INDEX_FORM));
}

#[test]
fn the_first_form_takes_no_byte_in_the_head_of_a_snapshot() {
    assert_eq!(HeadRow::index_form_of(&IndexMark::first()), 0);
    let second = IndexMark { form: 2, rebuild: None };
    let head = HeadRow { index_form: HeadRow::index_form_of(&second), ..HeadRow::default() };
    assert_eq!((head.index_mark(), HeadRow::default().index_mark()), (second, IndexMark::first()));
}
