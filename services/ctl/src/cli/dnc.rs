//! The command line of `dnc`: Do-Not-Call entries.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use list_files::{CsvOptions, moment};

use super::{EncodingArg, FormatArg, list::delimiter, pair};

/// `dnc …`
#[derive(Debug, Subcommand)]
pub(crate) enum DncVerb {
    /// Enter a phone or a customer; records stay as they are until `dnc apply`
    Add(DncAddArgs),
    /// Take an entry back; records stay as they are
    Remove(DncRemoveArgs),
    /// Say whether a phone or a customer is on the Do-Not-Call list, by which entries, and in which form phones are compared
    Check(DncCheckArgs),
    /// Show the entries: for which phone or customer, since when, for which tenant, campaign or list
    List(DncListArgs),
    /// Enter the phones or customers of a file; an interrupted import goes on when the same command is run again
    Import(DncImportArgs),
    /// Write all entries as CSV: one consistent state
    Export(DncExportArgs),
    /// Mark the open records of a list that Do-Not-Call stops
    Apply(DncApplyArgs),
}

/// The subject of an entry.
#[derive(Debug, Clone, Args)]
pub(crate) struct DncAboutArgs {
    /// The phone, in whatever spelling
    #[arg(required_unless_present = "customer", conflicts_with = "customer")]
    pub(crate) phone: Option<String>,
    /// A customer by the customer id, instead of a phone
    #[arg(long, value_name = "ID")]
    pub(crate) customer: Option<String>,
}

/// The scope of an entry.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DncScopeArgs {
    /// The tenant; left out: the default tenant, or that of the list or campaign
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// The campaign, or its DBID, for which alone an entry holds
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub(crate) campaign: Option<String>,
    /// The list, or its DBID, for which alone an entry holds; left out, and no campaign either: all lists of the tenant
    #[arg(long, value_name = "NAME")]
    pub(crate) list: Option<String>,
}

/// `dnc add`
#[derive(Debug, Args)]
pub(crate) struct DncAddArgs {
    #[command(flatten)]
    pub(crate) about: DncAboutArgs,
    #[command(flatten)]
    pub(crate) scope: DncScopeArgs,
    /// Why, for a person: at most 255 letters
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// From when on the entry counts as absent: 2027-01-31 (midnight, UTC) or 2027-01-31T10:00:00+01:00; left out: never
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) expires: Option<i64>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `dnc remove`
#[derive(Debug, Args)]
pub(crate) struct DncRemoveArgs {
    #[command(flatten)]
    pub(crate) about: DncAboutArgs,
    #[command(flatten)]
    pub(crate) scope: DncScopeArgs,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `dnc check`
#[derive(Debug, Args)]
pub(crate) struct DncCheckArgs {
    #[command(flatten)]
    pub(crate) about: DncAboutArgs,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `dnc list`
#[derive(Debug, Args)]
pub(crate) struct DncListArgs {
    /// At most so many entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `dnc import`
#[derive(Debug, Args)]
pub(crate) struct DncImportArgs {
    /// A column of numbers, or CSV with a header: phone or customer_id, message, expires, in any order; `-`: standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) scope: DncScopeArgs,
    /// The character between two cells, or `tab`; left out: the one of `,` `;` tab `|` with which the header has phone or
    /// customer_id
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The encoding; left out: recognised by the bytes
    #[arg(long, value_enum)]
    pub(crate) encoding: Option<EncodingArg>,
    /// Names of the file's columns here, comma-separated: number=phone,reason=message
    #[arg(long = "columns", value_name = "THEIRS=OURS", value_delimiter = ',', value_parser = pair)]
    pub(crate) renamed: Vec<(String, String)>,
    /// Write rejected rows to this new file, device or FIFO; left out: beside the file, under a name that is free
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Change nothing: read the file, show its first rows and the rows that a node would reject
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Enter the rows again although the same file was imported before, as after entries were taken back
    #[arg(long)]
    pub(crate) as_new: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

impl DncImportArgs {
    /// The options of the reader.
    pub(crate) fn options(&self) -> CsvOptions {
        CsvOptions {
            delimiter: self.delimiter,
            encoding: self.encoding.map(Into::into),
            renamed: self.renamed.clone(),
            guard_formulas: false,
        }
    }
}

/// `dnc export`
#[derive(Debug, Args)]
pub(crate) struct DncExportArgs {
    /// Write to a file instead of standard output; the file appears once complete. A device or a FIFO is written through
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// `dnc apply`
#[derive(Debug, Args)]
pub(crate) struct DncApplyArgs {
    /// The list, or its DBID
    pub(crate) list: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
