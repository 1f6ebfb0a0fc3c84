//! The command line of `bench`: a small bounded load.

use clap::{Args, ValueEnum};

use super::{Format, FormatArg, ProxiesArg};

/// `bench`
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The list whose records are updated or read
    #[arg(long, value_name = "LIST", required_unless_present = "create_list")]
    pub(crate) list: Option<String>,
    /// Make a list with --records records of numbers without a country, and delete the list at the end
    #[arg(long, conflicts_with = "list")]
    pub(crate) create_list: bool,
    /// Records: of the list that is made; of --list, how many are used at most
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) records: u32,
    /// Clients, each with one connection and one request at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) clients: u16,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// What each request does
    #[arg(long, value_enum, default_value = "update")]
    pub(crate) what: BenchWhat,
    /// The campaign group of previews [default: the group of the campaign that has the list]
    #[arg(long, value_name = "CAMPAIGN@GROUP")]
    pub(crate) group: Option<String>,
    /// Use a list that has records of others, as those of a campaign: updates, and the handing out of records, are real
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) proxies: ProxiesArg,
    /// As -o json
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

impl BenchArgs {
    /// The format behind the verb.
    pub(crate) fn format(&self) -> FormatArg {
        if self.json { FormatArg { format: Some(Format::Json) } } else { self.format }
    }
}

/// See [`BenchArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchWhat {
    /// UpdateCallCompletionStats with 128 bytes of the field bench_note; a list without that field keeps its values.
    Update,
    /// GET of a record.
    Get,
    /// PreviewRecordRequest, each client an agent; RecordReject gives each record back, and is not measured.
    Preview,
}

impl BenchWhat {
    /// As on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Get => "get",
            Self::Preview => "preview",
        }
    }
}
