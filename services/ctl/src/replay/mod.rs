//! Sends a file of requests through HTTP Proxies: those of one record in order, those of different records side by side, each
//! with retries until success. Never sends a request under two keys. Called by the verb `replay`.

mod report;
mod trace;
mod worker;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use futures::future::join_all;
use indicatif::ProgressBar;
use tokio::{sync::oneshot, time::Instant};

use self::worker::Worker;
pub(crate) use self::{
    report::{End, Meter, Report},
    trace::Trace,
    worker::end_of,
};
use crate::{cluster::Cluster, export, failure::Failure, http_client::Target};

/// The plan of a replay.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where requests go; the workers begin at them in turn.
    pub(crate) proxies: Vec<Target>,
    /// Workers, each with one request in flight.
    pub(crate) connections: usize,
    /// Time limit for the retries of one request.
    pub(crate) retry_for: Duration,
    /// Prefix of every key.
    pub(crate) run_id: String,
    /// Requests a second at most, over all workers.
    pub(crate) rate: Option<u32>,
}

/// Gives each request its turn, so that all workers together keep to a rate.
#[derive(Debug)]
struct Pace {
    began: Instant,
    rate: Option<u32>,
    given: AtomicUsize,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { began: Instant::now(), rate, given: AtomicUsize::new(0) }
    }

    async fn turn(&self) {
        if let Some(rate) = self.rate {
            let turn = Duration::from_secs_f64(self.given.fetch_add(1, Relaxed) as f64 / f64::from(rate));
            tokio::time::sleep_until(self.began + turn).await;
        }
    }
}

/// Reads the handles of a list's records, by record id.
pub(crate) async fn handles(cluster: &Cluster, list: &str) -> Result<HashMap<u64, u64>, Failure> {
    let columns = ["record_id", "handle"].map(str::to_owned);
    let mut export = export::begin(cluster, list, &columns, None).await?;
    let place = |name: &str| export.columns.iter().position(|column| column == name);
    let (Some(record_id), Some(handle)) = (place("record_id"), place("handle")) else {
        return Err(Failure::Refused(format!("the export of {list} lacks record_id or handle")));
    };
    let mut handles = HashMap::new();
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            let number = |place: usize| row.values.get(place).and_then(|text| text.parse().ok());
            if let (Some(record_id), Some(handle)) = (number(record_id), number(handle)) {
                handles.insert(record_id, handle);
            }
        }
    }
    Ok(handles)
}

/// Sends all requests, and returns the report.
pub(crate) async fn run(trace: Trace, plan: Plan, bar: &ProgressBar) -> Report {
    let tasks = Tasks::new();
    let meter = Arc::new(Meter::new(bar.clone()));
    let pace = Arc::new(Pace::new(plan.rate));
    let (trace, plan, next) = (Arc::new(trace), Arc::new(plan), Arc::new(AtomicUsize::new(0)));
    let workers = plan.connections.min(trace.records.len());
    let ends = (0..workers).map(|number| {
        let (finished, end) = oneshot::channel();
        let mut worker = Worker::new(number, plan.clone(), meter.clone(), pace.clone(), tasks.clone());
        let (trace, next) = (trace.clone(), next.clone());
        tasks.spawn("replay worker", AtEnd::Quiet, async move {
            // A free worker takes the next record: its requests stay in order, and no worker is left with a long queue.
            while let Some(record) = trace.records.get(next.fetch_add(1, Relaxed)) {
                worker.replay(record).await;
            }
            let _ = finished.send(()); // an interrupted command no longer waits
        });
        end
    });
    let ends: Vec<_> = ends.collect();
    join_all(ends).await;
    meter.report()
}
