//! Whether this process may use its data directory: checked before anything is opened, so that an operator reads owner, mode and
//! user at once.
//!
//! Checks, and changes nothing. Called by `run`.

#[cfg(test)]
mod tests;

use std::{
    fmt, fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use data_dir::{LOCK_FILE, STAMP_FILE};
use rustix::{
    fs::{Access, access},
    io::Errno,
    process::{getegid, geteuid},
};

use super::open;

/// Levels below the data directory that are checked: log and state lie flat.
const DEPTH_MAX: u32 = 4;

/// A file or a directory that this process may not use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: permission denied: it belongs to {owner} and has mode {mode:04o}, but ocsd runs as {user}; {}, or start ocsd as {owner}",
    path.display(), self.remedy()
)]
pub struct Denied {
    /// The path.
    path: PathBuf,
    data_dir: PathBuf,
    missing: Missing,
    owner: User,
    mode: u32,
    user: User,
    uid: u32,
    gid: u32,
}

/// The missing right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// To use the path, inside the data directory.
    Use,
    /// To make the data directory, in the path.
    Make,
    /// To pass through the path, which is above the data directory.
    Pass,
}

impl Denied {
    fn remedy(&self) -> String {
        let (uid, gid) = (self.uid, self.gid);
        let (path, data_dir) = (self.path.display(), self.data_dir.display());
        match self.missing {
            Missing::Use => format!("give the data directory to that user (`chown -R {uid}:{gid} {data_dir}`)"),
            Missing::Make => format!(
                "{data_dir} is not there and that user cannot make it in {path}: make it for that user (`install -d -o {uid} -g {gid} \
                 -m 700 {data_dir}`)"
            ),
            Missing::Pass => format!("let that user pass to the data directory (`chmod o+x {path}`)"),
        }
    }
}

/// A user by number, and by name where the machine knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    uid: u32,
    name: Option<String>,
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{name} (uid {})", self.uid),
            None => write!(out, "uid {}", self.uid),
        }
    }
}

impl User {
    fn of(uid: u32) -> Self {
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self { uid, name: named(&accounts, uid) }
    }
}

/// The name of a user in the text of `/etc/passwd`.
fn named(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The first obstacle; an absent path is made later, in a directory that must let this process.
pub(super) fn check(data_dir: &Path) -> Result<(), Box<Denied>> {
    let whole = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match fs::metadata(data_dir) {
        Ok(_) => {
            allowed(data_dir, whole, data_dir)?;
            for file in [STAMP_FILE, LOCK_FILE] {
                allowed(&data_dir.join(file), Access::READ_OK | Access::WRITE_OK, data_dir)?;
            }
            [open::log_in(data_dir), open::state_in(data_dir)]
                .iter()
                .try_for_each(|dir| below(dir, data_dir, DEPTH_MAX))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let visible = data_dir.ancestors().skip(1).find(|above| fs::metadata(above).is_ok());
            let denied = visible.map_or(Ok(()), |above| allowed(above, Access::EXEC_OK, data_dir));
            denied.map_err(|denied| Box::new(Denied { missing: Missing::Pass, ..*denied }))
        }
        Err(_) => {
            let there = data_dir.ancestors().skip(1).find(|above| above.exists());
            let denied = there.map_or(Ok(()), |above| allowed(above, Access::WRITE_OK | Access::EXEC_OK, data_dir));
            denied.map_err(|denied| Box::new(Denied { missing: Missing::Make, ..*denied }))
        }
    }
}

/// A directory and everything in it.
fn below(path: &Path, data_dir: &Path, depth: u32) -> Result<(), Box<Denied>> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.is_dir() {
        return allowed(path, Access::READ_OK | Access::WRITE_OK, data_dir);
    }
    allowed(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, data_dir)?;
    if depth == 0 {
        return Ok(());
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).try_for_each(|path| below(&path, data_dir, depth - 1))
}

/// Reports missing rights only: the step that meets another fault reports that fault.
fn allowed(path: &Path, wanted: Access, data_dir: &Path) -> Result<(), Box<Denied>> {
    if access(path, wanted) != Err(Errno::ACCESS) {
        return Ok(());
    }
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    Err(Box::new(Denied {
        path: path.to_owned(),
        data_dir: data_dir.to_owned(),
        missing: Missing::Use,
        owner: User::of(found.uid()),
        mode: found.mode() & 0o7777,
        user: User::of(uid),
        uid,
        gid,
    }))
}
