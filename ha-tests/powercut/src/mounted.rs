//! Mounts the disk, and offers the commands that make the disk misbehave. Unmounts when dropped. Called by drills and by
//! `main`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use fuser::{BackgroundSession, Config, MountOption};

use crate::{
    calls::{Disk, FaultState, Power},
    tree::{Lost, Tree},
};

/// Calls served at the same time: hanging calls leave threads for others.
const THREADS: usize = 16;

/// The reason why no file system can be mounted here; none: mounting works.
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
    /// The error of FUSE.
    pub fn at(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let tree = Tree::new(bytes_max, 0);
        let state = FaultState { tree, power: Power::On, cuts: 0, slow: Duration::ZERO, hangs: false };
        let disk = Disk(Arc::new((Mutex::new(state), Condvar::new())));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".to_owned())];
        config.n_threads = Some(THREADS);
        let session = Some(fuser::spawn_mount(disk.clone(), path, &config)?);
        Ok(Self { path: path.to_owned(), disk, session })
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts the power: from now on no call returns. The caller then kills all programs on the disk.
    pub fn cut(&self) {
        self.turn(Power::Cut);
    }

    /// From now on every call fails, those that have waited since the cut too; so the programs that made them can end.
    pub fn off(&self) {
        self.turn(Power::Off);
    }

    /// Restores the power, after all programs on the disk have ended: unsynced writes are kept or lost as the seed says.
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

    /// So many of the next syncs fail with EIO; their writes are lost, and count as saved from then on, as in Linux.
    pub fn fail_syncs(&self, count: u64) {
        self.disk.lock().tree.failing_syncs = count;
    }

    /// The number of syncs that are still to fail.
    pub fn failing_syncs(&self) -> u64 {
        self.disk.lock().tree.failing_syncs
    }

    /// Every write and sync takes so long.
    pub fn slow(&self, by: Duration) {
        self.disk.lock().slow = by;
    }

    /// From now on no write and no sync returns, as on a frozen file system; or the waiting calls go on.
    pub fn hang(&self, hangs: bool) {
        self.disk.lock().hangs = hangs;
        self.disk.0.1.notify_all();
    }

    /// No room for a new page or name; or as before.
    pub fn full(&self, full: bool) {
        self.disk.lock().tree.full = full;
    }

    /// Flips a bit in a synced page of a file, given below the mount; returns the place of the byte.
    ///
    /// # Errors
    /// There is no such file, or no page of the file was synced.
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
