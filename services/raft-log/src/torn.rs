//! The bytes beyond the last whole batch: the proof that they were durable, and the difference between a damaged and a torn
//! batch.
//!
//! A torn write leaves at least one sector unwritten, and the place of a log's next write holds zeros. Never writes. Called by
//! recovery.

use std::io;

use super::{
    disk::File,
    format::{self, HEAD, HEAD_BYTES, Mark, RECORD_BYTES, RecordHeader},
    window::{OPENING_WINDOW_BYTES, Scanned, Window},
};

/// Bytes that a disk writes as a whole or not at all; larger sectors are several of these.
const SECTOR_BYTES: u64 = 512;

/// The bytes beyond the last whole batch of the last segment.
pub(super) struct Rest {
    /// The furthest mark in a valid head.
    pub(super) proof: Option<Mark>,
    /// After the last byte that is not zero.
    pub(super) end: u64,
}

/// Whether the batch at `at`, which is not whole, had been written to its last sector, so that its bytes changed since. A batch
/// with a sector of nothing but its own zeros cannot be told from a torn batch, and counts as torn.
pub(super) fn damaged<F: File>(window: &mut Window<'_, F>, sequence: u64, at: u64) -> io::Result<bool> {
    let Some(end) = known_end(window, sequence, at)? else { return Ok(false) };
    let mut from = at;
    while from < end {
        let to = (from + 1).next_multiple_of(SECTOR_BYTES);
        match window.slice(from, (to - from) as usize)? {
            Some(bytes) if bytes.iter().any(|byte| *byte != 0) => from = to,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The end of a batch by its head; where the head is damaged and a record of this place follows, the end of the head. `None`:
/// nothing there shows that this log wrote the bytes.
fn known_end<F: File>(window: &mut Window<'_, F>, sequence: u64, at: u64) -> io::Result<Option<u64>> {
    let (behind, limit) = (at + format::head_bytes() as u64, window.limit());
    if matches!(window.record(sequence, at, limit)?, Scanned::Record(head) if head.kind == HEAD) {
        let head = window.slice(at + RECORD_BYTES as u64, HEAD_BYTES)?.and_then(format::decode_head);
        return Ok(head.map(|(length, _)| at + u64::from(length)));
    }
    let follows = matches!(window.record(sequence, behind, limit)?, Scanned::Record(_));
    Ok(follows.then_some(behind))
}

/// Looks at every byte for a valid head, and for the last byte that is not zero.
pub(super) fn scan_rest<F: File>(window: &mut Window<'_, F>, sequence: u64, from: u64) -> io::Result<Rest> {
    let mut rest = Rest { proof: None, end: from };
    let overlap = format::head_bytes() as u64 - 1;
    let mut at = from;
    while at < window.limit() {
        let length = (window.limit() - at).min(OPENING_WINDOW_BYTES as u64);
        let Some(bytes) = window.slice(at, length as usize)? else { break };
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            rest.end = at + last as u64 + 1;
            rest.proof = rest.proof.max(best_head(bytes, sequence, at));
        }
        if at + length >= window.limit() {
            break;
        }
        at += length - overlap;
    }
    Ok(rest)
}

/// The furthest mark in a valid head among these bytes, which stand at `at`.
fn best_head(bytes: &[u8], sequence: u64, at: u64) -> Option<Mark> {
    let heads = bytes.windows(format::head_bytes()).enumerate();
    heads.filter_map(|(i, head)| head_mark(head, sequence, at + i as u64)).max()
}

fn head_mark(bytes: &[u8], sequence: u64, offset: u64) -> Option<Mark> {
    if bytes[8] != HEAD {
        return None;
    }
    let header = RecordHeader::decode(bytes).filter(|h| h.length as usize == HEAD_BYTES)?;
    let payload = &bytes[RECORD_BYTES..];
    if crc32c::crc32c_append(header.seed(sequence, offset), payload) != header.crc {
        return None;
    }
    format::decode_head(payload).map(|(_, mark)| mark)
}
