//! A CSV file that was copied once, recognised, and whose header was found fit for an import. Its rows come from the copy: a
//! later change of the file changes no import. Called by the imports, before they send anything.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use chassis::visible::visible;
use sha2::{Digest, Sha256};

use crate::{
    batches::{Layout, Piece, Pieces},
    encoding::{self, Foreign},
    entries::{EntryColumns, EntryScope},
    fault::FileFault,
    formulas,
    options::{CsvEncoding, CsvOptions},
    records::{Records, Span},
    spool,
};

/// A kind of file.
struct FileKind {
    /// Columns of which a header has at least one; the others take their defaults.
    required: &'static [&'static str],
    /// The column of a file without a header, which begins with a phone; none: a header is needed.
    bare: Option<&'static str>,
}

const RECORDS: FileKind = FileKind { required: &["contact_info"], bare: None };
const ENTRIES: FileKind = FileKind { required: &["phone", "customer_id"], bare: Some("phone") };
/// The columns that `rejects` writes before those of its source.
const REJECTS: [&str; 2] = ["row", "reason"];
/// Delimiters that are tried, the most usual first.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// Bytes in which the header must end.
const HEADER_BYTES_MAX: usize = 256 << 10;
/// Columns that a refusal names, and letters of each.
const NAMED_COLUMNS_MAX: usize = 8;
const NAMED_LETTERS_MAX: usize = 40;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A source, behind its header.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    id: Vec<u8>,
    piped: bool,
    /// The copy: UTF-8, or bytes of a superset of ASCII.
    file: File,
    /// Length of `file`.
    bytes: u64,
    header: Header,
    layout: Layout,
    recognised: bool,
}

/// The layout that the beginning of a file shows.
#[derive(Debug)]
struct Header {
    /// Names as the file has them.
    theirs: Vec<String>,
    columns: Vec<String>,
    delimiter: u8,
    /// The bytes of the header, without the columns of a rejects file.
    span: Span,
    /// The bytes of a byte-order mark and a line `sep=`.
    before: Span,
    /// The line of the header.
    first_line: u64,
    /// The line behind the header.
    line: u64,
    /// The name of the only column; none: the file has a header.
    bare: Option<&'static str>,
}

impl Source {
    /// Copies a file of records, or a pipe to its end, and checks the header. `-` is standard input. `list`: the receiver's name.
    ///
    /// # Errors
    /// The file cannot be read, is no CSV in a known encoding, or has a header without a phone.
    pub fn open(path: &Path, list: &str, options: &CsvOptions) -> Result<Self, FileFault> {
        let command = format!("list import {}", visible(list));
        Self::open_as(&RECORDS, path, &command, hash_of(list, options), options)
    }

