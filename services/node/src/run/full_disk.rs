//! A state that meets a full disk while the node runs: the apply thread waits, reads go on from the applied state, and the node
//! starts again from its beginning once the disk has room.
//!
//! The log refuses updates at the reserve, long before (see `room`); the state comes here where another program takes the
//! reserve. The state's engine takes no write after a failed one, so no write is repeated in this process. Never writes a file.
//! Called by `run`.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    thread::{self, ThreadId},
    time::Duration,
};

use chassis::{exit, tasks::Tasks};
use consensus::{Handle, Kind};
use data_dir::DiskRoom;
use outbound::{Reply, RequestId};
use pair::machine::OnFault;
use store::StoreError;
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::{room, spawn_quiet};
use crate::role::RoleService;

/// Interval of the disk checks; also the shortest time between two starts on a disk that only seems to have room.
const LOOK: Duration = Duration::from_secs(5);
/// How long a handover may take.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// The part of a full disk that the apply thread and `run` share.
#[derive(Debug)]
pub(super) struct FullDisk {
    room: Arc<DiskRoom>,
    /// The apply thread, once it waits for room.
    waiting: OnceLock<ThreadId>,
    /// Cancelled when the apply thread begins to wait.
    met: CancellationToken,
    /// Cancelled when the disk has room again.
    again: CancellationToken,
}

impl FullDisk {
    pub(super) fn new(room: Arc<DiskRoom>) -> Arc<Self> {
        let (met, again) = (CancellationToken::new(), CancellationToken::new());
        Arc::new(Self { room, waiting: OnceLock::new(), met, again })
    }

    /// The apply thread's part when the state cannot be written: on a full disk the thread waits until the node starts again or
    /// stops; after any other fault the thread goes on to the end of the process. Must be called inside a runtime.
    pub(super) fn on_fault(self: &Arc<Self>, tasks: &Tasks) -> OnFault {
        let (disk, runtime, stopping) = (Arc::clone(self), runtime::Handle::current(), tasks.stopping());
        Box::new(move |error| {
            if !disk.is_cause(error) {
                return;
            }
            let directory = disk.room.directory().display();
            tracing::error!(
                %directory,
                "the disk is full ({error}): the state takes no further updates and reads show what was applied; make room in this \
                 directory: the node then starts again by itself"
            );
            disk.room.state_waits();
            disk.waiting.get_or_init(|| thread::current().id());
            disk.met.cancel();
            runtime.block_on(async {
                tokio::select! {
                    () = disk.again.cancelled() => {}
                    () = stopping.cancelled() => {}
                }
            });
        })
    }

    /// Ends the process, unless the failed thread has waited for room: then the node starts again or stops already.
    pub(super) fn fatal(self: &Arc<Self>) -> Arc<dyn Fn(String) + Send + Sync> {
        let disk = Arc::clone(self);
        Arc::new(move |message| {
            if disk.waiting.get() != Some(&thread::current().id()) {
                chassis::fatal(exit::IO, &message);
            }
        })
    }

    /// Checks for room once the apply thread waits; meanwhile the other data node is to be primary.
    pub(super) fn follow(self: &Arc<Self>, role: RoleService, raft: Handle<RequestId, Reply>, tasks: &Tasks) {
        let (disk, stopping) = (Arc::clone(self), tasks.stopping());
        spawn_quiet(tasks, "full-disk", async move {
            tokio::select! {
                () = disk.until_room(&role, &raft) => disk.again.cancel(),
                () = stopping.cancelled() => {}
            }
        });
    }

    /// Completes when the node is to start again.
    pub(super) async fn room_again(&self) {
        self.again.cancelled().await;
    }

    /// The engine names no cause after its first failed write, which its own threads may have made: then the disk is checked.
    fn is_cause(&self, error: &StoreError) -> bool {
        error.is_of_a_full_disk() || error.follows_a_failed_write() && self.is_short()
    }

    fn is_short(&self) -> bool {
        room::is_short(self.room.directory(), self.room.reserve_bytes())
    }

    async fn until_room(self: &Arc<Self>, role: &RoleService, raft: &Handle<RequestId, Reply>) {
        self.met.cancelled().await;
        loop {
            hand_over(role, raft).await;
            tokio::time::sleep(LOOK).await;
            let disk = Arc::clone(self);
            let looked = tokio::task::spawn_blocking(move || disk.is_short()).await;
            if matches!(looked, Ok(false)) {
                return;
            }
        }
    }
}

/// A paused group keeps its primary.
async fn hand_over(role: &RoleService, raft: &Handle<RequestId, Reply>) {
    let status = role.status();
    let target = status.peers.iter().find(|peer| peer.kind == Kind::Data);
    let Some(target) = target.filter(|_| status.serving && status.paused_for == 0) else { return };
    let transfer = raft.transfer(target.id, "handover because the disk is full");
    match tokio::time::timeout(HANDOVER_TIMEOUT, transfer).await {
        Ok(Ok(())) => tracing::info!("handed over because the disk is full"),
        Ok(Err(refusal)) => tracing::warn!(%refusal, "could not hand over because of the full disk"),
        Err(_) => tracing::warn!("could not hand over in time because of the full disk"),
    }
}
