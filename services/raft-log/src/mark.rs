//! The mark file: up to where fdatasync has returned (R10 torn-is-cut-corrupt-is-kept).
//!
//! Written after every fdatasync of the log and never waited for: the next batch's head makes the same mark durable. Two
//! slots, written in turn, so that a torn write leaves the one before. Called by the writer and by recovery.

use super::{
    disk::{Disk, File},
    error::LogError,
    format::{Mark, SLOT_BYTES, SLOT_USED, decode_slot, encode_slot},
};

/// Its name in the log's directory.
pub(super) const MARK_FILE: &str = "mark";

/// The open file.
pub(super) struct MarkFile<F> {
    file: F,
    next: u64,
}

/// The marks in the slots.
pub(super) struct Marks {
    pub(super) best: Option<Mark>,
    /// Slots that hold neither a mark nor nothing.
    pub(super) damaged: u64,
}

impl<F: File> MarkFile<F> {
    /// Makes an empty one, durable but for its name.
    pub(super) fn create<D: Disk<File = F>>(disk: &D) -> Result<Self, LogError> {
        let room = || LogError::room("create", MARK_FILE, 2 * SLOT_BYTES);
        let file = disk.create(MARK_FILE).map_err(room())?;
        file.write_at(&[0; 2 * SLOT_BYTES as usize], 0).map_err(room())?;
        file.sync().map_err(LogError::io("sync", MARK_FILE))?;
        Ok(Self { file, next: 0 })
    }

    /// Opens and reads it.
    pub(super) fn open<D: Disk<File = F>>(disk: &D) -> Result<(Self, Marks), LogError> {
        let file = disk.open(MARK_FILE).map_err(LogError::io("open", MARK_FILE))?;
        let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
        let marks = slots.map(|slot| decode_slot(&slot));
        let damaged =
            slots.iter().zip(marks).filter(|(slot, mark)| mark.is_none() && slot.iter().any(|b| *b != 0)).count();
        let next = u64::from(marks[0].map(|m| m.place()) >= marks[1].map(|m| m.place()));
        Ok((Self { file, next }, Marks { best: marks.into_iter().flatten().max(), damaged: damaged as u64 }))
    }

    /// Writes a mark into the older slot.
    pub(super) fn write(&mut self, mark: &Mark) -> Result<(), LogError> {
        self.file.write_at(&encode_slot(mark), self.next * SLOT_BYTES).map_err(LogError::io("write", MARK_FILE))?;
        self.next = 1 - self.next;
        Ok(())
    }

    /// Makes the slots durable.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        self.file.sync().map_err(LogError::io("sync", MARK_FILE))
    }
}

fn read_slot<F: File>(file: &F, slot: u64) -> Result<[u8; SLOT_USED], LogError> {
    let mut bytes = [0; SLOT_USED];
    file.read_at(&mut bytes, slot * SLOT_BYTES).map_err(LogError::io("read", MARK_FILE))?;
    Ok(bytes)
}
