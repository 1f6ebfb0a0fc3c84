//! The directory of a sandbox: its marker, its lock and its files. Never removes anything of a directory without the marker, and no
//! file that is not the sandbox's. Called by `sandbox`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{NODES, addresses::Addresses};
use crate::failure::Failure;

/// The file that makes a directory a sandbox's, and its text.
const MARKER: &str = "ocs-sandbox";
const MARK: &str = "This directory belongs to `ocsctl sandbox`: `ocsctl sandbox stop --remove` removes it.\n";
/// Directories of a sandbox.
const DIRS: [&str; 4] = ["data", "certs", "log", "pid"];
/// Files of a sandbox besides the configurations of the nodes; the marker goes last.
const FILES: [&str; 6] = ["sandbox.json", "campaign.toml", "token", "formed", "demo.done", "lock"];

/// The part of a sandbox that stays over starts and resets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The id of the group.
    pub(super) cluster_id: String,
    /// The addresses of the nodes.
    pub(super) addresses: Addresses,
}

/// A directory with the marker.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
}

/// The end of a sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Foreign files in its directory, which stay with the directory; empty: the directory is gone.
    pub(crate) left: Vec<String>,
}

impl Home {
    /// A directory of an earlier start, or a new one: absent or empty until now.
    pub(super) fn make(dir: &Path) -> Result<Self, Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| Failure::file(dir, error))?;
        if !is_marked(dir) {
            if let Some(entry) = names_in(dir)?.first() {
                return Err(Failure::Refused(format!(
                    "{} is no sandbox, and not empty (it has {entry}): name another directory by --dir",
                    dir.display()
                )));
            }
            write_private(&dir.join(MARKER), MARK)?;
        }
        Self::open(dir)
    }

    /// A directory of an earlier start.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        if !is_marked(dir) {
            return Err(Failure::Refused(format!(
                "{} is no sandbox: `ocsctl sandbox start` makes one, and --dir or OCSCTL_SANDBOX names one elsewhere",
                dir.display()
            )));
        }
        let dir = dir.canonicalize().map_err(|error| Failure::file(dir, error))?;
        if dir.to_str().is_none() {
            return Err(Failure::Usage(format!("{}: a sandbox needs a path in UTF-8", dir.display())));
        }
        Ok(Self { dir })
    }

    /// Keeps other commands away from the sandbox until the file is closed.
    pub(super) fn lock(&self) -> Result<File, Failure> {
        let path = self.dir.join("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| Failure::file(&path, error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Failure::Refused(format!("{} is in use by another `ocsctl sandbox`", self.dir.display())))?;
        Ok(file)
    }

    /// The absolute path.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration file of a node.
    pub(super) fn config(&self, node: &str) -> PathBuf {
        self.dir.join(format!("{node}.toml"))
    }

    /// The data directory of a node.
    pub(super) fn data(&self, node: &str) -> PathBuf {
        self.dir.join("data").join(node)
    }

    /// The directory of the certificates.
    pub(super) fn certificates(&self) -> PathBuf {
        self.dir.join("certs")
    }

    /// The directory of the logs.
    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The log of a node.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.logs().join(format!("{node}.log"))
    }

    /// The file about a node's process.
    pub(super) fn pid_file(&self, node: &str) -> PathBuf {
        self.dir.join("pid").join(format!("{node}.json"))
    }

    /// The file with the token of clients.
    pub(super) fn token(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// The campaign, as declared.
    pub(super) fn campaign(&self) -> PathBuf {
        self.dir.join("campaign.toml")
    }

    /// Writes a file that others cannot read, and the directory above it.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        let above = path.parent().unwrap_or(&self.dir);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(above);
        made.map_err(|error| Failure::file(above, error))?;
        write_private(path, text)
    }

    /// The plan of an earlier start; none: there was none.
    pub(super) fn plan(&self) -> Result<Option<Plan>, Failure> {
        let path = self.plan_file();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| Failure::file(&path, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file(&path, error)),
        }
    }

    /// Keeps a plan for later starts.
    pub(super) fn save(&self, plan: &Plan) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(plan).expect("a plan is text and numbers");
        self.write(&self.plan_file(), &format!("{text}\n"))
    }

    fn plan_file(&self) -> PathBuf {
        self.dir.join("sandbox.json")
    }

    /// Whether the nodes have formed their group.
    pub(super) fn is_formed(&self) -> bool {
        self.dir.join("formed").is_file()
    }

    /// The nodes have formed their group.
    pub(super) fn mark_formed(&self) -> Result<(), Failure> {
        self.write(&self.dir.join("formed"), "")
    }

    /// Whether the campaign is complete.
    pub(super) fn has_demo(&self) -> bool {
        self.dir.join("demo.done").is_file()
    }

    /// The campaign is complete.
    pub(super) fn mark_demo(&self) -> Result<(), Failure> {
        self.write(&self.dir.join("demo.done"), "")
    }

    /// Removes the data of the nodes, which must be stopped; addresses, certificates and token stay.
    pub(super) fn forget_data(&self) -> Result<(), Failure> {
        ["formed", "demo.done", "data"].into_iter().try_for_each(|name| remove(&self.dir.join(name)))
    }

    /// Removes the sandbox, whose nodes must be stopped. Files of others stay, and with them the directory.
    pub(super) fn remove(&self) -> Result<Removed, Failure> {
        let configs = NODES.map(|node| format!("{node}.toml"));
        let own = DIRS.into_iter().chain(FILES).chain(configs.iter().map(String::as_str)).chain([MARKER]);
        own.map(|name| self.dir.join(name)).try_for_each(|path| remove(&path))?;
        let left = names_in(&self.dir)?;
        if left.is_empty() {
            fs::remove_dir(&self.dir).map_err(|error| Failure::file(&self.dir, error))?;
        }
        Ok(Removed { left })
    }
}

