//! The file of rows that were not taken: row number and reason, then the row byte for byte. Never deletes or overwrites a file
//! that was there before, and never remains empty. Called by the imports.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{encoding, fault::FileFault, options::CsvEncoding, records::Span, source::Source};

/// The name of standard output.
const STANDARD: &str = "-";
/// Names that are tried beside a source.
const NAMES_MAX: u32 = 10_000;
/// Bytes that are copied at once.
const CHUNK: u64 = 64 << 10;
/// Bytes in which the end of a line is looked for at once.
const LINE_CHUNK: u64 = 4 << 10;

/// The file, open from the start, so that a write fault shows before the first row.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    file: File,
    /// Made by this run, and empty so far.
    blank: bool,
    source: File,
    /// The columns before those of the header, and the header.
    head: [Span; 2],
    /// The name of the only column of a file without a header.
    bare: Option<&'static str>,
    delimiter: u8,
    encoding: CsvEncoding,
}

impl Rejects {
    /// The file that the command line names, or a new one beside the source.
    ///
    /// # Errors
    /// No file can be made there, or a file of that name exists.
    pub fn open(named: Option<&Path>, source: &Source) -> Result<Self, FileFault> {
        let (path, file, blank) = match named {
            Some(path) => opened(path)?,
            None => beside(&source.rejects_place())?,
        };
        let (delimiter, encoding) = (source.delimiter(), source.encoding());
        let (head, bare) = (source.head(), source.bare_column());
        let source = source.bytes_again().map_err(|error| FileFault::file(source.path(), error))?;
        Ok(Self { path, file, blank, source, head, bare, delimiter, encoding })
    }

    /// One row.
    ///
    /// # Errors
    /// The row cannot be written.
    pub fn add(&mut self, row: u64, reason: &str, span: Span) -> Result<(), FileFault> {
        self.add_rows(row, 1, reason, span)
    }

    /// Rows that an open quote joined into one. Each has a number and a reason of its own: all are rows again once the quote
    /// is corrected.
    ///
    /// # Errors
    /// A row cannot be written.
    pub fn add_rows(&mut self, row: u64, rows: u64, reason: &str, span: Span) -> Result<(), FileFault> {
        self.write_rows(row, rows, reason, span).map_err(|error| FileFault::file(&self.path, error))
    }

    /// The line of the open quote precedes the swallowed lines, which are the last; earlier lines belong to a complete cell.
    fn write_rows(&mut self, row: u64, rows: u64, reason: &str, span: Span) -> io::Result<()> {
        let swallowed = rows.saturating_sub(1);
        let mut lines = if swallowed == 0 { 1 } else { self.lines(span)?.saturating_sub(swallowed).max(1) };
        let mut start = span.start;
        for further in 1..=swallowed {
            let end = self.line_end(start, span.end, lines)?;
            self.write_one_of(row, further - 1, reason, Span { start, end })?;
            (start, lines) = (end, 1);
        }
        self.write_one_of(row, swallowed, reason, Span { start, end: span.end })
    }

    fn write_one_of(&mut self, row: u64, further: u64, reason: &str, span: Span) -> io::Result<()> {
        match further {
            0 => self.write(row, reason, span),
            _ => self.write(row + further, &format!("swallowed by the quote that row {row} opens"), span),
        }
    }

    /// Lines of a part of the source.
    fn lines(&self, span: Span) -> io::Result<u64> {
        let (mut start, mut lines) = (span.start, 0);
        while start < span.end {
            start = self.line_end(start, span.end, 1)?;
            lines += 1;
        }
        Ok(lines)
    }

