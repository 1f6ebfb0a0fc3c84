//! Refusals at a port: counted, and logged in a bounded number of lines of each cause.

use std::{
    fmt::Display,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use chassis::lines::Causes;
use tonic::Status;

/// Lines in a minute of one cause that closes connections.
const CONNECTION_LINES: u32 = 1;
/// Lines in a minute of one kind of refused request.
const REQUEST_LINES: u32 = 10;

/// The refusals of one port.
#[derive(Debug)]
pub struct Refusals {
    port: &'static str,
    total: AtomicU64,
    connections: Causes,
    requests: Causes,
}

impl Refusals {
    /// `port`: the name in the log, as in "admin".
    pub const fn new(port: &'static str) -> Self {
        Self {
            port,
            total: AtomicU64::new(0),
            connections: Causes::new(CONNECTION_LINES),
            requests: Causes::new(REQUEST_LINES),
        }
    }

    /// Connections and requests refused since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a connection that is closed.
    pub fn connection(&self, from: SocketAddr, cause: &'static str, reason: &dyn Display) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.tell(&self.connections, from, cause, reason);
    }

    /// Counts a request that is refused on a connection that stays.
    pub fn request(&self, from: SocketAddr, refusal: &Status) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.tell(&self.requests, from, refusal.code().description(), &refusal.message());
    }

    /// Tells a fault of this node at its port, at the same rate.
    pub fn fault(&self, cause: &'static str, reason: &dyn Display) {
        if let Some(more) = self.connections.line(cause) {
            tracing::warn!("the {} port: {reason}{more}", self.port);
        }
    }

    fn tell(&self, causes: &Causes, from: SocketAddr, cause: &'static str, reason: &dyn Display) {
        if let Some(more) = causes.line(cause) {
            tracing::warn!(%from, "the {} port refused a caller: {reason}{more}", self.port);
        }
    }
}
