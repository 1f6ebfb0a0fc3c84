//! The command line of contexts: `--context`, and the verbs of `context`.

use clap::{Args, Subcommand};

use super::{FormatArg, pair};

/// The context in use.
#[derive(Debug, Args)]
pub(crate) struct ContextArg {
    /// The context whose addresses and files count where neither an option nor a variable names any; "": none
    /// [env: OCS_CONTEXT] [default: the current context of the file of contexts]
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
}

/// `context …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// Show all contexts, and which of them is in use
    List(ContextListArgs),
    /// Show one context: addresses and names of files, never the content of a key or of a token's file
    Show(ContextShowArgs),
    /// Make a context the current one, which counts where no other is named
    Use(ContextUseArgs),
    /// Set keys of a context; a context that is not there is made
    #[command(
        after_help = "Keys: endpoints, ca, cert, key, proxies, token_file; a key without a value is taken out.\n\n\
        Examples:\n  \
        ocsctl context set prod endpoints=a:7401,b:7401,w:7401 ca=ca.pem cert=alice.pem key=alice.key\n  \
        ocsctl context set prod proxies=https://a:8443,https://b:8443 token_file=prod.token\n  \
        ocsctl context set prod token_file="
    )]
    Set(ContextSetArgs),
    /// Remove a context; its files stay
    Remove(ContextRemoveArgs),
}

/// `context list`
#[derive(Debug, Args)]
pub(crate) struct ContextListArgs {
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `context show`
#[derive(Debug, Args)]
pub(crate) struct ContextShowArgs {
    /// The context; left out: the context in use
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `context use`
#[derive(Debug, Args)]
pub(crate) struct ContextUseArgs {
    /// The context
    #[arg(required_unless_present = "none", conflicts_with = "none")]
    pub(crate) name: Option<String>,
    /// No context is current any more
    #[arg(long)]
    pub(crate) none: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `context set`
#[derive(Debug, Args)]
pub(crate) struct ContextSetArgs {
    /// The context
    pub(crate) name: String,
    /// A key and its value; several addresses are separated by commas, and files may be named relative to this directory
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) values: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `context remove`
#[derive(Debug, Args)]
pub(crate) struct ContextRemoveArgs {
    /// The context
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
