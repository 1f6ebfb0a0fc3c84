//! Damages the files of a node that is down: bits flipped in its log, nonsense written over its state. Never touches a running
//! node's files. Also mounts small disks that run full. Called by tests and drills on disks.

use std::{
    fs,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
};

use crate::settings::Settings;

/// Where the first batch of a segment begins.
const SEGMENT_HEADER_BYTES: u64 = 4096;

/// Bytes written to a disk at a time to fill it: a page, so that the disk ends full to the last page.
const FILLER_PART: [u8; 4096] = [1; 4096];

/// A small disk of its own, in memory, at a mount point. Unmounted when the value is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Makes the directory and mounts the disk.
    ///
    /// # Errors
    /// The reason why there is no disk: mounting needs a right that not every user has.
    pub fn mount(at: &Path, bytes: u64) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let size = format!("size={bytes}");
        let ran = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "ocs-test"]).arg(at).output();
        let output = ran.map_err(|error| format!("mount: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("no disk of its own for a node: {}", said.trim()));
        }
        Ok(Self { at: at.to_owned() })
    }

    /// Fills the disk until so many bytes are left.
    ///
    /// # Panics
    /// When a write fails otherwise than for lack of room.
    pub fn fill(&self, left_bytes: u64) {
        let mut filler = fs::OpenOptions::new().create(true).append(true).open(self.filler()).expect("a file of ours");
        while self.free_bytes() > left_bytes {
            match filler.write_all(&FILLER_PART) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                written => written.expect("a disk in memory takes what it has room for"),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When the disk was not filled.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("the disk was filled");
    }

    /// Bytes that are free.
    ///
    /// # Panics
    /// When the disk does not answer.
    pub fn free_bytes(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.at).expect("a disk answers");
        disk.f_bavail * disk.f_frsize
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status(); // the group's directory may be gone already
    }
}

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
/// When a file cannot be read.
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
/// When the file is shorter.
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

/// The end of the last byte that is not zero.
///
/// # Panics
/// When the file cannot be read.
pub fn end_of(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("a file of ours");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// Flips one bit in the middle of a segment's content.
pub fn flip(segment: &Path) {
    let middle = SEGMENT_HEADER_BYTES + (end_of(segment) - SEGMENT_HEADER_BYTES) / 2;
    change(segment, middle, |bytes| bytes[0] ^= 0x10);
}

/// Overwrites files without which the engine of the state does not open.
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
