//! The command line of `apply` and `export-config`: files of declarations.

use std::path::PathBuf;

use clap::Args;

use super::FormatArg;

/// `apply`
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The file, TOML; `-`: standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Change nothing: show the difference between the file and the group
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with 1 where there is a difference
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// Remove what the file does not name, but never a list that has records
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `export-config`
#[derive(Debug, Args)]
pub(crate) struct ExportConfigArgs {
    /// Write to a file instead of standard output; the file appears once complete. A device or a FIFO is written through
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}
