//! The readers of files from outside, on bytes in memory: an entrance for fuzzers.
//!
//! Never asks a node. Called by `tests/outside`.

use std::{
    fs::File,
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::{
    cli::CsvArgs,
    declare::{DeclaredFile, to_toml},
    failure::Failure,
    import::{entries::EntryScope, source::Source},
};

/// Reads the file of `list import` to its end.
///
/// # Errors
/// The line that the program would write: the file is refused.
pub fn records(bytes: &[u8]) -> Result<(), String> {
    in_a_file(bytes, |path| all_rows(Source::open(path, "demo", &CsvArgs::default())?))
}

/// Reads the file of `dnc import` to its end.
///
/// # Errors
/// As [`records`].
pub fn entries(bytes: &[u8]) -> Result<(), String> {
    in_a_file(bytes, |path| all_rows(Source::open_entries(path, &EntryScope::default(), &CsvArgs::default())?))
}

/// Reads the file of `apply`, and writes its declaration as `export-config` does.
///
/// # Errors
/// As [`records`].
pub fn declaration(bytes: &[u8]) -> Result<String, String> {
    in_a_file(bytes, |path| Ok(to_toml(&DeclaredFile::open(path)?.declaration)))
}

/// Every row of a file whose header was found fit, and every remark on it.
fn all_rows(source: Source) -> Result<(), Failure> {
    let _ = (source.notes(), source.check_new_names()); // a refusal of names is no refusal of the file
    source.into_pieces().try_for_each(|piece| piece.map(|_| ()))
}

/// Lets a reader open bytes as a file, which stands on no disk.
fn in_a_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, String> {
    let mut file = File::from(memfd_create("bytes", MemfdFlags::CLOEXEC).expect("the system makes a file in memory"));
    file.write_all(bytes).expect("a file in memory takes bytes");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    read(&path).map_err(|failure| failure.to_string())
}
