//! The output file of a verb. A regular file appears under its name once complete, and replaces another file only on request;
//! a device, a FIFO or a socket is written through, as a shell does.
//!
//! Never asks a node. Called by `backup create`, `list export` and `dnc export`.

use std::{
    fmt::Display,
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Symbolic links that are followed in a row: as many as the system follows.
const LINKS_MAX: usize = 40;

/// Permissions of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// By the umask; a file that replaces another file takes over its permissions.
    Umask,
}

/// The target of a verb's output.
#[derive(Debug)]
pub(crate) enum OutputFile {
    /// A device, a FIFO or a socket: opened for writing, otherwise unchanged.
    Through { file: File, path: PathBuf },
    /// A regular file, beside its place until complete.
    Part(PartFile),
}

impl OutputFile {
    /// Opens the file of this name; `force`: a regular file of that name is replaced. Opening a FIFO waits for its reader.
    pub(crate) fn create(named: &Path, force: bool, readers: Readers) -> Result<Self, Failure> {
        let replaced = match fs::metadata(named) {
            Ok(found) if found.is_dir() => return Err(Failure::file(named, "it is a directory")),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(named).map_err(|error| Failure::file(named, error))?;
                return Ok(Self::Through { file, path: named.to_owned() });
            }
            Ok(_) if !force => return Err(exists(named)),
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file(named, error)),
        };
        let part = PartFile::create(&followed(named)?, force, readers)?;
        if let Some(replaced) = replaced.filter(|_| readers == Readers::Umask) {
            part.belong_as(&replaced).map_err(|error| Failure::file(&part.part, error))?;
        }
        Ok(Self::Part(part))
    }

    /// Where the bytes go.
    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Through { file, .. } => file,
            Self::Part(part) => &part.file,
        }
    }

    /// A fault of the file.
    pub(crate) fn failed(&self, error: impl Display) -> Failure {
        match self {
            Self::Through { path, .. } => Failure::file(path, error),
            Self::Part(part) => Failure::file(&part.part, error),
        }
    }

    /// Makes the written bytes durable, and gives a regular file its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            // a device that keeps nothing has nothing to make durable
            Self::Through { file, path } => match file.sync_all() {
                Err(error) if !is_unsupported(&error) => Err(Failure::file(&path, error)),
                _ => Ok(()),
            },
            Self::Part(part) => part.put_in_place(),
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Refused(format!("{}: a file of this name exists; --force replaces it", path.display()))
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::ReadOnlyFilesystem)
}

/// The place behind symbolic links, also where the last link leads to no file.
fn followed(named: &Path) -> Result<PathBuf, Failure> {
    let mut place = named.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&place) {
            Ok(target) => place = directory_of(&place).join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(Failure::file(named, "too many symbolic links"))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is written beside its place, and removed on drop unless put in place.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    part: PathBuf,
    place: PathBuf,
    force: bool,
    placed: bool,
}

