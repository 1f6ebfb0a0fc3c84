//! Room that is kept for a start on a full disk: a data node needs some room to open its state, and then serves reads.
//!
//! A file of that size stands beside log and state while the disk has room. A start that finds less room removes the file; `room`
//! makes a new file once there is room again. Called by `run` before the log is opened, and by `room`.

use std::{fs, io, path::Path};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The file, in the data directory.
const FILE: &str = "start-reserve";
/// Bytes that opening a state may write: the tail of its journal and a table of that tail.
pub(super) const BYTES: u64 = 32 << 20;

/// Gives the room up if the disk has less left; a failure shows where the room is needed.
pub(super) fn give_up_if_short(directory: &Path) {
    let short = statvfs(directory).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < BYTES);
    if short && fs::remove_file(directory.join(FILE)).is_ok() {
        tracing::warn!(bytes = BYTES, "the disk is full: the room that was kept for this start is given up");
    }
}

/// Makes the file, if absent; best called while the disk has more room than this left.
pub(super) fn keep(directory: &Path) {
    let path = directory.join(FILE);
    if path.exists() {
        return;
    }
    let made = fs::File::create(&path)
        .and_then(|file| fallocate(&file, FallocateFlags::empty(), 0, BYTES).map_err(io::Error::from));
    if let Err(error) = made {
        tracing::debug!(%error, "no room is kept for a start on a full disk");
        let _ = fs::remove_file(&path); // half of the room is of no use
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_and_stays_while_the_disk_has_more() {
        let home = tempfile::tempdir().unwrap();
        keep(home.path());
        let kept = home.path().join(FILE);
        assert_eq!(fs::metadata(&kept).unwrap().len(), BYTES);
        give_up_if_short(home.path());
        assert!(kept.exists(), "this test needs a disk with room");
    }
}
