//! Backup files: a whole file gives its state back, and every fault of a file is refused by name.

use std::{fs, path::Path};

use crate::support::{Random, SEED, assert_same_rows, config, mark, open, write_up_to};
use records::MapView;
use store::{
    ARCHIVE_FORMAT, Archive, ArchiveError, ArchiveHead, ArchiveOut, Checker, ingest, verify_archive as verify,
};

const LAST: u64 = 1100;

fn about() -> ArchiveHead {
    ArchiveHead {
        cluster_id: "demo".to_owned(),
        node: "a".to_owned(),
        epoch: 3,
        created_us: 1_790_000_000_000_000,
        release: "0.1.0".to_owned(),
        guarded: true,
        ..ArchiveHead::default()
    }
}

/// The parts of a backup, and its rows.
fn parts(dir: &Path) -> (Vec<Vec<u8>>, MapView) {
    let (mut store, mut map) = (open(&dir.join("source")), MapView::default());
    write_up_to(&mut store, &mut map, &mut Random(17), LAST);
    let parts = ArchiveOut::new(&store.reader().snapshot(), about()).map(Result::unwrap).collect();
    (parts, map)
}

/// A backup of little more than a kilobyte: small enough to damage every byte in turn.
fn small(dir: &Path) -> Vec<u8> {
    let (mut store, mut map) = (open(&dir.join("small")), MapView::default());
    write_up_to(&mut store, &mut map, &mut Random(5), 3);
    ArchiveOut::new(&store.reader().snapshot(), about()).map(Result::unwrap).collect::<Vec<_>>().concat()
}

fn check(bytes: &[u8]) -> Result<(), ArchiveError> {
    Archive::open(bytes)?.check(|_| {}).map(drop)
}

#[test]
fn a_backup_gives_its_state_back_and_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (parts, map) = parts(dir.path());
    let file = parts.concat();
    let verified = verify(&file[..], |_| {}).unwrap();
    let digest = map.digest(SEED);
    let head = ArchiveHead { cluster: config().cluster, index: LAST, digest, ..verified.head.clone() };
    assert_eq!(verified.head, head);
    assert_eq!((head.cluster_id.as_str(), head.epoch, head.created_us), ("demo", 3, 1_790_000_000_000_000));
    assert!(head.guarded);
    assert_eq!((verified.tail.digest, verified.bytes), (digest, file.len() as u64));
    assert!(verified.tail.content_bytes > verified.bytes, "it is compressed");

    let archive = Archive::open(&file[..]).unwrap();
    let chunks = archive.chunks().map(|chunk| chunk.map_err(|error| error.to_string()));
    let ingested = ingest(&dir.path().join("restored"), &config(), chunks).unwrap();
    assert_eq!((ingested.applied, ingested.digest, ingested.rows), (mark(LAST), digest, verified.tail.state_rows));
    assert_same_rows(&open(&dir.path().join("restored")).view(), &map);
}

#[test]
fn an_empty_state_has_a_backup_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let file: Vec<u8> = ArchiveOut::new(&store.reader().snapshot(), about()).flat_map(Result::unwrap).collect();
    let verified = verify(&file[..], |_| {}).unwrap();
    assert_eq!((verified.head.index, verified.head.records, verified.tail.state_rows), (0, 0, 0));
}

#[test]
fn a_backup_that_is_cut_is_refused_wherever_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let file = small(dir.path());
    for length in 0..file.len() {
        let cut = &file[..length];
        assert!(
            matches!(check(cut), Err(ArchiveError::Cut { at }) if at == length as u64),
            "{length}: {:?}",
            check(cut)
        );
        assert!(verify(cut, |_| {}).is_err(), "{length}");
    }
    let (parts, _) = parts(dir.path());
    for kept in 0..parts.len() {
        assert!(verify(&parts[..kept].concat()[..], |_| {}).is_err(), "after {kept} parts");
    }
}

