//! A disk in memory that can crash, tear, flip, fill up and fail: the second implementation of [`Disk`].
//!
//! Deterministic: no threads, no clock, no randomness but a given seed. Used by tests and by the simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::io::Errno;

use super::disk::{Disk, File};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// Something that was written and not synced when the crash came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced<'a> {
    /// A page of 4 KiB, by its number in the file.
    Page {
        /// The file.
        file: &'a str,
        /// The page's number, from 0.
        page: u64,
    },
    /// The next creation, rename or removal, in their order; after the first that is lost, all are.
    Directory,
}

/// What a crash leaves of an unsynced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The durable contents from before.
    Old,
    /// The written contents.
    New,
    /// The first so many sectors of 512 bytes as written, the rest as before (a page; else as [`Keep::Old`]).
    Sectors(usize),
}

/// The disk. Clones share one disk, which outlives the log on it, as a disk outlives a process.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    state: Arc<Mutex<DiskState>>,
}

#[derive(Debug, Default)]
struct DiskState {
    names: BTreeMap<String, Arc<Mutex<Contents>>>,
    durable_names: BTreeMap<String, Arc<Mutex<Contents>>>,
    pending: Vec<Change>,
    capacity: Option<u64>,
    fail_sync: bool,
    fail_write: bool,
    no_descriptors: bool,
    syncs: u64,
    generation: u64,
}

#[derive(Debug, Default)]
struct Contents {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Pages that a failed sync left behind: a later sync passes them over, as kernels do, until they are written again.
    lost: BTreeSet<usize>,
}

