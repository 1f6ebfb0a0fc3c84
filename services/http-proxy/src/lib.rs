//! HTTP Proxy: HTTP in, outbound messages out, and back.
//!
//! Contains no rule of records, no word of Raft, no durable state, and no configuration of its own: the node sends everything
//! over the link (architecture, services/http-proxy). Started by `node/supervisor`, as the process `ocs-http-proxy` or as a task inside the node.
//!
//! The way of a request: `listen` reads it, [`from_http`] translates it, `link` hands it over, [`to_http`] answers. A call of the REST
//! interface goes through [`from_api`] and [`to_api`] instead.

mod answer_body;
mod body;
mod certificates;
pub mod charset;
mod credential;
pub mod from_api;
pub mod from_http;
#[cfg(feature = "front")]
pub mod front;
mod guard;
mod health;
pub mod link;
mod listen;
pub mod log;
pub mod networks;
mod serve;
mod settings;
mod spans;
mod stats;
pub mod to_api;
pub mod to_http;

pub use stats::REFUSED;

use std::{sync::Arc, time::Duration};

use chassis::{
    descriptors,
    tasks::{AtEnd, Tasks},
};
use ocs_proto::link::{Configure, Listening, LogRecord, ToProxy};
use tokio::{
    net::{TcpListener, UnixStream},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    link::{FrameReader, FrameWriter, LINK_VERSIONS, LinkError, client::Link},
    listen::Listeners,
    log::LogSource,
    serve::{Port, Server},
    settings::{Settings, SettingsError},
    spans::SpanQueue,
    stats::{FLUSH_PERIOD, Stats},
};

/// Time limit for the node's configuration; without a configuration HTTP Proxy ends.
const CONFIGURE_PATIENCE: Duration = Duration::from_secs(30);
/// Most time for the answers to requests that the drain timeout cut off.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// After the link was lost, answers are written for so long before HTTP Proxy ends.
const LOST_PATIENCE: Duration = Duration::from_secs(1);
/// Time limit for writing the link's queue at the end.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// File descriptors kept for everything but connections that are served: those that are turned away, the link, the port, files.
const DESCRIPTORS_KEPT: u64 = 320;
/// The same for HTTP Proxy inside its node, whose log, state and peers come first.
const DESCRIPTORS_KEPT_IN_NODE: u64 = 4096;

/// Why HTTP Proxy ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The node sent no configuration.
    #[error("the node sent no configuration")]
    NotConfigured,
    /// The link broke or ended: there is no node.
    #[error("the connection with the node is lost{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    LinkLost(Option<LinkError>),
    /// The configuration cannot be used; the node has been told.
    #[error("{0}")]
    Settings(String),
    /// The port cannot be opened; the node has been told.
    #[error("cannot listen on {listen}: {reason}")]
    Bind {
        /// The configured address.
        listen: String,
        /// The system's error.
        reason: String,
    },
}

/// Serves until the node asks to drain, the link is lost, or `tasks` begin to stop (which drains, too).
pub async fn run(stream: UnixStream, tasks: Tasks) -> Result<(), ProxyError> {
    run_with_log(stream, tasks, None).await
}

