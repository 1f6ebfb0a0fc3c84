//! Metrics for Prometheus: names `ocs_*`, base units, counters ending in `_total`; and `process_*`, as every client library names
//! them. A counter with labels begins at 0 for each label value that is known: an alert needs the sample before the first event.
//!
//! Never decides anything by a metric. Counters of events in this module's callers are updated where the events happen; the
//! figures of the core, the supervisor and the held requests are read at each scrape, out of [`Sources`].

mod access;
mod certificates;
mod conditions;
mod due;
mod imports;
mod previews;
mod process;
mod requests;
mod sources;
mod traces;
mod updates;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use chassis::metrics::Format;
use consensus::{Observer, RaftId, Status};
use ocs_proto::link::Stats;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use access::Access;
use certificates::CertificateMetrics;
use conditions::Conditions;
use due::Due;
use entrance::Refusals;
use imports::Imports;
pub use imports::{ImportCounts, Imported};
use previews::Previews;
use process::ProcessMetrics;
use requests::Requests;
pub use sources::Sources;
use traces::TraceMetrics;
pub(crate) use updates::DurationCounts;

use crate::{
    archive::schedule::BackupStatus,
    credentials::RefusalCounts,
    role::Role,
    supervisor::{DRAINED, ProxyStatus},
};

/// A gauge of an unsigned number: an index, a count, bytes.
type Count = Gauge<u64, AtomicU64>;
/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RoleLabel {
    role: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NodeLabel {
    node: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusedLabels {
    port: &'static str,
    reason: String,
}

/// Every metric of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    of_process: Registry,
    process: ProcessMetrics,
    conditions: Conditions,
    core: Core,
    peers: Peers,
    log: Log,
    requests: Requests,
    previews: Previews,
    due: Due,
    imports: Imports,
    traces: TraceMetrics,
    proxy: Proxy,
    access: Access,
    backups: Backups,
    ports: Ports,
    certificates: CertificateMetrics,
}

/// Refusals at the node's ports. HTTP Proxy tells its own; the others are read at each scrape.
#[derive(Debug, Default)]
struct Ports {
    refused: Family<RefusedLabels, Counter>,
    sources: Mutex<Vec<(&'static str, Arc<Refusals>)>>,
}

/// The label of HTTP Proxy's port.
const HTTP: &str = "http";
/// The label of the port of the peers.
const PEER: &str = "peer";

#[derive(Debug, Default)]
struct Core {
    role: Family<RoleLabel, Gauge>,
    role_confirmed: Gauge,
    failover_paused: Gauge,
    single_copy: Gauge,
    epoch: Count,
    term: Count,
    commit_index: Count,
    applied_index: Count,
    persisted_index: Count,
    data_durable_index: Count,
    proposals_waiting: Count,
    elections: Counter,
    digest_mismatches: Counter,
    differs: Gauge,
    repairs: Counter,
    scans: Counter,
    scans_bad: Counter,
    scan_running: Gauge,
    records: Count,
    log_lines_dropped: Counter,
    disk_stalled: Gauge,
    oldest_write: Seconds,
}

#[derive(Debug, Default)]
struct Peers {
    connected: Family<NodeLabel, Gauge>,
    lag_entries: Family<NodeLabel, Count>,
    applied_index: Family<NodeLabel, Count>,
    clock_offset: Family<NodeLabel, Seconds>,
    clock_odd: Family<NodeLabel, Gauge>,
    disk_stalled: Family<NodeLabel, Gauge>,
}

#[derive(Debug)]
struct Log {
    first_index: Count,
    last_index: Count,
    bytes: Count,
    limit: Count,
    full: Gauge,
    fdatasync: Histogram,
    commit: Histogram,
    batch: Histogram,
}

#[derive(Debug, Default)]
struct Proxy {
    restarts: Counter,
    connections: Count,
    wanted: Gauge,
    up: Gauge,
    alarm: Gauge,
    drained: Gauge,
}

#[derive(Debug, Default)]
struct Backups {
    last_success: Seconds,
    bytes: Count,
    duration: Seconds,
    interval: Seconds,
    running: Gauge,
    made: Counter,
    failures: Counter,
}

/// 50 µs to 1.6 s.
fn disk_seconds() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 16))
}

