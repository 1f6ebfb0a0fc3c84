//! The command line of `token`: API tokens for clients over HTTP.

use clap::{Args, Subcommand};
use list_files::moment;

use super::FormatArg;

/// `token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token: its text is shown once, by this command, and kept nowhere
    Create(TokenCreateArgs),
    /// Show all tokens, without their texts
    List(FormatArg),
    /// Take a token back, for good
    Revoke(TokenRevokeArgs),
}

/// `token create`
#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// Its name: the principal of its requests
    pub(crate) name: String,
    /// Its scopes, comma-separated: read, update, admin; none contains another
    #[arg(long, required = true, value_name = "SCOPES", value_delimiter = ',', value_parser = ["read", "update", "admin"])]
    pub(crate) scopes: Vec<String>,
    /// A list that its requests may reach; may be repeated [default: all lists]
    #[arg(long = "list", value_name = "LIST")]
    pub(crate) lists: Vec<String>,
    /// The tenant of its requests [default: any]
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Its end, from which on the token is refused: 2027-01-31 (midnight, UTC), 2027-01-31T10:00:00+01:00, or UTC seconds [default: never]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) expires: Option<i64>,
    /// A note for the readers of `token list`
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `token revoke`
#[derive(Debug, Args)]
pub(crate) struct TokenRevokeArgs {
    /// Its id, as `token list` shows it; never its text
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
