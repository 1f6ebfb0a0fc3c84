//! Refusals at a port: counted, and logged in a bounded number of lines of each cause.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use chassis::{
    lines::{Causes, LineBudget},
    tls::HandshakeFault,
};
use tonic::Status;

/// Lines in a minute of one cause that closes connections.
const CONNECTION_LINES: u32 = 1;
/// Lines in a minute of one kind of refused request.
const REQUEST_LINES: u32 = 10;
/// Lines in a minute of one reason for refused requests.
const REASON_LINES: u32 = 1;
/// Reasons that are remembered.
const REASONS_MAX: usize = 32;

/// The refusals of one port.
#[derive(Debug)]
pub struct Refusals {
    port: &'static str,
    total: AtomicU64,
    by_cause: Mutex<BTreeMap<&'static str, u64>>,
    connections: Causes,
    requests: Causes,
    reasons: Reasons,
    /// Failed handshakes by reason.
    handshakes: Mutex<BTreeMap<&'static str, u64>>,
}

/// The cause under which requests are counted that are refused for their content.
const REQUEST: &str = "request";

impl Refusals {
    /// Every cause of [`Refusals::by_cause`] beside the faults of handshakes and of peers: the counts of these begin at 0.
    pub const CAUSES: [&str; 12] = [
        "body",
        "broken",
        "bytes",
        "flood",
        "full",
        "host",
        "idle",
        "pushed out",
        REQUEST,
        "requests",
        "silent",
        "untaken",
    ];

    /// `port`: the name in the log, as in "admin".
    pub const fn new(port: &'static str) -> Self {
        Self {
            port,
            total: AtomicU64::new(0),
            by_cause: Mutex::new(BTreeMap::new()),
            connections: Causes::new(CONNECTION_LINES),
            requests: Causes::new(REQUEST_LINES),
            reasons: Reasons::new(),
            handshakes: Mutex::new(BTreeMap::new()),
        }
    }

    /// Connections and requests refused since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts since the start, by cause, idle connections that were closed among them.
    pub fn by_cause(&self) -> Vec<(&'static str, u64)> {
        self.causes().iter().map(|(cause, count)| (*cause, *count)).collect()
    }

    /// Counts a refusal that its caller hears of and the log does not.
    pub fn count(&self, cause: &'static str) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.ended(cause);
    }

    /// Counts the end of a connection that is no refusal.
    pub fn ended(&self, cause: &'static str) {
        *self.causes().entry(cause).or_default() += 1;
    }

    /// Counts a connection that is closed.
    pub fn connection(&self, from: SocketAddr, cause: &'static str, reason: &dyn Display) {
        self.count(cause);
        self.tell(&self.connections, from, cause, reason);
    }

    /// Counts a connection whose TLS handshake failed.
    pub fn handshake(&self, from: SocketAddr, fault: &HandshakeFault) {
        *self.handshakes.lock().unwrap_or_else(PoisonError::into_inner).entry(fault.reason()).or_default() += 1;
        self.connection(from, fault.reason(), fault);
    }

    /// Failed TLS handshakes since the start, by reason.
    pub fn handshakes(&self) -> Vec<(&'static str, u64)> {
        let handshakes = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        handshakes.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// Counts a request that is refused on a connection that stays.
    pub fn request(&self, from: SocketAddr, refusal: &Status) {
        self.count(REQUEST);
        if let Some(repeated) = self.reasons.line(refusal.message(), Instant::now()) {
            let reason = format!("{}{repeated}", refusal.message());
            self.tell(&self.requests, from, refusal.code().description(), &reason);
        }
    }

    /// Tells a fault of this node at its port, at the same rate.
    pub fn fault(&self, cause: &'static str, reason: &dyn Display) {
        if let Some(more) = self.connections.line(cause) {
            tracing::warn!("the {} port: {reason}{more}", self.port);
        }
    }

    fn causes(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.by_cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, causes: &Causes, from: SocketAddr, cause: &'static str, reason: &dyn Display) {
        if let Some(more) = causes.line(cause) {
            tracing::warn!(%from, "the {} port refused a caller: {reason}{more}", self.port);
        }
    }
}

/// The last reasons for refused requests, each with its budget of lines. Strangers may cause any number of reasons, so that the
/// oldest go.
#[derive(Debug)]
struct Reasons(Mutex<VecDeque<(String, LineBudget)>>);

impl Reasons {
    const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// Some: a line of this reason may be written now, ended by this text with the count of equal lines left out before.
    fn line(&self, reason: &str, now: Instant) -> Option<String> {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, budget)) = reasons.iter_mut().find(|(told, _)| told == reason) {
            return budget.line(now).map(|left_out| match left_out {
                0 => String::new(),
                more => format!(" (the same {more} more times before it)"),
            });
        }
        if reasons.len() == REASONS_MAX {
            reasons.pop_front();
        }
        let mut budget = LineBudget::new(REASON_LINES);
        budget.line(now)?;
        reasons.push_back((reason.to_owned(), budget));
        Some(String::new())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failed_handshakes_are_counted_by_their_reason() {
        let (refusals, from) = (Refusals::new("test"), SocketAddr::from(([127, 0, 0, 1], 1)));
        for fault in [HandshakeFault::Expired(None), HandshakeFault::PlainHttp, HandshakeFault::Expired(Some(1))] {
            refusals.handshake(from, &fault);
        }
        assert_eq!(refusals.handshakes(), [("expired", 2), ("plain_http", 1)]);
        assert_eq!(refusals.total(), 3);
    }

    #[test]
    fn refusals_are_counted_by_cause_and_an_idle_connection_is_none() {
        let (refusals, from) = (Refusals::new("test"), SocketAddr::from(([192, 0, 2, 1], 1)));
        refusals.connection(from, "silent", &"no request");
        refusals.connection(from, "silent", &"no request");
        refusals.count("requests");
        refusals.request(from, &Status::permission_denied("no"));
        refusals.ended("idle");
        assert_eq!(refusals.by_cause(), [("idle", 1), ("request", 1), ("requests", 1), ("silent", 2)]);
        assert_eq!(refusals.total(), 4);
    }

    #[test]
    fn one_reason_is_told_once_a_minute_and_takes_no_line_from_another() {
        let (reasons, start) = (Reasons::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(reasons.line("another order", at(0)), Some(String::new()));
        assert_eq!([reasons.line("another order", at(1)), reasons.line("another order", at(59))], [None, None]);
        assert_eq!(reasons.line("another cluster", at(59)), Some(String::new()));
        let again = reasons.line("another order", at(60)).unwrap();
        assert!(again.contains("2 more times"), "{again}");
        for stranger in 0..REASONS_MAX {
            assert_eq!(reasons.line(&stranger.to_string(), at(60)), Some(String::new()));
        }
        assert_eq!(reasons.0.lock().unwrap().len(), REASONS_MAX, "what strangers cause is bounded");
    }
}
