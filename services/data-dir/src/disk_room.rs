//! The room on the disk of the data directory, as last measured, and the words for it.
//!
//! Never measures the disk: `node` does, and notes the result here. Called by the status.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// Shared by the watcher of the disk, the log's thread and the status.
#[derive(Debug)]
pub struct DiskRoom {
    directory: PathBuf,
    reserve_bytes: u64,
    free_bytes: AtomicU64,
    enough: Arc<AtomicBool>,
    state_waits: AtomicBool,
}

impl DiskRoom {
    /// Room enough, until a measurement is noted. Sizes in bytes.
    pub fn new(directory: &Path, reserve_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.to_owned(),
            reserve_bytes,
            free_bytes: AtomicU64::new(u64::MAX),
            enough: Arc::new(AtomicBool::new(true)),
            state_waits: AtomicBool::new(false),
        })
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// At this number of free bytes or fewer the node acknowledges no update: `node.disk_reserve_bytes`.
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Whether more than the reserve is free, for the log's thread.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.enough)
    }

    /// The free bytes as last measured; none: no measurement yet.
    pub fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Relaxed)).filter(|free| *free != u64::MAX)
    }

    /// Notes the free bytes; true: [`DiskRoom::is_enough`] has changed.
    pub fn note(&self, free_bytes: u64) -> bool {
        self.free_bytes.store(free_bytes, Relaxed);
        let enough = free_bytes > self.reserve_bytes;
        self.enough.swap(enough, Relaxed) != enough
    }

    /// The apply thread waits for room, until the node starts again.
    pub fn state_waits(&self) {
        self.state_waits.store(true, Relaxed);
    }

    /// Whether more than the reserve is free.
    pub fn is_enough(&self) -> bool {
        self.enough.load(Relaxed)
    }

    /// The warning for operators: directory, bytes and setting; none: there is room.
    pub fn warning(&self) -> Option<String> {
        let what = if self.state_waits.load(Relaxed) {
            "the state takes no further updates, and reads show what was applied"
        } else if !self.is_enough() {
            "this node is up, but does not acknowledge updates"
        } else {
            return None;
        };
        let reserve = self.reserve_bytes;
        let free = self.free_bytes().map_or_else(|| "an unknown number of".to_owned(), |free| free.to_string());
        Some(format!(
            "disk full: {what}; {free} bytes are free in {}, node.disk_reserve_bytes is {reserve}: free space there",
            self.directory.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_directory_bytes_and_setting() {
        let room = DiskRoom::new(Path::new("/var/lib/ocs/b"), 1000);
        assert_eq!((room.warning(), room.free_bytes()), (None, None));
        assert!(!room.note(1001), "enough before, enough now");
        assert!(room.note(999) && !room.is_enough());
        assert_eq!(room.free_bytes(), Some(999));
        let told = room.warning().unwrap();
        for part in
            ["does not acknowledge updates", "999 bytes are free in /var/lib/ocs/b", "disk_reserve_bytes is 1000"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(room.note(5000));
        assert_eq!(room.warning(), None);
        room.state_waits();
        assert!(room.warning().unwrap().contains("the state takes no further updates"));
    }
}
