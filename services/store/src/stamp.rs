//! The stamp of a store's directory: magic, format version, cluster id, and the generation of the state in use.
//!
//! A write replaces the stamp atomically (write, fsync, rename, fsync of the directory): after a crash the stamp names the old or
//! the new generation. Called by `store` and `ingest`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    STORE_FORMAT,
    error::{StoreError, hex},
};

const MAGIC: &[u8; 8] = b"ocsstore";
const FILE: &str = "STAMP";
const BYTES: usize = 8 + 4 + 16 + 8 + 8 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;

/// The identity of a store's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreStamp {
    /// The version of the store's format.
    pub(crate) format: u32,
    pub(crate) cluster: [u8; 16],
    /// The number and name of the subdirectory with the state; from 1.
    pub(crate) generation: u64,
    /// The index at which this generation began: 0, or that of the fetched state.
    pub(crate) index: u64,
}

impl StoreStamp {
    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&self.cluster);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = |why: &str| Err(StoreError::Damaged(why.to_owned()));
        if bytes.len() < 8 + 4 + CHECKSUM_BYTES || &bytes[..8] != MAGIC {
            return damaged("its stamp does not begin as one of ours");
        }
        // Every format ends with this checksum: a flipped bit never passes for a newer version.
        let (covered, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if xxh3_64(covered).to_le_bytes() != checksum {
            return damaged("the checksum of its stamp is wrong");
        }
        let format = u32::from_le_bytes(array(&bytes[8..12]));
        if format > STORE_FORMAT {
            return Err(StoreError::NewerFormat { found: format, known: STORE_FORMAT });
        }
        if bytes.len() != BYTES {
            return damaged("its stamp has not the length of one of ours");
        }
        let number = |at: usize| u64::from_le_bytes(array(&bytes[at..at + 8]));
        Ok(Self { format, cluster: array(&bytes[12..28]), generation: number(28), index: number(36) })
    }

    /// Reads the stamp of a directory of any cluster.
    pub(crate) fn read_any(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let bytes = fs::read(&path).map_err(StoreError::io(format!("reading {}", path.display())))?;
        Self::decode(&bytes)
    }

    /// Reads the stamp of a directory and checks its cluster.
    pub(crate) fn read(dir: &Path, cluster: &[u8; 16]) -> Result<Self, StoreError> {
        let stamp = Self::read_any(dir)?;
        if stamp.cluster != *cluster {
            return Err(StoreError::ForeignCluster { found: hex(&stamp.cluster), ours: hex(cluster) });
        }
        Ok(stamp)
    }

    /// Replaces the stamp; durable when this returns.
    pub(crate) fn write(self, dir: &Path) -> Result<(), StoreError> {
        replace_file(dir, FILE, &self.encode()).map_err(StoreError::io(format!("stamping {}", dir.display())))
    }

    /// The path of this generation's database.
    pub(crate) fn database(self, dir: &Path) -> PathBuf {
        dir.join(self.generation.to_string())
    }
}

/// Whether a directory has a stamp.
pub(crate) fn stamped(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Replaces a file atomically; durable when this returns.
pub(crate) fn replace_file(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (new, target) = (dir.join(format!("{name}.new")), dir.join(name));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, target)?;
    sync_directory(dir)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes the name of a directory durable.
pub(crate) fn sync_parent(dir: &Path) -> io::Result<()> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the slice was cut to this length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: StoreStamp = StoreStamp { format: STORE_FORMAT, cluster: [7; 16], generation: 3, index: 9 };

    #[test]
    fn a_stamp_reads_as_written_and_a_second_replaces_it() {
        let dir = tempfile::tempdir().unwrap();
        STAMP.write(dir.path()).unwrap();
        assert_eq!(StoreStamp::read(dir.path(), &[7; 16]).unwrap(), STAMP);
        StoreStamp { generation: 4, ..STAMP }.write(dir.path()).unwrap();
        assert_eq!(StoreStamp::read(dir.path(), &[7; 16]).unwrap().generation, 4);
    }

    #[test]
    fn any_flipped_bit_of_a_stamp_is_damage_and_no_newer_version() {
        let bytes = STAMP.encode();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let refused = StoreStamp::decode(&bad).unwrap_err();
            assert!(refused.may_be_set_aside(), "bit {bit} of byte {at}: {refused}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let mut bytes = STAMP.encode();
        bytes.truncate(BYTES - CHECKSUM_BYTES);
        bytes[8] = STORE_FORMAT as u8 + 1;
        bytes.extend_from_slice(b"more of it");
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        assert!(matches!(StoreStamp::decode(&bytes), Err(StoreError::NewerFormat { found: 3, known: 2 })));
    }
}
