//! The transfer of a state to another node: equal there, or refused; installed during reads.

use std::{fs, path::Path, sync::Arc};

use crate::support::{Random, SEED, assert_same_rows, config, mark, open, write_up_to};
use outbound::{Handle, RequestId};
use records::{Change, Changes, DncRow, DncScope, DncSubject, Key, MapView, RecordRow, RequestRow, Row, View};
use store::{CHUNK_BYTES_TARGET, IngestError, Ingested, Store, StoreConfig, ingest};

fn chunks(store: &Store) -> Vec<Vec<u8>> {
    store.reader().snapshot().export().map(Result::unwrap).collect()
}

fn receive(dir: &Path, chunks: &[Vec<u8>]) -> Result<Ingested, IngestError> {
    ingest(dir, &config(), chunks.iter().map(Ok))
}

/// A store at index 1101 with its map, and rows enough for several chunks.
fn sender(dir: &Path) -> (Store, MapView) {
    let (mut store, mut map) = (open(dir), MapView::default());
    write_up_to(&mut store, &mut map, &mut Random(17), 1100);
    let reply = |counter| RequestRow { stamp_us: counter, reply: vec![7; 200_000], ..RequestRow::default() };
    let id = |counter| Key::Request(RequestId { node: 9, incarnation: 1, token: 0, counter });
    let change = |counter| Change { key: id(counter), old: None, new: Some(Row::Request(reply(counter))) };
    let changes = Changes((1..=12).map(change).collect());
    map.apply(&changes);
    store.write(&changes, &mark(1101)).unwrap();
    (store, map)
}

#[test]
fn a_state_that_was_sent_is_the_same_state_with_its_mark_and_digests() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, map) = sender(&dir.path().join("sender"));
    let chunks = chunks(&sender);
    assert!(chunks.len() > 4 && chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES_TARGET + 64));
    let ingested = receive(&dir.path().join("fetched"), &chunks).unwrap();
    assert_eq!((ingested.applied, ingested.digest), (mark(1101), map.digest(SEED)));
    let store = open(&dir.path().join("fetched"));
    assert_same_rows(&store.view(), &map);
    assert_eq!((store.applied(), store.digest()), (&mark(1101), map.digest(SEED)));
    assert_eq!(store.digest_at(1024), sender.digest_at(1024));
    assert!(store.reader().verify().unwrap().equal() && store.digest_at(1024).is_some());
}

#[test]
fn an_empty_state_can_be_sent_too() {
    let dir = tempfile::tempdir().unwrap();
    let sender = open(&dir.path().join("sender"));
    let ingested = receive(&dir.path().join("fetched"), &chunks(&sender)).unwrap();
    assert_eq!((ingested.applied.index, ingested.digest, ingested.rows), (0, 0, 0));
}

#[test]
fn a_fetched_state_is_taken_over_while_the_old_one_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (_sender, map) = sender(&dir.path().join("sender"));
    receive(&dir.path().join("fetched"), &chunks(&_sender)).unwrap();
    let (mut store, mut old, mut random) = (open(&dir.path().join("store")), MapView::default(), Random(23));
    write_up_to(&mut store, &mut old, &mut random, 400);
    let (reader, held) = (store.reader(), store.reader().snapshot());

    assert_eq!(store.install(&dir.path().join("fetched")).unwrap(), &mark(1101));

    assert_same_rows(&reader.snapshot(), &map);
    assert_same_rows(&held, &old);
    assert!(dir.path().join("store/1").exists() && !dir.path().join("fetched").exists());
    drop(held);
    assert!(!dir.path().join("store/1").exists());
    let mut map = map;
    write_up_to(&mut store, &mut map, &mut random, 1200);
    store.persist().unwrap();
    drop((reader, store));
    let store = open(&dir.path().join("store"));
    assert_eq!(store.digest(), map.digest(SEED));
    assert_same_rows(&store.view(), &map);
}

#[test]
fn a_do_not_call_entry_is_found_once_written_after_a_restart_and_in_a_state_that_was_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let key = Key::Dnc(DncScope::List(1), DncSubject::Phone("+99950101".to_owned()));
    let (given, message) = ("+99950101".to_owned(), "asked twice".to_owned());
    let entry = Row::Dnc(DncRow { stamp_us: 1, given, message, ..DncRow::default() });
    let found = |store: &Store| store.view().get(&key) == Some(entry.clone());
    let mut store = open(&path("listing"));
    assert!(!found(&store));
    let change = Change { key: key.clone(), old: None, new: Some(entry.clone()) };
    store.write(&Changes(vec![change]), &mark(1)).unwrap();
    assert!(found(&store));
    receive(&path("fetched"), &chunks(&store)).unwrap();
    store.persist().unwrap();
    drop(store);
    assert!(found(&open(&path("listing"))));

    let mut other = open(&path("other"));
    assert!(!found(&other));
    other.install(&path("fetched")).unwrap();
    assert!(found(&other));
}

