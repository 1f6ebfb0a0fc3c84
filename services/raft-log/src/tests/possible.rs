//! Records with right checksums and numbers that no writer writes: damage, never a panic, a loop or a record passed over.

use prost::Message;

use super::*;
use crate::{
    Disk, File,
    format::{
        BASE, CONF_STATE, ENTRY, HARD_STATE, HEAD, HEADER_BYTES, Mark, RESET, RecordHeader, START, SegmentHeader,
        head_bytes, segment_name,
    },
};

const MAX: u64 = u64::MAX;

/// Kind and payload.
type Record = (u8, Vec<u8>);

// === records, with right checksums ===

fn sealed(sequence: u64, at: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let header = RecordHeader { crc: 0, length: payload.len() as u32, kind };
    let crc = crc32c::crc32c_append(header.seed(sequence, at), payload);
    [&crc.to_le_bytes()[..], &header.length.to_le_bytes(), &[kind], b"ocs", payload].concat()
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn head(at: u64, length: u32, before: Mark) -> Vec<u8> {
    let mark = numbers(&[before.segment, before.offset, before.index, before.term]);
    sealed(1, at, HEAD, &[&length.to_le_bytes()[..], &mark].concat())
}

/// The records of a batch whose head stands at `at`.
fn body(at: u64, records: &[Record]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, payload) in records {
        let record = sealed(1, at + (head_bytes() + body.len()) as u64, *kind, payload);
        body.extend(record);
    }
    body
}

fn batch(at: u64, records: &[Record]) -> Vec<u8> {
    let body = body(at, records);
    [head(at, (head_bytes() + body.len()) as u32, Mark::default()), body].concat()
}

fn entry_record(index: u64, term: u64, context_bytes: u32) -> Record {
    let numbers = numbers(&[index, term]);
    (ENTRY, [&numbers[..], &[0; 4], &context_bytes.to_le_bytes(), b"12345678"].concat())
}

fn message(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}

fn mark_record(kind: u8, index: u64, term: u64) -> Record {
    (kind, message(&mark_at(index, term)))
}

fn membership(index: u64) -> Vec<u8> {
    [numbers(&[index]), message(&members(&[1, 2, 3]))].concat()
}

/// A base of a hard state's term, a start, a last entry, and memberships at these indexes.
fn base_record(term: u64, start: (u64, u64), last: (u64, u64), at: &[u64]) -> Record {
    let mut base = numbers(&[term, 1, 0, last.0, last.1]);
    base.extend(message(&mark_at(start.0, start.1)));
    base.extend((at.len() as u32).to_le_bytes());
    at.iter().for_each(|index| base.extend(membership(*index)));
    (BASE, base)
}

// === logs ===

/// A log that starts above entry 2 and ends with entry 5, all of term 2; its file, and where the next batch stands.
fn five() -> (MemDisk, String, u64) {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    let hard_state = Some(HardState { term: 2, vote: 1, commit: 2 });
    log.append(&Batch { hard_state, ..entries(1..=5, 2, 100) }).unwrap();
    log.compact(mark_at(2, 2)).unwrap();
    let end = log.bytes();
    (disk.clone(), newest(&disk), end)
}

fn five_and(bytes: impl FnOnce(u64) -> Vec<u8>) -> MemDisk {
    let (disk, file, end) = five();
    disk.overwrite(&file, end, &bytes(end));
    disk
}

/// A log whose only batch has these records, and no mark.
fn based_on(records: &[Record]) -> MemDisk {
    let disk = MemDisk::new();
    drop(create(&disk));
    disk.overwrite(MARK, 0, &[0; 8192]);
    let file = newest(&disk);
    disk.overwrite(&file, HEADER_BYTES, &[0; 1024]);
    disk.overwrite(&file, HEADER_BYTES, &batch(HEADER_BYTES, records));
    disk
}

/// The log is refused as damaged, with file, place and finding in the text, and no byte changes.
fn refused(disk: &MemDisk, expected: &str) {
    let before = snapshot(disk);
    let error = open_error(disk);
    let LogError::Corrupt { file, offset, found, .. } = &error else { panic!("{expected}: {error}") };
    assert_eq!(found, expected);
    let text = error.to_string();
    let told = [file.clone(), format!("byte {offset}"), "join under a new id".to_owned()];
    assert!(told.iter().all(|told| text.contains(told.as_str())), "{text}");
    assert!(snapshot(disk) == before, "{expected}: the log was changed");
}

// === tests ===

