//! Whether a configuration that reads also makes sense: every problem, one line each. Reads certificates, changes nothing.
//!
//! Called by [`Config::check`] alone.

use std::{collections::HashSet, fmt, fs, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use chassis::tls::{TlsError, TlsFiles, TlsIdentity, check_https};
use data_dir::STAMP_FILE;
use peers::PeerSecret;

use super::{Config, MIB, MODES, Member, MemberRole, Raft, UPGRADE_AUTO, UPGRADE_MANUAL, address};

/// Smallest segment: the largest entry (1.5 MiB) and its frame must fit with room to spare.
const SEGMENT_BYTES_MIN: u64 = 4 * MIB;
const SEGMENT_BYTES_MAX: u64 = 1024 * MIB;
/// The log must be able to drop a segment while writing others.
const SEGMENTS_MIN: u64 = 4;
/// The replay window uses the answers kept for request ids, and those are kept for a minute.
const REPLAY_WINDOW_MS_MAX: u64 = 60_000;

/// Below, a busy disk would count as hanging; above, clients have given up.
const DISK_STALL_MS: (u64, u64) = (500, 60_000);

/// A fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, as in `peer.listen`.
    pub key: String,
    /// The fault and its remedy.
    pub message: String,
    /// The problem passes by itself: the same configuration may be fine at the next start.
    pub passes: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "key {}: {}", self.key, self.message)
    }
}

