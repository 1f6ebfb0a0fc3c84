//! The command line of `reload`, `proxy` and `drain`: orders about the process of one node.

use clap::{Args, Subcommand};

use super::FormatArg;

/// `reload`
#[derive(Debug, Args)]
pub(crate) struct ReloadArgs {
    /// The node; left out: every node of --endpoints
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `proxy …`
#[derive(Debug, Subcommand)]
pub(crate) enum ProxyVerb {
    /// Drain the HTTP Proxy of a node, and start another one with the present configuration
    Restart(ProxyRestartArgs),
}

/// `proxy restart`
#[derive(Debug, Args)]
pub(crate) struct ProxyRestartArgs {
    /// The node; left out: every data node, one after the other
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `drain`
#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// The node
    pub(crate) node: String,
    /// Have the node take clients again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Even if no other node takes clients
    #[arg(long, conflicts_with = "undo")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