/// The same, and log records go to the node.
pub async fn run_with_log(stream: UnixStream, tasks: Tasks, log: Option<LogSource>) -> Result<(), ProxyError> {
    let (reader, writer) = link::stream::split(stream).map_err(|error| ProxyError::LinkLost(Some(error.into())))?;
    let mut reader = FrameReader::new(reader);
    let (configure, first) = configure(&mut reader).await?;
    let in_flight_max = configure.requests_in_flight_max.max(1) as usize;
    let (link, wires) = link::client::open(reader, FrameWriter::new(writer), first, in_flight_max);
    let (finish, filters) = (CancellationToken::new(), link.log_filters());
    let (ended, link_end) = oneshot::channel();
    let running = wires.run(finish.clone());
    tasks.spawn("link", AtEnd::Quiet, async move {
        let _ = ended.send(running.await); // HTTP Proxy is ending already
    });
    let is_process = log.is_some();
    if let Some(source) = log {
        source.set_filter(&configure.log_filter);
        let queue = if configure.log_lines { None } else { Some(source.go_on_the_link()) };
        if queue.is_none() {
            source.go_as_lines();
        }
        tasks.spawn("log", AtEnd::Quiet, follow_log(source, queue, filters, link.clone()));
    }
    let kept = if is_process { DESCRIPTORS_KEPT } else { DESCRIPTORS_KEPT_IN_NODE };
    let outcome = match prepare(&configure).await {
        Ok((mut settings, ports)) => {
            settings.connections_max = places(settings.connections_max, kept);
            serve_until_told(settings, ports, &link, &tasks).await;
            Ok(())
        }
        Err(error) => {
            link.listening(listening(String::new(), error.to_string())).await;
            Err(error)
        }
    };
    let lost = link.lost().is_cancelled();
    finish.cancel();
    let link_end = tokio::time::timeout(FLUSH_PATIENCE, link_end).await;
    match outcome {
        Ok(()) if lost => Err(ProxyError::LinkLost(link_end.ok().and_then(Result::ok).and_then(Result::err))),
        outcome => outcome,
    }
}

/// The answer to the configuration.
fn listening(address: String, error: String) -> Listening {
    Listening { address, error, format_min: LINK_VERSIONS.min, format_max: LINK_VERSIONS.max }
}

/// How many connections can be served: as many as are configured, if there are file descriptors for them.
fn places(connections_max: usize, kept: u64) -> usize {
    let limit = descriptors::limits();
    let places = limit.room_for(connections_max, kept);
    if places < connections_max {
        tracing::warn!(
            "http_proxy.connections_max is {connections_max}; {places} count, because this process may have {} file \
             descriptors: raise its hard limit (LimitNOFILE), or lower the setting",
            limit.soft
        );
    }
    places
}

/// The configuration, and the rest of its frame.
async fn configure(reader: &mut FrameReader<link::stream::ReadHalf>) -> Result<(Configure, ToProxy), ProxyError> {
    let frame = tokio::time::timeout(CONFIGURE_PATIENCE, reader.next::<ToProxy>()).await;
    let frame = frame.map_err(|_| ProxyError::NotConfigured)?;
    let frame = frame.map_err(|error| ProxyError::LinkLost(Some(error)))?;
    let mut frame = frame.ok_or(ProxyError::NotConfigured)?;
    let configure = frame.configure.take().ok_or(ProxyError::NotConfigured)?;
    Ok((configure, frame))
}

/// Checks the settings, then opens every port, or none.
async fn prepare(configure: &Configure) -> Result<(Settings, Vec<(TcpListener, Arc<Port>)>), ProxyError> {
    let settings = Settings::from_configure(configure);
    let settings = settings.map_err(|error: SettingsError| ProxyError::Settings(error.to_string()))?;
    let mut ports = Vec::new();
    for one in &settings.listeners {
        match listen::bind(&one.listen).await {
            Ok((listener, address)) => {
                let port = Port { scheme: one.scheme(), address: address.to_string(), tls: one.tls.clone() };
                ports.push((listener, Arc::new(port)));
            }
            Err(error) => return Err(ProxyError::Bind { listen: one.listen.clone(), reason: error.to_string() }),
        }
    }
    Ok((settings, ports))
}

