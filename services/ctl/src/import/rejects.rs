//! The file of rows that were not taken: row number and reason, then the row byte for byte. Never deletes or overwrites a file
//! that was there before, and never remains empty. Called by `import`.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{encoding, records::Span, source::Source};
use crate::{cli::CsvEncoding, failure::Failure};

/// Names that are tried beside a source.
const NAMES_MAX: u32 = 10_000;
/// Bytes that are copied at once.
const CHUNK: u64 = 64 << 10;

/// Open from the start, so that a place that cannot be written is found before the first row.
#[derive(Debug)]
pub(crate) struct Rejects {
    path: PathBuf,
    file: File,
    /// Made by this run, and empty so far.
    blank: bool,
    source: File,
    /// What stands before the header's columns, and the header.
    head: [Span; 2],
    delimiter: u8,
    encoding: CsvEncoding,
}

impl Rejects {
    /// The file that the command line names, or a new one beside the source.
    pub(crate) fn open(named: Option<&Path>, source: &Source) -> Result<Self, Failure> {
        let (path, file, blank) = match named {
            Some(path) => opened(path)?,
            None => beside(&source.rejects_place())?,
        };
        let (delimiter, encoding) = (source.delimiter(), source.encoding());
        let head = source.head();
        let source = source.bytes_again().map_err(|error| Failure::file(source.path(), error))?;
        Ok(Self { path, file, blank, source, head, delimiter, encoding })
    }

    /// One row, or several that a quote made one.
    pub(crate) fn add(&mut self, row: u64, reason: &str, span: Span) -> Result<(), Failure> {
        self.write(row, reason, span).map_err(|error| Failure::file(&self.path, error))
    }

    fn write(&mut self, row: u64, reason: &str, span: Span) -> io::Result<()> {
        if std::mem::take(&mut self.blank) {
            let [before, header] = self.head;
            self.copy(before)?;
            self.put(&["row", "reason"])?;
            self.copy(header)?;
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
            let mut bytes = vec![0; usize::try_from((span.end - start).min(self.chunk())).unwrap_or(usize::MAX)];
            self.source.read_exact_at(&mut bytes, start)?;
            start += bytes.len() as u64;
            self.file.write_all(&self.as_it_was(bytes))?;
        }
        Ok(())
    }

    /// Text that is written in another encoding than it is kept in is not cut inside a letter.
    fn chunk(&self) -> u64 {
        if self.is_kept_as_it_was() { CHUNK } else { u64::MAX }
    }

    fn is_kept_as_it_was(&self) -> bool {
        matches!(self.encoding, CsvEncoding::Utf8 | CsvEncoding::Latin1)
    }

    fn as_it_was(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.is_kept_as_it_was() {
            return bytes;
        }
        encoding::bytes(&String::from_utf8_lossy(&bytes), self.encoding)
    }

    /// The last row of a file may have no line end.
    fn end_line(&mut self, span: Span) -> io::Result<()> {
        let mut last = [0];
        self.source.read_exact_at(&mut last, span.end.saturating_sub(1))?;
        if matches!(last, [b'\n' | b'\r']) {
            return Ok(());
        }
        self.file.write_all(&encoding::bytes("\n", self.encoding))
    }

    /// Says where the file is if it holds a row.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, Failure> {
        if self.blank {
            return Ok(None);
        }
        match self.file.sync_all() {
            Err(error) if self.file.metadata().is_ok_and(|found| found.is_file()) => {
                Err(Failure::file(&self.path, error))
            }
            _ => Ok(Some(self.path.clone())),
        }
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        if self.blank && self.file.metadata().is_ok_and(|found| found.is_file()) {
            let _ = fs::remove_file(&self.path); // this run made it, and wrote nothing
        }
    }
}

fn opened(path: &Path) -> Result<(PathBuf, File, bool), Failure> {
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(path)?,
        file => file.map_err(|error| Failure::file(path, error))?,
    };
    Ok((path.to_owned(), file, true))
}

/// A device or a FIFO is written through.
fn existing(path: &Path) -> Result<File, Failure> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return OpenOptions::new().write(true).open(path).map_err(|error| Failure::file(path, error));
    }
    Err(Failure::file(path, "a file of this name exists, and --rejects overwrites none"))
}

/// `FILE.rejects.csv`, or the first of `FILE.rejects-2.csv` and so on that is free.
fn beside(place: &Path) -> Result<(PathBuf, File, bool), Failure> {
    for number in 1..=NAMES_MAX {
        let mut name = OsString::from(place.as_os_str());
        name.push(if number == 1 { ".rejects.csv".to_owned() } else { format!(".rejects-{number}.csv") });
        let path = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file, true)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let why = format!("rejected rows cannot be written here: {error}; --rejects FILE names another place");
                return Err(Failure::file(&path, why));
            }
        }
    }
    Err(Failure::file(place, "every name for rejected rows is taken: --rejects FILE names one"))
}
