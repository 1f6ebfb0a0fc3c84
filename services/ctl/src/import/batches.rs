//! Cuts the rows of a CSV file into batches, the same way at every run, so that an import that was interrupted goes on.
//! Never skips a row silently: bytes that are no valid row are returned with their row number. Called by `source`.

use std::io::{self, BufRead};

use ocs_proto::outbound::ImportRow;
use prost::Message;

use super::{
    encoding,
    records::{OpenQuote, RawRecord, Records, Span},
};
use crate::{cli::CsvEncoding, formulas};

/// Rows of a batch at most (architecture, Limits).
const ROWS_MAX: usize = 500;
/// Bytes of a batch's rows at most, on the wire: 128 KiB (architecture, Limits) less room for the head and the columns.
const BYTES_MAX: usize = 120 << 10;

/// Consecutive rows.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Number of the first; the first row under the header is 1.
    pub(crate) first_row: u64,
    /// In the order of the file, each as wide as the header.
    pub(crate) rows: Vec<ImportRow>,
    /// Where each of them stands.
    pub(crate) spans: Vec<Span>,
    /// Where in the file they end.
    pub(crate) end_byte: u64,
}

/// A row that cannot be sent.
#[derive(Debug, PartialEq)]
pub(crate) struct BadRow {
    /// Its number.
    pub(crate) row: u64,
    /// Why, in one sentence.
    pub(crate) reason: String,
    /// Rows that the record counts as, those swallowed by an open quote included.
    pub(crate) rows: u64,
    /// The row's place in the file.
    pub(crate) span: Span,
}

/// A part of the file.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8]) -> Vec<Piece> {
        pieces_of(text, false)
    }

    fn pieces_of(text: &[u8], unguard: bool) -> Vec<Piece> {
        let mut records = Records::new(text, b',', 0, 1);
        let width = records.read().unwrap().unwrap().cells.len();
        let layout = Layout { width, skipped: 0, encoding: CsvEncoding::Utf8, unguard };
        Pieces::new(records, layout).collect::<Result<_, _>>().unwrap()
    }

    fn bad(piece: &Piece) -> &BadRow {
        let Piece::Bad(bad) = piece else { panic!("a bad row was taken: {piece:?}") };
        bad
    }

    fn values(piece: &Piece) -> Vec<&[String]> {
        let Piece::Batch(batch) = piece else { panic!("a good row was refused: {piece:?}") };
        batch.rows.iter().map(|row| row.values.as_slice()).collect()
    }

    fn shape(pieces: &[Piece]) -> Vec<(u64, usize)> {
        let one = |piece: &Piece| match piece {
            Piece::Batch(batch) => (batch.first_row, batch.rows.len()),
            Piece::Bad(bad) => (bad.row, 0),
        };
        pieces.iter().map(one).collect()
    }

    #[test]
    fn a_batch_has_500_rows_at_most() {
        let text = format!("contact_info\n{}", "+1\n".repeat(1201));
        assert_eq!(shape(&pieces(text.as_bytes())), [(1, 500), (501, 500), (1001, 201)]);
    }

    #[test]
    fn a_batch_has_128_kib_at_most() {
        let row = format!("+1,{}\n", "x".repeat(50 << 10));
        let pieces = pieces(format!("contact_info,note\n{}", row.repeat(5)).as_bytes());
        assert_eq!(shape(&pieces), [(1, 2), (3, 2), (5, 1)]);
        for piece in &pieces {
            let Piece::Batch(batch) = piece else { panic!("a good row was refused") };
            assert!(batch.rows.iter().map(Message::encoded_len).sum::<usize>() < 128 << 10);
        }
    }

    #[test]
    fn rows_that_cannot_be_read_keep_their_number_and_split_the_batch() {
        let pieces = pieces(b"contact_info,note\n+1,a\n+2,b,c\n+3,b\n+4,\xff\n+5,c\n+6,d\n");
        assert_eq!(shape(&pieces), [(1, 1), (2, 0), (3, 1), (4, 0), (5, 2)]);
        let long = bad(&pieces[1]);
        assert_eq!((long.reason.as_str(), long.span), ("3 fields where the header has 2", Span { start: 23, end: 30 }));
        assert!(bad(&pieces[3]).reason.starts_with("field 2 is not UTF-8"));
    }

    #[test]
    fn missing_cells_are_empty_and_empty_cells_beyond_the_header_mean_nothing() {
        let pieces = pieces(b"contact_info,note\n+1\n+2,b,,\n");
        assert_eq!(values(&pieces[0]), [["+1", ""], ["+2", "b"]]);
    }

    #[test]
    fn a_quote_that_never_ends_rejects_its_row_and_counts_those_that_it_swallowed() {
        let pieces = pieces(b"contact_info,note\n+1,fine\n+2,\"19 inch\n+3,x\n+4,x\n");
        assert_eq!(shape(&pieces), [(1, 1), (2, 0)]);
        let bad = bad(&pieces[1]);
        assert_eq!(bad.rows, 3);
        assert_eq!(bad.reason, "the quote opened in line 3 never ends; it swallowed 2 further rows");
    }

    #[test]
    fn an_apostrophe_is_taken_off_before_a_formula_alone_and_by_the_option_alone() {
        let text = b"contact_info,note\n'+1,'=1+1\n=\"+2\",'tis\n";
        assert_eq!(values(&pieces_of(text, true)[0]), [["+1", "=1+1"], ["=\"+2\"", "'tis"]]);
        assert_eq!(values(&pieces_of(text, false)[0]), [["'+1", "'=1+1"], ["=\"+2\"", "'tis"]]);
    }

    #[test]
    fn a_row_larger_than_a_batch_is_bad() {
        let text = format!("contact_info\n{}\n+2\n", "9".repeat(130 << 10));
        let pieces = pieces(text.as_bytes());
        assert_eq!(shape(&pieces), [(1, 0), (2, 1)]);
    }

    #[test]
    fn quotes_commas_and_line_ends_inside_a_field_are_part_of_it() {
        let pieces = pieces(b"contact_info,note\r\n+1,\"a, \"\"b\"\"\nc\"\r\n");
        let Piece::Batch(batch) = &pieces[0] else { panic!("a good row was refused") };
        assert_eq!(batch.rows[0].values, ["+1", "a, \"b\"\nc"]);
    }

    #[test]
    fn the_same_file_is_cut_the_same_way_at_every_run() {
        let text: String = (0..2000).map(|row| format!("+{row},{}\n", "n".repeat(row % 700))).collect();
        let text = format!("contact_info,note\n{text}");
        assert_eq!(pieces(text.as_bytes()), pieces(text.as_bytes()));
    }
}
