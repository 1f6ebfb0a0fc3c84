//! A small bounded load: clients, each with a connection and one request at a time, for some seconds. Never sends a request again
//! after a failure: each sample is one request. Called by the verb `bench`.

pub(crate) mod list;
mod report;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use chassis::tasks::{AtEnd, Tasks};
use futures::future::join_all;
use indicatif::ProgressBar;
use tokio::sync::oneshot;

pub(crate) use self::report::BenchReport;
use self::worker::Worker;
use crate::{cli::BenchWhat, failure::Failure, http_client::Target, replay::Meter};

/// How long the clients get to finish their requests after an interruption.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The requests of a load.
#[derive(Debug)]
pub(crate) enum Work {
    /// Updates of records with these handles.
    Update(Vec<u64>),
    /// Reads of records with these handles.
    Get(Vec<u64>),
    /// Previews from the campaign group with this DBID.
    Preview(u32),
}

impl Work {
    /// As on the command line.
    pub(crate) fn word(&self) -> &'static str {
        let what = match self {
            Self::Update(_) => BenchWhat::Update,
            Self::Get(_) => BenchWhat::Get,
            Self::Preview(_) => BenchWhat::Preview,
        };
        what.word()
    }
}

/// The plan of a load.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where requests go; the clients begin at them in turn. Never empty.
    pub(crate) targets: Vec<Target>,
    /// Clients.
    pub(crate) clients: usize,
    /// Time from the first request to the last.
    pub(crate) lasts: Duration,
    /// The requests.
    pub(crate) work: Work,
}

/// The parts that all clients of a load share.
struct Shared {
    plan: Plan,
    /// Prefix of every key: no two loads have the same.
    run_id: u64,
    meter: Meter,
    /// Connections live here.
    connections: Tasks,
    /// A preview found no record to hand out.
    is_dry: AtomicBool,
    /// Records that were handed out and not taken back.
    kept: AtomicU64,
}

/// Runs the load, and returns the figures. Ctrl-C ends the load early.
///
/// # Errors
/// A front end takes no connection.
pub(crate) async fn run(plan: Plan) -> Result<BenchReport, Failure> {
    let (tasks, connections) = (Tasks::new(), Tasks::new());
    let opened = Worker::connect_all(&plan, &connections).await?;
    let (clients, lasts, what) = (plan.clients, plan.lasts, plan.work.word());
    let shared = Arc::new(Shared {
        plan,
        run_id: rand::random(),
        meter: Meter::new(ProgressBar::hidden()),
        connections: connections.clone(),
        is_dry: AtomicBool::new(false),
        kept: AtomicU64::new(0),
    });
    let until = Instant::now() + lasts;
    let ends: Vec<_> = (0..)
        .zip(opened)
        .map(|(number, connection)| {
            let (finished, end) = oneshot::channel();
            let (mut worker, stopping) = (Worker::new(number, connection, shared.clone()), tasks.stopping());
            tasks.spawn("bench client", AtEnd::Quiet, async move {
                while Instant::now() < until && !stopping.is_cancelled() && worker.sample().await {}
                let _ = finished.send(()); // an interrupted command no longer waits
            });
            end
        })
        .collect();
    tokio::select! {
        _ = join_all(ends) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let figures = shared.meter.report();
    tasks.drain(DRAIN_TIMEOUT).await;
    connections.stop();
    let dry = shared.is_dry.load(Relaxed);
    Ok(BenchReport::new(what, clients, figures, dry, shared.kept.load(Relaxed)))
}
