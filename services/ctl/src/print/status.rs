//! The group as `status` and `role` show it. Never asks a node. Called by those verbs.

use std::time::Duration;

use ocs_proto::control::{BackupSchedule, PeerLag, Role, StatusReply};
use serde::Serialize;

use crate::{
    backup::time,
    group::{Group, Seen},
    print,
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
}

/// What only a node that answers can say.
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
    http_proxy: String,
    http_address: String,
    http_proxy_pid: String,
    http_proxy_restarts: u64,
    records: u64,
    held_requests: u64,
    digest_mismatches: u64,
    repairs: u64,
    scan: String,
    odd_clocks: Vec<String>,
    warnings: Vec<String>,
    survives: String,
    loses: String,
    updates_stopped: String,
    uptime_ms: u64,
    start: String,
    contradiction: String,
    formats: u32,
    formats_known: u32,
    rules: u32,
    rules_known: u32,
    phones: String,
    /// Lists that are being deleted, a line each.
    deletions: Vec<String>,
    upgrade_waits_for: Vec<String>,
    /// None: the node makes none by itself.
    backups: Option<BackupsView>,
    peers: Vec<PeerView>,
}

/// The backups that a node makes by itself.
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

/// Another node, as this one sees it.
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
    nodes: Vec<NodeView>,
}

impl GroupView {
    /// Takes over what the nodes said.
    pub(crate) fn new(group: &Group<'_>) -> Self {
        let primary = group.primary().map(|seen| group.name(seen));
        Self { primary, nodes: group.seen.iter().map(|seen| node_view(group, seen)).collect() }
    }

    /// `status` for a person: a table, and under it what each node warns of.
    pub(crate) fn status_table(&self) -> String {
        const HEADERS: [&str; 10] =
            ["node", "role", "term", "mode", "commit", "applied", "persisted", "lag", "http proxy", "uptime"];
        let mut text = print::table(&HEADERS, self.nodes.iter().map(status_row));
        for line in self.remarks() {
            text.push('\n');
            text.push_str(&line);
        }
        text
    }

    /// `role` for a person.
    pub(crate) fn role_table(&self) -> String {
        let table = print::table(&["node", "role", "term", "mode", "primary"], self.nodes.iter().map(role_row));
        let paused = self.nodes.iter().filter_map(|node| node.said.as_ref()).any(|said| said.failover_paused);
        if paused { format!("{table}\nautomatic failover is paused: `ocsctl resume` ends it") } else { table }
    }

    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in &self.nodes {
            let Some(said) = &node.said else {
                lines.push(format!("{}: {}", node.node, node.error.as_deref().unwrap_or("unreachable")));
                continue;
            };
            lines.extend(said.warnings.iter().map(|warning| format!("{}: {warning}", node.node)));
            if !said.odd_clocks.is_empty() {
                lines.push(format!("{}: odd clock at {}", node.node, said.odd_clocks.join(", ")));
            }
            if said.digest_mismatches > 0 {
                lines.push(format!("{}: {} digest mismatches", node.node, said.digest_mismatches));
            }
        }
        let primary = self.nodes.iter().find(|node| Some(&node.node) == self.primary.as_ref());
        lines.extend(primary.and_then(|node| node.said.as_ref()).into_iter().flat_map(|said| said.deletions.clone()));
        lines.extend(primary.and_then(|node| node.said.as_ref()?.backups.as_ref()).map(last_backup));
        if let Some(said) = primary.and_then(|node| node.said.as_ref()) {
            let told = [("survives", &said.survives), ("would lose an update", &said.loses)];
            let newer = said.formats < said.formats_known || said.rules < said.rules_known;
            if newer && said.formats > 0 {
                lines.push(upgrade_line(said));
            }
            lines
                .extend(told.iter().filter(|(_, text)| !text.is_empty()).map(|(what, text)| format!("{what}: {text}")));
        }
        if self.primary.is_none() {
            lines.push("no node is confirmed primary: updates are not taken".to_owned());
        }
        lines
    }
}

/// Which nodes keep the group from the versions of the primary's release.
fn upgrade_line(said: &Said) -> String {
    let (formats, rules) = (said.formats, said.rules);
    let now = format!("upgrade: the group goes by formats {formats}, rules {rules}");
    match said.upgrade_waits_for.as_slice() {
        [] => format!(
            "{now}; every node knows newer ones: `ocsctl upgrade finalize`, or ten minutes with upgrade = \"auto\""
        ),
        waits_for => format!("{now}; it waits: {}", waits_for.join("; ")),
    }
}

