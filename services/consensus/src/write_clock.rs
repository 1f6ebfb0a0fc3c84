//! Since when a thread has been writing to the disk: one number, set by the thread that writes and read by the driver.
//!
//! Never locks and never waits, so that the age of a hanging write can be read. Called by the log's thread, the apply thread and
//! the driver.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// When the write of a thread that is under way began.
#[derive(Debug)]
pub(crate) struct WriteClock {
    origin: Instant,
    /// Microseconds from `origin`; 0: no write is under way.
    since_us: AtomicU64,
}

impl Default for WriteClock {
    fn default() -> Self {
        Self { origin: Instant::now(), since_us: AtomicU64::new(0) }
    }
}

impl WriteClock {
    /// Does a write of this thread.
    pub(crate) fn during<T>(&self, write: impl FnOnce() -> T) -> T {
        self.since_us.store(self.now_us().max(1), Relaxed);
        let done = write();
        self.since_us.store(0, Relaxed);
        done
    }

    /// A part of the write that is under way is done: the age is that of the next part.
    pub(crate) fn part_done(&self) {
        if self.since_us.load(Relaxed) != 0 {
            self.since_us.store(self.now_us().max(1), Relaxed);
        }
    }

    /// For how long the write has been under way, milliseconds; 0: none is.
    pub(crate) fn age_ms(&self) -> u64 {
        match self.since_us.load(Relaxed) {
            0 => 0,
            since_us => self.now_us().saturating_sub(since_us) / 1000,
        }
    }

    #[cfg(test)]
    pub(crate) fn since_us(&self) -> u64 {
        self.since_us.load(Relaxed)
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_has_an_age_while_it_lasts_and_none_afterwards() {
        let clock = WriteClock::default();
        assert_eq!((clock.age_ms(), clock.since_us.load(Relaxed)), (0, 0));
        let since = clock.during(|| clock.since_us.load(Relaxed));
        assert!(since > 0, "the write is seen from its first microsecond on");
        assert_eq!(clock.since_us.load(Relaxed), 0);
        clock.since_us.store(1, Relaxed);
        let later =
            WriteClock { origin: clock.origin - std::time::Duration::from_secs(7), since_us: AtomicU64::new(1) };
        assert!(later.age_ms() >= 6_999);
        later.part_done();
        assert!(later.since_us.load(Relaxed) >= 6_999_000, "a long write whose parts end does not hang");
        let idle = WriteClock::default();
        idle.part_done();
        assert_eq!(idle.age_ms(), 0, "no write is under way");
    }
}
