//! Files for temporary use, which no other process finds by a name. Never leaves a file behind. Called by `spool` and `encoding`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
};

/// A file for temporary use, which goes with the process.
pub(crate) fn unnamed() -> io::Result<File> {
    let place = std::env::temp_dir().join(format!("ocsctl-{:032x}", rand::random::<u128>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&place)?;
    fs::remove_file(&place)?;
    Ok(file)
}

/// The copy is at a place that the command line does not name.
pub(crate) fn not_copied(error: io::Error) -> io::Error {
    let place = std::env::temp_dir();
    io::Error::other(format!("it cannot be copied to {}: {error}; TMPDIR names another place", place.display()))
}
