//! Brings records up to the rules of campaigns once the group decides by them, and later to a changed declaration: records that a
//! limit holds back are freed, and lists whose customer field has changed get their customers. A command changes five hundred
//! records at most. The state names the next records, so that another primary goes on.

use std::{sync::Arc, time::Duration};

use outbound::{BROUGHT_UP_ROWS_MAX, Body, BringUp, RULES_WITH_CAMPAIGNS};
use pair::Door;
use tokio::time::Instant;

use super::{Duty, decide};
use crate::role::RoleService;

/// Interval of the check whether records are to be brought up.
const LOOK: Duration = Duration::from_millis(200);
/// Shortest pause between two commands while clients' updates go on.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// A pause is so many times as long as the command before, while clients' updates go on: they keep most of the time.
const PAUSES: u32 = 3;
/// Commands between two looks whether clients' updates go on.
const COMMANDS: u64 = 50;
/// Time between two lines of the log.
const TELL: Duration = Duration::from_secs(10);

/// Proposes commands until the state says that nothing is left, and again when a declaration leaves something.
pub(crate) struct BringingUp {
    role: RoleService,
    api: Arc<Door>,
}

impl BringingUp {
    /// `role`: tells how far the group's log has come.
    pub(crate) fn new(role: RoleService, api: Arc<Door>) -> Self {
        Self { role, api }
    }

    fn is_left(&self) -> bool {
        let state = self.api.engine().state();
        state.rules_version() >= RULES_WITH_CAMPAIGNS && state.bring_up().0.is_left()
    }

    /// Proposes commands until nothing is left or a command is not decided.
    async fn bring_up(&self) {
        let mut rest = Rest::new(self.role.status().commit);
        let mut told = Instant::now();
        self.tell("begins to bring records up to the rules");
        while self.is_left() {
            let begun = Instant::now();
            if let Err(refusal) = decide(&self.api, Body::BringUp(BringUp { rows_max: BROUGHT_UP_ROWS_MAX })).await {
                tracing::warn!("records are not brought up to the rules yet: {}", refusal.message);
                return tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(rest.after(begun.elapsed(), self.role.status().commit)).await;
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

/// The pauses between commands: none while this duty alone writes to the log.
#[derive(Debug)]
struct Rest {
    /// The commit index at the last look.
    commit: u64,
    /// Commands since the last look.
    commands: u64,
    /// Whether clients' updates go on, as of the last look.
    busy: bool,
}

impl Rest {
    /// Updates go on until the first look has shown otherwise.
    fn new(commit: u64) -> Self {
        Self { commit, commands: 0, busy: true }
    }

    /// The pause after a command that took so long. A command is an entry of its own unless updates come with it, so entries beyond
    /// the commands are updates; a fifth is left to other duties.
    fn after(&mut self, took: Duration, commit: u64) -> Duration {
        self.commands += 1;
        if self.commands >= COMMANDS {
            let entries = commit.saturating_sub(self.commit);
            self.busy = entries > self.commands + self.commands / 5;
            (self.commit, self.commands) = (commit, 0);
        }
        if self.busy { (took * PAUSES).clamp(PAUSE, PAUSE_MAX) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(8);

    /// The pauses after two looks' worth of commands, with so many entries of the log a command.
    fn pauses(entries_of_ten: u64) -> Vec<Duration> {
        let mut rest = Rest::new(100);
        (1..=2 * COMMANDS).map(|command| rest.after(TOOK, 100 + command * entries_of_ten / 10)).collect()
    }

    #[test]
    fn clients_updates_get_the_time_between_commands_and_an_idle_group_waits_for_nothing() {
        let first_look = usize::try_from(COMMANDS).unwrap() - 1;
        let (alone, with_updates) = (pauses(10), pauses(40));
        assert!(alone[..first_look].iter().all(|pause| *pause == TOOK * PAUSES), "nothing is known yet");
        assert!(alone[first_look..].iter().all(Duration::is_zero));
        assert!(with_updates.iter().all(|pause| *pause == TOOK * PAUSES));
        let mut rest = Rest::new(0);
        assert_eq!(rest.after(Duration::ZERO, 0), PAUSE);
        assert_eq!(rest.after(Duration::from_secs(9), 0), PAUSE_MAX);
    }
}
