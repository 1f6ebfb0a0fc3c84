//! A client that is in order, beside strangers: no request may fail, and none may take much longer than without them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ocs_ha_tests::Client;

use crate::site::Site;

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(5);
/// Requests that are sent at least.
const REQUESTS_MIN: usize = 1000;
/// Times below this are not told apart: the processors of the machine are shared with the strangers.
const FLOOR: Duration = Duration::from_millis(5);

/// A running client, to be stopped.
pub(crate) struct GoodClient {
    stop: Arc<AtomicBool>,
    times: JoinHandle<Vec<Duration>>,
}

/// What the client found.
pub(crate) struct Found {
    pub(crate) p99: Duration,
}

impl GoodClient {
    pub(crate) fn start(site: &Site) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut client) = (stop.clone(), site.cluster().http("a"));
        let times = thread::spawn(move || {
            let mut times = Vec::new();
            while !stopped.load(Relaxed) || times.len() < REQUESTS_MIN {
                times.push(one(&mut client));
                thread::sleep(PAUSE);
            }
            times
        });
        Self { stop, times }
    }

    /// Ends the client.
    ///
    /// # Panics
    /// When a request failed.
    pub(crate) fn stop(self) -> Found {
        self.stop.store(true, Relaxed);
        let mut times = self.times.join().expect("no request of the good client fails");
        times.sort_unstable();
        Found { p99: times[times.len() * 99 / 100] }
    }
}

fn one(client: &mut Client) -> Duration {
    let begun = Instant::now();
    let answer = client.get("/records/1");
    assert_eq!(answer.status, 200, "{answer:?}");
    begun.elapsed()
}

impl Found {
    /// # Panics
    /// When requests took twice as long as those without strangers.
    pub(crate) fn must_be_as_good_as(&self, idle: &Self) {
        let bound = 2 * idle.p99.max(FLOOR);
        assert!(self.p99 < bound, "p99 is {:?}, and {:?} without strangers", self.p99, idle.p99);
    }
}
