//! The command line of `list`: calling lists and their files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use list_files::{CsvEncoding, CsvOptions};

use super::{FormatArg, pair};

/// `list …`
#[derive(Debug, Subcommand)]
pub(crate) enum ListVerb {
    /// Create a list, and fill it from a file
    Create(ListCreateArgs),
    /// Import the rows of a CSV file; an interrupted import goes on when the same command is run again
    Import(ListImportArgs),
    /// Write the records of a list as CSV: one consistent state
    Export(ListExportArgs),
    /// Show one list or all
    Show(ListShowArgs),
    /// Delete a list with its records, for good; Do-Not-Call entries stay
    Delete(ListDeleteArgs),
}

/// `list create`
#[derive(Debug, Args)]
pub(crate) struct ListCreateArgs {
    /// Its name
    pub(crate) name: String,
    /// Import this file after creation; `-`: standard input
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// Its time zone, an IANA name [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `list import`
#[derive(Debug, Args)]
pub(crate) struct ListImportArgs {
    /// The list
    pub(crate) name: String,
    /// CSV with a header, `-`: standard input; the column contact_info is required, unknown columns become user-defined fields
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
    /// Take the rows again although the same file was imported before
    #[arg(long)]
    pub(crate) as_new: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// How a CSV file is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct CsvArgs {
    /// The character between two cells, or `tab`; left out: the one of `,` `;` tab `|` with which the header has contact_info
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The encoding; left out: recognised by the bytes
    #[arg(long, value_enum)]
    pub(crate) encoding: Option<EncodingArg>,
    /// Names of the file's columns in the list, comma-separated: phone=contact_info,remark=NOTE
    #[arg(long = "columns", value_name = "THEIRS=OURS", value_delimiter = ',', value_parser = pair)]
    pub(crate) renamed: Vec<(String, String)>,
    /// Take off the apostrophe that `list export --guard-formulas` writes before = @ + and -
    #[arg(long)]
    pub(crate) guard_formulas: bool,
    /// Write rejected rows to this new file, device or FIFO; left out: beside the file, under a name that is free
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Change nothing: read the file, show its first rows as they would be stored, the rows that a node would reject, and how
    /// many are on Do-Not-Call
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl CsvArgs {
    /// The options of the reader.
    pub(crate) fn options(&self) -> CsvOptions {
        CsvOptions {
            delimiter: self.delimiter,
            encoding: self.encoding.map(Into::into),
            renamed: self.renamed.clone(),
            guard_formulas: self.guard_formulas,
        }
    }
}

/// See [`CsvArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncodingArg {
    /// UTF-8.
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// Latin-1, as its superset Windows-1252.
    #[value(name = "latin1", aliases = ["windows-1252", "iso-8859-1"])]
    Latin1,
    /// UTF-16, the low byte first.
    #[value(name = "utf-16le", alias = "utf-16")]
    Utf16le,
    /// UTF-16, the high byte first.
    #[value(name = "utf-16be")]
    Utf16be,
}

impl From<EncodingArg> for CsvEncoding {
    fn from(encoding: EncodingArg) -> Self {
        match encoding {
            EncodingArg::Utf8 => Self::Utf8,
            EncodingArg::Latin1 => Self::Latin1,
            EncodingArg::Utf16le => Self::Utf16le,
            EncodingArg::Utf16be => Self::Utf16be,
        }
    }
}

pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if matches!(text, "tab" | "\\t") => Ok(b'\t'),
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
        _ => Err("it is neither one ASCII character other than a quote nor the word tab".to_owned()),
    }
}

/// `list export`
#[derive(Debug, Args)]
pub(crate) struct ListExportArgs {
    /// The list
    pub(crate) name: String,
    /// Write to a file instead of standard output; the file appears, or replaces an earlier file, once complete. A device or
    /// a FIFO is
    /// written through
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only these columns, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    pub(crate) columns: Vec<String>,
    /// Write an apostrophe before cells of text that a spreadsheet would run: those that begin with = @ + or -
    #[arg(long)]
    pub(crate) guard_formulas: bool,
    /// The node that answers; left out: any
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
}

/// `list show`
#[derive(Debug, Args)]
pub(crate) struct ListShowArgs {
    /// The list; left out: all
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `list delete`
#[derive(Debug, Args)]
pub(crate) struct ListDeleteArgs {
    /// The list
    pub(crate) name: String,
    /// Delete the list; without this option the list and its records are only shown
    #[arg(long)]
    pub(crate) yes: bool,
    /// Also while clients use it
    #[arg(long)]
    pub(crate) in_use: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
