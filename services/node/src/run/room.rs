//! Watches the room on the disk of the data directory: with less than the reserve left the node takes no more updates.
//!
//! Never deletes anything. What it means for a primary and a backup is consensus's to decide (design 1, "What loses what").

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use chassis::tasks::Tasks;

use super::{RunError, ballast};

/// How often the disk is asked.
const LOOK: Duration = Duration::from_secs(1);

/// True while the disk has more than `reserve_bytes` left, from now on. A thread of its own asks the disk: one that hangs answers
/// nothing, and the last answer stands.
///
/// # Errors
/// The system has no room for a thread.
pub(super) fn watched(directory: PathBuf, reserve_bytes: u64, tasks: &Tasks) -> Result<Arc<AtomicBool>, RunError> {
    let room = Arc::new(AtomicBool::new(true));
    look(&directory, reserve_bytes, &room);
    let (kept, stopping) = (room.clone(), tasks.stopping());
    let watch = move || {
        while !stopping.is_cancelled() {
            thread::sleep(LOOK);
            look(&directory, reserve_bytes, &kept);
            if free_bytes(&directory).is_some_and(|free| free > reserve_bytes.saturating_add(2 * ballast::BYTES)) {
                ballast::keep(&directory);
            }
        }
    };
    let started = thread::Builder::new().name("ocs-room".to_owned()).spawn(watch);
    started.map_err(|source| RunError::Io { doing: "start the thread that watches the disk", source })?;
    Ok(room)
}

/// A disk that does not answer is not called full: the log finds out for itself.
fn look(directory: &std::path::Path, reserve_bytes: u64, room: &AtomicBool) {
    let Some(free_bytes) = free_bytes(directory) else { return };
    let enough = free_bytes > reserve_bytes;
    if room.swap(enough, Ordering::Relaxed) != enough {
        let directory = directory.display();
        if enough {
            tracing::warn!(%directory, free_bytes, "the disk has room again");
        } else {
            tracing::error!(%directory, free_bytes, reserve_bytes, "less than the reserve is left on the disk: updates wait; make room");
        }
    }
}

/// Whether no more than the reserve is left now. A disk that does not answer is not called full.
pub(super) fn is_short(directory: &std::path::Path, reserve_bytes: u64) -> bool {
    free_bytes(directory).is_some_and(|free| free <= reserve_bytes)
}

fn free_bytes(directory: &std::path::Path) -> Option<u64> {
    rustix::fs::statvfs(directory).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_above_what_is_free_is_no_room_and_below_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let room = AtomicBool::new(true);
        look(directory.path(), u64::MAX, &room);
        assert!(!room.load(Ordering::Relaxed));
        look(directory.path(), 0, &room);
        assert!(room.load(Ordering::Relaxed));
    }
}
