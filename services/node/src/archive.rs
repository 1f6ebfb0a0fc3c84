//! Backups of this node's state, made while the node serves. A backup is a stream of file bytes; a thread of its own produces
//! them no faster than the client takes them.
//!
//! Never writes a file: the control API streams the bytes, `schedule` writes them. `bulk` owns the places and threads, a few at a
//! time; a backup whose parts stay untaken is broken off, since an open backup keeps old tables on disk.

pub mod schedule;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chassis::tasks::Tasks;
use consensus::Status;
use ocs_proto::peer::ConfState;
use pair::machine::RecordsReader;
use prost::Message;
use store::{ArchiveHead, ArchiveOut, StateSnapshot};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{bulk::Bulk, pace::Pace};

/// Backups at a time: one of the schedule and one of an operator.
const ARCHIVES_MAX: usize = 2;
/// Parts that wait to be taken, each of about a mebibyte before compression.
const PARTS_MAX: usize = 2;
/// How long a part waits to be taken.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rests between reads while updates go on: three quarters of the time are left to the updates.
const RESTS: u32 = 3;

/// Why no backup begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoArchive {
    /// The limit of concurrent backups is reached.
    #[error("{ARCHIVES_MAX} backups are under way already: try again when one of them is done")]
    Busy,
    /// The state here is missing, or wrong and being replaced.
    #[error("this node's state is missing or being fetched: ask another data node")]
    NoState,
    /// The system gave no thread.
    #[error("the backup could not be started: no thread")]
    NoThread,
}

/// A backup under way: its head, and its bytes in parts.
#[derive(Debug)]
pub struct ArchiveStream {
    /// The head of the file.
    pub head: ArchiveHead,
    /// The bytes, in order; an error is the last. The end without the trailer's part means that the node stopped.
    pub parts: mpsc::Receiver<Result<Vec<u8>, String>>,
}

/// Makes backups of one node's state. Cheap to clone.
#[derive(Clone)]
pub struct Archives {
    reader: RecordsReader,
    status: watch::Receiver<Arc<Status>>,
    about: Arc<ArchiveHead>,
    bulk: Bulk,
    stopping: CancellationToken,
}

impl Archives {
    /// `cluster_id` and `node`: the names that the file bears; `guarded`: a release with credentials formed the group.
    pub fn new(
        reader: RecordsReader,
        status: watch::Receiver<Arc<Status>>,
        (cluster_id, node): (&str, &str),
        guarded: bool,
        tasks: &Tasks,
    ) -> Self {
        let about = ArchiveHead {
            guarded,
            cluster_id: cluster_id.to_owned(),
            node: node.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            ..ArchiveHead::default()
        };
        let bulk = Bulk::new("backups", ARCHIVES_MAX, tasks);
        Self { reader, status, about: Arc::new(about), bulk, stopping: tasks.stopping() }
    }

    /// Begins a backup of the current state. Must run inside a runtime.
    ///
    /// # Errors
    /// See [`NoArchive`].
    pub fn begin(&self) -> Result<ArchiveStream, NoArchive> {
        let status = self.status.borrow().clone();
        if status.fetching || status.applied == 0 {
            return Err(NoArchive::NoState);
        }
        let place = self.bulk.place().map_err(|_| NoArchive::Busy)?;
        let snapshot = self.reader.snapshot();
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_us = u64::try_from(created.as_micros()).unwrap_or(u64::MAX);
        let about = ArchiveHead { created_us, ..of_group(&snapshot, &self.about) };
        let out = ArchiveOut::new(&snapshot, about);
        drop(snapshot); // the engine keeps all writes in memory while a snapshot is open
        let (head, (sender, parts)) = (out.head().clone(), mpsc::channel(PARTS_MAX));
        let making = Making { archives: self.clone(), sender, runtime: Handle::current(), _place: place };
        self.bulk.on_thread(move || making.run(out)).map_err(|_| NoArchive::NoThread)?;
        Ok(ArchiveStream { head, parts })
    }
}

/// Adds the epoch and versions of the membership at the state's index.
fn of_group(snapshot: &StateSnapshot, about: &ArchiveHead) -> ArchiveHead {
    let conf = ConfState::decode(&snapshot.applied().conf_state[..]).unwrap_or_default();
    ArchiveHead { epoch: conf.epoch.max(1), formats: conf.formats, rules: conf.rules_wanted, ..about.clone() }
}

/// One backup, on its thread.
struct Making {
    archives: Archives,
    sender: mpsc::Sender<Result<Vec<u8>, String>>,
    runtime: Handle,
    _place: OwnedSemaphorePermit,
}

impl Making {
    fn run(self, out: ArchiveOut) {
        let mut pace = Pace::new(RESTS, self.commit(), Instant::now());
        for part in out {
            if !self.send(part.map_err(|error| error.to_string())) {
                return;
            }
            thread::sleep(pace.rest(self.commit(), Instant::now()));
        }
    }

    /// False: the client does not take the backup any more.
    fn send(&self, part: Result<Vec<u8>, String>) -> bool {
        let sent = async {
            tokio::select! {
                sent = tokio::time::timeout(PATIENCE, self.sender.send(part)) => matches!(sent, Ok(Ok(()))),
                () = self.archives.stopping.cancelled() => false,
            }
        };
        self.runtime.block_on(sent)
    }

    fn commit(&self) -> u64 {
        self.archives.status.borrow().commit
    }
}

#[cfg(test)]
mod tests;