    /// The offset behind so many lines, or the end of the part.
    fn line_end(&self, mut start: u64, end: u64, mut lines: u64) -> io::Result<u64> {
        while start < end && lines > 0 {
            let mut bytes = vec![0; usize::try_from((end - start).min(LINE_CHUNK)).unwrap_or(usize::MAX)];
            self.source.read_exact_at(&mut bytes, start)?;
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(found) => (start, lines) = (start + found as u64 + 1, lines - 1),
                None => start += bytes.len() as u64,
            }
        }
        Ok(start)
    }

    fn write(&mut self, row: u64, reason: &str, span: Span) -> io::Result<()> {
        if std::mem::take(&mut self.blank) {
            let [before, header] = self.head;
            self.copy(before)?;
            self.put(&["row", "reason"])?;
            match self.bare {
                Some(name) => self.file.write_all(&encoding::bytes(name, self.encoding))?,
                None => self.copy(header)?,
            }
            self.end_line(header)?;
        }
        let reason = format!("\"{}\"", reason.replace('"', "\"\"").replace(['\r', '\n'], " "));
        self.put(&[&row.to_string(), &reason])?;
        self.copy(span)?;
        self.end_line(span)
    }

    /// The cells before the first one of the source.
    fn put(&mut self, cells: &[&str; 2]) -> io::Result<()> {
        let delimiter = char::from(self.delimiter);
        let text = format!("{}{delimiter}{}{delimiter}", cells[0], cells[1]);
        self.file.write_all(&encoding::bytes(&text, self.encoding))
    }

    fn copy(&mut self, span: Span) -> io::Result<()> {
        let mut start = span.start;
        while start < span.end {
            let mut bytes = vec![0; usize::try_from((span.end - start).min(CHUNK)).unwrap_or(usize::MAX)];
            self.source.read_exact_at(&mut bytes, start)?;
            if self.is_kept_in_another_encoding() {
                bytes.truncate(whole_letters(&bytes));
            }
            start += bytes.len() as u64;
            self.file.write_all(&self.as_it_was(bytes))?;
        }
        Ok(())
    }

    /// UTF-16 is kept as UTF-8.
    fn is_kept_in_another_encoding(&self) -> bool {
        !matches!(self.encoding, CsvEncoding::Utf8 | CsvEncoding::Latin1)
    }

    fn as_it_was(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.is_kept_in_another_encoding() {
            return encoding::bytes(&String::from_utf8_lossy(&bytes), self.encoding);
        }
        bytes
    }

    /// The last row of a file may have no line end.
    fn end_line(&mut self, span: Span) -> io::Result<()> {
        let mut last = [0];
        if span.start < span.end {
            self.source.read_exact_at(&mut last, span.end - 1)?;
        }
        if matches!(last, [b'\n' | b'\r']) {
            return Ok(());
        }
        self.file.write_all(&encoding::bytes("\n", self.encoding))
    }

    /// Makes the file durable, and returns its path if the file holds a row.
    ///
    /// # Errors
    /// The rows are not durable.
    pub fn finish(self) -> Result<Option<PathBuf>, FileFault> {
        if self.blank {
            return Ok(None);
        }
        match self.file.sync_all() {
            Err(error) if self.file.metadata().is_ok_and(|found| found.is_file()) => {
                Err(FileFault::file(&self.path, error))
            }
            _ => Ok(Some(self.path.clone())),
        }
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        if self.blank && self.file.metadata().is_ok_and(|found| found.is_file()) {
            let _ = fs::remove_file(&self.path); // this run made the file, and wrote nothing
        }
    }
}

/// Bytes of UTF-8 up to the last letter that is whole; never none.
fn whole_letters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(cut) if cut.valid_up_to() > 0 => cut.valid_up_to(),
        _ => bytes.len(),
    }
}

fn opened(path: &Path) -> Result<(PathBuf, File, bool), FileFault> {
    if path == Path::new(STANDARD) {
        let line = "--rejects names a file: standard output has the closing line (/dev/stderr shows rejected rows)";
        return Err(FileFault::Unfit(line.to_owned()));
    }
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(path)?,
        file => file.map_err(|error| FileFault::file(path, error))?,
    };
    Ok((path.to_owned(), file, true))
}

/// A device or a FIFO is written through.
fn existing(path: &Path) -> Result<File, FileFault> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return OpenOptions::new().write(true).open(path).map_err(|error| FileFault::file(path, error));
    }
    Err(FileFault::file(path, "a file of this name exists, and --rejects overwrites none"))
}

/// `FILE.rejects.csv`, or the first of `FILE.rejects-2.csv` and so on that is free.
fn beside(place: &Path) -> Result<(PathBuf, File, bool), FileFault> {
    for number in 1..=NAMES_MAX {
        let mut name = OsString::from(place.as_os_str());
        name.push(if number == 1 { ".rejects.csv".to_owned() } else { format!(".rejects-{number}.csv") });
        let path = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file, true)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let why = format!("rejected rows cannot be written here: {error}; --rejects FILE names another place");
                return Err(FileFault::file(&path, why));
            }
        }
    }
    Err(FileFault::file(place, "every name for rejected rows is taken: --rejects FILE names one"))
}
