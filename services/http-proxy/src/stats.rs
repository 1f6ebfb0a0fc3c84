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

use ocs_proto::link::{HandshakeCount, RefusalCount, RequestCount, Stats as WireStats};

use crate::credential::Unfit;

/// Between two flushes.
pub(crate) const FLUSH_PERIOD: Duration = Duration::from_millis(250);
/// Durations kept for one name and status between two flushes; a node that takes no counts for so long loses some.
const DURATIONS_MAX: usize = 100_000;

/// Why HTTP Proxy refused a connection or a message, or ended a connection; the label of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Connections,
    ConnectionsOfAddress,
    ProxyHeader,
    Handshake,
    HeadTime,
    HeadSize,
    BodyTime,
    BodySize,
    BodyBroken,
    BodiesBytes,
    InFlight,
    Idle,
    WriteTime,
    Ambiguous,
    Http2,
    NotHttp,
}

/// The words of all reasons.
pub const REFUSED: [&str; 16] = {
    let (mut words, mut at) = ([""; 16], 0);
    while at < Reason::ALL.len() {
        words[at] = Reason::ALL[at].word();
        at += 1;
    }
    words
};

impl Reason {
    const ALL: [Self; 16] = [
        Self::Connections,
        Self::ConnectionsOfAddress,
        Self::ProxyHeader,
        Self::Handshake,
        Self::HeadTime,
        Self::HeadSize,
        Self::BodyTime,
        Self::BodySize,
        Self::BodyBroken,
        Self::BodiesBytes,
        Self::InFlight,
        Self::Idle,
        Self::WriteTime,
        Self::Ambiguous,
        Self::Http2,
        Self::NotHttp,
    ];

    /// The word of the label, the same on every node.
    const fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::ProxyHeader => "proxy_header",
            Self::Handshake => "handshake",
            Self::HeadTime => "head_time",
            Self::HeadSize => "head_size",
            Self::BodyTime => "body_time",
            Self::BodySize => "body_size",
            Self::BodyBroken => "body_broken",
            Self::BodiesBytes => "bodies_bytes",
            Self::InFlight => "in_flight",
            Self::Idle => "idle",
            Self::WriteTime => "write_time",
            Self::Ambiguous => "ambiguous",
            Self::Http2 => "http2",
            Self::NotHttp => "not_http",
        }
    }
}

/// Counters of one HTTP Proxy.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    durations_us: Mutex<BTreeMap<(&'static str, u16), Vec<u32>>>,
    /// Failed TLS handshakes by reason.
    handshakes: Mutex<BTreeMap<&'static str, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
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

    /// Counts a TLS handshake that failed for this reason.
    pub(crate) fn handshake_refused(&self, reason: &'static str) {
        *self.handshakes.lock().expect("no code panics while it counts").entry(reason).or_default() += 1;
    }

    /// Counts a refusal, or the end of a connection at a limit.
    pub(crate) fn refused(&self, reason: Reason) {
        *self.refused.lock().expect("no code panics while it counts").entry(reason.word()).or_default() += 1;
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
        let failed = std::mem::take(&mut *self.handshakes.lock().expect("no code panics while it counts"));
        let handshake = |(reason, count): (&str, u64)| HandshakeCount { reason: reason.to_owned(), count };
        let handshakes_refused: Vec<_> = failed.into_iter().map(handshake).collect();
        let refused = std::mem::take(&mut *self.refused.lock().expect("no code panics while it counts"));
        let refusal = |(reason, count): (&str, u64)| RefusalCount { reason: reason.to_owned(), count };
        let refusals: Vec<_> = refused.into_iter().map(refusal).collect();
        let without_credential = self.without_credential.swap(0, Ordering::Relaxed);
        let misplaced_credential = self.misplaced_credential.swap(0, Ordering::Relaxed);
        let told = [requests.is_empty(), handshakes_refused.is_empty(), refusals.is_empty()].contains(&false);
        let is_new = changed || told || without_credential > 0 || misplaced_credential > 0;
        is_new.then_some(WireStats {
            requests,
            connections,
            handshakes_refused,
            refusals,
            without_credential,
            misplaced_credential,
        })
    }
}
