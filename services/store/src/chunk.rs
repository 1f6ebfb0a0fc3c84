//! The format of a snapshot: chunks in order, each with a magic and a checksum.
//!
//! A chunk: magic (8), format (4), kind (1), sequence (8), length of the body (4), body, XXH3-64 of all before it (8); numbers
//! little-endian. The first chunk is the head: cluster, index, term, membership, digests, form of the indexes. Chunks of rows follow, the state's
//! before the indexes', in key order. The last chunk is the tail: counts of rows. Written by `export`, read by `ingest`; no
//! other module knows these bytes.

use prost::Message;
use records::Table;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    SNAPSHOT_FORMAT,
    error::IngestError,
    mark::{DigestsRow, INDEX_FORM_FIRST, IndexMark, StateRow},
};

/// A chunk of rows ends before the row that would exceed this size, bytes; a larger row gets a chunk of its own.
pub const CHUNK_BYTES_TARGET: usize = 1024 * 1024;

const MAGIC: &[u8; 8] = b"ocschunk";
const HEAD_BYTES: usize = 8 + 4 + 1 + 8 + 4;
const CHECKSUM_BYTES: usize = 8;

/// The part of the state that a row belongs to, in sending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// The rows that the digest covers.
    State,
    /// Rows derived from those.
    Index,
}

impl Section {
    pub(crate) fn of(table: Table) -> Self {
        if table.is_state() { Self::State } else { Self::Index }
    }
}

/// The first chunk: the identity of the state.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HeadRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) cluster: Vec<u8>,
    #[prost(message, required, tag = "2")]
    pub(crate) state: StateRow,
    #[prost(message, required, tag = "3")]
    pub(crate) digests: DigestsRow,
    /// The form of the index rows; 0: the first form.
    #[prost(uint32, tag = "4")]
    pub(crate) index_form: u32,
}

impl HeadRow {
    /// The number of a form in a head: the first form takes no byte, as before forms had numbers.
    pub(crate) fn index_form_of(mark: &IndexMark) -> u32 {
        if mark.is_whole(INDEX_FORM_FIRST) { 0 } else { mark.form }
    }

    /// The mark of a store with the rows of this state.
    pub(crate) fn index_mark(&self) -> IndexMark {
        IndexMark { form: self.index_form.max(INDEX_FORM_FIRST), rebuild: None }
    }
}

/// The last chunk: the counts of rows that the receiver must have.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct TailRow {
    #[prost(uint64, tag = "1")]
    pub(crate) state_rows: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) index_rows: u64,
}

/// The content of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Head(HeadRow),
    Rows(Section, &'a [u8]),
    Tail(TailRow),
}

impl Body<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Head(_) => 1,
            Self::Rows(Section::State, _) => 2,
            Self::Rows(Section::Index, _) => 3,
            Self::Tail(_) => 4,
        }
    }
}

/// The bytes of a chunk.
pub(crate) fn encode(sequence: u64, body: &Body<'_>) -> Vec<u8> {
    let content = match body {
        Body::Head(head) => head.encode_to_vec(),
        Body::Tail(tail) => tail.encode_to_vec(),
        Body::Rows(_, rows) => rows.to_vec(),
    };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + content.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
    bytes.push(body.kind());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&length(content.len()));
    bytes.extend_from_slice(&content);
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// Reads a chunk that must have this sequence number.
pub(crate) fn decode(sequence: u64, bytes: &[u8]) -> Result<Body<'_>, IngestError> {
    let damaged = |reason| IngestError::Damaged { sequence, reason };
    if bytes.len() < HEAD_BYTES + CHECKSUM_BYTES || &bytes[..8] != MAGIC {
        return Err(damaged("it does not begin as one of ours"));
    }
    // Every format ends with this checksum: a flipped bit never passes for a newer version.
    let (covered, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if xxh3_64(covered).to_le_bytes() != checksum {
        return Err(damaged("its checksum is wrong"));
    }
    let format = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
    if format > SNAPSHOT_FORMAT {
        return Err(IngestError::NewerFormat { found: format, known: SNAPSHOT_FORMAT });
    }
    if covered[13..21] != sequence.to_le_bytes() || covered[21..25] != length(covered.len() - HEAD_BYTES) {
        return Err(damaged("it is out of order or cut"));
    }
    body(covered[12], &covered[HEAD_BYTES..]).ok_or(damaged("its content cannot be read"))
}

fn body(kind: u8, content: &[u8]) -> Option<Body<'_>> {
    match kind {
        1 => HeadRow::decode(content).ok().map(Body::Head),
        2 => Some(Body::Rows(Section::State, content)),
        3 => Some(Body::Rows(Section::Index, content)),
        4 => TailRow::decode(content).ok().map(Body::Tail),
        _ => None,
    }
}

/// Bytes that a row takes in a chunk.
pub(crate) fn row_bytes(key: &[u8], value: &[u8]) -> usize {
    8 + key.len() + value.len()
}

/// The last `left` bytes of a chunk's content.
pub(crate) fn tail_of(chunk: &[u8], left: usize) -> &[u8] {
    let end = chunk.len() - CHECKSUM_BYTES;
    &chunk[end - left..end]
}

/// Adds a row to the content of a chunk.
pub(crate) fn push_row(content: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    content.extend_from_slice(&length(key.len()));
    content.extend_from_slice(&length(value.len()));
    content.extend_from_slice(key);
    content.extend_from_slice(value);
}

/// Takes a row off the content of a chunk: key, value, rest. None: the row is cut.
pub(crate) fn split_row(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_bytes, rest) = content.split_at_checked(4)?;
    let (value_bytes, rest) = rest.split_at_checked(4)?;
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes")) as usize;
    let (key, rest) = rest.split_at_checked(number(key_bytes))?;
    let (value, rest) = rest.split_at_checked(number(value_bytes))?;
    Some((key, value, rest))
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a chunk is far smaller than 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_reads_as_written_and_only_in_its_place() {
        let mut content = Vec::new();
        push_row(&mut content, b"key", b"value");
        push_row(&mut content, b"", b"");
        let bytes = encode(5, &Body::Rows(Section::Index, &content));
        assert_eq!(decode(5, &bytes).unwrap(), Body::Rows(Section::Index, &content));
        assert!(matches!(decode(4, &bytes), Err(IngestError::Damaged { sequence: 4, .. })));
        let (key, value, rest) = split_row(&content).unwrap();
        assert_eq!((key, value, rest.len()), (&b"key"[..], &b"value"[..], 8));
        assert_eq!(split_row(&content[..10]), None);
    }

    #[test]
    fn any_flipped_bit_of_a_chunk_is_damage_and_no_newer_version() {
        let bytes = encode(0, &Body::Tail(TailRow { state_rows: 1, index_rows: 2 }));
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let refused = decode(0, &bad).unwrap_err();
            assert!(matches!(refused, IngestError::Damaged { .. }), "bit {bit} of byte {at}: {refused}");
        }
    }
}
