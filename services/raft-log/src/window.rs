//! Reads a segment through a window of bounded size, so that no segment is ever held in memory as a whole.
//!
//! Never writes. Called by recovery and by the readers.

use std::io;

use super::{
    disk::File,
    format::{RECORD_BYTES, RecordHeader},
};

/// Bytes read at a time while a log is opened.
pub(super) const OPENING_WINDOW_BYTES: usize = 256 * 1024;

/// The kind of bytes at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A record whose checksum matches.
    Record(RecordHeader),
    /// Nothing but zeros where a record's first bytes would be.
    Zero,
    /// Something else.
    Bad(&'static str),
}

/// A moving view of a file.
pub(super) struct Window<'f, F> {
    file: &'f F,
    limit: u64,
    size: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'f, F: File> Window<'f, F> {
    /// Looks at the first `limit` bytes of a file, `size` bytes at a time (more only where a caller asks for more).
    pub(super) fn new(file: &'f F, limit: u64, size: usize) -> Self {
        Self { file, limit, size, start: 0, bytes: Vec::new() }
    }

    /// Where the view ends.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes at a place; `None` where the file is shorter.
    pub(super) fn slice(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(length as u64).filter(|end| *end <= self.limit) else { return Ok(None) };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.fill(offset, length)?;
        }
        let from = (offset - self.start) as usize;
        Ok(self.bytes.get(from..from + length))
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let wanted = (length.max(self.size) as u64).min(self.limit - offset) as usize;
        self.bytes.resize(wanted, 0);
        let read = self.file.read_at(&mut self.bytes, offset)?;
        self.bytes.truncate(read);
        self.start = offset;
        Ok(())
    }

    /// The record's first bytes at a place, unchecked; `None` where none begins.
    pub(super) fn header(&mut self, offset: u64) -> io::Result<Option<RecordHeader>> {
        Ok(self.slice(offset, RECORD_BYTES)?.and_then(RecordHeader::decode))
    }

    /// Reads the record at a place of a segment; a record must end at `end` or before. A damaged length costs no memory.
    pub(super) fn record(&mut self, sequence: u64, offset: u64, end: u64) -> io::Result<Scanned> {
        let Some(front) = self.slice(offset, RECORD_BYTES)? else { return Ok(Scanned::Bad("the file ends here")) };
        if front.iter().all(|byte| *byte == 0) {
            return Ok(Scanned::Zero);
        }
        let Some(header) = RecordHeader::decode(front) else { return Ok(Scanned::Bad("no record begins here")) };
        let payload = offset + RECORD_BYTES as u64;
        if payload + u64::from(header.length) > end {
            return Ok(Scanned::Bad("the record's length runs past its end"));
        }
        let crc = self.crc(header.seed(sequence, offset), payload, header.length as usize)?;
        Ok(if crc == Some(header.crc) {
            Scanned::Record(header)
        } else {
            Scanned::Bad("the record's checksum does not match")
        })
    }

    fn crc(&mut self, seed: u32, offset: u64, length: usize) -> io::Result<Option<u32>> {
        let (mut crc, mut done) = (seed, 0);
        while done < length {
            let step = (length - done).min(self.size);
            let Some(bytes) = self.slice(offset + done as u64, step)? else { return Ok(None) };
            crc = crc32c::crc32c_append(crc, bytes);
            done += step;
        }
        Ok(Some(crc))
    }
}
