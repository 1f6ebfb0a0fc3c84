//! A group of two data nodes and a witness, each a process, in a directory and on an address of its own. A failed test prints
//! the logs of the nodes. Called by tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::Client,
    load::{Load, Target},
    net::Net,
    poll::{until, until_some},
    process::{Process, Signal, command, masked, program, runs, without_settings},
    settings::{NODES, Settings},
};

/// Groups that run at the same time: each is five processes.
const GROUPS_MAX: usize = 2;
/// How much of a node's log is printed when a test fails.
const SHOWN_LINES: usize = 60;

/// Entries that a node may be behind under load.
const LAG_MAX: u64 = 200;

/// The result of a finished program.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs a program to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("a program of ours starts");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Both outputs of a successful run.
    ///
    /// # Panics
    /// When the exit code is not 0.
    pub fn fine(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The lines of standard error that report a fault.
    pub fn complaints(&self) -> Vec<&str> {
        let complains = |line: &&str| line.starts_with("ocsd: ") || line.contains(" ERROR ");
        self.err.lines().filter(complains).collect()
    }
}

/// `ocsctl` for the nodes with these control addresses and these HTTP Proxies.
pub fn ocsctl(endpoints: &str, proxies: &str, words: &[&str]) -> Command {
    let mut command = command(&program("ocsctl"));
    command.env("OCSCTL_ENDPOINTS", endpoints).env("OCSCTL_PROXIES", proxies).args(words);
    command
}

/// The programs of one release, and settings that other releases may not know.
#[derive(Debug, Clone, Default)]
pub struct Release {
    /// The directory of `ocsd` and `ocs-http-proxy`.
    pub programs: PathBuf,
    /// `KEY=VALUE`, for nodes of this release alone.
    pub set: Vec<String>,
}

/// A record of an export: its columns by name.
pub type Row = BTreeMap<String, String>;

/// The rows of an export.
pub fn rows(export: &str) -> Vec<Row> {
    let mut lines = export.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let row = |line: &str| names.iter().zip(line.split(',')).map(|(n, v)| ((*n).to_owned(), v.to_owned())).collect();
    lines.map(row).collect()
}

/// A group. Its processes end with the value.
#[derive(Debug)]
pub struct Cluster {
    nodes: BTreeMap<&'static str, Process>,
    releases: BTreeMap<&'static str, Release>,
    environments: BTreeMap<&'static str, Vec<(String, String)>>,
    set: Vec<String>,
    settings: Settings,
    // In this order: processes end before their directory goes, and that before another group starts.
    _dir: TempDir,
    _permit: Permit,
}

impl Cluster {
    /// Forms a group, and waits until the group is whole.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with settings (`KEY=VALUE`) that all nodes get.
    pub fn with(set: &[&str]) -> Self {
        let mut cluster = Self::prepare(set);
        cluster.form();
        cluster
    }

    /// Starts every node of a prepared group, and waits until the group is whole.
    pub fn form(&mut self) {
        NODES.iter().for_each(|node| self.start_node(node, &["--bootstrap"]));
        self.wait_whole();
    }

    /// Certificates and configuration of a group whose nodes have not started yet.
    pub fn prepare(set: &[&str]) -> Self {
        Self::prepare_on(None, set)
    }

    /// The same on a network of its own.
    pub fn prepare_on(net: Option<Net>, set: &[&str]) -> Self {
        let permit = Permit::take();
        let dir = tempfile::Builder::new().prefix("ocs-ha-").tempdir().expect("a temporary directory");
        let settings = Settings::new(dir.path(), net);
        NODES.iter().for_each(|node| settings.write_config(node));
        let set = set.iter().map(|pair| (*pair).to_owned()).collect();
        let cluster = Self {
            nodes: BTreeMap::new(),
            releases: BTreeMap::new(),
            environments: BTreeMap::new(),
            set,
            settings,
            _dir: dir,
            _permit: permit,
        };
        cluster.make_certs(&cluster.settings.certs(), "a,b,w", 365);
        cluster
    }

