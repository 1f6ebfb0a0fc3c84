//! File operations of the data directory: the lock, durable names, whole replacement. Knows nothing of the files' content.
//! Called by [`super::DataDir`].

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{DataDirError, LOCK_FILE};

/// Creates the directory and makes its name durable in every directory above that had to be created too.
pub(super) fn create_durably(path: &Path) -> Result<(), DataDirError> {
    let missing = path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).count();
    fs::create_dir_all(path).map_err(failed("create", path))?;
    for above in path.ancestors().skip(1).take(missing) {
        sync_directory(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
    }
    Ok(())
}

/// The names in a directory, without the file system's own.
pub(super) fn entries(path: &Path) -> Result<Vec<String>, DataDirError> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names = listing.map(name).collect::<io::Result<Vec<_>>>().map_err(failed("read", path))?;
    names.retain(|name| !is_of_the_file_system(name));
    Ok(names)
}

/// Names that a file system creates by itself: the root of an ext4, a volume with snapshots, a file on NFS that was removed while
/// open.
fn is_of_the_file_system(name: &str) -> bool {
    const KNOWN: [&str; 8] =
        ["lost+found", ".snapshot", ".snapshots", ".zfs", "aquota.user", "aquota.group", "quota.user", "quota.group"];
    KNOWN.contains(&name) || name.starts_with(".nfs")
}

/// Takes the lock or names its holder. The kernel releases the lock however the process ends.
pub(super) fn lock(path: &Path) -> Result<File, DataDirError> {
    let file_path = path.join(LOCK_FILE);
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file_path)
        .map_err(failed("open", &file_path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(DataDirError::Locked { path: path.to_owned(), holder: holder(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", &file_path)(error)),
    }
    // overwritten in place, at a fixed length: a full disk has no room for a file that grows, and the node works without the
    // number
    match file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0) {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(failed("write", &file_path)(error)),
        _ => Ok(file),
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    match read.ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(pid) => format!(" (pid {pid})"),
        None => String::new(),
    }
}

/// Copies a file to a name of its own beside it, durably.
pub(super) fn keep(file: &Path) -> Result<PathBuf, DataDirError> {
    let mut names = (1..).map(|count| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".damaged-{count}"));
        PathBuf::from(name)
    });
    let kept = names.find(|kept| !kept.exists()).expect("numbers do not end");
    fs::copy(file, &kept).and_then(|_| File::open(&kept)?.sync_all()).map_err(failed("keep a copy as", &kept))?;
    Ok(kept)
}

/// Writes a file so that either the old or the new content is there after a power cut.
pub(super) fn write_aside(directory: &Path, name: &str, text: &str) -> Result<(), DataDirError> {
    let (aside, target) = (directory.join(format!("{name}.new")), directory.join(name));
    let mut file = File::create(&aside).map_err(failed("create", &aside))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &aside))?;
    fs::rename(&aside, &target).map_err(failed("rename to", &target))?;
    sync_directory(directory)
}

/// As [`write_aside`], but also works on a full disk: the former file becomes the next draft and keeps its blocks. A file system
/// that cannot exchange two names makes a new draft each time.
pub(super) fn write_in_room(directory: &Path, name: &str, text: &str) -> Result<(), DataDirError> {
    let (draft, target) = (directory.join(format!("{name}.new")), directory.join(name));
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(&draft).map_err(failed("create", &draft))?;
    let overwritten = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.set_len(text.len() as u64));
    overwritten.and_then(|()| file.sync_all()).map_err(failed("write", &draft))?;
    if renameat_with(CWD, &draft, CWD, &target, RenameFlags::EXCHANGE).is_err() {
        fs::rename(&draft, &target).map_err(failed("rename to", &target))?;
        // the next write needs the draft; after a failure here the next write asks for the room again
        let _ = File::create(&draft).and_then(|draft| draft.write_all_at(text.as_bytes(), 0));
    }
    sync_directory(directory)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), DataDirError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))
}

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { doing, path, source }
}
