//! The output file of a verb. A regular file appears under its name once complete, and replaces another file only on request;
//! a device, a FIFO or a socket is written through, as a shell does.
//!
//! Never asks a node. Called by `backup create`, `list export` and `dnc export`.

#[cfg(test)]
mod tests;

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
