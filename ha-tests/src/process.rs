//! A process of ours: started, signalled, waited for, and ended with its owner. Never touches a process of another program.
//! Called by `cluster` and by tests.

use std::{
    env, fs,
    fs::OpenOptions,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::poll::until_some;

static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();

/// Sets the directory of the programs, before any is started.
pub fn programs_are_in(dir: &Path) {
    PROGRAMS.get_or_init(|| dir.to_owned());
}

/// The path of a program: where [`programs_are_in`] said, else two levels above the test.
///
/// # Panics
/// When the program was not built.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its own file");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let program = PROGRAMS.get().map_or(profile, PathBuf::as_path).join(name);
    assert!(program.exists(), "{} is missing: run cargo build --workspace --bins first", program.display());
    program
}

/// A command that sees none of the product's settings in our environment.
pub(crate) fn command(program: &Path) -> Command {
    without_settings(Command::new(program))
}

/// The same of a command that runs a program of ours.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("OCS")) {
        command.env_remove(name);
    }
    command
}

/// The same command under a umask, as a supervisor may hand it down: `000` takes no right away.
pub fn masked(plain: &Command, umask: &str) -> Command {
    let mut masked = Command::new("sh");
    masked.args(["-c", &format!("umask {umask} && exec \"$@\""), "sh"]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => masked.env(name, value),
            None => masked.env_remove(name),
        };
    }
    if let Some(dir) = plain.get_current_dir() {
        masked.current_dir(dir);
    }
    masked
}

/// A process whose output goes to a file.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the process; its output is appended to the file.
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Self {
        let open = || OpenOptions::new().create(true).append(true).open(output).expect("a temporary file opens");
        let started = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn();
        let child = started.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, name: name.to_owned(), ended: None }
    }

    /// Starts the process with a pipe without a reader as its standard error.
    pub fn start_unread(name: &str, command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = started.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, name: name.to_owned(), ended: None }
    }

    /// The pipe of [`Process::start_unread`], once.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("standard error is a pipe that nobody took")
    }

    /// The pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    /// Waits for the end: the exit code, or minus the signal.
    pub fn wait(&mut self) -> i32 {
        let what = format!("the end of {}", self.name);
        let status = until_some(&what, || self.ended());
        status.code().unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// kill -9, and waits.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::KILL);
            self.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill(); // the process may just have ended
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process that is ours, or our child's.
///
/// # Panics
/// When there is no such process.
pub fn signal_to(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a number");
    kill_process(pid, signal).expect("a process of ours takes a signal");
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
