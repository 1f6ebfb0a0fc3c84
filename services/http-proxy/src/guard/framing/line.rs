//! The lines of a head, a trailer or a chunk, as they arrive: the beginning of a line, and whether its end is a CRLF.
//!
//! A long line is kept in part. The findings about a line do not depend on the pieces in which the line arrives.

/// Longest part of a line that is looked at, bytes: enough for the names and values that matter.
const KEPT_BYTES_MAX: usize = 256;

/// A line that has arrived, without its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    kept: &'a [u8],
    marks: Marks,
}

/// Findings about the bytes of a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Marks {
    /// The line is longer than its kept part.
    cut: bool,
    /// The last byte is a CR.
    ends_in_cr: bool,
    /// A CR stands within the line, or a NUL.
    stray: bool,
    hash: bool,
}

/// The bytes of a line that has not arrived whole.
#[derive(Debug, Default)]
pub(super) struct LineBytes {
    kept: Vec<u8>,
    marks: Marks,
}

impl Marks {
    /// The marks of the line with a further part. Returns the part without a CR at its end.
    fn add<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        let Some((last, before)) = part.split_last() else { return part };
        self.stray |= self.ends_in_cr;
        self.ends_in_cr = *last == b'\r';
        let rest = if self.ends_in_cr { before } else { part };
        for byte in rest {
            self.stray |= matches!(*byte, b'\r' | 0);
            self.hash |= *byte == b'#';
        }
        rest
    }
}

impl LineBytes {
    /// Adds a part without a LF.
    pub(super) fn add(&mut self, part: &[u8]) {
        let rest = self.marks.add(part);
        let room = KEPT_BYTES_MAX.saturating_sub(self.kept.len());
        self.marks.cut |= rest.len() > room;
        self.kept.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// Whether no byte of the line has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && !self.marks.ends_in_cr && !self.marks.stray
    }

    pub(super) fn line(&self) -> Line<'_> {
        Line { kept: &self.kept, marks: self.marks }
    }
}

impl<'a> Line<'a> {
    /// A line that arrived in one part; `bytes` end before its LF.
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        let mut marks = Marks::default();
        let rest = marks.add(bytes);
        marks.cut = rest.len() > KEPT_BYTES_MAX;
        Self { kept: &rest[..rest.len().min(KEPT_BYTES_MAX)], marks }
    }

    /// The line, or its beginning.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.kept
    }

    /// Whether only the beginning of the line is known.
    pub(super) fn is_cut(&self) -> bool {
        self.marks.cut
    }

    /// Whether nothing stands before the end of the line.
    pub(super) fn is_bare(&self) -> bool {
        self.kept.is_empty() && !self.marks.stray
    }

    /// Whether readers may take another place for the end of the line: a bare LF, a CR within, or a NUL.
    pub(super) fn is_odd(&self) -> bool {
        self.marks.stray || !self.marks.ends_in_cr
    }

    pub(super) fn has_hash(&self) -> bool {
        self.marks.hash
    }
}
