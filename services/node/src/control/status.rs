//! The state of a node for operators, in one answer: numbers, and words for every irregularity.
//!
//! Never hides a doubt: an unconfirmed answer says so. Called by the control API.

use std::{collections::HashMap, sync::OnceLock, time::Instant};

use consensus::{Stall, StartStanding, Status};
use ocs_proto::control::{BackupMade, BackupMissed, BackupSchedule, PeerLag, StatusReply};
use outbound::{RULES_WITH_CAMPAIGNS, RULES_WITH_PHONE_FORM};
use pair::{StateReader, wall_us};
use records::PhonesRow;

use super::{
    contract::{self, Facts},
    tls,
};
use crate::{
    archive::schedule::BackupStatus,
    metrics::Sources,
    role::{Role, RoleView, Roster},
    scan::ScanStatus,
    supervisor::{DRAINED, ProxyStatus},
    to_wire, versions,
};

/// A data node further behind gets a warning.
const LAG_WARN_ENTRIES: u64 = 10_000;

const PAUSED: &str =
    "automatic failover is paused: the role moves only by `ocsctl switchover`; `ocsctl resume` ends it";
const DRAINED_WARNING: &str = "an operator drained this node: it takes no clients; `ocsctl drain --undo` ends it";
const ON_ONE_DISK: &str = "single-copy: updates are acknowledged on one disk only; `ocsctl mode set` ends it, and after a restore it \
                           ends by itself, once another data node has caught up";
/// The losses that a forced or restored group survives.
const ALONE: &str = "nothing: the loss of the primary's disk loses every update since the group was forced or restored";

/// Facts that never change while the process runs.
#[derive(Debug, Clone)]
pub struct About {
    /// The group's name or id, for display.
    pub cluster: String,
    /// Start time of this process.
    pub started: Instant,
    /// The options of the rules as this node's own file has them: they count under rules version 1.
    pub options: Vec<outbound::Setting>,
    /// Settings that leave more open than a group of this release would; known once the node is a member.
    pub advice: OnceLock<Vec<String>>,
}

/// The answer to `Status`.
pub(super) async fn status(sources: &Sources, about: &About) -> StatusReply {
    let view = sources.role.ask().await;
    let core = sources.role.status();
    let proxy = sources.proxy.borrow().clone();
    let role = sources.role.to_wire(&view);
    let roster = sources.role.roster();
    let odd_clocks: Vec<String> = sources.odd_clocks().iter().map(|id| roster.name_of(*id)).collect();
    let controls = roster.members().iter().filter(|member| !member.control.is_empty());
    let full = sources.disk.warning();
    let disk_short = full.is_some();
    let facts = Facts {
        own: &roster.own().name,
        view: &view,
        peers: &role.peers,
        stopped: core.stopped,
        own_silence: own_silence(&core, disk_short),
        paused: core.paused_for != 0,
        own_drained: proxy.state == DRAINED,
    };
    let mut updates_stopped = contract::updates_stopped(&facts, core.log_full);
    if updates_stopped.is_empty() && core.stall.is_some_and(|stall| stall.alone) {
        updates_stopped = format!("updates wait: the disk of {} hangs, and no other node can take over", facts.own);
    }
    let mut warnings = warnings(&view, &role.peers, &proxy, &odd_clocks, &core);
    warnings.extend(room_warning(&core, full));
    warnings.extend(sources.certificates.warnings());
    let backups = sources.backups.borrow().clone();
    warnings.extend((view.role == Role::Primary).then(|| backups.warning(wall_us())).flatten());
    warnings.extend((!updates_stopped.is_empty()).then(|| updates_stopped.clone()));
    StatusReply {
        survives: if core.single_copy { ALONE.to_owned() } else { contract::survives(&facts) },
        loses: if core.single_copy { contract::loss_of(&[&view.primary]) } else { contract::loses(&facts) },
        updates_stopped,
        role: Some(role),
        cluster: about.cluster.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        commit_index: core.commit,
        applied_index: core.applied,
        persisted_index: core.persisted,
        first_index: core.first_index,
        last_index: core.last_index,
        data_durable: core.data_durable,
        log_bytes: core.log_bytes,
        http_proxy: proxy.state,
        http_address: proxy.address,
        http_proxy_restarts: proxy.restarts,
        http_proxy_pid: proxy.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        records: sources.records(),
        held_requests: sources.held_requests(),
        digest_mismatches: core.digest_mismatches,
        repairs: core.repairs,
        scan: scan(&sources.scan.borrow()),
        odd_clocks,
        disk_short,
        warnings,
        uptime_ms: u64::try_from(about.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        epoch: core.forced_epoch.max(1),
        start: start_words(&core.start),
        disk_stall: core.stall.map(stall_words).unwrap_or_default(),
        contradiction: core.contradiction.clone(),
        formats: core.formats,
        formats_known: versions::NEWEST.formats,
        rules: sources.rules_version(&core),
        rules_known: versions::NEWEST.rules,
        rules_wanted: core.rules_wanted,
        phones: sources.api.as_ref().map(|api| phones(&**api.engine().state())).unwrap_or_default(),
        deletions: sources.deletions.borrow().to_vec(),
        bringing_up: sources.api.as_ref().map(|api| bringing_up(&**api.engine().state())).unwrap_or_default(),
        upgrade_waits_for: upgrade_waits_for(&core, sources.role.roster()),
        backups: schedule(backups),
        starting: String::new(),
        advice: about.advice.get().cloned().unwrap_or_default(),
        certificates: tls::shown(&sources.certificates),
        control_address: roster.own().control.clone(),
        scheduled_switchover: sources.scheduled_switchover().map(to_wire::scheduled_switchover),
        controls: controls.map(|member| (member.name.clone(), member.control.clone())).collect::<HashMap<_, _>>(),
    }
}

/// Why this node acknowledges nothing; none: the node acknowledges.
fn own_silence(core: &Status, disk_short: bool) -> Option<&'static str> {
    if disk_short || core.no_room && !core.log_full {
        Some(contract::DISK_FULL)
    } else {
        core.stall.map(|_| contract::DISK_HANGS)
    }
}

