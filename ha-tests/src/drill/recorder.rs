//! Many clients through both HTTP Proxies, and the history of all their calls, with times of one clock. Never judges: `verdict`
//! does. Called by `stage`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    call::{Call, Clock, Ended},
    caller::Caller,
};
use crate::poll::until;

/// Records that clients ask about at a time: few, so that they meet.
const RECORDS_MAX: usize = 10;
/// Pace of one client: between an answer and its next request. Eight clients send some 200 updates a second.
const PAUSE: Duration = Duration::from_millis(18);
/// Clients of each HTTP Proxy.
const CLIENTS_EACH: u64 = 4;

/// The nodes and the list of one history's clients.
#[derive(Debug, Clone)]
pub struct Load {
    /// The list of added records.
    pub list: String,
    /// The nodes and the addresses of their HTTP Proxies.
    pub proxies: Vec<(&'static str, String)>,
    /// Time that a client waits for one answer.
    pub patience: Duration,
    /// Seed of the clients' choices.
    pub seed: u64,
    /// The number of the first call: no two histories of a group share one.
    pub first: u64,
}

/// State shared by all clients of a history.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) clock: Clock,
    pub(super) list: String,
    pub(super) proxies: Vec<(&'static str, String)>,
    pub(super) patience: Duration,
    calls: Mutex<Vec<Call>>,
    open: Mutex<Vec<u64>>,
    answered: Vec<AtomicU64>,
    numbers: AtomicU64,
    stop: AtomicBool,
}

impl Recording {
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// A record in use by the clients.
    pub(super) fn record(&self, drawn: usize) -> Option<u64> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(drawn % open.len().max(1)).copied()
    }

    pub(super) fn heard(&self, proxy: usize, answered: bool) {
        self.answered[proxy].fetch_add(answered.into(), Relaxed);
    }

    pub(super) fn record_call(&self, call: Call) {
        if let Ended::Added(handle) = call.ended {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push(handle);
            if open.len() > RECORDS_MAX {
                open.remove(0);
            }
        }
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// Clients at work. They end with the value.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Recording>,
    workers: Vec<JoinHandle<()>>,
    seed: u64,
}

impl Recorder {
    /// Starts the clients.
    pub fn start(clock: Clock, load: Load) -> Self {
        let Load { list, proxies, patience, seed, first } = load;
        let answered = proxies.iter().map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new(Recording {
            clock,
            list,
            proxies,
            patience,
            calls: Mutex::default(),
            open: Mutex::default(),
            answered,
            numbers: AtomicU64::new(first),
            stop: AtomicBool::new(false),
        });
        let mut recorder = Self { shared, workers: Vec::new(), seed };
        for client in 0..CLIENTS_EACH * recorder.shared.proxies.len() as u64 {
            let home = client as usize % recorder.shared.proxies.len();
            let caller = Caller::new(recorder.shared.clone(), home, seed.wrapping_add(client));
            let shared = recorder.shared.clone();
            recorder.workers.push(thread::spawn(move || work(caller, &shared)));
        }
        recorder
    }

    /// One more client, for the drill itself; its home is a node's HTTP Proxy.
    ///
    /// # Panics
    /// When the node has none.
    pub fn caller(&self, node: &str) -> Caller {
        let home = self.shared.proxies.iter().position(|(name, _)| *name == node).expect("a node with an HTTP Proxy");
        Caller::new(self.shared.clone(), home, self.seed ^ 0xCA11)
    }

    /// Waits until so many more requests were answered by a node's HTTP Proxy.
    ///
    /// # Panics
    /// When the answers do not come in time.
    pub fn wait_more(&self, node: &str, more: u64) {
        let at = self.shared.proxies.iter().position(|(name, _)| *name == node).expect("a node with an HTTP Proxy");
        let before = self.shared.answered[at].load(Relaxed);
        until(&format!("{more} more answers at {node}"), || self.shared.answered[at].load(Relaxed) >= before + more);
    }

    /// Calls a function with the calls so far.
    pub fn look<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets every client end the call in hand, then reads every record through every HTTP Proxy; the whole history.
    ///
    /// # Panics
    /// When a client panicked.
    pub fn stop(mut self) -> Vec<Call> {
        self.shared.stop.store(true, Relaxed);
        self.workers.drain(..).for_each(|worker| worker.join().expect("a client does not panic"));
        let added = |call: &Call| if let Ended::Added(handle) = call.ended { Some(handle) } else { None };
        let handles: Vec<u64> = self.look(|calls| calls.iter().filter_map(added).collect());
        thread::scope(|scope| {
            for (node, _) in &self.shared.proxies {
                let (mut caller, handles) = (self.caller(node), &handles);
                scope.spawn(move || handles.iter().for_each(|handle| caller.close(*handle)));
            }
        });
        std::mem::take(&mut self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

fn work(mut caller: Caller, shared: &Recording) {
    while !shared.stop.load(Relaxed) {
        caller.any();
        thread::sleep(PAUSE);
    }
}
