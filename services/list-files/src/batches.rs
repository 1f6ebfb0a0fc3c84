//! Cuts the rows of a CSV file into batches, the same way at every run, so that an import that was interrupted goes on.
//! Never skips a row silently: bytes that are no valid row are returned with their row number. Called by `source`.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use ocs_proto::outbound::ImportRow;
use prost::Message;

use crate::{
    encoding,
    entries::EntryColumns,
    formulas,
    options::CsvEncoding,
    records::{OpenQuote, RawRecord, Records, Span},
};

/// Rows of a batch at most (architecture, Limits).
const ROWS_MAX: usize = 500;
/// Bytes of a batch's rows at most, on the wire: 128 KiB (architecture, Limits) less room for the head and the columns.
const BYTES_MAX: usize = 120 << 10;

/// Consecutive rows.
#[derive(Debug, PartialEq)]
pub struct Batch {
    /// Number of the first; the first row under the header is 1.
    pub first_row: u64,
    /// In the order of the file, each as wide as the header.
    pub rows: Vec<ImportRow>,
    /// Where each of them stands.
    pub spans: Vec<Span>,
    /// Where in the file they end.
    pub end_byte: u64,
}

/// A row that cannot be sent.
#[derive(Debug, PartialEq)]
pub struct BadRow {
    /// Its number.
    pub row: u64,
    /// Why, in one sentence.
    pub reason: String,
    /// Rows that the record counts as, those swallowed by an open quote included.
    pub rows: u64,
    /// The row's place in the file.
    pub span: Span,
}

/// A part of the file.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// To be sent.
    Batch(Batch),
    /// To be rejected here.
    Bad(BadRow),
}

/// The conversion of cells to values.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Columns that have a name.
    pub(crate) width: usize,
    /// Columns in front that a rejects file has and a list has not.
    pub(crate) skipped: usize,
    pub(crate) encoding: CsvEncoding,
    /// The apostrophe of `export --guard-formulas` is taken off.
    pub(crate) unguard: bool,
    /// The columns of Do-Not-Call entries, each row of which must be one; none: the rows are records.
    pub(crate) entries: Option<EntryColumns>,
}

/// The parts of a file, in order; together they are every row.
pub(crate) struct Pieces<R> {
    records: Records<R>,
    layout: Layout,
    row: u64,
    /// A row that was read and did not fit into the last batch.
    held: Option<Numbered>,
}

struct Numbered {
    row: u64,
    span: Span,
    read: Result<ImportRow, BadRow>,
}

impl<R: BufRead> Pieces<R> {
    /// Of records behind the header.
    pub(crate) fn new(records: Records<R>, layout: Layout) -> Self {
        Self { records, layout, row: 0, held: None }
    }

    fn read(&mut self) -> io::Result<Option<Numbered>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let Some(record) = self.records.read()? else { return Ok(None) };
        let (row, span) = (self.row + 1, record.span_without(self.layout.skipped));
        let rows = 1 + record.open_quote.map_or(0, |open| open.swallowed);
        self.row += rows;
        let read = judge(record, &self.layout).map_err(|reason| BadRow { row, rows, reason, span });
        Ok(Some(Numbered { row, span, read }))
    }

    fn piece(&mut self) -> io::Result<Option<Piece>> {
        let Some(first) = self.read()? else { return Ok(None) };
        let row = match first.read {
            Ok(row) => row,
            Err(bad) => return Ok(Some(Piece::Bad(bad))),
        };
        let mut bytes = size(&row);
        let mut batch =
            Batch { first_row: first.row, rows: vec![row], spans: vec![first.span], end_byte: first.span.end };
        while batch.rows.len() < ROWS_MAX {
            let Some(next) = self.read()? else { break };
            match next.read {
                Ok(row) if bytes + size(&row) <= BYTES_MAX => {
                    bytes += size(&row);
                    batch.end_byte = next.span.end;
                    batch.spans.push(next.span);
                    batch.rows.push(row);
                }
                read => {
                    self.held = Some(Numbered { read, ..next });
                    break;
                }
            }
        }
        Ok(Some(Piece::Batch(batch)))
    }
}

impl<R: BufRead> Iterator for Pieces<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        self.piece().transpose()
    }
}

/// Makes a row of a record, or returns the reason for its rejection. Missing cells at the end are empty; empty cells beyond
/// the header are dropped.
fn judge(mut record: RawRecord, layout: &Layout) -> Result<ImportRow, String> {
    if let Some(open) = record.open_quote {
        return Err(unclosed(open));
    }
    if record.cut {
        return Err(format!("the row is longer than {BYTES_MAX} bytes"));
    }
    let found = record.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    if found > layout.width {
        return Err(format!("{found} fields where the header has {}", layout.width));
    }
    record.cells.resize(layout.width, Vec::new());
    let cells = record.cells.into_iter().enumerate().skip(layout.skipped);
    let row = ImportRow { values: cells.map(|(index, cell)| value(index, cell, layout)).collect::<Result<_, _>>()? };
    if size(&row) > BYTES_MAX {
        return Err(format!("the row is longer than {BYTES_MAX} bytes"));
    }
    if let Some(entries) = &layout.entries {
        entries.row(&row.values)?;
    }
    Ok(row)
}

fn value(index: usize, cell: Vec<u8>, layout: &Layout) -> Result<String, String> {
    let not_text = || format!("field {} is not UTF-8; --encoding latin1 takes every byte", index + 1);
    let text = encoding::text(cell, layout.encoding).ok_or_else(not_text)?;
    Ok(if layout.unguard { formulas::unguarded(&text).to_owned() } else { text })
}

fn unclosed(open: OpenQuote) -> String {
    let OpenQuote { line, swallowed, met } = open;
    let rows = if swallowed == 1 { "row" } else { "rows" };
    match met {
        None => format!("the quote opened in line {line} never ends; it swallowed {swallowed} further {rows}"),
        Some(end) => format!(
            "the quote opened in line {line} ends inside a cell of line {end}; it swallowed {swallowed} further {rows}"
        ),
    }
}

/// Bytes on the wire, tag and length included.
fn size(row: &ImportRow) -> usize {
    row.encoded_len() + 4
}