    /// `ocsctl certs`.
    pub fn make_certs(&self, dir: &Path, nodes: &str, days: u32) {
        self.ctl(&["certs", "--dir", &dir.display().to_string(), "--nodes", nodes, "--days", &days.to_string()]).fine();
    }

    /// Addresses and paths.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A file below the group's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.settings.dir.join(name)
    }

    /// Replaces the programs of a node; its next start runs this release.
    pub fn install(&mut self, node: &'static str, release: &Release) {
        self.releases.insert(node, release.clone());
    }

    /// Gives a node an environment, from its next start on.
    pub fn give_environment(&mut self, node: &'static str, environment: &[(&str, &str)]) {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environments.insert(node, environment.iter().map(pair).collect());
    }

    // === processes ===

    fn command(&self, node: &str, words: &[&str]) -> Command {
        let release = self.releases.get(node);
        let ocsd = release.map_or_else(|| program("ocsd"), |release| release.programs.join("ocsd"));
        let plain = || command(&ocsd);
        let mut command = self.settings.net.as_ref().map_or_else(plain, |net| without_settings(net.enter(node, &ocsd)));
        command.arg("--config").arg(self.settings.config(node));
        for pair in self.set.iter().chain(release.iter().flat_map(|release| &release.set)) {
            command.args(["--set", pair]);
        }
        command.args(words);
        for (name, value) in self.environments.get(node).into_iter().flatten() {
            command.env(name, value);
        }
        command
    }

    /// Starts a node, and does not wait.
    pub fn start_node(&mut self, node: &'static str, words: &[&str]) {
        let (mut command, log) = (self.command(node, words), self.settings.log(node));
        self.start_command(node, &mut command, &log);
    }

    /// The same with an inherited umask.
    pub fn start_node_masked(&mut self, node: &'static str, umask: &str, words: &[&str]) {
        let (mut command, log) = (masked(&self.command(node, words), umask), self.settings.log(node));
        self.start_command(node, &mut command, &log);
    }

    /// Starts a second process of a node, under a name of its own, and does not wait.
    pub fn start_clone(&mut self, node: &str, name: &'static str, words: &[&str]) {
        let (mut command, log) = (self.command(node, words), self.settings.log(name));
        self.start_command(name, &mut command, &log);
    }

    /// The same with an environment.
    pub fn start_node_with(&mut self, node: &'static str, words: &[&str], environment: &[(&str, &str)]) {
        let (mut command, log) = (self.command(node, words), self.settings.log(node));
        command.envs(environment.iter().copied());
        self.start_command(node, &mut command, &log);
    }

    /// The same with a standard error that is a pipe without a reader.
    pub fn start_node_unread(&mut self, node: &'static str, words: &[&str]) {
        let process = Process::start_unread(node, &mut self.command(node, words));
        assert!(self.nodes.insert(node, process).is_none(), "{node} runs already");
    }

    fn start_command(&mut self, node: &'static str, command: &mut Command, log: &Path) {
        assert!(!self.nodes.contains_key(node), "{node} runs already");
        self.nodes.insert(node, Process::start(node, command, log));
    }

    /// Runs a node that ends by itself, and returns its output.
    pub fn run_node(&self, node: &str, words: &[&str]) -> Ran {
        let said = self.settings.dir.join(format!("{node}.refused.log"));
        let _ = fs::remove_file(&said); // of the run before
        let mut process = Process::start(node, &mut self.command(node, words), &said);
        let code = process.wait();
        Ran { code, out: String::new(), err: fs::read_to_string(said).unwrap_or_default() }
    }

    /// The process of a node that was started.
    pub fn node(&mut self, node: &str) -> &mut Process {
        self.nodes.get_mut(node).unwrap_or_else(|| panic!("{node} does not run"))
    }

    /// Whether a node was started and has not ended by itself.
    pub fn runs(&mut self, node: &str) -> bool {
        self.nodes.get_mut(node).is_some_and(|process| process.ended().is_none())
    }

    /// Starts a node again if its process has ended by itself, as a supervisor does.
    pub fn restart_if_ended(&mut self, node: &'static str) {
        if !self.runs(node) {
            self.nodes.remove(node);
            self.start_node(node, &[]);
        }
    }

    /// kill -9 of a node; its HTTP Proxy ends by itself.
    pub fn kill(&mut self, node: &str) {
        self.node(node).kill();
        self.nodes.remove(node);
    }

    /// SIGTERM; waits for the end and returns the exit code.
    pub fn stop(&mut self, node: &str) -> i32 {
        self.node(node).signal(Signal::TERM);
        let code = self.node(node).wait();
        self.nodes.remove(node);
        code
    }

    /// Any signal to a node.
    pub fn signal(&mut self, node: &str, signal: Signal) {
        self.node(node).signal(signal);
    }

    /// The process of a node's HTTP Proxy, as the node says.
    pub fn proxy_pid(&self, node: &str) -> Option<u32> {
        let pid = &self.of_node(node)["http_proxy_pid"];
        let of_text = || pid.as_str().and_then(|pid| pid.parse().ok()); // an older ocsctl shows text
        pid.as_u64().or_else(of_text).and_then(|pid| pid.try_into().ok())
    }

    /// kill -9 of a node and of its HTTP Proxy at once: every connection breaks, with the requests in flight.
    pub fn kill_with_proxy(&mut self, node: &str) {
        self.kill_proxy(node);
        self.kill(node); // before the node can start another proxy
    }

    /// kill -9 of a node's HTTP Proxy.
    pub fn kill_proxy(&mut self, node: &str) {
        self.signal_proxy(node, Signal::KILL);
    }

    /// Any signal to a node's HTTP Proxy; returns the pid.
    pub fn signal_proxy(&mut self, node: &str, signal: Signal) -> u32 {
        let pid = self.proxy_pid(node).expect("HTTP Proxy runs");
        let parent = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = parent.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        assert_eq!(parent, Some(self.node(node).pid()), "only a child of the node is signalled");
        crate::process::signal_to(pid, signal);
        pid
    }

    /// Waits until a process is gone.
    pub fn wait_gone(&self, pid: u32) {
        until(&format!("the end of process {pid}"), || !runs(pid));
    }

    // === questions ===

    /// `ocsctl` for this group, to be run.
    pub fn ctl_command(&self, words: &[&str]) -> Command {
        let endpoints = NODES.map(|node| self.settings.address(node, "control")).join(",");
        let proxies = ["a", "b"].map(|node| format!("http://{}", self.settings.address(node, "http"))).join(",");
        let mut command = ocsctl(&endpoints, &proxies, words);
        command.current_dir(&self.settings.dir);
        command
    }

    /// Runs `ocsctl` for this group.
    pub fn ctl(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.ctl_command(words))
    }

    /// Waits until every node answers, both data nodes have caught up, and both HTTP Proxies listen.
    pub fn wait_whole(&self) {
        let ran = self.ctl(&["--timeout", "40", "wait", "--for", "ready"]);
        assert_eq!(ran.code, 0, "the group does not get whole: {}{}", ran.out, ran.err);
    }

    /// The same under load: every node keeps up.
    pub fn wait_back(&self) {
        until("every node is back", || is_back(&self.status()));
    }

    /// Waits until a node votes under the id of an incarnation, and its old id is gone.
    pub fn wait_new_id(&self, node: &str, incarnation: u64) {
        let number = 1 + NODES.iter().position(|name| *name == node).expect("a, b or w") as u64;
        let id = (number | incarnation << 16).to_string();
        let votes = |line: &str| {
            let voters = line.split_once("voters=[").and_then(|(_, rest)| rest.split_once(']'));
            let alone = line.contains("learners=[] leaving=[]");
            alone && voters.is_some_and(|(voters, _)| voters.split(", ").any(|voter| voter == id))
        };
        until(&format!("{node} votes as {id}"), || self.log(node).lines().any(votes));
    }

    /// Waits until a node is confirmed primary, and returns its name.
    pub fn wait_primary(&self) -> &'static str {
        let ran = self.ctl(&["--timeout", "40", "wait", "--for", "primary"]);
        assert_eq!(ran.code, 0, "there is no primary: {}{}", ran.out, ran.err);
        self.primary()
    }

    /// `ocsctl status`.
    pub fn status(&self) -> Value {
        self.ctl(&["status", "-o", "json"]).json()
    }

    /// The part of `ocsctl status` about one node.
    pub fn of_node(&self, node: &str) -> Value {
        let all = self.status();
        let endpoint = self.settings.address(node, "control");
        let nodes = all["nodes"].as_array().cloned().unwrap_or_default();
        nodes.into_iter().find(|one| one["endpoint"] == *endpoint).unwrap_or_default()
    }

    /// Whether a node answers, and its start is complete.
    pub fn runs_whole(&self, node: &str) -> bool {
        is_started(&self.of_node(node))
    }

    /// The confirmed primary. On a busy machine a quorum round can be late: asks again.
    pub fn primary(&self) -> &'static str {
        until_some("a node is confirmed primary", || {
            let status = self.status();
            NODES.into_iter().find(|node| status["primary"] == **node)
        })
    }

    /// The data node that is not `node`.
    pub fn other(&self, node: &str) -> &'static str {
        if node == "a" { "b" } else { "a" }
    }

    /// Moves the primary to a node; the group is whole then.
    pub fn move_primary(&self, to: &'static str) {
        self.move_primary_under_load(to);
        self.wait_whole();
    }

    /// The same under load. A refused switchover changes nothing, and is tried again.
    pub fn move_primary_under_load(&self, to: &'static str) {
        until(&format!("{to} is primary"), || {
            self.wait_primary() == to || self.ctl(&["switchover", "--to", to]).code == 0 && self.wait_primary() == to
        });
        self.wait_back();
    }

    /// A client of a node's HTTP Proxy.
    pub fn http(&self, node: &str) -> Client {
        Client::new(&self.settings.address(node, "http"))
    }

    /// A client of a node's admin port.
    pub fn admin(&self, node: &str) -> Client {
        Client::new(&self.settings.address(node, "admin"))
    }

    /// The sum of a node's metrics whose line has this beginning.
    pub fn metric(&self, node: &str, begins: &str) -> f64 {
        let page = self.admin(node).get("/metrics").body;
        let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        page.lines().filter(|line| line.starts_with(begins)).filter_map(value).sum()
    }

    /// A node's log so far.
    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.settings.log(node)).unwrap_or_default()
    }

    // === lists ===

    /// Creates a list.
    pub fn create_list(&self, name: &str) {
        self.ctl(&["list", "create", name]).fine();
    }

    /// The rows of a list as a node has them.
    pub fn export(&self, list: &str, node: &str) -> Vec<Row> {
        rows(&self.export_text(list, node))
    }

    /// The export of a list, byte by byte; tried again while the node does not answer in time.
    pub fn export_text(&self, list: &str, node: &str) -> String {
        /// Unreachable, or unavailable during a start.
        const NOT_NOW: [i32; 2] = [3, 4];
        let ask =
            || Some(self.ctl(&["list", "export", list, "--node", node])).filter(|ran| !NOT_NOW.contains(&ran.code));
        until_some(&format!("an export from {node}"), ask).fine()
    }

    /// Waits until the group is whole; both data nodes then hold the same rows.
    pub fn assert_equal(&self) {
        let difference = self.difference();
        assert!(difference.is_none(), "{difference:?}");
    }

    /// The same; returns the difference, if there is one.
    pub fn difference(&self) -> Option<String> {
        self.wait_whole();
        let ran = self.ctl(&["verify", "-o", "json"]);
        if ran.code != 0 || ran.json()["equal"] != true || ran.json()["compared"] != true {
            return Some(format!("the nodes do not hold the same: {}{}", ran.out, ran.err));
        }
        let saw = |node: &&str| self.metric(node, "ocs_digest_mismatches_total") != 0.0;
        ["a", "b"].into_iter().find(saw).map(|node| format!("{node} saw another digest"))
    }

    /// Prints the end of every node's log.
    pub fn show_logs(&self) {
        NODES.iter().for_each(|node| show(node, &self.log(node)));
    }

    /// Steady load at both HTTP Proxies.
    pub fn load(&self, list: &str, workers_each: usize) -> Load {
        let address = |node: &str| self.settings.address(node, "http");
        let target = |home: &str| {
            let other = self.other(home);
            Target { home: home.to_owned(), addresses: vec![address(home), address(other)] }
        };
        Load::start(list, &[target("a"), target("b")], workers_each)
    }
}

