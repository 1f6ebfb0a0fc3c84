//! `CreateBackup`: this node's state as the bytes of a backup file.
//!
//! The state has everything that was acknowledged before the call, unless the caller accepts this node's own knowledge. Never
//! writes a file.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use ocs_proto::control::{BackupBytes, CreateBackupRequest};
use pair::Door;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::data::unreadable;
use crate::archive::{Archives, NoArchive};

/// Bytes of a message: far below the largest that is taken.
const MESSAGE_BYTES: usize = 1 << 20;

/// Begins a backup.
pub(super) async fn create(
    door: &Arc<Door>,
    archives: Option<&Archives>,
    asked: CreateBackupRequest,
    deadline: Instant,
) -> Result<impl Stream<Item = Result<BackupBytes, Status>> + Send + use<>, Status> {
    let archives = archives.ok_or_else(|| Status::failed_precondition("a witness keeps no records"))?;
    if !asked.stale {
        door.wait_until_readable(deadline).await.map_err(unreadable)?;
    }
    let begun = archives.begin().map_err(|error| match error {
        NoArchive::Busy | NoArchive::NoThread => Status::resource_exhausted(error.to_string()),
        NoArchive::NoState => Status::unavailable(error.to_string()),
    })?;
    tracing::info!(index = begun.head.index, "a backup is being taken over the control API");
    Ok(ReceiverStream::new(begun.parts).flat_map(|part| stream::iter(messages(part))))
}

fn messages(part: Result<Vec<u8>, String>) -> Vec<Result<BackupBytes, Status>> {
    match part {
        Ok(part) if part.len() <= MESSAGE_BYTES => vec![Ok(BackupBytes { data: part })],
        Ok(part) => part.chunks(MESSAGE_BYTES).map(|data| Ok(BackupBytes { data: data.to_vec() })).collect(),
        Err(reason) => vec![Err(Status::aborted(reason))],
    }
}