#[derive(Debug)]
enum Change {
    Create(String, Arc<Mutex<Contents>>),
    Rename(String, String),
    Remove(String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemDisk {
    /// An empty disk without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// The power goes: `keep` decides about every unsynced change. Files opened before answer with errors from now on.
    pub fn crash(&self, mut keep: impl FnMut(Unsynced<'_>) -> Keep) {
        let mut state = lock(&self.state);
        state.generation += 1;
        for change in std::mem::take(&mut state.pending) {
            if keep(Unsynced::Directory) != Keep::New {
                break;
            }
            change.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        for (name, contents) in &state.names {
            lock(contents).crash(name, &mut keep);
        }
    }

    /// As [`MemDisk::crash`], with choices drawn from a seed: old, new or torn with equal chances.
    pub fn crash_seeded(&self, seed: u64) {
        let mut draw = seed;
        self.crash(|_| match split_mix(&mut draw) % 3 {
            0 => Keep::Old,
            1 => Keep::New,
            _ => Keep::Sectors((split_mix(&mut draw) % 8) as usize),
        });
    }

    /// Another disk with the contents that are durable on this disk now, as in a snapshot of a volume.
    pub fn copy_durable(&self) -> Self {
        let state = lock(&self.state);
        let copied = |contents: &Arc<Mutex<Contents>>| {
            let durable = lock(contents).durable.clone();
            Arc::new(Mutex::new(Contents { live: durable.clone(), durable, ..Contents::default() }))
        };
        let names: BTreeMap<String, _> =
            state.durable_names.iter().map(|(name, contents)| (name.clone(), copied(contents))).collect();
        let copy = DiskState { durable_names: names.clone(), names, ..DiskState::default() };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// The process dies and the machine stays: all that was written is there, synced or not.
    pub fn kill(&self) {
        lock(&self.state).generation += 1;
    }

    /// Flips one bit, on the platter as in memory. False: no such byte.
    pub fn flip(&self, file: &str, offset: u64, bit: u8) -> bool {
        let Some(byte) = self.contents(file).and_then(|b| b.get(offset as usize).copied()) else { return false };
        self.overwrite(file, offset, &[byte ^ (1 << (bit % 8))]);
        true
    }

    /// Puts bytes into a file behind the log's back, durably. Ignored where there is no such file.
    pub fn overwrite(&self, file: &str, offset: u64, bytes: &[u8]) {
        let Some(contents) = lock(&self.state).names.get(file).cloned() else { return };
        let contents = &mut *lock(&contents);
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        for copy in [&mut contents.live, &mut contents.durable] {
            copy.resize(copy.len().max(to), 0);
            copy[from..to].copy_from_slice(bytes);
        }
    }

    /// The bytes that a process would read from a file now.
    pub fn contents(&self, file: &str) -> Option<Vec<u8>> {
        let contents = lock(&self.state).names.get(file).cloned()?;
        let bytes = lock(&contents).live.clone();
        Some(bytes)
    }

    /// Limits the sum of all files' lengths; `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.state).capacity = bytes;
    }

    /// Sum of all files' lengths.
    pub fn used(&self) -> u64 {
        lock(&self.state).used()
    }

    /// The next sync of any file fails, and no later sync writes the pages of that sync.
    pub fn fail_next_sync(&self) {
        lock(&self.state).fail_sync = true;
    }

    /// The next write to any file fails halfway.
    pub fn fail_next_write(&self) {
        lock(&self.state).fail_write = true;
    }

    /// Whether no file can be opened any more: the process has no descriptors left.
    pub fn set_no_descriptors(&self, none_left: bool) {
        lock(&self.state).no_descriptors = none_left;
    }

    /// Syncs of files that succeeded so far.
    pub fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    fn handle(&self, name: &str, contents: Arc<Mutex<Contents>>, generation: u64) -> MemFile {
        MemFile { disk: self.clone(), name: name.to_owned(), contents, generation }
    }
}

/// The generator of Steele, Lea and Flood; good enough to choose pages.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl DiskState {
    fn descriptor(&self) -> io::Result<()> {
        if self.no_descriptors { Err(io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|c| lock(c).live.len() as u64).sum()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Arc<Mutex<Contents>>>) {
        match self {
            Change::Create(name, contents) => {
                names.insert(name.clone(), contents.clone());
            }
            Change::Rename(from, to) => {
                if let Some(contents) = names.remove(from) {
                    names.insert(to.clone(), contents);
                }
            }
            Change::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Contents {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let (from, to) = (offset.min(self.live.len()), offset + bytes.len());
        self.live.resize(self.live.len().max(to), 0);
        self.live[offset..to].copy_from_slice(bytes);
        for page in from / PAGE..to.div_ceil(PAGE) {
            self.dirty.insert(page);
            self.lost.remove(&page);
        }
    }

    /// Takes over the first `bytes` bytes of a page.
    fn settle(&mut self, page: usize, bytes: usize) {
        let from = page * PAGE;
        let to = (from + bytes).min(self.live.len());
        if from >= to {
            return;
        }
        self.durable.resize(self.durable.len().max(to), 0);
        self.durable[from..to].copy_from_slice(&self.live[from..to]);
    }

    fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.settle(page, PAGE);
        }
        self.durable.resize(self.live.len(), 0);
    }

    fn fail_sync(&mut self) {
        self.lost.append(&mut self.dirty);
    }

    fn crash(&mut self, file: &str, keep: &mut impl FnMut(Unsynced<'_>) -> Keep) {
        self.fail_sync();
        for page in std::mem::take(&mut self.lost) {
            match keep(Unsynced::Page { file, page: page as u64 }) {
                Keep::Old => {}
                Keep::New => self.settle(page, PAGE),
                Keep::Sectors(n) => self.settle(page, (n * SECTOR).min(PAGE)),
            }
        }
        self.live = self.durable.clone();
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn open(&self, name: &str) -> io::Result<MemFile> {
        let state = lock(&self.state);
        state.descriptor()?;
        let contents = state.names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(name, contents, state.generation))
    }

    fn create(&self, name: &str) -> io::Result<MemFile> {
        let mut state = lock(&self.state);
        state.descriptor()?;
        let contents = Arc::<Mutex<Contents>>::default();
        state.change(Change::Create(name.to_owned(), contents.clone()));
        Ok(self.handle(name, contents, state.generation))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.state).names.keys().cloned().collect())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.durable_names = state.names.clone();
        state.pending.clear();
        Ok(())
    }
}

/// A file of a [`MemDisk`].
#[derive(Debug)]
pub struct MemFile {
    disk: MemDisk,
    name: String,
    contents: Arc<Mutex<Contents>>,
    generation: u64,
}

impl MemFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, DiskState>> {
        let state = lock(&self.disk.state);
        if state.generation == self.generation {
            return Ok(state);
        }
        Err(io::Error::other(format!("{} was opened before the crash", self.name)))
    }
}

impl File for MemFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        drop(self.alive()?);
        let contents = lock(&self.contents);
        let rest = contents.live.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(bytes.len());
        bytes[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        let length = lock(&self.contents).live.len() as u64;
        let growth = (offset + bytes.len() as u64).saturating_sub(length);
        if state.capacity.is_some_and(|most| growth > 0 && state.used() + growth > most) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if std::mem::take(&mut state.fail_write) {
            let sector = (offset as usize + bytes.len() / 2) / SECTOR * SECTOR; // a sector is never written by halves
            let written = sector.saturating_sub(offset as usize);
            lock(&self.contents).write(&bytes[..written], offset as usize);
            return Err(io::Error::other("injected: the write failed"));
        }
        lock(&self.contents).write(bytes, offset as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        if std::mem::take(&mut state.fail_sync) {
            lock(&self.contents).fail_sync();
            return Err(io::Error::other("injected: the sync failed"));
        }
        state.syncs += 1;
        lock(&self.contents).sync();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        drop(self.alive()?);
        Ok(lock(&self.contents).live.len() as u64)
    }
}
