//! The command line: verbs, flags, defaults. Never acts. Called by `main`.

mod audit;
mod bench;
mod campaign;
mod certificates;
mod configuration;
mod context;
mod declare;
mod dnc;
mod list;
mod s3;
mod sandbox;
mod shell;
#[cfg(test)]
mod tests;
mod token;
mod upkeep;
mod wait;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    audit::AuditArgs,
    bench::{BenchArgs, BenchWhat},
    campaign::{CampaignShowArgs, CampaignVerb, GroupArgs, GroupShowArgs, GroupVerb},
    certificates::{CertVerb, CertsArgs, NewFilesArgs, TlsReloadArgs, TlsVerb},
    configuration::{ConfigCheckArgs, ConfigDiffArgs, ConfigShowArgs, ConfigVerb},
    context::{ContextArg, ContextSetArgs, ContextShowArgs, ContextUseArgs, ContextVerb},
    declare::{ApplyArgs, ExportConfigArgs},
    dnc::{
        DncAboutArgs, DncAddArgs, DncApplyArgs, DncCheckArgs, DncExportArgs, DncImportArgs, DncListArgs, DncRemoveArgs,
        DncScopeArgs, DncVerb,
    },
    list::{
        CsvArgs, EncodingArg, ListCreateArgs, ListDeleteArgs, ListExportArgs, ListImportArgs, ListShowArgs, ListVerb,
    },
    s3::{BackupFetchArgs, BackupListArgs, BackupPruneArgs, S3Args, S3Style},
    sandbox::{SandboxStopArgs, SandboxVerb},
    shell::{ColorArg, ColorWhen, CompletionsArgs, ManArgs, Shell},
    token::{TokenCreateArgs, TokenRevokeArgs, TokenVerb},
    upkeep::{DrainArgs, ProxyRestartArgs, ProxyVerb, ReloadArgs},
    wait::{AwaitedRole, WaitArgs, WaitFor},
};

/// Control addresses of `make run`, where neither the command line, the environment nor a context names any.
pub(crate) const DEFAULT_ENDPOINTS: &str = "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403";

const EXAMPLES: &str = "Examples:
  ocsctl status --watch
  ocsctl --endpoints a:7401,b:7401,w:7401 --ca ca.pem --cert alice.pem --key alice.key status
  ocsctl context set prod endpoints=a:7401,b:7401,w:7401 ca=ca.pem cert=alice.pem key=alice.key
  ocsctl context use prod
  ocsctl switchover --dry-run
  ocsctl list show demo -o json";

/// Operates a group of ocsd nodes.
///
/// Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 unreachable, 4 no primary, 5 degraded (`status --check`), 130 ended by Ctrl-C
/// (`status --watch`).
///
/// With `-o json` the last line on standard error is {"error": {"code", "exit_code", "message"}} where a verb fails.
#[derive(Debug, Parser)]
#[command(name = "ocsctl", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) context: ContextArg,
    #[command(flatten)]
    pub(crate) color: ColorArg,
    #[command(flatten)]
    pub(crate) format: FormatArg,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// How nodes are reached.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// Control addresses of the nodes, host:port, comma-separated
    /// [default: those of the context, else 127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403]
    #[arg(long, env = "OCSCTL_ENDPOINTS", value_delimiter = ',', global = true)]
    pub(crate) endpoints: Vec<String>,
    /// Certificate authority, PEM: of the nodes (mutual TLS; without --cert and --key we show operator.pem and operator.key beside
    /// the authority's file), and of HTTPS front ends; a file may hold several authorities
    #[arg(long, env = "OCSCTL_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Our certificate, PEM; nodes see it, and HTTPS front ends that ask for one
    #[arg(long, env = "OCSCTL_CERT", value_name = "FILE", global = true)]
    pub(crate) cert: Option<PathBuf>,
    /// The key of our certificate, PEM
    #[arg(long, env = "OCSCTL_KEY", value_name = "FILE", global = true)]
    pub(crate) key: Option<PathBuf>,
    /// How long to wait for one answer (for `wait`: in all); each verb has its default
    #[arg(long, value_name = "SECONDS", value_parser = timeout, global = true)]
    pub(crate) timeout: Option<Duration>,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct FormatArg {
    /// How to show the result [default: table]
    #[arg(short = 'o', long = "format", alias = "report", value_enum)]
    pub(crate) format: Option<Format>,
}

/// See [`FormatArg`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person.
    Table,
    /// For a program: one JSON document.
    Json,
}

