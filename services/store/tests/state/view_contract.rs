//! The contract of views (`records::contract`), held by every view of the store.

use std::path::Path;

use crate::support::{mark, open};
use outbound::{Handle, RequestId};
use records::{
    Changes, EmptyRow, FloorRow, Key, MetaRow, NumberRow, Overlay, RecordRow, RequestRow, Row, View,
    contract::{rows, view_contract},
};
use store::Store;

/// Writes changes as the next index.
fn write(store: &mut Store, change: impl FnOnce(&mut Overlay<'_, store::CurrentView<'_>>)) {
    let changes: Changes = {
        let view = store.view();
        let mut overlay = Overlay::new(&view);
        change(&mut overlay);
        overlay.into_changes()
    };
    let index = store.applied().index + 1;
    store.write(&changes, &mark(index)).unwrap();
}

/// Rows that the suite's state lacks, in the middle of the rows of the suite.
fn strays() -> Vec<(Key, Row)> {
    let number = NumberRow { number: 5 };
    let id = RequestId { node: 1, incarnation: 1, token: 0, counter: 7 };
    let record = RecordRow { attempt: 7, ..RecordRow::default() };
    vec![
        (Key::Record(Handle(3)), Row::Record(std::sync::Arc::new(record))),
        (Key::Request(id), Row::Request(RequestRow::default())),
        (Key::RecordById { list: 101, record_id: 2 }, Row::RecordById(number.clone())),
        (Key::RecordByChain { list: 102, chain_id: 7, chain_n: u64::MAX - 1 }, Row::RecordByChain(number)),
        (Key::RecordByPhone { phone: "+1".to_owned(), handle: Handle(2) }, Row::RecordByPhone(EmptyRow)),
    ]
}

/// A store of the suite's rows: other rows come first, and go again, one of them behind a floor.
fn with_rows(dir: &Path) -> Store {
    let mut store = open(dir);
    write(&mut store, |overlay| {
        let floor = FloorRow { node: 1, oldest_stamp_us: 1, ..FloorRow::default() };
        overlay.put(Key::Meta, Row::Meta(MetaRow { floors: vec![floor], ..MetaRow::default() }));
        strays().into_iter().for_each(|(key, row)| overlay.put(key, row));
        let sparse = rows().into_iter().filter(|(key, _)| *key != Key::Meta).step_by(2);
        sparse.for_each(|(key, row)| overlay.put(key, row));
    });
    write(&mut store, |overlay| {
        strays().into_iter().for_each(|(key, _)| overlay.remove(key));
        rows().into_iter().for_each(|(key, row)| overlay.put(key, row));
    });
    store
}

#[test]
fn the_newest_state_keeps_the_contract_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_rows(dir.path());
    view_contract(&store.view(), &rows());
    store.persist().unwrap();
    drop(store);
    view_contract(&open(dir.path()).view(), &rows());
}

#[test]
fn an_empty_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    view_contract(&store.view(), &[]);
    view_contract(&store.reader().snapshot(), &[]);
}

#[test]
fn an_older_state_keeps_the_contract_while_newer_ones_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_rows(dir.path());
    let snapshot = store.reader().snapshot();
    let stays = |key: &Key| matches!(key, Key::Meta | Key::Settings); // no change removes these
    let is_request = |key: &Key| matches!(key, Key::Request(_)); // that of the strays is behind its floor
    write(&mut store, |overlay| {
        rows().into_iter().filter(|(key, _)| !stays(key)).for_each(|(key, _)| overlay.remove(key));
        strays().into_iter().filter(|(key, _)| !is_request(key)).for_each(|(key, row)| overlay.put(key, row));
    });
    let newer: Vec<_> = rows().into_iter().filter(|(key, _)| stays(key)).chain(strays()).collect();
    let newer: Vec<_> = newer.into_iter().filter(|(key, _)| !is_request(key)).collect();
    view_contract(&snapshot, &rows());
    view_contract(&snapshot.for_replay().unwrap(), &rows());
    view_contract(&store.view(), &newer);
    view_contract(&store.reader().snapshot(), &newer);
}

#[test]
fn an_overlay_over_the_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_rows(dir.path());
    let view = store.view();
    let mut overlay = Overlay::new(&view);
    view_contract(&overlay, &rows());
    rows().into_iter().step_by(3).for_each(|(key, _)| overlay.remove(key));
    let left: Vec<_> = rows().into_iter().enumerate().filter(|(at, _)| at % 3 != 0).map(|(_, row)| row).collect();
    view_contract(&overlay, &left);
    assert_eq!(overlay.get(&Key::Record(Handle(3))), None);
}
