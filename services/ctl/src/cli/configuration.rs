//! The command line of `config`: the configuration of nodes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::FormatArg;

/// `config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show the configuration that a running node uses, with the source of each value; secrets are masked
    Show(ConfigShowArgs),
    /// Show in which keys the nodes' configurations differ, and what a reload or a restart of each node would change
    Diff(ConfigDiffArgs),
    /// Check a configuration file by ocsd --check, without a node
    Check(ConfigCheckArgs),
}

/// `config show`
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    /// The node; left out: every node of --endpoints
    pub(crate) node: Option<String>,
    /// Only the keys that a file, the environment or the command line gives
    #[arg(long)]
    pub(crate) given: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `config diff`
#[derive(Debug, Args)]
pub(crate) struct ConfigDiffArgs {
    /// Show the keys too that each node has its own value of, as addresses
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with 1 where there is a difference, or a fault in a file
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `config check`
#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    /// The file; OCS__ variables of the environment count, as for ocsd
    pub(crate) file: PathBuf,
    /// Set one key, as ocsd's --set does; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The program ocsd; left out: the one beside ocsctl, else the one in the path
    #[arg(long, value_name = "FILE")]
    pub(crate) ocsd: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
