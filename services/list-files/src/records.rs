//! Splits bytes into CSV records and their places in the file. Holds one record in memory, and only the beginning of a long
//! record. Called by `source` for the header and by `batches` for the rows.

#[cfg(test)]
mod tests;

use std::{io, io::BufRead};

/// Bytes of a record's cells that are kept, and cells; a longer record fits into no batch.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// The bytes of a record in the file, its line end included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset behind its last byte.
    pub end: u64,
}

/// A quote that does not end where a cell ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenQuote {
    /// The line of the quote; the first line is 1.
    pub(crate) line: u64,
    /// Further lines that the quote made part of its cell.
    pub(crate) swallowed: u64,
    /// The line of the next quote, inside a cell; none: the file ends first.
    pub(crate) met: Option<u64>,
}

/// One record.
#[derive(Debug, Default)]
pub(crate) struct RawRecord {
    pub(crate) span: Span,
    /// Offset behind its second delimiter.
    pub(crate) third_cell: Option<u64>,
    pub(crate) cells: Vec<Vec<u8>>,
    /// A cell has quotes: the record is a row even with an empty cell.
    pub(crate) quoted: bool,
    /// The cells are longer than the part that is kept.
    pub(crate) cut: bool,
    pub(crate) open_quote: Option<OpenQuote>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Bare,
    Quoted,
    QuoteInQuoted,
    AfterReturn,
}

/// Reads records one after the other; skips empty lines.
#[derive(Debug)]
pub(crate) struct Records<R> {
    from: R,
    splitter: Splitter,
}

/// The state of the parser.
#[derive(Debug)]
struct Splitter {
    delimiter: u8,
    offset: u64,
    line: u64,
    at: At,
    cell: Vec<u8>,
    kept: usize,
    quote_line: u64,
    last: u8,
}

impl RawRecord {
    /// The bytes of the record without the two columns that a rejects file has in front.
    pub(crate) fn span_without(&self, skipped: usize) -> Span {
        match self.third_cell {
            Some(start) if skipped == 2 => Span { start, ..self.span },
            _ => self.span,
        }
    }
}

impl<R: BufRead> Records<R> {
    /// `offset` and `line` are those of the first byte of `from`.
    pub(crate) fn new(from: R, delimiter: u8, offset: u64, line: u64) -> Self {
        let (at, cell) = (At::CellStart, Vec::new());
        Self { from, splitter: Splitter { delimiter, offset, line, at, cell, kept: 0, quote_line: 0, last: 0 } }
    }

    /// The line of the next byte; the first line is 1.
    pub(crate) fn line(&self) -> u64 {
        self.splitter.line
    }

    /// The next record; none at the end.
    pub(crate) fn read(&mut self) -> io::Result<Option<RawRecord>> {
        loop {
            let Some(record) = self.read_one()? else { return Ok(None) };
            if record.quoted || record.cells.len() > 1 || record.cells.first().is_some_and(|cell| !cell.is_empty()) {
                return Ok(Some(record));
            }
        }
    }

    fn read_one(&mut self) -> io::Result<Option<RawRecord>> {
        let start = self.splitter.offset;
        let mut record = RawRecord { span: Span { start, end: start }, ..RawRecord::default() };
        (self.splitter.at, self.splitter.kept) = (At::CellStart, 0);
        loop {
            let chunk = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                return Ok(self.splitter.at_end(record));
            }
            let (used, ended) = self.splitter.take(chunk, &mut record);
            self.from.consume(used);
            if ended {
                return Ok(Some(self.splitter.ended(record)));
            }
        }
    }
}

impl Splitter {
    /// Returns the number of bytes that belong to the record, and whether the record ends there.
    fn take(&mut self, chunk: &[u8], record: &mut RawRecord) -> (usize, bool) {
        let mut index = 0;
        while let Some(byte) = chunk.get(index).copied() {
            if self.at == At::AfterReturn && byte != b'\n' {
                return (index, true);
            }
            let run = self.run(&chunk[index..]);
            if run > 0 {
                self.keep(&chunk[index..index + run], record);
                self.pass(&chunk[index..index + run]);
                index += run;
                continue;
            }
            self.pass(&[byte]);
            self.line += u64::from(byte == b'\n');
            if self.step(byte, record) {
                return (index + 1, true);
            }
            index += 1;
        }
        (chunk.len(), false)
    }

    /// Bytes from here on that belong to the cell in any state of the parser.
    fn run(&self, rest: &[u8]) -> usize {
        let delimiter = self.delimiter;
        let end = match self.at {
            At::Bare => rest.iter().position(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r')),
            At::Quoted => rest.iter().position(|byte| matches!(byte, b'"' | b'\n')),
            At::CellStart | At::QuoteInQuoted | At::AfterReturn => Some(0),
        };
        end.unwrap_or(rest.len())
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Returns whether the record ends with this byte.
    fn step(&mut self, byte: u8, record: &mut RawRecord) -> bool {
        match (self.at, byte) {
            (At::AfterReturn, _) => return true,
            (At::Quoted, b'"') => self.at = At::QuoteInQuoted,
            (At::Quoted, _) => self.keep(&[byte], record),
            (At::CellStart, b'"') => {
                (self.at, self.quote_line) = (At::Quoted, self.line);
                record.quoted = true;
            }
            (At::QuoteInQuoted, b'"') => {
                self.keep(&[byte], record);
                self.at = At::Quoted;
            }
            (_, b'\n') => return true,
            (_, b'\r') => self.at = At::AfterReturn,
            (_, byte) if byte == self.delimiter => {
                self.end_cell(record);
                self.at = At::CellStart;
                if record.cells.len() == 2 {
                    record.third_cell = Some(self.offset);
                }
            }
            (at, _) => {
                if at == At::QuoteInQuoted && self.line > self.quote_line {
                    record.open_quote.get_or_insert(self.quote_that_met_another());
                }
                self.keep(&[byte], record);
                self.at = At::Bare;
            }
        }
        false
    }

    fn keep(&mut self, bytes: &[u8], record: &mut RawRecord) {
        let room = KEPT_BYTES_MAX.saturating_sub(self.kept).min(bytes.len());
        self.cell.extend_from_slice(&bytes[..room]);
        self.kept += room;
        record.cut |= room < bytes.len();
    }

    /// The buffer of the cell is reused: each cell is one allocation of its own size. Empty cells take memory too, so that a
    /// record keeps as many cells as bytes at most.
    fn end_cell(&mut self, record: &mut RawRecord) {
        if record.cells.len() < KEPT_BYTES_MAX {
            record.cells.push(self.cell.clone());
        } else {
            record.cut = true;
        }
        self.cell.clear();
    }

    fn quote_that_met_another(&self) -> OpenQuote {
        OpenQuote { line: self.quote_line, swallowed: self.line - self.quote_line, met: Some(self.line) }
    }

    fn ended(&mut self, mut record: RawRecord) -> RawRecord {
        self.end_cell(&mut record);
        record.span.end = self.offset;
        record
    }

    /// The last record, where the file does not end with a line end.
    fn at_end(&mut self, mut record: RawRecord) -> Option<RawRecord> {
        if record.span.start == self.offset {
            return None;
        }
        if self.at == At::Quoted {
            let swallowed = self.line - self.quote_line - u64::from(self.last == b'\n');
            let open = OpenQuote { line: self.quote_line, swallowed, met: None };
            record.open_quote.get_or_insert(open);
        }
        Some(self.ended(record))
    }
}