/// Whether a node answers, and its start is complete; an older release answers only after its start.
fn is_started(node: &Value) -> bool {
    node["reachable"] == true && node["starting"].as_str().is_none_or(str::is_empty)
}

/// Every node answers, the primary is in touch with the others and no node is far behind, both HTTP Proxies listen.
fn is_back(status: &Value) -> bool {
    let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(primary) = nodes.iter().find(|node| node["node"] == status["primary"]) else { return false };
    let touched =
        |peer: &Value| peer["connected"] == true && peer["lag_entries"].as_u64().is_some_and(|lag| lag <= LAG_MAX);
    let listens = |node: &&Value| node["role"] == "witness" || node["http_proxy"] == "listening";
    let applied = |node: &&Value| {
        let behind =
            primary["commit_index"].as_u64().unwrap_or(0).saturating_sub(node["applied_index"].as_u64().unwrap_or(0));
        node["role"] == "witness" || behind <= LAG_MAX
    };
    nodes.iter().all(is_started)
        && primary["peers"].as_array().is_some_and(|peers| peers.iter().all(touched))
        && nodes.iter().all(|node| listens(&node) && applied(&node))
}

impl Drop for Cluster {
    /// Every log of every test is searched: no line shows a phone.
    fn drop(&mut self) {
        for process in self.nodes.values_mut() {
            process.kill();
        }
        if thread::panicking() {
            return self.show_logs();
        }
        for node in NODES {
            let log = self.log(node);
            let shown = log.lines().find(|line| shows_a_phone(line));
            assert!(shown.is_none(), "the log of {node} shows a phone: {shown:?}");
        }
    }
}

/// Whether a line has a number as clients of these tests write phones: a plus and at least seven digits.
fn shows_a_phone(line: &str) -> bool {
    let digits = |rest: &str| rest.bytes().take_while(u8::is_ascii_digit).count();
    line.split('+').skip(1).any(|rest| digits(rest) >= 7)
}

#[cfg(test)]
mod tests {
    use super::shows_a_phone;

    #[test]
    fn a_whole_phone_in_a_line_is_found_and_a_masked_one_is_none() {
        assert!(shows_a_phone("a request of +9990010000001 failed"));
        for line in ["+*********01", "2026-11-28T06:53:36+00:00 starts", "+99961", "index 12345678+1"] {
            assert!(!shows_a_phone(line), "{line}");
        }
    }
}

fn show(node: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines[from..].iter().for_each(|line| eprintln!("{node} | {line}"));
}

/// The right to run a group.
#[derive(Debug)]
struct Permit;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

impl Permit {
    fn take() -> Self {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |running: &mut usize| *running >= GROUPS_MAX;
        let mut running = ENDED.wait_while(running, full).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}
