//! The data directory: its lock, and the stamp with the node's identity and the facts that must survive every restart.
//!
//! A stamp means that this node is a member of a formed group (R11 one-id-one-log). Forming a group writes the stamp last, and no
//! function here stamps a directory whose past is unknown. Knows nothing of the log and the store beside the stamp. Called by
//! `node` at start, and by the peer side before the first frame of a peer is passed on. [`DiskRoom`] is the room on its disk.

mod disk_room;
mod files;
mod guarded;
mod ordered_by;
mod restore;
mod stamp;
#[cfg(test)]
mod tests;

use std::{
    fmt::Display,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chassis::private;
use consensus::{Kind, RaftId};
use files::{create_durably, entries, failed, keep, lock, sync_directory, write_aside, write_in_room};
use stamp::NodeFile;

pub use disk_room::DiskRoom;
pub use guarded::{FormedBy, formed_by};
pub use restore::Restored;
pub use stamp::Forced;

/// The stamp's file name.
pub const STAMP_FILE: &str = "ocs-node.toml";
const FORMING_FILE: &str = "forming.toml";
const FORMING_ASIDE: &str = "forming.toml.new";
/// The name of the file that is locked.
pub const LOCK_FILE: &str = "lock";
/// A mark that stands while a backup is restored.
const RESTORING_FILE: &str = "restoring";
const RESTORED_FILE: &str = "restored.toml";

/// This node's identity, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataIdentity {
    /// The cluster's id as configured.
    pub cluster_id: String,
    /// The cluster's id on the wire, as in every frame's head.
    pub cluster: [u8; 16],
    /// The node's name.
    pub node: String,
    /// Data node or witness.
    pub kind: Kind,
}

/// The next step of a start with this directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formation {
    /// A new member of a group that is being formed: pass the bootstrap gate, create the log, then [`DataDir::stamp`].
    Forming,
    /// A node to be taken in by a group under a new Raft id, since no stamp tells what the old id promised (R11): ask, create the
    /// log, then [`DataDir::join`].
    Joining,
    /// A member already.
    Formed,
}

/// Why a directory cannot be used. Except for [`DataDirError::Io`], the error left the directory unchanged.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The stamp names another node or cluster.
    #[error(
        "{}: it belongs to {what} \"{found}\", but the configuration says {what} \"{expected}\"; point data_dir at this \
         node's own directory or correct the configuration; nothing was changed",
        file.display()
    )]
    Foreign {
        /// The stamp.
        file: PathBuf,
        /// The differing field.
        what: &'static str,
        /// The stamp's value.
        found: String,
        /// The configured value.
        expected: String,
    },
    /// The stamp cannot be read.
    #[error(
        "{}: the stamp is damaged ({reason}): without it this node cannot go on under its old identity. If the directory is this \
         node's, move its content aside (never put an older copy back) and start the node without --bootstrap: it joins its \
         group under a new id; nothing was changed",
        file.display()
    )]
    Damaged {
        /// The stamp.
        file: PathBuf,
        /// The damage.
        reason: String,
    },
    /// Written by a newer version.
    #[error(
        "{}: written in format {found}, this version knows formats up to {known}; run the version that wrote it or a newer \
         one; nothing was changed",
        file.display()
    )]
    Newer {
        /// The stamp.
        file: PathBuf,
        /// The format of the stamp.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The directory has files, but no stamp.
    #[error(
        "{}: it holds \"{entry}\" but no {STAMP_FILE}, so it is not a node's data directory; point data_dir at an empty or \
         absent directory to form or join a group, or at this node's own one; nothing was changed",
        path.display()
    )]
    Unstamped {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        entry: String,
    },
    /// A restore of a backup was cut short here.
    #[error(
        "{}: a restore of a backup was cut short here; run it again (`ocsctl backup restore`), or empty the directory; nothing \
         was changed",
        path.display()
    )]
    Restoring {
        /// The directory.
        path: PathBuf,
    },
    /// A backup is restored into an empty directory only.
    #[error(
        "{}: it holds \"{entry}\"; a backup is restored into an empty or absent directory: move this one aside; nothing was \
         changed",
        path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        entry: String,
    },
    /// Another process uses the directory.
    #[error("{}: in use by another process{holder}; one directory serves one node", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// " (pid N)", as far as known.
        holder: String,
    },
    /// The operation needs a stamped directory.
    #[error("{}: not stamped yet", path.display())]
    NotStamped {
        /// The directory.
        path: PathBuf,
    },
    /// A write failed before: the content of the disk is unknown, so no write is repeated (R6 durable-before-acknowledged).
    #[error("{}: a write failed before, and is not tried again", path.display())]
    Failed {
        /// The directory.
        path: PathBuf,
    },
    /// A number that the stamp cannot hold. Nothing was written.
    #[error("{}: this node's identity would not read back, so it is left as it was; nothing was changed", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
    },
    /// The disk or the file system reported an error.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A locked data directory of this node. The lock goes with the value.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: DataIdentity,
    /// Drawn by this process: distinguishes this start from every other start.
    start: [u8; 16],
    state: Mutex<Phase>,
    _lock: File,
}

