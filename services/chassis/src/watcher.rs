//! A thread that ends the process when a part that the process cannot do without stands still.
//!
//! Such a part can neither hand over nor name a fault, so nothing is asked of it: the watcher takes no lock, waits for nothing
//! and leaves every drain out. Only time that the watcher itself got counts: a process that was stopped (SIGSTOP) or a machine that
//! was paused did not stand still. Called by the node.

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

/// How often the parts are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A sleep that lasts longer than [`LOOK`] by more than this was no sleep: the machine or the process did not run.
const LATE_MAX: Duration = Duration::from_millis(50);
/// A part that has not moved for so long stands still.
const STILL_MAX: Duration = Duration::from_secs(3);
/// Bytes of the last line that a pipe takes whole where it takes any.
const LINE_BYTES_MAX: usize = 512;

/// A part that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// In words, for the last line of the log.
    pub name: &'static str,
    /// Counts: a part that works moves it at least every second.
    pub pulse: Arc<AtomicU64>,
}

/// Watches from its start until it is dropped.
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

/// How long a sleep of [`LOOK`] took.
fn sleep() -> Duration {
    let begun = Instant::now();
    thread::sleep(LOOK);
    begun.elapsed()
}

/// For how long one part has not moved.
#[derive(Debug, Clone, Default)]
struct Standstill {
    pulse: u64,
    lasted: Duration,
}

impl Standstill {
    /// Takes in the count of a part after a sleep that took so long. True: it stands still.
    fn look(&mut self, slept: Duration, pulse: u64) -> bool {
        if pulse != self.pulse {
            (self.pulse, self.lasted) = (pulse, Duration::ZERO);
        } else if slept <= LOOK + LATE_MAX {
            self.lasted += slept;
        }
        self.lasted >= STILL_MAX
    }
}

/// Made ahead of its use: the process may be waiting for its heap.
fn last_line(watched: &Watched) -> String {
    let (name, seconds) = (watched.name, STILL_MAX.as_secs());
    let mut line = format!("fatal: {name} has stood still for {seconds} s: the process ends with status {STALLED}");
    line.truncate(LINE_BYTES_MAX - 1);
    line.push('\n');
    line
}

/// Ends the process without any drain; the line goes straight to standard error, if that takes it at once.
#[allow(unsafe_code)] // the end of the process without the handlers of its exit has no safe interface
fn end(line: &str) -> ! {
    let stderr = io::stderr();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut writable = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut writable, Some(&now)).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(stderr.as_fd(), line.as_bytes()); // nobody is left to be told
    }
    // SAFETY: the call takes a number, does not return, and runs nothing of this process any more.
    unsafe { libc::_exit(i32::from(STALLED)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks, each after a sleep that took so long, until the part counts as standing still.
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
