//! The layout of a backup file, and the check of bytes against that layout.
//!
//! A file: magic (8), format (4), then pieces. A piece: kind (1), sequence from 0 (8), length of the payload (4), payload,
//! XXH3-64 of the piece up to here (8); numbers little-endian. The first piece is the head. The last piece is the trailer, which
//! holds the XXH3-128 of every byte of the file before the trailer. Pieces between them are frames: the length of a chunk of the
//! state (4) and the chunk in LZ4. No other module knows these bytes.

use prost::Message;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{ARCHIVE_FORMAT, ArchiveError, ArchiveHead, ArchiveTail};

const MAGIC: &[u8; 8] = b"ocsbckup";
const PREAMBLE_BYTES: usize = 8 + 4;
const PIECE_HEAD_BYTES: usize = 1 + 8 + 4;
const CHECKSUM_BYTES: usize = 8;
/// A longer payload is damaged: a frame holds one chunk, and a chunk exceeds its target by at most one row.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

const HEAD: u8 = 1;
const FRAME: u8 = 2;
const TAIL: u8 = 3;

/// [`ArchiveHead`] in the file.
#[derive(Clone, PartialEq, Eq, Message)]
struct HeadRow {
    #[prost(bytes = "vec", tag = "1")]
    cluster: Vec<u8>,
    #[prost(string, tag = "2")]
    cluster_id: String,
    #[prost(string, tag = "3")]
    node: String,
    #[prost(uint64, tag = "4")]
    index: u64,
    #[prost(uint64, tag = "5")]
    term: u64,
    #[prost(uint64, tag = "6")]
    epoch: u64,
    #[prost(uint64, tag = "7")]
    created_us: u64,
    #[prost(string, tag = "8")]
    release: String,
    #[prost(bytes = "vec", tag = "9")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "10")]
    records: u64,
    #[prost(uint32, tag = "11")]
    formats: u32,
    #[prost(uint32, tag = "12")]
    rules: u32,
    #[prost(bool, tag = "33")]
    guarded: bool,
}

/// [`ArchiveTail`] in the file, with the checksum of all bytes before the trailer.
#[derive(Clone, PartialEq, Eq, Message)]
struct TailRow {
    #[prost(bytes = "vec", tag = "1")]
    whole: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "3")]
    state_rows: u64,
    #[prost(uint64, tag = "4")]
    index_rows: u64,
    #[prost(uint64, tag = "5")]
    content_bytes: u64,
}

impl HeadRow {
    fn from_head(head: &ArchiveHead) -> Self {
        let head = head.clone();
        Self {
            cluster: head.cluster.to_vec(),
            cluster_id: head.cluster_id,
            node: head.node,
            index: head.index,
            term: head.term,
            epoch: head.epoch,
            created_us: head.created_us,
            release: head.release,
            digest: head.digest.to_be_bytes().to_vec(),
            records: head.records,
            formats: head.formats,
            rules: head.rules,
            guarded: head.guarded,
        }
    }

    fn into_head(self) -> Option<ArchiveHead> {
        Some(ArchiveHead {
            cluster: self.cluster.try_into().ok()?,
            cluster_id: self.cluster_id,
            node: self.node,
            index: self.index,
            term: self.term,
            epoch: self.epoch,
            created_us: self.created_us,
            release: self.release,
            digest: digest(&self.digest)?,
            records: self.records,
            formats: self.formats,
            rules: self.rules,
            guarded: self.guarded,
        })
    }
}

fn digest(bytes: &[u8]) -> Option<u128> {
    bytes.try_into().ok().map(u128::from_be_bytes)
}

/// Writes pieces in their order.
pub(super) struct Pieces {
    sequence: u64,
    whole: Xxh3,
}

impl Pieces {
    /// The writer of a new file.
    pub(super) fn new() -> Self {
        Self { sequence: 0, whole: Xxh3::new() }
    }

    /// The beginning of the file, up to its first frame.
    pub(super) fn head(&mut self, head: &ArchiveHead) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&ARCHIVE_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.piece(HEAD, &HeadRow::from_head(head).encode_to_vec()));
        self.whole.update(&bytes);
        bytes
    }

    /// A chunk of the state.
    pub(super) fn frame(&mut self, chunk: &[u8]) -> Vec<u8> {
        let packed = lz4_flex::block::compress_prepend_size(chunk);
        let bytes = self.piece(FRAME, &packed);
        self.whole.update(&bytes);
        bytes
    }

    /// The end of the file.
    pub(super) fn tail(&mut self, tail: &ArchiveTail) -> Vec<u8> {
        let row = TailRow {
            whole: self.whole.digest128().to_be_bytes().to_vec(),
            digest: tail.digest.to_be_bytes().to_vec(),
            state_rows: tail.state_rows,
            index_rows: tail.index_rows,
            content_bytes: tail.content_bytes,
        };
        self.piece(TAIL, &row.encode_to_vec())
    }

    fn piece(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a chunk is far smaller than 4 GiB");
        let mut bytes = Vec::with_capacity(PIECE_HEAD_BYTES + payload.len() + CHECKSUM_BYTES);
        bytes.push(kind);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        self.sequence += 1;
        bytes
    }
}

/// The chunk of a frame's payload; none: the payload is no frame.
pub(super) fn unpacked(frame: &[u8]) -> Option<Vec<u8>> {
    let (length, _) = frame.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    (length <= PAYLOAD_BYTES_MAX).then(|| lz4_flex::block::decompress_size_prepended(frame).ok()).flatten()
}