impl Config {
    /// Whether the node could start with this configuration: values first, then the certificates that they name, as of now.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        self.check_values()?;
        self.check_files()
    }

    /// As [`Config::check`], for a start with `--bootstrap`: peers must authenticate each other where a group is formed. A
    /// stamped data directory is exempt.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check_to_form(&self) -> Result<(), Vec<Problem>> {
        self.check()?;
        let mut found = Problems(self.refused_door(true).into_iter().collect());
        if self.peers_are_plain() && !self.node.data_dir.join(STAMP_FILE).exists() {
            found.add(
                "peer.secret_file",
                "is required to form a group without peer.tls, on loopback too: every user of this machine could speak in a \
                 node's name; put the same line of `openssl rand -hex 32` into a file of each node (mode 0600) and name it here",
            );
        }
        found.into_result()
    }

    /// As [`Config::check`], without looking at a file.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check_values(&self) -> Result<(), Vec<Problem>> {
        let mut found = Problems::default();
        self.check_group(&mut found);
        self.check_listeners(&mut found);
        self.check_sizes(&mut found);
        check_raft(&self.raft, &mut found);
        self.check_backup(&mut found);
        self.check_limits(&mut found);
        self.check_proxy(&mut found);
        self.otlp.problems().into_iter().for_each(|(key, message)| found.add(key, message));
        if let Some(problem) = self.operators_problem() {
            found.add("control.operators", problem);
        }
        if let Err(error) = self.logging.check() {
            found.add("logging.filter", error.to_string());
        }
        found.into_result()
    }

    fn check_files(&self) -> Result<(), Vec<Problem>> {
        let mut found = Problems(self.refused_door(false).into_iter().collect());
        check_data_dir(&self.node.data_dir, &mut found);
        if let Some(program) = self.proxy().and_then(|proxy| proxy.program.as_deref()) {
            check_program(program, &mut found);
        }
        let sections = [("peer", &self.peer.tls), ("control", &self.control.tls), ("admin", &self.admin.tls)];
        for (section, tls) in sections {
            let Some(files) = tls else { continue };
            let key = format!("{section}.tls");
            match TlsIdentity::load(files) {
                Err(error) => found.certificate(&key, &error),
                Ok(own) if section == "peer" && !own.names(&self.node.name) => {
                    found.add(&key, not_named(files, &self.node.name));
                }
                Ok(_) => {}
            }
        }
        if let Some(path) = self.otlp.ca.as_ref().filter(|_| self.otlp.is_on())
            && let Err(error) = fs::read(path)
        {
            found.add("otlp.ca", format!("{}: {error}", path.display()));
        }
        if let Some(path) = &self.peer.secret_file
            && let Err(error) = PeerSecret::load(path)
        {
            found.add("peer.secret_file", error.to_string());
        }
        for (prefix, port) in self.proxy().map(|proxy| proxy.ports()).unwrap_or_default() {
            if let Some(Err(error)) = port.https().map(|files| check_https(&files)) {
                found.certificate(&format!("http_proxy.{prefix}tls_certificate"), &error);
            }
        }
        found.into_result()
    }

    fn check_group(&self, found: &mut Problems) {
        if self.cluster.id.is_empty() {
            found.add("cluster.id", "is empty: name the group, alike on all nodes");
        }
        let mode = MODES.iter().find(|(name, ..)| *name == self.cluster.mode);
        if mode.is_none() {
            let known = "use \"witness\", \"three\" or \"pair\"";
            found.add("cluster.mode", format!("there is no mode {:?}: {known}", self.cluster.mode));
        }
        if let Some(mode) = mode {
            check_mode(*mode, &self.cluster.nodes, found);
        }
        if ![UPGRADE_AUTO, UPGRADE_MANUAL].contains(&self.cluster.upgrade.as_str()) {
            let (found_there, known) = (&self.cluster.upgrade, "use \"auto\" or \"manual\"");
            found.add("cluster.upgrade", format!("there is no {found_there:?}: {known}"));
        }
        check_members(&self.cluster.nodes, found);
        if self.node.name.is_empty() {
            found.add("node.name", "is required: say which of cluster.nodes this node is");
        } else if self.member().is_none() {
            let known: Vec<_> = self.cluster.nodes.iter().map(|member| member.name.as_str()).collect();
            found.add("node.name", format!("{:?} is none of cluster.nodes ({})", self.node.name, known.join(", ")));
        }
        if self.node.data_dir.as_os_str().is_empty() {
            found.add("node.data_dir", "is empty: say where this node keeps its log and state");
        }
        let (stall_ms, (least, most)) = (self.node.disk_stall_ms, DISK_STALL_MS);
        if !(least..=most).contains(&stall_ms) {
            found.add("node.disk_stall_ms", format!("{stall_ms} is not within {least} and {most}"));
        }
    }

    fn check_listeners(&self, found: &mut Problems) {
        let outside = self.cluster.nodes.iter().find(|member| address::is_outside(&member.peer));
        if self.peer.tls.is_some() && self.peer.secret_file.is_some() {
            found.add("peer.secret_file", "is for peers without peer.tls: remove one of the two");
        }
        if self.peer.tls.is_none() {
            if let Some(member) = outside {
                found.add("peer.tls", required(&format!("node {:?} is reached at {}", member.name, member.peer)));
            } else if !self.peer.listen.ip().is_loopback() {
                found.add("peer.tls", required(&format!("peer.listen is {}", self.peer.listen)));
            }
        }
        let operators =
            [("control", self.control.listen, &self.control.tls), ("admin", self.admin.listen, &self.admin.tls)];
        for (section, listen, tls) in operators {
            if tls.is_none() && !listen.ip().is_loopback() {
                found.add(&format!("{section}.tls"), required(&format!("{section}.listen is {listen}")));
            }
        }
        self.check_ports(found);
    }

    fn check_ports(&self, found: &mut Problems) {
        let mut taken: Vec<(String, String)> = Vec::new();
        let own = [("peer", self.peer.listen), ("control", self.control.listen), ("admin", self.admin.listen)];
        let health = self.health.listen.map(|listen| ("health", listen));
        let own =
            own.into_iter().chain(health).map(|(section, listen)| (format!("{section}.listen"), listen.to_string()));
        let http = self.proxy().map(|proxy| proxy.ports()).unwrap_or_default().into_iter();
        let http = http.map(|(prefix, port)| (format!("http_proxy.{prefix}listen"), port.listen));
        for (key, listen) in own.chain(http) {
            let same = taken.iter().find(|(_, taken)| !listen.ends_with(":0") && *taken == listen);
            if let Some((other, _)) = same {
                found.add(&key, format!("{listen} is {other} too: give each its own port"));
            }
            taken.push((key, listen));
        }
    }

    fn check_backup(&self, found: &mut Problems) {
        let backup = &self.backup;
        if !backup.every.is_empty() {
            if backup.every().is_none() {
                let message =
                    format!("{:?} is no duration: give a number and s, m, h or d, as in \"24h\"", backup.every);
                found.add("backup.every", message);
            }
            if backup.directory.as_os_str().is_empty() {
                found.add("backup.directory", "is empty: say where the backups are written");
            }
        }
        if backup.directory.starts_with(&self.node.data_dir) {
            found.add(
                "backup.directory",
                "is within node.data_dir: give the backups a place of their own, best another disk",
            );
        }
        found.positive("backup.keep", backup.keep.into());
    }

    fn check_limits(&self, found: &mut Problems) {
        let limits = &self.limits;
        found.positive("limits.hold_requests_max", limits.hold_requests_max as u64);
        found.positive("limits.hold_bytes_max", limits.hold_bytes_max as u64);
        found.positive("limits.deadline_ms", limits.deadline_ms);
        found.positive("limits.drain_timeout_ms", limits.drain_timeout_ms);
        let http = self.proxy().map(|proxy| u64::from(proxy.deadline_ms));
        if limits.hold_time_ms >= limits.deadline_ms.min(http.unwrap_or(u64::MAX)) {
            let and_http = if http.is_some() { " and http_proxy.deadline_ms" } else { "" };
            found.add("limits.hold_time_ms", format!("must be less than limits.deadline_ms{and_http}"));
        }
    }

    fn check_proxy(&self, found: &mut Problems) {
        if self.proxy().is_none() {
            return;
        }
        for (key, problem) in self.http_proxy.problems() {
            found.add(&format!("http_proxy.{key}"), problem);
        }
        if self.http_proxy.drain_timeout_ms.is_some_and(|own| u64::from(own) > self.limits.drain_timeout_ms) {
            found.add("http_proxy.drain_timeout_ms", "must not be more than limits.drain_timeout_ms");
        }
    }

    fn check_sizes(&self, found: &mut Problems) {
        let segment_bytes = self.log.segment_bytes;
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes) {
            found.add(
                "log.segment_bytes",
                format!("{segment_bytes} is not within {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}"),
            );
        }
        if self.log.bytes_max < segment_bytes.saturating_mul(SEGMENTS_MIN) {
            found.add("log.bytes_max", format!("must be at least {SEGMENTS_MIN} times log.segment_bytes"));
        }
        found.positive("store.cache_bytes", self.store.cache_bytes);
        found.positive("store.persist_ms", self.store.persist_ms);
        found.positive("store.persist_bytes", self.store.persist_bytes);
        found.positive("store.scan_bytes_per_s", self.store.scan_bytes_per_s);
        if self.rules.replay_window_ms > Some(REPLAY_WINDOW_MS_MAX) {
            found.add("rules.replay_window_ms", format!("must not be more than {REPLAY_WINDOW_MS_MAX}"));
        }
        for (key, value) in self.rules.given().into_iter().filter(|(key, _)| *key != "replay_window_ms") {
            found.positive(&format!("rules.{key}"), value);
        }
    }
}

