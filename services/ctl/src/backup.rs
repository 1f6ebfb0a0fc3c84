//! What `backup` shows of a file, and the file that appears when it is whole. Never asks a node. Called by the verbs of `backup`.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;
use store::{ArchiveHead, ArchiveTail};

use crate::{failure::Failure, print};

/// Standard input or output, where a file is named so.
pub(crate) const STANDARD: &str = "-";

/// A backup, for a person or a program.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    file: String,
    cluster: String,
    node: String,
    index: u64,
    epoch: u64,
    records: u64,
    /// RFC 3339.
    created: String,
    release: String,
    digest: String,
    /// Rows of the state; not known before the file's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// The file's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl View {
    /// Of a file with this head.
    pub(crate) fn new(file: &Path, head: &ArchiveHead) -> Self {
        Self {
            file: file.display().to_string(),
            cluster: head.cluster_id.clone(),
            node: head.node.clone(),
            index: head.index,
            epoch: head.epoch,
            records: head.records,
            created: time(head.created_us),
            release: head.release.clone(),
            digest: format!("{:032x}", head.digest),
            rows: None,
            bytes: None,
        }
    }

    /// Of a file that was read to its end.
    pub(crate) fn whole(file: &Path, head: &ArchiveHead, tail: &ArchiveTail, bytes: u64) -> Self {
        Self { rows: Some(tail.state_rows), bytes: Some(bytes), ..Self::new(file, head) }
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let lines = [
            ("file", Some(self.file.clone())),
            ("cluster", Some(self.cluster.clone())),
            ("created", Some(format!("{} by {}, release {}", self.created, self.node, self.release))),
            ("index", Some(self.index.to_string())),
            ("epoch", Some(self.epoch.to_string())),
            ("records", Some(self.records.to_string())),
            ("rows", number(self.rows)),
            ("bytes", number(self.bytes)),
            ("digest", Some(self.digest.clone())),
        ];
        let known: Vec<_> = lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        print::pairs(&known)
    }
}

/// A moment in microseconds since 1970, to the second.
pub(crate) fn time(us: u64) -> String {
    let time = i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    time.map_or_else(|| "?".to_owned(), |time| format!("{time:.0}"))
}

/// A file that is written beside its place, for its owner alone, and goes again unless it is put in place.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    part: PathBuf,
    place: PathBuf,
    placed: bool,
}

impl PartFile {
    /// Begins one; an unfinished one that nobody writes any more is begun again.
    pub(crate) fn create(place: &Path) -> Result<Self, Failure> {
        let mut name = place.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let failed = |error: io::Error| Failure::file(&part, error);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&part).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::Refused(format!("{}: another ocsctl is writing it", part.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| file.set_permissions(Permissions::from_mode(0o600))).map_err(failed)?;
        Ok(Self { file, part, place: place.to_owned(), placed: false })
    }

    /// Where it is written.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// A fault of the file.
    pub(crate) fn failed(&self, error: impl std::fmt::Display) -> Failure {
        Failure::file(&self.part, error)
    }

    /// Gives it its name, durably.
    pub(crate) fn put_in_place(mut self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| self.failed(error))?;
        fs::rename(&self.part, &self.place).map_err(|error| Failure::file(&self.place, error))?;
        self.placed = true;
        let directory = self.place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|open| open.sync_all()).map_err(|error| Failure::file(directory, error))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.part); // the next attempt begins it again
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_appears_when_it_is_put_in_place_and_one_that_is_not_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("b");
        let begin = |content: &[u8]| {
            let part = PartFile::create(&place).unwrap();
            part.file().write_all(content).unwrap();
            part
        };
        fs::write(dir.path().join("b.part"), "what was left of a run that was killed").unwrap();
        let part = begin(b"one");
        assert!(PartFile::create(&place).is_err_and(|error| error.to_string().contains("another ocsctl")));
        assert!(!place.exists());
        part.put_in_place().unwrap();
        drop(begin(b"tw")); // broken off
        assert_eq!(fs::read(&place).unwrap(), b"one");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
