//! The durable log: entries, hard state, start and memberships in one stream of segments (R6 and R10).
//!
//! A batch is durable when [`Log::append`] returns, and there as a whole or not at all. Bytes that were durable are never
//! cut. Knows nothing of raft-rs. Called by the log thread and the storage of `consensus`, and by the
//! simulator.
//!
//! | file | job |
//! | --- | --- |
//! | `append` | the writer: batches, rotation, compaction |
//! | `recover`, `torn`, `possible` | opening: torn or corrupt; numbers that no writer writes |
//! | `reader` | reading entries while the writer appends |
//! | `state` | hard state, start, memberships, terms, and the sparse index |
//! | `format` | the bytes |
//! | `owner` | the owner of a log, without opening the log |
//! | `segment`, `mark`, `window` | files zero-filled ahead; the mark file; bounded reading |
//! | `disk`, `mem` | the file operations: the real disk, and a disk in memory that crashes |

mod append;
mod disk;
mod error;
mod format;
mod mark;
mod mem;
#[cfg(mutant)]
pub mod mutant;
mod owner;
mod possible;
mod reader;
mod recover;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod torn;
mod window;

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};

pub use self::{
    append::Log,
    disk::{Disk, File, FileDisk},
    error::{Lack, LogError},
    mem::{Keep, MemDisk, MemFile, Unsynced},
    owner::{Owner, owners},
    reader::LogReader,
};

/// A segment's size where nothing else is configured, bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The cluster; a log of another cluster is refused.
    pub cluster: [u8; 16],
    /// The node's number in the configuration; a log of another node is refused. 0: not known, and no log is refused.
    pub node: u16,
    /// Size of a segment: a multiple of 4096 from 64 KiB to 1 GiB. May differ from run to run.
    pub segment_bytes: u64,
    /// Zero-fill the next segment on a thread ahead of its use. The simulator does without threads.
    pub prepare_ahead: bool,
}

/// Raft's durable state besides entries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct HardState {
    /// The newest term seen.
    pub term: u64,
    /// The candidate with this node's vote in that term; 0: none.
    pub vote: u64,
    /// Highest index known committed.
    pub commit: u64,
}

/// Changes that become durable at once. They take effect in this order: reset, hard state, entries, membership.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Replaces the hard state.
    pub hard_state: Option<HardState>,
    /// In order of index, without gaps, joining the log; an entry at or below the last index takes out the entries from there on.
    pub entries: Vec<Entry>,
    /// All entries are forgotten and the log goes on after this mark, as after a snapshot.
    pub reset: Option<SnapshotMark>,
    /// The membership as of the change applied at an index.
    pub conf_state: Option<(u64, ConfState)>,
}

impl Batch {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.hard_state.is_none() && self.entries.is_empty() && self.reset.is_none() && self.conf_state.is_none()
    }
}

/// The log that [`Log::open`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The last hard state written.
    pub hard_state: HardState,
    /// Index, term and membership just below the first entry.
    pub start: SnapshotMark,
    /// Index of the first entry, `start.index + 1`.
    pub first_index: u64,
    /// Index of the last entry; `start.index` where there is none.
    pub last_index: u64,
    /// Memberships above the start, in order of index.
    pub conf_states: Vec<(u64, ConfState)>,
    /// Repairs of the log, for people: "cut 312 bytes of a torn write: ...".
    pub notes: Vec<String>,
    /// There are no entries above the start (there is a log all the same).
    pub empty: bool,
}
