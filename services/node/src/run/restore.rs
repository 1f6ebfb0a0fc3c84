//! Makes a data node's directory from a backup, with the node stopped (`ocsd --restore`): the state, a log that begins above it
//! with this node as the only voter of a new epoch, and the stamp last.
//!
//! Changes nothing before the whole file is read and the directory is found empty. A crash leaves a directory that refuses to
//! start, and the restore is repeated. Called by `main`, in place of running the node.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chassis::exit;
use consensus::{
    Kind,
    force::{Beginning, Force, ForceError, begin_above},
    members,
};
use data_dir::{DataDir, DataDirError, Forced, Restored};
use node_config::Config;
use raft_log::{FileDisk, Log, LogError};
use store::{Archive, ArchiveError, ArchiveHead, ArchiveTail, IngestError, Ingested, StoreError, ingest};

use super::{RunError, identity::identity, open};
use crate::versions;

/// Chunks that wait for the disk, decompressed.
const CHUNKS_MAX: usize = 4;
/// Between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// The highest epoch: request ids have room for no more.
const EPOCH_MAX: u64 = u16::MAX as u64;

/// The backup to restore, and the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The backup.
    pub file: PathBuf,
    /// The epoch to begin; none: the one above the backup's.
    pub epoch: Option<u64>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The configuration does not name this node.
    #[error("node.name {0:?} is none of cluster.nodes")]
    Unnamed(String),
    /// A witness keeps no records.
    #[error("node {0:?} is a witness and keeps no records: restore on a data node, and start the witness empty")]
    Witness(String),
    /// The file cannot be opened, or is no file.
    #[error("{}: {source}", file.display())]
    File {
        /// The backup.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is no usable backup.
    #[error("{}: {source}; nothing was changed", file.display())]
    Refused {
        /// The backup.
        file: PathBuf,
        /// The reason.
        source: ArchiveError,
    },
    /// The backup of another cluster.
    #[error(
        "{}: it is a backup of cluster {found:?}, and the configuration says {expected:?}: a state is restored into its own cluster \
         only, so set cluster.id = {found:?} or take another file; nothing was changed",
        file.display()
    )]
    Foreign {
        /// The backup.
        file: PathBuf,
        /// The backup's cluster.
        found: String,
        /// The configured one.
        expected: String,
    },
    /// The group wrote or decided by newer versions than this release knows.
    #[error("{}: its group is of release {release} or newer, which this one does not know: use that release; nothing was changed", file.display())]
    Versions {
        /// The backup.
        file: PathBuf,
        /// The release that wrote it.
        release: String,
    },
    /// An epoch that cannot begin.
    #[error(
        "epoch {epoch} cannot begin: the backup is of epoch {backup}, and {EPOCH_MAX} is the highest; nothing was changed"
    )]
    Epoch {
        /// The requested epoch.
        epoch: u64,
        /// The backup's.
        backup: u64,
    },
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The state could not be made.
    #[error("the restore was cut short ({0}); the node does not start until it is done again")]
    Ingest(#[from] IngestError),
    /// The file has changed since the check.
    #[error("the restore was cut short ({0}); the node does not start until it is done again")]
    Changed(ArchiveError),
    /// The state does not open, or takes no entry.
    #[error("the restore was cut short ({0}); the node does not start until it is done again")]
    State(#[from] ForceError),
    /// The rest of the node.
    #[error("the restore was cut short ({0}); the node does not start until it is done again")]
    Run(#[from] RunError),
    /// The log.
    #[error("the restore was cut short ({0}); the node does not start until it is done again")]
    Log(#[from] LogError),
}

impl RestoreError {
    /// The exit code: 2 for a wrong directory or configuration, 1 for an unusable file, 74 for the disk, 75 while another process
    /// holds the directory.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unnamed(_) | Self::Witness(_) | Self::Foreign { .. } | Self::Versions { .. } | Self::Epoch { .. } => {
                exit::USAGE
            }
            Self::File { .. } | Self::Refused { .. } | Self::Changed(_) => exit::FAILED,
            Self::DataDir(DataDirError::Io { .. }) | Self::State(_) | Self::Log(_) => exit::IO,
            Self::Ingest(IngestError::Store(StoreError::Io { .. } | StoreError::Engine { .. })) => exit::IO,
            Self::Ingest(_) => exit::FAILED,
            Self::DataDir(DataDirError::Locked { .. }) => exit::TEMPORARY,
            Self::DataDir(_) => exit::USAGE,
            Self::Run(error) => error.exit_code(),
        }
    }
}

