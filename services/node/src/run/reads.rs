//! Tells the door whether a quorum answers, so that no read waits for a quorum that has been away for long.
//!
//! Never asks a quorum by itself: the role is confirmed every second. Called by `run`.

use std::sync::Arc;

use chassis::tasks::Tasks;
use pair::Door;

use super::spawn_quiet;
use crate::role::RoleService;

/// Follows the role as confirmed until the process stops.
pub(super) fn follow(role: &RoleService, api: Arc<Door>, tasks: &Tasks) {
    let (mut views, stopping) = (role.watch(), tasks.stopping());
    spawn_quiet(tasks, "quorum of reads", async move {
        loop {
            let confirmed = views.borrow_and_update().confirmed;
            api.note_quorum(confirmed);
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
        }
    });
}
