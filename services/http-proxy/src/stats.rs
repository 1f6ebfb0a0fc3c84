//! Counts and times answers, and passes the counts to the node, which owns the metrics.
//!
//! Never computes anything. `serve` adds, `run` flushes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ocs_proto::link::{HandshakeCount, RequestCount, Stats as WireStats};

/// Between two flushes.
pub(crate) const FLUSH_PERIOD: Duration = Duration::from_millis(250);
/// Durations kept for one name and status between two flushes; a node that takes no counts for so long loses some.
const DURATIONS_MAX: usize = 100_000;

/// Counters of one HTTP Proxy.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    durations_us: Mutex<BTreeMap<(&'static str, u16), Vec<u32>>>,
    /// Failed TLS handshakes by reason.
    handshakes: Mutex<BTreeMap<&'static str, u64>>,
    connections: AtomicU32,
    reported: AtomicU32,
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Stats>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// Counts a connection for as long as the result lives.
    pub(crate) fn connection(self: &Arc<Self>) -> Counted {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// Counts an answer; `request` is the canonical name, or "-" where none was recognised.
    pub(crate) fn answered(&self, request: &'static str, status: u16, took: Duration) {
        let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut all = self.durations_us.lock().expect("no code panics while it counts");
        let durations = all.entry((request, status)).or_default();
        if durations.len() < DURATIONS_MAX {
            durations.push(took_us);
        }
    }

    /// Counts a TLS handshake that failed for this reason.
    pub(crate) fn handshake_refused(&self, reason: &'static str) {
        *self.handshakes.lock().expect("no code panics while it counts").entry(reason).or_default() += 1;
    }

    /// The counts since the last call; none without a change.
    pub(crate) fn take(&self) -> Option<WireStats> {
        let counted = std::mem::take(&mut *self.durations_us.lock().expect("no code panics while it counts"));
        let connections = self.connections.load(Ordering::Relaxed);
        let changed = self.reported.swap(connections, Ordering::Relaxed) != connections;
        let count = |((request, status), durations_us): ((&str, u16), Vec<u32>)| RequestCount {
            request: request.to_owned(),
            status: status.into(),
            durations_us,
        };
        let requests: Vec<_> = counted.into_iter().map(count).collect();
        let refused = std::mem::take(&mut *self.handshakes.lock().expect("no code panics while it counts"));
        let count = |(reason, count): (&str, u64)| HandshakeCount { reason: reason.to_owned(), count };
        let handshakes_refused: Vec<_> = refused.into_iter().map(count).collect();
        let is_new = changed || !requests.is_empty() || !handshakes_refused.is_empty();
        is_new.then_some(WireStats { requests, connections, handshakes_refused })
    }
}
