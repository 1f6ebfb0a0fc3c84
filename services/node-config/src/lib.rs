//! `ocsd`'s configuration: every key, its unit and its default, and the command line. Read and checked before anything is
//! bound or opened; called by `main` of `ocsd`.
//!
//! Never acts on a key: each part of the node takes its section. `deploy/ocsd.example.toml` documents the same keys for
//! operators, and a test holds the two together.

mod access;
mod address;
mod backup;
mod check;
mod custom_headers;
mod otlp;
mod proxy;
mod reload;
mod shown;
#[cfg(test)]
mod tests;
mod warnings;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::PathBuf,
};

use chassis::{
    config::{Alternative, ConfigError, Sources},
    logging::Logging,
    tls::TlsFiles,
};
use consensus::{Kind, RaftId, core::DISK_STALL_MS_DEFAULT};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use access::Operators;
pub use backup::Backup;
pub use check::Problem;
pub use otlp::Otlp;
pub use proxy::{Auth, CertificateAccess, ClientCertificates, HttpPort, ProxySettings, RunAs};
pub use reload::{Changed, Counts};
pub use shown::ShownKey;
pub use warnings::Warning;

/// `cluster.upgrade`: the primary raises the versions by itself, or an operator does.
pub const UPGRADE_AUTO: &str = "auto";
const UPGRADE_MANUAL: &str = "manual";

/// Prefix of the environment variables: `OCS__PEER__LISTEN` is `peer.listen`.
pub const ENV_PREFIX: &str = "OCS__";

/// `http_proxy.listen` has a default, which counts only where no `http_proxy.listeners` are given.
const ALTERNATIVES: [Alternative; 1] = [Alternative { key: "http_proxy.listen", instead: "http_proxy.listeners" }];

/// Every mode, with its number of data nodes and of witnesses (architecture, What loses what).
const MODES: [(&str, usize, usize); 3] = [("witness", 2, 1), ("three", 3, 0), ("pair", 2, 0)];

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// A node of the outbound contact server.
///
/// Settings come from the file, then from the environment (OCS__TABLE__KEY), then from --set; the last one wins.
///
/// Exit codes: 0 stopped as asked, 1 failed, 2 wrong use or configuration (a person must mend it), 70 a part of the process stood still
/// (start again), 74 the disk cannot be trusted (start again), 75 something passes by itself (start again).
#[derive(Debug, Clone, Default, clap::Parser)]
#[command(name = "ocsd", version)]
pub struct Args {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "OCS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration and exit (0 if valid)
    #[arg(long)]
    pub check: bool,
    /// Form the group: given once to all its nodes, with empty data directories
    #[arg(long)]
    pub bootstrap: bool,
    /// Make the data directory, which must be empty, from a backup, and end; with --restore-epoch N in this epoch
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bootstrap", "check"])]
    pub restore: Option<PathBuf>,
    /// The epoch that --restore begins; left out: the one above the backup's
    #[arg(long, value_name = "N", requires = "restore")]
    pub restore_epoch: Option<u64>,
    /// Set one key, as in peer.listen=127.0.0.1:7301; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// The group; the same on all its nodes.
    pub cluster: Cluster,
    /// Node to node.
    pub peer: Peer,
    /// gRPC for operators and programs.
    pub control: Control,
    /// HTTP for monitoring.
    pub admin: Admin,
    /// Health checks alone, without TLS.
    pub health: Health,
    /// HTTP for clients; only on a data node (see [`Config::proxy`]).
    pub http_proxy: ProxySettings,
    /// Raft's timing; the same on all nodes.
    pub raft: Raft,
    /// The durable log.
    pub log: Log,
    /// The record state.
    pub store: Store,
    /// Scheduled backups, at the primary.
    pub backup: Backup,
    /// Limits of one node.
    pub limits: Limits,
    /// Rules that are replicated; the same on all nodes.
    pub rules: Rules,
    /// Traces for OpenTelemetry.
    pub otlp: Otlp,
    /// This process's log.
    pub logging: Logging,
    /// The source of each value; no key.
    #[serde(skip)]
    pub sources: Sources,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: Node::default(),
            cluster: Cluster::default(),
            peer: Peer::default(),
            control: Control::default(),
            admin: Admin::default(),
            health: Health::default(),
            http_proxy: ProxySettings::default(),
            raft: Raft::default(),
            log: Log::default(),
            store: Store::default(),
            backup: Backup::default(),
            limits: Limits::default(),
            rules: Rules::default(),
            otlp: Otlp::default(),
            // At the level "info" the engine logs each table that opens or flushes.
            logging: Logging { filter: "info,fjall=warn,lsm_tree=warn".into(), ..Logging::default() },
            sources: Sources::default(),
        }
    }
}