/// Serves, then finishes the requests in flight.
async fn serve_until_told(settings: Settings, ports: Vec<(TcpListener, Arc<Port>)>, link: &Link, tasks: &Tasks) {
    let (stats, connections, draining) = (Arc::new(Stats::default()), TaskTracker::new(), CancellationToken::new());
    let _ends_with_this = draining.clone().drop_guard();
    let drain_timeout = settings.drain_timeout;
    let spans = Arc::new(SpanQueue::default());
    let _traces_are_on = settings.sampler.and_then(|_| spans.install());
    for (_, port) in &ports {
        tracing::info!(address = %port.address, scheme = port.scheme, "HTTP Proxy listens");
    }
    let addresses: Vec<&str> = ports.iter().map(|(_, port)| port.address.as_str()).collect();
    link.listening(listening(addresses.join(", "), String::new())).await;
    tasks.spawn("certificates", AtEnd::Quiet, certificates::follow(settings.certificates(), link.clone()));
    let server = Arc::new(Server::new(settings, link.clone(), stats.clone()));
    let accepting = listen::accept(Listeners::new(ports), server, tasks.clone(), connections.clone(), draining.clone());
    let (closes, closed) = oneshot::channel::<()>();
    let accepting = connections.track_future(async move {
        accepting.await;
        drop(closes); // the ports are closed
    });
    tasks.spawn("http listener", AtEnd::Quiet, accepting);
    flush_until_told((&stats, &spans), link, tasks).await;
    draining.cancel();
    connections.close();
    let _ = closed.await; // an end without a message is the message
    link.port_closed().await;
    let patience = if link.lost().is_cancelled() { LOST_PATIENCE } else { drain_patience(drain_timeout, link) };
    let mut drained = tokio::select! {
        drained = tokio::time::timeout(patience, connections.wait()) => drained.is_ok(),
        () = lost_for(link, LOST_PATIENCE) => false,
    };
    if !drained && !link.lost().is_cancelled() {
        tracing::warn!(
            "{} connections are open at the drain timeout: requests in flight are answered now",
            connections.len()
        );
        link.end_waits();
        drained = tokio::time::timeout(LAST_ANSWERS, connections.wait()).await.is_ok();
    }
    if !drained {
        tracing::warn!("{} connections did not end in time", connections.len());
    }
    flush((&stats, &spans), link).await;
}

/// Passes counters and spans on.
async fn flush((stats, spans): (&Stats, &SpanQueue), link: &Link) {
    if let Some(counted) = stats.take() {
        link.stats(counted).await;
    }
    let ended = spans.take();
    if !ended.is_empty() {
        link.spans(ended).await;
    }
}

/// Time for the requests in flight, which leaves time for the last answers before the node ends HTTP Proxy by force.
fn drain_patience(drain_timeout: Duration, link: &Link) -> Duration {
    let Some(within) = link.drain_within() else { return drain_timeout };
    drain_timeout.min(within - LAST_ANSWERS.min(within / 4))
}

/// Passes counters and spans on until the drain begins.
async fn flush_until_told(counted: (&Stats, &SpanQueue), link: &Link, tasks: &Tasks) {
    let stopping = tasks.stopping();
    loop {
        tokio::select! {
            () = link.drain().cancelled() => return,
            () = link.lost().cancelled() => return,
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(FLUSH_PERIOD) => {}
        }
        flush(counted, link).await;
    }
}

async fn lost_for(link: &Link, patience: Duration) {
    link.lost().cancelled().await;
    tokio::time::sleep(patience).await;
}

/// Hands records over the link, where the node reads them there, and takes the node's changes of the levels.
async fn follow_log(
    source: LogSource,
    mut queue: Option<mpsc::Receiver<LogRecord>>,
    mut filters: watch::Receiver<String>,
    link: Link,
) {
    loop {
        tokio::select! {
            biased;
            Ok(()) = filters.changed() => {
                let filter = filters.borrow_and_update().clone();
                source.set_filter(&filter);
            }
            Some(record) = next_of(&mut queue) => link.log(record).await,
            () = link.lost().cancelled() => return,
        }
    }
}

async fn next_of(queue: &mut Option<mpsc::Receiver<LogRecord>>) -> Option<LogRecord> {
    match queue {
        Some(queue) => queue.recv().await,
        None => std::future::pending().await,
    }
}