fn start_words(start: &StartStanding) -> String {
    match start {
        StartStanding::Confirmed => "confirmed".to_owned(),
        StartStanding::Asking(open) => format!("asking: {open}"),
        StartStanding::Old(why) => format!("old: {why}"),
    }
}

fn stall_words(stall: Stall) -> String {
    let (of, seconds) = (if stall.of_log { "log" } else { "state" }, stall.age_ms / 1000);
    format!(
        "the disk hangs: a write of the {of} has not ended for {seconds} s; this node acknowledges nothing until it does"
    )
}

/// Progress of the rewriting of the phones in the form of the rules; empty where the rules have the first form.
fn phones(state: &dyn StateReader) -> String {
    if state.rules_version() < RULES_WITH_PHONE_FORM {
        return String::new();
    }
    match state.phones() {
        (PhonesRow { done: true, .. }, _) => "done".to_owned(),
        (PhonesRow { entries_done: false, .. }, _) => "Do-Not-Call entries are being rewritten".to_owned(),
        (PhonesRow { handle, .. }, last) => format!("records are being rewritten: handle {handle} of {last}"),
    }
}

/// Progress of bringing records up to the rules of campaigns; empty where nothing is left to do, or the rules have no campaigns.
fn bringing_up(state: &dyn StateReader) -> String {
    if state.rules_version() < RULES_WITH_CAMPAIGNS {
        return String::new();
    }
    let (progress, last) = state.bring_up();
    match progress.customers.first() {
        _ if !progress.done => format!("bringing records up: {} of {last}", progress.handle),
        _ if progress.held_back.is_some() => {
            "freeing records that limits held back before the declaration changed".to_owned()
        }
        Some(job) => {
            let (list, record_id, lists) = (job.list, job.record_id, progress.customers.len());
            format!("bringing customers up: list {list} from record_id {record_id} on, lists left: {lists}")
        }
        None => String::new(),
    }
}

/// The nodes that hold up the raise, as a primary knows them; empty where the versions are the newest.
fn upgrade_waits_for(core: &Status, roster: &Roster) -> Vec<String> {
    let waits = core.serving && !versions::is_newest(core);
    if waits { versions::holding_up(core, roster) } else { Vec::new() }
}

/// A line for each irregularity.
fn warnings(
    view: &RoleView,
    peers: &[PeerLag],
    proxy: &ProxyStatus,
    odd_clocks: &[String],
    core: &Status,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.confirmed {
        lines.push("no quorum confirms this node's role: what it shows may be old".to_owned());
    } else if view.primary.is_empty() {
        lines.push("there is no primary: updates are held, then refused".to_owned());
    }
    for peer in peers {
        lines.extend(peer_warning(peer));
    }
    if proxy.state.starts_with("failed") || proxy.state == "restarting" {
        lines.push(format!("HTTP front end: {}", proxy.state));
    }
    if proxy.state == DRAINED {
        lines.push(DRAINED_WARNING.to_owned());
    }
    if proxy.alarm {
        lines.push("the HTTP front end crashed ten times within ten minutes".to_owned());
    }
    lines.extend(odd_clocks.iter().map(|node| format!("the clock of {node} is odd: it differs by more than 2 s")));
    lines.extend(core_warnings(core));
    lines
}

