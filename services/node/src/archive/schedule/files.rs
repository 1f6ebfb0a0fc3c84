//! The directory of a schedule's backups: names sort by time, files appear once they are whole, retention removes the oldest.
//!
//! Never touches a file whose name is not of this pattern, nor a file of another cluster. Called by `schedule`, on threads that
//! may block.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use store::{Archive, ArchiveHead};

use super::Made;
use crate::archive::ArchiveStream;

const ENDING: &str = ".ocsbackup";
/// As in `20261126T101500Z`.
const TIME_FORM: &str = "%Y%m%dT%H%M%SZ";
const TIME_CHARS: usize = 16;
/// The reason of a stream that ended without its trailer.
const CUT: &str = "the node is stopping, or the disk took nothing for too long";
/// Bytes between two looks at the room on the disk.
const LOOK_BYTES: u64 = 16 << 20;

/// The directory and the file names of a cluster's backups.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    cluster: [u8; 16],
    /// Prefix of the names.
    begins: String,
    /// Part of the names of unfinished files, so that two nodes may share a directory.
    node: String,
    /// The directory whose disk must keep so many bytes free.
    spared: Option<(PathBuf, u64)>,
}

impl Files {
    pub(super) fn new(directory: &Path, cluster_id: &str, cluster: [u8; 16], node: &str) -> Self {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        let begins = format!("{}-", cluster_id.chars().map(plain).collect::<String>());
        Self { directory: directory.to_owned(), cluster, begins, node: node.to_owned(), spared: None }
    }

    /// Breaks a backup off before the disk of the data directory has less than its reserve free, where both are on one disk: with
    /// less the node takes no updates.
    pub(super) fn sparing(self, data_dir: &Path, reserve_bytes: u64) -> Self {
        Self { spared: Some((data_dir.to_owned(), reserve_bytes)), ..self }
    }

    /// Why the disk takes no more; none: there is room, or the disk is another one than that of the data directory.
    fn shortage(&self) -> Option<String> {
        let (data_dir, reserve_bytes) = self.spared.as_ref()?;
        let device = |path: &Path| fs::metadata(path).ok().map(|known| known.dev());
        let disk = rustix::fs::statvfs(self.directory.as_path())
            .ok()
            .filter(|_| device(data_dir) == device(&self.directory))?;
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free_bytes <= *reserve_bytes).then(|| {
            let (directory, free, reserve) = (self.directory.display(), free_bytes >> 20, reserve_bytes >> 20);
            format!("{directory}: {free} MiB are free on the disk of node.data_dir, which keeps {reserve} MiB")
        })
    }

    /// The newest backup of this cluster in the directory.
    pub(super) fn newest(&self) -> Option<Made> {
        let all = self.all().ok()?;
        all.iter().rev().find_map(|name| {
            let file = self.directory.join(name);
            let (head, bytes) = (self.head(&file)?, fs::metadata(&file).ok()?.len());
            Some(Made { bytes, file, ..made(&head) })
        })
    }

    /// Writes a backup under its name, durably; no file of that name exists before. `written` counts the bytes on their way.
    pub(super) fn write(&self, stream: ArchiveStream, written: &AtomicU64) -> Result<Made, String> {
        self.prepare().map_err(self.failed())?;
        let name = self.name(&stream.head);
        let part = self.directory.join(format!(".{name}.{}.part", self.node));
        let head = stream.head.clone();
        let made = self.write_part(&part, stream, written).and_then(|bytes| {
            let file = self.directory.join(&name);
            fs::rename(&part, &file).and_then(|()| sync(&self.directory)).map_err(self.failed())?;
            Ok(Made { bytes, file, ..made(&head) })
        });
        if made.is_err() {
            let _ = fs::remove_file(&part); // a left-over file is removed by the next attempt
        }
        made
    }

    /// Writes every part, durably; returns the length.
    fn write_part(&self, part: &Path, mut stream: ArchiveStream, written: &AtomicU64) -> Result<u64, String> {
        let failed = |error: io::Error| format!("{}: {error}", part.display());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
        let (mut checker, mut bytes, mut looked_at) = (store::Checker::new(), 0, None);
        while let Some(next) = stream.parts.blocking_recv() {
            let next = next?;
            if looked_at != Some(bytes / LOOK_BYTES) {
                looked_at = Some(bytes / LOOK_BYTES);
                self.shortage().map_or(Ok(()), Err)?;
            }
            checker.push(&next, |_, _| {}).map_err(|error| error.to_string())?;
            file.write_all(&next).map_err(failed)?;
            bytes += next.len() as u64;
            written.store(bytes, Ordering::Relaxed);
        }
        checker.finish().map_err(|_| CUT.to_owned())?;
        file.sync_all().map_err(failed)?;
        Ok(bytes)
    }

    /// Removes the oldest files beyond the number to be kept.
    pub(super) fn retain(&self, keep: u32) -> Result<(), String> {
        let all = self.all().map_err(self.failed())?;
        let ours: Vec<PathBuf> =
            all.iter().map(|name| self.directory.join(name)).filter(|file| self.head(file).is_some()).collect();
        let surplus = ours.len().saturating_sub(keep as usize);
        for file in &ours[..surplus] {
            fs::remove_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
            tracing::info!(file = %file.display(), "an old backup was removed");
        }
        Ok(())
    }

    /// Removes the unfinished files that an earlier process of this node has left, if any.
    pub(super) fn clear(&self) {
        let cleared = if self.directory.is_dir() { self.remove_unfinished() } else { Ok(()) };
        if let Err(error) = cleared {
            tracing::warn!(directory = %self.directory.display(), %error, "unfinished backups stay");
        }
    }

    /// Makes the directory, and removes the unfinished files of this node's earlier attempts.
    fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        self.remove_unfinished()
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        let ending = format!("{ENDING}.{}.part", self.node);
        for name in names(&self.directory)? {
            let unfinished = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(&ending));
            if unfinished.and_then(|rest| rest.strip_prefix(&self.begins)).is_some_and(is_time) {
                fs::remove_file(self.directory.join(name))?;
            }
        }
        Ok(())
    }

    fn name(&self, head: &ArchiveHead) -> String {
        let created = i64::try_from(head.created_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        format!("{}{}{ENDING}", self.begins, created.unwrap_or_default().strftime(TIME_FORM))
    }

    /// Names of this pattern, oldest first.
    fn all(&self) -> io::Result<Vec<String>> {
        let ours = |name: &String| {
            let time = name.strip_prefix(&self.begins).and_then(|rest| rest.strip_suffix(ENDING));
            time.is_some_and(is_time)
        };
        let mut all: Vec<String> = names(&self.directory)?.into_iter().filter(ours).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The head of a file, if the file is a backup of this cluster.
    fn head(&self, file: &Path) -> Option<ArchiveHead> {
        let archive = Archive::open(BufReader::new(File::open(file).ok()?)).ok()?;
        Some(archive.head().clone()).filter(|head| head.cluster == self.cluster)
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> String {
        let directory = self.directory.display().to_string();
        move |error| format!("{directory}: {error}")
    }
}

fn made(head: &ArchiveHead) -> Made {
    Made { created_us: head.created_us, index: head.index, records: head.records, ..Made::default() }
}

fn is_time(text: &str) -> bool {
    let place = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == TIME_CHARS && text.bytes().enumerate().all(place)
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    fs::read_dir(directory)?.map(name).collect()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
