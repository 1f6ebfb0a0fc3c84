//! Makes segment files: zero-filled ahead of use, so that an append changes no length and allocates nothing.
//!
//! The next segment, the spare, is filled on a thread of its own where the configuration says so; the append path waits only for
//! a late spare. Called by the writer.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{
    disk::{Disk, File},
    error::LogError,
    format::{SegmentHeader, segment_name},
};

/// A whole segment of zeros, ready for use.
pub(super) const SPARE_FILE: &str = "spare";
/// A spare that is being filled; worthless after a restart.
pub(super) const SPARE_DRAFT: &str = "spare.tmp";
/// A segment made at once; worthless under this name after a restart.
pub(super) const NEXT_FILE: &str = "next.tmp";

const CHUNK_BYTES: u64 = 256 * 1024;
/// Zeros between two syncs: little enough that the log's own fdatasync does not queue long behind them.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// The maker of segments.
pub(super) struct Segments<D: Disk> {
    disk: D,
    segment_bytes: u64,
    ahead: bool,
    spare: bool,
    filling: Option<JoinHandle<io::Result<()>>>,
    stop: Arc<AtomicBool>,
}

impl<D: Disk> Segments<D> {
    /// `ahead`: fill on a thread; `spare`: there is one already.
    pub(super) fn new(disk: D, segment_bytes: u64, ahead: bool, spare: bool) -> Self {
        Self { disk, segment_bytes, ahead, spare, filling: None, stop: Arc::default() }
    }

    /// Begins to fill a spare, if there is none and a thread may do it. A failure shows when the segment is needed.
    pub(super) fn prepare(&mut self) {
        if !self.ahead || self.spare || self.filling.is_some() {
            return;
        }
        let (disk, bytes, stop) = (self.disk.clone(), self.segment_bytes, self.stop.clone());
        let job = move || make_spare(&disk, bytes, &stop);
        self.filling = thread::Builder::new().name("log-prepare".to_owned()).spawn(job).ok();
    }

    /// A segment of at least `bytes`, with its header, under its name, all durable; and its length. A full disk, or a
    /// want of descriptors, changes nothing.
    pub(super) fn next(&mut self, header: &SegmentHeader, bytes: u64) -> Result<(D::File, u64), LogError> {
        let (draft, length) = self.draft(bytes)?;
        let name = segment_name(header.sequence);
        let file = self.disk.open(draft).map_err(LogError::room("open", draft, length))?;
        file.write_at(&header.encode(), 0).map_err(LogError::room("write", draft, length))?;
        file.sync().map_err(LogError::io("sync", draft))?;
        self.publish(draft, &name, length)?;
        if draft == SPARE_FILE {
            self.spare = false;
        }
        self.prepare();
        Ok((file, length))
    }

    /// Gives a file its name, durably.
    pub(super) fn publish(&self, draft: &str, name: &str, bytes: u64) -> Result<(), LogError> {
        self.disk.rename(draft, name).map_err(LogError::room("rename", draft, bytes))?;
        self.disk.sync_directory().map_err(LogError::io("sync", "."))
    }

    /// A spare that is large enough; otherwise a file made at once.
    fn draft(&mut self, bytes: u64) -> Result<(&'static str, u64), LogError> {
        if let Some(thread) = self.filling.take() {
            self.spare = matches!(thread.join(), Ok(Ok(())));
        }
        if self.spare && bytes <= self.segment_bytes {
            return Ok((SPARE_FILE, self.segment_bytes));
        }
        let length = bytes.max(self.segment_bytes);
        self.fill_now(length)?;
        Ok((NEXT_FILE, length))
    }

    /// Zeros under [`NEXT_FILE`]; removed again where there is no room.
    pub(super) fn fill_now(&self, length: u64) -> Result<D::File, LogError> {
        let never = AtomicBool::new(false);
        fill(&self.disk, NEXT_FILE, length, &never).map_err(LogError::room("fill", NEXT_FILE, length))
    }
}

impl<D: Disk> Drop for Segments<D> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.filling.take() {
            let _ = thread.join(); // the thread removes an unfinished file
        }
    }
}

fn make_spare<D: Disk>(disk: &D, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
    fill(disk, SPARE_DRAFT, bytes, stop)?;
    disk.rename(SPARE_DRAFT, SPARE_FILE)
}

/// A file of zeros, durable but for its name; removed again where there is no room for all of it.
fn fill<D: Disk>(disk: &D, name: &str, bytes: u64, stop: &AtomicBool) -> io::Result<D::File> {
    fill_file(disk, name, bytes, stop).inspect_err(|_| {
        let _ = disk.remove(name); // the failure to report is the first one
    })
}

fn fill_file<D: Disk>(disk: &D, name: &str, bytes: u64, stop: &AtomicBool) -> io::Result<D::File> {
    let file = disk.create(name)?;
    let zeros = vec![0; CHUNK_BYTES.min(bytes) as usize];
    let mut at = 0;
    while at < bytes {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let step = (bytes - at).min(CHUNK_BYTES);
        file.write_at(&zeros[..step as usize], at)?;
        at += step;
        if at.is_multiple_of(SYNC_BYTES) {
            file.sync()?;
        }
    }
    file.sync()?;
    Ok(file)
}