impl PartFile {
    /// Begins a part file; an abandoned part file is begun again.
    fn create(place: &Path, force: bool, readers: Readers) -> Result<Self, Failure> {
        let mut name = place.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let failed = |error: io::Error| Failure::file(&part, error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        if readers == Readers::Owner {
            options.mode(0o600);
        }
        let file = options.open(&part).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::Refused(format!("{}: another ocsctl is writing it", part.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        if readers == Readers::Owner {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        }
        Ok(Self { file, part, place: place.to_owned(), force, placed: false })
    }

    /// Takes over owner, group and mode of another file; an owner or a group that this user may not give stays the user's
    /// own.
    fn belong_as(&self, other: &Metadata) -> io::Result<()> {
        let _ = fchown(&self.file, Some(other.uid()), Some(other.gid()));
        self.file.set_permissions(other.permissions())
    }

    /// Gives the file its name, durably. Without `force`, a file that appeared under that name meanwhile is kept.
    fn put_in_place(mut self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| Failure::file(&self.part, error))?;
        if !self.force && fs::symlink_metadata(&self.place).is_ok() {
            return Err(exists(&self.place));
        }
        fs::rename(&self.part, &self.place).map_err(|error| Failure::file(&self.place, error))?;
        self.placed = true;
        let directory = directory_of(&self.place);
        File::open(directory).and_then(|open| open.sync_all()).map_err(|error| Failure::file(directory, error))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.part); // the next attempt begins a part file again
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::fs::symlink,
        thread,
    };

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn begin(place: &Path, force: bool, content: &[u8]) -> OutputFile {
        let output = OutputFile::create(place, force, Readers::Owner).unwrap();
        output.file().write_all(content).unwrap();
        output
    }

    #[test]
    fn a_file_appears_when_it_is_whole_and_one_that_is_not_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("b");
        fs::write(dir.path().join("b.part"), "what was left of a run that was killed").unwrap();
        let part = begin(&place, false, b"one");
        let second = OutputFile::create(&place, false, Readers::Owner);
        assert!(second.is_err_and(|error| error.to_string().contains("another ocsctl")));
        assert!(!place.exists());
        part.finish().unwrap();
        drop(begin(&place, true, b"tw")); // broken off
        assert_eq!(fs::read(&place).unwrap(), b"one");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_exists_is_replaced_by_force_alone_also_where_it_came_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("b");
        let late = begin(&place, false, b"late");
        fs::write(&place, "old").unwrap();
        for refused in [late.finish(), OutputFile::create(&place, false, Readers::Owner).map(|_| ())] {
            assert!(refused.is_err_and(|error| error.exit_code() == 1 && error.to_string().contains("--force")));
        }
        assert_eq!(fs::read(&place).unwrap(), b"old");
        begin(&place, true, b"new").finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert!(OutputFile::create(dir.path(), true, Readers::Owner).is_err(), "a directory");
    }

    #[test]
    fn a_file_that_replaces_another_one_has_its_mode_where_the_umask_would_count() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("b");
        let mode = |readers| {
            OutputFile::create(&place, true, readers).unwrap().finish().unwrap();
            fs::metadata(&place).unwrap().permissions().mode() & 0o777
        };
        fs::write(&place, "old").unwrap();
        for kept in [0o600, 0o640, 0o444] {
            fs::set_permissions(&place, Permissions::from_mode(kept)).unwrap();
            assert_eq!(mode(Readers::Umask), kept);
        }
        assert_eq!(mode(Readers::Owner), 0o600, "whatever the earlier file had");
    }

    #[test]
    fn symbolic_links_are_followed_and_stay_also_where_they_lead_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("far")).unwrap();
        let (link, place) = (dir.path().join("link"), dir.path().join("far/b"));
        symlink("far/again", &link).unwrap();
        symlink("b", dir.path().join("far/again")).unwrap();
        begin(&link, false, b"one").finish().unwrap();
        assert!(OutputFile::create(&link, false, Readers::Owner).is_err(), "the target exists now");
        begin(&link, true, b"two").finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"two");
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink() && !fs::symlink_metadata(&place).unwrap().is_symlink()
        );
        let circle = dir.path().join("circle");
        symlink("circle", &circle).unwrap();
        assert!(OutputFile::create(&circle, true, Readers::Owner).is_err());
    }

    #[test]
    fn a_fifo_is_written_through_and_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
        let reading = fifo.clone();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            File::open(reading).and_then(|mut open| open.read_to_string(&mut text)).map(|_| text)
        });
        begin(&fifo, false, b"through").finish().unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "through");
        assert!(!fs::metadata(&fifo).unwrap().is_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_through_and_its_error_is_told() {
        let dir = tempfile::tempdir().unwrap(); // a fault would replace the link, not the machine's device
        let link = |name: &str| {
            let link = dir.path().join(name);
            symlink(Path::new("/dev").join(name), &link).unwrap();
            link
        };
        begin(&link("null"), false, b"nothing").finish().unwrap();
        let full = OutputFile::create(&link("full"), false, Readers::Owner).unwrap();
        let error = full.file().write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(full.failed(error).to_string().contains("full: No space left"));
        assert!(fs::read_dir(dir.path()).unwrap().all(|entry| entry.unwrap().path().is_symlink()));
    }
}
