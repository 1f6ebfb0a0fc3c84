//! The upload of a backup: in parts of one size while the node still makes the bytes, checked on their way, read back, and only then
//! marked as a backup.
//!
//! Never leaves an object behind a failure: the upload is aborted, or the object removed. A process that dies leaves parts that no list
//! shows.

use std::{future::Future, pin::pin};

use futures::{Stream, StreamExt};
use object_store::{MultipartUpload, ObjectStoreExt, UploadPart};
use sha2::{Digest, Sha256};
use store::{ArchiveHead, ArchiveTail, Checker};

use super::{
    Storage,
    place::{ENDING, SUM_ENDING},
};
use crate::failure::Failure;

/// Bytes of every part but the last: above the 5 MiB that storages ask for, and sent within the time for which a node waits.
pub(super) const PART_BYTES: usize = 8 << 20;
/// Parts of an object, as S3 bounds them.
const PARTS_MAX: usize = 10_000;

/// A backup that is in the storage.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Its head.
    pub(crate) head: ArchiveHead,
    /// Its trailer.
    pub(crate) tail: ArchiveTail,
    /// Its length.
    pub(crate) bytes: u64,
    /// SHA-256 of the whole, hexadecimal.
    pub(crate) sha256: String,
}

/// The head of a backup, and the bytes that were read for the head.
///
/// # Errors
/// The bytes begin no backup, or end first.
pub(crate) async fn begun(
    bytes: &mut (impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin),
) -> Result<(ArchiveHead, Vec<u8>), Failure> {
    let (mut checker, mut read) = (Checker::new(), Vec::new());
    loop {
        if let Some(head) = checker.head() {
            return Ok((head.clone(), read));
        }
        let next = bytes.next().await.ok_or_else(|| broken("the node broke it off"))??;
        checker.push(&next, |_, _| {}).map_err(|error| broken(&error.to_string()))?;
        read.extend(next);
    }
}

fn broken(why: &str) -> Failure {
    Failure::Refused(format!("the backup is not whole and was not kept: {why}"))
}

impl Storage {
    /// Puts a backup under a name of the folder. `stop` ends the upload early; `progress` gets the bytes sent so far.
    ///
    /// # Errors
    /// Nothing of the backup is left in the storage.
    pub(crate) async fn put(
        &self,
        name: &str,
        mut bytes: impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin,
        stop: impl Future<Output = &'static str>,
        progress: impl Fn(u64),
    ) -> Result<Sent, Failure> {
        let path = self.key(name)?;
        let mut stop = pin!(stop);
        let interrupted = |signal: &str| broken(&format!("interrupted by {signal}"));
        let mut upload = self.store.put_multipart(&path).await.map_err(|error| self.failed(name, &error))?;
        let sent = tokio::select! {
            sent = self.send(name, upload.as_mut(), &mut bytes, &progress) => sent,
            signal = &mut stop => Err(interrupted(signal)),
        };
        let completed = match sent {
            Ok(sent) => self.complete(name, upload.as_mut()).await.map(|()| sent),
            Err(failure) => Err(failure),
        };
        let sent = match completed {
            Ok(sent) => sent,
            Err(failure) => {
                let _ = upload.abort().await; // the storage forgets unfinished uploads by its own rules
                return Err(failure);
            }
        };
        let marked = tokio::select! {
            marked = self.mark(name, &sent) => marked,
            signal = &mut stop => Err(interrupted(signal)),
        };
        if let Err(failure) = marked {
            let _ = self.store.delete(&path).await; // without its sum the object counts as none
            return Err(failure);
        }
        Ok(sent)
    }

    /// Has the object appear. The sum of an object that is replaced goes first: the new object has none before its read-back.
    async fn complete(&self, name: &str, upload: &mut dyn MultipartUpload) -> Result<(), Failure> {
        let beside = sum_of(name);
        if self.has(&beside).await? {
            self.store.delete(&self.key(&beside)?).await.map_err(|error| self.failed(&beside, &error))?;
        }
        upload.complete().await.map(drop).map_err(|error| self.failed(name, &error))
    }

    /// Sends every byte. While a part is on its way, the next part fills.
    async fn send(
        &self,
        name: &str,
        upload: &mut dyn MultipartUpload,
        bytes: &mut (impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin),
        progress: &impl Fn(u64),
    ) -> Result<Sent, Failure> {
        let (mut checker, mut hash, mut length, mut parts) = (Checker::new(), Sha256::new(), 0_u64, 0);
        let mut filling: Vec<u8> = Vec::with_capacity(self.part_bytes);
        let mut ended = false;
        let mut under_way: Option<UploadPart> = None;
        while !ended || under_way.is_some() || !filling.is_empty() {
            if under_way.is_none() && (filling.len() >= self.part_bytes || ended && !filling.is_empty()) {
                parts += 1;
                if parts > PARTS_MAX {
                    return Err(broken(&format!(
                        "it is larger than {PARTS_MAX} parts of {} MiB",
                        self.part_bytes >> 20
                    )));
                }
                let rest = filling.split_off(filling.len().min(self.part_bytes));
                under_way = Some(upload.put_part(std::mem::replace(&mut filling, rest).into()));
            }
            tokio::select! {
                sent = one(&mut under_way) => {
                    sent.map_err(|error| self.failed(name, &error))?;
                    under_way = None;
                }
                next = bytes.next(), if !ended && filling.len() < self.part_bytes => match next {
                    None => ended = true,
                    Some(next) => {
                        let next = next?;
                        checker.push(&next, |_, _| {}).map_err(|error| broken(&error.to_string()))?;
                        hash.update(&next);
                        length += next.len() as u64;
                        progress(length);
                        filling.extend(next);
                    }
                },
            }
        }
        let (head, tail) = checker.finish().map_err(|_| broken("the node broke it off"))?;
        Ok(Sent { head, tail, bytes: length, sha256: hex(hash) })
    }

    /// Reads an object back, compares, and writes the object beside that makes a backup of the first.
    async fn mark(&self, name: &str, sent: &Sent) -> Result<(), Failure> {
        let failed = |error| self.failed(name, &error);
        let mut stream = self.store.get(&self.key(name)?).await.map_err(failed)?.into_stream();
        let (mut hash, mut length) = (Sha256::new(), 0_u64);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(failed)?;
            hash.update(&bytes);
            length += bytes.len() as u64;
        }
        if (length, hex(hash)) != (sent.bytes, sent.sha256.clone()) {
            return Err(broken(&format!("{} gives other bytes than it got", self.place.url(name))));
        }
        let sum = format!("{}  {name}\n", sent.sha256);
        let beside = sum_of(name);
        self.store.put(&self.key(&beside)?, sum.into()).await.map_err(|error| self.failed(&beside, &error))?;
        Ok(())
    }
}

/// The name of the object beside a backup.
pub(super) fn sum_of(name: &str) -> String {
    format!("{}{SUM_ENDING}", name.strip_suffix(ENDING).unwrap_or(name))
}

/// The end of the part that is on its way; never, where no part is.
async fn one(part: &mut Option<UploadPart>) -> object_store::Result<()> {
    match part {
        Some(part) => part.await,
        None => std::future::pending().await,
    }
}

pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
