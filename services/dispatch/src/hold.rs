//! The requests held while there is no primary, and their limits (architecture, Failover).
//!
//! Never decides when holding ends. Called for updates without a primary and for reads that find no quorum.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Limits of holding.
#[derive(Debug, Clone, Copy)]
pub struct HoldConfig {
    /// How long a request waits for a primary.
    pub hold_time: Duration,
    /// Requests held at a time; beyond: UNAVAILABLE.
    pub requests_max: usize,
    /// Bytes held at a time; beyond: UNAVAILABLE.
    pub bytes_max: usize,
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self { hold_time: Duration::from_secs(5), requests_max: 10_000, bytes_max: 64 << 20 }
    }
}

#[derive(Debug, Default)]
struct Counts {
    requests: usize,
    bytes: usize,
    held_total: u64,
    resent_total: u64,
}

/// The held requests of this node, counted.
#[derive(Debug)]
pub struct Hold {
    config: HoldConfig,
    counts: Arc<Mutex<Counts>>,
}

/// A place among the held requests; given back when dropped.
#[derive(Debug)]
pub struct Held {
    bytes: usize,
    counts: Arc<Mutex<Counts>>,
}

impl Hold {
    /// No requests are held yet.
    pub fn new(config: HoldConfig) -> Self {
        Self { config, counts: Arc::default() }
    }

    /// A place for a request of that many bytes; none: a limit is reached.
    pub fn enter(&self, bytes: usize) -> Option<Held> {
        let mut counts = lock(&self.counts);
        if counts.requests >= self.config.requests_max || counts.bytes + bytes > self.config.bytes_max {
            return None;
        }
        counts.requests += 1;
        counts.bytes += bytes;
        counts.held_total += 1;
        Some(Held { bytes, counts: self.counts.clone() })
    }

    /// How long a request waits for a primary.
    pub fn time(&self) -> Duration {
        self.config.hold_time
    }

    /// Requests and bytes held now.
    pub fn held(&self) -> (usize, usize) {
        let counts = lock(&self.counts);
        (counts.requests, counts.bytes)
    }

    /// Totals: requests that were held, and attempts with an unknown outcome, which are sent again.
    pub fn totals(&self) -> (u64, u64) {
        let counts = lock(&self.counts);
        (counts.held_total, counts.resent_total)
    }

    pub(crate) fn note_resend(&self) {
        lock(&self.counts).resent_total += 1;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.requests -= 1;
        counts.bytes -= self.bytes;
    }
}

/// The counts are right even after a panic of a lock holder: no step in between can panic.
fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_number_and_bytes_and_are_given_back() {
        let hold = Hold::new(HoldConfig { requests_max: 2, bytes_max: 10, ..Default::default() });
        let first = hold.enter(6).unwrap();
        assert!(hold.enter(5).is_none(), "bytes");
        let _second = hold.enter(4).unwrap();
        assert!(hold.enter(0).is_none(), "number");
        assert_eq!(hold.held(), (2, 10));
        drop(first);
        assert_eq!(hold.held(), (1, 4));
        assert_eq!(hold.totals().0, 2);
    }
}
