//! The formats of the data directory follow those of the group (R13 versions-are-replicated).

use std::sync::Arc;

use chassis::tasks::Tasks;
use data_dir::DataDir;

use super::spawn_quiet;
use crate::role::RoleService;

/// Writes the identity file in the group's format once that format was raised: from then on an older release refuses the
/// directory.
pub(super) fn follow(role: &RoleService, directory: Arc<DataDir>, tasks: &Tasks) {
    let (mut status, stopping, tasks_of) = (role.group().status(), tasks.stopping(), tasks.clone());
    spawn_quiet(tasks, "formats of the data directory", async move {
        loop {
            let formats = status.borrow_and_update().formats;
            let (of_directory, written) = (directory.clone(), tokio::task::spawn_blocking);
            match written(move || of_directory.raise_formats(formats)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!("cannot write the identity file in format {formats}, so this node stops: {error}");
                    return tasks_of.stop();
                }
                Err(_) => return,
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
        }
    });
}