/// 1 to 1024 commands.
fn batch_sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let (mut registry, mut of_process) = (Registry::with_prefix("ocs"), Registry::with_prefix("process"));
        let metrics = &mut registry;
        Self {
            conditions: Conditions::registered(metrics),
            process: ProcessMetrics::registered(&mut of_process, metrics),
            core: Core::registered(metrics),
            peers: Peers::registered(metrics),
            log: Log::registered(metrics),
            requests: Requests::registered(metrics),
            previews: Previews::registered(metrics),
            due: Due::registered(metrics),
            imports: Imports::registered(metrics),
            traces: TraceMetrics::registered(metrics),
            proxy: Proxy::registered(metrics),
            access: Access::registered(metrics),
            backups: Backups::registered(metrics),
            ports: Ports::registered(metrics),
            certificates: CertificateMetrics::registered(metrics),
            of_process,
            registry,
        }
    }

    /// Adds HTTP Proxy's counts, and takes the number of its connections.
    pub fn add(&self, stats: &Stats) {
        self.add_requests(stats);
        self.proxy.connections.set(stats.connections.into());
    }

    /// Adds the counts of an HTTP Proxy that has the port no more.
    pub(crate) fn add_requests(&self, stats: &Stats) {
        stats.requests.iter().for_each(|counted| self.requests.add(counted));
        stats.handshakes_refused.iter().for_each(|refused| self.certificates.refused_by_http_proxy(refused));
        for refusal in &stats.refusals {
            self.ports.of(HTTP, &refusal.reason).inc_by(refusal.count);
        }
    }

    /// Durations of updates over HTTP that were done.
    pub(crate) fn update_durations(&self) -> DurationCounts {
        self.requests.update_durations()
    }

    /// The counts of refusals for a credential, which judges add to.
    pub(crate) fn access_refusals(&self) -> Arc<RefusalCounts> {
        self.access.counts.clone()
    }

    /// Shows the refusals at a port of the node from now on.
    pub(crate) fn count_refusals(&self, port: &'static str, refusals: Arc<Refusals>) {
        let mut sources = self.ports.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push((port, refusals));
        drop(sources);
        self.begins_at(port, &Refusals::CAUSES);
        if port == PEER {
            self.begins_at(port, &peers::CAUSES);
        }
    }

    /// This node has an HTTP Proxy, whose counts begin at 0. `api`: the REST interface is served.
    pub(crate) fn count_http(&self, api: bool) {
        self.requests.begin(api);
        self.begins_at(HTTP, &http_proxy::REFUSED);
    }

    /// `log.bytes_max`.
    pub(crate) fn log_is_limited(&self, bytes_max: u64) {
        self.log.limit.set(bytes_max);
    }

    fn begins_at(&self, port: &'static str, reasons: &[&str]) {
        reasons.iter().for_each(|reason| drop(self.ports.of(port, reason)));
        self.certificates.begins_at(port);
    }

    /// The page for one scrape.
    pub fn scrape(&self, sources: &Sources, format: Format) -> String {
        self.refresh(sources);
        format.render(&[&self.registry, &self.of_process])
    }

    fn refresh(&self, sources: &Sources) {
        let status = sources.role.status();
        self.process.refresh(&sources.proxy.borrow());
        self.conditions.refresh(&status, sources);
        self.core.refresh(&status, sources);
        self.peers.refresh(sources);
        self.log.refresh(&status);
        self.requests.refresh(sources);
        self.previews.refresh(&sources.preview_counts());
        self.due.refresh(sources.due_counts());
        self.imports.refresh(&sources.imports);
        self.traces.refresh();
        self.proxy.refresh(&sources.proxy.borrow());
        self.access.refresh();
        self.backups.refresh(&sources.backups.borrow());
        self.ports.refresh(&self.certificates);
        self.certificates.refresh(&sources.certificates.states());
    }
}

