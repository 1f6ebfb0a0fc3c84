//! Signs of life for a supervisor that wants them (systemd, `WatchdogSec=`): while the node starts or stops, a living process is
//! enough; while the node runs, the runtime must have turned since the last sign.
//!
//! Never decides that the process ends: a supervisor that hears no sign does. Called by `run`.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use chassis::{
    notify,
    tasks::{AtEnd, Tasks},
};

/// Turns of the runtime between two signs.
const TURNS: u32 = 2;
/// Signs within the time after which the supervisor gives up.
const SIGNS: u32 = 3;

/// Whether the runtime must turn, and the count of its turns.
#[derive(Debug, Clone, Default)]
pub(super) struct SignsOfLife {
    must_turn: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
}

impl SignsOfLife {
    /// Gives signs from now on, if a supervisor wants them. Opening a log may block a runtime of one thread, so a thread of its own
    /// gives them.
    pub(super) fn start(tasks: &Tasks) -> io::Result<Self> {
        let signs = Self::default();
        if let Some(patience) = notify::watchdog() {
            let (interval, shown) = (patience / SIGNS, signs.clone());
            thread::Builder::new().name("signs of life".to_owned()).spawn(move || shown.give(interval))?;
            signs.turn(interval / TURNS, tasks);
        }
        Ok(signs)
    }

    /// From now on (true) a runtime that stands still gives no sign of life.
    pub(super) fn expect_turns(&self, expected: bool) {
        self.must_turn.store(expected, Relaxed);
    }

    fn give(&self, interval: Duration) {
        let mut seen = 0;
        loop {
            if self.is_alive(&mut seen) {
                notify::alive();
            }
            thread::sleep(interval);
        }
    }

    fn is_alive(&self, seen: &mut u64) -> bool {
        let turns = self.turns.load(Relaxed);
        let turned = std::mem::replace(seen, turns) != turns;
        turned || !self.must_turn.load(Relaxed)
    }

    fn turn(&self, every: Duration, tasks: &Tasks) {
        let (turns, stopping) = (self.turns.clone(), tasks.stopping());
        tasks.spawn("turns of the runtime", AtEnd::Log, async move {
            let turning = async {
                loop {
                    turns.fetch_add(1, Relaxed);
                    tokio::time::sleep(every).await;
                }
            };
            tokio::select! {
                () = turning => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_stands_still_counts_only_while_the_node_runs() {
        let (signs, mut seen) = (SignsOfLife::default(), 0);
        assert!(signs.is_alive(&mut seen), "it starts");
        signs.expect_turns(true);
        signs.turns.fetch_add(1, Relaxed);
        assert!(signs.is_alive(&mut seen), "it turned");
        assert!(!signs.is_alive(&mut seen), "it did not turn since");
        signs.turns.fetch_add(1, Relaxed);
        assert!(signs.is_alive(&mut seen), "it turns again");
        signs.expect_turns(false);
        assert!(signs.is_alive(&mut seen), "it stops");
    }
}
