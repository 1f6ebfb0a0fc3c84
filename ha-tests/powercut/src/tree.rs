//! The names and files of the disk, twice: as programs see them, and as they are on the disk; and the effect of a power cut.
//!
//! A change of names is durable once its directory was synced, and not before, whatever other syncs there were (the strict
//! reading of POSIX). Knows nothing of FUSE but its error numbers. Called by `calls` and `mounted`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::Path,
};

use fuser::Errno;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::content::{Content, Odds, PAGE};

/// Number of the top directory.
pub(crate) const ROOT: u64 = 1;

/// Names in a directory.
pub(crate) type Names = BTreeMap<OsString, u64>;

/// The owner of a number.
#[derive(Debug)]
pub(crate) enum Node {
    File(Content),
    Directory { live: Names, durable: Names },
}

/// A change of names that is not durable yet: happens as a whole or not at all.
#[derive(Debug)]
struct Change {
    /// Directory, name, and the number behind the name afterwards.
    names: Vec<(u64, OsString, Option<u64>)>,
}

/// The losses of a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Pages that did not reach the disk, or not whole.
    pub pages: u64,
    /// Changes of names that did not reach the disk.
    pub names: u64,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// Changes of names that were not synced, in order.
    pending: Vec<Change>,
    /// Files that are open, and the number of their handles.
    open: BTreeMap<u64, u64>,
    pages_max: u64,
    /// The disk is full.
    pub(crate) full: bool,
    /// The number of next syncs that fail.
    pub(crate) failing_syncs: u64,
    pub(crate) chance: StdRng,
}

