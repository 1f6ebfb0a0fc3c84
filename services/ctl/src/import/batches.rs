//! Cuts the rows of a CSV file into batches, the same way at every run, so that an import that was interrupted goes on.
//! Never skips a row silently: what CSV itself cannot make a row of is handed out by number. Called by `source`.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use ocs_proto::outbound::ImportRow;
use prost::Message;

/// Rows of a batch at most (design 2, Limits).
const ROWS_MAX: usize = 500;
/// Bytes of a batch's rows at most, on the wire: 128 KiB (design 2, Limits) less room for the head and the columns.
const BYTES_MAX: usize = 120 << 10;

/// Consecutive rows.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Number of the first; the first row under the header is 1.
    pub(crate) first_row: u64,
    /// In the order of the file, each as wide as the header.
    pub(crate) rows: Vec<ImportRow>,
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
    /// Its fields, as far as they can be read.
    pub(crate) fields: Vec<String>,
    /// Where in the file it ends.
    pub(crate) end_byte: u64,
}

/// A part of the file.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// To be sent.
    Batch(Batch),
    /// To be rejected here.
    Bad(BadRow),
}

/// A reader that leaves judging the width of rows to [`Pieces`].
pub(crate) fn reader<R: Read>(from: R) -> csv::Reader<R> {
    ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_reader(from)
}

/// The parts of a file, in order; together they are every row.
pub(crate) struct Pieces<R> {
    reader: csv::Reader<R>,
    width: usize,
    row: u64,
    record: ByteRecord,
    /// Read, and not fit for the batch that was just handed out.
    held: Option<Numbered>,
}

struct Numbered {
    row: u64,
    end_byte: u64,
    read: Result<ImportRow, BadRow>,
}

impl<R: Read> Pieces<R> {
    /// Of a reader whose header was read and is `width` columns wide.
    pub(crate) fn new(reader: csv::Reader<R>, width: usize) -> Self {
        Self { reader, width, row: 0, record: ByteRecord::new(), held: None }
    }

    fn read(&mut self) -> Result<Option<Numbered>, csv::Error> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        if !self.reader.read_byte_record(&mut self.record)? {
            return Ok(None);
        }
        self.row += 1;
        let (row, end_byte) = (self.row, self.reader.position().byte());
        let read = judge(&self.record, self.width).map_err(|reason| BadRow {
            row,
            reason,
            fields: self.record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect(),
            end_byte,
        });
        Ok(Some(Numbered { row, end_byte, read }))
    }

    fn piece(&mut self) -> Result<Option<Piece>, csv::Error> {
        let Some(first) = self.read()? else { return Ok(None) };
        let row = match first.read {
            Ok(row) => row,
            Err(bad) => return Ok(Some(Piece::Bad(bad))),
        };
        let mut bytes = size(&row);
        let mut batch = Batch { first_row: first.row, rows: vec![row], end_byte: first.end_byte };
        while batch.rows.len() < ROWS_MAX {
            let Some(next) = self.read()? else { break };
            match next.read {
                Ok(row) if bytes + size(&row) <= BYTES_MAX => {
                    bytes += size(&row);
                    batch.end_byte = next.end_byte;
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

impl<R: Read> Iterator for Pieces<R> {
    type Item = Result<Piece, csv::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.piece().transpose()
    }
}

/// Makes a row of a record, or says why it is none.
fn judge(record: &ByteRecord, width: usize) -> Result<ImportRow, String> {
    if record.len() != width {
        return Err(format!("{} fields where the header has {width}", record.len()));
    }
    let text = |(index, field): (usize, &[u8])| {
        let text = std::str::from_utf8(field).map_err(|_| format!("field {} is not UTF-8", index + 1))?;
        Ok::<_, String>(text.to_owned())
    };
    let row = ImportRow { values: record.iter().enumerate().map(text).collect::<Result<_, _>>()? };
    if size(&row) > BYTES_MAX {
        return Err(format!("the row is longer than {BYTES_MAX} bytes"));
    }
    Ok(row)
}

/// Bytes on the wire, tag and length included.
fn size(row: &ImportRow) -> usize {
    row.encoded_len() + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8]) -> Vec<Piece> {
        let mut reader = reader(text);
        let width = reader.byte_headers().unwrap().len();
        Pieces::new(reader, width).collect::<Result<_, _>>().unwrap()
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
        let pieces = pieces(b"contact_info,note\n+1,a\n+2\n+3,b\n+4,\xff\n+5,c\n+6,d\n");
        assert_eq!(shape(&pieces), [(1, 1), (2, 0), (3, 1), (4, 0), (5, 2)]);
        let Piece::Bad(short) = &pieces[1] else { panic!("a short row was taken") };
        assert_eq!(
            (short.reason.as_str(), short.fields.as_slice()),
            ("1 fields where the header has 2", &["+2".to_owned()][..])
        );
        let Piece::Bad(not_text) = &pieces[3] else { panic!("bytes were taken for text") };
        assert_eq!(not_text.reason, "field 2 is not UTF-8");
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
