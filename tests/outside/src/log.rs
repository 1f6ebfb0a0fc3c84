//! A log that the bytes describe, damage to its files, and its opening. Records of a newer release have right checksums, and other
//! damage has not. The log's own records are never forged: their author is the node itself.

use ocs_proto::{
    outbound as wire,
    peer::{ConfState, Entry, SnapshotMark},
};
use outbound::wire::{command_from_wire, command_to_wire};
use prost::Message;
use raft_log::{Batch, Disk, HardState, Log, LogConfig, MemDisk};

use super::draw::Draw;

const CONFIG: LogConfig = LogConfig { cluster: [9; 16], node: 1, segment_bytes: 64 * 1024, prepare_ahead: false };
/// Batches, entries of a batch, and places of damage, at most.
const BATCHES_MAX: usize = 8;
const ENTRIES_MAX: usize = 4;
const DAMAGES_MAX: usize = 4;
/// Kind and length of the record that begins a batch, bytes (`raft_log::format`).
const HEAD: u8 = 1;
const HEAD_BYTES: usize = 48;
/// Kinds of records whose payload has a form; so few bytes have none of these forms.
const KINDS: std::ops::RangeInclusive<u8> = 2..=7;
const FORMLESS_BYTES: usize = 3;

pub(super) fn read(bytes: &[u8]) -> bool {
    let (mut draw, disk) = (Draw(bytes), MemDisk::new());
    let written = write(&disk, &mut draw);
    let damages = draw.below(DAMAGES_MAX + 1);
    (0..damages).for_each(|_| damage(&disk, &mut draw));
    disk.kill();
    match Log::open(disk.clone(), CONFIG) {
        Ok((log, _)) => {
            assert!(damages > 0 || entries(&log) == written, "a log without damage has other entries");
            goes_on(log, &disk);
            true
        }
        Err(error) => {
            assert!(damages > 0, "a log without damage is refused: {error}");
            false
        }
    }
}

// === writing ===

fn members() -> ConfState {
    ConfState { voters: vec![1, 2, 3], ..ConfState::default() }
}

/// Writes a log; its entries.
fn write(disk: &MemDisk, draw: &mut Draw<'_>) -> Vec<Entry> {
    let start = SnapshotMark { index: 0, term: 0, conf_state: Some(members()) };
    let mut log = Log::create(disk.clone(), CONFIG, start, HardState::default()).expect("a new log");
    let mut written: Vec<Entry> = Vec::new();
    for _ in 0..=draw.below(BATCHES_MAX) {
        let batch = batch(&mut written, draw);
        log.append(&batch).expect("a batch that joins the log");
        written.extend(batch.entries);
    }
    let kept_from = draw.below(written.len() + 1);
    if let Some(last_gone) = kept_from.checked_sub(1).and_then(|at| written.get(at)) {
        let mark = SnapshotMark { index: last_gone.index, term: last_gone.term, conf_state: None };
        log.compact(mark).expect("a mark that is in the log");
    }
    written.split_off(kept_from)
}

/// A batch that joins the entries before; entries that the batch takes out are gone from `before`.
fn batch(before: &mut Vec<Entry>, draw: &mut Draw<'_>) -> Batch {
    let count = draw.below(ENTRIES_MAX + 1);
    let gone = draw.below(3).min(before.len());
    if count > 0 {
        before.truncate(before.len() - gone);
    }
    let last = before.last();
    let (index, term) = last.map_or((0, 1), |entry| (entry.index, entry.term + u64::from(draw.byte() % 4 == 1)));
    let entries = (1..=count as u64).map(|at| entry(index + at, term, draw)).collect();
    let hard_state = (draw.byte() % 2 == 1).then_some(HardState { term, vote: 1, commit: index });
    let conf_state = (draw.byte() % 4 == 1).then(|| (index, members()));
    Batch { hard_state, entries, reset: None, conf_state }
}