/// Checks the bytes of a backup file in parts of any size: every piece's checksum and order, and at the end the checksum of the
/// whole file. Frames stay unread.
#[derive(Default)]
pub struct Checker {
    /// Bytes of a piece that is still incomplete.
    open: Vec<u8>,
    /// The position of `open` in the file.
    at: u64,
    sequence: u64,
    whole: Xxh3,
    head: Option<ArchiveHead>,
    tail: Option<ArchiveTail>,
}

impl Checker {
    /// The checker of a new file.
    pub fn new() -> Self {
        Self::default()
    }

    /// The head of the file, once read.
    pub fn head(&self) -> Option<&ArchiveHead> {
        self.head.as_ref()
    }

    /// Checks the next bytes. `frame` gets the payload of every frame that these bytes complete, with its place in the file.
    ///
    /// # Errors
    /// The bytes differ from those of a backup file.
    pub fn push(&mut self, bytes: &[u8], mut frame: impl FnMut(u64, &[u8])) -> Result<(), ArchiveError> {
        self.open.extend_from_slice(bytes);
        let open = std::mem::take(&mut self.open);
        let mut rest = &open[..];
        while let Some(length) = self.length(rest)? {
            let (piece, behind) = rest.split_at(length);
            self.piece(piece, &mut frame)?;
            self.at += length as u64;
            rest = behind;
        }
        self.open = rest.to_vec();
        Ok(())
    }

    /// Ends the check at the end of the file.
    ///
    /// # Errors
    /// [`ArchiveError::Cut`]: the file ends before its trailer.
    pub fn finish(self) -> Result<(ArchiveHead, ArchiveTail), ArchiveError> {
        let at = self.at + self.open.len() as u64;
        self.head.zip(self.tail).ok_or(ArchiveError::Cut { at })
    }

    fn damaged<T>(&self, reason: &'static str) -> Result<T, ArchiveError> {
        Err(ArchiveError::Damaged { at: self.at, reason })
    }

    /// Bytes in front of the first piece.
    fn preamble(&self) -> usize {
        if self.head.is_none() { PREAMBLE_BYTES } else { 0 }
    }

    /// The length of the piece that begins here; none: the piece is still incomplete.
    fn length(&self, rest: &[u8]) -> Result<Option<usize>, ArchiveError> {
        if self.tail.is_some() && !rest.is_empty() {
            return self.damaged("something follows the trailer");
        }
        if self.head.is_none() {
            check_preamble(rest)?;
        }
        let head = self.preamble() + PIECE_HEAD_BYTES;
        let Some(length) = rest.get(head - 4..head) else { return Ok(None) };
        let length = u32::from_le_bytes(length.try_into().expect("4 bytes")) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return self.damaged("its length is none that was written");
        }
        let length = head + length + CHECKSUM_BYTES;
        Ok((rest.len() >= length).then_some(length))
    }

    fn piece(&mut self, bytes: &[u8], frame: &mut impl FnMut(u64, &[u8])) -> Result<(), ArchiveError> {
        let (covered, checksum) = bytes[self.preamble()..].split_at(bytes.len() - self.preamble() - CHECKSUM_BYTES);
        if xxh3_64(covered).to_le_bytes() != checksum {
            return self.damaged("its checksum is wrong");
        }
        if covered[1..9] != self.sequence.to_le_bytes() {
            return self.damaged("it is not in its place");
        }
        let (kind, payload) = (covered[0], &covered[PIECE_HEAD_BYTES..]);
        match (kind, self.head.is_some()) {
            (HEAD, false) => self.head = Some(self.read_head(payload)?),
            (FRAME, true) => frame(self.at, payload),
            (TAIL, true) => self.tail = Some(self.read_tail(payload)?),
            _ => return self.damaged("it is not in its place"),
        }
        self.sequence += 1;
        self.whole.update(bytes);
        Ok(())
    }

    fn read_head(&self, payload: &[u8]) -> Result<ArchiveHead, ArchiveError> {
        let head = HeadRow::decode(payload).ok().and_then(HeadRow::into_head);
        head.map_or_else(|| self.damaged("the head cannot be read"), Ok)
    }

    fn read_tail(&self, payload: &[u8]) -> Result<ArchiveTail, ArchiveError> {
        let row = TailRow::decode(payload).ok();
        let read = row.and_then(|row| Some((digest(&row.whole)?, digest(&row.digest)?, row)));
        let Some((whole, digest, row)) = read else { return self.damaged("the trailer cannot be read") };
        if whole != self.whole.digest128() {
            return self.damaged("the checksum of the whole file is wrong");
        }
        let TailRow { state_rows, index_rows, content_bytes, .. } = row;
        Ok(ArchiveTail { digest, state_rows, index_rows, content_bytes })
    }
}

/// Checks the bytes of the preamble that have arrived.
fn check_preamble(rest: &[u8]) -> Result<(), ArchiveError> {
    let magic = rest.len().min(MAGIC.len());
    if rest[..magic] != MAGIC[..magic] {
        return Err(ArchiveError::NotAnArchive);
    }
    let Some(format) = rest.get(MAGIC.len()..PREAMBLE_BYTES) else { return Ok(()) };
    match u32::from_le_bytes(format.try_into().expect("4 bytes")) {
        0 => Err(ArchiveError::NotAnArchive),
        found if found > ARCHIVE_FORMAT => Err(ArchiveError::NewerFormat { found, known: ARCHIVE_FORMAT }),
        _ => Ok(()),
    }
}