#[test]
fn what_a_crash_left_of_a_generation_is_removed_and_the_old_state_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, map) = sender(&dir.path().join("store"));
    drop(sender);
    fs::create_dir_all(dir.path().join("store/2/keyspaces")).unwrap();
    let store = open(&dir.path().join("store"));
    assert_same_rows(&store.view(), &map);
    assert!(!dir.path().join("store/2").exists());
}

/// A chunk of rows with one bit of its last row changed, and a checksum to match.
fn forged(chunk: &[u8]) -> Vec<u8> {
    let end = chunk.len() - 8;
    let mut bytes = chunk[..end].to_vec();
    bytes[end - 1] ^= 1;
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn rows_that_are_not_those_of_the_digest_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, _) = sender(&dir.path().join("sender"));
    let mut chunks = chunks(&sender);
    chunks[1] = forged(&chunks[1]);
    let fetched = dir.path().join("fetched");
    assert!(matches!(receive(&fetched, &chunks), Err(IngestError::Digest { .. })));
    assert!(Store::open(&fetched, config()).is_err());
}

#[test]
fn a_state_that_is_damaged_cut_or_out_of_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, _) = sender(&dir.path().join("sender"));
    let (whole, fetched) = (chunks(&sender), dir.path().join("fetched"));
    let mut flipped = whole.clone();
    let middle = flipped[2].len() / 2;
    flipped[2][middle] ^= 4;
    assert!(matches!(receive(&fetched, &flipped), Err(IngestError::Damaged { sequence: 2, .. })));
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    assert!(matches!(receive(&fetched, &swapped), Err(IngestError::Damaged { sequence: 1, .. })));
    assert!(matches!(receive(&fetched, &whole[..3]), Err(IngestError::Incomplete)));
    assert!(matches!(receive(&fetched, &whole[1..]), Err(IngestError::Damaged { sequence: 0, .. })));
    let broken = whole[..2].iter().map(Ok).chain([Err("it stopped".to_owned())]);
    assert!(matches!(ingest(&fetched, &config(), broken), Err(IngestError::Sender(_))));
    let foreign = ingest(&fetched, &StoreConfig::new([9; 16]), whole.iter().map(Ok));
    assert!(matches!(foreign, Err(IngestError::ForeignCluster { .. })));
    receive(&fetched, &whole).unwrap();
    assert_eq!(open(&fetched).applied().index, 1101);
}

#[test]
fn a_state_is_sent_as_it_was_when_the_sending_began() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sender, mut map) = sender(&dir.path().join("sender"));
    let then = map.clone();
    let mut export = sender.reader().snapshot().export();
    let mut chunks = vec![export.next().unwrap().unwrap()];
    write_up_to(&mut sender, &mut map, &mut Random(29), 1400);
    chunks.extend(export.map(Result::unwrap));
    receive(&dir.path().join("fetched"), &chunks).unwrap();
    assert_same_rows(&open(&dir.path().join("fetched")).view(), &then);
    assert!(then.get(&Key::Meta).is_none());
}

#[test]
fn a_store_that_was_found_wrong_says_so_until_another_one_is_taken_over_and_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, map) = sender(&dir.path().join("sender"));
    receive(&dir.path().join("fetched"), &chunks(&sender)).unwrap();
    let place = dir.path().join("state");
    let mut store = open(&place);
    assert!(!store.doubted());
    store.doubt(true).unwrap();
    drop(store);
    let mut store = open(&place);
    assert!(store.doubted());
    store.install(&dir.path().join("fetched")).unwrap();
    assert!(!store.doubted() && dir.path().join("state.aside").is_dir());
    assert_same_rows(&store.view(), &map);
    drop(store);
    assert!(!open(&place).doubted());
}

#[test]
fn a_row_that_changed_on_disk_behind_the_stores_back_shows() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let row = RecordRow { contact_info: "a phrase".to_owned(), ..RecordRow::default() };
    let change = Change { key: Key::Record(Handle(1)), old: None, new: Some(Row::Record(Arc::new(row))) };
    store.write(&Changes(vec![change]), &mark(1)).unwrap();
    drop(store);
    crate::spoil::spoil(dir.path(), "a phrase");
    let verified = open(dir.path()).reader().verify().unwrap();
    assert!(!verified.equal() && verified.rows == 1, "{verified:?}");
}
