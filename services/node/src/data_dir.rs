//! The data directory: its lock, and the stamp that says whose it is and what must never be forgotten.
//!
//! A stamp present means: this node is a member of a formed group (R11 one-id-one-log). It is written last when a group is
//! formed, and nothing here ever stamps a directory whose past is unknown. Knows nothing of what the log and the store keep
//! beside it. Called by `run` at start, and by `peers` before the first frame of a peer is passed on.

mod files;
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
use stamp::Stamp;

pub use restore::Restored;
pub use stamp::Forced;

/// The stamp's file name.
pub const STAMP_FILE: &str = "ocs-node.toml";
const FORMING_FILE: &str = "forming.toml";
const FORMING_ASIDE: &str = "forming.toml.new";
/// The name of the file that is locked.
pub(crate) const LOCK_FILE: &str = "lock";
/// Stands while a backup is restored.
const RESTORING_FILE: &str = "restoring";
const RESTORED_FILE: &str = "restored.toml";

/// Who the configuration says this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataIdentity {
    /// The cluster's id as configured.
    pub cluster_id: String,
    /// The cluster's id as it travels in every head.
    pub cluster: [u8; 16],
    /// The node's name.
    pub node: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a start means for this directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formation {
    /// A new member of a group that is being formed: pass the bootstrap gate, create the log, then [`DataDir::stamp`].
    Forming,
    /// To be taken in by a group under a new Raft id, since nothing here tells what the old one promised (R11):
    /// ask, create the log, then [`DataDir::join`].
    Joining,
    /// A member already.
    Formed,
}

/// Why a directory cannot be used. Except for [`DataDirError::Io`], nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is stamped for somebody else.
    #[error(
        "{}: it belongs to {what} \"{found}\", but the configuration says {what} \"{expected}\"; point data_dir at this \
         node's own directory or correct the configuration; nothing was changed",
        file.display()
    )]
    Foreign {
        /// The stamp.
        file: PathBuf,
        /// Which word differs.
        what: &'static str,
        /// What the stamp says.
        found: String,
        /// What the configuration says.
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
        /// What is wrong with it.
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
        /// Its format.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// There are files, but no stamp.
    #[error(
        "{}: it holds \"{entry}\" but no {STAMP_FILE}, so it is not a node's data directory; point data_dir at an empty or \
         absent directory to form or join a group, or at this node's own one; nothing was changed",
        path.display()
    )]
    Unstamped {
        /// The directory.
        path: PathBuf,
        /// Something found in it.
        entry: String,
    },
    /// A restore of a backup did not come to its end here.
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
        /// Something found in it.
        entry: String,
    },
    /// Another process uses it.
    #[error("{}: in use by another process{holder}; one directory serves one node", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// " (pid N)", as far as known.
        holder: String,
    },
    /// Asked for something that only a stamped directory has.
    #[error("{}: not stamped yet", path.display())]
    NotStamped {
        /// The directory.
        path: PathBuf,
    },
    /// A write failed before: what is on disk is not known, so it is not tried again (R6 durable-before-acknowledged).
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
    /// The disk or the file system said no.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
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
    /// Drawn by this process: tells its start from any other's.
    start: [u8; 16],
    state: Mutex<State>,
    _lock: File,
}

#[derive(Debug)]
enum State {
    Forming,
    /// No group of a lower epoch than this one is joined.
    Joining {
        epoch_min: u64,
    },
    Formed(Stamp),
    /// A write failed; what was known before it is still true.
    Failed(Option<Stamp>),
}

impl DataDir {
    /// Locks the directory and looks whose it is. `bootstrap`: an empty or absent one is used to form a group; without it,
    /// to join one. For a stamped one the flag says nothing.
    ///
    /// # Errors
    /// See [`DataDirError`]; each names the file, what was found, and what to do.
    pub fn open(path: &Path, identity: DataIdentity, bootstrap: bool) -> Result<Self, DataDirError> {
        survey(path, &identity)?; // what must be refused is refused before anything is created
        create_durably(path)?;
        private::make_directory(path).map_err(failed("set the mode of", path))?;
        let lock = lock(path)?;
        Self::open_locked(path, identity, bootstrap, lock)
    }

