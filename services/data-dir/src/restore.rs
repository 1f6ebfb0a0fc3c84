//! A data directory made from a backup: empty before, marked during the restore, stamped last.
//!
//! Without the stamp the mark keeps every start away, so a restore that is cut short must be repeated. A file of its own beside
//! the stamp names the backup, and counts as long as the node is in the epoch that the restore began.

use std::{fs, io, path::Path};

use chassis::private;
use consensus::RaftId;
use serde::{Deserialize, Serialize};

use super::{
    DataDir, DataDirError, DataIdentity, FORMING_ASIDE, FORMING_FILE, Forced, LOCK_FILE, Phase, RESTORED_FILE,
    RESTORING_FILE, STAMP_FILE, create_durably, entries, failed, lock,
    stamp::{EPOCH_FIRST, NodeFile},
    sync_directory, write_aside,
};

const RESTORING_TEXT: &str =
    "A restore of a backup is under way here, or was cut short. Until it is done nothing starts here.\n";
const PREAMBLE: &str = "# Written by ocsd: the backup that this node's state was made of.\n";

/// The backup from which a directory was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The epoch that the restore began.
    pub epoch: u64,
    /// The index of the backup's state.
    pub index: u64,
    /// Time of the backup, microseconds since 1970.
    pub created_us: u64,
    /// The release that made the backup.
    pub release: String,
    /// The backup's file.
    pub file: String,
}

impl DataDir {
    /// Whether a backup may be restored into a directory: absent, empty, left by a restore that was cut short, or left by a node
    /// that never spoke. Changes nothing.
    ///
    /// # Errors
    /// [`DataDirError::Occupied`].
    pub fn check_restore(path: &Path, identity: &DataIdentity) -> Result<(), DataDirError> {
        let occupied = |entry: &str| Err(DataDirError::Occupied { path: path.to_owned(), entry: entry.to_owned() });
        let found = entries(path)?;
        if found.iter().any(|name| name == STAMP_FILE) {
            return occupied(STAMP_FILE);
        }
        let ours = found.iter().any(|name| name == RESTORING_FILE)
            || NodeFile::read(&path.join(FORMING_FILE), identity)?.is_some(); // a node that was started and never spoke
        let strays = found.iter().find(|name| ![LOCK_FILE, FORMING_ASIDE].contains(&name.as_str()));
        strays.filter(|_| !ours).map_or(Ok(()), |entry| occupied(entry))
    }

    /// Locks an empty directory and marks it: no node starts in it before [`DataDir::restored`].
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open_to_restore(path: &Path, identity: DataIdentity) -> Result<Self, DataDirError> {
        Self::check_restore(path, &identity)?;
        create_durably(path)?;
        private::make_directory(path).map_err(failed("set the mode of", path))?;
        let lock = lock(path)?;
        Self::check_restore(path, &identity)?;
        write_aside(path, RESTORING_FILE, RESTORING_TEXT)?;
        for name in entries(path)?.iter().filter(|name| ![LOCK_FILE, RESTORING_FILE].contains(&name.as_str())) {
            let left = path.join(name);
            let removed = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
            removed.map_err(failed("remove", &left))?;
        }
        sync_directory(path)?;
        let state = Phase::Forming.into();
        Ok(Self { path: path.to_owned(), identity, start: rand::random(), state, _lock: lock })
    }

    /// Makes this node the only member of a new epoch, durably. The last step of a restore: log and state must stand.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the restore is to be done again.
    pub fn restored(&self, raft_id: RaftId, forced: Forced, from: &Restored) -> Result<(), DataDirError> {
        let text = toml::to_string(from).expect("a table of words and numbers has a TOML form");
        write_aside(&self.path, RESTORED_FILE, &format!("{PREAMBLE}{text}"))?;
        let mut stamp = NodeFile::first(&self.identity);
        (stamp.raft_incarnation, stamp.epoch) = (raft_id >> 16, forced.epoch);
        stamp.forced = Some(forced);
        self.replace(&mut self.state(), stamp)?;
        let mark = self.path.join(RESTORING_FILE);
        fs::remove_file(&mark).map_err(failed("remove", &mark))?; // a mark that a crash leaves here means nothing beside a stamp
        sync_directory(&self.path)
    }

