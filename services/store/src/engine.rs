//! One generation of the state on fjall: its keyspaces, their options, ordered reads.
//!
//! `state` holds the rows that the digest covers and, under tag 0, the store's own rows (mark, digests); `requests` holds the
//! digest's short-lived rows; `index` holds derived rows. More keyspaces would cost disk: a seldom written keyspace keeps old
//! journals alive until their limit. Never decides the meaning of a row. Called by `store`, `view`, `requests`, `indexes`, `ingest`.

use std::{
    fs,
    io::{self, ErrorKind},
    ops::Bound,
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use fjall::{
    AbstractTree, Database, Iter, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Slice,
    Snapshot, compaction::Leveled,
};
use lsm_tree::Guard as _;
use records::behind_prefix;

use crate::{
    StoreConfig,
    error::StoreError,
    journal,
    mark::{Digests, IndexMark, StateMark},
    rows::{LANES, Space},
    stamp::sync_directory,
};

/// Key of the mark of the index rows.
pub(crate) const INDEXES_KEY: &[u8] = b"\0indexes";
/// Key of the applied mark.
pub(crate) const STATE_KEY: &[u8] = b"\0applied";
/// Key of the digests kept.
pub(crate) const DIGESTS_KEY: &[u8] = b"\0digests";
/// Names of the keyspaces of format 1; format 2 adds the lanes.
const SPACES: [&str; 2] = ["state", "index"];
const LANE_SPACES: [&str; LANES] = ["requests-0", "requests-1", "requests-2", "requests-3"];
/// Memtable size of a lane: [`StoreConfig::write_buffer_bytes`] divided by this. Smaller tables are dropped sooner, and a seldom
/// written lane keeps fewer journals.
const LANE_BUFFER_PART: u64 = 4;
/// Marker file in the directory of a store whose state was found wrong, until the node installs another state.
pub(crate) const DOUBTED: &str = "DOUBTED";
/// Level-0 tables at most, before a compaction. A compaction competes for the disk with the syncs of the log: seldom is better.
const YOUNG_TABLES_MAX: u8 = 8;

/// An open database, shared by the store and all readers.
pub(crate) struct Engine {
    /// None only during the drop.
    open: Option<Open>,
    path: PathBuf,
    cluster: [u8; 16],
    /// Set: the last reader removes the directory.
    doomed: AtomicBool,
    /// Set: the last reader moves the directory here instead.
    aside: OnceLock<PathBuf>,
}

struct Open {
    database: Database,
    state: Keyspace,
    index: Keyspace,
    requests: [Keyspace; LANES],
}

impl Engine {
    /// Opens the database in `path`. A database without one of its keyspaces is damaged: the engine would open an empty keyspace
    /// in its place. `format`: that of the store.
    pub(crate) fn open(path: &Path, config: &StoreConfig, format: u32) -> Result<Self, StoreError> {
        let database = match open_database(path, config) {
            Err(refusal) if refusal.may_be_set_aside() && cut_journal(path, &refusal)? => open_database(path, config)?,
            opened => opened?,
        };
        let lanes = LANE_SPACES.into_iter().filter(|_| format >= 2);
        if let Some(missing) = SPACES.into_iter().chain(lanes).find(|name| !database.keyspace_exists(name)) {
            return Err(StoreError::Damaged(format!("its keyspace {missing} is not there")));
        }
        Self::with_keyspaces(database, path, config)
    }

    /// Makes an empty database in `path`, durable with every name in it: the engine leaves some of its directories unsynced.
    pub(crate) fn create(path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        let engine = Self::with_keyspaces(open_database(path, config)?, path, config)?;
        engine.sync_names()?;
        Ok(engine)
    }

    /// Makes the names of all directories of the database durable.
    pub(crate) fn sync_names(&self) -> Result<(), StoreError> {
        sync_directories(&self.path).map_err(StoreError::io(format!("syncing {}", self.path.display())))
    }

    fn with_keyspaces(database: Database, path: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        let leveled = Arc::new(Leveled::default().with_l0_threshold(YOUNG_TABLES_MAX));
        let keyspace = |name, memory_bytes| {
            let options = || {
                let memory = KeyspaceCreateOptions::default().max_memtable_size(memory_bytes);
                memory.compaction_strategy(leveled.clone())
            };
            database.keyspace(name, options).map_err(StoreError::engine("opening a keyspace"))
        };
        let buffer_bytes = config.write_buffer_bytes;
        let (state, index) = (keyspace(SPACES[0], buffer_bytes)?, keyspace(SPACES[1], buffer_bytes)?);
        let lane = |at: usize| keyspace(LANE_SPACES[at], buffer_bytes / LANE_BUFFER_PART);
        let requests = [lane(0)?, lane(1)?, lane(2)?, lane(3)?];
        let open = Some(Open { database, state, index, requests });
        Ok(Self {
            open,
            path: path.to_owned(),
            cluster: config.cluster,
            doomed: AtomicBool::new(false),
            aside: OnceLock::new(),
        })
    }

    /// The cluster that the state belongs to.
    pub(crate) fn cluster(&self) -> &[u8; 16] {
        &self.cluster
    }

    fn parts(&self) -> &Open {
        self.open.as_ref().expect("open until it is dropped")
    }

    /// One of the keyspaces.
    pub(crate) fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::State => &self.parts().state,
            Space::Index => &self.parts().index,
            Space::Requests(lane) => &self.parts().requests[usize::from(lane)],
        }
    }

    /// An empty batch; a commit writes the batch to the operating system, without a sync.
    pub(crate) fn batch(&self, rows: usize) -> OwnedWriteBatch {
        let batch = OwnedWriteBatch::with_capacity(self.parts().database.clone(), rows);
        batch.durability(Some(PersistMode::Buffer))
    }

    pub(crate) fn persist(&self, mode: PersistMode) -> Result<(), StoreError> {
        self.parts().database.persist(mode).map_err(StoreError::engine("syncing the journal"))
    }

    /// Only between two batches, and only by the writer's thread (see `reader`).
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.parts().database.snapshot()
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.parts().database.disk_space().unwrap_or(0)
    }

    /// The value under a key, forgotten or not.
    pub(crate) fn get(&self, at: Option<&Snapshot>, space: Space, key: &[u8]) -> fjall::Result<Option<Slice>> {
        match at {
            None => self.keyspace(space).get(key),
            Some(snapshot) => snapshot.get(self.keyspace(space), key),
        }
    }

    /// All rows from `from` on whose key begins with `prefix`, in order.
    pub(crate) fn range(&self, at: Option<&Snapshot>, space: Space, from: &[u8], prefix: &[u8]) -> Option<Iter> {
        let (lower, upper) = (from.max(prefix), behind_prefix(prefix));
        if upper.as_ref().is_some_and(|upper| upper[..] <= *lower) {
            return None;
        }
        Some(self.between(at, space, lower, upper))
    }

    /// All rows from `from` on, up to before `until`, in order.
    pub(crate) fn between(&self, at: Option<&Snapshot>, space: Space, from: &[u8], until: Option<Vec<u8>>) -> Iter {
        let range = (Bound::Included(from.to_vec()), until.map_or(Bound::Unbounded, Bound::Excluded));
        match at {
            None => self.keyspace(space).range(range),
            Some(snapshot) => snapshot.range(self.keyspace(space), range),
        }
    }

    /// The rows of a snapshot, read from the current tables without holding the snapshot. These tables stay on disk, and the
    /// engine keeps no later writes in memory for them. The engine must outlive the iterator.
    pub(crate) fn between_apart(
        &self,
        at: &Snapshot,
        space: Space,
        from: &[u8],
        until: Option<Vec<u8>>,
    ) -> impl Iterator<Item = fjall::Result<(Slice, Slice)>> + Send + use<> {
        let range = (Bound::Included(from.to_vec()), until.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = self.keyspace(space).tree.range(range, at.seqno(), None);
        rows.map(|row| row.into_inner().map_err(Into::into))
    }

    /// The applied mark with the digest at this mark; a database without a mark is empty.
    pub(crate) fn state(&self, at: Option<&Snapshot>) -> Result<StateMark, StoreError> {
        let bytes = self.get(at, Space::State, STATE_KEY).map_err(StoreError::engine("reading the applied mark"))?;
        bytes.map_or_else(|| Ok(StateMark::default()), |bytes| StateMark::decode(&bytes))
    }

    /// The digests kept.
    pub(crate) fn digests(&self, at: Option<&Snapshot>) -> Result<Digests, StoreError> {
        let bytes = self.get(at, Space::State, DIGESTS_KEY).map_err(StoreError::engine("reading the digests"))?;
        bytes.map_or_else(|| Ok(Digests::default()), |bytes| Digests::decode(&bytes))
    }

    /// The form of the index rows.
    pub(crate) fn index_mark(&self, at: Option<&Snapshot>) -> Result<IndexMark, StoreError> {
        let bytes = self.get(at, Space::State, INDEXES_KEY);
        let bytes = bytes.map_err(StoreError::engine("reading the mark of the indexes"))?;
        bytes.map_or_else(|| Ok(IndexMark::first()), |bytes| IndexMark::of(&bytes))
    }

    /// Marks the state as wrong for the next start; best effort.
    pub(crate) fn mark_doubted(&self) {
        let marked = self.path.parent().map_or(Ok(()), |dir| fs::File::create(dir.join(DOUBTED)).map(drop));
        if let Err(error) = marked {
            tracing::error!(%error, "the state could not be marked as wrong");
        }
    }

    /// Removes the directory once the last reader has dropped the engine.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// Moves the directory to `aside` instead, for an operator to inspect; an earlier directory there is removed.
    pub(crate) fn doom_to(&self, aside: PathBuf) {
        let _ = self.aside.set(aside); // `doom_to` runs at most once
        self.doom();
    }

    fn remove(&self) -> io::Result<()> {
        let Some(aside) = self.aside.get() else { return fs::remove_dir_all(&self.path) };
        match fs::remove_dir_all(aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::rename(&self.path, aside),
        }
    }
}

