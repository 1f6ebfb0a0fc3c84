//! How many lines a cause outside may write: whatever a client or a scanner does, the log grows at a pace that is known.
//!
//! Never drops a line unseen: the next minute's first line says how many there were. Called before a line whose cause is not ours.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);

/// The lines of one cause.
#[derive(Debug)]
pub struct LineBudget {
    cause: &'static str,
    lines_per_minute: u32,
    minute: Mutex<Minute>,
}

/// The minute that runs.
#[derive(Debug)]
struct Minute {
    began: Option<Instant>,
    written: u32,
    dropped: u64,
}

impl LineBudget {
    /// `cause` stands in the line that counts what was dropped: "refused handshakes".
    pub const fn new(cause: &'static str, lines_per_minute: u32) -> Self {
        Self { cause, lines_per_minute, minute: Mutex::new(Minute { began: None, written: 0, dropped: 0 }) }
    }

    /// Whether a line may be written now; one that may not is counted.
    pub fn allows(&self) -> bool {
        let (allowed, dropped) = self.take(Instant::now());
        if dropped > 0 {
            tracing::warn!(dropped, "lines about {} were dropped in the minute before", self.cause);
        }
        allowed
    }

    /// Whether a line may be written, and how many were dropped in a minute that has just ended.
    fn take(&self, now: Instant) -> (bool, u64) {
        let mut minute = self.minute.lock().expect("no code panics while it counts lines");
        let mut dropped = 0;
        if minute.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            dropped = minute.dropped;
            *minute = Minute { began: Some(now), written: 0, dropped: 0 };
        }
        if minute.written < self.lines_per_minute {
            minute.written += 1;
            return (true, dropped);
        }
        minute.dropped += 1;
        (false, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_dropped_and_counted_in_the_next_minute() {
        let (budget, began) = (LineBudget::new("tests", 2), Instant::now());
        let taken = [0, 1, 2, 59, 60, 61, 62].map(|second| budget.take(began + Duration::from_secs(second)));
        let expected = [(true, 0), (true, 0), (false, 0), (false, 0), (true, 2), (true, 0), (false, 0)];
        assert_eq!(taken, expected);
        assert_eq!(budget.take(began + Duration::from_secs(600)), (true, 1));
    }
}