fn is_marked(dir: &Path) -> bool {
    fs::read_to_string(dir.join(MARKER)).is_ok_and(|text| text == MARK)
}

fn names_in(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(dir).map_err(|error| Failure::file(dir, error))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().map_err(|error| Failure::file(path, error))
}

/// Removes a file, or a directory with its content; a symbolic link goes, and its target stays.
fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::file(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_that_has_something_else_is_no_sandbox_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let refused = Home::make(dir.path()).unwrap_err();
        assert!(refused.to_string().contains("not empty (it has notes.txt)"), "{refused}");
        assert!(Home::open(dir.path()).unwrap_err().to_string().contains("is no sandbox"));
        fs::write(dir.path().join(MARKER), "another program's file of that name").unwrap();
        assert!(Home::open(dir.path()).is_err(), "the text counts, not the name");
        assert_eq!(names_in(dir.path()).unwrap(), ["notes.txt", MARKER]);
        assert!(Home::open(&dir.path().join("absent")).is_err());
    }

    #[test]
    fn a_removed_sandbox_leaves_files_of_others_and_what_links_point_to() {
        let dir = tempfile::tempdir().unwrap();
        let (sandbox, elsewhere) = (dir.path().join("s"), dir.path().join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("kept"), "").unwrap();
        let home = Home::make(&sandbox).unwrap();
        home.mark_formed().unwrap();
        home.write(&home.log("a"), "a line").unwrap();
        symlink(&elsewhere, home.dir().join("data")).unwrap();
        fs::write(home.dir().join("notes.txt"), "mine").unwrap();
        assert_eq!(home.remove(), Ok(Removed { left: vec!["notes.txt".to_owned()] }));
        assert_eq!(names_in(&sandbox).unwrap(), ["notes.txt"]);
        assert!(elsewhere.join("kept").is_file());
        assert!(Home::open(&sandbox).is_err(), "it is a sandbox no more");

        let home = Home::make(&dir.path().join("t")).unwrap();
        home.save(&Plan { cluster_id: "x".into(), addresses: Addresses::free().unwrap() }).unwrap();
        assert_eq!(home.remove(), Ok(Removed { left: Vec::new() }));
        assert!(!dir.path().join("t").exists());
    }

    #[test]
    fn a_reset_forgets_data_and_keeps_the_plan() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(dir.path()).unwrap();
        let plan = Plan { cluster_id: "x".into(), addresses: Addresses::free().unwrap() };
        home.save(&plan).unwrap();
        home.mark_formed().unwrap();
        home.mark_demo().unwrap();
        home.write(&home.data("a").join("log"), "entries").unwrap();
        home.forget_data().unwrap();
        assert_eq!(home.plan(), Ok(Some(plan)));
        assert!(!home.is_formed() && !home.has_demo() && !home.data("a").exists());
        home.forget_data().unwrap();
    }

    #[test]
    fn one_command_at_a_time_has_a_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(dir.path()).unwrap();
        let lock = home.lock().unwrap();
        assert!(home.lock().unwrap_err().to_string().contains("in use by another"));
        drop(lock);
        assert!(home.lock().is_ok());
    }
}
