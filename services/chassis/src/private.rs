//! Files of a process are private to its user, independent of the inherited umask. Called once, by `main`, before the process
//! starts a second thread, and for directories of an earlier release.

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

/// Makes later files, directories and sockets private to this user, in child processes too.
pub fn make_all() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a directory of this user private; false: the directory belongs to another user and stays unchanged.
///
/// # Errors
/// The system's error.
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
