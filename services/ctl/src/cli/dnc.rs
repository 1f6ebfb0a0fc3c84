//! The command line of `dnc`: Do-Not-Call entries.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::FormatArg;

/// `dnc …`
#[derive(Debug, Subcommand)]
pub(crate) enum DncVerb {
    /// Show the entries: for which phone, since when, for which lists
    List(DncListArgs),
    /// Say whether a phone is on the Do-Not-Call list, since when, and in which form phones are compared
    Check(DncPhoneArgs),
    /// Take an entry back; records stay as they are
    Remove(DncRemoveArgs),
    /// Write all entries as CSV: one consistent state
    Export(DncExportArgs),
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

/// `dnc check`
#[derive(Debug, Args)]
pub(crate) struct DncPhoneArgs {
    /// The phone, in whatever spelling
    pub(crate) phone: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `dnc remove`
#[derive(Debug, Args)]
pub(crate) struct DncRemoveArgs {
    /// The phone, in whatever spelling
    pub(crate) phone: String,
    /// The list, or its DBID, whose own entry is meant; left out: the entry for all lists
    #[arg(long, value_name = "NAME")]
    pub(crate) list: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
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