    /// As [`DataDir::open`], where the stamp is damaged and the caller knows from what stands beside it that the directory is this
    /// node's: nothing tells whether its Raft id was given up before, so it is given up, durably, and the node is to join any
    /// group of its cluster. The damaged stamp is kept under another name.
    ///
    /// # Errors
    /// As [`DataDir::open`].
    pub fn open_damaged(path: &Path, identity: DataIdentity, bootstrap: bool) -> Result<Self, DataDirError> {
        let lock = lock(path)?;
        if let Err(DataDirError::Damaged { file, reason }) = Stamp::read(&path.join(STAMP_FILE), &identity) {
            let kept = keep(&file)?;
            write_aside(path, STAMP_FILE, &Stamp::given_up(&identity).to_text())?;
            tracing::error!(
                kept = %kept.display(),
                "the stamp is damaged ({reason}), and what stands beside it is this node's: it gives its Raft id up and joins the \
                 group again under a new one"
            );
        }
        Self::open_locked(path, identity, bootstrap, lock)
    }

    fn open_locked(path: &Path, identity: DataIdentity, bootstrap: bool, lock: File) -> Result<Self, DataDirError> {
        // Once more under the lock: whoever held it a moment ago may have formed a group meanwhile.
        let state = match survey(path, &identity)? {
            Found::Stamp(stamp) if stamp.given_up => State::Joining { epoch_min: stamp.epoch },
            Found::Stamp(stamp) => {
                if bootstrap {
                    tracing::info!(directory = %path.display(), "already formed: --bootstrap is ignored");
                }
                State::Formed(*stamp)
            }
            Found::Forming | Found::Nothing => {
                begin_forming(path, &identity)?;
                if bootstrap { State::Forming } else { State::Joining { epoch_min: stamp::EPOCH_FIRST } }
            }
        };
        Ok(Self { path: path.to_owned(), identity, start: rand::random(), state: Mutex::new(state), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Member already, or about to become one.
    pub fn formation(&self) -> Formation {
        match &*self.state() {
            State::Formed(_) | State::Failed(Some(_)) => Formation::Formed,
            State::Joining { .. } => Formation::Joining,
            State::Forming | State::Failed(None) => Formation::Forming,
        }
    }

    /// Makes this node a member, durably. The last step of forming a group: log and store must stand.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the process must end.
    pub fn stamp(&self) -> Result<(), DataDirError> {
        let mut state = self.state();
        if matches!(*state, State::Formed(_)) {
            return Ok(());
        }
        self.replace(&mut state, Stamp::first(&self.identity))?;
        self.forget_forming()
    }

    /// Makes this node a member under a Raft id that the group gave it, durably. The last step of joining: the log must
    /// stand.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the process must end.
    pub fn join(&self, raft_id: RaftId, epoch: u64) -> Result<(), DataDirError> {
        let mut state = self.state();
        let mut stamp = Stamp::first(&self.identity);
        (stamp.raft_incarnation, stamp.epoch) = (raft_id >> 16, epoch);
        self.replace(&mut state, stamp)?;
        self.forget_forming()
    }

    /// Gives this node's Raft id up, durably: its log cannot be trusted, and it never speaks under that id again (R11).
    /// From now on it is to join.
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
        *self.state() = State::Joining { epoch_min: epoch };
        Ok(())
    }

    /// As [`DataDir::give_up`], where stamp and log name different epochs and one of them is wrong: no group of a lower epoch than
    /// this one is joined, whatever the stamp said.
    ///
    /// # Errors
    /// As [`DataDir::give_up`].
    pub fn give_up_disputed(&self, epoch_min: u64) -> Result<(), DataDirError> {
        self.change(|stamp| {
            (stamp.given_up, stamp.epoch, stamp.order) = (true, epoch_min, None);
            Some(())
        })?;
        *self.state() = State::Joining { epoch_min };
        Ok(())
    }

    /// The group writes formats of this version from now on: so does the stamp, durably, and an older version refuses it.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn raise_formats(&self, formats: u32) -> Result<(), DataDirError> {
        self.change(|stamp| stamp.raise(i64::from(formats)).then_some(()))
    }

    /// Whether the group's formats were raised, as far as this node knows.
    pub fn raised(&self) -> bool {
        self.stamped(Stamp::is_raised).unwrap_or(false)
    }

    /// Orders, durably, that this node lead alone under a new epoch: the next start executes it before anything is served.
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

    /// Counts a start, durably, and answers the incarnation of this one: unique for ever together with the node's number.
    /// Raft incarnation in the high 32 bits, the count of starts in the low ones.
    ///
    /// # Errors
    /// [`DataDirError::NotStamped`], or [`DataDirError::Io`]: the process must end.
    pub fn boot(&self) -> Result<u64, DataDirError> {
        self.change(|stamp| {
            stamp.boots += 1;
            Some(stamp.incarnation())
        })
    }

    /// Drawn for this start, and for no other one: a copy of the directory counts the same starts, and draws another token.
    pub fn start(&self) -> [u8; 16] {
        self.start
    }

    /// The incarnation that the last [`DataDir::boot`] answered; 0 before the stamp.
    pub fn incarnation(&self) -> u64 {
        self.stamped(Stamp::incarnation).unwrap_or(0)
    }

    /// This node's Raft id, from its number in the configuration (from 1).
    pub fn raft_id(&self, number: u16) -> RaftId {
        RaftId::from(number) | (self.stamped(|stamp| stamp.raft_incarnation).unwrap_or(0) << 16)
    }

    /// The epoch of the group as this node knows it; raised by force.
    pub fn epoch(&self) -> u64 {
        match &*self.state() {
            State::Formed(stamp) | State::Failed(Some(stamp)) => stamp.epoch,
            State::Joining { epoch_min } => *epoch_min,
            State::Forming | State::Failed(None) => stamp::EPOCH_FIRST,
        }
    }

    /// Remembers, durably, that a message of Raft came from this id. Must return before the message is passed on.
    /// Writes only once an id.
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamped<T>(&self, read: impl FnOnce(&Stamp) -> T) -> Option<T> {
        match &*self.state() {
            State::Formed(stamp) | State::Failed(Some(stamp)) => Some(read(stamp)),
            State::Forming | State::Joining { .. } | State::Failed(None) => None,
        }
    }

    /// Changes the stamp on disk, then in memory. `None` from the change: nothing to write.
    fn change<T: Default>(&self, change: impl FnOnce(&mut Stamp) -> Option<T>) -> Result<T, DataDirError> {
        let mut state = self.state();
        let mut next = match &*state {
            State::Formed(stamp) => stamp.clone(),
            State::Forming | State::Joining { .. } => return Err(DataDirError::NotStamped { path: self.path.clone() }),
            State::Failed(_) => return Err(DataDirError::Failed { path: self.path.clone() }),
        };
        let Some(answer) = change(&mut next) else { return Ok(T::default()) };
        self.replace(&mut state, next)?;
        Ok(answer)
    }

    fn replace(&self, state: &mut State, next: Stamp) -> Result<(), DataDirError> {
        let text = next.to_text();
        if !next.reads_back_from(&text) {
            return Err(DataDirError::Unreadable { path: self.path.clone() });
        }
        if let Err(error) = write_in_room(&self.path, STAMP_FILE, &text) {
            let known = std::mem::replace(state, State::Failed(None));
            *state = State::Failed(if let State::Formed(stamp) = known { Some(stamp) } else { None });
            return Err(error);
        }
        *state = State::Formed(next);
        Ok(())
    }
}

enum Found {
    Nothing,
    Forming,
    Stamp(Box<Stamp>),
}

/// Looks, and changes nothing.
fn survey(path: &Path, identity: &DataIdentity) -> Result<Found, DataDirError> {
    if let Some(stamp) = Stamp::read(&path.join(STAMP_FILE), identity)? {
        return Ok(Found::Stamp(Box::new(stamp)));
    }
    if path.join(RESTORING_FILE).exists() {
        return Err(DataDirError::Restoring { path: path.to_owned() });
    }
    if Stamp::read(&path.join(FORMING_FILE), identity)?.is_some() {
        return Ok(Found::Forming);
    }
    let ours = [LOCK_FILE, FORMING_ASIDE];
    match entries(path)?.into_iter().find(|name| !ours.contains(&name.as_str())) {
        Some(entry) => Err(DataDirError::Unstamped { path: path.to_owned(), entry }),
        None => Ok(Found::Nothing),
    }
}

/// Marks the directory as ours before anything is created in it, and clears what an earlier attempt left: without a stamp
/// this node never spoke, so nothing of it can be missed.
fn begin_forming(path: &Path, identity: &DataIdentity) -> Result<(), DataDirError> {
    for name in entries(path)? {
        let leftover = path.join(&name);
        if name == LOCK_FILE || name == FORMING_FILE {
            continue;
        }
        let removed = if leftover.is_dir() { fs::remove_dir_all(&leftover) } else { fs::remove_file(&leftover) };
        removed.map_err(failed("remove", &leftover))?;
    }
    write_aside(path, FORMING_FILE, &Stamp::first(identity).to_text())
}

/// A value of the stamp and of the configuration differ.
fn foreign(file: &Path, what: &'static str, found: impl Display, expected: impl Display) -> DataDirError {
    DataDirError::Foreign { file: file.to_owned(), what, found: found.to_string(), expected: expected.to_string() }
}
