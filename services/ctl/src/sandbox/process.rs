//! The processes of a sandbox. A process is the sandbox's own where its number, its start and the boot of the machine are those of the
//! file about it: a number that the system has given to another program since is left alone. Called by `sandbox`.

use std::{
    env,
    fs::{self, OpenOptions},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};

use super::home::Home;
use crate::failure::Failure;

/// Longer than a node's `limits.drain_timeout_ms` here.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// For the end of a killed process.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Lines of a log that are shown where a node ends early.
const SHOWN_LINES: usize = 5;
/// Variables that would change a node's configuration.
const NODE_VARIABLES: [&str; 2] = ["OCS__", "OCS_CONFIG"];

/// The content of a pid file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PidFile {
    pid: u32,
    /// The start of the process, clock ticks since the boot.
    start_ticks: u64,
    /// The boot of the machine.
    boot_id: String,
}

/// A process that this sandbox has started and that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Its number.
    pub(super) pid: u32,
    file: PidFile,
    number: Pid,
    /// Stands for this very process; none: the system has no such descriptors.
    handle: Option<OwnedFd>,
}

/// The processes that this command has started.
#[derive(Debug, Default)]
pub(super) struct Started {
    children: Vec<(String, Child)>,
}

impl Started {
    /// Starts a node in a process group of its own, so that Ctrl-C ends the command alone. `form`: the group is new.
    pub(super) fn start(&mut self, home: &Home, ocsd: &Path, node: &str, form: bool) -> Result<(), Failure> {
        let path = home.log(node);
        if !path.exists() {
            home.write(&path, "")?; // the log of an earlier start goes on
        }
        let log = OpenOptions::new().append(true).open(&path).map_err(|error| Failure::file(&path, error))?;
        let errors = log.try_clone().map_err(|error| Failure::file(&path, error))?;
        let mut command = Command::new(ocsd);
        command.arg("--config").arg(home.config(node)).current_dir(home.dir()).process_group(0);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        if form {
            command.arg("--bootstrap");
        }
        for (name, _) in env::vars_os() {
            if NODE_VARIABLES.iter().any(|part| name.to_string_lossy().starts_with(part)) {
                command.env_remove(name);
            }
        }
        let mut child =
            command.spawn().map_err(|error| Failure::Refused(format!("{} does not start: {error}", ocsd.display())))?;
        if let Err(failure) = note(home, node, child.id()) {
            let _ = child.kill(); // without its file nothing would ever stop it
            let _ = child.wait();
            return Err(failure);
        }
        self.children.push((node.to_owned(), child));
        Ok(())
    }

    /// Fails with the end of its log where a process has ended.
    pub(super) fn check(&mut self, home: &Home) -> Result<(), Failure> {
        for (node, child) in &mut self.children {
            if let Ok(Some(status)) = child.try_wait() {
                let log = fs::read_to_string(home.log(node)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("; ");
                return Err(Failure::Refused(format!("node {node} ended early ({status}): {end}")));
            }
        }
        Ok(())
    }
}

/// Writes the file about a process of ours.
fn note(home: &Home, node: &str, pid: u32) -> Result<(), Failure> {
    let path = home.pid_file(node);
    let start_ticks = start_of(pid).ok_or_else(|| Failure::file(&path, "the start of the process is not readable"))?;
    let file = PidFile { pid, start_ticks, boot_id: boot_id() };
    home.write(&path, &serde_json::to_string(&file).expect("a pid file is text and numbers"))
}

/// The running process of a node, started by this sandbox.
pub(super) fn running(home: &Home, node: &str) -> Option<Running> {
    let text = fs::read_to_string(home.pid_file(node)).ok()?;
    let file: PidFile = serde_json::from_str(&text).ok()?;
    let number = i32::try_from(file.pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)?;
    let handle = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(handle) => Some(handle),
        Err(Errno::SRCH) => return None,
        Err(_) => None,
    };
    // The descriptor is older than this look: whatever the number means later, a signal reaches the process that was looked at.
    let running = Running { pid: file.pid, file, number, handle };
    running.runs().then_some(running)
}

impl Running {
    fn runs(&self) -> bool {
        self.file.boot_id == boot_id() && start_of(self.pid) == Some(self.file.start_ticks)
    }

    fn signal(&self, signal: Signal) {
        let sent = match &self.handle {
            Some(handle) => pidfd_send_signal(handle, signal),
            None if self.runs() => kill_process(self.number, signal),
            None => Ok(()),
        };
        let _ = sent; // the process may just have ended
    }
}

