//! Steady load: clients that add records, all with an Idempotency-Key or all without, and fail over to the other HTTP Proxy as
//! real clients do. Remembers every request, so that lost and doubled records show. Called by `cluster` and by tests.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    cluster::Cluster,
    http::{Answer, Client},
    poll::{PATIENCE, until},
};

/// Pace of one client: between an answer and its next request.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause of a client that sends head and body in segments of their own.
const BODY_PAUSE: Duration = Duration::from_millis(2);
/// Pause between two attempts at one request.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Gives every client of this process a range of phones of its own.
static WORKERS: AtomicU64 = AtomicU64::new(0);

/// A client's HTTP Proxy, and its name.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in the report.
    pub home: String,
    /// host:port; after a failure of the first, clients try the others in turn.
    pub addresses: Vec<String>,
}

/// The outcome of one request.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The phone of the added record; unique.
    pub phone: String,
    /// The first address.
    pub home: String,
    /// The handle that was acknowledged; none: never.
    pub handle: Option<u64>,
    /// Failures at the first address.
    pub home_failures: Vec<String>,
    /// Failures at other addresses.
    pub other_failures: Vec<String>,
    /// From the first attempt to the acknowledgement.
    pub took: Duration,
}

/// Load that runs until the test stops the clients.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acked: BTreeMap<String, Arc<AtomicU64>>,
    workers: Vec<JoinHandle<Vec<Sent>>>,
    list: String,
}

impl Load {
    /// Starts so many clients for each target.
    pub fn start(list: &str, targets: &[Target], workers_each: usize) -> Self {
        Self::start_with(list, targets, workers_each, true)
    }

    /// The same with clients that send no key, and therefore never retry: a failure is final. Every second client sends head and
    /// body in segments of their own.
    pub fn start_keyless(list: &str, targets: &[Target], workers_each: usize) -> Self {
        Self::start_with(list, targets, workers_each, false)
    }

    fn start_with(list: &str, targets: &[Target], workers_each: usize, keyed: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { stop, acked: BTreeMap::new(), workers: Vec::new(), list: list.to_owned() };
        for target in targets {
            let acked = load.acked.entry(target.home.clone()).or_default().clone();
            for _ in 0..workers_each {
                let number = WORKERS.fetch_add(1, Relaxed);
                let client = |address: &String| match Client::new(address) {
                    client if keyed || number.is_multiple_of(2) => client,
                    client => client.with_body_apart(BODY_PAUSE),
                };
                let worker = Worker {
                    list: list.to_owned(),
                    keyed,
                    number,
                    target: target.clone(),
                    clients: target.addresses.iter().map(client).collect(),
                };
                let (stop, acked) = (load.stop.clone(), acked.clone());
                load.workers.push(thread::spawn(move || worker.run(&stop, &acked)));
            }
        }
        load
    }

    /// Waits until so many more requests of every home were acknowledged.
    pub fn wait_more(&self, more: u64) {
        let before: Vec<u64> = self.acked.values().map(|acked| acked.load(Relaxed)).collect();
        until(&format!("{more} more acknowledgements everywhere"), || {
            self.acked.values().zip(&before).all(|(acked, before)| acked.load(Relaxed) >= before + more)
        });
    }

