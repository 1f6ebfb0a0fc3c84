//! The disk, mounted for real, as programs see it. Skipped, with a reason, where nothing can be mounted.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use powercut::Mounted;
use tempfile::TempDir;

const BYTES_MAX: u64 = 64 << 20;

/// A disk, or none with a reason printed.
fn disk() -> Option<(Mounted, TempDir)> {
    if let Some(why) = powercut::missing() {
        eprintln!("skipped: {why}");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    Some((Mounted::at(dir.path(), BYTES_MAX).unwrap(), dir))
}

fn synced(path: &Path, bytes: &[u8]) -> File {
    let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    file
}

fn names(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).unwrap().map(|entry| PathBuf::from(entry.unwrap().file_name())).collect()
}

#[test]
fn an_ordinary_disk_until_something_is_commanded() {
    let Some((disk, _dir)) = disk() else { return };
    let (one, two) = (disk.path().join("one"), disk.path().join("d"));
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&one, &big).unwrap();
    assert_eq!(fs::read(&one).unwrap(), big);
    fs::create_dir(&two).unwrap();
    fs::rename(&one, two.join("moved")).unwrap();
    assert_eq!((names(disk.path()), names(&two)), (vec!["d".into()], vec!["moved".into()]));
    assert_eq!(fs::remove_dir(&two).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    OpenOptions::new().append(true).open(two.join("moved")).unwrap().write_all(b"end").unwrap();
    assert_eq!(fs::metadata(two.join("moved")).unwrap().len(), 3_000_003);
    fs::remove_dir_all(&two).unwrap();
    assert!(names(disk.path()).is_empty());
}

#[test]
fn a_cut_loses_only_what_was_not_synced_and_the_disk_is_usable_again() {
    let Some((disk, _dir)) = disk() else { return };
    let path = disk.path().join("file");
    let mut changed = 0;
    for seed in 0..30 {
        let file = synced(&path, &[1; 20_000]);
        file.write_all_at(&[2; 8192], 4096).unwrap();
        disk.cut();
        let waiting = thread::spawn(move || file.sync_data());
        disk.off();
        assert!(waiting.join().unwrap().is_err(), "nothing is acknowledged after the cut");
        disk.on(seed);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 20_000 && bytes[..4096] == [1; 4096] && bytes[12_288..] == [1; 7712], "seed {seed}");
        changed += u32::from(bytes[4096..12_288] != [2; 8192]);
    }
    assert!(changed > 0);
}

#[test]
fn a_file_that_was_open_at_the_cut_stays_unusable() {
    let Some((disk, _dir)) = disk() else { return };
    let file = synced(&disk.path().join("file"), b"bytes");
    disk.cut();
    disk.off();
    disk.on(1);
    assert!(file.write_all_at(b"late", 0).is_err());
    assert_eq!(fs::read(disk.path().join("file")).unwrap(), b"bytes");
}

#[test]
fn a_failed_sync_fails_once_and_loses_what_it_should_have_saved() {
    let Some((disk, _dir)) = disk() else { return };
    let path = disk.path().join("file");
    let file = synced(&path, &[1; 4096]);
    file.write_all_at(&[2; 4096], 0).unwrap();
    disk.fail_syncs(1);
    let error: io::Error = file.sync_data().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
    file.sync_data().unwrap();
    disk.cut();
    disk.off();
    disk.on(1);
    assert_eq!(fs::read(&path).unwrap(), [1; 4096]);
}

#[test]
fn full_slow_and_flipped() {
    let Some((disk, _dir)) = disk() else { return };
    let path = disk.path().join("file");
    let file = synced(&path, &[0; 4096]);
    disk.full(true);
    assert_eq!(file.write_all_at(b"more", 5000).unwrap_err().kind(), ErrorKind::StorageFull);
    disk.full(false);
    file.write_all_at(b"more", 5000).unwrap();
    disk.slow(Duration::from_millis(50));
    let begun = Instant::now();
    file.sync_data().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    disk.slow(Duration::ZERO);
    let at = disk.flip(Path::new("file"), 3).unwrap() as usize;
    assert!(fs::read(&path).unwrap()[at] != 0 || (5000..5004).contains(&at));
}

#[test]
fn a_disk_that_hangs_keeps_writes_and_syncs_and_goes_on_with_them() {
    let Some((disk, _dir)) = disk() else { return };
    let path = disk.path().join("file");
    let file = synced(&path, &[1; 4096]);
    disk.hang(true);
    let (done, told) = std::sync::mpsc::channel();
    let waiting = thread::spawn(move || {
        file.write_all_at(&[2; 4096], 0).unwrap();
        file.sync_data().unwrap();
        done.send(()).unwrap();
    });
    assert_eq!(fs::read(&path).unwrap(), [1; 4096], "reads go on");
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "the write came back");
    disk.hang(false);
    waiting.join().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [2; 4096]);
}
