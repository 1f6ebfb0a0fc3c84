//! A backup as a file: one state, compressed, checksummed and self-contained.
//!
//! [`ArchiveOut`] makes the file's bytes from a snapshot, piece by piece; [`Archive`] reads a file and gives the chunks of the
//! state back. [`Checker`] checks the bytes of a file that comes from anywhere. The layout is `format`'s. Never opens a file and
//! never writes a file. Called by `node` (making, restoring) and by `ocsctl` (checking).

mod format;
mod pack;
mod unpack;

use std::io;

pub use format::Checker;
pub use pack::ArchiveOut;
pub use unpack::{Archive, ArchiveChunks, Verified as VerifiedArchive, verify as verify_archive};

use crate::IngestError;

/// Version of the backup file's layout; a newer version is refused by name.
pub const ARCHIVE_FORMAT: u32 = 1;

/// The head of a backup file: its origin, before its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveHead {
    /// The cluster that the state belongs to, as in a snapshot's head.
    pub cluster: [u8; 16],
    /// The cluster's id as configured.
    pub cluster_id: String,
    /// The node whose state the file holds.
    pub node: String,
    /// Index of the last entry applied.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The epoch of the group.
    pub epoch: u64,
    /// The version of the group's formats; 0: the first.
    pub formats: u32,
    /// The version of the group's rules; 0: the first.
    pub rules: u32,
    /// When the file was begun, microseconds since 1970.
    pub created_us: u64,
    /// The release that wrote the file.
    pub release: String,
    /// The digest of the state's rows.
    pub digest: u128,
    /// Records in all lists.
    pub records: u64,
    /// A release with credentials formed the group.
    pub guarded: bool,
}

/// The trailer of a backup file: digest and counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveTail {
    /// The digest of the state's rows.
    pub digest: u128,
    /// Rows that the digest covers.
    pub state_rows: u64,
    /// Rows of the indexes.
    pub index_rows: u64,
    /// Bytes of the chunks before compression.
    pub content_bytes: u64,
}

/// Why a backup file cannot be used. Nothing of the file is used then.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file begins with another magic.
    #[error("it is no backup of ocs: its first bytes are others")]
    NotAnArchive,
    /// Written by a newer release.
    #[error(
        "its format is {found}, this release knows formats up to {known}: use the release that wrote it or a newer one"
    )]
    NewerFormat {
        /// In the file.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The file ends before its trailer.
    #[error("it is cut: it ends at byte {at}, before its trailer")]
    Cut {
        /// The file's length.
        at: u64,
    },
    /// The bytes differ from those written.
    #[error("it is damaged in the piece at byte {at}: {reason}")]
    Damaged {
        /// Where the piece begins.
        at: u64,
        /// The first fault found.
        reason: &'static str,
    },
    /// The rows differ from those written.
    #[error("its state is not whole: {0}")]
    State(#[from] IngestError),
    /// Head or trailer do not belong to the rows.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
}
