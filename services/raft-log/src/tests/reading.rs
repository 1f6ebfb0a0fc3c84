//! Readers beside the writer.

use super::*;

#[test]
fn a_reader_keeps_to_its_limits() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=100, 1, 1000)).unwrap();
    let reader = log.reader();
    assert_eq!(reader.entries(5, 5, 1000).unwrap(), vec![]);
    assert_eq!(reader.entries(5, 50, 0).unwrap(), entries(5..=5, 1, 1000).entries, "at least one");
    assert_eq!(reader.entries(5, 50, 3 * 1036).unwrap(), entries(5..=7, 1, 1000).entries);
    assert_eq!(reader.entries(99, 200, usize::MAX).unwrap(), entries(99..=100, 1, 1000).entries);
    assert!(matches!(reader.entries(101, 102, 10), Err(LogError::Beyond { index: 101, last: 100 })));
    assert!(matches!(reader.entries(0, 10, 10), Err(LogError::Compacted { index: 0, first: 1 })));
}

#[test]
fn every_entry_is_found_by_itself() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    for i in 1..=3000 {
        let batch =
            Batch { hard_state: Some(HardState { term: i / 100, vote: 0, commit: i }), ..entries(i..=i, i / 100, 90) };
        log.append(&batch).unwrap();
    }
    for _ in 0..2 {
        let reader = log.reader();
        for i in 1..=3000 {
            assert_eq!(reader.entries(i, i + 1, 1).unwrap(), vec![entry(i, i / 100, 90)]);
            assert_eq!(reader.term(i), Some(i / 100));
        }
        (log, _) = open(&disk);
    }
}

#[test]
fn a_reader_notices_a_flipped_bit() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=10, 1, 1000)).unwrap();
    let file = newest(&disk);
    disk.flip(&file, end_of(&disk, &file) - 10, 1);
    assert_eq!(log.reader().entries(9, 10, 1).unwrap().len(), 1);
    assert!(matches!(log.reader().entries(10, 11, 1), Err(LogError::Corrupt { index: 10, .. })));
}

#[test]
fn readers_see_one_state_while_the_writer_appends_cuts_and_compacts() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=20, 1, 900)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (reader, done) = (log.reader(), &done);
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    read_once(&reader);
                }
            });
        }
        for round in 0..300 {
            let term = round + 2;
            let first = log.last_index() - 3;
            log.append(&entries(first..=first + 10, term, 900)).unwrap();
            if round % 10 == 0 {
                log.compact(mark_at(first, term)).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Terms never fall and indexes never skip, whatever the writer does meanwhile.
fn read_once(reader: &crate::LogReader<MemDisk>) {
    let (low, high) = (reader.first_index(), reader.last_index() + 1);
    match reader.entries(low, high, usize::MAX) {
        Ok(read) => {
            assert!(read.windows(2).all(|p| p[1].index == p[0].index + 1 && p[1].term >= p[0].term));
            assert!(read.iter().all(|e| *e == entry(e.index, e.term, 900)));
        }
        Err(LogError::Compacted { .. } | LogError::Beyond { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
