//! Whether this process may use its data directory: checked before anything is opened, so that an operator reads owner, mode and
//! user at once.
//!
//! Checks, and changes nothing. Called by `run`.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_where_the_machine_knows_a_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nocs:x:997:997::/var/lib/ocs:/usr/sbin/nologin\nbroken\n";
        assert_eq!(named(accounts, 997), Some("ocs".into()));
        assert_eq!(named(accounts, 5), None);
    }

    #[test]
    fn one_line_says_owner_mode_user_and_what_to_do() {
        let user = |uid, name: &str| User { uid, name: Some(name.into()) };
        let denied = Denied {
            path: "/var/lib/ocs/a/lock".into(),
            data_dir: "/var/lib/ocs/a".into(),
            missing: Missing::Use,
            owner: user(0, "root"),
            mode: 0o600,
            user: user(997, "ocs"),
            uid: 997,
            gid: 996,
        };
        assert_eq!(
            denied.to_string(),
            "/var/lib/ocs/a/lock: permission denied: it belongs to root (uid 0) and has mode 0600, but ocsd runs as ocs (uid 997); \
             give the data directory to that user (`chown -R 997:996 /var/lib/ocs/a`), or start ocsd as root (uid 0)"
        );
    }

    #[test]
    fn a_parent_in_which_nothing_can_be_made_or_passed_through_is_named_with_its_own_remedy() {
        let user = |uid| User { uid, name: None };
        let denied = |missing| Denied {
            path: "/var/lib/ocs".into(),
            data_dir: "/var/lib/ocs/a".into(),
            missing,
            owner: user(0),
            mode: 0o700,
            user: user(997),
            uid: 997,
            gid: 996,
        };
        let make = denied(Missing::Make).to_string();
        assert!(make.starts_with("/var/lib/ocs: permission denied: it belongs to uid 0"), "{make}");
        assert!(make.contains("/var/lib/ocs/a is not there") && !make.contains("chown"), "{make}");
        assert!(make.contains("`install -d -o 997 -g 996 -m 700 /var/lib/ocs/a`"), "{make}");
        let pass = denied(Missing::Pass).to_string();
        assert!(pass.contains("`chmod o+x /var/lib/ocs`") && !pass.contains("chown"), "{pass}");
    }

    #[test]
    fn a_directory_of_this_user_and_one_that_is_not_there_yet_are_fine() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(check(home.path()), Ok(()));
        assert_eq!(check(&home.path().join("below/a")), Ok(()));
    }
}
