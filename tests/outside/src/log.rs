//! A log that the bytes describe, damage to its files, and its opening. Records of a newer release and forged records
//! ([`super::forge`]) have right checksums, and other damage has not.

use ocs_proto::{
    outbound as wire,
    peer::{ConfState, Entry, SnapshotMark},
};
use outbound::wire::{command_from_wire, command_to_wire};
use prost::Message;
use raft_log::{Batch, Disk, HardState, Log, LogConfig, MemDisk};

use super::{draw::Draw, forge};

const CONFIG: LogConfig = LogConfig { cluster: [9; 16], node: 1, segment_bytes: 64 * 1024, prepare_ahead: false };
/// Batches, entries of a batch, and places of damage, at most.
const BATCHES_MAX: usize = 8;
const ENTRIES_MAX: usize = 4;
const DAMAGES_MAX: usize = 4;
/// Kinds of records whose payload has a form; so few bytes have none of these forms.
const KINDS: std::ops::RangeInclusive<u8> = 2..=7;
const FORMLESS_BYTES: usize = 3;

/// Indexes that no group reaches: a log that a forged mark put so far is opened, and takes no further entry.
const FAR: u64 = 1 << 62;

/// The log before its damage.
pub(super) struct Written {
    entries: Vec<Entry>,
    /// Index and term of the last entry, there or forgotten.
    pub(super) last: (u64, u64),
    /// Where the next batch stands in the only segment.
    pub(super) end: u64,
}

pub(super) fn read(bytes: &[u8]) -> bool {
    let (mut draw, disk) = (Draw(bytes), MemDisk::new());
    let mut written = write(&disk, &mut draw);
    let damages = draw.below(DAMAGES_MAX + 1);
    (0..damages).for_each(|_| damage(&disk, &mut written, &mut draw));
    disk.kill();
    match Log::open(disk.clone(), CONFIG) {
        Ok((log, _)) => {
            assert!(damages > 0 || entries(&log) == written.entries, "a log without damage has other entries");
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

pub(super) fn members() -> ConfState {
    ConfState { voters: vec![1, 2, 3], ..ConfState::default() }
}

/// Writes a log.
fn write(disk: &MemDisk, draw: &mut Draw<'_>) -> Written {
    let start = SnapshotMark { index: 0, term: 0, conf_state: Some(members()) };
    let mut log = Log::create(disk.clone(), CONFIG, start, HardState::default()).expect("a new log");
    let (mut written, mut term): (Vec<Entry>, _) = (Vec::new(), 0);
    for _ in 0..=draw.below(BATCHES_MAX) {
        let mut batch = batch(&mut written, draw);
        if let Some(hard_state) = &mut batch.hard_state {
            term = hard_state.term.max(term); // a node's term never falls, whatever entries a leader takes out
            hard_state.term = term;
        }
        log.append(&batch).expect("a batch that joins the log");
        written.extend(batch.entries);
    }
    let last = written.last().map_or((0, 0), |entry| (entry.index, entry.term));
    let kept_from = draw.below(written.len() + 1);
    if let Some(last_gone) = kept_from.checked_sub(1).and_then(|at| written.get(at)) {
        let mark = SnapshotMark { index: last_gone.index, term: last_gone.term, conf_state: None };
        log.compact(mark).expect("a mark that is in the log");
    }
    Written { entries: written.split_off(kept_from), last, end: log.bytes() }
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

fn damage(disk: &MemDisk, written: &mut Written, draw: &mut Draw<'_>) {
    let files = disk.list().expect("a disk in memory has a directory");
    let file = &files[draw.below(files.len())];
    let bytes = disk.contents(file).unwrap_or_default();
    let at = draw.below(used(&bytes) + 64).min(bytes.len().saturating_sub(1));
    let put = |new: &[u8]| disk.overwrite(file, at as u64, &new[..new.len().min(bytes.len() - at)]);
    match draw.byte() % 8 {
        0 => {
            disk.flip(file, at as u64, draw.byte());
        }
        1 => put(draw.bytes()),
        2 => put(&vec![0; draw.below(4096)]),
        3 => {
            let from = draw.below(used(&bytes) + 1);
            put(&bytes[from..(from + draw.below(1024)).min(bytes.len())]);
        }
        4 => append_newer(disk, draw),
        5 => forge::batch(disk, written, draw),
        6 => forge::slot(disk, written, draw),
        _ => forge::header(disk, written, draw),
    }
}

/// Offset behind the last byte in use.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

/// Appends a batch with one record that this release cannot read, as a newer release may have.
fn append_newer(disk: &MemDisk, draw: &mut Draw<'_>) {
    let Some((file, sequence)) = forge::segment(disk) else { return };
    let at = used(&disk.contents(&file).unwrap_or_default());
    let (kind, payload) = (draw.byte(), draw.bytes());
    let payload = if KINDS.contains(&kind) { &payload[..payload.len().min(FORMLESS_BYTES)] } else { payload };
    let record = forge::sealed(sequence, at + forge::HEAD_BYTES, kind, payload);
    let head = forge::head(sequence, at, (forge::HEAD_BYTES + record.len()) as u32, [0; 4]); // no mark before is known
    disk.overwrite(&file, at as u64, &[head, record].concat());
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
    if last >= FAR {
        return;
    }
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
