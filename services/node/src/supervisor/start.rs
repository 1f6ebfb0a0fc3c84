//! One run of HTTP Proxy, as a process or as a task, with the link to it. Called by `supervisor` alone.
//!
//! The process gets its end of a Unix socket pair as standard input, so that every end of this node ends the process too.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use node_config::{ProxySettings, RunAs};
use ocs_proto::link::Configure;
use tokio::{
    io::BufReader,
    net::UnixStream,
    process::{Child, Command},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{processor, stderr};
use crate::{
    link::{LinkEvent, ProxyHandler, ProxyLink},
    restart::Sign,
};

/// Name of the program beside this program.
const PROGRAM: &str = "ocs-http-proxy";
/// How long the last events and the last lines are read after HTTP Proxy has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An event that the supervisor waits for.
#[derive(Debug)]
pub(super) enum Happening {
    /// The port is open, at this address, and the link has this version.
    Listening(String, u32),
    /// The port is not open, for this reason.
    BindFailed(String),
    /// The port is closed by order; requests in flight go on.
    PortClosed,
    /// HTTP Proxy gives no sign of life.
    StandsStill,
    /// The link ended, and HTTP Proxy has not ended yet.
    LinkLost,
    /// HTTP Proxy has ended, in this way.
    Ended(String),
}

/// An HTTP Proxy that was started.
pub(super) struct Running {
    link: ProxyLink,
    events: mpsc::Receiver<LinkEvent>,
    link_ended: bool,
    end: oneshot::Receiver<String>,
    ended: Option<String>,
    kill: CancellationToken,
    run_as: RunAs,
    pid: u32,
    /// Processor time at the last check; none: a frame has come since.
    used: Option<u64>,
}

impl Running {
    /// Starts an HTTP Proxy; the error says why that failed.
    pub(super) fn start<H: ProxyHandler>(
        settings: &ProxySettings,
        configure: Configure,
        handler: Arc<H>,
        tasks: &Tasks,
    ) -> Result<Self, String> {
        let kill = CancellationToken::new();
        let (stream, pid, end) = match settings.run_as {
            RunAs::Process => start_process(settings, &kill, tasks)?,
            RunAs::Task => start_task(&kill, tasks)?,
        };
        let (link, events) = ProxyLink::open(stream, configure, handler, tasks)
            .map_err(|error| format!("cannot watch the link to HTTP Proxy: {error}"))?;
        let run_as = settings.run_as;
        Ok(Self { link, events, link_ended: false, end, ended: None, kill, run_as, pid, used: None })
    }

    /// Whether this HTTP Proxy is a process or a task.
    pub(super) fn run_as(&self) -> RunAs {
        self.run_as
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks HTTP Proxy to finish and to end; `within`: the time until the kill, where the node stops.
    pub(super) fn drain(&self, within: Option<Duration>) {
        self.link.drain(within);
    }

    /// Gives HTTP Proxy's log other levels; those of a task are the node's own.
    pub(super) fn set_log_filter(&self, filter: &str) {
        self.link.set_log_filter(filter);
    }

    /// The sign of life since the last call.
    pub(super) fn sign(&mut self) -> Sign {
        if self.link.heard() {
            self.used = None;
            return Sign::Frame;
        }
        let before = self.used;
        self.used = processor::used(self.pid);
        if self.used > before && before.is_some() { Sign::Work } else { Sign::Nothing }
    }

    /// Asks HTTP Proxy for a sign of life.
    pub(super) fn ask_echo(&self, id: u64) {
        self.link.ask_echo(id);
    }

    /// Ends HTTP Proxy now.
    pub(super) fn kill(&self) {
        self.kill.cancel();
    }

    /// The next event; the end of HTTP Proxy comes last. Safe to cancel.
    pub(super) async fn next(&mut self) -> Happening {
        loop {
            if let Some(how) = &self.ended {
                let how = how.clone();
                match tokio::time::timeout(LAST_WORDS, self.events.recv()).await {
                    Ok(Some(event)) if event != LinkEvent::Ended => return told(event),
                    _ => return Happening::Ended(how),
                }
            }
            tokio::select! {
                biased;
                event = self.events.recv(), if !self.link_ended => {
                    let event = event.unwrap_or(LinkEvent::Ended);
                    self.link_ended = event == LinkEvent::Ended;
                    return told(event);
                }
                how = &mut self.end => self.ended = Some(how.unwrap_or_else(|_| "it panicked".into())),
            }
        }
    }
}

fn told(event: LinkEvent) -> Happening {
    match event {
        LinkEvent::Listening(address, version) => Happening::Listening(address, version),
        LinkEvent::BindFailed(why) => Happening::BindFailed(why),
        LinkEvent::PortClosed => Happening::PortClosed,
        LinkEvent::Ended => Happening::LinkLost,
    }
}

/// The node's end of the link, the process, and the message of its end.
type Started = (UnixStream, u32, oneshot::Receiver<String>);

// === as a process ===

fn start_process(settings: &ProxySettings, kill: &CancellationToken, tasks: &Tasks) -> Result<Started, String> {
    let program = program(settings).map_err(|error| format!("cannot tell where {PROGRAM} is: {error}"))?;
    let cannot = |error: io::Error| format!("cannot start {}: {error}", program.display());
    let (ours, theirs) = StdUnixStream::pair().map_err(cannot)?;
    ours.set_nonblocking(true).map_err(cannot)?;
    let mut child = Command::new(&program)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0) // a Ctrl-C in the terminal is for the node, which then drains its HTTP Proxy
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot)?;
    let (reads, all_read) = oneshot::channel::<()>();
    if let Some(output) = child.stderr.take() {
        tasks.spawn("proxy stderr", AtEnd::Quiet, async move {
            stderr::log_lines(BufReader::new(output)).await;
            drop(reads);
        });
    }
    let pid = child.id().unwrap_or_default();
    let (ended, end) = oneshot::channel();
    let kill = kill.clone();
    tasks.spawn("proxy process", AtEnd::Quiet, async move {
        let how = wait(child, kill).await;
        let _ = tokio::time::timeout(LAST_WORDS, all_read).await; // its last words come before the line about its end
        let _ = ended.send(how); // the supervisor has gone on
    });
    Ok((UnixStream::from_std(ours).map_err(cannot)?, pid, end))
}

fn program(settings: &ProxySettings) -> io::Result<PathBuf> {
    match &settings.program {
        Some(program) => Ok(program.clone()),
        None => Ok(std::env::current_exe()?.with_file_name(PROGRAM)),
    }
}

async fn wait(mut child: Child, kill: CancellationToken) -> String {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.cancelled() => {
            let _ = child.start_kill(); // the process may just have ended
            child.wait().await
        }
    };
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

// === as a task ===

fn start_task(kill: &CancellationToken, tasks: &Tasks) -> Result<Started, String> {
    let cannot = |error: io::Error| format!("cannot open the link: {error}");
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    let (ended, end) = oneshot::channel();
    let kill = kill.clone();
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let running = http_proxy::run(theirs, Tasks::new());
        let how = tokio::select! {
            result = running => result.map_or_else(|error| error.to_string(), |()| "as asked".to_owned()),
            () = kill.cancelled() => "killed".to_owned(),
        };
        let _ = ended.send(how); // the supervisor has gone on
    });
    Ok((ours, std::process::id(), end))
}
