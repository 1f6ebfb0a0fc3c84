//! The group as `status` and `role` show it. Never asks a node. Called by those verbs.

mod text;

use std::time::{SystemTime, UNIX_EPOCH};

use ocs_proto::control::{BackupSchedule, CertificateInfo, PeerLag, Role, ScheduledSwitchover, StatusReply};
use serde::Serialize;

use crate::{
    call::CallError,
    group::{GroupAnswers, NodeAnswer, Reported},
};

/// One node's description.
#[derive(Debug, Serialize)]
pub(crate) struct NodeView {
    node: String,
    endpoint: String,
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    said: Option<Said>,
    /// The word in the table for a node without an answer.
    #[serde(skip)]
    silence: &'static str,
}

/// The part of the view that only a node's answer has.
#[derive(Debug, Serialize)]
struct Said {
    role: &'static str,
    confirmed: bool,
    term: u64,
    mode: String,
    failover_paused: bool,
    primary: String,
    cluster: String,
    version: String,
    pid: u32,
    commit_index: u64,
    applied_index: u64,
    persisted_index: u64,
    first_index: u64,
    last_index: u64,
    data_durable: u64,
    lag_entries: Option<u64>,
    log_bytes: u64,
    /// One word; `failed` and `restarting` have a reason.
    http_proxy: String,
    http_proxy_reason: Option<String>,
    http_address: String,
    http_proxy_pid: Option<u32>,
    http_proxy_restarts: u64,
    records: u64,
    held_requests: u64,
    digest_mismatches: u64,
    repairs: u64,
    scan: String,
    odd_clocks: Vec<String>,
    warnings: Vec<String>,
    /// Settings that leave much open; no fault.
    advice: Vec<String>,
    survives: String,
    loses: String,
    updates_stopped: String,
    uptime_ms: u64,
    /// `confirmed`, `asking` or `old`; the latter two have a reason.
    start: String,
    start_reason: Option<String>,
    disk_short: bool,
    /// The reason why the start waits; empty: the node runs.
    starting: String,
    contradiction: String,
    formats: u32,
    formats_known: u32,
    rules: u32,
    rules_known: u32,
    phones: String,
    /// Lists that are being deleted, a line each.
    deletions: Vec<String>,
    /// Empty: no record is left to be brought up.
    bringing_up: String,
    upgrade_waits_for: Vec<String>,
    /// None: nothing is scheduled.
    scheduled_switchover: Option<ScheduledSwitchoverView>,
    /// None: the node has no directory for backups.
    backups: Option<BackupsView>,
    certificates: Vec<CertificateView>,
    peers: Vec<PeerView>,
}

/// A certificate in use on a node.
#[derive(Debug, Serialize)]
struct CertificateView {
    usage: String,
    file: String,
    /// RFC 3339.
    ends: String,
    #[serde(skip)]
    not_after_s: u64,
    /// Why the present files are not in use; none: they are.
    fault: Option<String>,
}

/// A switchover at a time to come.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduledSwitchoverView {
    /// RFC 3339.
    at: String,
    /// None: the primary of that time chooses.
    to: Option<String>,
    /// None: a caller without a name.
    by: Option<String>,
    /// RFC 3339.
    asked_at: String,
    /// The primary that hands over; none: the time has not come.
    from: Option<String>,
}

impl From<ScheduledSwitchover> for ScheduledSwitchoverView {
    fn from(scheduled: ScheduledSwitchover) -> Self {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            at: super::time_s(scheduled.at_s),
            to: text(scheduled.to),
            by: text(scheduled.principal),
            asked_at: super::time_ms(scheduled.asked_us),
            from: text(scheduled.from),
        }
    }
}

impl ScheduledSwitchoverView {
    /// A line for a person.
    pub(crate) fn line(&self) -> String {
        let to = self.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        let by = self.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        let from = self.from.as_ref().map(|from| format!("; {from} hands over")).unwrap_or_default();
        format!("switchover{to} scheduled for {}{by}{from}", self.at)
    }
}

/// The backups in a node's directory.
#[derive(Debug, Serialize)]
struct BackupsView {
    every_s: u64,
    keep: u32,
    directory: String,
    running: bool,
    last: Option<MadeView>,
    last_failure: Option<MissedView>,
    failures: u64,
}

#[derive(Debug, Serialize)]
struct MadeView {
    /// RFC 3339.
    created: String,
    file: String,
    bytes: u64,
    index: u64,
    records: u64,
    took_ms: u64,
}

#[derive(Debug, Serialize)]
struct MissedView {
    /// RFC 3339.
    at: String,
    reason: String,
}

/// A node's view of another node.
#[derive(Debug, Serialize)]
struct PeerView {
    node: String,
    connected: bool,
    voter: bool,
    raft_id: u64,
    log_full: bool,
    disk_short: bool,
    lag_entries: Option<u64>,
    applied_index: u64,
    witness: bool,
    last_heard_ms: Option<u64>,
    clock_offset_ms: i64,
}

/// The whole group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupView {
    primary: Option<String>,
    /// `whole`, `degraded`, `no_primary` or `unreachable`, as `status --check` tells them apart.
    health: &'static str,
    /// Why the group is not whole.
    why: Option<String>,
    /// Nodes that answered.
    answered: usize,
    /// The report of a node about a primary that is not visible from here.
    reported: Option<ReportView>,
    nodes: Vec<NodeView>,
}

/// The group at one moment of a watch.
#[derive(Debug, Serialize)]
pub(crate) struct WatchedView {
    /// RFC 3339, UTC, by the clock of this machine.
    pub(crate) time: String,
    #[serde(flatten)]
    pub(crate) group: GroupView,
}