    /// As [`Source::open`], for a file of Do-Not-Call entries: a column of phones, or a header.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open_entries(path: &Path, scope: &EntryScope, options: &CsvOptions) -> Result<Self, FileFault> {
        // no name has this byte: another scope makes another import
        let name = ["dnc", &scope.tenant, &scope.campaign, &scope.list].join("\u{1}");
        let mut source = Self::open_as(&ENTRIES, path, "dnc import", hash_of(&name, options), options)?;
        source.layout.entries = Some(EntryColumns::of(source.columns(), scope));
        Ok(source)
    }

    fn open_as(
        kind: &FileKind,
        path: &Path,
        command: &str,
        mut hash: Sha256,
        options: &CsvOptions,
    ) -> Result<Self, FileFault> {
        let fault = |error: &dyn std::fmt::Display| FileFault::input(path, error);
        let spool = spool::read(path, &mut hash)?;
        if let Some(Foreign(format, reader)) = spool.survey.foreign() {
            let file = path.display();
            let reads = |reader: &str| format!(": `{reader} {file} | ocsctl {command} -` reads it");
            return Err(fault(&format!("it is {format}{}", reader.map(reads).unwrap_or_default())));
        }
        let encoding = options.encoding.unwrap_or_else(|| spool.survey.encoding());
        let file = match encoding {
            CsvEncoding::Utf8 | CsvEncoding::Latin1 => spool.file,
            _ => encoding::utf8_of(&spool.file, encoding).map_err(|error| fault(&error))?,
        };
        let bytes = file.metadata().map_err(|error| fault(&error))?.len();
        let beginning = beginning(&file).map_err(|error| fault(&error))?;
        let mut header = Header::of(kind, &beginning, encoding, options).map_err(|why| fault(&why))?;
        let width = header.columns.len();
        let skipped = if header.is_rejects() { REJECTS.len() } else { 0 };
        header.columns.drain(..skipped);
        let layout = Layout { width, skipped, encoding, unguard: options.guard_formulas, entries: None };
        let (id, recognised) = (hash.finalize().to_vec(), options.encoding.is_none());
        Ok(Self { path: path.to_owned(), id, piped: spool.piped, file, bytes, header, layout, recognised })
    }

    /// SHA-256 of the list's name or the scope and the bytes, and of options that change rows: the same file imported again into the
    /// same list, or for the same scope, is the same import.
    pub fn id(&self) -> Vec<u8> {
        self.id.clone()
    }

    /// Its name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns that are sent.
    pub fn columns(&self) -> &[String] {
        &self.header.columns
    }

    /// The columns of Do-Not-Call entries; none: the rows are records.
    pub fn entries(&self) -> Option<&EntryColumns> {
        self.layout.entries.as_ref()
    }

    /// The name of the only column of a file without a header.
    pub(super) fn bare_column(&self) -> Option<&'static str> {
        self.header.bare
    }

    /// Checks that a new list can have the file's columns as fields.
    ///
    /// # Errors
    /// A name has a letter that is not seen.
    pub fn check_new_names(&self) -> Result<(), FileFault> {
        let refused = |column: &str| {
            let line =
                format!("the header has the column {column:?}: its name has a control or format character, rename it");
            Err(FileFault::Unfit(format!("{}: {line}", self.path.display())))
        };
        self.hidden_column().map_or(Ok(()), refused)
    }

    /// The first column whose name has a letter that is not seen.
    fn hidden_column(&self) -> Option<&str> {
        let is_hidden = |column: &&str| matches!(visible(column), Cow::Owned(_));
        self.columns().iter().map(String::as_str).find(is_hidden)
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Recognised properties, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.recognised && self.encoding() != CsvEncoding::Utf8 {
            let name = if self.encoding() == CsvEncoding::Latin1 { "latin1" } else { "UTF-16" };
            notes.push(format!("the file is read as {name} (--encoding names another encoding)"));
        }
        match self.entries() {
            Some(entries) => notes.extend(notes_of_entries(entries)),
            None => notes.extend(self.notes_of_records()),
        }
        notes
    }

    fn notes_of_records(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.layout.skipped > 0 {
            let keep = "--columns row=ROW,reason=REASON makes fields of them";
            notes.push(format!(
                "the columns row and reason in front are taken for those of a rejects file and left out ({keep})"
            ));
        }
        if let Some(handle) = self.columns().iter().find(|column| column.eq_ignore_ascii_case("handle")) {
            notes.push(format!("the column {handle} is not imported: handles are given anew (--columns renames it)"));
        }
        if let Some(column) = self.hidden_column() {
            notes.push(format!(
                "the name of the column {column:?} has a control or format character: no new field bears such a name"
            ));
        }
        notes
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.header.delimiter
    }

    pub(super) fn encoding(&self) -> CsvEncoding {
        self.layout.encoding
    }

    /// The span from the beginning of the file to the end of its header.
    pub(super) fn head(&self) -> [Span; 2] {
        [self.header.before, self.header.span]
    }

    /// The same bytes, for reads at an offset.
    pub(super) fn bytes_again(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The path beside which rejected rows go: without `.csv`, and of a pipe in the directory in which the program runs.
    pub(super) fn rejects_place(&self) -> PathBuf {
        if self.piped || ["/dev", "/proc"].iter().any(|place| self.path.starts_with(place)) {
            return PathBuf::from("stdin");
        }
        match self.path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("csv") => self.path.with_extension(""),
            _ => self.path.clone(),
        }
    }

    /// The rows of the file, in batches; an item is a fault where the copy cannot be read.
    pub fn into_pieces(mut self) -> impl Iterator<Item = Result<Piece, FileFault>> {
        let path = self.path;
        let (start, line, delimiter) = (self.header.span.end, self.header.line, self.header.delimiter);
        let sought = self.file.seek(SeekFrom::Start(start));
        let failed = sought.err().map(|error| Err(FileFault::file(&path, error)));
        let records = Records::new(BufReader::with_capacity(1 << 18, self.file), delimiter, start, line);
        let pieces = Pieces::new(records, self.layout);
        failed.into_iter().chain(pieces.map(move |piece| piece.map_err(|error| FileFault::file(&path, error))))
    }
}

