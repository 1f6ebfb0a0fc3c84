//! Whose log stands in a directory, as the headers of its segments say: for a node whose own stamp cannot be read.
//!
//! Opens no log and changes nothing. Called by the node before its identity is known.

use super::{
    disk::{Disk, File},
    error::LogError,
    format::{HEADER_BYTES, SegmentHeader, segment_name},
    recover::sequences,
};

/// Cluster and node that a segment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: [u8; 16],
    /// The node's number; none: a version wrote the segment that did not name its node.
    pub node: Option<u16>,
}

/// The owners that the whole headers of a log's segments name, oldest segment first. A header that is not whole names no owner.
///
/// # Errors
/// [`LogError::Io`].
pub fn owners<D: Disk>(disk: &D) -> Result<Vec<Owner>, LogError> {
    let names = disk.list().map_err(LogError::io("list", "."))?;
    let mut owners = Vec::new();
    for sequence in sequences(&names) {
        let name = segment_name(sequence);
        let mut bytes = vec![0; HEADER_BYTES as usize];
        let file = disk.open(&name).map_err(LogError::io("open", &name))?;
        let read = file.read_at(&mut bytes, 0).map_err(LogError::io("read", &name))?;
        let header = SegmentHeader::decode(&bytes[..read]).ok();
        owners.extend(
            header.map(|header| Owner { cluster: header.cluster, node: (header.node != 0).then_some(header.node) }),
        );
    }
    Ok(owners)
}
