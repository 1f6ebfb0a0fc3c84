//! Backups on order: `CreateBackup` gives this node's state as the bytes of a backup file; over REST the node writes a file of its own.
//!
//! The state has everything that was acknowledged before the call, unless the caller accepts this node's own knowledge. Never
//! writes a file: `archive` does.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use ocs_proto::control::{BackupBytes, CreateBackupRequest, PeerLag};
use outbound::{Refusal, RefusalCode, ReplyBody};
use pair::Door;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{ControlApi, HISTORY_DEADLINE, data::unreadable};
use crate::{
    archive::{Archives, NoArchive},
    role::Role,
};

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

const NO_DIRECTORY: &str = "this node has no directory for backups: set backup.directory in its configuration";

/// Begins a backup into the directory of this node. Another data node makes a backup without a cost for clients: the primary asks for
/// `at_primary`, unless no other node can.
pub(super) async fn make(api: &ControlApi, at_primary: bool) -> Result<(), Refusal> {
    let conflict = |message: String| Refusal::new(RefusalCode::Conflict, message);
    let orders = api.backups.as_ref().ok_or_else(|| conflict(NO_DIRECTORY.to_owned()))?;
    let role = &api.sources.role;
    let is_primary = role.ask().await.role == Role::Primary;
    if let Some(other) = better(&role.peers()).filter(|_| is_primary && !at_primary) {
        let own = &role.roster().own().name;
        return Err(conflict(format!("{own} is the primary: ask {other}, or give \"at_primary\": true")));
    }
    let door = api.door().map_err(|status| conflict(status.message().to_owned()))?;
    if let Err(reply) = door.wait_until_readable(Instant::now() + HISTORY_DEADLINE).await {
        return Err(match reply.body {
            ReplyBody::Refused(refusal) => refusal,
            _ => Refusal::new(RefusalCode::Unavailable, "the state cannot be read now"),
        });
    }
    orders.begin().map_err(conflict)
}

/// A data node that can make a backup in the primary's place.
fn better(peers: &[PeerLag]) -> Option<&str> {
    let other = peers.iter().find(|peer| !peer.witness && peer.connected && !peer.disk_short);
    other.map(|peer| peer.node.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_data_node_makes_the_backup_where_one_is_there_and_has_room() {
        let peer = |node: &str| PeerLag { node: node.into(), connected: true, ..PeerLag::default() };
        let witness = PeerLag { witness: true, ..peer("w") };
        assert_eq!(better(&[witness.clone(), peer("b")]), Some("b"));
        let away = PeerLag { connected: false, ..peer("b") };
        let short = PeerLag { disk_short: true, ..peer("c") };
        assert_eq!(better(&[witness, away, short]), None);
    }
}
