//! The bytes of a segment and of the mark file; the only place that knows them. All numbers are little-endian.
//!
//! ```text
//! segment   header of 4096 bytes: magic 8 | format 4 | node's number 2 | zero 2 | cluster 16 | sequence 8 | first index 8 |
//!                                 where the segment before ended 8 | CRC 4
//!                                 (a number of 0: written by a version that did not name its node)
//!           batches, one after the other, then zeros
//! batch     a head record, then its other records; valid as a whole or not at all
//! record    CRC 4 | payload's length 4 | kind 1 | "ocs" | payload
//!           the CRC covers the segment's sequence number, the record's offset, and everything after the CRC
//! mark      two slots, at 0 and 4096: magic 4 | CRC 4 | segment 8 | offset 8 | index 8 | term 8
//! ```
//!
//! Never does IO. Called by the writer, recovery and the readers.

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use prost::Message;

use super::{HardState, LogConfig, error::LogError};

/// The format that this version writes, and the only format that this version reads.
pub(super) const FORMAT: u32 = 1;
/// Where the first batch of a segment begins.
pub(super) const HEADER_BYTES: u64 = 4096;
/// A record without its payload.
pub(super) const RECORD_BYTES: usize = 12;
/// The payload of an entry's record, without context and data.
pub(super) const ENTRY_BYTES: usize = 24;
/// The payload of a head record.
pub(super) const HEAD_BYTES: usize = 36;
/// Offset of the mark file's second slot; its length is twice that.
pub(super) const SLOT_BYTES: u64 = 4096;
/// Highest index, term and number of a segment: far above the bounds of a peer's message, and the next number still fits.
pub(super) const NUMBER_MAX: u64 = 1 << 63;
/// Bytes in use of a slot.
pub(super) const SLOT_USED: usize = 40;

const MAGIC: [u8; 8] = *b"OCSRLOG\n";
const SLOT_MAGIC: [u8; 4] = *b"MARK";
const RECORD_MAGIC: [u8; 3] = *b"ocs";
const HEADER_USED: usize = 60;

/// First record of a batch: the batch's length, and the mark of the batch before.
pub(super) const HEAD: u8 = 1;
/// First in a segment: all state so far, so that the segments before are not needed for it.
pub(super) const BASE: u8 = 2;
/// Term, vote, commit.
pub(super) const HARD_STATE: u8 = 3;
/// Entries up to the mark may be forgotten.
pub(super) const START: u8 = 4;
/// All entries are forgotten; the log goes on after the mark.
pub(super) const RESET: u8 = 5;
/// One entry; an entry at or below the last index takes out the entries from there on.
pub(super) const ENTRY: u8 = 6;
/// The membership at an index.
pub(super) const CONF_STATE: u8 = 7;

/// A place up to which fdatasync has returned, and the last entry there. Ordered by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) index: u64,
    pub(super) term: u64,
}

impl Mark {
    /// The place alone.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.segment, self.offset)
    }
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) cluster: [u8; 16],
    /// The number of the node whose log this is; 0: not said.
    pub(super) node: u16,
    pub(super) sequence: u64,
    pub(super) first_index: u64,
    pub(super) previous_end: u64,
}

/// Why a segment's header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Newer(u32),
    Bad(&'static str),
}

/// All state at the beginning of a segment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Base {
    pub(super) hard_state: HardState,
    pub(super) start: SnapshotMark,
    pub(super) last_index: u64,
    pub(super) last_term: u64,
    pub(super) conf_states: Vec<(u64, ConfState)>,
}

/// A record's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) crc: u32,
    pub(super) length: u32,
    pub(super) kind: u8,
}

/// An entry's fixed fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) kind: u32,
    pub(super) context_bytes: u32,
}

/// Takes numbers off the front; `None` where too few bytes are left.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn message<M: Message + Default>(&mut self) -> Option<M> {
        let length = self.u32()?;
        M::decode(self.take(length as usize)?).ok()
    }
}

/// A segment's file name; the order of names is the order of segments.
pub(super) fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.log")
}