fn core_warnings(core: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    match &core.start {
        StartStanding::Confirmed => {}
        StartStanding::Asking(open) => lines.push(format!("the other voters have not confirmed this start yet ({open})")),
        StartStanding::Old(why) => lines.push(format!(
            "the data directory is an older copy of itself: {why}; this node is silent until the group gives it a new id"
        )),
    }
    if !core.contradiction.is_empty() {
        let serves = if core.frozen { "this node serves no reads" } else { "acknowledged updates may be lost" };
        lines.push(format!(
            "two histories: {}; {serves}; compare the nodes before any is replaced (two-of-three-lost.md, \"Two histories\")",
            core.contradiction
        ));
    }
    lines.extend(core.stall.map(stall_words));
    if core.single_copy {
        lines.push(ON_ONE_DISK.to_owned());
    }
    let why = &core.distrust;
    if core.differs_at > 0 {
        let at = core.differs_at;
        lines.push(format!("the state differs from a peer's at index {at}: each node looks which one is wrong"));
    }
    if !why.is_empty() && core.fetching {
        lines.push(format!("the state is wrong and is being replaced, this node does not serve: {why}"));
    } else if core.repairs > 0 {
        lines.push(format!("the state was wrong and has been replaced ({} since the start): {why}", core.repairs));
    }
    if core.log_full {
        lines.push("the log here has reached log.bytes_max: nothing is dropped, updates wait".to_owned());
    }
    if core.paused_for != 0 {
        lines.push(PAUSED.to_owned());
    }
    if core.fetching && why.is_empty() {
        lines.push("the state is being fetched from the other data node".to_owned());
    }
    lines
}

/// A line for a want of room: on the disk, or in the log where the disk has room.
fn room_warning(core: &Status, disk: Option<String>) -> Option<String> {
    let of_log =
        || "the log has no room (disk, quota or file descriptors): this node does not acknowledge updates".to_owned();
    disk.or_else(|| (core.no_room && !core.log_full).then(of_log))
}

/// The backups in this node's directory; none: the node has no directory for backups.
pub(super) fn schedule(known: BackupStatus) -> Option<BackupSchedule> {
    if known.directory.as_os_str().is_empty() {
        return None;
    }
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let made = |last: crate::archive::schedule::Made| BackupMade {
        created_us: last.created_us,
        file: last.file.display().to_string(),
        bytes: last.bytes,
        index: last.index,
        records: last.records,
        took_ms: millis(last.took),
    };
    Some(BackupSchedule {
        every_ms: millis(known.every),
        keep: known.keep,
        directory: known.directory.display().to_string(),
        running: known.running,
        last: known.last.map(made),
        last_failure: known.missed.map(|missed| BackupMissed { at_us: missed.at_us, reason: missed.reason }),
        failures: known.failures,
    })
}

fn scan(status: &ScanStatus) -> String {
    match status.running_bytes {
        Some(bytes) => format!("under way, {} MiB read", bytes >> 20),
        None => status.last.clone(),
    }
}