/// `[node]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// This node's name in `cluster.nodes`.
    pub name: String,
    /// Directory of log and state; belongs to this node alone. Relative to the working directory.
    pub data_dir: PathBuf,
    /// Free bytes that must be left on the disk of `data_dir`; with less the node takes no more updates.
    pub disk_reserve_bytes: u64,
    /// A write of log or state that has not ended for so long counts as hanging: a primary hands over.
    pub disk_stall_ms: u64,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: String::new(),
            data_dir: "/var/lib/ocs".into(),
            disk_reserve_bytes: GIB,
            disk_stall_ms: DISK_STALL_MS_DEFAULT,
        }
    }
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Names the group; stamped into every data directory and carried by every frame.
    pub id: String,
    /// `witness`: two data nodes and a witness; `three`: three data nodes; `pair`: two data nodes and nothing else, where the
    /// loss of a node stops updates. See [`Config::mode`].
    pub mode: String,
    /// `auto`: the group goes to a new release's formats and rules ten minutes after every node runs that release; `manual`: when
    /// an operator says so (`ocsctl upgrade finalize`). Until then the older release can be put back.
    pub upgrade: String,
    /// The voters. Their order gives their numbers: never change it, and never use a place for another node.
    pub nodes: Vec<Member>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { id: "ocs".into(), mode: "witness".into(), upgrade: UPGRADE_AUTO.into(), nodes: Vec::new() }
    }
}

/// One of `cluster.nodes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The node's name; its certificate bears the same name.
    pub name: String,
    /// Whether the node holds data or only votes.
    pub role: MemberRole,
    /// The address that peers dial, host:port.
    pub peer: String,
    /// The address for operators, host:port; every node tells it to operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
}

/// A node's share of log and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Log and state; can be primary.
    Data,
    /// Log and vote; never serves.
    Witness,
}

impl From<MemberRole> for Kind {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Data => Self::Data,
            MemberRole::Witness => Self::Witness,
        }
    }
}

/// `[peer]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// The address on which this node listens for its peers.
    pub listen: SocketAddr,
    /// Mutual TLS between the nodes; may be left out only while every address is on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Without TLS: a file with a secret that all nodes of the group have; each node proves to its peers that it knows the
    /// secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

impl Default for Peer {
    fn default() -> Self {
        Self { listen: loopback(7301), tls: None, secret_file: None }
    }
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The address on which gRPC listens.
    pub listen: SocketAddr,
    /// The certificates that may change something. Absent: `required` in a group that this release formed, `any` in an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operators: Option<Operators>,
    /// Mutual TLS; may be left out only on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

impl Default for Control {
    fn default() -> Self {
        Self { listen: loopback(7401), operators: None, tls: None }
    }
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The address on which health checks and `/metrics` listen.
    pub listen: SocketAddr,
    /// Mutual TLS; may be left out only on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: loopback(7501), tls: None }
    }
}

/// `[health]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// The address on which health checks are answered to any caller without TLS, and nothing else is; absent: no such port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// `[raft]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    /// Length of a tick.
    pub tick_ms: u64,
    /// Ticks between two heartbeats.
    pub heartbeat_ticks: u32,
    /// Fewest ticks without a leader before an election.
    pub election_ticks_min: u32,
    /// Most ticks, exclusive.
    pub election_ticks_max: u32,
}

impl Default for Raft {
    fn default() -> Self {
        Self { tick_ms: 50, heartbeat_ticks: 2, election_ticks_min: 10, election_ticks_max: 20 }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Length of a segment file; allocated ahead of use.
    pub segment_bytes: u64,
    /// Length of the whole log at which updates stop with a reason; the log drops nothing (R1 forget-what-both-have).
    pub bytes_max: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self { segment_bytes: 64 * MIB, bytes_max: 32 * GIB }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Memory for cached blocks.
    pub cache_bytes: u64,
    /// Longest time between two syncs of the state.
    pub persist_ms: u64,
    /// Most bytes of changes between two syncs.
    pub persist_bytes: u64,
    /// From one scan of all rows to the next; 0: never.
    pub scan_interval_s: u64,
    /// Limit of the row bytes that a scan reads in a second.
    pub scan_bytes_per_s: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            cache_bytes: 256 * MIB,
            persist_ms: 2000,
            persist_bytes: 64 * MIB,
            scan_interval_s: 86_400,
            scan_bytes_per_s: 8 * MIB,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long a request waits for a primary (architecture, Failover).
    pub hold_time_ms: u64,
    /// Limit of requests held at a time; beyond: 503.
    pub hold_requests_max: usize,
    /// Limit of bytes held at a time; beyond: 503.
    pub hold_bytes_max: usize,
    /// Time after which a request over gRPC is answered, if only that its outcome is not known (`http_proxy.deadline_ms` is the
    /// same for HTTP).
    pub deadline_ms: u64,
    /// How long a stop waits for requests in flight.
    pub drain_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hold_time_ms: 5000,
            hold_requests_max: 10_000,
            hold_bytes_max: 64 << 20,
            deadline_ms: 10_000,
            drain_timeout_ms: 15_000,
        }
    }
}