/// A forged number and the words of its refusal.
type Case<From, To> = (fn(From) -> To, &'static str);

#[test]
fn records_that_a_writer_can_have_written_are_taken() {
    let legal: [&[Record]; 6] = [
        &[entry_record(6, 2, 0), entry_record(7, 3, 8)],
        &[entry_record(3, 2, 0)], // a new leader's entry in place of entry 3
        &[(HARD_STATE, numbers(&[2, 3, 0]))],
        &[mark_record(START, 5, 2), entry_record(6, 2, 0)],
        &[mark_record(RESET, 90, 1), entry_record(91, 1, 0)],
        &[(CONF_STATE, membership(1)), (CONF_STATE, membership(5))],
    ];
    for (case, (records, last)) in legal.iter().zip([7, 3, 5, 6, 91, 5]).enumerate() {
        assert_eq!(open(&five_and(|at| batch(at, records))).1.last_index, last, "case {case}");
    }
    let based = based_on(&[base_record(4, (2, 2), (5, 3), &[3, 5]), mark_record(START, 5, 3)]);
    assert_eq!(open(&based).1.last_index, 5);
}

#[test]
fn a_record_whose_numbers_cannot_follow_those_before_it_is_damage() {
    let gap = "an entry that leaves a gap";
    let below = "an entry at or below the start";
    let earlier = "an entry of an earlier term than the entry before";
    let context = "an entry whose context is longer than its record";
    let cases: [(&[Record], &str); 24] = [
        (&[entry_record(0, 2, 0)], below),
        (&[entry_record(2, 2, 0)], below),
        (&[mark_record(START, 4, 2), entry_record(4, 2, 0)], below),
        (&[entry_record(7, 2, 0)], gap),
        (&[entry_record(6, 2, 0), entry_record(8, 2, 0)], gap),
        (&[entry_record(MAX, 2, 0)], gap),
        (&[entry_record(6, 1, 0)], earlier),
        (&[entry_record(3, 1, 0)], earlier),
        (&[entry_record(6, 3, 0), entry_record(7, 2, 0)], earlier),
        (&[entry_record(6, MAX, 0)], "an entry of a term that cannot be"),
        (&[entry_record(6, 2, 9)], context),
        (&[entry_record(6, 2, u32::MAX)], context),
        (&[(HARD_STATE, numbers(&[1, 1, 2]))], "a hard state of an earlier term than the hard state before"),
        (&[(HARD_STATE, numbers(&[MAX, 1, 2]))], "a hard state of a term that cannot be"),
        (&[mark_record(START, 1, 2)], "a start below the start before"),
        (&[mark_record(START, 6, 2)], "a start above the last entry"),
        (&[mark_record(START, MAX, 2)], "a start above the last entry"),
        (&[mark_record(START, 4, 1)], "a start of another term than its entry"),
        (&[mark_record(RESET, MAX, 2)], "a reset to an index that cannot be"),
        (&[mark_record(RESET, 9, MAX)], "a reset to a term that cannot be"),
        (&[(CONF_STATE, membership(6))], "a membership above the last entry"),
        (&[(CONF_STATE, membership(MAX))], "a membership above the last entry"),
        (&[(HEAD, vec![0; 36])], "a head in the middle of a batch"),
        (&[base_record(2, (2, 2), (5, 2), &[])], "a base that is not the first record of its segment"),
    ];
    for (records, expected) in cases {
        refused(&five_and(|at| batch(at, records)), expected);
    }
}

#[test]
fn a_head_whose_length_cannot_be_is_damage() {
    let records = [entry_record(6, 2, 0), entry_record(7, 2, 0)];
    let with_length = |length: fn(u32) -> u32| {
        let records = records.clone();
        five_and(move |at| {
            let body = body(at, &records);
            let whole = (head_bytes() + body.len()) as u32;
            [head(at, length(whole), Mark::default()), body].concat()
        })
    };
    let short = "a batch that is shorter than its head";
    let beyond = "a batch that ends behind its file, or beyond 4 GiB";
    let cases: [Case<u32, u32>; 7] = [
        (|_| 0, short),
        (|_| 1, short),
        (|_| 47, short),
        (|whole| whole - 1, "a record that ends behind its batch"),
        (|whole| whole + 11, "a batch that ends in the middle of a record"),
        (|_| 64 * 1024, beyond),
        (|_| u32::MAX, beyond),
    ];
    for (length, expected) in cases {
        refused(&with_length(length), expected);
    }
}

#[test]
fn a_head_whose_mark_names_what_cannot_be_durable_is_damage() {
    let marked = |mark: fn(u64) -> Mark| {
        five_and(move |at| {
            let body = body(at, &[entry_record(6, 2, 0)]);
            [head(at, (head_bytes() + body.len()) as u32, mark(at)), body].concat()
        })
    };
    let behind = "a head whose mark stands behind the head";
    let other = "a head whose mark names another entry";
    let cases: [Case<u64, Mark>; 5] = [
        (|at| Mark { segment: 1, offset: at + 1, index: 5, term: 2 }, behind),
        (|at| Mark { segment: 2, offset: at, index: 5, term: 2 }, behind),
        (|_| Mark { segment: MAX, offset: MAX, index: MAX, term: MAX }, behind),
        (|at| Mark { segment: 1, offset: at, index: 6, term: 2 }, other),
        (|at| Mark { segment: 1, offset: at, index: 5, term: 1 }, other),
    ];
    for (mark, expected) in cases {
        refused(&marked(mark), expected);
    }
    let right = marked(|at| Mark { segment: 1, offset: at, index: 5, term: 2 });
    assert_eq!(open(&right).1.last_index, 6);
}

#[test]
fn a_record_outside_of_a_batch_is_damage() {
    let outside = |at| sealed(1, at, ENTRY, &entry_record(6, 2, 0).1);
    refused(&five_and(outside), "a record outside of a batch");
}

#[test]
fn a_base_whose_numbers_contradict_one_another_is_damage() {
    let number = "a base with a number that cannot be";
    let outside = "a base with a membership outside of its entries";
    let term = "a base whose last entry has a term that cannot be";
    let cases = [
        (base_record(MAX, (2, 2), (5, 2), &[]), number),
        (base_record(2, (MAX, 2), (MAX, 2), &[]), number),
        (base_record(2, (2, 2), (MAX, 2), &[]), number),
        (base_record(2, (2, 2), (5, MAX), &[]), number),
        (base_record(2, (6, 2), (5, 2), &[]), "a base whose last entry stands before its start"),
        (base_record(2, (5, 2), (5, 3), &[]), term),
        (base_record(2, (2, 2), (5, 1), &[]), term),
        (base_record(2, (2, 2), (5, 2), &[2]), outside),
        (base_record(2, (2, 2), (5, 2), &[6]), outside),
        (base_record(2, (2, 2), (5, 2), &[4, 4]), "a base with memberships in another order"),
    ];
    for (base, expected) in cases {
        refused(&based_on(&[base]), expected);
    }
}

/// A payload that ends before its own lengths say so is the form of a newer version, as any payload that this version cannot read.
#[test]
fn a_length_beyond_its_record_is_refused_and_nothing_is_changed() {
    let endless = [&u32::MAX.to_le_bytes()[..], b"1"].concat();
    let (_, mut base) = base_record(2, (2, 2), (5, 2), &[]);
    let count_at = base.len() - 4;
    base[count_at..].copy_from_slice(&u32::MAX.to_le_bytes());
    let disks = [
        five_and(|at| batch(at, &[(START, endless.clone())])),
        five_and(|at| batch(at, &[(CONF_STATE, [&numbers(&[3])[..], &endless].concat())])),
        five_and(|at| batch(at, &[(ENTRY, numbers(&[6, 2]))])),
        based_on(&[(BASE, base)]),
    ];
    for disk in disks {
        let before = snapshot(&disk);
        let error = open_error(&disk);
        assert!(matches!(error, LogError::NewerFormat { .. }), "{error}");
        assert!(snapshot(&disk) == before, "the log was changed");
    }
}

#[test]
fn a_segment_of_a_number_that_cannot_be_is_damage() {
    for sequence in [0, MAX] {
        let disk = MemDisk::new();
        let header = SegmentHeader { cluster: CONFIG.cluster, node: 2, sequence, first_index: 1, previous_end: 0 };
        let file = disk.create(&segment_name(sequence)).unwrap();
        file.write_at(&[0; 64 * 1024], 0).unwrap();
        file.write_at(&header.encode(), 0).unwrap();
        refused(&disk, "a segment's number that cannot be");
    }
}

#[test]
fn the_writer_refuses_terms_that_fall_and_writes_nothing() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=5, 2, 10)).unwrap();
    let before = snapshot(&disk);
    let falling = Batch { entries: vec![entry(6, 4, 1), entry(7, 3, 1)], ..Batch::default() };
    let below_its_mark = Batch { reset: Some(mark_at(10, 3)), ..entries(11..=11, 2, 1) };
    for batch in [entries(6..=6, 1, 10), entries(3..=3, 1, 10), falling, below_its_mark] {
        assert!(matches!(log.append(&batch), Err(LogError::OutOfOrder { .. })));
    }
    assert!(snapshot(&disk) == before);
    log.append(&entries(4..=4, 3, 10)).unwrap();
    assert_eq!(open(&disk).1.last_index, 4);
}

#[test]
fn a_start_above_every_entry_that_a_reset_left_is_no_gap() {
    let disk = MemDisk::new();
    let mut log = create(&disk);
    log.append(&entries(1..=5, 2, 10)).unwrap();
    let mark = SnapshotMark { index: 9, term: 3, conf_state: Some(members(&[1])) };
    log.append(&Batch { reset: Some(mark), ..entries(10..=11, 3, 10) }).unwrap();
    log.compact(mark_at(11, 3)).unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.first_index, log.last_index()), (12, 11));
}