    /// The backup with which this node's epoch began; none where the epoch began in another way, or the note cannot be read.
    pub fn restored_from(&self) -> Option<Restored> {
        let file = self.path.join(RESTORED_FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, file = %file.display(), "cannot be read");
                }
                return None;
            }
        };
        let restored: Restored = toml::from_str(&text)
            .inspect_err(|error| tracing::warn!(error = error.message(), file = %file.display(), "cannot be read"))
            .ok()?;
        let epoch = self.forced().map_or(EPOCH_FIRST, |forced| forced.epoch);
        (restored.epoch == epoch && epoch == self.epoch()).then_some(restored)
    }
}

#[cfg(test)]
mod tests {
    use consensus::Kind;
    use tempfile::TempDir;

    use super::*;
    use crate::Formation;

    fn identity() -> DataIdentity {
        DataIdentity { cluster_id: "demo".into(), cluster: [7; 16], node: "a".into(), kind: Kind::Data }
    }

    fn forced() -> Forced {
        Forced { at_us: 1, epoch: 4, last_index: 90, last_commit: 90, accept_loss: true, term: 6 }
    }

    fn from() -> Restored {
        Restored { epoch: 4, index: 90, created_us: 7, release: "0.1.0".into(), file: "f".into() }
    }

    fn open(path: &Path) -> Result<DataDir, DataDirError> {
        DataDir::open(path, identity(), false)
    }

    #[test]
    fn a_restore_ends_in_a_member_of_its_epoch_that_knows_where_it_came_from() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        let directory = DataDir::open_to_restore(&path, identity()).unwrap();
        directory.restored(0x3_0000_0001, forced(), &from()).unwrap();
        drop(directory);
        let again = open(&path).unwrap();
        assert_eq!((again.formation(), again.raft_id(1), again.epoch()), (Formation::Formed, 0x3_0000_0001, 4));
        assert_eq!((again.forced(), again.restored_from()), (Some(forced()), Some(from())));
        assert!(!path.join(RESTORING_FILE).exists());
        again.order(Forced { epoch: 5, ..forced() }).unwrap();
        again.obeyed(0x4_0000_0001, 8).unwrap();
        assert_eq!(again.restored_from(), None, "an operator forced it since");
    }

    #[test]
    fn a_restore_that_was_cut_short_keeps_every_start_away_until_it_is_done_again() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        let directory = DataDir::open_to_restore(&path, identity()).unwrap();
        fs::create_dir(path.join("state")).unwrap();
        drop(directory); // the process dies
        for bootstrap in [false, true] {
            let refused = DataDir::open(&path, identity(), bootstrap).unwrap_err().to_string();
            assert!(refused.contains("was cut short") && !refused.contains('\n'), "{refused}");
        }
        let again = DataDir::open_to_restore(&path, identity()).unwrap();
        assert!(!path.join("state").exists(), "what it left is cleared");
        again.restored(1, forced(), &from()).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_empty_is_refused_and_left_as_it_is() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        let formed = DataDir::open(&path, identity(), true).unwrap();
        formed.stamp().unwrap();
        drop(formed);
        let before = entries(&path).unwrap();
        let refused = DataDir::open_to_restore(&path, identity()).unwrap_err().to_string();
        assert!(refused.contains("\"ocs-node.toml\"") && refused.contains("empty"), "{refused}");
        assert_eq!(entries(&path).unwrap(), before);
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("letter.txt"), "dear").unwrap();
        let refused = DataDir::open_to_restore(&other, identity()).unwrap_err().to_string();
        assert!(refused.contains("letter.txt"), "{refused}");
        assert_eq!(entries(&other).unwrap(), ["letter.txt"]);
    }

    #[test]
    fn a_node_that_was_started_empty_and_never_spoke_may_be_restored() {
        let parent = TempDir::new().unwrap();
        drop(open(parent.path()).unwrap());
        assert!(parent.path().join(FORMING_FILE).exists());
        let directory = DataDir::open_to_restore(parent.path(), identity()).unwrap();
        directory.restored(1, forced(), &from()).unwrap();
        assert!(!parent.path().join(FORMING_FILE).exists());
    }
}
