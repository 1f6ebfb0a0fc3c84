//! A state as the bytes of a backup file, from one consistent snapshot, beside further writes.
//!
//! Holds one chunk in memory. Called by `node`, on a thread that may block.

use super::{ArchiveHead, ArchiveTail, format::Pieces};
use crate::{Export, StateSnapshot, StoreError};

/// The bytes of a backup file in parts, in order: the head, each frame, the trailer. Ends after the trailer, or after an error.
pub struct ArchiveOut {
    head: ArchiveHead,
    tail: ArchiveTail,
    export: Export,
    pieces: Pieces,
    stage: Stage,
}

/// The next part of the file.
enum Stage {
    Head,
    Frames,
    Done,
}

impl ArchiveOut {
    /// The state of a snapshot. `about` gives the facts that the store lacks: the names, the epoch, the time, the release.
    pub fn new(snapshot: &StateSnapshot, about: ArchiveHead) -> Self {
        let applied = snapshot.applied();
        let head = ArchiveHead {
            cluster: *snapshot.cluster(),
            index: applied.index,
            term: applied.term,
            digest: snapshot.digest(),
            records: snapshot.records(),
            ..about
        };
        let tail = ArchiveTail { digest: head.digest, ..ArchiveTail::default() };
        Self { head, tail, export: snapshot.export(), pieces: Pieces::new(), stage: Stage::Head }
    }

    /// The head of the file.
    pub fn head(&self) -> &ArchiveHead {
        &self.head
    }

    fn frame(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.export.next() {
            Some(Ok(chunk)) => {
                self.tail.content_bytes += chunk.len() as u64;
                Ok(self.pieces.frame(&chunk))
            }
            Some(Err(error)) => {
                self.stage = Stage::Done;
                Err(error)
            }
            None => {
                self.stage = Stage::Done;
                (self.tail.state_rows, self.tail.index_rows) = self.export.rows();
                Ok(self.pieces.tail(&self.tail))
            }
        }
    }
}

impl Iterator for ArchiveOut {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Frames;
                Some(Ok(self.pieces.head(&self.head)))
            }
            Stage::Frames => Some(self.frame()),
            Stage::Done => None,
        }
    }
}
