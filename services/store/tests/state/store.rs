//! The store on a real disk: reads give the written rows, after a restart and a torn journal too.

use std::{fs, path::Path, thread};

use crate::support::{CLUSTER, Random, SEED, assert_same_rows, config, mark, open, random_changes, write_up_to};
use outbound::RequestId;
use records::{Bound, Key, MapView, Overlay, RequestRow, Row, Table, View};
use store::{DIGEST_INTERVAL, KEPT_BYTES_MAX, StateOwner, Store, StoreConfig, StoreError, owner, set_aside};

#[test]
fn after_random_changes_rows_and_digest_are_those_of_a_map() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut map, mut random) = (open(dir.path()), MapView::default(), Random(7));
    write_up_to(&mut store, &mut map, &mut random, 1500);
    assert_same_rows(&store.view(), &map);
    assert_eq!(store.digest(), map.digest(SEED));
    let verified = store.reader().verify().unwrap();
    assert!(verified.equal(), "{verified:?}");
    assert_eq!((verified.index, verified.recorded), (1500, map.digest(SEED)));
}

#[test]
fn ordered_reads_keep_to_their_prefix_and_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut map, mut random) = (open(dir.path()), MapView::default(), Random(11));
    write_up_to(&mut store, &mut map, &mut random, 300);
    let snapshot = store.reader().snapshot();
    for _ in 0..300 {
        let list = 100 + u32::try_from(random.below(5)).unwrap();
        let from = Key::RecordById { list, record_id: random.below(220) }.encode().into_vec();
        let prefix = list.to_be_bytes()[..usize::try_from(random.below(5)).unwrap()].to_vec();
        let bound = Bound { table: Table::RecordById, from, prefix };
        let limit = u32::try_from(random.below(9)).unwrap();
        assert_eq!(store.view().next(&bound, limit), map.next(&bound, limit), "{bound:?}");
        assert_eq!(snapshot.next(&bound, limit), map.next(&bound, limit), "{bound:?}");
    }
    let behind = Bound { table: Table::RecordById, from: vec![9; 12], prefix: vec![8] };
    assert_eq!(store.view().next(&behind, 5), []);
}

#[test]
fn what_was_made_durable_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut map, mut random) = (MapView::default(), Random(3));
    let mut store = open(dir.path());
    assert_eq!(store.applied().index, 0);
    write_up_to(&mut store, &mut map, &mut random, 2 * DIGEST_INTERVAL + 9);
    assert_eq!(store.persist().unwrap(), 2 * DIGEST_INTERVAL + 9);
    let kept = [1, 2].map(|n| store.digest_at(n * DIGEST_INTERVAL));
    drop(store);
    let store = open(dir.path());
    assert_eq!(*store.applied(), mark(2 * DIGEST_INTERVAL + 9));
    assert_eq!([1, 2].map(|n| store.digest_at(n * DIGEST_INTERVAL)), kept);
    assert_eq!(store.newest_digest(), Some((2 * DIGEST_INTERVAL, kept[1].unwrap())));
    assert_eq!(store.digest(), map.digest(SEED));
    assert_same_rows(&store.view(), &map);
}

/// The maps after each index, and the directory of a store as a crash leaves it.
fn crashed(dir: &Path, last: u64) -> Vec<MapView> {
    let live = dir.join("live");
    let (mut store, mut map, mut random) = (open(&live), MapView::default(), Random(5));
    let mut maps = vec![map.clone()];
    for index in 1..=last {
        write_up_to(&mut store, &mut map, &mut random, index);
        maps.push(map.clone());
    }
    copy(&live, &dir.join("crashed"));
    maps
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_torn_journal_opens_at_an_earlier_index_with_exactly_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let maps = crashed(dir.path(), 60);
    let journal = Path::new("1/0.jnl");
    let bytes = fs::read(dir.path().join("crashed").join(journal)).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut reached = Vec::new();
    for part in 0..=8 {
        let torn = dir.path().join(format!("torn{part}"));
        copy(&dir.path().join("crashed"), &torn);
        fs::write(torn.join(journal), &bytes[..written * part / 8]).unwrap();
        let store = open(&torn);
        let index = usize::try_from(store.applied().index).unwrap();
        assert_same_rows(&store.view(), &maps[index]);
        assert!(store.reader().verify().unwrap().equal());
        reached.push(index);
    }
    assert!(reached.is_sorted() && reached[0] == 0 && reached[8] == 60, "{reached:?}");
}

/// Power cuts that lose an unsynced page before synced pages: the engine alone refuses to open some of these journals.
#[test]
fn a_journal_with_zeros_in_its_middle_opens_at_the_last_whole_batch_before_them() {
    const PLACES: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let maps = crashed(dir.path(), 60);
    let journal = Path::new("1/0.jnl");
    let bytes = fs::read(dir.path().join("crashed").join(journal)).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut reached = Vec::new();
    for place in 0..PLACES {
        let torn = dir.path().join(format!("torn{place}"));
        copy(&dir.path().join("crashed"), &torn);
        let (mut bytes, at) = (bytes[..written].to_vec(), written * place / PLACES);
        bytes[at..written.min(at + 100)].fill(0);
        fs::write(torn.join(journal), bytes).unwrap();
        let store = open(&torn);
        let index = usize::try_from(store.applied().index).unwrap();
        assert_same_rows(&store.view(), &maps[index]);
        assert!(store.reader().verify().unwrap().equal());
        reached.push(index);
    }
    assert!(reached.is_sorted() && reached[0] == 0 && reached[PLACES - 1] > 50, "{reached:?}");
}