/// Where updates are sent.
#[derive(Debug, Args)]
pub(crate) struct ProxiesArg {
    /// Base URLs of the HTTP front ends, comma-separated; https:// needs --ca
    /// [default: those of the context, else those that the nodes name]
    #[arg(long, env = "OCSCTL_PROXIES", value_delimiter = ',')]
    pub(crate) proxies: Vec<String>,
    /// A file with an API token, for front ends that ask for one
    #[arg(long, env = "OCSCTL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl ProxiesArg {
    /// As named by the command line; empty: by none.
    pub(crate) fn named(&self) -> &[String] {
        if self.proxies.iter().all(String::is_empty) { &[] } else { &self.proxies }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show every node: role, indexes, lag, HTTP front end, warnings, and the failures that the group survives
    #[command(after_help = "Examples:\n  \
        ocsctl status\n  \
        ocsctl status --watch\n  \
        ocsctl status --watch=10 -o json\n  \
        ocsctl --context prod status --check")]
    Status(StatusArgs),
    /// Show which node is primary, as each node sees it
    Role(FormatArg),
    /// Make the other data node primary
    Switchover(SwitchoverArgs),
    /// Pause automatic failover: the role then moves only by `switchover`, until `resume`
    Pause(FormatArg),
    /// Resume automatic failover; where there is no primary, the nodes that answer elect one
    Resume(FormatArg),
    /// Show the last hundred changes of role: when, from, to, why, and how long there was no primary
    History(FormatArg),
    /// Show the orders of operators and the changes of settings, tokens, lists, campaigns and groups, with principal, address and outcome
    Audit(AuditArgs),
    /// Have nodes read their configuration and certificates anew, and show from when each change counts
    Reload(ReloadArgs),
    /// HTTP Proxies
    #[command(subcommand)]
    Proxy(ProxyVerb),
    /// Take a node out of service while its process stays: not ready, the role handed over, requests in flight finished
    Drain(DrainArgs),
    /// Nodes
    #[command(subcommand)]
    Node(NodeVerb),
    /// Let a node lead alone, on one disk, after the others were lost and fenced
    ForcePrimary(ForcePrimaryArgs),
    /// The versions of formats and rules by which the group goes
    #[command(subcommand)]
    Upgrade(UpgradeVerb),
    /// How many disks an acknowledged update is on
    #[command(subcommand)]
    Mode(ModeVerb),
    /// Declare lists, campaigns, limits and more by a file: all of it by one command, or nothing
    Apply(ApplyArgs),
    /// Write the file that would declare all this
    ExportConfig(ExportConfigArgs),
    /// Options of the rules: the same for the whole group
    #[command(subcommand)]
    Settings(SettingsVerb),
    /// Calling lists
    #[command(subcommand)]
    List(ListVerb),
    /// Campaigns
    #[command(subcommand)]
    Campaign(CampaignVerb),
    /// Campaign groups: campaigns with their groups of agents
    #[command(subcommand)]
    Group(GroupVerb),
    /// Records
    #[command(subcommand)]
    Record(RecordVerb),
    /// Do-Not-Call entries
    #[command(subcommand)]
    Dnc(DncVerb),
    /// API tokens for clients over HTTP
    #[command(subcommand)]
    Token(TokenVerb),
    /// Backups: the whole state in a file
    #[command(subcommand)]
    Backup(BackupVerb),
    /// Send a file of requests through the HTTP front ends, in order for each record, with retries until success
    Replay(ReplayArgs),
    /// Move or kill the primary again and again under load, and count lost updates
    Drill(DrillArgs),
    /// Let every data node recompute its digest, and compare
    Verify(FormatArg),
    /// Certificates: an authority of your own, nodes, operators
    #[command(subcommand)]
    Cert(CertVerb),
    /// Make a development certificate authority and a certificate for each node
    Certs(CertsArgs),
    /// The certificates that nodes use
    #[command(subcommand)]
    Tls(TlsVerb),
    /// Wait until the group has a primary, or is whole: every node answers, votes by a confirmed start, and has caught up; or until
    /// another condition is met
    ///
    /// Exit codes: 0 met, 1 not met in time, 3 no node answers, or the named node does not, 4 no primary (`--for primary` alone).
    Wait(WaitArgs),
    /// Named sets of addresses, certificates and a token's file, kept in a file of contexts
    #[command(subcommand)]
    Context(ContextVerb),
    /// Write the completions of a shell to standard output
    #[command(after_help = "Examples:\n  \
        ocsctl completions bash > /etc/bash_completion.d/ocsctl\n  \
        ocsctl completions zsh > /usr/local/share/zsh/site-functions/_ocsctl\n  \
        ocsctl completions fish > ~/.config/fish/completions/ocsctl.fish")]
    Completions(CompletionsArgs),
    /// Write the man pages of all verbs to a directory
    #[command(after_help = "Examples:\n  ocsctl man /usr/local/share/man/man1")]
    Man(ManArgs),
    /// The configuration of nodes: values with their sources, differences, and the check of a file
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Load the group for some seconds, and show requests a second, median, p99 and errors
    Bench(BenchArgs),
    /// A throw-away pair on this machine, with a small campaign to try
    #[command(subcommand)]
    Sandbox(SandboxVerb),
}

impl Verb {
    /// The options on HTTP front ends, of the verbs that send requests there.
    pub(crate) fn proxies_mut(&mut self) -> Option<&mut ProxiesArg> {
        match self {
            Self::Replay(args) => Some(&mut args.proxies),
            Self::Drill(args) => Some(&mut args.proxies),
            Self::Bench(args) => Some(&mut args.proxies),
            _ => None,
        }
    }
}

/// `status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Exit with 0 only if the group is whole: 5 degraded, 4 no primary or updates are stopped, 3 no node answers
    #[arg(long)]
    pub(crate) check: bool,
    /// Show the status again and again, every so many seconds [without a value: 2], until Ctrl-C: in place on a terminal, and
    /// one below the other with the time elsewhere; with `-o json` a document a line
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = interval,
        conflicts_with = "check"
    )]
    pub(crate) watch: Option<Duration>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `switchover`