    /// Stops each client after its request in hand.
    pub fn stop(mut self) -> Loaded {
        self.stop.store(true, Relaxed);
        let sent = self.workers.drain(..).flat_map(|worker| worker.join().expect("a client does not panic")).collect();
        Loaded { sent, list: self.list.clone() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// The result of the load.
#[derive(Debug)]
pub struct Loaded {
    /// Every request.
    pub sent: Vec<Sent>,
    list: String,
}

impl Loaded {
    /// Both loads as one.
    pub fn and(mut self, other: Self) -> Self {
        self.sent.extend(other.sent);
        self
    }

    /// Asserts that no client saw an error at a home: neither the home's own clients nor clients that came from the other.
    ///
    /// # Panics
    /// When a client saw an error there.
    pub fn assert_no_failure_at(&self, home: &str) {
        let of = |sent: &Sent| if sent.home == home { sent.home_failures.clone() } else { sent.other_failures.clone() };
        let named = |sent: &Sent| of(sent).into_iter().map(|why| format!("{}: {why}", sent.phone)).collect::<Vec<_>>();
        let failures: Vec<String> = self.sent.iter().flat_map(named).collect();
        assert!(
            failures.is_empty(),
            "clients of {home} saw {} errors: {:?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
    }

    /// Asserts that every request ended in an acknowledgement, and that each node holds each record exactly once, under the
    /// handle that was told, and nothing else; and that both nodes' digests agree.
    ///
    /// # Panics
    /// When a record is missing or is there twice.
    pub fn assert_exactly_once(&self, cluster: &Cluster) {
        self.assert_exactly_once_beside(cluster, &[]);
    }

    /// The same where the list holds records of these phones besides.
    ///
    /// # Panics
    /// As [`Loaded::assert_exactly_once`].
    pub fn assert_exactly_once_beside(&self, cluster: &Cluster, besides: &[&str]) {
        let lost: Vec<&Sent> = self.sent.iter().filter(|sent| sent.handle.is_none()).collect();
        assert!(lost.is_empty(), "{} requests were never acknowledged, the first: {:?}", lost.len(), lost.first());
        cluster.assert_equal();
        let told: BTreeMap<(String, String), u64> = self.counted(
            self.sent
                .iter()
                .map(|sent| (sent.phone.clone(), sent.handle.map(|handle| handle.to_string()).unwrap_or_default())),
        );
        for node in ["a", "b"] {
            let mut rows = cluster.export(&self.list, node);
            rows.retain(|row| !besides.contains(&row["contact_info"].as_str()));
            let held = self.counted(rows.iter().map(|row| (row["contact_info"].clone(), row["handle"].clone())));
            let missing: Vec<_> = told.keys().filter(|key| !held.contains_key(*key)).collect();
            let surplus: Vec<_> = held.iter().filter(|(key, n)| !told.contains_key(*key) || **n > 1).collect();
            assert!(missing.is_empty(), "{node} lost {} of {}: {:?} …", missing.len(), told.len(), missing.first());
            assert!(surplus.is_empty(), "{node} holds {} too many: {:?} …", surplus.len(), surplus.first());
        }
    }

    fn counted(&self, keys: impl Iterator<Item = (String, String)>) -> BTreeMap<(String, String), u64> {
        let mut counts = BTreeMap::new();
        keys.for_each(|key| *counts.entry(key).or_default() += 1);
        counts
    }
}

/// One client.
struct Worker {
    list: String,
    /// Each request has an Idempotency-Key.
    keyed: bool,
    number: u64,
    target: Target,
    clients: Vec<Client>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool, acked: &AtomicU64) -> Vec<Sent> {
        let mut sent = Vec::new();
        while !stop.load(Relaxed) {
            let phone = format!("+999{:03}{:07}", self.number, sent.len());
            let one = self.add(phone);
            acked.fetch_add(one.handle.is_some().into(), Relaxed);
            sent.push(one);
            thread::sleep(PAUSE);
        }
        sent
    }

    fn add(&mut self, phone: String) -> Sent {
        let (begun, home) = (Instant::now(), self.target.home.clone());
        let mut sent =
            Sent { phone, home, handle: None, home_failures: vec![], other_failures: vec![], took: Duration::ZERO };
        for attempt in 0.. {
            let at = attempt % self.clients.len();
            let failure = match self.attempt(at, &sent.phone) {
                Ok(answer) if answer.status == 200 => {
                    sent.handle = Some(answer.handle());
                    break;
                }
                Ok(answer) => format!("{} {}", answer.status, answer.body),
                Err(error) => error.to_string(),
            };
            let failures = if at == 0 { &mut sent.home_failures } else { &mut sent.other_failures };
            failures.push(format!("after {:?}: {failure}", begun.elapsed()));
            if !self.keyed || begun.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(RETRY_PAUSE);
        }
        sent.took = begun.elapsed();
        sent
    }

    fn attempt(&mut self, at: usize, phone: &str) -> io::Result<Answer> {
        let target = format!("/lists/{}?req=AddRecord", self.list);
        let body = format!("{{\"GSW_PHONE\":\"{phone}\"}}");
        let key = format!("load-{phone}");
        let headers = [("Idempotency-Key", key.as_str())];
        self.clients[at].send("POST", &target, if self.keyed { &headers } else { &[] }, &body)
    }
}
