//! Torn or corrupt (R10 torn-is-cut-corrupt-is-kept).

use super::*;
use crate::{Disk, Keep, Unsynced};

/// A log of ten entries, its file, and where the last batch begins.
fn ten() -> (MemDisk, String, u64) {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=9, 1, 1000)).unwrap();
    let file = newest(&disk);
    let end = end_of(&disk, &file);
    log.append(&entries(10..=10, 1, 1000)).unwrap();
    (disk, file, end)
}

fn assert_corrupt(disk: &MemDisk, index: u64) {
    let before = snapshot(disk);
    let error = open_error(disk);
    let LogError::Corrupt { index: named, offset, .. } = &error else { panic!("{error}") };
    assert_eq!(*named, index, "{error}");
    assert!(error.to_string().contains(&format!("byte {offset}")), "{error}");
    assert!(snapshot(disk) == before, "a corrupt log was changed");
}

/// Takes away both slots.
fn lose_mark(disk: &MemDisk) {
    disk.overwrite(MARK, 0, &[0; 8192]);
}

#[test]
fn a_torn_tail_is_cut_zeroed_and_said() {
    let (disk, file, _) = ten();
    let end = end_of(&disk, &file);
    disk.overwrite(&file, end, &[0xAB; 312]);
    let (mut log, recovered) = open(&disk);
    assert_eq!(recovered.last_index, 10);
    assert!(recovered.notes[0].starts_with("cut 312 bytes of a torn write"), "{:?}", recovered.notes);
    assert_eq!(end_of(&disk, &file), end);
    disk.crash(|_| Keep::Old);
    assert_eq!(end_of(&disk, &file), end, "the zeros are durable");
    (log, _) = {
        drop(log);
        open(&disk)
    };
    log.append(&entries(11..=11, 1, 10)).unwrap();
    assert_eq!(open(&disk).1.last_index, 11);
}

#[test]
fn a_torn_batch_is_cut_as_a_whole_with_its_hard_state() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    let hard_state = HardState { term: 1, vote: 1, commit: 0 };
    log.append(&Batch { hard_state: Some(hard_state), ..entries(1..=1, 1, 10) }).unwrap();
    disk.fail_next_sync();
    let next = Batch { hard_state: Some(HardState { term: 2, vote: 3, commit: 1 }), ..entries(2..=9, 2, 4096) };
    log.append(&next).unwrap_err();
    let first_page_only = |unsynced: Unsynced<'_>| match unsynced {
        Unsynced::Page { page, .. } if page > 2 => Keep::Old,
        _ => Keep::New,
    };
    disk.crash(first_page_only);
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.hard_state, log.last_index()), (hard_state, 1));
}

#[test]
fn corruption_below_the_mark_is_refused_and_the_file_is_unchanged() {
    let (disk, file, begin) = ten();
    disk.flip(&file, begin + 100, 3);
    assert_corrupt(&disk, 10);
}

#[test]
fn zeros_below_the_mark_are_corruption_too() {
    let (disk, file, begin) = ten();
    let end = end_of(&disk, &file);
    disk.overwrite(&file, begin, &vec![0; (end - begin) as usize]);
    assert_corrupt(&disk, 10);
}

#[test]
fn a_later_batch_proves_corruption_where_the_mark_is_lost() {
    let (disk, file, begin) = ten();
    lose_mark(&disk);
    disk.flip(&file, begin - 500, 0);
    assert_corrupt(&disk, 1);
}

/// The power goes after an entry was acknowledged and before its mark is durable; then a bit of the entry flips.
#[test]
fn a_flipped_bit_of_the_last_batch_is_noticed_where_its_mark_is_lost() {
    let (disk, file, begin) = ten();
    lose_mark(&disk);
    for offset in begin..end_of(&disk, &file) {
        disk.flip(&file, offset, (offset % 8) as u8);
        assert_corrupt(&disk, 10);
        disk.flip(&file, offset, (offset % 8) as u8);
    }
    assert_eq!(open(&disk).1.last_index, 10);
}

#[test]
fn without_a_mark_a_last_batch_that_lacks_any_sector_counts_as_torn() {
    let (disk, file, begin) = ten();
    lose_mark(&disk);
    let (whole, end) = (disk.contents(&file).unwrap(), end_of(&disk, &file));
    for sector in begin / 512..=(end - 1) / 512 {
        let (from, to) = (begin.max(sector * 512), end.min((sector + 1) * 512));
        disk.overwrite(&file, from, &vec![0; (to - from) as usize]);
        assert_eq!(open(&disk).1.last_index, 9, "sector {sector}");
        lose_mark(&disk);
        disk.overwrite(&file, begin, &whole[begin as usize..end as usize]);
    }
}

#[test]
fn a_damaged_mark_in_either_slot_leaves_the_other_and_the_heads() {
    for slot in [0, 4096] {
        let (disk, file, begin) = ten();
        disk.flip(MARK, slot + 20, 5);
        let (log, recovered) = open(&disk);
        assert_eq!(log.last_index(), 10);
        assert!(recovered.notes[0].contains("damaged slot"), "{:?}", recovered.notes);
        drop(log);
        disk.flip(&file, begin - 500, 0);
        assert_corrupt(&disk, 1);
    }
}

#[test]
fn a_missing_mark_file_is_made_anew() {
    let (disk, _, _) = ten();
    disk.remove(MARK).unwrap();
    let (_, recovered) = open(&disk);
    assert_eq!(recovered.last_index, 10);
    assert_eq!(recovered.notes, vec!["mark was missing and was made anew".to_owned()]);
    assert_eq!(open(&disk).1.notes, Vec::<String>::new());
}

