//! Logs when a node's wall clock is odd, and when all clocks agree again (architecture, Stamped time).
//!
//! Never touches a stamp: `pair::StampClock` decides which clock time follows. Called by `run`.

use chassis::tasks::Tasks;
use consensus::RaftId;
use tokio::sync::watch;

use super::spawn_quiet;
use crate::role::Roster;

/// Announces every change from now on.
pub(super) fn announce(mut odd: watch::Receiver<Vec<RaftId>>, roster: Roster, tasks: &Tasks) {
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "odd-clocks", async move {
        loop {
            tokio::select! {
                changed = odd.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
            let names: Vec<String> = odd.borrow_and_update().iter().map(|id| roster.name_of(*id)).collect();
            say(&names);
        }
    });
}

fn say(names: &[String]) {
    if names.is_empty() {
        tracing::info!("all wall clocks agree again");
    } else {
        let odd = names.join(", ");
        tracing::warn!(odd, "wall clocks differ by more than 2 s: set the odd ones right");
    }
}
