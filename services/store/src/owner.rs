//! The owner of a state directory: the file `NODE` beside the stamp names the node.
//!
//! The stamp has a fixed length and names only the cluster; older releases ignore the file beside the stamp. A directory without
//! the file has an unknown owner and is accepted. Called by `store`, `ingest`, and by the node before its identity is known.

use std::{fs, io::ErrorKind, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    StoreConfig, StoreError,
    error::hex,
    stamp::{StoreStamp, replace_file},
};

const MAGIC: &[u8; 8] = b"ocsowner";
const FORMAT: u32 = 1;
const FILE: &str = "NODE";
const CHECKSUM_BYTES: usize = 8;
/// Magic, format, cluster.
const HEAD_BYTES: usize = 8 + 4 + 16;

/// Cluster and node that a state names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateOwner {
    /// The cluster.
    pub cluster: [u8; 16],
    /// The node's name; none: the state is from a release that wrote no owner.
    pub node: Option<String>,
}

/// The owner of a state directory, without opening the store.
///
/// # Errors
/// [`StoreError::Io`] without a store in `dir`; [`StoreError::Damaged`] and [`StoreError::NewerFormat`] for an unreadable owner.
pub fn owner(dir: &Path) -> Result<StateOwner, StoreError> {
    let cluster = StoreStamp::read_any(dir)?.cluster;
    Ok(StateOwner { cluster, node: named(dir, &cluster)? })
}

/// Refuses the state of another node.
pub(crate) fn check(dir: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    match named(dir, &config.cluster)? {
        Some(found) if !config.node.is_empty() && found != config.node => {
            Err(StoreError::ForeignNode { dir: dir.to_owned(), found, ours: config.node.clone() })
        }
        _ => Ok(()),
    }
}

/// Writes the configured node as the owner, durably, unless the directory has an owner.
pub(crate) fn claim(dir: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    if config.node.is_empty() || dir.join(FILE).exists() {
        return Ok(());
    }
    let written = replace_file(dir, FILE, &encode(&config.cluster, &config.node));
    written.map_err(StoreError::io(format!("naming the node in {}", dir.display())))
}

fn named(dir: &Path, cluster: &[u8; 16]) -> Result<Option<String>, StoreError> {
    let path = dir.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(format!("reading {}", path.display()))(error)),
    };
    let (of, node) = decode(&bytes)?;
    if of != *cluster {
        return Err(StoreError::ForeignCluster { found: hex(&of), ours: hex(cluster) });
    }
    Ok(Some(node))
}

fn encode(cluster: &[u8; 16], node: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + node.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(cluster);
    bytes.extend_from_slice(node.as_bytes());
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<([u8; 16], String), StoreError> {
    let damaged = || StoreError::Damaged(format!("its file {FILE} is not what was written"));
    let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(damaged)?;
    let sum = xxh3_64(covered).to_le_bytes();
    let rest = covered.strip_prefix(MAGIC).filter(|_| sum == *checksum).ok_or_else(damaged)?;
    let (format, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let format = u32::from_le_bytes(*format);
    if format > FORMAT {
        return Err(StoreError::NewerFormat { found: format, known: FORMAT });
    }
    let (cluster, node) = rest.split_first_chunk().ok_or_else(damaged)?;
    Ok((*cluster, String::from_utf8(node.to_vec()).map_err(|_| damaged())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_the_owner_is_damage_and_no_other_nodes_name() {
        let bytes = encode(&[7; 16], "b");
        assert_eq!(decode(&bytes).unwrap(), ([7; 16], "b".to_owned()));
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let refused = decode(&bad).unwrap_err();
            assert!(refused.may_be_set_aside(), "bit {bit} of byte {at}: {refused}");
        }
        (0..bytes.len()).for_each(|length| assert!(decode(&bytes[..length]).is_err(), "{length} bytes"));
    }

    #[test]
    fn a_newer_owner_is_refused_by_its_format() {
        let mut bytes = encode(&[7; 16], "b");
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        bytes[8] = 2;
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        assert!(matches!(decode(&bytes), Err(StoreError::NewerFormat { found: 2, known: 1 })));
    }
}
