//! What an append, a compaction and a reset leave behind, on a disk that behaves; and the batches that the log refuses.

use super::*;
use crate::{Disk, File, FileDisk, Lack};

#[test]
fn what_was_appended_is_there_after_a_restart() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    let hard_state = HardState { term: 3, vote: 2, commit: 1 };
    let batch =
        Batch { hard_state: Some(hard_state), conf_state: Some((2, members(&[1, 2]))), ..entries(1..=3, 3, 100) };
    log.append(&batch).unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.hard_state, hard_state);
    assert_eq!((recovered.first_index, recovered.last_index, recovered.empty), (1, 3, false));
    assert_eq!(recovered.conf_states, vec![(2, members(&[1, 2]))]);
    assert_eq!(recovered.start, mark_at(0, 0));
    assert_eq!(recovered.notes, Vec::<String>::new());
    assert_eq!(all(&log), batch.entries);
}

#[test]
fn a_batch_costs_one_sync() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    let before = disk.syncs();
    log.append(&Batch { hard_state: Some(HardState::default()), ..entries(1..=64, 1, 256) }).unwrap();
    assert_eq!(disk.syncs(), before + 1);
}

#[test]
fn entries_go_on_over_segments_and_restarts() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    for round in 0..8 {
        for i in 0..20 {
            let first = round * 100 + i * 5 + 1;
            log.append(&entries(first..=first + 4, round + 1, 700)).unwrap();
        }
        (log, _) = open(&disk);
    }
    assert!(segment_files(&disk).len() > 8);
    assert_eq!(log.last_index(), 800);
    let expected: Vec<_> = (1..=800).map(|i| entry(i, (i - 1) / 100 + 1, 700)).collect();
    assert_eq!(all(&log), expected);
}

#[test]
fn a_batch_larger_than_a_segment_gets_a_larger_one() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=3, 1, 100_000)).unwrap();
    log.append(&entries(4..=4, 1, 10)).unwrap();
    let (log, _) = open(&disk);
    assert_eq!(all(&log), [entries(1..=3, 1, 100_000).entries, entries(4..=4, 1, 10).entries].concat());
}

#[test]
fn a_conflict_takes_out_the_tail_and_stays_so_after_a_restart() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    for first in (1..=381).step_by(20) {
        log.append(&entries(first..=first + 19, 1, 900)).unwrap();
    }
    log.append(&entries(151..=160, 2, 900)).unwrap();
    log.append(&entries(156..=158, 3, 900)).unwrap();
    let expected =
        [entries(1..=150, 1, 900).entries, entries(151..=155, 2, 900).entries, entries(156..=158, 3, 900).entries]
            .concat();
    for _ in 0..2 {
        assert_eq!(all(&log), expected);
        assert_eq!(
            [log.reader().term(150), log.reader().term(155), log.reader().term(156)],
            [Some(1), Some(2), Some(3)]
        );
        assert_eq!(log.reader().term(159), None);
        (log, _) = open(&disk);
    }
}

#[test]
fn compaction_removes_segments_and_the_start_survives_a_restart() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&Batch { hard_state: Some(HardState { term: 1, vote: 1, commit: 0 }), ..Batch::default() }).unwrap();
    for first in (1..=391).step_by(10) {
        log.append(&entries(first..=first + 9, 1, 900)).unwrap();
    }
    log.append(&Batch { conf_state: Some((300, members(&[4, 5, 6]))), ..Batch::default() }).unwrap();
    let (files, bytes) = (segment_files(&disk), log.bytes());
    let mark = SnapshotMark { index: 350, term: 1, conf_state: None };
    assert_eq!(log.compact(mark.clone()).unwrap(), 351);
    assert!(segment_files(&disk).len() < files.len() && log.bytes() < bytes);
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.start, SnapshotMark { conf_state: Some(members(&[4, 5, 6])), ..mark });
    assert_eq!((recovered.first_index, recovered.last_index), (351, 400));
    assert_eq!(recovered.hard_state, HardState { term: 1, vote: 1, commit: 0 });
    assert_eq!(recovered.conf_states, vec![]);
    assert_eq!(all(&log), entries(351..=400, 1, 900).entries);
    assert_eq!([log.reader().term(349), log.reader().term(350)], [None, Some(1)]);
    assert!(matches!(log.reader().entries(350, 360, 9), Err(LogError::Compacted { index: 350, first: 351 })));
}

#[test]
fn everything_may_be_compacted_and_the_log_goes_on() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=90, 1, 900)).unwrap();
    assert_eq!(log.compact(mark_at(90, 1)).unwrap(), 91);
    let (mut log, recovered) = open(&disk);
    assert!(recovered.empty);
    assert_eq!(log.reader().term(90), Some(1));
    log.append(&entries(91..=92, 2, 10)).unwrap();
    let (log, _) = open(&disk);
    assert_eq!(all(&log), entries(91..=92, 2, 10).entries);
}

