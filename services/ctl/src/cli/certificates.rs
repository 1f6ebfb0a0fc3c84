//! The command line of `cert`, `certs` and `tls`: making certificates, and having nodes read theirs again.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::FormatArg;

/// Reads a validity of 1 to `MAX` days; the refusal names this range.
fn days<const MAX: u32>(text: &str) -> Result<u32, String> {
    let days = text.parse::<u32>().ok().filter(|days| (1..=MAX).contains(days));
    days.ok_or_else(|| format!("a certificate is valid for 1 to {MAX} days"))
}

/// `cert …`
#[derive(Debug, Subcommand)]
pub(crate) enum CertVerb {
    /// Make an authority: ca.pem for every node and operator, and ca.key, which belongs on no node
    Ca(CertAuthorityArgs),
    /// Make certificate and key of one node or several, signed by the authority in the directory
    Node(CertNodeArgs),
    /// Make certificate and key of an operator, for ocsctl
    Operator(CertOperatorArgs),
}

/// Where the files go.
#[derive(Debug, Args)]
pub(crate) struct NewFilesArgs {
    /// The directory of the authority (ca.pem, ca.key) and of the new files (NAME.pem, NAME.key)
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Replace certificates and keys that are there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `cert ca`
#[derive(Debug, Args)]
pub(crate) struct CertAuthorityArgs {
    /// The authority's name, for people
    #[arg(long, default_value = "ocs authority")]
    pub(crate) name: String,
    /// How long the authority is valid: 1 to 7300 days
    #[arg(long, default_value_t = 3650, value_parser = days::<7300>)]
    pub(crate) days: u32,
    #[command(flatten)]
    pub(crate) files: NewFilesArgs,
}

/// `cert node`
#[derive(Debug, Args)]
pub(crate) struct CertNodeArgs {
    /// The nodes, named as in cluster.nodes
    #[arg(required = true, value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    /// Further names and addresses of a node, as callers use them: NODE=NAME,ADDRESS or, with one node, NAME,ADDRESS; may be repeated
    #[arg(long, value_name = "[NODE=]NAME,...")]
    pub(crate) host: Vec<String>,
    /// How long the certificates are valid: 1 to 3650 days, and no longer than the authority
    #[arg(long, default_value_t = 365, value_parser = days::<3650>)]
    pub(crate) days: u32,
    #[command(flatten)]
    pub(crate) files: NewFilesArgs,
}

/// `cert operator`
#[derive(Debug, Args)]
pub(crate) struct CertOperatorArgs {
    /// The operator's name, as orders are logged
    pub(crate) name: String,
    /// How long the certificate is valid: 1 to 3650 days, and no longer than the authority
    #[arg(long, default_value_t = 365, value_parser = days::<3650>)]
    pub(crate) days: u32,
    #[command(flatten)]
    pub(crate) files: NewFilesArgs,
}

/// `certs`
#[derive(Debug, Args)]
pub(crate) struct CertsArgs {
    /// Where the files go: ca.pem, ca.key, and NODE.pem, NODE.key for each node
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Names of the nodes, comma-separated
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) nodes: Vec<String>,
    /// How long the nodes' certificates are valid: up to 3650 days
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(..=3650))]
    pub(crate) days: u32,
    /// Not taken: `cert node` makes certificates with names and addresses
    #[arg(long, value_name = "NODE=NAME,...", hide = true)]
    pub(crate) host: Vec<String>,
}

/// `tls …`
#[derive(Debug, Subcommand)]
pub(crate) enum TlsVerb {
    /// Have a node, or every node, read its certificates again now, and show those in use
    Reload(TlsReloadArgs),
}

/// `tls reload`
#[derive(Debug, Args)]
pub(crate) struct TlsReloadArgs {
    /// The node; left out: every node of --endpoints
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