/// Turns the engine's faults over incomplete files, panics included, into errors.
fn open_database(path: &Path, config: &StoreConfig) -> Result<Database, StoreError> {
    let open = || {
        Database::builder(path)
            .cache_size(config.cache_bytes)
            .max_journaling_size(config.journal_bytes_max)
            .max_cached_files(Some(config.open_files_max))
            .worker_threads(config.workers)
            .open()
    };
    match catch_unwind(open) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(fjall::Error::Locked)) => Err(StoreError::Locked(path.to_owned())),
        Ok(Err(source)) => Err(StoreError::Engine { what: "opening the database", source }),
        Err(_panic) => Err(StoreError::Damaged("the engine panicked when it opened the database".to_owned())),
    }
}

/// Makes the names of all directories below `path` durable.
fn sync_directories(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync_directory(path)
}

/// Cuts a torn batch off the journal; true: opening is worth a retry.
fn cut_journal(path: &Path, refusal: &StoreError) -> Result<bool, StoreError> {
    let cut = journal::cut_torn(path).map_err(StoreError::io(format!("cutting the journal in {}", path.display())))?;
    if let Some(bytes) = cut {
        tracing::warn!(bytes, %refusal, "cut a torn batch off the state's journal; the log has what it was");
    }
    Ok(cut.is_some())
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.open.take());
        if self.doomed.load(Ordering::Acquire)
            && let Err(error) = self.remove()
        {
            tracing::warn!(%error, path = %self.path.display(), "an old state stays until the store opens again");
        }
    }
}
