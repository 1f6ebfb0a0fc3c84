//! A group under load, and the words for its faults. Never judges. Called by every drill.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    call::{Call, Clock, Ended, longest_pause},
    recorder::{Load, Recorder},
};
use crate::{balancer::Balancer, cluster::Cluster, net::Net, process::Signal, settings::NODES};

/// The data nodes.
pub const DATA: [&str; 2] = ["a", "b"];

/// Time that a client waits for one answer, unless its drill sets another.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than any outage: a drill that waits so long has failed.
const OUTAGE_MAX: Duration = Duration::from_secs(30);
/// Answers at each HTTP Proxy before a drill begins.
const WARM: u64 = 15;

/// A time in which an HTTP Proxy may fail requests.
#[derive(Debug, Clone, Copy)]
pub struct Excuse {
    /// The node.
    pub node: &'static str,
    /// Begin.
    pub from_ns: u64,
    /// End; none: the excuse lasts.
    pub to_ns: Option<u64>,
}

/// A group under load.
#[derive(Debug)]
pub struct Stage {
    /// The group.
    pub cluster: Cluster,
    /// All chance of a drill comes from here.
    pub rng: StdRng,
    /// The group's own network, if any.
    pub net: Option<Net>,
    /// Number of this round, from 1.
    pub number: u32,
    /// Time that a client waits for one answer.
    pub patience: Duration,
    /// A balancer in front of the nodes, for further clients. Failures at the balancer are never excused.
    pub balancer: Option<Balancer>,
    pub(super) clock: Clock,
    pub(super) excuses: Vec<Excuse>,
    recorder: Option<Recorder>,
    next_call: u64,
    said: BTreeMap<&'static str, usize>,
}

impl Stage {
    pub(super) fn new(cluster: Cluster, seed: u64, net: Option<Net>) -> Self {
        let (rng, clock) = (StdRng::seed_from_u64(seed), Clock::start());
        Self {
            cluster,
            rng,
            net,
            number: 0,
            patience: PATIENCE,
            balancer: None,
            clock,
            excuses: Vec::new(),
            recorder: None,
            next_call: 1,
            said: BTreeMap::new(),
        }
    }

    /// The list of this round.
    pub(super) fn list(&self) -> String {
        format!("round-{}", self.number)
    }

    /// Starts the clients of the next round, at any phase of the heartbeats.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.excuses.clear();
        self.said = NODES.into_iter().map(|node| (node, self.cluster.log(node).len())).collect();
        self.cluster.create_list(&self.list());
        let mut proxies = DATA.map(|node| (node, self.cluster.settings().address(node, "http"))).to_vec();
        proxies.extend(self.balancer.iter().map(|balancer| (Balancer::NAME, balancer.address().to_owned())));
        let doors: Vec<&'static str> = proxies.iter().map(|(door, _)| *door).collect();
        let (patience, seed) = (self.patience, self.rng.random());
        let load = Load { list: self.list(), proxies, patience, seed, first: self.next_call };
        self.recorder = Some(Recorder::start(self.clock, load));
        doors.iter().for_each(|door| self.more(door, WARM));
        std::thread::sleep(Duration::from_millis(self.rng.random_range(0..100)));
    }

    /// Ends the clients of a round and returns their history.
    pub(super) fn end(&mut self) -> Vec<Call> {
        let calls = self.recorder.take().expect("a round that began").stop();
        self.next_call += calls.len() as u64 + 1;
        calls
    }

    /// The clients of this round.
    ///
    /// # Panics
    /// Outside a round.
    pub fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("a round has clients")
    }

    /// The confirmed primary and the backup.
    pub fn roles(&self) -> (&'static str, &'static str) {
        let primary = self.cluster.primary();
        (primary, self.cluster.other(primary))
    }

    /// Waits until so many more requests were answered by a node's HTTP Proxy.
    pub fn more(&self, node: &str, more: u64) {
        self.recorder().wait_more(node, more);
    }

    /// From now on a node's HTTP Proxy may fail requests.
    pub fn excuse(&mut self, node: &'static str) {
        self.excuses.push(Excuse { node, from_ns: self.clock.ns(), to_ns: None });
    }

    /// From now on a node's HTTP Proxy has no excuse.
    pub fn expect(&mut self, node: &str) {
        let now = self.clock.ns();
        for excuse in self.excuses.iter_mut().filter(|excuse| excuse.node == node && excuse.to_ns.is_none()) {
            excuse.to_ns = Some(now);
        }
    }

    /// kill -9; returns the moment.
    pub fn kill(&mut self, node: &'static str) -> Instant {
        self.excuse(node);
        let moment = Instant::now();
        self.cluster.signal(node, Signal::KILL);
        moment
    }

    /// Starts a node that was killed, stopped or has ended, and waits until the group is whole.
    pub fn revive(&mut self, node: &'static str) {
        self.cluster.kill(node); // reaps the process
        self.cluster.start_node(node, &[]);
        self.back(node);
    }

    /// Waits until the group is whole, and a node's HTTP Proxy answers.
    pub fn back(&mut self, node: &str) {
        self.cluster.wait_back();
        if DATA.contains(&node) {
            self.more(node, 3);
        }
        self.expect(node);
    }

    /// A node's log since this round began.
    pub fn said(&self, node: &str) -> String {
        self.cluster.log(node).split_off(self.said[node])
    }

    /// From a moment to the first update that was sent after it and acknowledged by a node's HTTP Proxy.
    ///
    /// # Panics
    /// When there is none.
    pub fn outage(&self, node: &str, since: Instant) -> Duration {
        let mut caller = self.recorder().caller(node);
        while !matches!(caller.probe(), Ended::Added(_)) {
            assert!(since.elapsed() < OUTAGE_MAX, "no update was acknowledged at {node} within {OUTAGE_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        since.elapsed()
    }

    /// The longest time without an acknowledged update, anywhere, since a moment.
    pub fn pause_since(&self, since: Instant) -> Duration {
        let (from, to) = (self.clock.of(since), self.clock.ns());
        self.recorder().look(|calls| longest_pause(calls, from, to))
    }
}