impl WatchedView {
    /// The group as seen now.
    pub(crate) fn now(group: GroupView) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { time: super::time_s(since_1970.as_secs()), group }
    }
}

#[derive(Debug, Serialize)]
struct ReportView {
    by: String,
    primary: String,
    confirmed: bool,
    /// For a person.
    #[serde(skip)]
    line: String,
}

impl GroupView {
    /// Builds the view of the nodes' answers.
    pub(crate) fn new(group: &GroupAnswers<'_>) -> Self {
        let primary = group.primary().map(|seen| group.name(seen));
        let (health, why) = match group.health() {
            Ok(()) => ("whole", None),
            Err(failure) => (failure.code(), Some(failure.to_string())),
        };
        let report = group.reported().filter(|_| primary.is_none());
        let reported = report.map(|Reported { by, primary, confirmed }| ReportView {
            by,
            primary,
            confirmed,
            line: group.no_primary_line(),
        });
        let nodes = group.seen.iter().map(|seen| node_view(group, seen)).collect();
        Self { primary, health, why, answered: group.answered(), reported, nodes }
    }
}

/// The word before the colon of "failed: why", and the text behind it.
fn word_and_reason(text: &str) -> (String, Option<String>) {
    match text.split_once(": ") {
        Some((word, reason)) => (word.to_owned(), Some(reason.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn node_view(group: &GroupAnswers<'_>, seen: &NodeAnswer<'_>) -> NodeView {
    let node = group.name(seen);
    NodeView {
        endpoint: seen.node.address.clone(),
        reachable: seen.status.is_ok(),
        error: seen.status.as_ref().err().map(ToString::to_string),
        said: seen.status().map(|status| said(status, group.lag(&node))),
        silence: seen.status.as_ref().err().map_or("", CallError::state),
        node,
    }
}

fn said(status: &StatusReply, lag_entries: Option<u64>) -> Said {
    let role = status.role.clone().unwrap_or_default();
    let status = status.clone();
    let (http_proxy, http_proxy_reason) = word_and_reason(&status.http_proxy);
    let (start, start_reason) = word_and_reason(&status.start);
    Said {
        role: role_word(role.role()),
        confirmed: role.confirmed,
        term: role.term,
        mode: role.mode,
        failover_paused: role.failover_paused,
        primary: role.primary,
        cluster: status.cluster,
        version: status.version,
        pid: status.pid,
        commit_index: status.commit_index,
        applied_index: status.applied_index,
        persisted_index: status.persisted_index,
        first_index: status.first_index,
        last_index: status.last_index,
        data_durable: status.data_durable,
        lag_entries,
        log_bytes: status.log_bytes,
        http_proxy,
        http_proxy_reason,
        http_address: status.http_address,
        http_proxy_pid: status.http_proxy_pid.parse().ok(),
        http_proxy_restarts: status.http_proxy_restarts,
        records: status.records,
        held_requests: status.held_requests,
        digest_mismatches: status.digest_mismatches,
        repairs: status.repairs,
        scan: status.scan,
        odd_clocks: status.odd_clocks,
        warnings: status.warnings,
        advice: status.advice,
        survives: status.survives,
        loses: status.loses,
        updates_stopped: status.updates_stopped,
        uptime_ms: status.uptime_ms,
        start,
        start_reason,
        disk_short: status.disk_short,
        starting: status.starting,
        contradiction: status.contradiction,
        formats: status.formats,
        formats_known: status.formats_known,
        rules: status.rules,
        rules_known: status.rules_known,
        phones: status.phones,
        deletions: status.deletions,
        bringing_up: status.bringing_up,
        upgrade_waits_for: status.upgrade_waits_for,
        scheduled_switchover: status.scheduled_switchover.map(ScheduledSwitchoverView::from),
        backups: status.backups.map(backups_view),
        certificates: status.certificates.into_iter().map(certificate_view).collect(),
        peers: role.peers.into_iter().map(peer_view).collect(),
    }
}

fn backups_view(schedule: BackupSchedule) -> BackupsView {
    BackupsView {
        every_s: schedule.every_ms / 1000,
        keep: schedule.keep,
        directory: schedule.directory,
        running: schedule.running,
        last: schedule.last.map(|last| MadeView {
            created: super::time(last.created_us),
            file: last.file,
            bytes: last.bytes,
            index: last.index,
            records: last.records,
            took_ms: last.took_ms,
        }),
        last_failure: schedule
            .last_failure
            .map(|missed| MissedView { at: super::time(missed.at_us), reason: missed.reason }),
        failures: schedule.failures,
    }
}

fn certificate_view(info: CertificateInfo) -> CertificateView {
    CertificateView {
        usage: info.usage,
        file: info.file,
        ends: super::time_s(info.not_after_s),
        not_after_s: info.not_after_s,
        fault: Some(info.fault).filter(|fault| !fault.is_empty()),
    }
}

fn peer_view(peer: PeerLag) -> PeerView {
    PeerView {
        node: peer.node,
        connected: peer.connected,
        voter: peer.voter,
        raft_id: peer.raft_id,
        log_full: peer.log_full,
        disk_short: peer.disk_short,
        lag_entries: peer.lag_entries,
        applied_index: peer.applied_index,
        witness: peer.witness,
        last_heard_ms: peer.last_heard_ms,
        clock_offset_ms: peer.clock_offset_ms,
    }
}

/// The word for a role.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Backup => "backup",
        Role::Witness => "witness",
        Role::Unknown | Role::Unspecified => "unknown",
    }
}