#[derive(Debug, Args)]
pub(crate) struct SwitchoverArgs {
    /// The node that is to become primary; left out: the primary chooses
    pub(crate) node: Option<String>,
    /// The same as NODE
    #[arg(long, value_name = "NODE", conflicts_with = "node")]
    pub(crate) to: Option<String>,
    /// Hand over at this moment, with its zone: 2026-12-01T03:00:00Z; the group keeps the order over failovers and restarts
    #[arg(long, value_name = "TIME", value_parser = chassis::moment::seconds_of)]
    pub(crate) at: Option<u64>,
    /// Cancel the scheduled switchover
    #[arg(long, conflicts_with_all = ["node", "to", "at"])]
    pub(crate) cancel: bool,
    /// Only say which nodes could become primary
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

impl SwitchoverArgs {
    /// The node that is to become primary; empty: the primary chooses.
    pub(crate) fn target(&self) -> &str {
        self.node.as_deref().or(self.to.as_deref()).unwrap_or_default()
    }
}

/// `upgrade …`
#[derive(Debug, Subcommand)]
pub(crate) enum UpgradeVerb {
    /// Go to the newest formats and rules that every node's release knows; an older release cannot be put back after it
    Finalize(UpgradeFinalizeArgs),
}

/// `upgrade finalize`
#[derive(Debug, Args)]
pub(crate) struct UpgradeFinalizeArgs {
    /// Change nothing: show which nodes hold the upgrade up, and the versions that would count
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `node …`
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Replace a node that is dead, or that lost its disk: waits until the node votes under a new id and the old id is out
    Replace(NodeReplaceArgs),
}

/// `node replace`
#[derive(Debug, Args)]
pub(crate) struct NodeReplaceArgs {
    /// Its name
    pub(crate) node: String,
    /// The node runs: have the node leave the group and shut down, and join again when its supervisor starts it; never the
    /// primary
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `force-primary`
#[derive(Debug, Args)]
pub(crate) struct ForcePrimaryArgs {
    /// The node that is to lead alone; the others must be fenced first: powered off, or cut from network and clients
    pub(crate) node: String,
    /// Accept losing acknowledged updates that only the other nodes have
    #[arg(long)]
    pub(crate) accept_loss: bool,
    /// Change nothing: show what the order would do
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `mode …`
#[derive(Debug, Subcommand)]
pub(crate) enum ModeVerb {
    /// End single-copy: the nodes that have caught up vote again
    Set(ModeSetArgs),
}

/// `mode set`
#[derive(Debug, Args)]
pub(crate) struct ModeSetArgs {
    /// The configured mode
    #[arg(value_parser = ["witness", "three", "pair"])]
    pub(crate) mode: String,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `settings …`
#[derive(Debug, Subcommand)]
pub(crate) enum SettingsVerb {
    /// Show every option and its value, and the rules version of the group
    Show(FormatArg),
    /// Set options, all or none
    Set(SettingsSetArgs),
}

/// `settings set`
#[derive(Debug, Args)]
pub(crate) struct SettingsSetArgs {
    /// An option and its value, as `settings show` names them: replay_window_ms=5000
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it is not KEY=VALUE")?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() { Err("it has no key before the =".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

/// `record …`
#[derive(Debug, Subcommand)]
pub(crate) enum RecordVerb {
    /// Show a record, by its handle or by list and record id
    Get(RecordGetArgs),
}

/// `record get`
#[derive(Debug, Args)]
pub(crate) struct RecordGetArgs {
    /// Its handle
    #[arg(conflicts_with_all = ["list", "record_id"], required_unless_present = "list", value_parser = handle)]
    pub(crate) handle: Option<u64>,
    /// Its list
    #[arg(long, requires = "record_id")]
    pub(crate) list: Option<String>,
    /// Its record_id in the list
    #[arg(long, requires = "list")]
    pub(crate) record_id: Option<u64>,
    /// Show its last changes too, if its list keeps them (`record_history`)
    #[arg(long)]
    pub(crate) history: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `backup …`
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Write a backup while the group serves: one consistent state, compressed and checksummed
    Create(BackupCreateArgs),
    /// Check a backup without a node: every checksum, and the digest of all rows
    Verify(BackupVerifyArgs),
    /// Make the empty data directory of a node on this machine from a backup; the node must be stopped
    Restore(BackupRestoreArgs),
    /// Copy a backup from an S3-compatible storage into a file, and check every byte
    Fetch(BackupFetchArgs),
    /// Show the backups in a folder of an S3-compatible storage
    List(BackupListArgs),
    /// Remove the oldest backups from a folder of an S3-compatible storage
    Prune(BackupPruneArgs),
}

/// `backup create`
#[derive(Debug, Args)]
pub(crate) struct BackupCreateArgs {
    /// The file, which appears once complete; a device or a FIFO is written through; `-`: standard output; s3://BUCKET/FOLDER/ or
    /// s3://BUCKET/FOLDER/NAME.ocsbackup: into an S3-compatible storage
    pub(crate) file: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    /// The node whose state is written; left out: the backup, else the primary
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Take the state as that node knows it, also where no quorum can be asked
    #[arg(long, requires = "node")]
    pub(crate) stale: bool,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `backup verify`
#[derive(Debug, Args)]
pub(crate) struct BackupVerifyArgs {
    /// The file; `-`: standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `backup restore`
#[derive(Debug, Args)]
pub(crate) struct BackupRestoreArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// The configuration of the node
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Set one key of the configuration, as ocsd's --set does; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The epoch to begin, where the group was forced or restored after the backup; left out: the one above the backup's
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<u64>,
    /// The program ocsd; left out: the one beside ocsctl, else the one in the path
    #[arg(long, value_name = "FILE")]
    pub(crate) ocsd: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Lines of {"record_id": N, "req": NAME, "body": {…}}
    pub(crate) file: PathBuf,
    /// The list whose records are meant
    #[arg(long)]
    pub(crate) list: String,
    /// Requests in flight at most
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) connections: u16,
    #[command(flatten)]
    pub(crate) proxies: ProxiesArg,
    /// How long one request is tried again
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub(crate) retry_for: Duration,
    /// Requests a second at most; left out: as fast as the answers come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// Send the requests anew although the same file was replayed before
    #[arg(long)]
    pub(crate) as_new: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `drill`
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// Which harm to do
    #[arg(value_enum)]
    pub(crate) kind: DrillKind,
    /// How often
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rounds: u32,
    /// Updates a second, through all HTTP front ends together
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) rate: u32,
    /// How long a round may wait for the group to be whole again
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "120")]
    pub(crate) settle: Duration,
    #[command(flatten)]
    pub(crate) proxies: ProxiesArg,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// See [`DrillArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrillKind {
    /// Hand the role over, planned.
    Switchover,
    /// kill -9 the primary's process, which must run on this machine and be restarted by its supervisor.
    Kill,
    /// Stop the primary's process (SIGSTOP), which must run on this machine, beyond the election timeout.
    Pause,
    /// Stop the witness, which must run on this machine: updates go on, the role is handed over, the witness comes back.
    LoseWitness,
    /// Drop the packets between the primary and the others; all must run on this machine; needs root and nftables.
    Partition,
}

impl DrillKind {
    /// As on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Switchover => "switchover",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::LoseWitness => "lose-witness",
            Self::Partition => "partition",
        }
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("0 is no time to wait; without --timeout each verb has its default".to_owned()),
        timeout => Ok(timeout),
    }
}

/// Nodes are asked no more often than a person reads.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    let within = Duration::from_millis(200)..=Duration::from_secs(86_400);
    within.contains(&interval).then_some(interval).ok_or_else(|| "a pause is 0.2 to 86400 seconds".to_owned())
}

fn handle(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|handle| *handle > 0);
    number.ok_or_else(|| format!("{text} is no handle: a handle is a number from 1 on, as answers name it"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds".to_owned())
}
