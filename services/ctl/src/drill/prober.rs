//! Updates at a fixed rate, through the proxies in turn, regardless of the fate of earlier updates. Never sends an update
//! twice. Called by `drill`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use chassis::tasks::{AtEnd, Tasks};
use tokio::{sync::Semaphore, time::MissedTickBehavior};

use crate::http_client::{Connection, NoAnswer, Post, Target};

/// Most updates in flight; at 200 a second, 20 s of silence.
const IN_FLIGHT_MAX: usize = 4096;
/// Longer than one update may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The fate of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200: the update must be in the list.
    Acked,
    /// Refused with this status, or not delivered (0): the update should not be in the list.
    Failed(u16),
    /// Broken connection, no answer, 502 or 504: the update may be in the list.
    Unknown,
}

/// One update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    /// Number of the update, of which its phone is made.
    pub(crate) number: u64,
    /// Index of the proxy.
    pub(crate) proxy: usize,
    /// When the update was sent.
    pub(crate) sent: Instant,
    /// When the outcome was known.
    pub(crate) done: Instant,
    /// The outcome.
    pub(crate) outcome: Outcome,
}

impl Probe {
    /// Whether the update was sent after a moment and acknowledged.
    pub(crate) fn acked_since(&self, moment: Instant) -> bool {
        self.outcome == Outcome::Acked && self.sent > moment
    }
}

/// The phone of an update: no two are the same in a drill.
pub(crate) fn phone(number: u64) -> String {
    format!("+999{number:09}")
}

/// All updates of a drill.
#[derive(Debug)]
pub(crate) struct Probes {
    /// In the order in which they ended.
    pub(crate) probes: Vec<Probe>,
    /// The node behind each proxy, if an answer named one.
    pub(crate) nodes: Vec<Option<String>>,
    /// Updates not sent, because too many were in flight.
    pub(crate) skipped: u64,
}

/// Sends updates until [`Prober::stop`].
#[derive(Debug)]
pub(crate) struct Prober {
    shared: Arc<Probing>,
    tasks: Tasks,
    connections: Tasks,
}

#[derive(Debug)]
struct Probing {
    path: String,
    run_id: u64,
    proxies: Vec<Proxy>,
    probes: Mutex<Vec<Probe>>,
    in_flight: Arc<Semaphore>,
    skipped: AtomicU64,
    connections: Tasks,
}

#[derive(Debug)]
struct Proxy {
    target: Target,
    node: OnceLock<String>,
    idle: Mutex<Vec<Connection>>,
}

impl Prober {
    /// Begins to send at once.
    pub(crate) fn start(list: &str, targets: Vec<Target>, rate: u32) -> Self {
        let (tasks, connections) = (Tasks::new(), Tasks::new());
        let proxy = |target| Proxy { target, node: OnceLock::new(), idle: Mutex::default() };
        let shared = Arc::new(Probing {
            path: format!("/lists/{list}?req=AddRecord"),
            run_id: rand::random(),
            proxies: targets.into_iter().map(proxy).collect(),
            probes: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            skipped: AtomicU64::new(0),
            connections: connections.clone(),
        });
        tasks.spawn("prober", AtEnd::Quiet, every(Duration::from_secs(1) / rate, shared.clone(), tasks.clone()));
        Self { shared, tasks, connections }
    }

    /// Reads the updates that have ended so far.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&[Probe]) -> T) -> T {
        at(&lock(&self.shared.probes))
    }

    /// The node behind a proxy, once an answer has named one.
    pub(crate) fn node_of(&self, proxy: usize) -> Option<String> {
        self.shared.proxies.get(proxy)?.node.get().cloned()
    }

    /// Stops sending, waits for the updates in flight, and returns all updates.
    pub(crate) async fn stop(&self) -> Probes {
        self.tasks.drain(DRAIN_TIMEOUT).await; // each update ends within its own time
        self.shared.proxies.iter().for_each(|proxy| lock(&proxy.idle).clear());
        self.connections.stop();
        let nodes = self.shared.proxies.iter().map(|proxy| proxy.node.get().cloned()).collect();
        let probes = std::mem::take(&mut *lock(&self.shared.probes));
        Probes { probes, nodes, skipped: self.shared.skipped.load(Relaxed) }
    }
}

async fn every(interval: Duration, shared: Arc<Probing>, tasks: Tasks) {
    let stopping = tasks.stopping();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst); // the rate is kept over a hiccup of this machine
    for number in 0.. {
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Ok(permit) = shared.in_flight.clone().try_acquire_owned() else {
            shared.skipped.fetch_add(1, Relaxed);
            continue;
        };
        let shared = shared.clone();
        tasks.spawn("probe", AtEnd::Quiet, async move {
            shared.probe(number).await;
            drop(permit);
        });
    }
}

impl Probing {
    async fn probe(&self, number: u64) {
        let proxy = number as usize % self.proxies.len();
        let post = Post {
            path: self.path.clone(),
            key: format!("drill-{:016x}-{number}", self.run_id),
            body: format!("{{\"GSW_PHONE\":\"{}\"}}", phone(number)).into(),
        };
        let sent = Instant::now();
        let outcome = self.send(&self.proxies[proxy], &post).await;
        let mut probes = lock(&self.probes);
        let done = Instant::now(); // under the lock, so that they stand in the order in which they ended
        probes.push(Probe { number, proxy, sent, done, outcome });
    }

    /// Sends on an idle connection; opens a new connection if every idle one turns out to be closed.
    async fn send(&self, proxy: &Proxy, post: &Post) -> Outcome {
        loop {
            let idle = lock(&proxy.idle).pop();
            let reused = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => match Connection::open(&proxy.target, &self.connections).await {
                    Ok(connection) => connection,
                    Err(_) => return Outcome::Failed(0),
                },
            };
            let answer = match connection.send(post).await {
                Ok(answer) => answer,
                Err(NoAnswer::NotConnected) if reused => continue,
                Err(NoAnswer::NotConnected) => return Outcome::Failed(0),
                Err(NoAnswer::Broken | NoAnswer::TimedOut) => return Outcome::Unknown,
            };
            if let Some(node) = answer.node {
                proxy.node.get_or_init(|| node);
            }
            lock(&proxy.idle).push(connection);
            return outcome(answer.status);
        }
    }
}

fn outcome(status: u16) -> Outcome {
    match status {
        200 => Outcome::Acked,
        502 | 504 => Outcome::Unknown, // 502: a load balancer lost its connection
        status => Outcome::Failed(status),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_an_acknowledgement_and_only_silence_is_unknown() {
        assert_eq!(outcome(200), Outcome::Acked);
        assert_eq!(outcome(504), Outcome::Unknown);
        assert_eq!(outcome(503), Outcome::Failed(503));
        assert_eq!(outcome(202), Outcome::Failed(202));
    }

    #[test]
    fn no_two_updates_have_the_same_phone() {
        assert_ne!(phone(1), phone(10));
        assert_eq!(phone(12), "+999000000012");
    }
}
