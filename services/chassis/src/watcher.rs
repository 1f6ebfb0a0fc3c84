//! A thread that ends the process when an essential part stands still.
//!
//! Such a part can neither hand over nor report a fault, so the watcher relies on no other part: the watcher takes no lock, never
//! waits and skips every drain. Only time in which the watcher itself ran counts: a stopped process (SIGSTOP) or a paused
//! machine does not stand still. Called by the node.

use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::exit::STALLED;

/// The interval of the checks.
const LOOK: Duration = Duration::from_millis(100);
/// A sleep that exceeds [`LOOK`] by more than this does not count: the machine or the process was stopped.
const LATE_MAX: Duration = Duration::from_millis(50);
/// The time without progress after which a part stands still.
const STILL_MAX: Duration = Duration::from_secs(3);
/// Bytes of the last line, at most: a writable pipe takes a line of this length whole.
const LINE_BYTES_MAX: usize = 512;

/// A watched part.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The part's name for the last line of the log.
    pub name: &'static str,
    /// The part's counter: a healthy part increments the counter at least every second.
    pub pulse: Arc<AtomicU64>,
}

/// The handle of the watcher: watches until the drop.
#[derive(Debug)]
pub struct Watcher {
    armed: Arc<AtomicBool>,
}

impl Watcher {
    /// Starts the thread. A part that stands still for 3 s from now on ends the process with status 70.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(watched: Vec<Watched>) -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(true));
        let (of_thread, lines) = (Arc::clone(&armed), watched.iter().map(last_line).collect::<Vec<_>>());
        let watch = move || {
            let mut standstills = vec![Standstill::default(); watched.len()];
            while of_thread.load(Relaxed) {
                let slept = sleep();
                let looked = standstills.iter_mut().zip(&watched);
                let still = looked.map(|(still, part)| still.look(slept, part.pulse.load(Relaxed)));
                let first = still.enumerate().filter(|(_, still)| *still).map(|(at, _)| at).min();
                if let Some(at) = first.filter(|_| of_thread.load(Relaxed)) {
                    end(&lines[at]);
                }
            }
        };
        thread::Builder::new().name("watcher".to_owned()).spawn(watch)?;
        Ok(Self { armed })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.armed.store(false, Relaxed);
    }
}

/// Sleeps for [`LOOK`]; answers the real duration.
fn sleep() -> Duration {
    let begun = Instant::now();
    thread::sleep(LOOK);
    begun.elapsed()
}

/// The time since a part's last progress.
#[derive(Debug, Clone, Default)]
struct Standstill {
    pulse: u64,
    lasted: Duration,
}

impl Standstill {
    /// Compares a part's counter after a sleep of this duration. True: the part stands still.
    fn look(&mut self, slept: Duration, pulse: u64) -> bool {
        if pulse != self.pulse {
            (self.pulse, self.lasted) = (pulse, Duration::ZERO);
        } else if slept <= LOOK + LATE_MAX {
            self.lasted += slept;
        }
        self.lasted >= STILL_MAX
    }
}

/// The last line, made in advance: at its use, the heap may be locked.
fn last_line(watched: &Watched) -> String {
    let (name, seconds) = (watched.name, STILL_MAX.as_secs());
    let mut line = format!("fatal: {name} has stood still for {seconds} s: the process ends with status {STALLED}");
    line.truncate(LINE_BYTES_MAX - 1);
    line.push('\n');
    line
}

/// Ends the process without any drain; the line goes straight to standard error, if writable without waiting.
#[allow(unsafe_code)] // an exit without exit handlers has no safe interface
fn end(line: &str) -> ! {
    let stderr = io::stderr();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut writable = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut writable, Some(&now)).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(stderr.as_fd(), line.as_bytes()); // no reader is left for an error
    }
    // SAFETY: the call takes a number, never returns, and runs no more code of this process.
    unsafe { libc::_exit(i32::from(STALLED)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count of checks, each after a sleep of `slept`, until the part stands still.
    fn looks(standstill: &mut Standstill, slept: Duration, at_most: u32) -> Option<u32> {
        (1..=at_most).find(|_| standstill.look(slept, 7))
    }

    #[test]
    fn a_part_that_does_not_move_for_three_seconds_stands_still() {
        let mut standstill = Standstill::default();
        assert!(!standstill.look(LOOK, 7), "it has moved");
        assert_eq!(looks(&mut standstill, LOOK, 100), Some(30));
    }

    #[test]
    fn a_part_that_moves_does_not_stand_still_however_slowly() {
        let mut standstill = Standstill::default();
        for beat in 1..100 {
            assert!(!standstill.look(LOOK, beat));
            assert!((0..29).all(|_| !standstill.look(LOOK, beat)));
        }
    }

    #[test]
    fn time_in_which_the_watcher_did_not_run_does_not_count() {
        let mut standstill = Standstill::default();
        assert!(!standstill.look(LOOK, 7));
        assert_eq!(looks(&mut standstill, Duration::from_secs(3600), 100), None, "a machine that was paused");
        assert_eq!(looks(&mut standstill, LOOK + LATE_MAX, 100), Some(20), "a little late is in time");
    }

    #[test]
    fn the_last_line_names_the_part_and_fits_into_a_pipe() {
        let watched = |name| Watched { name, pulse: Arc::default() };
        assert_eq!(
            last_line(&watched("the Raft loop")),
            "fatal: the Raft loop has stood still for 3 s: the process ends with status 70\n"
        );
        assert!(last_line(&watched("x")).len() <= LINE_BYTES_MAX);
    }
}
