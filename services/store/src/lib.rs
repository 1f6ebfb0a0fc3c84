//! The embedded state store: rows, indexes, applied mark and digest on fjall, and self-contained snapshots.
//!
//! Never contains rules or network. [`Store`] belongs to the apply thread, the only writer; [`StoreReader`] gives every
//! other thread consistent states. Called by `node` (its `Machine`, its readers, the fetching of state).
//!
//! On disk: a directory with a stamp (`stamp`) that names the generation in use, and one fjall database a generation.
//! A fetched state becomes the next generation, so that readers of the old generation finish undisturbed.

mod archive;
mod chunk;
mod config;
mod contents;
mod counted;
mod engine;
mod error;
mod export;
mod fatal;
mod fault;
mod heads;
mod highest_ids;
mod indexes;
mod ingest;
mod journal;
mod mark;
mod owner;
mod reader;
mod recent;
mod requests;
mod rows;
mod stamp;
mod store;
mod verify;
mod view;

pub use archive::{
    ARCHIVE_FORMAT, Archive, ArchiveChunks, ArchiveError, ArchiveHead, ArchiveOut, ArchiveTail, Checker,
    VerifiedArchive, verify_archive,
};
pub use chunk::CHUNK_BYTES_TARGET;
pub use config::StoreConfig;
pub use error::{IngestError, StoreError};
pub use export::{Export, ExportHead};
pub use fatal::{EXIT_DISK_FAULT, before_fatal};
pub use indexes::IndexRebuild;
pub use ingest::{Ingested, examine, ingest};
pub use mark::{AppliedMark, DIGEST_INTERVAL, DIGESTS_KEPT};
pub use owner::{StateOwner, owner};
pub use reader::{KEPT_BYTES_MAX, StoreReader};
pub use store::{Store, set_aside};
pub use verify::Verified;
pub use view::{CurrentView, ReplayView, StateSnapshot};

/// Version of the store's format: a newer version is refused by name, an older version is migrated on opening. Since version 2,
/// remembered requests have keyspaces of their own.
pub const STORE_FORMAT: u32 = 2;
/// Version of the snapshot's format; a newer version is refused by name.
pub const SNAPSHOT_FORMAT: u32 = 1;
