//! What is done to the files of a node that does not run: bits flipped in its log, nonsense written over its state. Never touches
//! a running node's files. Called by tests and drills on disks.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::settings::Settings;

/// Where the first batch of a segment begins.
const SEGMENT_HEADER_BYTES: u64 = 4096;

/// The log's segments, in order.
///
/// # Panics
/// When there is no log.
pub fn segments(settings: &Settings, node: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(settings.data(node).join("log")).expect("the node has a log");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    found.sort();
    found
}

/// Every file of a directory with its bytes.
///
/// # Panics
/// When one cannot be read.
pub fn bytes_below(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory of ours") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else {
            let bytes = fs::read(&path).expect("a file of ours");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// Changes 64 bytes of a file.
///
/// # Panics
/// When they are not there.
pub fn change(file: &Path, at: u64, with: impl FnOnce(&mut [u8; 64])) {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(file).expect("a file of ours");
    let mut bytes = [0; 64];
    file.seek(SeekFrom::Start(at)).expect("a file can be sought in");
    file.read_exact(&mut bytes).expect("64 bytes");
    with(&mut bytes);
    file.seek(SeekFrom::Start(at)).expect("a file can be sought in");
    file.write_all(&bytes).expect("there is room");
    file.sync_all().expect("a disk that works");
}

/// Where the last byte that is not zero ends.
///
/// # Panics
/// When the file cannot be read.
pub fn end_of(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("a file of ours");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// Flips one bit in the middle of what a segment holds.
pub fn flip(segment: &Path) {
    let middle = SEGMENT_HEADER_BYTES + (end_of(segment) - SEGMENT_HEADER_BYTES) / 2;
    change(segment, middle, |bytes| bytes[0] ^= 0x10);
}

/// Overwrites what the engine of the state cannot open without.
///
/// # Panics
/// When a file cannot be written.
pub fn spoil(state: &Path) {
    for (path, bytes) in bytes_below(state) {
        if path.file_name().is_some_and(|name| name != "STAMP") {
            let nonsense: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5A).collect();
            fs::write(path, nonsense).expect("there is room");
        }
    }
}