#[test]
fn compaction_refuses_a_mark_that_is_not_in_the_log() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=5, 2, 10)).unwrap();
    assert!(matches!(log.compact(mark_at(6, 2)), Err(LogError::OutOfOrder { index: 6, .. })));
    assert!(matches!(log.compact(mark_at(5, 1)), Err(LogError::OutOfOrder { index: 5, .. })));
    assert_eq!(log.compact(mark_at(0, 0)).unwrap(), 1);
}

#[test]
fn a_reset_begins_anew_after_its_mark() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    for first in (1..=191).step_by(10) {
        log.append(&entries(first..=first + 9, 1, 900)).unwrap();
    }
    let batch = Batch { reset: Some(mark_at(1000, 7)), ..entries(1001..=1002, 7, 10) };
    log.append(&batch).unwrap();
    assert_eq!(segment_files(&disk).len(), 1);
    for _ in 0..2 {
        assert_eq!((log.first_index(), log.last_index()), (1001, 1002));
        assert_eq!(log.reader().term(1000), Some(7));
        assert_eq!(all(&log), batch.entries);
        let recovered;
        (log, recovered) = open(&disk);
        assert_eq!(recovered.start, mark_at(1000, 7));
    }
}

#[test]
fn entries_that_leave_a_gap_are_refused_and_nothing_is_written() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=5, 1, 10)).unwrap();
    log.compact(mark_at(3, 1)).unwrap();
    let before = disk.contents(&newest(&disk));
    let holed = Batch { entries: vec![entry(6, 1, 1), entry(8, 1, 1)], ..Batch::default() };
    for batch in [entries(7..=7, 1, 10), entries(3..=4, 1, 10), holed] {
        assert!(matches!(log.append(&batch), Err(LogError::OutOfOrder { .. })));
    }
    assert_eq!(disk.contents(&newest(&disk)), before);
    log.append(&entries(6..=6, 1, 10)).unwrap();
}

#[test]
fn create_refuses_a_directory_with_a_log_or_with_the_mark_of_one() {
    let disk = MemDisk::new();
    assert!(matches!(Log::open(disk.clone(), CONFIG), Err(LogError::Missing)));
    drop(create(&disk));
    let again = || Log::create(disk.clone(), CONFIG, mark_at(0, 0), HardState::default()).unwrap_err();
    assert!(matches!(again(), LogError::Exists { .. }));
    disk.remove(&newest(&disk)).unwrap();
    assert!(matches!(again(), LogError::Exists { .. }));
    assert!(matches!(open_error(&disk), LogError::Corrupt { .. }));
    assert!(Log::exists(&disk).unwrap());
}

#[test]
fn a_foreign_cluster_is_refused_by_name() {
    let disk = MemDisk::new();
    drop(create(&disk));
    let config = LogConfig { cluster: [1; 16], ..CONFIG };
    let error = Log::open(disk, config).unwrap_err();
    assert!(matches!(error, LogError::ForeignCluster { .. }));
    assert!(error.to_string().contains(&"09".repeat(16)), "{error}");
}

#[test]
fn a_log_of_another_node_is_refused_by_name_and_one_that_names_no_node_is_taken() {
    let disk = MemDisk::new();
    drop(create(&disk));
    let other = LogConfig { node: 1, ..CONFIG };
    let error = Log::open(disk.clone(), other).unwrap_err();
    assert!(matches!(error, LogError::ForeignNode { found: 2, expected: 1, .. }), "{error}");
    assert!(error.to_string().contains("join"), "{error}");
    drop(Log::open(disk, LogConfig { node: 0, ..CONFIG }).unwrap());
    let unnamed = MemDisk::new();
    let nobody = LogConfig { node: 0, ..CONFIG };
    drop(Log::create(unnamed.clone(), nobody, mark_at(0, 0), HardState::default()).unwrap());
    assert_eq!(owners(&unnamed).unwrap(), [Owner { cluster: CONFIG.cluster, node: None }]);
    drop(open(&unnamed));
}

#[test]
fn every_segment_names_its_node_and_one_with_a_damaged_header_names_nobody() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=100, 1, 1000)).unwrap();
    log.append(&entries(101..=120, 1, 1000)).unwrap();
    drop(log);
    let files = segment_files(&disk);
    assert!(files.len() > 1);
    let owner = Owner { cluster: CONFIG.cluster, node: Some(CONFIG.node) };
    assert_eq!(owners(&disk).unwrap(), vec![owner; files.len()]);
    disk.flip(&files[0], 12, 0);
    assert_eq!(owners(&disk).unwrap(), vec![owner; files.len() - 1]);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let disk = MemDisk::new();
    drop(create(&disk));
    disk.overwrite(&newest(&disk), 8, &[7]);
    let header = disk.contents(&newest(&disk)).unwrap();
    disk.overwrite(&newest(&disk), 56, &crc32c::crc32c(&header[..56]).to_le_bytes());
    let error = open_error(&disk);
    assert!(matches!(error, LogError::NewerFormat { .. }));
    assert!(error.to_string().contains("format 7"), "{error}");
}

