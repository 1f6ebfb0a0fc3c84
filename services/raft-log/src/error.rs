//! The faults of the log, and what the owner must do about each.

use std::{fmt, io};

use rustix::io::Errno;

/// Why the log refused. The owner ends the process on everything but [`LogError::NoRoom`] (wait for room, try again) and
/// the reader's [`LogError::Compacted`] and [`LogError::Beyond`].
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed. After a failed write or sync the log is poisoned (R6 durable-before-acknowledged).
    #[error("log file {file}: {action} failed: {source}")]
    Io {
        /// The operation.
        action: &'static str,
        /// On which file of the log's directory.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// There is no room for the next segment. Nothing of the batch was written and the log goes on as before: the same
    /// call may be repeated when there is room.
    #[error("no room for a segment of {bytes} bytes: {lack}")]
    NoRoom {
        /// Size of the segment that did not fit.
        bytes: u64,
        /// The missing resource.
        lack: Lack,
    },
    /// An earlier write or sync failed, so the contents of the disk are unknown: the process must end.
    #[error("an earlier write or sync of the log failed; it is not tried again")]
    Poisoned,
    /// Durable bytes differ from the written bytes (R10 torn-is-cut-corrupt-is-kept). Nothing was changed.
    #[error(
        "log file {file} is damaged at byte {offset}, where entry {index} or the state next to it was expected: {found}. \
         These bytes had been durable, so nothing was cut. This log must not be used again: keep its directory for \
         inspection, and let the node join under a new id with an empty one"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// First byte that is wrong.
        offset: u64,
        /// First entry that is in doubt.
        index: u64,
        /// The bytes there, in words.
        found: String,
    },
    /// The file was written by a newer version.
    #[error(
        "log file {file} has {what}, which this version does not know: run the version that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The file.
        file: String,
        /// The unknown part: "format 7".
        what: String,
    },
    /// The file belongs to another cluster.
    #[error("log file {file} belongs to cluster {found}, not to {expected}: this is another cluster's directory")]
    ForeignCluster {
        /// The file.
        file: String,
        /// The cluster in the file, in hexadecimal.
        found: String,
        /// Ours, in hexadecimal.
        expected: String,
    },
    /// The file belongs to another node of this cluster.
    #[error(
        "log file {file} is of the node with number {found}, and this is node {expected}: a node never goes on from another \
         one's log. If cluster.nodes lists the nodes in another order than on the other nodes, put the order right: a node's place in \
         that list is its number. Else put this node's own log directory back; only if that is lost, move this one aside: without \
         it the node joins the group again under a new id"
    )]
    ForeignNode {
        /// The file.
        file: String,
        /// The number in the file.
        found: u16,
        /// Ours.
        expected: u16,
    },
    /// There is no log in the directory.
    #[error("there is no log in this directory")]
    Missing,
    /// There is a log already.
    #[error("there is a log in this directory already ({file})")]
    Exists {
        /// A file of it.
        file: String,
    },
    /// The configuration cannot work.
    #[error("segment_bytes = {segment_bytes}: must be a multiple of 4096 from {least} to {most}")]
    Config {
        /// The value.
        segment_bytes: u64,
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
    /// The caller's entries or mark do not join the log. Nothing was written.
    #[error("index {index} does not join the log, which holds {first} to {last}: {why}")]
    OutOfOrder {
        /// The index that does not fit.
        index: u64,
        /// First index of the log.
        first: u64,
        /// Last index of the log.
        last: u64,
        /// The broken rule.
        why: &'static str,
    },
    /// The batch is larger than any segment may be. Nothing was written.
    #[error("a batch of {bytes} bytes is larger than the limit of {most}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The entry was forgotten by compaction.
    #[error("entry {index} was compacted away; the first is {first}")]
    Compacted {
        /// The entry asked for.
        index: u64,
        /// The first there is.
        first: u64,
    },
    /// The entry is not in the log.
    #[error("entry {index} is beyond the last, {last}")]
    Beyond {
        /// The entry asked for.
        index: u64,
        /// The last there is.
        last: u64,
    },
}

/// The resource that is missing, for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Bytes on the log's disk.
    Disk,
    /// File descriptors, of this process or of the machine: the disk itself is fine.
    Descriptors,
}

impl fmt::Display for Lack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Disk => "the log's disk is full",
            Self::Descriptors => "no file descriptors are left (ulimit -n, or connections that are too many)",
        })
    }
}

impl Lack {
    /// None: another fault.
    fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::Disk),
            _ if no_descriptors(error) => Some(Self::Descriptors),
            _ => None,
        }
    }
}

/// Whether a file was not opened for want of descriptors. Writes and syncs of open files never say so.
pub(super) fn no_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl LogError {
    /// Wraps a failed file operation.
    pub(super) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { action, file: file.to_owned(), source }
    }

    /// As [`LogError::io`], but a full disk or quota, or a want of descriptors, is [`LogError::NoRoom`].
    pub(super) fn room(action: &'static str, file: &str, bytes: u64) -> impl FnOnce(io::Error) -> LogError {
        move |source| match Lack::of(&source) {
            Some(lack) => LogError::NoRoom { bytes, lack },
            None => LogError::Io { action, file: file.to_owned(), source },
        }
    }
}