/// A flush or a compaction in the middle of a batch must not expose a part of the batch: small buffers cause many of both.
#[test]
fn a_snapshot_is_one_state_while_the_store_is_written_flushed_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreConfig { write_buffer_bytes: 64 << 10, ..config() };
    let mut store = Store::open(dir.path(), small).unwrap();
    let reader = store.reader();
    let writer = thread::spawn(move || {
        let (mut map, mut random) = (MapView::default(), Random(13));
        write_up_to(&mut store, &mut map, &mut random, 6000);
        map.digest(SEED)
    });
    let mut last = 0;
    while last < 6000 && !writer.is_finished() {
        let snapshot = reader.snapshot();
        let first = snapshot.applied().index;
        let verified = reader.verify().unwrap();
        assert!(verified.equal() && verified.index >= first && first >= last, "{verified:?} {first} {last}");
        last = first;
    }
    assert_eq!(writer.join().unwrap(), reader.verify().unwrap().recomputed);
}

#[test]
fn a_foreign_store_and_foreign_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir.path().join("store")));
    let foreign = Store::open(&dir.path().join("store"), StoreConfig::new([9; 16])).err().unwrap();
    assert!(matches!(foreign, StoreError::ForeignCluster { .. }) && !foreign.may_be_set_aside(), "{foreign}");
    let other = Store::open(dir.path(), config()).err().unwrap();
    assert!(matches!(other, StoreError::NotAStore(_)) && !other.may_be_set_aside(), "{other}");
    assert_eq!(open(&dir.path().join("store")).applied().index, 0);
}

fn named(node: &str) -> StoreConfig {
    StoreConfig { node: node.to_owned(), ..config() }
}

#[test]
fn a_state_of_another_node_is_refused_and_one_that_names_nobody_becomes_the_openers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(open(&path)); // as an older release leaves it
    assert_eq!(owner(&path).unwrap(), StateOwner { cluster: CLUSTER, node: None });
    drop(Store::open(&path, named("b")).unwrap());
    assert_eq!(owner(&path).unwrap(), StateOwner { cluster: CLUSTER, node: Some("b".to_owned()) });
    let refused = Store::open(&path, named("a")).err().unwrap();
    assert!(matches!(refused, StoreError::ForeignNode { .. }) && !refused.may_be_set_aside(), "{refused}");
    drop(Store::open(&path, named("b")).unwrap());
    fs::write(path.join("NODE"), b"ocsowner, or not").unwrap();
    let damaged = Store::open(&path, named("b")).err().unwrap();
    assert!(damaged.may_be_set_aside(), "{damaged}");
    set_aside(&path).unwrap();
    drop(Store::open(&path, named("b")).unwrap());
    assert_eq!(owner(&path).unwrap().node.as_deref(), Some("b"), "a new one names its node from the beginning");
}

#[test]
fn a_store_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let second = Store::open(dir.path(), config()).err().unwrap();
    assert!(matches!(second, StoreError::Locked(_)), "{second}");
}

#[test]
fn a_store_that_does_not_open_is_set_aside_and_a_new_one_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(open(&path));
    fs::write(path.join("1/version"), b"not a version").unwrap();
    let error = Store::open(&path, config()).err().unwrap();
    assert!(error.may_be_set_aside(), "{error}");
    let aside = set_aside(&path).unwrap();
    assert!(aside.join("1/version").exists());
    assert_eq!(open(&path).applied().index, 0);
}

#[test]
#[should_panic(expected = "entries are applied in order")]
fn an_index_is_never_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let changes = random_changes(&mut Random(1), &store.view());
    store.write(&changes, &mark(5)).unwrap();
    let _ = store.write(&changes, &mark(5));
}

#[test]
fn two_clusters_digests_of_the_same_rows_differ() {
    let dir = tempfile::tempdir().unwrap();
    let mut ours = open(&dir.path().join("ours"));
    let mut theirs = Store::open(&dir.path().join("theirs"), StoreConfig::new([9; 16])).unwrap();
    let changes = random_changes(&mut Random(2), &ours.view());
    ours.write(&changes, &mark(1)).unwrap();
    theirs.write(&changes, &mark(1)).unwrap();
    assert_ne!(ours.digest(), theirs.digest());
    assert_ne!(CLUSTER, [9; 16]);
}

#[test]
fn a_state_behind_which_too_much_was_written_is_not_kept_for_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let reader = store.reader();
    let write = |store: &mut Store, index: u64, bytes: usize| {
        let changes = {
            let view = store.view();
            let mut overlay = Overlay::new(&view);
            let id = RequestId { node: 1, incarnation: 1, token: 0, counter: index };
            overlay.put(Key::Request(id), Row::Request(RequestRow { reply: vec![1; bytes], ..RequestRow::default() }));
            overlay.into_changes()
        };
        store.write(&changes, &mark(index)).unwrap();
    };
    (1..=DIGEST_INTERVAL).for_each(|index| write(&mut store, index, 10));
    let kept = reader.at_digest(DIGEST_INTERVAL).unwrap();
    let part = usize::try_from(KEPT_BYTES_MAX).unwrap() / 32;
    (1..32).for_each(|more| write(&mut store, DIGEST_INTERVAL + more, part));
    assert!(reader.at_digest(DIGEST_INTERVAL).is_some());
    (32..34).for_each(|more| write(&mut store, DIGEST_INTERVAL + more, part));
    assert!(reader.at_digest(DIGEST_INTERVAL).is_none());
    assert!(reader.snapshot().written_since(&kept) > KEPT_BYTES_MAX);
}