/// Restores. The directory then starts as that of a node which leads alone.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(config: &Config, order: &RestoreOrder) -> Result<Restored, RestoreError> {
    let unnamed = || RestoreError::Unnamed(config.node.name.clone());
    let (number, identity) = (config.number().ok_or_else(unnamed)?, identity(config)?);
    if identity.kind == Kind::Witness {
        return Err(RestoreError::Witness(config.node.name.clone()));
    }
    DataDir::check_restore(&config.node.data_dir, &identity)?;
    let began = Instant::now();
    let head = check_file(config, &order.file)?;
    let epoch = epoch(&head, order.epoch)?;
    tracing::info!(file = %order.file.display(), index = head.index, records = head.records, epoch, "the backup is whole: restoring it");

    let directory = DataDir::open_to_restore(&config.node.data_dir, identity)?;
    take_in(config, &directory, &order.file)?;
    let force = Force { id: members::forced_id(number, epoch), epoch };
    let beginning = {
        let mut machine = open::machine_as_it_is(config, &directory)?;
        begin_above(force, &config.voters(), &mut machine)?
    };
    let term = beginning.mark.term;
    make_log(config, &directory, beginning)?;
    let restored = Restored {
        epoch,
        index: head.index,
        created_us: head.created_us,
        release: head.release,
        file: order.file.display().to_string(),
    };
    let at_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    let forced = Forced { at_us, epoch, last_index: head.index, last_commit: head.index, accept_loss: true, term };
    if head.guarded {
        directory.guard()?;
    }
    directory.restored(force.id, forced, &restored)?;
    tracing::info!(
        epoch,
        index = head.index,
        records = head.records,
        seconds = began.elapsed().as_secs(),
        "the backup is restored: start this node, then the others with empty data directories and without --bootstrap"
    );
    Ok(restored)
}

fn epoch(head: &ArchiveHead, asked: Option<u64>) -> Result<u64, RestoreError> {
    let epoch = asked.unwrap_or(head.epoch.saturating_add(1));
    let may_begin = epoch > head.epoch && epoch <= EPOCH_MAX;
    may_begin.then_some(epoch).ok_or(RestoreError::Epoch { epoch, backup: head.epoch })
}

/// Opens the backup; only a file can be read twice.
fn opened(file: &Path) -> Result<Archive<File>, RestoreError> {
    let failed = |source| RestoreError::File { file: file.to_owned(), source };
    let open = File::open(file).map_err(failed)?;
    if !open.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "a restore needs a regular file")));
    }
    Archive::open(open).map_err(refused(file))
}

fn refused(file: &Path) -> impl FnOnce(ArchiveError) -> RestoreError {
    let file = file.to_owned();
    move |source| RestoreError::Refused { file, source }
}

/// Reads the whole file before anything is changed: its owner, and every checksum.
fn check_file(config: &Config, file: &Path) -> Result<ArchiveHead, RestoreError> {
    let archive = opened(file)?;
    let head = archive.head().clone();
    if head.cluster != config.cluster_id() {
        let (found, expected) = (head.cluster_id, config.cluster.id.clone());
        return Err(RestoreError::Foreign { file: file.to_owned(), found, expected });
    }
    if head.formats > versions::NEWEST.formats || head.rules > versions::NEWEST.rules {
        return Err(RestoreError::Versions { file: file.to_owned(), release: head.release });
    }
    let mut told = Told::new("checking the backup");
    archive.check(|bytes| told.tell(bytes)).map_err(refused(file))?;
    Ok(head)
}

/// Makes the state; decompresses on a thread of its own.
fn take_in(config: &Config, directory: &DataDir, file: &Path) -> Result<Ingested, RestoreError> {
    let mut chunks = opened(file)?.chunks();
    let (sender, receiver) = sync_channel(CHUNKS_MAX);
    let (ingested, unpacked) = thread::scope(|scope| {
        let unpacking = scope.spawn(move || -> Result<ArchiveTail, ArchiveError> {
            let mut told = Told::new("restoring the backup");
            while let Some(chunk) = chunks.next() {
                if sender.send(chunk?).is_err() {
                    break; // the other side ended, and reports why
                }
                told.tell(chunks.read_bytes());
            }
            Ok(chunks.tail().cloned().unwrap_or_default())
        });
        let taken = receiver.into_iter().map(Ok::<Vec<u8>, String>);
        let ingested = ingest(&open::state_dir(directory), &open::store_config(config), taken);
        (ingested, unpacking.join())
    });
    let tail = unpacked.unwrap_or_else(|_| Err(io::Error::other("reading it panicked").into()));
    match (tail, ingested) {
        (Err(error), _) => Err(RestoreError::Changed(error)),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(tail), Ok(found)) if (tail.digest, tail.state_rows) == (found.digest, found.rows) => Ok(found),
        (Ok(_), Ok(_)) => {
            Err(RestoreError::Changed(ArchiveError::Contradiction("its trailer is that of another state")))
        }
    }
}

fn make_log(config: &Config, directory: &DataDir, beginning: Beginning) -> Result<(), RestoreError> {
    let made = FileDisk::new(&open::log_dir(directory));
    let disk = made.map_err(|source| RunError::Io { doing: "make the log", source })?;
    drop(Log::create(disk, open::log_config(config), beginning.mark, beginning.hard_state)?);
    Ok(())
}

/// The progress lines.
struct Told {
    doing: &'static str,
    last: Instant,
}

impl Told {
    fn new(doing: &'static str) -> Self {
        Self { doing, last: Instant::now() }
    }

    fn tell(&mut self, bytes: u64) {
        if self.last.elapsed() >= PROGRESS_INTERVAL {
            tracing::info!(read_mib = bytes >> 20, "{}", self.doing);
            self.last = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests;
