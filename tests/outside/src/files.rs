//! Files of an operator: `list import`, `dnc import`, `apply`.

use std::{
    fs::File,
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use declarations::{parse, to_toml};
use list_files::{CsvOptions, EntryScope, FileFault, Source};
use rustix::fs::{MemfdFlags, memfd_create};

pub(super) fn records(bytes: &[u8]) -> bool {
    is_taken(bytes, |path| Source::open(path, "demo", &CsvOptions::default()))
}

pub(super) fn entries(bytes: &[u8]) -> bool {
    is_taken(bytes, |path| Source::open_entries(path, &EntryScope::default(), &CsvOptions::default()))
}

/// What `export-config` writes of a declaration is read as the same declaration.
pub(super) fn declarations(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(written) = written(text) else { return false };
    let again = self::written(&written);
    assert_eq!(again.as_ref(), Ok(&written), "the written file is read as another declaration");
    true
}

/// The declaration of a text as `export-config` writes it; or a line for each fault, as `apply` tells it.
fn written(text: &str) -> Result<String, Vec<String>> {
    match parse(text) {
        Ok((declaration, _)) => Ok(to_toml(&declaration)),
        Err(faults) => Err(faults.iter().map(|fault| fault.in_file("file")).collect()),
    }
}

/// Lets a reader open bytes as a file, which stands on no disk, and reads the file to its end.
fn is_taken(bytes: &[u8], open: impl FnOnce(&Path) -> Result<Source, FileFault>) -> bool {
    let mut file = File::from(memfd_create("bytes", MemfdFlags::CLOEXEC).expect("the system makes a file in memory"));
    file.write_all(bytes).expect("a file in memory takes bytes");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    open(&path).and_then(all_rows).is_ok()
}

/// Every row of a file whose header was found fit, and every remark on it.
fn all_rows(source: Source) -> Result<(), FileFault> {
    let _ = (source.notes(), source.check_new_names()); // a refusal of names is no refusal of the file
    source.into_pieces().try_for_each(|piece| piece.map(|_| ()))
}
