//! The character encodings of CSV files, and their recognition. Never guesses between alphabets: bytes that are not UTF-8
//! count as Windows-1252, the superset of Latin-1, where no cell of the file is UTF-8. Called by `source`.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{options::CsvEncoding, temporary};

/// Bytes that show an encoding without a letter beyond ASCII.
const MARK_BYTES: usize = 4;
/// Bytes that show a format other than CSV.
const BEGINNING_BYTES: usize = 6;
const WORKBOOK: &str = "a workbook, which must be saved as CSV first";
/// First bytes of formats that are read by another program only.
const FOREIGN: [(&[u8], Foreign); 9] = [
    (b"\x1f\x8b", Foreign("compressed (gzip)", Some("zcat"))),
    (b"BZh", Foreign("compressed (bzip2)", Some("bzcat"))),
    (b"\xfd7zXZ\0", Foreign("compressed (xz)", Some("xzcat"))),
    (b"\x28\xb5\x2f\xfd", Foreign("compressed (zstd)", Some("zstdcat"))),
    (
        b"PK\x03\x04",
        Foreign("a ZIP archive: unpack it first, or save it as CSV if it is a workbook (.xlsx, .ods)", None),
    ),
    (b"PK\x05\x06", Foreign("a ZIP archive without a file", None)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", Foreign(WORKBOOK, None)),
    (b"\xff\xfe\0\0", UTF32LE),
    (b"\0\0\xfe\xff", UTF32BE),
];
const UTF32LE: Foreign = Foreign("UTF-32", Some("iconv -f UTF-32LE -t UTF-8"));
const UTF32BE: Foreign = Foreign("UTF-32", Some("iconv -f UTF-32BE -t UTF-8"));

/// A format that no import reads: its name, and the program that makes CSV of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign(pub(super) &'static str, pub(super) Option<&'static str>);

/// The encoding of a file, as far as its bytes show it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    beginning: Vec<u8>,
    carried: Vec<u8>,
    letters: bool,
    broken: bool,
}

impl Survey {
    /// Takes the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let wanted = BEGINNING_BYTES.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..wanted]);
        if self.carried.is_empty() && bytes.is_ascii() {
            return;
        }
        let mut carried = std::mem::take(&mut self.carried);
        carried.extend_from_slice(bytes);
        self.judge(&carried);
    }

    fn judge(&mut self, mut bytes: &[u8]) {
        while let Err(error) = std::str::from_utf8(bytes) {
            let (good, rest) = bytes.split_at(error.valid_up_to());
            self.letters |= !good.is_ascii();
            let Some(bad) = error.error_len() else {
                self.carried = rest.to_vec();
                return;
            };
            self.broken = true;
            bytes = &rest[bad..];
        }
        self.letters |= !bytes.is_ascii();
    }

    /// The format other than CSV that the first bytes show.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        let known = FOREIGN.iter().find(|(first, _)| self.beginning.starts_with(first)).map(|(_, format)| *format);
        known.or(match &self.beginning[..self.beginning.len().min(MARK_BYTES)] {
            [1..=255, 0, 0, 0] => Some(UTF32LE),
            [0, 0, 0, 1..=255] => Some(UTF32BE),
            _ => None,
        })
    }

    /// The encoding that the bytes have.
    pub(super) fn encoding(&self) -> CsvEncoding {
        let broken = self.broken || !self.carried.is_empty();
        match &self.beginning[..self.beginning.len().min(MARK_BYTES)] {
            [0xff, 0xfe, ..] | [1..=255, 0, 1..=255, 0] => CsvEncoding::Utf16le,
            [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255] => CsvEncoding::Utf16be,
            _ if broken && !self.letters => CsvEncoding::Latin1,
            _ => CsvEncoding::Utf8,
        }
    }
}

/// The text of a cell; none: its bytes are not in that encoding.
pub(super) fn text(cell: Vec<u8>, encoding: CsvEncoding) -> Option<String> {
    match encoding {
        CsvEncoding::Latin1 if !cell.is_ascii() => Some(WINDOWS_1252.decode_without_bom_handling(&cell).0.into_owned()),
        _ => String::from_utf8(cell).ok(),
    }
}

/// Text in the encoding of a file.
pub(super) fn bytes(text: &str, encoding: CsvEncoding) -> Vec<u8> {
    match encoding {
        CsvEncoding::Utf8 => text.as_bytes().to_vec(),
        CsvEncoding::Latin1 => WINDOWS_1252.encode(text).0.into_owned(),
        CsvEncoding::Utf16le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        CsvEncoding::Utf16be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

/// A UTF-16 file as UTF-8, its byte-order mark included.
pub(super) fn utf8_of(mut from: &File, encoding: CsvEncoding) -> io::Result<File> {
    let charset = if encoding == CsvEncoding::Utf16be { UTF_16BE } else { UTF_16LE };
    let mut decoder = charset.new_decoder_without_bom_handling();
    let mut to = io::BufWriter::new(temporary::unnamed().map_err(temporary::not_copied)?);
    let (mut bytes, mut text) = (vec![0; 64 << 10], vec![0; 256 << 10]); // one unit of two bytes makes three at most
    loop {
        let count = from.read(&mut bytes)?;
        let (result, _, written) = decoder.decode_to_utf8_without_replacement(&bytes[..count], &mut text, count == 0);
        if let DecoderResult::Malformed(..) = result {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not UTF-16: --encoding names another",
            ));
        }
        to.write_all(&text[..written]).map_err(temporary::not_copied)?;
        if count == 0 {
            return to.into_inner().map_err(|error| temporary::not_copied(error.into_error()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    fn seen(bytes: &[u8]) -> CsvEncoding {
        let mut survey = Survey::default();
        bytes.chunks(1).for_each(|byte| survey.add(byte)); // letters span the chunks
        survey.encoding()
    }

    #[test]
    fn encodings_are_recognised_by_their_bytes() {
        assert_eq!(seen("größe".as_bytes()), CsvEncoding::Utf8);
        assert_eq!(seen(b"gr\xf6\xdfe"), CsvEncoding::Latin1);
        assert_eq!(seen(b"M\xfc"), CsvEncoding::Latin1, "a letter cut off at the end is none of UTF-8");
        assert_eq!(seen(&["größe".as_bytes(), b"\xff"].concat()), CsvEncoding::Utf8, "one broken cell");
        for (mark, encoding) in
            [("\u{feff}", CsvEncoding::Utf16le), ("", CsvEncoding::Utf16le), ("", CsvEncoding::Utf16be)]
        {
            assert_eq!(seen(&bytes(&format!("{mark}contact"), encoding)), encoding);
        }
    }

    #[test]
    fn latin_1_and_utf_16_are_read_and_written_back_as_they_were() {
        assert_eq!(text(b"gr\xf6\xdfe \x80".to_vec(), CsvEncoding::Latin1).unwrap(), "größe €");
        assert_eq!(bytes("größe €", CsvEncoding::Latin1), b"gr\xf6\xdfe \x80");
        let mut file = temporary::unnamed().unwrap();
        file.write_all(&bytes("\u{feff}größe 😀\n", CsvEncoding::Utf16be)).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut utf8 = utf8_of(&file, CsvEncoding::Utf16be).unwrap();
        utf8.seek(SeekFrom::Start(0)).unwrap();
        let mut read = String::new();
        utf8.read_to_string(&mut read).unwrap();
        assert_eq!(read, "\u{feff}größe 😀\n");
    }
}
