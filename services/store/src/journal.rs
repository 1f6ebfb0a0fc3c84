//! Cuts the engine's journal after its last whole batch, where a power cut left a torn batch that the engine refuses to open.
//!
//! The engine skips most torn ends by itself, and refuses only a sector of zeros within a value. Synced batches are whole, so the
//! cut removes no durable batch; the log holds the entries of later batches. Knows the format of fjall 3's journal, and of no
//! other file of the engine. Called by `engine`, after the engine has refused.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8; 4] = b"FJL\x03";

/// Cuts the newest journal of a database after its last whole batch; answers the bytes cut, up to the last that is not zero.
/// None: the journal is whole, or the database has none.
pub(crate) fn cut_torn(database: &Path) -> io::Result<Option<u64>> {
    let Some(path) = newest(database)? else { return Ok(None) };
    let bytes = fs::read(&path)?;
    let end = whole_batches(&bytes);
    let Some(last) = bytes[end..].iter().rposition(|byte| *byte != 0) else { return Ok(None) };
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(end as u64)?;
    file.sync_all()?;
    Ok(Some(last as u64 + 1))
}

/// The newest journal; the engine syncs a journal before the next begins.
fn newest(database: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// The end of the longest prefix of whole batches.
fn whole_batches(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = whole_batch(&bytes[end..]) {
        end += length;
    }
    end
}

/// The length of the batch that begins here; none: the batch is torn.
fn whole_batch(bytes: &[u8]) -> Option<usize> {
    let mut rest = Rest(bytes);
    if rest.byte()? != START {
        return None;
    }
    let items = u32::from_le_bytes(rest.array()?);
    rest.skip(8)?; // sequence number
    let from = bytes.len() - rest.0.len();
    for _ in 0..items {
        rest.item()?;
    }
    let to = bytes.len() - rest.0.len();
    let ends = rest.byte()? == END && u64::from_le_bytes(rest.array()?) == xxh3_64(&bytes[from..to]);
    (ends && rest.array()? == *TRAILER).then(|| bytes.len() - rest.0.len())
}

/// The unread bytes.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.0.first_chunk()?;
        self.skip(N)?;
        Some(array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn item(&mut self) -> Option<()> {
        match self.byte()? {
            ITEM => {
                self.skip(1 + 1 + 8)?; // kind, compression, keyspace
                let key: usize = u16::from_le_bytes(self.array()?).into();
                self.skip(4)?; // the value's length before compression
                let value = u32::from_le_bytes(self.array()?) as usize;
                self.skip(key.checked_add(value)?)
            }
            CLEAR => self.skip(8),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions, PersistMode};

    use super::*;

    /// The bytes of a journal of `count` batches, written by the engine, without the zeros at its end.
    fn journal(dir: &Path, count: u8) -> Vec<u8> {
        let database = Database::builder(dir).open().unwrap();
        let keyspace = database.keyspace("state", KeyspaceCreateOptions::default).unwrap();
        for number in 0..count {
            let mut batch = database.batch();
            batch.insert(&keyspace, [number], vec![number; 6000]);
            batch.insert(&keyspace, [number, 1], "short");
            batch.remove(&keyspace, [number, 2]);
            batch.commit().unwrap();
        }
        database.persist(PersistMode::SyncAll).unwrap();
        let bytes = fs::read(newest(dir).unwrap().unwrap()).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes[..end].to_vec()
    }

    #[test]
    fn every_batch_that_the_engine_wrote_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = journal(dir.path(), 20);
        assert!(!bytes.is_empty());
        assert_eq!(whole_batches(&bytes), bytes.len());
        assert_eq!(cut_torn(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_journal_is_cut_before_the_batch_that_any_byte_is_missing_from() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = journal(dir.path(), 3);
        let mut ends = vec![0];
        while let Some(length) = whole_batch(&bytes[ends[ends.len() - 1]..]) {
            ends.push(ends[ends.len() - 1] + length);
        }
        for at in (0..bytes.len()).step_by(97) {
            let mut torn = bytes.clone();
            torn[at] ^= 0x55;
            let begin = ends.iter().rev().find(|end| **end <= at).unwrap();
            assert!(whole_batches(&torn) <= *begin, "byte {at}");
            assert!(whole_batches(&bytes[..at]) == *begin, "cut at {at}");
        }
    }
}