/// The sequence number in a segment's file name.
pub(super) fn segment_sequence(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let sequence = u64::from_str_radix(digits, 16).ok()?;
    (segment_name(sequence) == name).then_some(sequence)
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_USED);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.node.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.cluster);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.first_index.to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// The checksum is looked at before any field.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let used = bytes.get(..HEADER_USED).ok_or(HeaderFault::Bad("the file is shorter than a header"))?;
        if used[..8] != MAGIC {
            return Err(HeaderFault::Bad("no magic number of a log segment"));
        }
        let mut rest = Bytes(&used[8..]);
        Self::decode_rest(&mut rest, crc32c::crc32c(&used[..HEADER_USED - 4]))
            .unwrap_or(Err(HeaderFault::Bad("the file is shorter than a header")))
    }

    fn decode_rest(rest: &mut Bytes<'_>, crc: u32) -> Option<Result<Self, HeaderFault>> {
        let format = rest.u32()?;
        let node = u16::from_le_bytes(rest.take(2)?.try_into().ok()?);
        rest.take(2)?;
        let cluster = rest.take(16)?.try_into().ok()?;
        let (sequence, first_index, previous_end) = (rest.u64()?, rest.u64()?, rest.u64()?);
        // Every format has this checksum here, so that a flipped bit is not taken for a newer version.
        if rest.u32()? != crc || format == 0 {
            return Some(Err(HeaderFault::Bad("the checksum of the segment's header does not match")));
        }
        if format > FORMAT {
            return Some(Err(HeaderFault::Newer(format)));
        }
        Some(Ok(Self { cluster, node, sequence, first_index, previous_end }))
    }
}

impl RecordHeader {
    /// `None`: no record begins here.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes(bytes);
        let (crc, length) = (rest.u32()?, rest.u32()?);
        let tail = rest.take(4)?;
        (tail[1..] == RECORD_MAGIC).then_some(Self { crc, length, kind: tail[0] })
    }

    /// CRC of everything before the payload, from which the payload's CRC goes on.
    pub(super) fn seed(&self, sequence: u64, offset: u64) -> u32 {
        let mut prefix = [0u8; 24];
        prefix[..8].copy_from_slice(&sequence.to_le_bytes());
        prefix[8..16].copy_from_slice(&offset.to_le_bytes());
        prefix[16..20].copy_from_slice(&self.length.to_le_bytes());
        prefix[20] = self.kind;
        prefix[21..].copy_from_slice(&RECORD_MAGIC);
        crc32c::crc32c(&prefix)
    }

    fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut out = [0u8; RECORD_BYTES];
        out[..4].copy_from_slice(&self.crc.to_le_bytes());
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8] = self.kind;
        out[9..].copy_from_slice(&RECORD_MAGIC);
        out
    }
}

impl EntryHeader {
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut rest = Bytes(payload);
        Some(Self { index: rest.u64()?, term: rest.u64()?, kind: rest.u32()?, context_bytes: rest.u32()? })
    }
}

/// An entry from its whole payload.
pub(super) fn decode_entry(payload: &[u8]) -> Option<Entry> {
    let header = EntryHeader::decode(payload)?;
    let (context, data) = payload.get(ENTRY_BYTES..)?.split_at_checked(header.context_bytes as usize)?;
    Some(Entry {
        kind: header.kind,
        term: header.term,
        index: header.index,
        data: prost::bytes::Bytes::copy_from_slice(data),
        context: prost::bytes::Bytes::copy_from_slice(context),
    })
}

/// A head record's payload: the batch's length, and the mark of the batch before.
pub(super) fn decode_head(payload: &[u8]) -> Option<(u32, Mark)> {
    let mut rest = Bytes(payload);
    let length = rest.u32()?;
    let mark = Mark { segment: rest.u64()?, offset: rest.u64()?, index: rest.u64()?, term: rest.u64()? };
    rest.0.is_empty().then_some((length, mark))
}

/// Three numbers.
pub(super) fn decode_hard_state(payload: &[u8]) -> Option<HardState> {
    let mut rest = Bytes(payload);
    Some(HardState { term: rest.u64()?, vote: rest.u64()?, commit: rest.u64()? })
}