impl Tree {
    pub(crate) fn new(bytes_max: u64, seed: u64) -> Self {
        let root = Node::Directory { live: Names::new(), durable: Names::new() };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            pending: Vec::new(),
            open: BTreeMap::new(),
            pages_max: bytes_max / PAGE,
            full: false,
            failing_syncs: 0,
            chance: StdRng::seed_from_u64(seed),
        }
    }

    // === looking ===

    pub(crate) fn node(&self, number: u64) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    pub(crate) fn names(&self, directory: u64) -> Result<&Names, Errno> {
        match self.node(directory)? {
            Node::Directory { live, .. } => Ok(live),
            Node::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(crate) fn find(&self, directory: u64, name: &OsStr) -> Result<u64, Errno> {
        self.names(directory)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(crate) fn file(&mut self, number: u64) -> Result<&mut Content, Errno> {
        match self.nodes.get_mut(&number).ok_or(Errno::ENOENT)? {
            Node::File(content) => Ok(content),
            Node::Directory { .. } => Err(Errno::EISDIR),
        }
    }

    /// Pages in all, and free.
    pub(crate) fn room(&self) -> (u64, u64) {
        let content = |node: &Node| if let Node::File(content) = node { content.pages() } else { 1 };
        let used: u64 = self.nodes.values().map(content).sum();
        let free = if self.full { 0 } else { self.pages_max.saturating_sub(used) };
        (self.pages_max, free)
    }

    fn take_room(&self, pages: u64) -> Result<(), Errno> {
        if pages > 0 && self.room().1 < pages { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    // === changing ===

    /// A new file or directory.
    pub(crate) fn make(&mut self, directory: u64, name: &OsStr, node: Node) -> Result<u64, Errno> {
        if self.names(directory)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.take_room(1)?;
        let number = self.next;
        self.next += 1;
        self.nodes.insert(number, node);
        self.change(vec![(directory, name.to_owned(), Some(number))]);
        Ok(number)
    }

    pub(crate) fn remove(&mut self, directory: u64, name: &OsStr) -> Result<(), Errno> {
        let number = self.find(directory, name)?;
        self.check_empty(number)?;
        self.change(vec![(directory, name.to_owned(), None)]);
        self.forget_unused();
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Result<(), Errno> {
        let number = self.find(from.0, from.1)?;
        if let Ok(replaced) = self.find(to.0, to.1) {
            self.check_empty(replaced)?;
        }
        self.change(vec![(from.0, from.1.to_owned(), None), (to.0, to.1.to_owned(), Some(number))]);
        self.forget_unused();
        Ok(())
    }

    fn check_empty(&self, number: u64) -> Result<(), Errno> {
        match self.node(number)? {
            Node::Directory { live, .. } if !live.is_empty() => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }

    fn change(&mut self, names: Vec<(u64, OsString, Option<u64>)>) {
        for (directory, name, number) in &names {
            if let Some(Node::Directory { live, .. }) = self.nodes.get_mut(directory) {
                set(live, name, *number);
            }
        }
        self.pending.push(Change { names });
    }

    pub(crate) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let growth = self.file(number)?.growth(offset, bytes.len() as u64);
        self.take_room(growth)?;
        self.file(number)?.write(offset, bytes);
        Ok(())
    }

    pub(crate) fn opened(&mut self, number: u64) {
        *self.open.entry(number).or_default() += 1;
    }

    pub(crate) fn closed(&mut self, number: u64) {
        if let Some(count) = self.open.get_mut(&number) {
            *count -= 1;
        }
        self.open.retain(|_, count| *count > 0);
        self.forget_unused();
    }

    // === syncing ===

    /// fsync or fdatasync of a file or a directory.
    pub(crate) fn sync(&mut self, number: u64) -> Result<(), Errno> {
        self.node(number)?;
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            if let Some(Node::File(content)) = self.nodes.get_mut(&number) {
                content.fail_sync(&mut self.chance);
            }
            return Err(Errno::EIO);
        }
        match self.nodes.get_mut(&number) {
            Some(Node::File(content)) => content.sync(),
            _ => self.sync_directory(number),
        }
        Ok(())
    }

    /// Makes every change that touches the directory durable; older changes of the same names lose their meaning.
    fn sync_directory(&mut self, number: u64) {
        let mut waiting: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if change.names.iter().all(|(directory, ..)| *directory != number) {
                waiting.push(change);
                continue;
            }
            for (directory, name, _) in &change.names {
                waiting.iter_mut().for_each(|older| older.names.retain(|(d, n, _)| (d, n) != (directory, name)));
            }
            self.make_durable(&change);
        }
        waiting.retain(|change| !change.names.is_empty());
        self.pending = waiting;
        self.forget_unused();
    }

    fn make_durable(&mut self, change: &Change) {
        for moved in change.names.iter().filter_map(|(.., number)| *number) {
            for node in self.nodes.values_mut() {
                if let Node::Directory { durable, .. } = node {
                    durable.retain(|_, number| *number != moved); // each number has one name
                }
            }
        }
        for (directory, name, number) in &change.names {
            if let Some(Node::Directory { durable, .. }) = self.nodes.get_mut(directory) {
                set(durable, name, *number);
            }
        }
    }

    // === misbehaving ===

    /// The power is cut and comes back: synced writes are there, and chance decides on the rest. Half of the cuts keep names as
    /// a journal does, all up to some change; the others decide on each change alone.
    pub(crate) fn cut(&mut self, seed: u64) -> Lost {
        let mut chance = StdRng::seed_from_u64(seed);
        let keep = [0.0, 0.1, 0.5, 0.5, 0.9, 0.98][chance.random_range(0..6)];
        let odds = Odds { keep, torn: [0.0, 0.02, 0.3][chance.random_range(0..3)] };
        let mut lost = Lost { names: self.cut_names(odds, &mut chance), pages: 0 };
        for node in self.nodes.values_mut() {
            match node {
                Node::File(content) => lost.pages += content.cut(odds, &mut chance),
                Node::Directory { live, durable } => live.clone_from(durable),
            }
        }
        (self.open, self.failing_syncs, self.chance) = (BTreeMap::new(), 0, chance);
        self.forget_unused();
        lost
    }

    fn cut_names(&mut self, odds: Odds, chance: &mut StdRng) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        let (journal, mut kept, total) = (chance.random_bool(0.5), true, pending.len());
        let mut durable = 0;
        for change in pending {
            kept = (kept || !journal) && chance.random_bool(odds.keep);
            if kept {
                self.make_durable(&change);
                durable += 1;
            }
        }
        (total - durable) as u64
    }

    /// Flips a bit in a synced page of a file; returns its place.
    pub(crate) fn flip(&mut self, path: &Path, seed: u64) -> Result<u64, Errno> {
        let mut number = ROOT;
        for name in path {
            number = self.find(number, name)?;
        }
        self.file(number)?.flip(&mut StdRng::seed_from_u64(seed)).ok_or(Errno::ENODATA)
    }

    /// Drops nodes to which no name, no handle and no pending change leads.
    fn forget_unused(&mut self) {
        let mut used: BTreeSet<u64> = self.open.keys().copied().chain([ROOT]).collect();
        used.extend(self.pending.iter().flat_map(|change| &change.names).filter_map(|(.., number)| *number));
        for node in self.nodes.values() {
            if let Node::Directory { live, durable } = node {
                used.extend(live.values().chain(durable.values()));
            }
        }
        self.nodes.retain(|number, _| used.contains(number));
    }
}

fn set(names: &mut Names, name: &OsStr, number: Option<u64>) {
    match number {
        Some(number) => drop(names.insert(name.to_owned(), number)),
        None => drop(names.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: std::ops::Range<u64> = 0..200;

    fn name(name: &str) -> &OsStr {
        OsStr::new(name)
    }

    fn file() -> Node {
        Node::File(Content::default())
    }

    /// A file "x" with "old" in it, all synced.
    fn disk() -> Tree {
        let mut tree = Tree::new(1 << 20, 0);
        let x = tree.make(ROOT, name("x"), file()).unwrap();
        tree.write(x, 0, b"old").unwrap();
        tree.sync(x).unwrap();
        tree.sync(ROOT).unwrap();
        tree
    }

    fn text(tree: &mut Tree, of: &str) -> Option<String> {
        let number = tree.find(ROOT, name(of)).ok()?;
        Some(String::from_utf8_lossy(&tree.file(number).unwrap().read(0, 100)).into_owned())
    }

    #[test]
    fn a_replaced_file_is_the_old_or_the_new_one_and_after_the_directorys_sync_the_new_one() {
        let (mut old, mut new) = (0, 0);
        for seed in SEEDS {
            for synced in [false, true] {
                let mut tree = disk();
                let draft = tree.make(ROOT, name("x.new"), file()).unwrap();
                tree.write(draft, 0, b"new").unwrap();
                tree.sync(draft).unwrap();
                tree.rename((ROOT, name("x.new")), (ROOT, name("x"))).unwrap();
                if synced {
                    tree.sync(ROOT).unwrap();
                }
                tree.cut(seed);
                let found = text(&mut tree, "x").unwrap();
                assert!(found == "new" || found == "old" && !synced, "seed {seed}: {found}");
                old += u32::from(found == "old");
                new += u32::from(found == "new" && !synced);
            }
        }
        assert!(old > 0 && new > 0, "{old} old, {new} new");
    }

    #[test]
    fn a_file_whose_name_was_not_synced_may_be_gone_though_its_bytes_were() {
        let mut gone = 0;
        for seed in SEEDS {
            let mut tree = disk();
            let y = tree.make(ROOT, name("y"), file()).unwrap();
            tree.write(y, 0, b"bytes").unwrap();
            tree.sync(y).unwrap();
            tree.cut(seed);
            let found = text(&mut tree, "y");
            assert!(found.is_none() || found.as_deref() == Some("bytes"), "seed {seed}: {found:?}");
            gone += u32::from(found.is_none());
        }
        assert!(gone > 0);
    }

    #[test]
    fn an_older_change_of_a_name_never_comes_true_after_a_newer_one_was_synced() {
        for seed in SEEDS {
            let mut tree = disk();
            let inner =
                tree.make(ROOT, name("d"), Node::Directory { live: Names::new(), durable: Names::new() }).unwrap();
            tree.sync(ROOT).unwrap();
            let (first, second) =
                (tree.make(inner, name("n"), file()).unwrap(), tree.make(ROOT, name("m"), file()).unwrap());
            tree.rename((ROOT, name("m")), (inner, name("n"))).unwrap();
            tree.sync(ROOT).unwrap();
            tree.cut(seed);
            assert_eq!(tree.find(inner, name("n")).unwrap(), second, "not {first}");
        }
    }

    #[test]
    fn the_same_seed_leaves_the_same_disk() {
        let after = |seed| {
            let mut tree = disk();
            let x = tree.find(ROOT, name("x")).unwrap();
            (0..50).for_each(|n| tree.write(x, n * 3000, &[n as u8; 3000]).unwrap());
            (tree.cut(seed), tree.file(x).unwrap().read(0, 1 << 20))
        };
        assert_eq!(after(5), after(5));
        assert!(SEEDS.map(after).any(|(lost, _)| lost.pages > 0));
    }

    #[test]
    fn a_full_disk_takes_no_new_page_and_rewrites_old_ones() {
        let mut tree = disk();
        let x = tree.find(ROOT, name("x")).unwrap();
        tree.full = true;
        assert_eq!(tree.write(x, 4096, b"new page"), Err(Errno::ENOSPC));
        assert_eq!(tree.make(ROOT, name("z"), file()), Err(Errno::ENOSPC));
        tree.write(x, 0, b"OLD").unwrap();
        assert_eq!(text(&mut tree, "x").as_deref(), Some("OLD"));
    }

    #[test]
    fn what_was_removed_and_synced_is_forgotten() {
        let mut tree = disk();
        let x = tree.find(ROOT, name("x")).unwrap();
        tree.remove(ROOT, name("x")).unwrap();
        assert!(tree.node(x).is_ok(), "the disk has it still");
        tree.sync(ROOT).unwrap();
        assert!(tree.node(x).is_err());
    }
}