fn node_view(group: &Group<'_>, seen: &Seen<'_>) -> NodeView {
    let node = group.name(seen);
    NodeView {
        endpoint: seen.node.address.clone(),
        reachable: seen.status.is_ok(),
        error: seen.status.as_ref().err().map(ToString::to_string),
        said: seen.status().map(|status| said(status, group.lag(&node))),
        node,
    }
}

fn said(status: &StatusReply, lag_entries: Option<u64>) -> Said {
    let role = status.role.clone().unwrap_or_default();
    let status = status.clone();
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
        http_proxy: status.http_proxy,
        http_address: status.http_address,
        http_proxy_pid: status.http_proxy_pid,
        http_proxy_restarts: status.http_proxy_restarts,
        records: status.records,
        held_requests: status.held_requests,
        digest_mismatches: status.digest_mismatches,
        repairs: status.repairs,
        scan: status.scan,
        odd_clocks: status.odd_clocks,
        warnings: status.warnings,
        survives: status.survives,
        loses: status.loses,
        updates_stopped: status.updates_stopped,
        uptime_ms: status.uptime_ms,
        start: status.start,
        contradiction: status.contradiction,
        formats: status.formats,
        formats_known: status.formats_known,
        rules: status.rules,
        rules_known: status.rules_known,
        phones: status.phones,
        deletions: status.deletions,
        upgrade_waits_for: status.upgrade_waits_for,
        backups: status.backups.map(backups_view),
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
            created: time(last.created_us),
            file: last.file,
            bytes: last.bytes,
            index: last.index,
            records: last.records,
            took_ms: last.took_ms,
        }),
        last_failure: schedule.last_failure.map(|missed| MissedView { at: time(missed.at_us), reason: missed.reason }),
        failures: schedule.failures,
    }
}

/// For a person.
fn last_backup(backups: &BackupsView) -> String {
    let running = if backups.running { "; one is under way" } else { "" };
    match &backups.last {
        Some(last) => format!(
            "last backup: {}, index {}, {} records, {} MiB, {}{running}",
            last.created,
            last.index,
            last.records,
            last.bytes >> 20,
            last.file
        ),
        None => format!("last backup: none in {} yet{running}", backups.directory),
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

/// A role that nobody confirmed is said to be so; a witness never changes its role.
fn shown_role(said: &Said) -> String {
    let doubtful = !said.confirmed && matches!(said.role, "primary" | "backup");
    if doubtful { format!("{} (unconfirmed)", said.role) } else { said.role.to_owned() }
}

fn status_row(node: &NodeView) -> Vec<String> {
    let Some(said) = &node.said else {
        let blanks = std::iter::repeat_n("-".to_owned(), 8);
        return [node.node.clone(), "unreachable".to_owned()].into_iter().chain(blanks).collect();
    };
    let witness = said.role == "witness";
    let of_data = |text: String| if witness { "-".to_owned() } else { text };
    vec![
        node.node.clone(),
        shown_role(said),
        said.term.to_string(),
        said.mode.clone(),
        said.commit_index.to_string(),
        of_data(said.applied_index.to_string()),
        of_data(said.persisted_index.to_string()),
        said.lag_entries.map_or("-".to_owned(), |lag| lag.to_string()),
        of_data(format!("{} {}", said.http_address, said.http_proxy).trim().to_owned()),
        uptime(Duration::from_millis(said.uptime_ms)),
    ]
}

fn role_row(node: &NodeView) -> Vec<String> {
    let Some(said) = &node.said else {
        return vec![node.node.clone(), "unreachable".to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    let primary = if said.primary.is_empty() { "-".to_owned() } else { said.primary.clone() };
    vec![node.node.clone(), shown_role(said), said.term.to_string(), said.mode.clone(), primary]
}

/// The two largest units: `3d 4h`, `2m 5s`, `12s`.
fn uptime(up: Duration) -> String {
    let seconds = up.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_shows_the_two_largest_units() {
        let shown = [12, 125, 3725, 90_000].map(|seconds| uptime(Duration::from_secs(seconds)));
        assert_eq!(shown, ["12s", "2m 5s", "1h 2m", "1d 1h"]);
    }

    #[test]
    fn an_unconfirmed_primary_is_shown_as_such() {
        let role = ocs_proto::control::GetRoleReply { role: Role::Primary.into(), ..Default::default() };
        let view = said(&StatusReply { role: Some(role), ..StatusReply::default() }, None);
        assert_eq!(shown_role(&view), "primary (unconfirmed)");
    }
}
