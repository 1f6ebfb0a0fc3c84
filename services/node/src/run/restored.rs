//! A node that was restored from a backup leads alone at first; its group becomes whole by itself.
//!
//! Ends single-copy as soon as another data node has caught up: no operator ordered single-copy, and every other node of the
//! epoch joined it empty. Never touches a group that an operator forced. Called by `run`.

use std::time::Duration;

use chassis::tasks::Tasks;
use consensus::{ModeError, Status};
use data_dir::Restored;

use super::spawn_quiet;
use crate::role::RoleService;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Time limit of an attempt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tries until the group has a second copy.
pub(super) fn becomes_whole(role: RoleService, restored: Restored, tasks: &Tasks) {
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "restored", async move {
        tokio::select! {
            () = until_whole(&role, restored.epoch) => {}
            () = stopping.cancelled() => {}
        }
    });
}

async fn until_whole(role: &RoleService, epoch: u64) {
    loop {
        let status = role.status();
        if !is_alone(&status, epoch) {
            return;
        }
        if status.serving {
            match tokio::time::timeout(TIMEOUT, role.group().leave_single_copy()).await {
                Ok(Ok(())) => {
                    return tracing::info!(
                        "another data node has caught up: the restored group is in single-copy no more"
                    );
                }
                Ok(Err(ModeError::Stopped)) => return,
                Ok(Err(ModeError::NoCopy | ModeError::NotPrimary)) | Err(_) => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_alone(status: &Status, epoch: u64) -> bool {
    status.single_copy && status.forced_epoch == epoch
}
