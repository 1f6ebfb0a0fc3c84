//! Files of a process belong to its user alone, whatever the umask that it was started with. Called once, by `main`, before
//! there is a second thread, and for directories that an earlier release made.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::{
    fs::Mode,
    process::{geteuid, umask},
};

const DIRECTORY_MODE: u32 = 0o700;

/// From now on files, directories and sockets are made for this user alone; so do the processes that this one starts.
pub fn make_all() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Takes a directory of this user away from everybody else; false: it is another user's, whose matter it is.
///
/// # Errors
/// What the system says.
pub fn make_directory(path: &Path) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    if found.uid() != geteuid().as_raw() {
        return Ok(false);
    }
    if found.mode() & 0o7777 != DIRECTORY_MODE {
        fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_others_could_read_is_taken_away_from_them() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert!(make_directory(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, DIRECTORY_MODE);
    }
}
