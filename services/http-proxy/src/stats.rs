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

use ocs_proto::link::{RequestCount, Stats as WireStats};

use crate::credential::Unfit;

/// Between two flushes.
pub(crate) const FLUSH_PERIOD: Duration = Duration::from_millis(250);
/// Durations kept for one name and status between two flushes; a node that takes no counts for so long loses some.
const DURATIONS_MAX: usize = 100_000;

/// Counters of one HTTP Proxy.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    durations_us: Mutex<BTreeMap<(&'static str, u16), Vec<u32>>>,
    connections: AtomicU32,
    reported: AtomicU32,
    without_credential: AtomicU32,
    misplaced_credential: AtomicU32,
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

    /// Counts a request that went no further for its credential.
    pub(crate) fn unfit(&self, unfit: &Unfit) {
        let counter = match unfit {
            Unfit::Missing(_) => &self.without_credential,
            Unfit::Misplaced(_) => &self.misplaced_credential,
        };
        counter.fetch_add(1, Ordering::Relaxed);
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
        let without_credential = self.without_credential.swap(0, Ordering::Relaxed);
        let misplaced_credential = self.misplaced_credential.swap(0, Ordering::Relaxed);
        let changed = changed || without_credential > 0 || misplaced_credential > 0;
        let stats = WireStats { requests, connections, without_credential, misplaced_credential };
        (changed || !stats.requests.is_empty()).then_some(stats)
    }
}