fn check_mode((mode, data_wanted, witnesses_wanted): (&str, usize, usize), members: &[Member], found: &mut Problems) {
    let count = |role| members.iter().filter(|member| member.role == role).count();
    let (data, witnesses) = (count(MemberRole::Data), count(MemberRole::Witness));
    if (data, witnesses) != (data_wanted, witnesses_wanted) {
        found.add(
            "cluster.nodes",
            format!(
                "mode {mode:?} wants {data_wanted} nodes of role \"data\" and {witnesses_wanted} of role \"witness\", here are \
                 {data} and {witnesses}"
            ),
        );
    }
}

fn check_members(members: &[Member], found: &mut Problems) {
    let (mut names, mut peers, mut controls) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (place, member) in members.iter().enumerate() {
        let key = |name: &str| format!("cluster.nodes.{place}.{name}");
        if !is_name(&member.name) {
            found.add(&key("name"), format!("{:?} is no name: letters, digits and hyphens, at most 63", member.name));
        }
        if !names.insert(member.name.to_ascii_lowercase()) {
            found.add(&key("name"), format!("{:?} is there twice", member.name));
        }
        if !peers.insert(&member.peer) {
            found.add(&key("peer"), format!("{} is there twice", member.peer));
        }
        if let Some(control) = member.control.as_ref().filter(|control| !controls.insert(*control)) {
            found.add(&key("control"), format!("{control} is there twice: each node has its own"));
        }
        for (name, address) in [("peer", Some(&member.peer)), ("control", member.control.as_ref())] {
            if let Some(address) = address.filter(|address| address::split(address).is_none()) {
                found.add(&key(name), format!("{address:?} is not host:port"));
            }
        }
    }
}

