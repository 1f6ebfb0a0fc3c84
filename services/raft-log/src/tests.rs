//! Every rule of the log, by name; crashes at every page, drawn from seeds.

mod crashes;
mod damage;
mod possible;
mod reading;
mod rules;

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};

use super::{Batch, HardState, Log, LogConfig, LogError, MemDisk, Owner, Recovered, owners};

const CONFIG: LogConfig = LogConfig { cluster: [9; 16], node: 2, segment_bytes: 64 * 1024, prepare_ahead: false };
/// Where the first batch after the base stands in a new log.
const MARK: &str = "mark";

fn entry(index: u64, term: u64, bytes: usize) -> Entry {
    let data = format!("{index}/{term};").into_bytes().into_iter().cycle().take(bytes).collect::<Vec<_>>();
    Entry { kind: 0, term, index, data: data.into(), context: Vec::new().into() }
}

fn entries(indexes: std::ops::RangeInclusive<u64>, term: u64, bytes: usize) -> Batch {
    Batch { entries: indexes.map(|i| entry(i, term, bytes)).collect(), ..Batch::default() }
}

fn mark_at(index: u64, term: u64) -> SnapshotMark {
    SnapshotMark { index, term, conf_state: Some(members(&[1, 2, 3])) }
}

fn members(voters: &[u64]) -> ConfState {
    ConfState { voters: voters.to_vec(), ..ConfState::default() }
}

fn create(disk: &MemDisk) -> Log<MemDisk> {
    Log::create(disk.clone(), CONFIG, mark_at(0, 0), HardState::default()).unwrap()
}

fn open(disk: &MemDisk) -> (Log<MemDisk>, Recovered) {
    disk.kill();
    Log::open(disk.clone(), CONFIG).unwrap()
}

fn open_error(disk: &MemDisk) -> LogError {
    disk.kill();
    Log::open(disk.clone(), CONFIG).unwrap_err()
}

fn all(log: &Log<MemDisk>) -> Vec<Entry> {
    log.reader().entries(log.first_index(), log.last_index() + 1, usize::MAX).unwrap()
}

fn segment_files(disk: &MemDisk) -> Vec<String> {
    use super::Disk;
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).collect()
}

/// Every file with its bytes.
fn snapshot(disk: &MemDisk) -> Vec<(String, Option<Vec<u8>>)> {
    use super::Disk;
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.contents(&name))).collect()
}

fn newest(disk: &MemDisk) -> String {
    segment_files(disk).into_iter().max().unwrap()
}

/// After the last byte in use.
fn end_of(disk: &MemDisk, file: &str) -> u64 {
    disk.contents(file).unwrap().iter().rposition(|b| *b != 0).unwrap() as u64 + 1
}