/// Sets a counter to a value that another part counts.
fn store(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

impl Core {
    fn registered(registry: &mut Registry) -> Self {
        let core = Self::default();
        registry.register("role", "1 at the role as last confirmed", core.role.clone());
        let help = "1: automatic failover is paused";
        registry.register("failover_paused", help, core.failover_paused.clone());
        registry.register(
            "single_copy",
            "1: by an operator's order updates are on one disk only",
            core.single_copy.clone(),
        );
        registry.register("epoch", "Counts the times that an operator forced the group, from 1", core.epoch.clone());
        registry.register("role_confirmed", "1: a quorum confirmed the role", core.role_confirmed.clone());
        registry.register("term", "Raft's term", core.term.clone());
        registry.register("commit_index", "Highest index known committed", core.commit_index.clone());
        registry.register("applied_index", "Highest index applied here", core.applied_index.clone());
        registry.register("persisted_index", "Highest index of the durable state", core.persisted_index.clone());
        let help = "Lowest index durable on both data nodes";
        registry.register("data_durable_index", help, core.data_durable_index.clone());
        registry.register("proposals_waiting", "Proposals that wait for their reply", core.proposals_waiting.clone());
        registry.register("elections", "Elections that this node began", core.elections.clone());
        let help = "Digests that differed from a peer's at the same index";
        registry.register("digest_mismatches", help, core.digest_mismatches.clone());
        registry.register("state_differs", "1: the last digest differed from a peer's", core.differs.clone());
        let help = "Times that a wrong state was replaced";
        registry.register("state_repairs", help, core.repairs.clone());
        registry.register("state_scans", "Scans of the state that came to an end", core.scans.clone());
        registry.register("state_scans_bad", "Scans that found rows which are wrong", core.scans_bad.clone());
        let help = "Lines that standard error did not take in time, and that were dropped";
        registry.register("log_lines_dropped", help, core.log_lines_dropped.clone());
        let help = "1: a write of log or state has not ended for node.disk_stall_ms";
        registry.register("disk_stalled", help, core.disk_stalled.clone());
        let help = "Age of the oldest write, while a write counts as hanging; else 0";
        registry.register_with_unit("oldest_write", help, Unit::Seconds, core.oldest_write.clone());
        registry.register("state_scan_running", "1: a scan of the state is under way", core.scan_running.clone());
        registry.register("records", "Records in all lists", core.records.clone());
        core
    }

    fn refresh(&self, status: &Status, sources: &Sources) {
        let view = sources.role.watch().borrow().clone();
        for role in Role::ALL {
            self.role.get_or_create(&RoleLabel { role: role.word() }).set((role == view.role).into());
        }
        self.role_confirmed.set(view.confirmed.into());
        self.failover_paused.set((status.paused_for != 0).into());
        self.single_copy.set(status.single_copy.into());
        self.epoch.set(status.forced_epoch.max(1));
        self.term.set(status.term);
        self.commit_index.set(status.commit);
        self.applied_index.set(status.applied);
        self.persisted_index.set(status.persisted);
        self.data_durable_index.set(status.data_durable);
        self.proposals_waiting.set(status.waiting);
        store(&self.elections, status.elections);
        store(&self.digest_mismatches, status.digest_mismatches);
        self.differs.set((status.differs_at > 0).into());
        store(&self.repairs, status.repairs);
        let scan = sources.scan.borrow().clone();
        store(&self.scans, scan.done);
        store(&self.scans_bad, scan.bad);
        self.scan_running.set(scan.running_bytes.is_some().into());
        self.records.set(sources.records());
        self.disk_stalled.set(status.stall.is_some().into());
        self.oldest_write.set(status.stall.map_or(0.0, |stall| stall.age_ms as f64 / 1e3));
        store(&self.log_lines_dropped, chassis::logging::lines_dropped());
    }
}

impl Peers {
    fn registered(registry: &mut Registry) -> Self {
        let peers = Self::default();
        registry.register("peer_connected", "1: a frame of that node came lately", peers.connected.clone());
        let help = "Entries that node is behind, in its log or in its state; known to the primary only";
        registry.register("peer_lag_entries", help, peers.lag_entries.clone());
        registry.register("peer_applied_index", "Index applied by that node", peers.applied_index.clone());
        let help = "That node's wall clock minus this one's";
        registry.register_with_unit("peer_clock_offset", help, Unit::Seconds, peers.clock_offset.clone());
        registry.register("clock_odd", "1: that node's clock is odd", peers.clock_odd.clone());
        let help = "1: a write of that node has not ended for node.disk_stall_ms";
        registry.register("peer_disk_stalled", help, peers.disk_stalled.clone());
        peers
    }

    fn refresh(&self, sources: &Sources) {
        let lags = sources.role.peers();
        // A backup does not know the lags: values from its time as primary must not stay.
        self.lag_entries.clear();
        for peer in lags {
            let node = NodeLabel { node: peer.node };
            self.connected.get_or_create(&node).set(peer.connected.into());
            self.applied_index.get_or_create(&node).set(peer.applied_index);
            self.disk_stalled.get_or_create(&node).set(peer.disk_hangs.into());
            self.clock_offset.get_or_create(&node).set(peer.clock_offset_ms as f64 / 1e3);
            if let Some(lag) = peer.lag_entries {
                self.lag_entries.get_or_create(&node).set(lag);
            }
        }
        let odd: Vec<RaftId> = sources.odd_clocks();
        for member in sources.role.roster().members() {
            let is_odd = odd.iter().any(|id| id & 0xFFFF == u64::from(member.number));
            self.clock_odd.get_or_create(&NodeLabel { node: member.name.clone() }).set(is_odd.into());
        }
    }
}

impl Log {
    fn registered(registry: &mut Registry) -> Self {
        let (fdatasync, commit, batch) = (disk_seconds(), disk_seconds(), batch_sizes());
        let (first_index, last_index, bytes, limit, full) = Default::default();
        let log = Self { first_index, last_index, bytes, limit, full, fdatasync, commit, batch };
        registry.register("log_first_index", "First index that the log still has", log.first_index.clone());
        registry.register("log_last_index", "Last index of the log", log.last_index.clone());
        registry.register("log_full", "1: no room for the log, updates are refused", log.full.clone());
        registry.register_with_unit("log", "The log on disk", Unit::Bytes, log.bytes.clone());
        let help = "Length of the log at which updates stop: log.bytes_max";
        registry.register_with_unit("log_limit", help, Unit::Bytes, log.limit.clone());
        registry.register_with_unit("log_fdatasync", "One fdatasync of the log", Unit::Seconds, log.fdatasync.clone());
        registry.register_with_unit("commit", "From proposal to reply, an entry", Unit::Seconds, log.commit.clone());
        registry.register("batch_commands", "Commands put into one entry", log.batch.clone());
        log
    }

    fn refresh(&self, status: &Status) {
        self.first_index.set(status.first_index);
        self.last_index.set(status.last_index);
        self.bytes.set(status.log_bytes);
        self.full.set((status.no_room || status.stopped.is_some()).into());
    }
}

impl Proxy {
    fn registered(registry: &mut Registry) -> Self {
        let proxy = Self::default();
        registry.register(
            "http_proxy_restarts",
            "Starts of the HTTP front end after the first",
            proxy.restarts.clone(),
        );
        registry.register("http_connections", "Connections of the HTTP front end, now", proxy.connections.clone());
        let help = "1: this node is to have an HTTP front end: a port is configured, and no operator drained the node";
        registry.register("http_proxy_wanted", help, proxy.wanted.clone());
        registry.register("http_proxy_up", "1: the HTTP front end runs, with its port open", proxy.up.clone());
        registry.register(
            "http_proxy_alarm",
            "1 if the HTTP front end crashed ten times within ten minutes",
            proxy.alarm.clone(),
        );
        let help = "1: an operator drained this node, which takes no clients";
        registry.register("drained", help, proxy.drained.clone());
        proxy
    }

    fn refresh(&self, view: &ProxyStatus) {
        store(&self.restarts, view.restarts);
        self.wanted.set(view.is_wanted().into());
        self.up.set(view.is_up().into());
        self.alarm.set(view.alarm.into());
        self.drained.set((view.state == DRAINED).into());
        if view.pid.is_none() {
            self.connections.set(0); // they ended with HTTP Proxy
        }
    }
}

impl Backups {
    fn registered(registry: &mut Registry) -> Self {
        let backups = Self::default();
        let (time, help) =
            ("backup_last_success_timestamp", "When the newest backup in this node's directory was begun; 0: none");
        registry.register_with_unit(time, help, Unit::Seconds, backups.last_success.clone());
        let help = "The newest backup in this node's directory";
        registry.register_with_unit("backup_last", help, Unit::Bytes, backups.bytes.clone());
        let help = "How long the last backup took that this process made";
        registry.register_with_unit("backup_last_duration", help, Unit::Seconds, backups.duration.clone());
        let help = "From one backup of the schedule to the next: backup.every; 0: no schedule";
        registry.register_with_unit("backup_interval", help, Unit::Seconds, backups.interval.clone());
        registry.register("backup_running", "1: a backup into backup.directory is under way", backups.running.clone());
        registry.register("backups", "Backups that this process made into backup.directory", backups.made.clone());
        registry.register(
            "backup_failures",
            "Backups into backup.directory that failed in this process",
            backups.failures.clone(),
        );
        backups
    }

    fn refresh(&self, known: &BackupStatus) {
        let last = known.last.as_ref();
        self.last_success.set(last.map_or(0.0, |last| last.created_us as f64 / 1e6));
        self.bytes.set(last.map_or(0, |last| last.bytes));
        self.duration.set(last.map_or(0.0, |last| last.took.as_secs_f64()));
        self.interval.set(known.every.as_secs_f64());
        self.running.set(known.running.into());
        store(&self.made, known.made);
        store(&self.failures, known.failures);
    }
}

impl Ports {
    fn registered(registry: &mut Registry) -> Self {
        let ports = Self::default();
        let help = "Connections and requests refused at a port of the node, and idle connections that were closed";
        registry.register("refused", help, ports.refused.clone());
        ports
    }

    fn refresh(&self, certificates: &CertificateMetrics) {
        for &(port, ref refusals) in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            refusals.by_cause().into_iter().for_each(|(cause, count)| store(&self.of(port, cause), count));
            certificates.refused_at(port, &refusals.handshakes());
        }
    }

    /// The counter of a port and a reason, which becomes one word.
    fn of(&self, port: &'static str, reason: &str) -> Counter {
        let word = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        self.refused.get_or_create_owned(&RefusedLabels { port, reason: reason.chars().map(word).collect() })
    }
}

impl Observer for Metrics {
    fn fdatasync(&self, seconds: f64) {
        self.log.fdatasync.observe(seconds);
    }

    fn commit(&self, seconds: f64) {
        self.log.commit.observe(seconds);
    }

    fn batch(&self, commands: usize) {
        self.log.batch.observe(commands as f64);
    }
}

#[cfg(test)]
mod tests;