/// An absent directory is made later; the parents are checked when the node opens the directory.
fn check_data_dir(directory: &Path, found: &mut Problems) {
    let is_file = match fs::metadata(directory) {
        Ok(there) => !there.is_dir(),
        Err(error) => error.kind() == ErrorKind::NotADirectory,
    };
    if is_file {
        let message = format!("{} is a file or lies below one: name a directory", directory.display());
        found.add("node.data_dir", message);
    }
}

fn check_program(program: &Path, found: &mut Problems) {
    let why = match fs::metadata(program) {
        Err(error) => error.to_string(),
        Ok(there) if !there.is_file() => "it is no file".to_owned(),
        Ok(there) if there.permissions().mode() & 0o111 == 0 => "it cannot be executed".to_owned(),
        Ok(_) => return,
    };
    let message =
        format!("{}: {why}: name ocs-http-proxy, or leave it out where it stands beside ocsd", program.display());
    found.add("http_proxy.program", message);
}

/// A name is a label of a certificate's DNS name.
fn is_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inside) && !name.starts_with('-') && !name.ends_with('-')
}

fn check_raft(raft: &Raft, found: &mut Problems) {
    if !(10..=1000).contains(&raft.tick_ms) {
        found.add("raft.tick_ms", format!("{} is not within 10 and 1000", raft.tick_ms));
    }
    found.positive("raft.heartbeat_ticks", u64::from(raft.heartbeat_ticks));
    if raft.election_ticks_min < raft.heartbeat_ticks.saturating_mul(3) {
        found.add("raft.election_ticks_min", "must be at least three times raft.heartbeat_ticks");
    }
    if raft.election_ticks_max <= raft.election_ticks_min {
        found.add("raft.election_ticks_max", "must be more than raft.election_ticks_min");
    }
}

fn required(because: &str) -> String {
    format!("is required off loopback ({because}): give ca, certificate and key, or stay on 127.0.0.1")
}

fn not_named(files: &TlsFiles, node: &str) -> String {
    format!("{}: the certificate does not name {node:?}, so no peer would accept it", files.certificate.display())
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.0.push(Problem { key: key.to_owned(), message: message.into(), passes: false });
    }

    fn certificate(&mut self, key: &str, error: &TlsError) {
        self.0.push(Problem { key: key.to_owned(), message: error.to_string(), passes: error.passes() });
    }

    fn positive(&mut self, key: &str, value: u64) {
        if value == 0 {
            self.add(key, "must be more than 0");
        }
    }

    fn into_result(self) -> Result<(), Vec<Problem>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
