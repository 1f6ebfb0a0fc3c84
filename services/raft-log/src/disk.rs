//! The few file operations that the log needs, and the real disk behind them.
//!
//! Nothing of the log touches files in another way, so that a simulated disk ([`super::MemDisk`]) can lose, tear and refuse.
//! Called by every part of the log.

use std::{
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{FlockOperation, flock};

use super::error::no_descriptors;

/// One flat directory of files. Clones share it.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or the system's error.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Creates an empty file, in place of one of the same name. Its name is durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// The system's error.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Renames a file, over a file that may be there. Durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// The system's error.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// `NotFound`, or the system's error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Names of all files, in any order.
    ///
    /// # Errors
    /// The system's error.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// The system's error.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file; shared between the writing thread and the reading threads.
pub trait File: Send + Sync + 'static {
    /// Reads at a place; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// The system's error.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes at a place; durable after [`File::sync`].
    ///
    /// # Errors
    /// `StorageFull` where the file cannot grow, or the system's error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// fdatasync: contents and length are durable on return.
    ///
    /// # Errors
    /// The system's error; bytes written since the last success may be lost then.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The system's error.
    fn length(&self) -> io::Result<u64>;
}

/// A directory of the real file system, locked against a second process while any clone lives.
#[derive(Debug, Clone)]
pub struct FileDisk {
    directory: Arc<Directory>,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    handle: fs::File,
    /// Spare descriptors, to be closed when no other descriptor is left.
    reserve: Mutex<Vec<fs::File>>,
}

/// Descriptors kept for the log's own files: the next segment, and the segments that readers open.
const RESERVE_DESCRIPTORS: usize = 16;

impl Directory {
    /// Gives a descriptor of the reserve back to the process. False: the reserve is empty.
    fn give(&self) -> bool {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    fn refill(&self) {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        while reserve.len() < RESERVE_DESCRIPTORS {
            let Ok(kept) = self.handle.try_clone() else { return };
            reserve.push(kept);
        }
    }
}

impl FileDisk {
    /// Opens a directory, and makes a missing one (its parent must exist).
    ///
    /// # Errors
    /// `WouldBlock` if another process has it, or the system's error.
    pub fn new(path: &Path) -> io::Result<Self> {
        match fs::create_dir(path) {
            Ok(()) => sync_parent(path)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let handle = fs::File::open(path)?;
        flock(&handle, FlockOperation::NonBlockingLockExclusive).map_err(|e| in_use(path, e.into()))?;
        let directory = Directory { path: path.to_owned(), handle, reserve: Mutex::default() };
        directory.refill();
        Ok(Self { directory: Arc::new(directory) })
    }

    /// Opens a file, with a descriptor of the reserve where no other is left: too many connections must not end the log.
    fn opened(&self, open: impl Fn() -> io::Result<fs::File>) -> io::Result<fs::File> {
        loop {
            match open() {
                Err(error) if no_descriptors(&error) && self.directory.give() => {}
                opened => {
                    self.directory.refill();
                    return opened;
                }
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path.join(name)
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}

fn in_use(path: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        return io::Error::new(error.kind(), format!("{} is in use by another process", path.display()));
    }
    error
}

impl Disk for FileDisk {
    type File = fs::File;

    fn open(&self, name: &str) -> io::Result<fs::File> {
        self.opened(|| fs::OpenOptions::new().read(true).write(true).open(self.path(name)))
    }

    fn create(&self, name: &str) -> io::Result<fs::File> {
        self.opened(|| fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(name)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.directory.path)?
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.handle.sync_all()
    }
}

impl File for fs::File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            match FileExt::read_at(self, &mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
