//! HTTP Proxy as a process: `ocsd` starts it, with one end of a Unix socket pair as its standard input.

use std::{
    fs, io,
    os::{fd::AsFd, unix::net::UnixStream as StdUnixStream},
    process::ExitCode,
};

use chassis::{
    descriptors, logging, orphan, stop,
    tasks::{AtEnd, Tasks, worker_threads},
};
use http_proxy::{ProxyError, log, log::LogSource};
use tikv_jemallocator::Jemalloc;
use tokio::{
    net::UnixStream,
    signal::unix::{SignalKind, signal},
};

/// The score by which the OOM killer chooses its victim; a process inherits the score.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Most of a request's cost here are small allocations, which this allocator makes and frees faster than glibc's. Memory of a flood
/// of connections goes back to the system within seconds, which another fast allocator kept for good.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Two heaps for all threads, as in a node; freed memory goes back after a second by a thread of the allocator's own, since nothing is
/// allocated after a flood that would give the memory back on its way.
#[allow(unsafe_code)]
// SAFETY: the allocator reads the text behind this name once, up to its zero, before the first allocation.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8] = b"narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

/// Exit codes: 0 asked to end, 1 could not serve or lost the node, 2 not started by `ocsd`.
fn main() -> ExitCode {
    let Ok(stream) = link_from_stdin() else {
        eprintln!(
            "ocs-http-proxy: this program is started by ocsd, which hands it their link; it cannot be started alone"
        );
        return ExitCode::from(2);
    };
    match run(stream) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            logging::last_words(&format!("ocs-http-proxy: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Logs, watches the node, and serves until the end.
fn run(stream: StdUnixStream) -> Result<(), String> {
    let source = log::init().map_err(|error| format!("cannot start: {error}"))?;
    orphan::end_with_parent(&stream).map_err(|error| format!("cannot watch its node: {error}"))?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(worker_threads()).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let ended = runtime.block_on(serve(stream, source)).map_err(|error| error.to_string());
    logging::flush();
    ended
}

/// The link: standard input, which must be a Unix socket.
fn link_from_stdin() -> io::Result<StdUnixStream> {
    let stream = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr()?; // fails for everything else
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// A service manager protects the node from the OOM killer; HTTP Proxy, which starts again in no time, goes before its node.
fn give_up_protection() -> io::Result<()> {
    let score = fs::read_to_string(OOM_SCORE)?;
    if score.trim().parse::<i32>().is_ok_and(|score| score < 0) {
        fs::write(OOM_SCORE, "0")?;
    }
    Ok(())
}

async fn serve(stream: StdUnixStream, source: LogSource) -> Result<(), ProxyError> {
    if let Err(error) = descriptors::raise() {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised to the hard one");
    }
    if let Err(error) = give_up_protection() {
        tracing::warn!(%error, "{OOM_SCORE} cannot be set");
    }
    let tasks = Tasks::new();
    let broken = |error| ProxyError::LinkLost(Some(http_proxy::link::LinkError::Io(error)));
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut hangups = stop::Hangups::listen().map_err(broken)?;
    let stopping = tasks.stopping();
    tasks.spawn("log sums and signals", AtEnd::Log, async move {
        tokio::select! {
            never = hangups.tell("nothing is reloaded here: HTTP Proxy gets everything from its node, which takes SIGHUP") => match never {},
            () = logging::sum_up() => {}
            () = stopping.cancelled() => {}
        }
    });
    let stream = UnixStream::from_std(stream).map_err(broken)?;
    let running = http_proxy::run_with_log(stream, tasks.clone(), Some(source));
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        _ = terminate.recv() => tasks.stop(),
    }
    running.await
}
