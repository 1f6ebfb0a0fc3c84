//! Disks that are full or hang, as the driver sees them: a primary hands over to a node whose disk takes writes.
//!
//! Reads the age of a write in flight from atomic numbers, so that the driver learns of a hanging write, and of a thread that
//! leaves its work waiting: a write has its age from the moment at which the driver hands it to the thread, as long as that
//! thread makes no progress. Never touches a disk. Called by the driver.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use raft_log::Disk;

use super::{Driver, PeerFacts, SILENT};
use crate::{Machine, RaftId, Stall, write_clock::WriteClock};

/// Age below which a write does not count, milliseconds: a working disk takes some time, and heads tell nothing of that.
const LATE_MS: u64 = 100;
/// Ticks by which an age grows at most from one tick to the next: while the process or the machine stood still the disk may have
/// done its work.
const TICKS_COUNTED_MAX: u64 = 4;

/// The writes of the threads of log and state.
#[derive(Debug)]
pub(super) struct Disks {
    /// Of the log's thread.
    pub(super) log: Arc<WriteClock>,
    /// Of the apply thread.
    pub(super) apply: Arc<WriteClock>,
    /// Of the evidence thread, for which no update waits.
    pub(super) evidence: Arc<WriteClock>,
    /// False: the disk is full, and the apply thread may wait for room.
    room: Arc<AtomicBool>,
    /// Work that the threads of log and state leave waiting.
    waits: (Wait, Wait),
    /// Ages of the writes of the log and of the state at the last tick, milliseconds.
    ages_ms: (u64, u64),
    /// The stall at the last look; none: the disk works.
    pub(super) stall: Option<Stall>,
    /// Whether the log says that this stall keeps updates waiting.
    said_alone: bool,
}

impl Disks {
    pub(super) fn new(room: Arc<AtomicBool>) -> Self {
        let (log, apply, evidence) = Default::default();
        let (waits, ages_ms) = Default::default();
        Self { log, apply, evidence, room, waits, ages_ms, stall: None, said_alone: false }
    }

    /// Looks at the ages of the writes, once a tick. A state that waits for room does not hang.
    fn look(&mut self, tick_ms: u64) {
        let (log_waits, apply_waits) = &mut self.waits;
        let log_ms = self.log.age_ms().max(log_waits.look(self.log.left_waiting(), tick_ms));
        let apply_ms = self.apply.age_ms().max(apply_waits.look(self.apply.left_waiting(), tick_ms));
        let apply_ms = if self.room.load(Ordering::Relaxed) { apply_ms } else { 0 };
        let (log_before, apply_before) = self.ages_ms;
        self.ages_ms = (grown(log_ms, log_before, tick_ms), grown(apply_ms, apply_before, tick_ms));
    }

    /// The age of the oldest write, milliseconds, 0: none is late; and whether that write is the log's.
    fn oldest(&self) -> (u64, bool) {
        let (log_ms, apply_ms) = self.ages_ms;
        let oldest_ms = log_ms.max(apply_ms);
        (if oldest_ms < LATE_MS { 0 } else { oldest_ms }, log_ms >= apply_ms)
    }
}

/// Work that a thread leaves waiting. Counted in ticks, so that a pause of the process does not count.
#[derive(Debug, Default)]
struct Wait {
    /// The pieces of work that the thread had finished at the last tick; none: no work was left waiting then.
    finished: Option<u64>,
    lasted_ms: u64,
}

impl Wait {
    /// Looks at [`WriteClock::left_waiting`], once a tick. Returns for how long, in milliseconds, work has waited while the
    /// thread made no progress: a thread with too much work makes progress.
    fn look(&mut self, finished: Option<u64>, tick_ms: u64) -> u64 {
        let goes_on = finished.is_some() && finished == self.finished;
        self.lasted_ms = if goes_on { self.lasted_ms.saturating_add(tick_ms) } else { 0 };
        self.finished = finished;
        self.lasted_ms
    }
}

/// The age of a write, as far as this process ran meanwhile.
fn grown(age_ms: u64, before_ms: u64, tick_ms: u64) -> u64 {
    age_ms.min(before_ms.saturating_add(tick_ms.saturating_mul(TICKS_COUNTED_MAX)))
}

impl<D: Disk, M: Machine> Driver<D, M> {
    pub(super) fn on_room(&mut self, full: bool) {
        self.no_room = full;
        self.tell_room();
        self.seek_room();
    }

    /// A primary without room hands over to a peer with room, as soon as such a peer can take over
    /// (architecture, What loses what). The periodic look at the disk is enough: no update has to fail first.
    pub(super) fn seek_room(&mut self) {
        let full = self.disk_short() && self.core.leads() && !self.core.transferring() && !self.core.paused();
        if !full || !self.others_have_room() {
            return;
        }
        let short = |id: &RaftId| self.peers.get(id).is_some_and(|seen| seen.short);
        if let Some(to) = self.core.successors().into_iter().find(|id| !short(id)) {
            let _ = self.core.transfer(to, "handover because the disk is short"); // a peer that has room goes on
        }
    }