#[derive(Debug)]
enum Phase {
    Forming,
    /// The node joins no group of a lower epoch than this.
    Joining {
        epoch_min: u64,
    },
    Formed(NodeFile),
    /// A write failed; the stamp of before is still true.
    Failed(Option<NodeFile>),
}

impl DataDir {
    /// Locks the directory and checks its owner. `bootstrap`: an empty or absent directory is used to form a group; without the
    /// flag, to join one. For a stamped directory the flag has no effect.
    ///
    /// # Errors
    /// See [`DataDirError`]; each error names the file, the finding and the remedy.
    pub fn open(path: &Path, identity: DataIdentity, bootstrap: bool) -> Result<Self, DataDirError> {
        survey(path, &identity)?; // a directory that must be refused is refused before anything is created
        create_durably(path)?;
        private::make_directory(path).map_err(failed("set the mode of", path))?;
        let lock = lock(path)?;
        Self::open_locked(path, identity, bootstrap, lock)
    }

    /// As [`DataDir::open`], for a damaged stamp, where the files beside the stamp show the caller that the directory is this
    /// node's. Whether the Raft id was given up before is unknown, so this call gives the id up, durably, and the node is to join
    /// any group of its cluster. The damaged stamp is kept under another name.
    ///
    /// # Errors
    /// As [`DataDir::open`].
    pub fn open_damaged(path: &Path, identity: DataIdentity, bootstrap: bool) -> Result<Self, DataDirError> {
        let lock = lock(path)?;
        if let Err(DataDirError::Damaged { file, reason }) = NodeFile::read(&path.join(STAMP_FILE), &identity) {
            let kept = keep(&file)?;
            write_aside(path, STAMP_FILE, &NodeFile::given_up(&identity).to_text())?;
            tracing::error!(
                kept = %kept.display(),
                "the stamp is damaged ({reason}), and what stands beside it is this node's: it gives its Raft id up and joins the \
                 group again under a new one"
            );
        }
        Self::open_locked(path, identity, bootstrap, lock)
    }

    fn open_locked(path: &Path, identity: DataIdentity, bootstrap: bool, lock: File) -> Result<Self, DataDirError> {
        // Surveys once more under the lock: the former holder of the lock may have formed a group meanwhile.
        let state = match survey(path, &identity)? {
            Survey::NodeFile(stamp) if stamp.given_up => Phase::Joining { epoch_min: stamp.epoch },
            Survey::NodeFile(stamp) => {
                if bootstrap {
                    tracing::info!(directory = %path.display(), "already formed: --bootstrap is ignored");
                }
                Phase::Formed(*stamp)
            }
            Survey::Forming | Survey::Nothing => {
                begin_forming(path, &identity)?;
                if bootstrap { Phase::Forming } else { Phase::Joining { epoch_min: stamp::EPOCH_FIRST } }
            }
        };
        Ok(Self { path: path.to_owned(), identity, start: rand::random(), state: Mutex::new(state), _lock: lock })
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this node is a member, or how it becomes one.
    pub fn formation(&self) -> Formation {
        match &*self.state() {
            Phase::Formed(_) | Phase::Failed(Some(_)) => Formation::Formed,
            Phase::Joining { .. } => Formation::Joining,
            Phase::Forming | Phase::Failed(None) => Formation::Forming,
        }
    }

    /// Makes this node a member, durably. The last step of forming a group: log and store must stand.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the process must end.
    pub fn stamp(&self) -> Result<(), DataDirError> {
        let mut state = self.state();
        if matches!(*state, Phase::Formed(_)) {
            return Ok(());
        }
        self.replace(&mut state, NodeFile::first(&self.identity))?;
        self.forget_forming()
    }

    /// Makes this node a member under a Raft id that the group gave, durably. The last step of joining: the log must stand.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the process must end.
    pub fn join(&self, raft_id: RaftId, epoch: u64) -> Result<(), DataDirError> {
        let mut state = self.state();
        let mut stamp = NodeFile::first(&self.identity);
        (stamp.raft_incarnation, stamp.epoch) = (raft_id >> 16, epoch);
        self.replace(&mut state, stamp)?;
        self.forget_forming()
    }

    /// Gives this node's Raft id up, durably: the log cannot be trusted, and this node never speaks under that id again (R11).
    /// From now on the node is to join.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn give_up(&self) -> Result<(), DataDirError> {
        self.give_up_for(self.epoch())
    }

