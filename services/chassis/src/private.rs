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
/// The bits by which the group and all other users can read a file.
const READABLE_BY_OTHERS: u32 = 0o044;

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

/// The line about a private key that other users can read: the file and the remedy. None: no other user can, or the file cannot be
/// looked at, which is another fault.
pub fn exposed_key(key: &Path) -> Option<String> {
    exposed_secret(key, "private key")
}

/// As [`exposed_key`], for a file of another kind of secret, named by `kind`.
pub fn exposed_secret(file: &Path, kind: &str) -> Option<String> {
    let mode = fs::metadata(file).ok()?.mode() & 0o7777;
    let file = file.display();
    (mode & READABLE_BY_OTHERS != 0)
        .then(|| format!("{file}: other users can read this {kind} (mode {mode:04o}): chmod 600 {file}"))
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

    #[test]
    fn a_key_that_the_group_or_all_can_read_is_named_with_the_remedy() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("a.key");
        assert_eq!(exposed_key(&key), None, "a key that is not there is another fault");
        fs::write(&key, "key").unwrap();
        for (mode, exposed) in
            [(0o600, false), (0o400, false), (0o700, false), (0o640, true), (0o604, true), (0o644, true)]
        {
            fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            let line = exposed_key(&key);
            assert_eq!(line.is_some(), exposed, "{mode:o}");
            let remedy = format!("(mode {mode:04o}): chmod 600 {}", key.display());
            assert!(line.is_none_or(|line| line.ends_with(&remedy) && !line.contains('\n')), "{mode:o}");
        }
    }
}
