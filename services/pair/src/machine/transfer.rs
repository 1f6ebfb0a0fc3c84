//! The state as chunks between nodes: the store's snapshot in the wire's envelope.
//!
//! Never opens a connection: chunks come from and go to the node's peers. Both directions block on the disk, so they run on
//! threads that may. The store checks every byte; the envelope only describes the stream.

use std::path::Path;

use consensus::FetchedState;
use ocs_proto::peer::StateChunk;
use store::{Export, IngestError, SNAPSHOT_FORMAT, StoreConfig, StoreError, ingest};

use super::{RecordsReader, snapshot_mark};

/// The chunks of this node's state: the first carries the mark, the last the digest.
pub struct StateOut {
    export: std::iter::Peekable<Export>,
    mark: Option<ocs_proto::peer::SnapshotMark>,
    digest: u128,
    cluster: [u8; 16],
    sequence: u64,
}

impl StateOut {
    /// The current state; none: the state has not yet reached `index_min`.
    pub fn begin(reader: &RecordsReader, cluster: [u8; 16], index_min: u64) -> Option<Self> {
        let export = reader.snapshot().export();
        let head = export.head();
        (head.applied.index >= index_min).then(|| Self {
            export: export.peekable(),
            mark: Some(snapshot_mark(&head.applied)),
            digest: head.digest,
            cluster,
            sequence: 0,
        })
    }
}

impl Iterator for StateOut {
    type Item = Result<StateChunk, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let data = match self.export.next()? {
            Ok(data) => data,
            Err(error) => return Some(Err(error)),
        };
        let last = self.export.peek().is_none();
        let sequence = self.sequence;
        self.sequence += 1;
        Some(Ok(StateChunk {
            mark: self.mark.take(),
            cluster: self.cluster.to_vec().into(),
            format: SNAPSHOT_FORMAT,
            data: data.into(),
            last,
            digest: if last { self.digest.to_be_bytes().to_vec().into() } else { Vec::new().into() },
            sequence,
        }))
    }
}

/// Prepares a state from another node in `dir`, for [`consensus::Machine::install`]. Earlier files in `dir` are removed. `chunks`
/// may block; its errors say why the sender broke off.
///
/// # Errors
/// A state that is not whole, not ours or not equal to the sender's digest is not used at all.
pub fn take_in(
    dir: &Path,
    config: &StoreConfig,
    chunks: impl Iterator<Item = Result<StateChunk, String>>,
) -> Result<FetchedState, IngestError> {
    let ingested = ingest(dir, config, chunks.map(|chunk| chunk.map(|chunk| chunk.data)))?;
    Ok(FetchedState { directory: dir.to_owned(), mark: snapshot_mark(&ingested.applied) })
}