    /// As [`DataDir::give_up`]: an operator forced another node, and the group of this epoch is the one to join.
    ///
    /// # Errors
    /// As [`DataDir::give_up`].
    pub fn give_up_for(&self, epoch: u64) -> Result<(), DataDirError> {
        self.change(|stamp| {
            stamp.given_up = true;
            stamp.epoch = stamp.epoch.max(epoch);
            stamp.order = None;
            Some(())
        })?;
        *self.state() = Phase::Joining { epoch_min: epoch };
        Ok(())
    }

    /// As [`DataDir::give_up`], where stamp and log name different epochs and one of them is wrong: from now on the node joins no
    /// group of a lower epoch than this, even if the stamp named a lower one.
    ///
    /// # Errors
    /// As [`DataDir::give_up`].
    pub fn give_up_disputed(&self, epoch_min: u64) -> Result<(), DataDirError> {
        self.change(|stamp| {
            (stamp.given_up, stamp.epoch, stamp.order) = (true, epoch_min, None);
            Some(())
        })?;
        *self.state() = Phase::Joining { epoch_min };
        Ok(())
    }

    /// The group writes formats of this version from now on: the stamp takes the same format, durably, and an older version
    /// refuses the stamp.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn raise_formats(&self, formats: u32) -> Result<(), DataDirError> {
        self.change(|stamp| stamp.raise(i64::from(formats)).then_some(()))
    }

    /// Whether the group's formats were raised, as far as this node knows.
    pub fn raised(&self) -> bool {
        self.stamped(NodeFile::is_raised).unwrap_or(false)
    }

    /// Orders, durably, that this node lead alone under a new epoch: the next start executes the order before serving anything.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn order(&self, order: Forced) -> Result<(), DataDirError> {
        self.change(|stamp| {
            stamp.order = Some(order);
            Some(())
        })
    }

    /// The order that is to be executed.
    pub fn ordered(&self) -> Option<Forced> {
        self.stamped(|stamp| stamp.order.clone()).flatten()
    }

    /// The order is executed: from now on this node speaks under its new id and epoch, durably. The last step; the new log
    /// must stand, and begins in this term.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn obeyed(&self, raft_id: RaftId, term: u64) -> Result<(), DataDirError> {
        self.change(|stamp| {
            let order = stamp.order.take()?;
            (stamp.raft_incarnation, stamp.epoch) = (raft_id >> 16, order.epoch);
            stamp.forced = Some(Forced { term, ..order });
            Some(())
        })
    }

    /// The last order that was executed here.
    pub fn forced(&self) -> Option<Forced> {
        self.stamped(|stamp| stamp.forced.clone()).flatten()
    }

    fn forget_forming(&self) -> Result<(), DataDirError> {
        let forming = self.path.join(FORMING_FILE);
        match fs::remove_file(&forming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &forming)(error)),
            _ => {}
        }
        sync_directory(&self.path)
    }

    /// Counts a start, durably, and answers the incarnation of this start: unique for ever together with the node's number. Raft
    /// incarnation in the high 32 bits, the count of starts in the low bits.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn boot(&self) -> Result<u64, DataDirError> {
        self.change(|stamp| {
            stamp.boots += 1;
            Some(stamp.incarnation())
        })
    }

    /// The token drawn for this start: a copy of the directory counts the same starts, but draws another token.
    pub fn start(&self) -> [u8; 16] {
        self.start
    }

    /// The incarnation that the last [`DataDir::boot`] answered; 0 before the stamp.
    pub fn incarnation(&self) -> u64 {
        self.stamped(NodeFile::incarnation).unwrap_or(0)
    }

    /// This node's Raft id, from its number in the configuration (from 1).
    pub fn raft_id(&self, number: u16) -> RaftId {
        RaftId::from(number) | (self.stamped(|stamp| stamp.raft_incarnation).unwrap_or(0) << 16)
    }

    /// The epoch of the group as this node knows it; raised by force.
    pub fn epoch(&self) -> u64 {
        match &*self.state() {
            Phase::Formed(stamp) | Phase::Failed(Some(stamp)) => stamp.epoch,
            Phase::Joining { epoch_min } => *epoch_min,
            Phase::Forming | Phase::Failed(None) => stamp::EPOCH_FIRST,
        }
    }

    /// Remembers, durably, that a Raft message came from this id. Must return before the message is passed on. Writes only once
    /// per id.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn heard_of(&self, id: RaftId) -> Result<(), DataDirError> {
        if self.has_heard_of(id) {
            return Ok(());
        }
        self.change(|stamp| stamp.hear(id).then_some(())).map(drop)
    }

    /// Whether a message of Raft ever came from this id.
    pub fn has_heard_of(&self, id: RaftId) -> bool {
        self.stamped(|stamp| stamp.heard_of.contains(&id)).unwrap_or(false)
    }

    /// Whether a message of Raft ever came from any incarnation of the node with this number.
    pub fn has_heard_of_node(&self, number: u16) -> bool {
        let is_it = |id: &RaftId| (id & 0xffff) == RaftId::from(number);
        self.stamped(|stamp| stamp.heard_of.iter().any(is_it)).unwrap_or(false)
    }

    fn state(&self) -> MutexGuard<'_, Phase> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamped<T>(&self, read: impl FnOnce(&NodeFile) -> T) -> Option<T> {
        match &*self.state() {
            Phase::Formed(stamp) | Phase::Failed(Some(stamp)) => Some(read(stamp)),
            Phase::Forming | Phase::Joining { .. } | Phase::Failed(None) => None,
        }
    }

    /// Changes the stamp on disk, then in memory. `None` from the change: no write is needed.
    fn change<T: Default>(&self, change: impl FnOnce(&mut NodeFile) -> Option<T>) -> Result<T, DataDirError> {
        let mut state = self.state();
        let mut next = match &*state {
            Phase::Formed(stamp) => stamp.clone(),
            Phase::Forming | Phase::Joining { .. } => return Err(DataDirError::NotStamped { path: self.path.clone() }),
            Phase::Failed(_) => return Err(DataDirError::Failed { path: self.path.clone() }),
        };
        let Some(answer) = change(&mut next) else { return Ok(T::default()) };
        self.replace(&mut state, next)?;
        Ok(answer)
    }

    fn replace(&self, state: &mut Phase, next: NodeFile) -> Result<(), DataDirError> {
        let text = next.to_text();
        if !next.reads_back_from(&text) {
            return Err(DataDirError::Unreadable { path: self.path.clone() });
        }
        if let Err(error) = write_in_room(&self.path, STAMP_FILE, &text) {
            let known = std::mem::replace(state, Phase::Failed(None));
            *state = Phase::Failed(if let Phase::Formed(stamp) = known { Some(stamp) } else { None });
            return Err(error);
        }
        *state = Phase::Formed(next);
        Ok(())
    }
}

