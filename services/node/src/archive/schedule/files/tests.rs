//! The directory of scheduled backups: names, drafts and retention.

use std::os::unix::fs::PermissionsExt;

use store::{ArchiveOut, Store, StoreConfig};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;

const CLUSTER: [u8; 16] = [5; 16];

fn files(directory: &Path) -> Files {
    Files::new(directory, "demo/1", CLUSTER, "a")
}

/// A backup of an empty state, begun at this second; the node stops after `parts` parts.
fn backup(cluster: [u8; 16], second: u64, parts: usize) -> ArchiveStream {
    let home = TempDir::new().unwrap();
    let config = StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new(cluster) };
    let store = Store::open(&home.path().join("state"), config).unwrap();
    let about = ArchiveHead { created_us: second * 1_000_000, ..ArchiveHead::default() };
    let out = ArchiveOut::new(&store.reader().snapshot(), about);
    let (head, (sender, receiver)) = (out.head().clone(), mpsc::channel(16));
    out.take(parts).for_each(|part| sender.try_send(part.map_err(|error| error.to_string())).unwrap());
    ArchiveStream { head, parts: receiver }
}

fn written(directory: &Path, cluster: [u8; 16], second: u64) -> Made {
    files(directory).write(backup(cluster, second, usize::MAX), &AtomicU64::new(0)).unwrap()
}

#[test]
fn a_backup_appears_whole_readable_by_its_owner_alone_and_is_found_again() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("deep/backups");
    let made = written(&directory, CLUSTER, 1_790_000_000);
    assert_eq!(made.file, directory.join("demo_1-20260921T141320Z.ocsbackup"));
    assert_eq!(names(&directory).unwrap().len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&made.file), mode(&directory)), (0o600, 0o700));
    assert_eq!(fs::metadata(&made.file).unwrap().len(), made.bytes);
    assert_eq!(files(&directory).newest(), Some(made));
}

#[test]
fn a_backup_that_breaks_off_leaves_nothing_and_what_a_crash_left_goes_before_the_next() {
    let place = TempDir::new().unwrap();
    let cut = files(place.path()).write(backup(CLUSTER, 1, 2), &AtomicU64::new(0));
    assert_eq!((cut, names(place.path()).unwrap().len()), (Err(CUT.to_owned()), 0));
    let [own, others] = ["a", "b"].map(|node| format!(".demo_1-19700101T000001Z.ocsbackup.{node}.part"));
    [&own, &others].iter().for_each(|name| fs::write(place.path().join(name), "half").unwrap());
    written(place.path(), CLUSTER, 2);
    assert!(!place.path().join(own).exists() && place.path().join(others).exists());
}

#[test]
fn the_oldest_go_and_nothing_else_does() {
    let place = TempDir::new().unwrap();
    for second in 1..=5 {
        written(place.path(), if second == 2 { [6; 16] } else { CLUSTER }, second);
    }
    let others = ["demo_1-19600101T000000Z.ocsbackup", "demo_1-old.ocsbackup", "other-19700101T000000Z.ocsbackup"];
    others.iter().for_each(|name| fs::write(place.path().join(name), "no backup").unwrap());
    files(place.path()).retain(2).unwrap();
    let there = |second: u64| place.path().join(format!("demo_1-19700101T00000{second}Z.ocsbackup")).exists();
    assert_eq!([1, 2, 3, 4, 5].map(there), [false, true, false, true, true], "the second is another cluster's");
    assert!(others.iter().all(|name| place.path().join(name).exists()));
    assert_eq!(files(place.path()).newest().map(|made| made.created_us), Some(5_000_000));
}

#[test]
fn what_a_crash_left_goes_at_the_start_without_a_backup_and_without_the_directory() {
    let place = TempDir::new().unwrap();
    files(&place.path().join("none")).clear();
    assert!(!place.path().join("none").exists());
    let [own, others] = ["a", "b"].map(|node| format!(".demo_1-19700101T000001Z.ocsbackup.{node}.part"));
    [&own, &others].iter().for_each(|name| fs::write(place.path().join(name), "half").unwrap());
    files(place.path()).clear();
    assert!(!place.path().join(own).exists() && place.path().join(others).exists());
}

#[test]
fn a_backup_spares_the_reserve_of_a_data_directory_on_the_same_disk() {
    let place = TempDir::new().unwrap();
    let (directory, written) = (place.path().join("backups"), AtomicU64::new(0));
    let spares = |reserve_bytes| {
        let files = files(&directory).sparing(place.path(), reserve_bytes);
        files.write(backup(CLUSTER, 7, usize::MAX), &written)
    };
    let refused = spares(u64::MAX).unwrap_err();
    assert!(refused.contains("on the disk of node.data_dir"), "{refused}");
    assert_eq!(names(&directory).unwrap().len(), 0);
    let made = spares(0).unwrap();
    assert_eq!(written.load(Ordering::Relaxed), made.bytes);
    let elsewhere = files(&directory).sparing(Path::new("/proc"), u64::MAX);
    assert!(elsewhere.write(backup(CLUSTER, 8, usize::MAX), &written).is_ok(), "another disk");
}
