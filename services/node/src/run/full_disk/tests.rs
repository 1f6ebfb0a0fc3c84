//! An apply thread that meets a full disk.

use std::io;

use super::*;

fn disk(reserve_bytes: u64) -> (tempfile::TempDir, Arc<FullDisk>) {
    let home = tempfile::tempdir().unwrap();
    let disk = FullDisk::new(DiskRoom::new(home.path(), reserve_bytes));
    (home, disk)
}

fn full() -> StoreError {
    StoreError::Io { what: "writing".to_owned(), source: io::ErrorKind::StorageFull.into() }
}

#[tokio::test]
async fn a_thread_that_meets_a_full_disk_waits_until_there_is_room_and_its_end_does_not_end_the_process() {
    let ((_home, disk), tasks) = (disk(0), Tasks::new());
    let (mut on_fault, fatal) = (disk.on_fault(&tasks), disk.fatal());
    let thread = thread::spawn(move || {
        on_fault(&full());
        fatal("the store failed".to_owned()); // would end this test's process
    });
    disk.met.cancelled().await;
    assert!(!thread.is_finished(), "the thread did not wait for room");
    disk.again.cancel();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_stop_ends_the_wait() {
    let ((_home, disk), tasks) = (disk(0), Tasks::new());
    let mut on_fault = disk.on_fault(&tasks);
    let thread = thread::spawn(move || on_fault(&full()));
    disk.met.cancelled().await;
    tasks.stop();
    thread.join().unwrap();
    assert!(!disk.again.is_cancelled());
}

#[tokio::test]
async fn another_fault_is_not_waited_for() {
    let ((_home, disk), tasks) = (disk(u64::MAX), Tasks::new());
    let mut on_fault = disk.on_fault(&tasks);
    thread::spawn(move || on_fault(&StoreError::Damaged("a digest".to_owned()))).join().unwrap();
    assert!(!disk.met.is_cancelled());
}