fn notes_of_entries(entries: &EntryColumns) -> Option<String> {
    let names: Vec<String> = entries.ignored().iter().take(NAMED_COLUMNS_MAX).map(|name| excerpt(name)).collect();
    let columns = if names.len() == 1 { "the column" } else { "the columns" };
    let read = "phone, customer_id, message and expires are read; --columns renames one";
    (!names.is_empty()).then(|| format!("not read: {columns} `{}` ({read})", names.join("`, `")))
}

/// Options that change rows make another import of the same bytes.
fn hash_of(list: &str, options: &CsvOptions) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(list.as_bytes());
    hash.update([0]); // no name has this byte: names and files cannot run into each other
    let given = (options.delimiter, options.encoding, &options.renamed, options.guard_formulas);
    if given != (None, None, &Vec::new(), false) {
        hash.update(format!("{given:?}"));
        hash.update([0]);
    }
    hash
}

fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES_MAX];
    let mut filled = 0;
    loop {
        let count = file.read_at(&mut bytes[filled..], filled as u64)?;
        filled += count;
        if count == 0 {
            bytes.truncate(filled);
            return Ok(bytes);
        }
    }
}

impl FileKind {
    /// The columns of which a header needs one, in words.
    fn needed(&self) -> String {
        self.required.join(" or ")
    }
}

/// Whether a cell is a phone or an address, and not the name of a column.
fn is_phone(cell: &str) -> bool {
    let text = cell.to_lowercase().replacen("tel:", "", 1);
    text.contains('@') || (text.chars().any(char::is_numeric) && !text.chars().any(char::is_alphabetic))
}

