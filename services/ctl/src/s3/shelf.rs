//! The backups of a folder: the list, the removal of the oldest, and the way of one back into a file.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Write},
};

use futures::StreamExt;
use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};
use sha2::{Digest, Sha256};
use store::{ArchiveHead, ArchiveTail, Checker};

use super::{
    Storage,
    place::{ENDING, cluster_of},
    upload::{hex, sum_of},
};
use crate::failure::Failure;

/// Seconds after which an object without its sum is no upload under way.
const UNMARKED_FOR_S: i64 = 24 * 3600;
/// Longest content of the object beside a backup that is looked at.
const SUM_BYTES_MAX: u64 = 4096;

/// An object of the folder under the name of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The name in the folder.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Time of the upload, UTC seconds.
    pub(crate) uploaded_s: i64,
    /// The object with its sum is there: the backup was read back. False: an upload under way, or a broken upload.
    pub(crate) is_marked: bool,
}

impl Storage {
    /// Every object of the folder that has the name of a backup, oldest first.
    ///
    /// # Errors
    /// The storage gives no list.
    pub(crate) async fn list(&self) -> Result<Vec<Kept>, Failure> {
        let folder = self.place.folder();
        let prefix = if folder.is_empty() { None } else { Some(self.key("")?) };
        let listed = self.store.list_with_delimiter(prefix.as_ref()).await.map_err(|error| self.failed("", &error))?;
        let names = |path: &Path| path.filename().map(str::to_owned);
        let all: HashSet<String> = listed.objects.iter().filter_map(|object| names(&object.location)).collect();
        let kept = |object: &object_store::ObjectMeta| {
            let name = names(&object.location).filter(|name| name.ends_with(ENDING))?;
            let (uploaded_s, is_marked) = (object.last_modified.timestamp(), all.contains(&sum_of(&name)));
            Some(Kept { name, bytes: object.size, uploaded_s, is_marked })
        };
        let mut kept: Vec<Kept> = listed.objects.iter().filter_map(kept).collect();
        kept.sort_by(|one, other| (one.uploaded_s, &one.name).cmp(&(other.uploaded_s, &other.name)));
        Ok(kept)
    }

    /// The newest backup of the folder.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn newest(&self) -> Result<String, Failure> {
        let none = || Failure::Refused(format!("{}: there is no backup", self.place.url("")));
        let newest = self.list().await?.into_iter().rfind(|kept| kept.is_marked);
        newest.map(|kept| kept.name).ok_or_else(none)
    }

    /// Whether an object of this name is there.
    ///
    /// # Errors
    /// The storage does not say.
    pub(crate) async fn has(&self, name: &str) -> Result<bool, Failure> {
        match self.store.head(&self.key(name)?).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(name, &error)),
        }
    }

    /// Removes a backup: the file first, so that no list shows half of a backup.
    ///
    /// # Errors
    /// A part of the backup may be left.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Failure> {
        for name in [name, &sum_of(name)] {
            match self.store.delete(&self.key(name)?).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed(name, &error)),
            }
        }
        Ok(())
    }

    /// Copies a backup, and checks every byte on its way. `fault`: the failure of the target.
    ///
    /// # Errors
    /// The bytes are no whole backup, or not those that were uploaded.
    pub(crate) async fn fetch(
        &self,
        name: &str,
        mut to: impl Write,
        fault: impl Fn(io::Error) -> Failure,
        progress: impl Fn(u64),
    ) -> Result<(ArchiveHead, ArchiveTail, u64), Failure> {
        let wanted = self.sum(name).await?;
        let failed = |error| self.failed(name, &error);
        let damaged = |why: &str| Failure::Refused(format!("{}: {why}", self.place.url(name)));
        let mut stream = self.store.get(&self.key(name)?).await.map_err(failed)?.into_stream();
        let (mut checker, mut hash, mut length) = (Checker::new(), Sha256::new(), 0_u64);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(failed)?;
            checker.push(&bytes, |_, _| {}).map_err(|error| damaged(&error.to_string()))?;
            hash.update(&bytes);
            to.write_all(&bytes).map_err(&fault)?;
            length += bytes.len() as u64;
            progress(length);
        }
        to.flush().map_err(&fault)?;
        let (head, tail) = checker.finish().map_err(|error| damaged(&error.to_string()))?;
        if wanted.is_some_and(|wanted| wanted != hex(hash)) {
            return Err(damaged(&format!("its SHA-256 is not that of {}", sum_of(name))));
        }
        Ok((head, tail, length))
    }

    /// The sum in the object beside a backup; none: there is no such object.
    async fn sum(&self, name: &str) -> Result<Option<String>, Failure> {
        let beside = sum_of(name);
        let found = match self.store.get(&self.key(&beside)?).await {
            Ok(found) if found.meta.size <= SUM_BYTES_MAX => found.bytes().await,
            Ok(_) => return Ok(Some(String::new())), // no sum, and so another than that of the file
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        let bytes = found.map_err(|error| self.failed(&beside, &error))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(text.split_whitespace().next().unwrap_or_default().to_owned()))
    }
}

/// The names beyond the `keep` newest backups of each cluster, and those of uploads that broke off more than a day ago. Names of another
/// kind stay.
pub(crate) fn surplus(kept: &[Kept], keep: usize, now_s: i64) -> Vec<String> {
    let mut clusters: BTreeMap<&str, Vec<&Kept>> = BTreeMap::new();
    let mut surplus = Vec::new();
    for one in kept {
        let Some(cluster) = cluster_of(&one.name) else { continue };
        if one.is_marked {
            clusters.entry(cluster).or_default().push(one);
        } else if now_s.saturating_sub(one.uploaded_s) > UNMARKED_FOR_S {
            surplus.push(one.name.clone());
        }
    }
    for mut of_cluster in clusters.into_values() {
        of_cluster.sort_by(|one, other| one.name.cmp(&other.name)); // names sort by time
        let beyond = of_cluster.len().saturating_sub(keep);
        surplus.extend(of_cluster[..beyond].iter().map(|one| one.name.clone()));
    }
    surplus
}
