//! FUSE's calls, each on the tree: while the power is cut they wait, then fail; a file that was opened before the cut stays
//! unusable. The kernel caches nothing, so that a program sees the content of the disk. Called by `fuser`.

use std::{
    ffi::OsStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::{
    content::{Content, PAGE},
    tree::{Names, Node, Tree},
};

/// The kernel asks each time.
const NOT_CACHED: Duration = Duration::ZERO;
const NAME_BYTES_MAX: u32 = 255;

/// Whether the machine has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    /// No call comes back.
    Cut,
    /// Every call fails, those that waited too.
    Off,
}

#[derive(Debug)]
pub(crate) struct FaultState {
    pub(crate) tree: Tree,
    pub(crate) power: Power,
    /// Cuts so far; a handle belongs to one.
    pub(crate) cuts: u64,
    /// How long a write or a sync takes.
    pub(crate) slow: Duration,
    /// No write, sync or question for the room comes back; reads go on.
    pub(crate) hangs: bool,
}

/// The disk, shared by FUSE's threads and by the holder of the mount.
#[derive(Debug, Clone)]
pub(crate) struct Disk(pub(crate) Arc<(Mutex<FaultState>, Condvar)>);

impl Disk {
    pub(crate) fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, when there is power.
    fn enter(&self) -> Result<MutexGuard<'_, FaultState>, Errno> {
        let waits = |state: &mut FaultState| state.power == Power::Cut;
        let state = self.0.1.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.power == Power::On { Ok(state) } else { Err(Errno::EIO) }
    }

    /// The same for a file that was opened.
    fn enter_open(&self, handle: FileHandle) -> Result<MutexGuard<'_, FaultState>, Errno> {
        let state = self.enter()?;
        if handle.0 == state.cuts { Ok(state) } else { Err(Errno::EIO) }
    }

    /// Waits while the disk hangs.
    fn wait_to_go_on(&self) -> MutexGuard<'_, FaultState> {
        let hangs = |state: &mut FaultState| state.hangs && state.power == Power::On;
        self.0.1.wait_while(self.lock(), hangs).unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for a call that a slow disk delays.
    fn enter_slowly(&self, handle: FileHandle) -> Result<MutexGuard<'_, FaultState>, Errno> {
        let slow = self.wait_to_go_on().slow;
        if !slow.is_zero() {
            thread::sleep(slow); // the delay that a drill asked for
        }
        self.enter_open(handle)
    }

    fn make(&self, parent: INodeNo, name: &OsStr, node: Node) -> Result<(FileAttr, FileHandle), Errno> {
        let mut state = self.enter()?;
        let number = state.tree.make(parent.0, name, node)?;
        Ok((attributes(&state.tree, number)?, FileHandle(state.cuts)))
    }
}

fn attributes(tree: &Tree, number: u64) -> Result<FileAttr, Errno> {
    let (kind, perm, size, blocks) = match tree.node(number)? {
        Node::File(content) => (FileType::RegularFile, 0o600, content.size(), content.pages() * PAGE / 512),
        Node::Directory { .. } => (FileType::Directory, 0o700, 0, 0),
    };
    let time = SystemTime::UNIX_EPOCH;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm,
        nlink: 1,
        uid,
        gid,
        rdev: 0,
        blksize: PAGE as u32,
        flags: 0,
    })
}

fn directory() -> Node {
    Node::Directory { live: Names::new(), durable: Names::new() }
}

fn answer(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_attributes(reply: ReplyAttr, result: Result<FileAttr, Errno>) {
    match result {
        Ok(attributes) => reply.attr(&NOT_CACHED, &attributes),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(reply: ReplyEntry, result: Result<FileAttr, Errno>) {
    match result {
        Ok(attributes) => reply.entry(&NOT_CACHED, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let find = || {
            let state = self.enter()?;
            attributes(&state.tree, state.tree.find(parent.0, name)?)
        };
        answer_entry(reply, find());
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer_attributes(reply, self.enter().and_then(|state| attributes(&state.tree, number.0)));
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = || {
            let mut state = self.enter()?;
            if let Some(size) = size {
                state.tree.file(number.0)?.resize(size);
            }
            attributes(&state.tree, number.0)
        };
        answer_attributes(reply, change());
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        answer_entry(reply, self.make(parent, name, directory()).map(|(attributes, _)| attributes));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.enter().and_then(|mut state| state.tree.remove(parent.0, name)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.enter().and_then(|mut state| state.tree.remove(parent.0, name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = || {
            let mut state = self.enter()?;
            if flags.contains(RenameFlags::RENAME_EXCHANGE) {
                return Err(Errno::EINVAL);
            }
            if flags.contains(RenameFlags::RENAME_NOREPLACE) && state.tree.find(new_parent.0, new_name).is_ok() {
                return Err(Errno::EEXIST);
            }
            state.tree.rename((parent.0, name), (new_parent.0, new_name))
        };
        answer(reply, rename());
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.make(parent, name, Node::File(Content::default())) {
            Ok((attributes, handle)) => {
                self.lock().tree.opened(attributes.ino.0);
                reply.created(&NOT_CACHED, &attributes, Generation(0), handle, FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let open = || {
            let mut state = self.enter()?;
            state.tree.file(number.0)?;
            state.tree.opened(number.0);
            Ok(FileHandle(state.cuts))
        };
        match open() {
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let mut state = self.lock(); // no program waits for this call
        if handle.0 == state.cuts {
            state.tree.closed(number.0);
        }
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = || Ok(self.enter_open(handle)?.tree.file(number.0)?.read(offset, size.into()));
        match read() {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.enter_slowly(handle).and_then(|mut state| state.tree.write(number.0, offset, bytes)) {
            Ok(()) => reply.written(u32::try_from(bytes.len()).expect("a write of FUSE is far below 4 GiB")),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.enter_slowly(handle).and_then(|mut state| state.tree.sync(number.0)));
    }

    fn fallocate(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocate = || {
            let mut state = self.enter_slowly(handle)?;
            let file = state.tree.file(number.0)?;
            if mode != 0 {
                return Err(Errno::EOPNOTSUPP);
            }
            let size = file.size().max(offset + length);
            file.resize(size);
            Ok(())
        };
        answer(reply, allocate());
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.enter().and_then(|state| state.tree.names(number.0).map(|_| FileHandle(state.cuts))) {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let list = || {
            let state = self.enter()?;
            let kind = |number| attributes(&state.tree, number).map_or(FileType::RegularFile, |found| found.kind);
            let names = state.tree.names(number.0)?;
            Ok(names.iter().map(|(name, number)| (name.clone(), *number, kind(*number))).collect::<Vec<_>>())
        };
        match list() {
            Ok(names) => {
                for (at, (name, number, kind)) in names.into_iter().enumerate().skip(offset as usize) {
                    if reply.add(INodeNo(number), at as u64 + 1, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.enter_slowly(handle).and_then(|mut state| state.tree.sync(number.0)));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        drop(self.wait_to_go_on());
        match self.enter().map(|state| state.tree.room()) {
            Ok((all, free)) => reply.statfs(all, free, free, all, free, PAGE as u32, NAME_BYTES_MAX, PAGE as u32),
            Err(error) => reply.error(error),
        }
    }
}
