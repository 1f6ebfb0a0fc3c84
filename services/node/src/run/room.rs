//! Watches the room on the disk of the data directory: with less than the reserve free the node takes no more updates.
//!
//! Never deletes anything. Consensus decides the consequences for a primary and a backup (architecture, What loses what).

use std::{path::Path, sync::Arc, thread, time::Duration};

use chassis::tasks::Tasks;
use data_dir::DiskRoom;

use super::{RunError, ballast};

/// Interval of the disk checks: the line of `survives` must be right within a second.
const LOOK: Duration = Duration::from_millis(250);

/// The room on the disk of `directory`, kept from now on. A thread of its own asks the disk: a hanging disk gives no answer, and
/// the last answer stays.
///
/// # Errors
/// The system has no room for a thread.
pub(super) fn watched(directory: &Path, reserve_bytes: u64, tasks: &Tasks) -> Result<Arc<DiskRoom>, RunError> {
    let room = DiskRoom::new(directory, reserve_bytes);
    look(&room);
    let (kept, stopping) = (room.clone(), tasks.stopping());
    let watch = move || {
        while !stopping.is_cancelled() {
            thread::sleep(LOOK);
            let free_bytes = look(&kept);
            if free_bytes.is_some_and(|free| free > kept.reserve_bytes().saturating_add(2 * ballast::BYTES)) {
                ballast::keep(kept.directory());
            }
        }
    };
    let started = thread::Builder::new().name("ocs-room".to_owned()).spawn(watch);
    started.map_err(|source| RunError::Io { doing: "start the thread that watches the disk", source })?;
    Ok(room)
}

/// A disk that does not answer does not count as full: the log finds out for itself.
fn look(room: &DiskRoom) -> Option<u64> {
    let free_bytes = free_bytes(room.directory())?;
    if room.note(free_bytes) {
        let (directory, reserve_bytes) = (room.directory().display(), room.reserve_bytes());
        if room.is_enough() {
            tracing::info!(%directory, free_bytes, "the disk has room again");
        } else {
            tracing::error!(
                %directory, free_bytes, reserve_bytes,
                "disk full: less than the reserve is left, so this node no longer acknowledges updates; free space in its data directory"
            );
        }
    }
    Some(free_bytes)
}

/// Whether no more than the reserve is free now. A disk that does not answer does not count as full.
pub(super) fn is_short(directory: &Path, reserve_bytes: u64) -> bool {
    free_bytes(directory).is_some_and(|free| free <= reserve_bytes)
}

fn free_bytes(directory: &Path) -> Option<u64> {
    rustix::fs::statvfs(directory).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_above_what_is_free_is_no_room_and_below_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let short = DiskRoom::new(directory.path(), u64::MAX);
        assert!(look(&short).is_some() && !short.is_enough());
        let room = DiskRoom::new(directory.path(), 0);
        assert!(look(&room).is_some() && room.is_enough());
    }
}
