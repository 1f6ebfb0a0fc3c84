//! The parts of a node that must never stand still: the Raft loop and the runtime. Each moves a pulse, and the watcher ends the
//! process when a pulse stops (status 70).
//!
//! Neither part may ever wait for a disk's write: the log's thread, the apply thread and threads of their own do. Called by `run`
//! once the node is started, until the stop begins.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{
    tasks::Tasks,
    watcher::{Watched, Watcher},
};

use super::{RunError, spawn_quiet};

/// Interval of the runtime's pulse.
const BEAT: Duration = Duration::from_millis(250);

/// Watches from now on until the returned guard is dropped. `raft`: the pulse of the Raft loop.
pub(super) fn watch(raft: Arc<AtomicU64>, tasks: &Tasks) -> Result<Watcher, RunError> {
    let parts = vec![
        Watched { name: "the Raft loop", pulse: raft },
        Watched { name: "the runtime", pulse: runtime_pulse(tasks) },
    ];
    Watcher::start(parts).map_err(|source| RunError::Io { doing: "start the watcher", source })
}

fn runtime_pulse(tasks: &Tasks) -> Arc<AtomicU64> {
    let (pulse, stopping) = (Arc::new(AtomicU64::new(0)), tasks.stopping());
    let moved = Arc::clone(&pulse);
    spawn_quiet(tasks, "pulse", async move {
        loop {
            moved.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = stopping.cancelled() => return,
            }
        }
    });
    pulse
}