fn entry(index: u64, term: u64, draw: &mut Draw<'_>) -> Entry {
    let kind = u32::from(draw.byte() % 3);
    let [data, context] = [draw.bytes(), draw.bytes()].map(|bytes| bytes.to_vec().into());
    Entry { kind, term, index, data, context }
}

// === damage ===

fn damage(disk: &MemDisk, draw: &mut Draw<'_>) {
    let files = disk.list().expect("a disk in memory has a directory");
    let file = &files[draw.below(files.len())];
    let bytes = disk.contents(file).unwrap_or_default();
    let at = draw.below(used(&bytes) + 64).min(bytes.len().saturating_sub(1));
    let put = |new: &[u8]| disk.overwrite(file, at as u64, &new[..new.len().min(bytes.len() - at)]);
    match draw.byte() % 5 {
        0 => {
            disk.flip(file, at as u64, draw.byte());
        }
        1 => put(draw.bytes()),
        2 => put(&vec![0; draw.below(4096)]),
        3 => {
            let from = draw.below(used(&bytes) + 1);
            put(&bytes[from..(from + draw.below(1024)).min(bytes.len())]);
        }
        _ => append_newer(disk, draw),
    }
}

/// Offset behind the last byte in use.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

/// Appends a batch with one record that this release cannot read, as a newer release may have.
fn append_newer(disk: &MemDisk, draw: &mut Draw<'_>) {
    let files = disk.list().expect("a disk in memory has a directory");
    let Some(file) = files.iter().rfind(|name| name.ends_with(".log")) else { return };
    let sequence = u64::from_str_radix(file.trim_end_matches(".log"), 16).expect("a segment is named by its number");
    let at = used(&disk.contents(file).unwrap_or_default());
    let (kind, payload) = (draw.byte(), draw.bytes());
    let payload = if KINDS.contains(&kind) { &payload[..payload.len().min(FORMLESS_BYTES)] } else { payload };
    let record = sealed(sequence, at + HEAD_BYTES, kind, payload);
    let mut head = ((HEAD_BYTES + record.len()) as u32).to_le_bytes().to_vec();
    head.extend([0; 32]); // the mark of the batch before: not known
    disk.overwrite(file, at as u64, &[sealed(sequence, at, HEAD, &head), record].concat());
}

/// A record with a right checksum.
fn sealed(sequence: u64, at: usize, kind: u8, payload: &[u8]) -> Vec<u8> {
    let rest = [&(payload.len() as u32).to_le_bytes()[..], &[kind], b"ocs", payload].concat();
    let covered = [&sequence.to_le_bytes()[..], &(at as u64).to_le_bytes(), rest.as_slice()].concat();
    [&crc32c::crc32c(&covered).to_le_bytes()[..], rest.as_slice()].concat()
}

// === reading ===

fn entries(log: &Log<MemDisk>) -> Vec<Entry> {
    let found = log.reader().entries(log.first_index(), log.last_index() + 1, usize::MAX);
    found.expect("an opened log gives its entries")
}

/// An opened log gives its entries, takes another, and opens again.
fn goes_on(mut log: Log<MemDisk>, disk: &MemDisk) {
    entries(&log).iter().for_each(command);
    let last = log.last_index();
    let term = log.reader().term(last).unwrap_or(0).max(1);
    let next = Batch { entries: vec![entry(last + 1, term, &mut Draw(b""))], ..Batch::default() };
    log.append(&next).expect("an opened log goes on");
    drop(log);
    disk.kill();
    let (log, _) = Log::open(disk.clone(), CONFIG).expect("a log that went on opens again");
    assert_eq!(log.last_index(), last + 1);
}

/// The command in an entry, if the entry has one.
fn command(entry: &Entry) {
    let Ok(decoded) = wire::Command::decode(&entry.data[..]) else { return };
    if let Ok(command) = command_from_wire(decoded) {
        let _ = (command.body.content(), command_to_wire(&command));
    }
}