/// One entry a batch until the second segment begins; its first entry is longer by a head record, so that its batches
/// stand exactly where the batches of the first segment stand.
fn aligned(fitting: u64) -> (MemDisk, Log<MemDisk>) {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    (1..=fitting).for_each(|i| log.append(&entries(i..=i, 1, 900)).unwrap());
    log.append(&entries(fitting + 1..=fitting + 1, 1, 948)).unwrap();
    (disk, log)
}

#[test]
fn a_recycled_tail_does_not_come_back_to_life() {
    let fitting = (1..).find(|fitting| segment_files(&aligned(*fitting).0).len() == 2).unwrap();
    let (disk, log) = aligned(fitting);
    drop(log);
    let files = segment_files(&disk);
    let (old, end) = (disk.contents(&files[0]).unwrap(), end_of(&disk, &files[1]) as usize);
    assert_eq!(old[end + 8..end + 12], *b"\x01ocs", "a batch of the old segment begins where the new one ends");
    disk.overwrite(&files[1], end as u64, &old[end..]);
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.last_index, fitting + 1);
    assert!(recovered.notes[0].starts_with("cut "), "{:?}", recovered.notes);
    assert_eq!(all(&log)[..fitting as usize], entries(1..=fitting, 1, 900).entries);
}

#[test]
fn bytes_of_the_same_segment_do_not_come_to_life_at_another_place() {
    let (disk, file, begin) = ten();
    let end = end_of(&disk, &file);
    let copy = disk.contents(&file).unwrap()[begin as usize..end as usize].to_vec();
    disk.overwrite(&file, end, &copy);
    assert_eq!(open(&disk).1.last_index, 10);
    assert_eq!(end_of(&disk, &file), end);
}

#[test]
fn damage_in_an_older_segment_is_corruption_whatever_became_of_the_mark() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    for i in 1..=100 {
        log.append(&entries(i..=i, 1, 900)).unwrap();
    }
    lose_mark(&disk);
    let first = segment_files(&disk)[0].clone();
    let end = end_of(&disk, &first);
    disk.overwrite(&first, end - 500, &[0; 500]);
    let error = open_error(&disk);
    assert!(matches!(&error, LogError::Corrupt { file, .. } if *file == first), "{error}");
}

#[test]
fn a_missing_segment_is_corruption() {
    for missing in 0..3 {
        let disk = MemDisk::new();
        let mut log = create(&disk);
        (1..=150).for_each(|i| log.append(&entries(i..=i, 1, 900)).unwrap());
        let files = segment_files(&disk);
        assert_eq!(files.len(), 3);
        disk.remove(&files[missing]).unwrap();
        let error = open_error(&disk);
        assert!(matches!(&error, LogError::Corrupt { file, .. } if *file == files[missing]), "{error}");
    }
}

#[test]
fn a_damaged_header_is_corruption_unless_the_segment_was_never_used() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    (1..=70).for_each(|i| log.append(&entries(i..=i, 1, 900)).unwrap());
    let newest = newest(&disk);
    disk.create("0000000000000003.log").unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.last_index, 70);
    assert!(recovered.notes[0].contains("never used"), "{:?}", recovered.notes);
    drop(log);
    disk.flip(&newest, 30, 1);
    assert_corrupt_file(&disk, &newest);
    lose_mark(&disk);
    assert_corrupt_file(&disk, &newest);
}

fn assert_corrupt_file(disk: &MemDisk, name: &str) {
    let error = open_error(disk);
    assert!(matches!(&error, LogError::Corrupt { file, .. } if file == name), "{error}");
}

#[test]
fn every_flipped_bit_of_what_is_durable_is_noticed() {
    let (disk, file, _) = ten();
    let end = end_of(&disk, &file);
    for offset in (4096..end).step_by(7) {
        disk.flip(&file, offset, (offset % 8) as u8);
        assert!(matches!(open_error(&disk), LogError::Corrupt { .. }), "byte {offset}");
        disk.flip(&file, offset, (offset % 8) as u8);
    }
    assert_eq!(open(&disk).1.last_index, 10);
}

#[test]
fn every_flipped_bit_of_a_segments_header_is_corruption() {
    let (disk, file, _) = ten();
    for (offset, bit) in (0..60).flat_map(|offset| (0..8).map(move |bit| (offset, bit))) {
        disk.flip(&file, offset, bit);
        let error = open_error(&disk);
        assert!(matches!(&error, LogError::Corrupt { .. }), "bit {bit} of byte {offset}: {error}");
        disk.flip(&file, offset, bit);
    }
    assert_eq!(open(&disk).1.last_index, 10);
}

#[test]
fn no_flipped_bit_of_the_mark_changes_what_is_found() {
    let (disk, _, _) = ten();
    let (log, found) = open(&disk);
    let (entries, whole) = (all(&log), disk.contents(MARK).unwrap());
    drop(log);
    for (offset, bit) in
        [0, 4096].into_iter().flat_map(|slot| (slot..slot + 48).flat_map(|at| (0..8).map(move |bit| (at, bit))))
    {
        disk.overwrite(MARK, 0, &whole);
        disk.flip(MARK, offset, bit);
        let (log, again) = open(&disk);
        assert_eq!(all(&log), entries, "bit {bit} of byte {offset}");
        assert_eq!(Recovered { notes: Vec::new(), ..again }, found, "bit {bit} of byte {offset}");
    }
}
