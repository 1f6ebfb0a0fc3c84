//! A backup file as a state: head, chunks, and the check of every row, without a store.
//!
//! Only the trailer proves that a file is whole: a caller that changes anything reads the file to its end first
//! ([`Archive::check`]). Called by `node` and `ocsctl`.

use std::{collections::VecDeque, io::Read};

use super::{
    ArchiveError, ArchiveHead, ArchiveTail,
    format::{Checker, unpacked},
};
use crate::{IngestError, Ingested, examine};

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// A backup file that is read from its beginning.
pub struct Archive<R> {
    from: R,
    checker: Checker,
    head: ArchiveHead,
    /// Frames read and not yet given to the caller, each with its place in the file.
    frames: VecDeque<(u64, Vec<u8>)>,
    read_bytes: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: Read> Archive<R> {
    /// Reads up to the end of the head.
    ///
    /// # Errors
    /// The bytes do not begin a backup file that this release knows.
    pub fn open(from: R) -> Result<Self, ArchiveError> {
        let mut archive = Self {
            from,
            checker: Checker::new(),
            head: ArchiveHead::default(),
            frames: VecDeque::new(),
            read_bytes: 0,
            buffer: vec![0; READ_BYTES],
            ended: false,
        };
        while archive.checker.head().is_none() {
            if !archive.read(true)? {
                return Err(ArchiveError::Cut { at: archive.read_bytes });
            }
        }
        archive.head = archive.checker.head().cloned().unwrap_or_default();
        Ok(archive)
    }

    /// The head of the file.
    pub fn head(&self) -> &ArchiveHead {
        &self.head
    }

    /// Bytes of the file that were read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Reads to the end and checks every checksum; rows stay unread. `progress` gets the bytes read so far.
    ///
    /// # Errors
    /// The file is cut, damaged, or cannot be read.
    pub fn check(mut self, mut progress: impl FnMut(u64)) -> Result<ArchiveTail, ArchiveError> {
        while self.read(false)? {
            progress(self.read_bytes);
        }
        self.checker.finish().map(|(_, tail)| tail)
    }

    /// The chunks of the state, as [`crate::ingest`] takes them.
    pub fn chunks(self) -> ArchiveChunks<R> {
        ArchiveChunks { archive: self, failed: false, tail: None }
    }

    /// Reads the next bytes; false: the file has ended.
    fn read(&mut self, keep: bool) -> Result<bool, ArchiveError> {
        if self.ended {
            return Ok(false);
        }
        let bytes = loop {
            match self.from.read(&mut self.buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.read_bytes += bytes as u64;
        self.ended = bytes == 0;
        let frames = &mut self.frames;
        self.checker.push(&self.buffer[..bytes], |at, frame| {
            if keep {
                frames.push_back((at, frame.to_vec()));
            }
        })?;
        Ok(!self.ended)
    }
}

/// The chunks of a state that a backup file holds. Ends with the trailer, or after an error.
pub struct ArchiveChunks<R> {
    archive: Archive<R>,
    failed: bool,
    tail: Option<ArchiveTail>,
}

impl<R: Read> ArchiveChunks<R> {
    /// The trailer of the file, after the last chunk.
    pub fn tail(&self) -> Option<&ArchiveTail> {
        self.tail.as_ref()
    }

    /// Bytes of the file that were read.
    pub fn read_bytes(&self) -> u64 {
        self.archive.read_bytes
    }

    fn advance(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        loop {
            if let Some((at, frame)) = self.archive.frames.pop_front() {
                let reason = "a frame cannot be decompressed";
                return unpacked(&frame).ok_or(ArchiveError::Damaged { at, reason }).map(Some);
            }
            if !self.archive.read(true)? {
                let checker = std::mem::take(&mut self.archive.checker);
                self.tail = Some(checker.finish()?.1);
                return Ok(None);
            }
        }
    }
}

impl<R: Read> Iterator for ArchiveChunks<R> {
    type Item = Result<Vec<u8>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.tail.is_some() {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// The facts of a whole backup file whose rows match its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its head.
    pub head: ArchiveHead,
    /// Its trailer.
    pub tail: ArchiveTail,
    /// Its length.
    pub bytes: u64,
}

/// Reads a backup file to its end: recomputes every checksum, and the digest from every row. Needs no store. `progress` gets the
/// bytes read so far.
///
/// # Errors
/// See [`ArchiveError`].
pub fn verify(from: impl Read, mut progress: impl FnMut(u64)) -> Result<Verified, ArchiveError> {
    let archive = Archive::open(from)?;
    let head = archive.head().clone();
    let mut chunks = archive.chunks();
    let mut fault = None;
    let found = examine(
        &head.cluster,
        std::iter::from_fn(|| {
            progress(chunks.read_bytes());
            match chunks.next()? {
                Ok(chunk) => Some(Ok(chunk)),
                Err(error) => {
                    let why = error.to_string();
                    fault = Some(error);
                    Some(Err(why))
                }
            }
        }),
    );
    match (fault, found) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(found)) => {
            if chunks.next().transpose()?.is_some() {
                return Err(ArchiveError::Contradiction("chunks follow the last one of the state"));
            }
            let tail = chunks.tail().cloned().ok_or(ArchiveError::State(IngestError::Incomplete))?;
            agree(&head, &found, &tail)?;
            Ok(Verified { head, tail, bytes: chunks.read_bytes() })
        }
    }
}

/// Checks that head and trailer match the state.
fn agree(head: &ArchiveHead, found: &Ingested, tail: &ArchiveTail) -> Result<(), ArchiveError> {
    if (head.index, head.term, head.digest) != (found.applied.index, found.applied.term, found.digest) {
        return Err(ArchiveError::Contradiction("its head is that of another state"));
    }
    if (tail.digest, tail.state_rows, tail.index_rows) != (found.digest, found.rows, found.index_rows) {
        return Err(ArchiveError::Contradiction("its trailer is that of another state"));
    }
    Ok(())
}