/// A start or reset record.
pub(super) fn decode_start(payload: &[u8]) -> Option<SnapshotMark> {
    Bytes(payload).message()
}

/// A membership and its index.
pub(super) fn decode_conf_state(payload: &[u8]) -> Option<(u64, ConfState)> {
    let mut rest = Bytes(payload);
    Some((rest.u64()?, rest.message()?))
}

/// A base record.
pub(super) fn decode_base(payload: &[u8]) -> Option<Base> {
    let mut rest = Bytes(payload);
    let hard_state = HardState { term: rest.u64()?, vote: rest.u64()?, commit: rest.u64()? };
    let (last_index, last_term) = (rest.u64()?, rest.u64()?);
    let start = rest.message()?;
    let conf_states = (0..rest.u32()?).map(|_| Some((rest.u64()?, rest.message()?))).collect::<Option<_>>()?;
    Some(Base { hard_state, start, last_index, last_term, conf_states })
}

/// Puts one batch into a buffer, record by record.
pub(super) struct Encoder<'a> {
    buffer: &'a mut Vec<u8>,
    sequence: u64,
    offset: u64,
}

impl<'a> Encoder<'a> {
    /// Begins a batch at a place; the buffer is emptied.
    pub(super) fn begin(buffer: &'a mut Vec<u8>, sequence: u64, offset: u64) -> Self {
        buffer.clear();
        buffer.resize(RECORD_BYTES + HEAD_BYTES, 0);
        Self { buffer, sequence, offset }
    }

    /// Ends the batch: its head, with the mark of the batch before.
    pub(super) fn finish(self, before: &Mark) {
        let length = self.buffer.len() as u32;
        let head = &mut self.buffer[RECORD_BYTES..RECORD_BYTES + HEAD_BYTES];
        head[..4].copy_from_slice(&length.to_le_bytes());
        for (place, number) in [before.segment, before.offset, before.index, before.term].iter().enumerate() {
            head[4 + place * 8..12 + place * 8].copy_from_slice(&number.to_le_bytes());
        }
        seal(&mut self.buffer[..RECORD_BYTES + HEAD_BYTES], HEAD, self.sequence, self.offset);
    }

    /// One record; its offset in the segment.
    fn record(&mut self, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; RECORD_BYTES]);
        payload(self.buffer);
        let offset = self.offset + at as u64;
        seal(&mut self.buffer[at..], kind, self.sequence, offset);
        offset
    }

    /// An entry; its record's offset in the segment.
    pub(super) fn entry(&mut self, entry: &Entry) -> u64 {
        self.record(ENTRY, |out| {
            out.extend_from_slice(&entry.index.to_le_bytes());
            out.extend_from_slice(&entry.term.to_le_bytes());
            out.extend_from_slice(&entry.kind.to_le_bytes());
            out.extend_from_slice(&(entry.context.len() as u32).to_le_bytes());
            out.extend_from_slice(&entry.context);
            out.extend_from_slice(&entry.data);
        })
    }

    pub(super) fn hard_state(&mut self, hard_state: &HardState) {
        self.record(HARD_STATE, |out| put_hard_state(out, hard_state));
    }

    pub(super) fn start(&mut self, mark: &SnapshotMark, reset: bool) {
        self.record(if reset { RESET } else { START }, |out| put_message(out, mark));
    }

    pub(super) fn conf_state(&mut self, index: u64, conf_state: &ConfState) {
        self.record(CONF_STATE, |out| put_conf_state(out, index, conf_state));
    }

    pub(super) fn base(&mut self, base: &Base) {
        self.record(BASE, |out| {
            put_hard_state(out, &base.hard_state);
            out.extend_from_slice(&base.last_index.to_le_bytes());
            out.extend_from_slice(&base.last_term.to_le_bytes());
            put_message(out, &base.start);
            out.extend_from_slice(&(base.conf_states.len() as u32).to_le_bytes());
            for (index, conf_state) in &base.conf_states {
                put_conf_state(out, *index, conf_state);
            }
        });
    }
}

