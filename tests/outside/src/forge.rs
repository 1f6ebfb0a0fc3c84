//! Records, marks and headers of a log with right checksums and drawn numbers, as no writer writes them: the layout is of
//! `raft_log::format`.

use ocs_proto::peer::SnapshotMark;
use prost::Message;
use raft_log::{Disk, MemDisk};

use super::{
    draw::Draw,
    log::{Written, members},
};

/// Kinds of records.
const HEAD: u8 = 1;
const BASE: u8 = 2;
const HARD_STATE: u8 = 3;
const START: u8 = 4;
const RESET: u8 = 5;
const ENTRY: u8 = 6;
const CONF_STATE: u8 = 7;
/// One more than there are, from 1.
const KINDS: u8 = 8;
/// Length of the record that begins a batch, bytes.
pub(super) const HEAD_BYTES: usize = 48;
/// Records of a forged batch, at most.
const RECORDS_MAX: u8 = 3;
/// Numbers of a segment's header: sequence, first index, end of the segment before.
const HEADER_NUMBERS_AT: [u64; 3] = [32, 40, 48];
const HEADER_CRC_AT: usize = 56;
const MARK: &str = "mark";
const SLOT_BYTES: u64 = 4096;

/// The oldest segment and its number.
pub(super) fn segment(disk: &MemDisk) -> Option<(String, u64)> {
    let files = disk.list().expect("a disk in memory has a directory");
    let file = files.into_iter().find(|name| name.ends_with(".log"))?;
    let sequence = u64::from_str_radix(file.trim_end_matches(".log"), 16).expect("a segment is named by its number");
    Some((file, sequence))
}

/// A record with a right checksum.
pub(super) fn sealed(sequence: u64, at: usize, kind: u8, payload: &[u8]) -> Vec<u8> {
    let rest = [&(payload.len() as u32).to_le_bytes()[..], &[kind], b"ocs", payload].concat();
    let covered = [&sequence.to_le_bytes()[..], &(at as u64).to_le_bytes(), rest.as_slice()].concat();
    [&crc32c::crc32c(&covered).to_le_bytes()[..], rest.as_slice()].concat()
}

/// A record that begins a batch of so many bytes, with the mark of the batch before.
pub(super) fn head(sequence: u64, at: usize, length: u32, mark: [u64; 4]) -> Vec<u8> {
    sealed(sequence, at, HEAD, &[&length.to_le_bytes()[..], &numbers(&mark)].concat())
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn message(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}

/// Appends a batch behind the end of the log; a second batch stands behind the first.
pub(super) fn batch(disk: &MemDisk, written: &mut Written, draw: &mut Draw<'_>) {
    let Some((file, sequence)) = segment(disk) else { return };
    let at = written.end as usize;
    let mut body = Vec::new();
    for _ in 0..=draw.byte() % RECORDS_MAX {
        let kind = 1 + draw.byte() % KINDS;
        let payload = payload(kind, written, draw);
        body.extend(sealed(sequence, at + HEAD_BYTES + body.len(), kind, &payload));
    }
    let whole = HEAD_BYTES + body.len();
    let length = draw.near(whole as u64) as u32;
    let mark = mark_before(sequence, written, draw);
    disk.overwrite(&file, written.end, &[head(sequence, at, length, mark), body].concat());
    written.end += whole as u64;
}

/// Not known, or near the end of the log.
fn mark_before(sequence: u64, written: &Written, draw: &mut Draw<'_>) -> [u64; 4] {
    if draw.byte().is_multiple_of(2) { [0; 4] } else { drawn_mark(sequence, written, draw) }
}

fn drawn_mark(sequence: u64, written: &Written, draw: &mut Draw<'_>) -> [u64; 4] {
    [sequence, written.end, written.last.0, written.last.1].map(|known| draw.near(known))
}

fn payload(kind: u8, written: &Written, draw: &mut Draw<'_>) -> Vec<u8> {
    let (index, term) = written.last;
    match kind {
        BASE => [hard_state(written, draw), base(written, draw)].concat(),
        HARD_STATE => hard_state(written, draw),
        START | RESET => message(&mark(written, draw)),
        ENTRY => {
            let mut entry = numbers(&[draw.near(index + 1), draw.near(term)]);
            entry.extend(u32::from(draw.byte() % 3).to_le_bytes());
            entry.extend((draw.near(0) as u32).to_le_bytes());
            entry.extend(draw.bytes());
            entry
        }
        CONF_STATE => [numbers(&[draw.near(index)]), message(&members())].concat(),
        _ => draw.bytes().to_vec(),
    }
}

fn hard_state(written: &Written, draw: &mut Draw<'_>) -> Vec<u8> {
    numbers(&[draw.near(written.last.1), draw.near(1), draw.near(written.last.0)])
}

fn mark(written: &Written, draw: &mut Draw<'_>) -> SnapshotMark {
    let (index, term) = (draw.near(written.last.0), draw.near(written.last.1));
    SnapshotMark { index, term, conf_state: (draw.byte().is_multiple_of(2)).then(members) }
}

/// A base behind its hard state.
fn base(written: &Written, draw: &mut Draw<'_>) -> Vec<u8> {
    let last = numbers(&[draw.near(written.last.0), draw.near(written.last.1)]);
    let start = message(&mark(written, draw));
    let count = u32::from(draw.byte() % 3);
    let memberships = (0..count).map(|_| [numbers(&[draw.near(written.last.0)]), message(&members())].concat());
    let memberships = memberships.collect::<Vec<_>>().concat();
    let told = draw.near(count.into()) as u32;
    [last, start, told.to_le_bytes().to_vec(), memberships].concat()
}

/// Puts a mark into a slot of the mark file.
pub(super) fn slot(disk: &MemDisk, written: &Written, draw: &mut Draw<'_>) {
    let slot = u64::from(draw.byte() % 2);
    let numbers = numbers(&drawn_mark(1, written, draw));
    let crc = crc32c::crc32c(&numbers).to_le_bytes();
    disk.overwrite(MARK, slot * SLOT_BYTES, &[&b"MARK"[..], &crc, &numbers].concat());
}

/// Puts a number into the header of the segment.
pub(super) fn header(disk: &MemDisk, written: &Written, draw: &mut Draw<'_>) {
    let Some((file, sequence)) = segment(disk) else { return };
    let field = usize::from(draw.byte()) % HEADER_NUMBERS_AT.len();
    let known = [sequence, written.last.0 + 1, written.end][field];
    disk.overwrite(&file, HEADER_NUMBERS_AT[field], &draw.near(known).to_le_bytes());
    let bytes = disk.contents(&file).unwrap_or_default();
    let Some(covered) = bytes.get(..HEADER_CRC_AT) else { return };
    disk.overwrite(&file, HEADER_CRC_AT as u64, &crc32c::crc32c(covered).to_le_bytes());
}
