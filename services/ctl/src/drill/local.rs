//! Kills, stops and continues processes of nodes on this machine. Never touches anything but an ocsd here. Called by `drill`.

#[cfg(test)]
mod tests;

use std::{
    fs,
    net::IpAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{failure::Failure, group::NodeAnswer};

/// The only program that is ever touched.
const PROGRAM: &str = "ocsd";
/// The keeper of a stopped process: continues process $1 once the keeper's standard input ends, as happens at every end of
/// the drill, or after $2 seconds.
const KEEPER: &str = "timeout \"$2\" cat >/dev/null; kill -CONT \"$1\"";
/// Longer than a process is ever stopped: `UNAVAILABLE_MAX` and a bit.
const STOPPED_SECONDS_MAX: &str = "75";

/// A process that was found to be a node's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(Pid);

/// The process of a node, or why the drill leaves the process alone.
pub(crate) fn process(seen: &NodeAnswer<'_>) -> Result<Process, Failure> {
    let address = &seen.node.address;
    if !is_loopback(address) {
        let why = format!("{address} is not on this machine: only a node reached over loopback is touched");
        return Err(Failure::Refused(why));
    }
    let pid = seen.status().map(|status| status.pid).unwrap_or_default();
    let number = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    match number {
        Some(number) if is_node(Path::new("/proc"), pid) => Ok(Process(number)),
        _ => Err(Failure::Refused(format!("process {pid} on this machine is not an {PROGRAM}: it is left alone"))),
    }
}

impl Process {
    /// Its number.
    pub(crate) fn number(self) -> u32 {
        self.0.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills the process; returns the moment before.
    pub(crate) fn kill(self) -> Result<Instant, Failure> {
        let moment = Instant::now();
        self.signal(Signal::KILL).map(|()| moment)
    }

    /// Stops the process until the guard is dropped, or the drill ends in any way; with the moment before.
    pub(crate) fn stop(self) -> Result<(Stopped, Instant), Failure> {
        let stopped = Stopped { process: self, keeper: self.keeper()? };
        let moment = Instant::now();
        self.signal(Signal::STOP).map(|()| (stopped, moment))
    }

    /// Starts the keeper in a process group of its own: a lost terminal or Ctrl-C ends the drill and not the keeper.
    fn keeper(self) -> Result<Child, Failure> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh", &self.number().to_string(), STOPPED_SECONDS_MAX]).process_group(0);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let refused =
            |error: std::io::Error| format!("nothing is stopped without a process that lets it go on: sh: {error}");
        spawned.map_err(|error| Failure::Refused(refused(error)))
    }

    fn signal(self, signal: Signal) -> Result<(), Failure> {
        kill_process(self.0, signal)
            .map_err(|error| Failure::Refused(format!("cannot signal process {}: {error}", self.number())))
    }
}

/// A stopped process, continued on drop.
#[derive(Debug)]
pub(crate) struct Stopped {
    process: Process,
    keeper: Child,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.process.signal(Signal::CONT); // the process may have ended
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait(); // the keeper's input has ended, so the keeper ends
    }
}

/// An address or `localhost`; any other name could be anywhere.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a process is a node: by the name of its executable, or of the process where the executable may not be read.
fn is_node(proc: &Path, pid: u32) -> bool {
    let dir = proc.join(pid.to_string());
    match fs::read_link(dir.join("exe")) {
        Ok(program) => {
            let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.trim_end_matches(" (deleted)") == PROGRAM // so the kernel marks a file that was replaced
        }
        Err(_) => fs::read_to_string(dir.join("comm")).is_ok_and(|name| name.trim_end() == PROGRAM),
    }
}
