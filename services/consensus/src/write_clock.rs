//! Progress of a thread that writes to the disk: the write under way, and the work that waits for the thread.
//!
//! A few numbers, set by the thread and by the driver, and read by the driver. Never locks and never waits, so that the driver
//! learns of a write that hangs and of a thread that leaves its work waiting. Called by the threads of log, state and evidence
//! and by the driver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::Sender,
    },
    time::Instant,
};

/// No work is under way.
const IDLE: u64 = 0;
/// The work under way may take its time.
const EXCUSED: u64 = u64::MAX;

/// When the work of a thread that is under way began, and how much work the thread has.
#[derive(Debug)]
pub(crate) struct WriteClock {
    origin: Instant,
    /// Microseconds from `origin`, or [`IDLE`], or [`EXCUSED`].
    since_us: AtomicU64,
    /// Pieces of work handed to the thread; changed by the driver alone.
    handed: AtomicU64,
    /// Pieces of work that the thread has finished; changed by the thread alone.
    finished: AtomicU64,
}

impl Default for WriteClock {
    fn default() -> Self {
        let (since_us, handed, finished) = Default::default();
        Self { origin: Instant::now(), since_us, handed, finished }
    }
}

impl WriteClock {
    /// Does a write of this thread.
    pub(crate) fn during<T>(&self, write: impl FnOnce() -> T) -> T {
        self.begin();
        let done = write();
        self.since_us.store(IDLE, Relaxed);
        done
    }

    /// Does pieces of work from the thread's [`Queue`].
    pub(crate) fn turn<T>(&self, pieces: usize, work: impl FnOnce() -> T) -> T {
        self.during(|| {
            let done = work();
            add(&self.finished, pieces as u64);
            done
        })
    }

    /// Does a part of the work under way that may take its time; the age of the next part begins behind that part.
    pub(crate) fn excused<T>(&self, part: impl FnOnce() -> T) -> T {
        self.since_us.store(EXCUSED, Relaxed);
        let done = part();
        self.begin();
        done
    }

    /// A part of the work that is under way is done: the age is that of the next part.
    pub(crate) fn part_done(&self) {
        if !matches!(self.since_us.load(Relaxed), IDLE | EXCUSED) {
            self.begin();
        }
    }

    fn begin(&self) {
        self.since_us.store(self.now_us().max(1), Relaxed);
    }

    /// For how long the work has been under way, milliseconds; 0: none is, or the work may take its time.
    pub(crate) fn age_ms(&self) -> u64 {
        match self.since_us.load(Relaxed) {
            IDLE | EXCUSED => 0,
            since_us => self.now_us().saturating_sub(since_us) / 1000,
        }
    }

    /// The pieces of work finished so far, while further work waits and the thread has not begun with that; none: the thread
    /// works, or has no work. To be asked by the driver, the only thread that knows of all work.
    pub(crate) fn left_waiting(&self) -> Option<u64> {
        let idle = self.since_us.load(Relaxed) == IDLE;
        let finished = self.finished.load(Relaxed);
        (idle && finished < self.handed.load(Relaxed)).then_some(finished)
    }

    #[cfg(test)]
    pub(crate) fn since_us(&self) -> u64 {
        self.since_us.load(Relaxed)
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The driver's end of the queue of a thread that writes: counts the pieces of work.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    pieces: Sender<T>,
    clock: Arc<WriteClock>,
}

impl<T> Queue<T> {
    /// `clock`: the thread's.
    pub(crate) fn new(pieces: Sender<T>, clock: &Arc<WriteClock>) -> Self {
        Self { pieces, clock: Arc::clone(clock) }
    }

    /// Hands a piece of work to the thread. Without the thread the piece is dropped: a witness has no state, or the process is
    /// ending.
    pub(crate) fn send(&self, piece: T) {
        if self.pieces.send(piece).is_ok() {
            add(&self.clock.handed, 1);
        }
    }
}

/// Adds to a number that no other thread changes.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Relaxed) + more, Relaxed);
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
        let origin = clock.origin - std::time::Duration::from_secs(7);
        let later = WriteClock { origin, since_us: AtomicU64::new(1), ..WriteClock::default() };
        assert!(later.age_ms() >= 6_999);
        later.part_done();
        assert!(later.since_us.load(Relaxed) >= 6_999_000, "a long write whose parts end does not hang");
        let idle = WriteClock::default();
        idle.part_done();
        assert_eq!(idle.age_ms(), 0, "no write is under way");
    }

    #[test]
    fn work_that_may_take_its_time_has_no_age_and_the_work_behind_it_has_its_own() {
        let clock = WriteClock::default();
        let (during, behind) = clock.turn(1, || {
            let during = clock.excused(|| {
                clock.part_done();
                (clock.since_us(), clock.age_ms())
            });
            (during, clock.since_us())
        });
        assert_eq!(during, (EXCUSED, 0));
        assert!(![IDLE, EXCUSED].contains(&behind));
    }

    #[test]
    fn work_is_left_waiting_from_its_sending_until_its_thread_takes_its_turn() {
        let clock = Arc::new(WriteClock::default());
        let (sender, pieces) = std::sync::mpsc::channel();
        let queue = Queue::new(sender, &clock);
        assert_eq!(clock.left_waiting(), None, "an idle thread has no work");
        (1..=3).for_each(|piece| queue.send(piece));
        assert_eq!(clock.left_waiting(), Some(0));
        clock.turn(2, || assert_eq!(clock.left_waiting(), None, "the thread works"));
        assert_eq!(clock.left_waiting(), Some(2));
        clock.turn(1, || ());
        assert_eq!(clock.left_waiting(), None);
        drop(pieces);
        queue.send(4);
        assert_eq!(clock.left_waiting(), None, "without a thread no work waits");
    }
}