#[test]
fn a_backup_with_a_flipped_bit_is_refused_whichever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = small(dir.path());
    check(&file).unwrap();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&flipped).is_err(), "bit {bit}");
    }
    let (parts, _) = parts(dir.path());
    let mut file = parts.concat();
    let middle = file.len() / 2;
    file[middle] ^= 4;
    let refused = verify(&file[..], |_| {}).unwrap_err().to_string();
    assert!(refused.contains("damaged in the piece at byte"), "{refused}");
}

#[test]
fn parts_that_are_missing_twice_or_out_of_order_and_what_follows_the_trailer_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, _) = parts(dir.path());
    assert!(whole.len() > 4, "{}", whole.len());
    let refused = |parts: &[Vec<u8>]| check(&parts.concat()).unwrap_err();
    let (mut missing, mut twice, mut swapped, mut more) = (whole.clone(), whole.clone(), whole.clone(), whole.clone());
    missing.remove(1);
    twice.insert(1, whole[1].clone());
    swapped.swap(1, 2);
    more.push(vec![0]);
    for parts in [missing, twice, swapped] {
        assert!(matches!(refused(&parts), ArchiveError::Damaged { reason: "it is not in its place", .. }));
    }
    assert!(matches!(refused(&more), ArchiveError::Damaged { reason: "something follows the trailer", .. }));
    assert!(matches!(refused(&whole[1..]), ArchiveError::NotAnArchive));
}

#[test]
fn head_and_trailer_of_another_backup_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = parts(&dir.path().join("first"));
    let (mut store, mut map) = (open(&dir.path().join("other")), MapView::default());
    write_up_to(&mut store, &mut map, &mut Random(23), LAST);
    let other: Vec<Vec<u8>> = ArchiveOut::new(&store.reader().snapshot(), about()).map(Result::unwrap).collect();
    assert_eq!(other.len(), first.len());
    for at in [0, first.len() - 1] {
        let own = std::mem::replace(&mut first[at], other[at].clone());
        let refused = check(&first.concat()).unwrap_err().to_string();
        assert!(refused.contains("checksum of the whole file"), "{refused}");
        first[at] = own;
    }
    check(&first.concat()).unwrap();
}

#[test]
fn other_files_and_newer_formats_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = small(dir.path());
    assert!(matches!(check(b"PK\x03\x04 something else"), Err(ArchiveError::NotAnArchive)));
    file[8] = ARCHIVE_FORMAT as u8 + 1;
    let refused = check(&file).unwrap_err();
    assert!(matches!(refused, ArchiveError::NewerFormat { found: 2, known: 1 }), "{refused}");
}

#[test]
fn bytes_are_checked_whatever_the_size_of_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let file = small(dir.path());
    for size in [1, 7, 100, file.len()] {
        let (mut checker, mut frames) = (Checker::new(), 0);
        for part in file.chunks(size) {
            checker.push(part, |_, _| frames += 1).unwrap();
        }
        let (head, tail) = checker.finish().unwrap();
        assert_eq!((head.index, tail.digest), (3, head.digest), "in parts of {size}");
        assert!(frames >= 3, "head, rows and tail of the state");
    }
}

#[test]
fn a_backup_is_that_of_the_moment_when_it_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut map) = (open(&dir.path().join("source")), MapView::default());
    let mut random = Random(29);
    write_up_to(&mut store, &mut map, &mut random, 200);
    let (then, mut out) = (map.clone(), ArchiveOut::new(&store.reader().snapshot(), about()));
    let mut file = out.next().unwrap().unwrap();
    write_up_to(&mut store, &mut map, &mut random, 400);
    out.for_each(|part| file.extend_from_slice(&part.unwrap()));
    let verified = verify(&file[..], |_| {}).unwrap();
    assert_eq!((verified.head.index, verified.head.digest), (200, then.digest(SEED)));
    assert!(fs::read_dir(dir.path()).unwrap().count() == 1);
}
