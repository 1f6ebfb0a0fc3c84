//! Brings records up to the rules of campaigns once the group decides by them, and later to a changed declaration: records that a
//! limit holds back are freed, and lists whose customer field has changed get their customers. A command changes five hundred
//! records at most. The state names the next records, so that another primary goes on.

use std::{sync::Arc, time::Duration};

use outbound::{BROUGHT_UP_ROWS_MAX, Body, BringUp, RULES_WITH_CAMPAIGNS};
use pair::Door;
use tokio::time::Instant;

use super::{Duty, decide};

/// Interval of the check whether records are to be brought up.
const LOOK: Duration = Duration::from_millis(200);
/// Shortest pause between two commands while clients' updates go on.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// A pause is so many times as long as the command before, while clients' updates go on: they keep most of the time.
const PAUSES: u32 = 3;
/// Time between two lines of the log.
const TELL: Duration = Duration::from_secs(10);

/// Proposes commands until the state says that nothing is left, and again when a declaration leaves something.
pub(crate) struct BringingUp {
    api: Arc<Door>,
}

impl BringingUp {
    pub(crate) fn new(api: Arc<Door>) -> Self {
        Self { api }
    }

    fn is_left(&self) -> bool {
        let state = self.api.engine().state();
        state.rules_version() >= RULES_WITH_CAMPAIGNS && state.bring_up().0.is_left()
    }

    /// Proposes commands until nothing is left or a command is not decided.
    async fn bring_up(&self) {
        let client_updates = || self.api.engine().state().client_updates();
        let mut before = client_updates();
        let mut told = Instant::now();
        self.tell("begins to bring records up to the rules");
        while self.is_left() {
            let begun = Instant::now();
            if let Err(refusal) = decide(&self.api, Body::BringUp(BringUp { rows_max: BROUGHT_UP_ROWS_MAX })).await {
                tracing::warn!("records are not brought up to the rules yet: {}", refusal.message);
                return tokio::time::sleep(LOOK).await;
            }
            let updates = client_updates();
            tokio::time::sleep(pause(begun.elapsed(), updates - before)).await;
            before = updates;
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.tell("still brings records up to the rules");
            }
        }
        self.tell("records are brought up to the rules");
    }

    fn tell(&self, what: &str) {
        let (progress, last) = self.api.engine().state().bring_up();
        tracing::info!(handle = progress.handle, last, lists = progress.customers.len(), "{what}");
    }
}

impl Duty for BringingUp {
    const NAME: &'static str = "bring up";

    async fn perform(&mut self) {
        loop {
            if self.is_left() {
                self.bring_up().await;
            } else {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// The pause after a command that took so long, during which clients made so many updates.
fn pause(took: Duration, client_updates: u64) -> Duration {
    if client_updates > 0 { (took * PAUSES).clamp(PAUSE, PAUSE_MAX) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_updates_get_the_time_between_commands_and_an_idle_group_waits_for_nothing() {
        let took = Duration::from_millis(8);
        assert_eq!([pause(took, 0), pause(took, 1)], [Duration::ZERO, took * PAUSES]);
        assert_eq!([Duration::ZERO, Duration::from_secs(9)].map(|took| pause(took, 1)), [PAUSE, PAUSE_MAX]);
    }
}
