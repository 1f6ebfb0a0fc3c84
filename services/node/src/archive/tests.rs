//! Backups beside a state that is in use.

use pair::{
    fakes::{A, status},
    machine::RecordsMachine,
};
use store::{StoreConfig, verify_archive};
use tempfile::TempDir;

use super::*;

fn archives(home: &TempDir, status: Status) -> Archives {
    let config = StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new([5; 16]) };
    let state = home.path().join("state");
    let machine = RecordsMachine::open(&state, config, records::Rules::default()).unwrap();
    let status = watch::channel(Arc::new(status)).1;
    Archives::new(machine.reader(), status, ("demo", "a"), true, &Tasks::new())
}

async fn whole(mut stream: ArchiveStream) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some(part) = stream.parts.recv().await {
        file.extend_from_slice(&part.unwrap());
    }
    file
}

#[tokio::test]
async fn a_backup_is_a_whole_file_that_says_whose_it_is() {
    let home = TempDir::new().unwrap();
    let stream = archives(&home, status(3, A)).begin().unwrap();
    let head = stream.head.clone();
    let file = whole(stream).await;
    let verified = verify_archive(&file[..], |_| {}).unwrap();
    assert_eq!(verified.head, head);
    assert_eq!((head.cluster_id.as_str(), head.node.as_str(), head.epoch), ("demo", "a", 1));
    assert!(head.guarded);
    assert!(head.created_us > 0 && !head.release.is_empty());
}

#[tokio::test]
async fn only_a_few_are_under_way_and_one_that_nobody_takes_gives_its_place_back() {
    let home = TempDir::new().unwrap();
    let archives = archives(&home, status(3, A));
    let first = archives.begin().unwrap();
    let _second = archives.begin().unwrap();
    assert_eq!(archives.begin().unwrap_err(), NoArchive::Busy);
    drop(first);
    while archives.begin().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_node_without_its_own_state_makes_none() {
    let home = TempDir::new().unwrap();
    for status in [Status { fetching: true, ..status(3, A) }, Status { applied: 0, ..status(3, A) }] {
        assert_eq!(archives(&home, status).begin().unwrap_err(), NoArchive::NoState);
    }
}
