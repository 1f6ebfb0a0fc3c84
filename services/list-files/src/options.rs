//! The options of reading a file. Called by the imports, which take them from a command line.

/// How a CSV file is read.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The byte between two cells; none: recognised.
    pub delimiter: Option<u8>,
    /// The encoding; none: recognised.
    pub encoding: Option<CsvEncoding>,
    /// Names of the file's columns, each with its name in the list.
    pub renamed: Vec<(String, String)>,
    /// The apostrophe that an export writes before a formula is taken off.
    pub guard_formulas: bool,
}

/// The encoding of a file. The names of the variants are part of the id of an import that names an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvEncoding {
    /// UTF-8.
    Utf8,
    /// Latin-1, as its superset Windows-1252.
    Latin1,
    /// UTF-16, the low byte first.
    Utf16le,
    /// UTF-16, the high byte first.
    Utf16be,
}
