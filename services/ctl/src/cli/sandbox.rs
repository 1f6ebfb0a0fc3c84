//! The command line of `sandbox`: a throw-away pair on this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::FormatArg;

/// `sandbox …`
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxVerb {
    /// Start two nodes, a witness and HTTP front ends on free ports of loopback, with a small campaign, and show what to try; a
    /// sandbox that was stopped goes on with its data
    Start(SandboxArgs),
    /// Show the processes and addresses; exit with 1 unless all of them run
    Status(SandboxArgs),
    /// Bring the campaign back to its start: stop the nodes, forget their data, start them again under the same addresses and token
    Reset(SandboxArgs),
    /// Stop the processes that `start` has started, and no other
    Stop(SandboxStopArgs),
}

/// `sandbox start`, `status` and `reset`
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// The directory of the sandbox: made by `start`, and marked as a sandbox's
    #[arg(long, env = "OCSCTL_SANDBOX", value_name = "DIR", default_value = "ocs-sandbox")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `sandbox stop`
#[derive(Debug, Args)]
pub(crate) struct SandboxStopArgs {
    /// The directory of the sandbox
    #[arg(long, env = "OCSCTL_SANDBOX", value_name = "DIR", default_value = "ocs-sandbox")]
    pub(crate) dir: PathBuf,
    /// Remove the sandbox with its data; a directory that is not marked as a sandbox's is left alone, and so are foreign files in it
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