#[test]
fn a_flipped_bit_of_the_format_is_corruption_and_no_newer_version() {
    let disk = MemDisk::new();
    drop(create(&disk));
    assert!(disk.flip(&newest(&disk), 11, 6));
    let error = open_error(&disk);
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
}

#[test]
fn a_full_disk_refuses_the_batch_and_the_log_goes_on_when_there_is_room() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    disk.set_capacity(Some(disk.used()));
    let refused = (1..).find_map(|i| log.append(&entries(i..=i, 1, 900)).err().map(|error| (i, error)));
    let (next, error) = refused.unwrap();
    assert!(matches!(error, LogError::NoRoom { .. }), "{error}");
    assert_eq!(log.last_index(), next - 1);
    log.append(&entries(next..=next, 1, 900)).unwrap_err();
    assert_eq!(log.compact(mark_at(next - 3, 1)).unwrap(), next - 2, "compaction needs no new segment");
    disk.set_capacity(None);
    log.append(&entries(next..=next, 1, 900)).unwrap();
    let (log, _) = open(&disk);
    assert_eq!(all(&log), entries(next - 2..=next, 1, 900).entries);
}

#[test]
fn without_descriptors_the_batch_is_refused_and_the_log_goes_on_when_there_are_some() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    disk.set_no_descriptors(true);
    let refused = (1..).find_map(|i| log.append(&entries(i..=i, 1, 900)).err().map(|error| (i, error)));
    let (next, error) = refused.unwrap();
    assert!(matches!(error, LogError::NoRoom { lack: Lack::Descriptors, .. }), "{error}");
    assert!(error.to_string().contains("no file descriptors are left"), "{error}");
    assert_eq!(log.last_index(), next - 1);
    log.append(&entries(next..=next, 1, 900)).unwrap_err();
    assert_eq!(log.compact(mark_at(next - 3, 1)).unwrap(), next - 2, "compaction opens no file");
    disk.set_no_descriptors(false);
    log.append(&entries(next..=next, 1, 900)).unwrap();
    let (log, _) = open(&disk);
    assert_eq!(all(&log), entries(next - 2..=next, 1, 900).entries);
}

#[test]
fn a_failed_sync_poisons_the_log() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=1, 1, 10)).unwrap();
    disk.fail_next_sync();
    assert!(matches!(log.append(&entries(2..=2, 1, 10)), Err(LogError::Io { action: "sync", .. })));
    assert!(matches!(log.append(&entries(2..=2, 1, 10)), Err(LogError::Poisoned)));
    assert!(matches!(log.compact(mark_at(1, 1)), Err(LogError::Poisoned)));
    assert_eq!(log.last_index(), 1, "what was not synced is not seen by readers");
    disk.crash(|_| crate::Keep::Old);
    assert_eq!(open(&disk).1.last_index, 1);
}

#[test]
fn a_failed_write_poisons_the_log_and_its_half_is_cut() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=1, 1, 10)).unwrap();
    disk.fail_next_write();
    assert!(matches!(log.append(&entries(2..=9, 1, 5000)), Err(LogError::Io { action: "write", .. })));
    assert!(matches!(log.append(&entries(2..=2, 1, 10)), Err(LogError::Poisoned)));
    let (_, recovered) = open(&disk);
    assert_eq!(recovered.last_index, 1);
    assert!(recovered.notes[0].starts_with("cut "), "{:?}", recovered.notes);
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_written_again() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=1, 1, 10)).unwrap();
    disk.fail_next_sync();
    log.append(&entries(2..=2, 1, 10)).unwrap_err();
    assert_eq!(open(&disk).1.last_index, 2, "whole, so it counts");
    disk.crash(|_| crate::Keep::Old);
    assert_eq!(open(&disk).1.last_index, 2, "and was made durable before it counted");
}

#[test]
fn segments_are_filled_ahead_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { prepare_ahead: true, ..CONFIG };
    let disk = FileDisk::new(&directory.path().join("log")).unwrap();
    let mut log = Log::create(disk.clone(), config, mark_at(0, 0), HardState::default()).unwrap();
    for first in (1..=391).step_by(10) {
        log.append(&entries(first..=first + 9, 1, 900)).unwrap();
    }
    assert_eq!(log.compact(mark_at(200, 1)).unwrap(), 201);
    drop(log);
    let (log, recovered) = Log::open(disk.clone(), config).unwrap();
    assert_eq!((recovered.first_index, recovered.last_index), (201, 400));
    assert_eq!(recovered.notes, Vec::<String>::new());
    let read = log.reader().entries(201, 401, usize::MAX).unwrap();
    assert_eq!(read, entries(201..=400, 1, 900).entries);
    let segments = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log"));
    for name in segments {
        assert_eq!(disk.open(&name).unwrap().length().unwrap(), config.segment_bytes);
    }
}

#[test]
fn a_real_directory_is_locked_against_a_second_process() {
    let directory = tempfile::tempdir().unwrap();
    let first = FileDisk::new(directory.path()).unwrap();
    let error = FileDisk::new(directory.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    FileDisk::new(directory.path()).unwrap();
}
