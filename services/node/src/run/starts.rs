//! The start of this process among the group's (R12 disks-are-evidence): its record on disk, and the readmission of a node whose
//! disk turns out to be an older copy of itself.
//!
//! Decides nothing: the core does. Called by `run`.

use std::{fs::File, io::ErrorKind, sync::Arc};

use chassis::tasks::Tasks;
use consensus::{
    RaftId, StartStanding,
    evidence::{Evidence, EvidenceFile, Start, Token},
};
use data_dir::DataDir;
use peers::{Admission, PeersConfig, ask_to_join};
use raft_log::FileDisk;
use tokio::sync::oneshot;

use super::{RunError, spawn_quiet};
use crate::role::RoleService;

/// The table of evidence with this start in it, durable.
pub(super) type OpenEvidence = (EvidenceFile<File>, Evidence, Start);

/// Counts this start in the table of evidence, durably, before any peer hears of the start. None: the disk has no room for the
/// file yet, which older releases did not make: until the formats are raised such a start is not witnessed.
pub(super) fn begin(
    directory: &DataDir,
    raft_id: RaftId,
    epoch: u64,
    token: Token,
) -> Result<Option<OpenEvidence>, RunError> {
    let failed = |doing| move |source| RunError::Io { doing, source };
    let disk = FileDisk::new(directory.path()).map_err(failed("open the data directory"))?;
    let (mut file, mut evidence) = match EvidenceFile::open(&disk) {
        Err(error) if error.kind() == ErrorKind::StorageFull && !directory.raised() => {
            tracing::warn!("no room for the file of evidence: this start is not witnessed; make room and start again");
            return Ok(None);
        }
        opened => opened.map_err(failed("open the file of evidence"))?,
    };
    let start = evidence.begin(raft_id, epoch, token);
    file.write(&evidence).map_err(failed("write the file of evidence"))?;
    Ok(Some((file, evidence, start)))
}

/// Asks the group for a new id once this node's disk is known to be an older copy of itself. Log and state stay in place until a
/// primary has given the id; then the receiver gets the answer.
pub(super) fn readmission(
    role: &RoleService,
    peers: PeersConfig,
    directory: Arc<DataDir>,
    tasks: &Tasks,
) -> oneshot::Receiver<Admission> {
    let (admitted, waiting) = oneshot::channel();
    let (mut status, stopping) = (role.group().status(), tasks.stopping());
    spawn_quiet(tasks, "readmission", async move {
        let asked = async {
            let old = |status: &Arc<consensus::Status>| matches!(status.start, StartStanding::Old(_));
            let found = status.wait_for(old).await.map(|status| status.start.clone());
            let Ok(StartStanding::Old(why)) = found else { return };
            tracing::error!(
                "the data directory is an older copy of itself ({why}): this node is silent under its Raft id and asks the group for a \
                 new one; its log and state are moved aside when it has one"
            );
            let _ = admitted.send(ask_to_join(&peers, directory).await); // a node that stops needs no id
        };
        tokio::select! {
            () = asked => {}
            () = stopping.cancelled() => {}
        }
    });
    waiting
}
