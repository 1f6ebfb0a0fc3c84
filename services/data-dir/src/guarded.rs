//! The mark of a group that a release with credentials formed: its nodes open no port to every client unless an operator
//! wrote so.
//!
//! A file of its own beside the stamp, which an older release leaves alone: the stamp has no room for a field that an older release
//! does not know. The mark stays as long as the directory, whichever Raft id the node has.

use std::path::Path;

use super::{DataDir, DataDirError, STAMP_FILE, write_aside};

const GUARDED_FILE: &str = "guarded";
const GUARDED_TEXT: &str =
    "The group of this node was formed by a release with credentials: see http_proxy.auth and control.operators.\n";

/// The release that formed the group of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormedBy {
    /// None yet: the directory has no stamp.
    Nobody,
    /// A release before credentials.
    Earlier,
    /// A release with credentials.
    Guarding,
}

/// The release that formed the group of a directory. Reads names alone.
pub fn formed_by(path: &Path) -> FormedBy {
    if !path.join(STAMP_FILE).exists() {
        FormedBy::Nobody
    } else if path.join(GUARDED_FILE).exists() {
        FormedBy::Guarding
    } else {
        FormedBy::Earlier
    }
}

impl DataDir {
    /// Marks the directory, durably. Comes before the stamp: a directory without a stamp loses its mark at the next start.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the process must end.
    pub fn guard(&self) -> Result<(), DataDirError> {
        write_aside(self.path(), GUARDED_FILE, GUARDED_TEXT)
    }

    /// Whether the directory is marked.
    pub fn is_guarded(&self) -> bool {
        self.path().join(GUARDED_FILE).exists()
    }
}

#[cfg(test)]
mod tests {
    use consensus::Kind;
    use tempfile::TempDir;

    use super::*;
    use crate::DataIdentity;

    fn open(path: &Path, bootstrap: bool) -> DataDir {
        let identity = DataIdentity { cluster_id: "demo".into(), cluster: [7; 16], node: "a".into(), kind: Kind::Data };
        DataDir::open(path, identity, bootstrap).unwrap()
    }

    #[test]
    fn a_mark_stands_beside_the_stamp_and_stays_with_the_directory() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        assert_eq!(formed_by(&path), FormedBy::Nobody);
        let directory = open(&path, true);
        directory.guard().unwrap();
        assert_eq!(formed_by(&path), FormedBy::Nobody, "the stamp comes last");
        directory.stamp().unwrap();
        directory.give_up().unwrap();
        drop(directory);
        let again = open(&path, false);
        again.join(0x3_0001, 2).unwrap();
        assert!(again.is_guarded());
        assert_eq!(formed_by(&path), FormedBy::Guarding);
    }

    #[test]
    fn a_directory_of_an_earlier_release_has_no_mark_and_one_that_was_never_stamped_loses_it() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        let directory = open(&path, true);
        directory.guard().unwrap();
        drop(directory); // the process dies before the stamp
        let again = open(&path, false);
        assert!(!again.is_guarded());
        again.join(0x1_0001, 1).unwrap(); // an earlier release's primary takes the node in
        assert_eq!(formed_by(&path), FormedBy::Earlier);
    }
}
