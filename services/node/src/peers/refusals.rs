//! Who was refused: counted, and told to the log in one line each, at a bounded rate.

use std::{
    fmt::Display,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Lines that may come at once; one more is allowed each second.
const BURST_LINES: u32 = 10;
const REFILL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Refusals {
    total: AtomicU64,
    budget: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    lines: u32,
    refilled: Instant,
    suppressed: u64,
}

impl Refusals {
    pub(super) fn new() -> Self {
        let budget = Budget { lines: BURST_LINES, refilled: Instant::now(), suppressed: 0 };
        Self { total: AtomicU64::new(0), budget: Mutex::new(budget) }
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a refusal and writes its line, unless too many were written lately.
    pub(super) fn note(&self, address: SocketAddr, reason: &dyn Display) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let line = self.budget.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        match line {
            Some(0) => tracing::warn!("refused a peer connection from {address}: {reason}"),
            Some(more) => {
                tracing::warn!("refused a peer connection from {address}: {reason} (and {more} more before it)")
            }
            None => {}
        }
    }
}

impl Budget {
    /// May a line be written now, and how many were not since the last one?
    fn line(&mut self, now: Instant) -> Option<u64> {
        let earned = now.saturating_duration_since(self.refilled).as_secs();
        if earned > 0 {
            self.refilled += REFILL * u32::try_from(earned).unwrap_or(u32::MAX);
            self.lines = BURST_LINES.min(self.lines.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)));
        }
        if self.lines == 0 {
            self.suppressed += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_a_bounded_rate_and_tell_how_many_were_left_out() {
        let start = Instant::now();
        let mut budget = Budget { lines: BURST_LINES, refilled: start, suppressed: 0 };
        for _ in 0..BURST_LINES {
            assert_eq!(budget.line(start), Some(0));
        }
        assert_eq!(budget.line(start), None);
        assert_eq!(budget.line(start), None);
        assert_eq!(budget.line(start + REFILL), Some(2));
        assert_eq!(budget.line(start + REFILL), None);
        assert_eq!(budget.line(start + REFILL * 1000), Some(1));
    }
}