    /// Whether the other voters with room are a quorum: this node could not write its vote for a successor.
    fn others_have_room(&self) -> bool {
        let able =
            |seen: &PeerFacts| !seen.short && !seen.lost && seen.heard.is_some_and(|heard| heard.elapsed() < SILENT);
        let own = self.config.core.id;
        self.core.is_quorum(|id| id != own && self.peers.get(&id).is_some_and(able))
    }

    /// Tells the core for how long the oldest write has been under way; to be called before each tick.
    pub(super) fn look_at_disks(&mut self) {
        self.disks.look(u64::try_from(self.config.tick.as_millis()).unwrap_or(u64::MAX));
        self.core.on_write_age(self.disks.oldest().0);
    }

    /// Keeps status and log right about a disk that hangs: a line for each cause.
    pub(super) fn tell_stall(&mut self) {
        let ((age_ms, of_log), alone) = (self.disks.oldest(), self.core.stalled_alone());
        let now = self.core.stalled().then_some(Stall { age_ms, of_log, alone });
        let before = std::mem::replace(&mut self.disks.stall, now);
        match (before, now) {
            (None, Some(stall)) => {
                let of = if stall.of_log { "log" } else { "state" };
                tracing::error!(
                    age_ms,
                    "the disk hangs: a write of the {of} has not ended; a primary hands over, and this node acknowledges nothing until \
                     it does"
                );
            }
            (Some(stall), None) => {
                tracing::warn!(lasted_ms = stall.age_ms, "the disk goes on");
                self.disks.said_alone = false;
            }
            _ => {}
        }
        if alone && !std::mem::replace(&mut self.disks.said_alone, true) {
            let paused = self.core.paused();
            tracing::error!(
                paused,
                "the disk hangs and no other node can take over: updates wait until the disk goes on"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::write_clock::Queue;

    const TICK_MS: u64 = 50;
    /// Ticks that are longer than any write may take.
    const LONG: u64 = 1300;

    fn clock_of(disks: &Disks, of_log: bool) -> Arc<WriteClock> {
        Arc::clone(if of_log { &disks.log } else { &disks.apply })
    }

    /// Disks that work, and the queue of the log's thread or of the apply thread.
    fn queued(of_log: bool) -> (Disks, Queue<()>, Receiver<()>) {
        let disks = Disks::new(Arc::new(AtomicBool::new(true)));
        let (sender, pieces) = mpsc::channel();
        let queue = Queue::new(sender, &clock_of(&disks, of_log));
        (disks, queue, pieces)
    }

    #[test]
    fn queued_work_that_its_thread_does_not_begin_grows_as_old_as_a_write_that_hangs() {
        for of_log in [true, false] {
            let (mut disks, queue, _pieces) = queued(of_log);
            queue.send(());
            disks.look(TICK_MS);
            for ticks in 1..=60 {
                queue.send(()); // further work makes the first piece no younger
                disks.look(TICK_MS);
                assert_eq!(disks.oldest().0, if ticks == 1 { 0 } else { ticks * TICK_MS });
            }
            assert_eq!(disks.oldest(), (3000, of_log));
            clock_of(&disks, of_log).turn(61, || ());
            disks.look(TICK_MS);
            assert_eq!(disks.oldest().0, 0, "the thread has done its work");
        }
    }

    #[test]
    fn a_thread_that_makes_progress_does_not_hang_however_much_work_waits() {
        for of_log in [true, false] {
            let (mut disks, queue, _pieces) = queued(of_log);
            let clock = clock_of(&disks, of_log);
            queue.send(());
            for tick in 0..LONG {
                (0..2).for_each(|_| queue.send(()));
                if tick % 20 == 0 {
                    clock.turn(1, || ());
                }
                disks.look(TICK_MS);
                assert!(disks.oldest().0 < 20 * TICK_MS, "a turn a second is progress");
            }
            assert!(clock.left_waiting().is_some());
        }
    }

    #[test]
    fn a_thread_without_work_does_not_hang() {
        for of_log in [true, false] {
            let (mut disks, queue, _pieces) = queued(of_log);
            queue.send(());
            clock_of(&disks, of_log).turn(1, || ());
            for _ in 0..LONG {
                disks.look(TICK_MS);
                assert_eq!(disks.oldest().0, 0);
            }
        }
    }

    #[test]
    fn a_write_that_hangs_grows_as_old_as_it_is_and_one_beside_a_pause_of_the_process_does_not() {
        let mut age_ms = 0;
        for ticks in 1..=70 {
            age_ms = grown(ticks * 50, age_ms, 50);
        }
        assert_eq!(age_ms, 3500);
        assert_eq!(grown(60_000, 20, 50), 220, "the process was stopped for a minute");
        assert_eq!(grown(0, 3500, 50), 0, "it has ended");
    }

    #[test]
    fn a_state_that_waits_for_room_and_a_write_that_takes_its_time_do_not_hang() {
        let room = Arc::new(AtomicBool::new(true));
        let mut disks = Disks::new(Arc::clone(&room));
        disks.ages_ms = (LATE_MS - 1, 0);
        assert_eq!(disks.oldest(), (0, true));
        disks.ages_ms = (150, 3100);
        assert_eq!(disks.oldest(), (3100, false));
        room.store(false, Ordering::Relaxed);
        disks.look(50);
        assert_eq!(disks.oldest().0, 0);
    }
}