/// Stops the processes of these nodes, and returns the nodes that ran.
///
/// # Errors
/// A killed process runs on.
pub(super) async fn stop(home: &Home, nodes: &[&str]) -> Result<Vec<String>, Failure> {
    let ours: Vec<(&str, Running)> = nodes.iter().filter_map(|node| Some((*node, running(home, node)?))).collect();
    ours.iter().for_each(|(_, process)| process.signal(Signal::TERM));
    if !gone(&ours, STOP_TIMEOUT).await {
        ours.iter().filter(|(_, process)| process.runs()).for_each(|(_, process)| process.signal(Signal::KILL));
        if !gone(&ours, KILL_TIMEOUT).await {
            return Err(Failure::Refused("a process runs on although it was killed".to_owned()));
        }
    }
    for node in nodes {
        let _ = fs::remove_file(home.pid_file(node)); // a file about a process that is gone means nothing
    }
    Ok(ours.into_iter().map(|(node, _)| node.to_owned()).collect())
}

async fn gone(processes: &[(&str, Running)], limit: Duration) -> bool {
    let began = Instant::now();
    while processes.iter().any(|(_, process)| process.runs()) {
        if began.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// The start of a process, clock ticks since the boot; none: no such process runs. An ended process that waits for its parent is gone.
fn start_of(pid: u32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may hold anything: the fields are counted from its end.
fn parse_stat(stat: &str) -> Option<u64> {
    /// Place of the start among the fields behind the name.
    const START: usize = 19;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(START - 1)?.parse().ok()?;
    (!state.starts_with(['Z', 'X'])).then_some(start)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::NODES;

    #[test]
    fn the_start_of_a_process_is_the_22nd_field_and_an_ended_one_has_none() {
        let stat = |state: char| {
            format!(
                "42 (ocsd) x) {state} 1 42 42 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 9 0 987654 1 2 18446744073709551615"
            )
        };
        assert_eq!(parse_stat(&stat('S')), Some(987_654));
        assert_eq!((parse_stat(&stat('Z')), parse_stat(&stat('X')), parse_stat("")), (None, None, None));
        assert!(start_of(std::process::id()).is_some());
        assert_eq!(start_of(u32::MAX), None);
    }

    fn home(dir: &tempfile::TempDir) -> Home {
        Home::make(&dir.path().join("s")).unwrap()
    }

    #[tokio::test]
    async fn a_process_of_ours_is_stopped_and_a_number_that_another_one_has_now_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let mut ours = Command::new("sleep").arg("600").spawn().unwrap();
        let mut foreign = Command::new("sleep").arg("600").spawn().unwrap();
        note(&home, "a", ours.id()).unwrap();
        note(&home, "b", foreign.id()).unwrap();
        assert_eq!(running(&home, "a").map(|process| process.pid), Some(ours.id()));
        let path = home.pid_file("b");
        let mut file: PidFile = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        file.start_ticks -= 1; // as if the number had been given to another process since
        home.write(&path, &serde_json::to_string(&file).unwrap()).unwrap();
        assert!(running(&home, "b").is_none() && running(&home, "w").is_none());

        assert_eq!(stop(&home, &NODES).await, Ok(vec!["a".to_owned()]));
        assert!(ours.try_wait().unwrap().is_some(), "it has ended");
        assert!(foreign.try_wait().unwrap().is_none(), "it runs on");
        foreign.kill().unwrap();
        foreign.wait().unwrap();
        assert!(!path.exists());
        assert_eq!(stop(&home, &NODES).await, Ok(Vec::new()));
    }

    #[test]
    fn a_process_of_another_boot_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let file = PidFile {
            pid: std::process::id(),
            start_ticks: start_of(std::process::id()).unwrap(),
            boot_id: "another".to_owned(),
        };
        home.write(&home.pid_file("a"), &serde_json::to_string(&file).unwrap()).unwrap();
        assert!(running(&home, "a").is_none());
    }

    #[test]
    fn a_node_that_ends_early_is_told_with_the_end_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let mut started = Started::default();
        started.children.push(("a".to_owned(), Command::new("false").spawn().unwrap()));
        home.write(&home.log("a"), "one\ntwo\nthree\nfour\nfive\nsix\n").unwrap();
        let told = loop {
            if let Err(failure) = started.check(&home) {
                break failure.to_string();
            }
            std::thread::yield_now();
        };
        assert!(told.starts_with("node a ended early (exit status: 1): two; ") && told.ends_with("; six"), "{told}");
    }
}