fn peer_warning(peer: &PeerLag) -> Option<String> {
    let node = &peer.node;
    match (peer.connected, peer.last_heard_ms, peer.lag_entries) {
        (false, None, _) => Some(format!("{node} is unreachable: never heard since this start")),
        (false, Some(ago_ms), _) => Some(format!("{node} is unreachable: last heard {} s ago", ago_ms / 1000)),
        (true, ..) if peer.disk_short => {
            Some(format!("{node} is up, but does not acknowledge updates: its disk is full"))
        }
        (true, ..) if peer.disk_hangs => {
            Some(format!("the disk of {node} hangs: a write has not ended for {} s", peer.oldest_write_ms / 1000))
        }
        (true, _, Some(lag)) if lag > LAG_WARN_ENTRIES => Some(format!("{node} is {lag} entries behind")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;
    use pair::fakes::{A, Reader, status as core_status};
    use records::{BringUpRow, CustomersRow};

    fn view(confirmed: bool, primary: &str) -> RoleView {
        let role = if confirmed { Role::Primary } else { Role::Unknown };
        RoleView { role, confirmed, term: 3, primary: primary.into() }
    }

    fn peer(node: &str, connected: bool, witness: bool) -> PeerLag {
        PeerLag { node: node.into(), connected, witness, ..Default::default() }
    }

    #[test]
    fn a_node_without_room_or_whose_disk_hangs_says_that_it_acknowledges_nothing() {
        let fine = core_status(3, A);
        assert_eq!(own_silence(&fine, false), None);
        assert_eq!(own_silence(&fine, true), Some(contract::DISK_FULL));
        assert_eq!(own_silence(&Status { no_room: true, ..core_status(3, A) }, false), Some(contract::DISK_FULL));
        let log_full = Status { no_room: true, log_full: true, ..core_status(3, A) };
        assert_eq!(own_silence(&log_full, false), None, "such a log still takes what a quorum needs");
        let stall = Some(Stall { age_ms: 4200, of_log: true, alone: false });
        assert_eq!(own_silence(&Status { stall, ..core_status(3, A) }, false), Some(contract::DISK_HANGS));
    }

    #[test]
    fn bringing_up_is_told_with_its_progress_until_nothing_is_left() {
        let state = Reader::at(RULES_WITH_CAMPAIGNS - 1);
        assert_eq!(bringing_up(&state), "");
        state.raise(RULES_WITH_CAMPAIGNS);
        let jobs = |list: u32| vec![CustomersRow { list, record_id: 7 }];
        for (progress, words) in [
            (BringUpRow::default(), "bringing records up: 0 of 1"),
            (BringUpRow { handle: 1, customers: jobs(9), ..BringUpRow::default() }, "bringing records up: 1 of 1"),
            (
                BringUpRow { done: true, customers: jobs(101), ..BringUpRow::default() },
                "bringing customers up: list 101 from record_id 7 on, lists left: 1",
            ),
            (BringUpRow { done: true, ..BringUpRow::default() }, ""),
        ] {
            state.brought_up(progress);
            assert_eq!(bringing_up(&state), words);
        }
    }

    #[test]
    fn each_doubt_is_a_line() {
        let mut behind = peer("b", true, false);
        behind.lag_entries = Some(20_000);
        let mut silent = peer("w", false, true);
        silent.last_heard_ms = Some(7500);
        let proxy = ProxyStatus { state: "failed: port in use".into(), ..Default::default() };
        let core = Status { differs_at: 2048, fetching: true, paused_for: A, ..core_status(3, A) };
        let full = PeerLag { disk_short: true, ..peer("c", true, false) };
        let lines = warnings(&view(true, ""), &[behind, silent, full], &proxy, &["b".to_owned()], &core);
        assert_eq!(lines.len(), 9, "{lines:?}");
        for part in [
            "no primary",
            "b is 20000 entries behind",
            "last heard 7 s ago",
            "port in use",
            "clock of b",
            "differs from a peer's at index 2048",
            "c is up, but does not acknowledge updates: its disk is full",
            "failover is paused",
            "fetched",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part}");
        }
        let short = Status { no_room: true, ..core_status(3, A) };
        assert!(room_warning(&short, None).is_some_and(|line| line.starts_with("the log has no room")));
        assert_eq!(
            room_warning(&short, Some("disk full".to_owned())),
            Some("disk full".to_owned()),
            "one line a cause"
        );
        assert_eq!(room_warning(&core_status(3, A), None), None);
        let why = || "its rows cannot be read".to_owned();
        let wrong = Status { distrust: why(), fetching: true, ..core_status(3, A) };
        assert!(core_warnings(&wrong).iter().all(|line| line.contains("does not serve: its rows")));
        let alone = core_warnings(&Status { single_copy: true, ..core_status(3, A) });
        assert!(alone.iter().any(|line| line.contains("`ocsctl mode set` ends it, and after a restore")), "{alone:?}");
        let mended = Status { distrust: why(), repairs: 1, ..core_status(3, A) };
        assert_eq!(
            core_warnings(&mended),
            ["the state was wrong and has been replaced (1 since the start): its rows cannot be read"]
        );
        let stall = Some(Stall { age_ms: 4200, of_log: false, alone: false });
        let hangs = core_warnings(&Status { stall, ..core_status(3, A) });
        assert!(hangs[0].starts_with("the disk hangs: a write of the state has not ended for 4 s"), "{hangs:?}");
        let there = PeerLag { disk_hangs: true, oldest_write_ms: 3100, ..peer("b", true, false) };
        assert_eq!(peer_warning(&there).unwrap(), "the disk of b hangs: a write has not ended for 3 s");
        let drained = ProxyStatus { state: DRAINED.into(), ..Default::default() };
        assert_eq!(warnings(&view(true, "a"), &[], &drained, &[], &core_status(3, A)), [DRAINED_WARNING]);
        let fine = ProxyStatus { state: "listening".into(), ..Default::default() };
        assert!(warnings(&view(true, "a"), &[peer("b", true, false)], &fine, &[], &core_status(3, A)).is_empty());
    }
}
