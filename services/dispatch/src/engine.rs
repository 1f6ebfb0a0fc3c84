//! An engine: takes updates in attempts, answers reads, and knows where updates go.
//!
//! An engine never waits for a primary and never attempts again: [`crate::policy`] decides on both.

use std::time::Duration;

use futures::Stream;
use outbound::{Answers, Query, Refusal, Reply, Request};
use tokio::sync::watch;

use crate::Submission;

/// The place where updates go: a name that only the engine can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(pub u64);

/// The engine's knowledge of where updates go. A guess to act on, never a proof (R5 leader-is-not-primary).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Grows with each change of the target that the engine knows to be one, though the target may come back.
    pub era: u64,
    /// The place where updates go now; none: no place takes updates.
    pub target: Option<Target>,
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The answer.
    Reply(Reply),
    /// Known not to be applied by this attempt.
    NotTaken(NotTaken),
    /// Not known: the update may be applied, now or later.
    Lost,
    /// Not known, as in [`Heard::Lost`], and updates go elsewhere now.
    Moved(Standing),
}

/// The reason why an attempt did not take an update.
#[derive(Debug, Clone, PartialEq)]
pub enum NotTaken {
    /// The target takes no updates, or was not reached.
    NotServing,
    /// Too many updates wait at the target.
    Busy,
    /// The target has no room, in its own words.
    NoRoom(String),
    /// The target's own refusal.
    Refused(Reply),
}

/// A state engine behind the entrances.
pub trait Engine: Send + Sync + 'static {
    /// The outcomes of the attempts of one batch.
    type Attempts: Stream<Item = (usize, Heard)> + Send + Unpin + 'static;

    /// One attempt for each update of the batch, at the target of `at`. Yields each update's outcome once, with its position in
    /// the batch, as soon as the outcome is known. A repeated id is applied once. Dropping the attempts forgets the outcomes, not
    /// the updates.
    fn submit(&self, batch: &[Submission], at: Standing) -> Self::Attempts;

    /// Answers reads, in their order, from a state that has every update acknowledged before the call (R4 reads-ask-a-quorum).
    ///
    /// # Errors
    /// Why no such state was found within this time.
    fn read(&self, requests: &[&Request], within: Duration) -> impl Future<Output = Result<Vec<Reply>, String>> + Send;

    /// Answers a read from the last state known, however old; none: no state is known.
    fn read_last(&self, request: &Request) -> Option<Reply>;

    /// Answers a question from the present state; a caller that needs a recent state waits before
    /// ([`crate::Dispatch::wait_until_readable`]). May wait for the disk.
    ///
    /// # Errors
    /// Why there is no answer: an unknown list or column, a text that is no number.
    fn query(&self, query: Query) -> Result<Answers, Refusal>;

    /// Where updates go, always the latest.
    fn standing(&self) -> watch::Receiver<Standing>;

    /// The rules version by which the engine decides. Called for every batch: no lookup.
    fn rules_version(&self) -> u32;
}
