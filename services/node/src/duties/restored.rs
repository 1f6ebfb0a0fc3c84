//! A node that was restored from a backup leads alone at first; its group becomes whole by itself.
//!
//! Ends single-copy as soon as another data node has caught up: no operator ordered single-copy, and every other node of the
//! epoch joined it empty. Never touches a group that an operator forced.

use std::time::Duration;

use consensus::{ModeError, Status};

use super::Duty;
use crate::role::RoleService;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Time limit of an attempt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tries until the group has a second copy.
pub(crate) struct Restoration {
    /// The role, and the group behind it.
    pub(crate) role: RoleService,
    /// The epoch that the restore began.
    pub(crate) epoch: u64,
}

impl Duty for Restoration {
    const NAME: &'static str = "restored";

    async fn perform(&mut self) {
        while is_alone(&self.role.status(), self.epoch) {
            match tokio::time::timeout(TIMEOUT, self.role.group().leave_single_copy()).await {
                Ok(Ok(())) => {
                    return tracing::info!(
                        "another data node has caught up: the restored group is in single-copy no more"
                    );
                }
                Ok(Err(ModeError::Stopped)) => return,
                Ok(Err(ModeError::NoCopy | ModeError::NotPrimary)) | Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_alone(status: &Status, epoch: u64) -> bool {
    status.single_copy && status.forced_epoch == epoch
}