/// `[rules]`: the settings of a group that decides by rules version 1, where every node must have the same; and the first
/// settings of a group whose version is raised, where this node is primary. Afterwards the group's replicated settings count, not
/// this section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// A keyless request that repeats a request applied less than this ago gets its answer; 0: never (spec 6, Exactly once).
    /// Absent: 5,000.
    pub replay_window_ms: Option<u64>,
    /// How long an Idempotency-Key is remembered (spec 6, Exactly once). Absent: 24.
    pub idempotency_hours: Option<u64>,
    /// Limit of remembered keys; beyond it the oldest are forgotten. Absent: 20,000,000.
    pub idempotency_keys_max: Option<u64>,
    /// Records that one request may change; a larger request is refused whole. Absent: 10,000, in settings 1,000.
    pub records_per_request_max: Option<u32>,
}

impl Rules {
    /// The keys that the configuration names, and their values.
    pub fn given(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("replay_window_ms", self.replay_window_ms),
            ("idempotency_hours", self.idempotency_hours),
            ("idempotency_keys_max", self.idempotency_keys_max),
            ("records_per_request_max", self.records_per_request_max.map(u64::from)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

impl Config {
    /// Reads defaults, file, environment and `--set`, in this order. The result is still to be checked by [`Config::check`].
    ///
    /// # Errors
    /// One line: the fault, its source and its key.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        let set = chassis::config::overrides(args.set.iter().map(String::as_str))?;
        let (mut config, sources): (Self, Sources) =
            chassis::config::load(args.config.as_deref(), ENV_PREFIX, set, &ALTERNATIVES)?;
        config.sources = sources;
        // a default never stands against a value that an operator wrote
        let most = u32::try_from(config.limits.drain_timeout_ms).unwrap_or(u32::MAX);
        let proxy = &mut config.http_proxy;
        proxy.drain_timeout_ms = Some(proxy.drain_timeout_ms.unwrap_or(proxy.drain_timeout_ms().min(most)));
        Ok(config)
    }

    /// This node's entry of `cluster.nodes`; none: [`Config::check`] says so.
    pub fn member(&self) -> Option<&Member> {
        self.cluster.nodes.iter().find(|member| member.name == self.node.name)
    }

    /// This node's number: its place in `cluster.nodes`, from 1.
    pub fn number(&self) -> Option<u16> {
        self.members().find(|(_, member)| member.name == self.node.name).map(|(number, _)| number)
    }

    /// Every node with its number.
    pub fn members(&self) -> impl Iterator<Item = (u16, &Member)> {
        (1..).zip(&self.cluster.nodes)
    }

    /// The mode, as every answer names it (architecture, What loses what); [`Config::check`] refuses an unknown mode.
    pub fn mode(&self) -> &'static str {
        MODES.iter().find(|(name, ..)| *name == self.cluster.mode).map_or("unknown", |(name, ..)| *name)
    }

    /// Every node with the Raft id of its first incarnation (R11 one-id-one-log), in order.
    pub fn voters(&self) -> Vec<(RaftId, Kind)> {
        self.members().map(|(number, member)| (RaftId::from(number), member.role.into())).collect()
    }

    /// Whether peers do not authenticate each other: neither TLS nor a secret.
    pub fn peers_are_plain(&self) -> bool {
        self.peer.tls.is_none() && self.peer.secret_file.is_none()
    }

    /// The HTTP Proxy of this node; none on a witness and without a configured address.
    pub fn proxy(&self) -> Option<&ProxySettings> {
        let holds_data = self.member().is_some_and(|member| member.role == MemberRole::Data);
        Some(&self.http_proxy).filter(|proxy| holds_data && !proxy.is_off())
    }

    /// The group's id on the wire: the first 16 bytes of the SHA-256 of `cluster.id`.
    pub fn cluster_id(&self) -> [u8; 16] {
        let hash = Sha256::digest(self.cluster.id.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        id
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}
