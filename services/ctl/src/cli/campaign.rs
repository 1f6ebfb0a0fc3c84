//! The command line of `campaign` and `group`: campaigns, and campaign groups with their agents.

use clap::{Args, Subcommand};

use super::FormatArg;

/// `campaign …`
#[derive(Debug, Subcommand)]
pub(crate) enum CampaignVerb {
    /// Show one campaign or all: lists with their weights, campaign groups, contact limits
    Show(CampaignShowArgs),
}

/// `campaign show`
#[derive(Debug, Args)]
pub(crate) struct CampaignShowArgs {
    /// The campaign, or its DBID; left out: all
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `group …`
#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// Show one campaign group or all: the state, which agents hold how many records, and since when
    Show(GroupShowArgs),
    /// Load a campaign group: previews hand records out
    Load(GroupArgs),
    /// Start dialling
    Start(GroupArgs),
    /// Stop dialling: no preview hands a record out
    Stop(GroupArgs),
    /// Unload a campaign group once no agent holds a record
    Unload(GroupArgs),
    /// Unload a campaign group at once: held records are Ready again
    UnloadNow(GroupArgs),
}

/// `group show`
#[derive(Debug, Args)]
pub(crate) struct GroupShowArgs {
    /// The campaign group as CAMPAIGN@GROUP, or its DBID; left out: all
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `group load` and the other requests
#[derive(Debug, Args)]
pub(crate) struct GroupArgs {
    /// The campaign group as CAMPAIGN@GROUP, or its DBID
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
