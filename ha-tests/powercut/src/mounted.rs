//! Mounts the disk, and the commands that make it misbehave. Unmounts when it goes. Called by drills and by `main`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use fuser::{BackgroundSession, Config, MountOption};

use crate::{
    calls::{Disk, Power, State},
    tree::{Lost, Tree},
};

/// Calls served at the same time: those that hang leave some for those that do not.
const THREADS: usize = 16;

/// Why no file system can be mounted here; none: it can.
pub fn missing() -> Option<String> {
    let device = Path::new("/dev/fuse");
    if !device.exists() {
        return Some("there is no /dev/fuse".to_owned());
    }
    if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open(device) {
        return Some(format!("/dev/fuse does not open: {error}"));
    }
    let attempt = tempfile::tempdir().and_then(|dir| Mounted::at(dir.path(), 1 << 20).map(drop));
    attempt.err().map(|error| format!("nothing can be mounted: {error}"))
}

/// A mounted disk.
#[derive(Debug)]
pub struct Mounted {
    path: PathBuf,
    disk: Disk,
    session: Option<BackgroundSession>,
}

impl Mounted {
    /// Mounts an empty disk of so many bytes on a directory.
    ///
    /// # Errors
    /// What FUSE says.
    pub fn at(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let tree = Tree::new(bytes_max, 0);
        let state = State { tree, power: Power::On, cuts: 0, slow: Duration::ZERO, hangs: false };
        let disk = Disk(Arc::new((Mutex::new(state), Condvar::new())));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".to_owned())];
        config.n_threads = Some(THREADS);
        let session = Some(fuser::spawn_mount(disk.clone(), path, &config)?);
        Ok(Self { path: path.to_owned(), disk, session })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts the power: from now on no call comes back. Whatever runs on the disk is to be killed now.
    pub fn cut(&self) {
        self.turn(Power::Cut);
    }

    /// Every call fails, those that have waited since the cut too; so those who made them can end.
    pub fn off(&self) {
        self.turn(Power::Off);
    }

    /// Power again, after all who used the disk have ended: what was not synced is kept or lost as the seed says.
    pub fn on(&self, seed: u64) -> Lost {
        let lost = {
            let mut state = self.disk.lock();
            state.cuts += 1;
            state.tree.cut(seed)
        };
        self.turn(Power::On);
        lost
    }

    fn turn(&self, power: Power) {
        self.disk.lock().power = power;
        self.disk.0.1.notify_all();
    }

    /// So many of the next syncs fail with EIO; what they should have saved is lost, and counts as saved from then on, as Linux
    /// has it.
    pub fn fail_syncs(&self, count: u64) {
        self.disk.lock().tree.failing_syncs = count;
    }

    /// How many syncs are still to fail.
    pub fn failing_syncs(&self) -> u64 {
        self.disk.lock().tree.failing_syncs
    }

    /// Every write and sync takes so long.
    pub fn slow(&self, by: Duration) {
        self.disk.lock().slow = by;
    }

    /// From now on no write and no sync comes back, as on a frozen file system; or those that waited go on.
    pub fn hang(&self, hangs: bool) {
        self.disk.lock().hangs = hangs;
        self.disk.0.1.notify_all();
    }

    /// No room for a new page or name; or as before.
    pub fn full(&self, full: bool) {
        self.disk.lock().tree.full = full;
    }

    /// Flips a bit in what was synced of a file, given below the mount; which byte.
    ///
    /// # Errors
    /// There is no such file, or nothing in it was synced.
    pub fn flip(&self, file: &Path, seed: u64) -> io::Result<u64> {
        let place = self.disk.lock().tree.flip(file, seed);
        place.map_err(|error| io::Error::new(io::ErrorKind::NotFound, format!("{}: {error:?}", file.display())))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.off();
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            eprintln!("powercut: {} stays mounted: {error}; fusermount3 -u {0}", self.path.display());
        }
    }
}
