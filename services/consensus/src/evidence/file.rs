//! The file of the table: two slots of a fixed size, written in turn and in place, so that a full disk does not matter and a torn
//! write leaves the table before.
//!
//! ```text
//! slot   magic 8 | length 4 | CRC32C 4 over the length and the payload | payload
//! ```
//!
//! The checksum is looked at before a byte of the payload is believed. Called by the node at its start, the log's thread and the
//! driver's evidence thread.

use std::io;

use ocs_proto::peer::EvidenceTable;
use prost::Message as _;
use raft_log::{Disk, File};

use super::Evidence;

/// Its name in the data directory.
const NAME: &str = "evidence";
const DRAFT: &str = "evidence.new";
const MAGIC: &[u8; 8] = b"ocsevid\n";
const SLOT_BYTES: usize = 64 * 1024;
const HEAD_BYTES: usize = 16;

/// The open file.
#[derive(Debug)]
pub struct EvidenceFile<F> {
    file: F,
    /// The slot that is overwritten next.
    next: u64,
    written: u64,
}

impl<F: File> EvidenceFile<F> {
    /// Opens the file, or makes an empty one. Where neither slot is whole the table is empty: the node has forgotten its starts,
    /// and the other voters will say so.
    ///
    /// # Errors
    /// The disk's error; a full disk where the file has to be made.
    pub fn open<D: Disk<File = F>>(disk: &D) -> io::Result<(Self, Evidence)> {
        let file = match disk.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(disk)?,
            opened => opened?,
        };
        let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
        for (at, _) in slots.iter().enumerate().filter(|(_, slot)| **slot == Slot::Damaged) {
            tracing::warn!(file = NAME, slot = at, "a table of evidence does not count: torn by a crash, or damaged");
        }
        let slots = slots.map(Slot::table);
        let versions = slots.each_ref().map(|slot| slot.as_ref().map(Evidence::version));
        let next = u64::from(versions[0] > versions[1]);
        let newest = slots.into_iter().flatten().max_by_key(Evidence::version).unwrap_or_default();
        Ok((Self { file, next, written: newest.version() }, newest))
    }

    fn create<D: Disk<File = F>>(disk: &D) -> io::Result<F> {
        let file = disk.create(DRAFT)?;
        file.write_at(&vec![0; 2 * SLOT_BYTES], 0)?;
        file.sync()?;
        disk.rename(DRAFT, NAME)?;
        disk.sync_directory()?;
        Ok(file)
    }

    /// Makes a table durable, unless a newer table is durable already: two threads may write.
    ///
    /// # Errors
    /// The disk's error: the process must end, since the contents of the slot are unknown (R6).
    pub fn write(&mut self, evidence: &Evidence) -> io::Result<()> {
        if evidence.version() <= self.written {
            return Ok(());
        }
        self.file.write_at(&slot_of(evidence), self.next * SLOT_BYTES as u64)?;
        self.file.sync()?;
        (self.next, self.written) = (1 - self.next, evidence.version());
        Ok(())
    }
}

fn slot_of(evidence: &Evidence) -> Vec<u8> {
    let payload = evidence.to_wire().encode_to_vec();
    assert!(payload.len() + HEAD_BYTES <= SLOT_BYTES, "the table is bounded: starts, reigns and a few voters");
    let length = (payload.len() as u32).to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), &payload);
    [&MAGIC[..], &length, &crc.to_le_bytes(), &payload].concat()
}

/// The contents of a slot.
#[derive(Debug, PartialEq)]
enum Slot {
    /// Never written.
    Empty,
    /// Torn by a crash, or damaged.
    Damaged,
    Table(Evidence),
}

impl Slot {
    fn table(self) -> Option<Evidence> {
        match self {
            Self::Table(table) => Some(table),
            Self::Empty | Self::Damaged => None,
        }
    }
}

fn read_slot<F: File>(file: &F, slot: u64) -> io::Result<Slot> {
    let mut bytes = vec![0; SLOT_BYTES];
    let read = file.read_at(&mut bytes, slot * SLOT_BYTES as u64)?;
    let bytes = &bytes[..read];
    let empty = || if bytes.iter().all(|byte| *byte == 0) { Slot::Empty } else { Slot::Damaged };
    Ok(decode_slot(bytes).map_or_else(empty, Slot::Table))
}

/// The table of a slot; none: the slot is empty, torn or damaged.
fn decode_slot(bytes: &[u8]) -> Option<Evidence> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = head[8..12].try_into().ok().map(u32::from_le_bytes)?;
    let payload = rest.get(..length as usize)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[8..12]), payload);
    let whole = head[..8] == MAGIC[..] && head[12..16] == crc.to_le_bytes();
    let table = EvidenceTable::decode(payload).ok().filter(|_| whole)?;
    Some(Evidence::from_wire(table))
}

#[cfg(test)]
mod tests {
    use raft_log::MemDisk;

    use super::*;

    fn evidence(starts: u8) -> Evidence {
        let mut evidence = Evidence::default();
        for token in 0..starts {
            evidence.begin(2, 1, [token; 16]);
        }
        evidence
    }

    #[test]
    fn a_table_reads_as_written_and_the_newer_of_two_counts() {
        let disk = MemDisk::new();
        let (mut file, found) = EvidenceFile::open(&disk).unwrap();
        assert_eq!(found, Evidence::default());
        file.write(&evidence(1)).unwrap();
        file.write(&evidence(3)).unwrap();
        file.write(&evidence(2)).unwrap(); // an older table comes late
        assert_eq!(EvidenceFile::open(&disk).unwrap().1, evidence(3));
    }

    #[test]
    fn a_full_disk_takes_a_table_all_the_same() {
        let disk = MemDisk::new();
        let (mut file, _) = EvidenceFile::open(&disk).unwrap();
        disk.set_capacity(Some(disk.used()));
        file.write(&evidence(7)).unwrap();
        assert_eq!(EvidenceFile::open(&disk).unwrap().1, evidence(7));
    }

    #[test]
    fn any_flipped_bit_leaves_the_table_before_or_none() {
        let bytes = slot_of(&evidence(2));
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert_eq!(decode_slot(&bad), None, "bit {at}");
        }
    }
}