enum Survey {
    Nothing,
    Forming,
    NodeFile(Box<NodeFile>),
}

/// Surveys the directory, and changes nothing.
fn survey(path: &Path, identity: &DataIdentity) -> Result<Survey, DataDirError> {
    if let Some(stamp) = NodeFile::read(&path.join(STAMP_FILE), identity)? {
        return Ok(Survey::NodeFile(Box::new(stamp)));
    }
    if path.join(RESTORING_FILE).exists() {
        return Err(DataDirError::Restoring { path: path.to_owned() });
    }
    if NodeFile::read(&path.join(FORMING_FILE), identity)?.is_some() {
        return Ok(Survey::Forming);
    }
    let ours = [LOCK_FILE, FORMING_ASIDE];
    match entries(path)?.into_iter().find(|name| !ours.contains(&name.as_str())) {
        Some(entry) => Err(DataDirError::Unstamped { path: path.to_owned(), entry }),
        None => Ok(Survey::Nothing),
    }
}

/// Marks the directory as ours before creating anything in it, and clears the files of an earlier attempt: without a stamp this
/// node never spoke, so no peer misses those files.
fn begin_forming(path: &Path, identity: &DataIdentity) -> Result<(), DataDirError> {
    for name in entries(path)? {
        let leftover = path.join(&name);
        if name == LOCK_FILE || name == FORMING_FILE {
            continue;
        }
        let removed = if leftover.is_dir() { fs::remove_dir_all(&leftover) } else { fs::remove_file(&leftover) };
        removed.map_err(failed("remove", &leftover))?;
    }
    write_aside(path, FORMING_FILE, &NodeFile::first(identity).to_text())
}

/// A value of the stamp and of the configuration differ.
fn foreign(file: &Path, what: &'static str, found: impl Display, expected: impl Display) -> DataDirError {
    DataDirError::Foreign { file: file.to_owned(), what, found: found.to_string(), expected: expected.to_string() }
}