impl Header {
    /// With the delimiter that was asked for, that a line `sep=` names, or with which there is a column that the file needs.
    fn of(kind: &FileKind, bytes: &[u8], encoding: CsvEncoding, options: &CsvOptions) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err(format!("the file is empty: a header with the column {} is needed", kind.needed()));
        }
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let (said, behind) = separator_line(&bytes[mark..]);
        let start = mark + behind;
        let tried = match options.delimiter.or(said) {
            Some(one) => vec![one],
            None => DELIMITERS.to_vec(),
        };
        let mut first = None;
        for delimiter in tried {
            let header = Self::read(bytes, start, delimiter, encoding, options)?;
            if header.has_required(kind) {
                header.check(options)?;
                return Ok(header);
            }
            first.get_or_insert(header);
        }
        if let Some(bare) = first.as_ref().and_then(|header| header.without_a_header(kind)) {
            bare.check(options)?;
            return Ok(bare);
        }
        Err(first.map(|header| header.without_required(kind)).unwrap_or_default())
    }

    fn read(
        bytes: &[u8],
        start: usize,
        delimiter: u8,
        encoding: CsvEncoding,
        options: &CsvOptions,
    ) -> Result<Self, String> {
        let first_line = if bytes[..start].contains(&b'\n') { 2 } else { 1 };
        let mut records = Records::new(&bytes[start..], delimiter, start as u64, first_line);
        let record = records.read().map_err(|error| error.to_string())?.unwrap_or_default();
        if let Some(open) = record.open_quote {
            return Err(format!("the header has a quote, opened in line {}, that does not end in its cell", open.line));
        }
        let before = Span { start: 0, end: start as u64 };
        let (span, line) = (record.span, records.line());
        let third_cell = record.span_without(REJECTS.len());
        let not_text = || "the header is not UTF-8: --encoding names its encoding".to_owned();
        let name = |cell| encoding::text(cell, encoding).map(|name| plain(&name, options)).ok_or_else(not_text);
        let theirs: Vec<String> = record.cells.into_iter().map(name).collect::<Result<_, _>>()?;
        let mut columns: Vec<String> = theirs.iter().map(|name| ours(name, options)).collect();
        let named = columns.iter().rposition(|column| !column.is_empty()).map_or(0, |last| last + 1);
        columns.truncate(named); // a column without a name at the end means nothing
        let mut header = Self { theirs, columns, delimiter, span, before, first_line, line, bare: None };
        if header.is_rejects() {
            header.span = third_cell;
        }
        Ok(header)
    }

    fn is_rejects(&self) -> bool {
        self.columns.len() > REJECTS.len() && self.columns[..REJECTS.len()] == REJECTS
    }

    fn has_required(&self, kind: &FileKind) -> bool {
        let is_required = |column: &String| kind.required.iter().any(|name| column.eq_ignore_ascii_case(name));
        self.columns.iter().any(is_required)
    }

    /// The header that a column of phones has not; none: the first line is no phone.
    fn without_a_header(&self, kind: &FileKind) -> Option<Self> {
        let name =
            kind.bare.filter(|_| self.columns.len() == 1 && self.theirs.first().is_some_and(|cell| is_phone(cell)))?;
        let names = || vec![name.to_owned()];
        let span = Span { start: self.before.end, end: self.before.end };
        let Self { delimiter, before, first_line, .. } = *self;
        let (theirs, columns) = (names(), names());
        Some(Self { theirs, columns, delimiter, span, before, first_line, line: first_line, bare: Some(name) })
    }

    fn without_required(&self, kind: &FileKind) -> String {
        let required = kind.required[0];
        let start = format!("the header has no column {}", kind.needed());
        match self.columns.as_slice() {
            [only] => {
                let only = excerpt(only);
                format!(
                    "{start}; the only column is `{only}` (--delimiter names its separator, --columns '{only}={required}' renames it)"
                )
            }
            columns => {
                let mut names: Vec<String> = columns.iter().take(NAMED_COLUMNS_MAX).map(|name| excerpt(name)).collect();
                names.extend((columns.len() > NAMED_COLUMNS_MAX).then(|| "…".to_owned()));
                let names = names.join("`, `");
                format!("{start}; its columns are `{names}` (--columns THEIRS={required} renames one)")
            }
        }
    }

    fn check(&self, options: &CsvOptions) -> Result<(), String> {
        let is_there = |theirs: &str| self.theirs.iter().any(|name| name.eq_ignore_ascii_case(theirs));
        if let Some((theirs, _)) = options.renamed.iter().find(|(theirs, _)| !is_there(theirs)) {
            return Err(format!("--columns renames {theirs}, and the header has no such column"));
        }
        let mut known = HashSet::new();
        for (index, column) in self.columns.iter().enumerate() {
            if column.is_empty() {
                return Err(format!("column {} of the header has no name", index + 1));
            }
            if !known.insert(column.to_ascii_lowercase()) {
                return Err(format!("the header has the column {} twice", excerpt(column)));
            }
        }
        Ok(())
    }
}

/// The name of a column as written, without blanks around and without the guard of an export.
fn plain(cell: &str, options: &CsvOptions) -> String {
    let name = cell.trim();
    if options.guard_formulas { formulas::unguarded(name).to_owned() } else { name.to_owned() }
}

/// The beginning of a name, for one line on a terminal.
fn excerpt(name: &str) -> String {
    let mut shown: String = name.chars().take(NAMED_LETTERS_MAX).flat_map(char::escape_debug).collect();
    if name.chars().nth(NAMED_LETTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The name of a column in the list.
fn ours(theirs: &str, options: &CsvOptions) -> String {
    let renamed = options.renamed.iter().find(|(name, _)| name.eq_ignore_ascii_case(theirs));
    renamed.map_or(theirs, |(_, ours)| ours).to_owned()
}

/// The delimiter of a line `sep=;`, with which spreadsheets begin a file, and how long the line is.
fn separator_line(bytes: &[u8]) -> (Option<u8>, usize) {
    let Some([delimiter, rest @ ..]) = bytes.strip_prefix(b"sep=") else { return (None, 0) };
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return (None, 0),
    };
    (Some(*delimiter), 5 + end)
}
