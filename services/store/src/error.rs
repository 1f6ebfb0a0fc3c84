//! The errors of stores and snapshots, by cause. Never shown to clients.

use std::{io, path::PathBuf};

/// Why the store cannot open or continue.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("{what}: {source}")]
    Io {
        /// The operation that failed, with the path.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The engine: a fault of the disk, or unreadable files.
    #[error("{what}: {source}")]
    Engine {
        /// The operation that failed.
        what: &'static str,
        /// Why not.
        source: fjall::Error,
    },
    /// Another process has the store open.
    #[error("the store in {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The directory holds files, and no store.
    #[error("{} is not empty and holds no store", .0.display())]
    NotAStore(PathBuf),
    /// Another cluster's.
    #[error("the store belongs to cluster {found}, this node to {ours}")]
    ForeignCluster {
        /// In the store, hex.
        found: String,
        /// Configured, hex.
        ours: String,
    },
    /// Another node's.
    #[error(
        "the state in {} is of node \"{found}\", this is node \"{ours}\": put this node's own state back, or move the directory \
         aside: this node then fetches its state from the other data node",
        dir.display()
    )]
    ForeignNode {
        /// The directory of the state.
        dir: PathBuf,
        /// In the store.
        found: String,
        /// Configured.
        ours: String,
    },
    /// Written by a newer version.
    #[error("store format {found} is newer than this node's {known}: update this node")]
    NewerFormat {
        /// In the store.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// A read of the state failed before; the first error told why.
    #[error("a read of the state failed before: the state takes no more updates")]
    FaultBefore,
    /// The bytes differ from any that a store writes.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    pub(crate) fn engine(what: &'static str) -> impl FnOnce(fjall::Error) -> Self {
        move |source| Self::Engine { what, source }
    }

    /// Whether moving the store aside and fetching the state from the other data node repairs this error (R11 one-id-one-log). A
    /// foreign, newer or busy store needs an operator. A full disk leaves the state intact.
    pub fn may_be_set_aside(&self) -> bool {
        matches!(self, Self::Engine { .. } | Self::Damaged(_)) && !self.is_of_a_full_disk()
    }

    /// Whether the disk is full: with free space, the same store opens.
    pub fn is_of_a_full_disk(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Whether the engine refuses writes since an earlier write failed, on its own threads or on the caller's.
    pub fn follows_a_failed_write(&self) -> bool {
        matches!(self, Self::Engine { source: fjall::Error::Poisoned, .. })
    }
}

/// Why a received state is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The receiving store: disk or engine.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender or the connection failed.
    #[error("the sender broke off: {0}")]
    Sender(String),
    /// The chunks ended before the last one.
    #[error("the state ended before its last chunk")]
    Incomplete,
    /// A chunk is damaged or out of order.
    #[error("chunk {sequence}: {reason}")]
    Damaged {
        /// The number of the chunk, from 0.
        sequence: u64,
        /// The first fault found.
        reason: &'static str,
    },
    /// Another cluster's.
    #[error("the state belongs to cluster {found}, this node to {ours}")]
    ForeignCluster {
        /// In the snapshot, hex.
        found: String,
        /// Configured, hex.
        ours: String,
    },
    /// Written by a newer version.
    #[error("snapshot format {found} is newer than this node's {known}: update this node")]
    NewerFormat {
        /// In the snapshot.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The digest of the rows differs from the sender's.
    #[error("the digest of the rows is {found:032x}, the sender's {expected:032x}")]
    Digest {
        /// The sender's.
        expected: u128,
        /// Recomputed here.
        found: u128,
    },
}

/// A cluster id for messages.
pub(crate) fn hex(cluster: &[u8; 16]) -> String {
    cluster.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_by_its_cause_and_a_write_after_a_failed_one_by_the_engines_refusal() {
        let failed = |source| StoreError::Engine { what: "writing a batch", source };
        let full = failed(fjall::Error::Io(io::ErrorKind::StorageFull.into()));
        assert!(full.is_of_a_full_disk() && !full.follows_a_failed_write() && !full.may_be_set_aside());
        let later = failed(fjall::Error::Poisoned);
        assert!(!later.is_of_a_full_disk() && later.follows_a_failed_write());
        let flushed = failed(fjall::Error::Storage(lsm_tree::Error::Io(io::ErrorKind::StorageFull.into())));
        assert!(flushed.is_of_a_full_disk());
    }
}