/// Fills in the first bytes of a record whose payload stands.
fn seal(record: &mut [u8], kind: u8, sequence: u64, offset: u64) {
    let (front, payload) = record.split_at_mut(RECORD_BYTES);
    let mut header = RecordHeader { crc: 0, length: payload.len() as u32, kind };
    header.crc = crc32c::crc32c_append(header.seed(sequence, offset), payload);
    front.copy_from_slice(&header.encode());
}

fn put_hard_state(out: &mut Vec<u8>, hard_state: &HardState) {
    for number in [hard_state.term, hard_state.vote, hard_state.commit] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn put_message(out: &mut Vec<u8>, message: &impl Message) {
    out.extend_from_slice(&(message.encoded_len() as u32).to_le_bytes());
    message.encode(out).expect("a vector has room for any message");
}

fn put_conf_state(out: &mut Vec<u8>, index: u64, conf_state: &ConfState) {
    out.extend_from_slice(&index.to_le_bytes());
    put_message(out, conf_state);
}

/// Bytes that a batch's head takes.
pub(super) const fn head_bytes() -> usize {
    RECORD_BYTES + HEAD_BYTES
}

/// Bytes that an entry takes.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    RECORD_BYTES + ENTRY_BYTES + entry.context.len() + entry.data.len()
}

/// Bytes that a hard state takes.
pub(super) const fn hard_state_bytes() -> usize {
    RECORD_BYTES + 24
}

/// Bytes that a start or reset record takes.
pub(super) fn start_bytes(mark: &SnapshotMark) -> usize {
    RECORD_BYTES + 4 + mark.encoded_len()
}

/// Bytes that a membership takes.
pub(super) fn conf_state_bytes(conf_state: &ConfState) -> usize {
    RECORD_BYTES + 12 + conf_state.encoded_len()
}

/// Bytes that a base record takes.
pub(super) fn base_bytes(base: &Base) -> usize {
    let conf_states: usize = base.conf_states.iter().map(|(_, c)| 12 + c.encoded_len()).sum();
    RECORD_BYTES + 24 + 16 + 4 + base.start.encoded_len() + 4 + conf_states
}

/// A slot of the mark file.
pub(super) fn encode_slot(mark: &Mark) -> [u8; SLOT_USED] {
    let mut out = [0u8; SLOT_USED];
    out[..4].copy_from_slice(&SLOT_MAGIC);
    for (place, number) in [mark.segment, mark.offset, mark.index, mark.term].iter().enumerate() {
        out[8 + place * 8..16 + place * 8].copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out[8..]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The mark in a slot; none: the slot is not whole.
pub(super) fn decode_slot(bytes: &[u8]) -> Option<Mark> {
    let used = bytes.get(..SLOT_USED)?;
    let mut rest = Bytes(used.strip_prefix(&SLOT_MAGIC)?);
    if rest.u32()? != crc32c::crc32c(&used[8..]) {
        return None;
    }
    Some(Mark { segment: rest.u64()?, offset: rest.u64()?, index: rest.u64()?, term: rest.u64()? })
}

/// Refuses a header that this node must not go on from; a damaged header is left to the caller.
pub(super) fn check_header(
    file: &str,
    sequence: u64,
    config: &LogConfig,
    bytes: &[u8],
) -> Result<Result<SegmentHeader, &'static str>, LogError> {
    match SegmentHeader::decode(bytes) {
        Err(HeaderFault::Newer(format)) => {
            Err(LogError::NewerFormat { file: file.to_owned(), what: format!("format {format}") })
        }
        Err(HeaderFault::Bad(why)) => Ok(Err(why)),
        Ok(header) if header.cluster != config.cluster => Err(LogError::ForeignCluster {
            file: file.to_owned(),
            found: hexadecimal(&header.cluster),
            expected: hexadecimal(&config.cluster),
        }),
        Ok(header) if header.node != 0 && config.node != 0 && header.node != config.node => {
            Err(LogError::ForeignNode { file: file.to_owned(), found: header.node, expected: config.node })
        }
        Ok(header) if header.sequence != sequence => Ok(Err("the segment's number is not the one in its name")),
        Ok(header) if !(1..=NUMBER_MAX).contains(&header.sequence) => Ok(Err("a segment's number that cannot be")),
        Ok(header) => Ok(Ok(header)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
