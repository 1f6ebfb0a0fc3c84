//! Deliberate mistakes, one at a time: compiled in by `--cfg mutant` alone, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread; asked at the sites of the rules.

use std::cell::Cell;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Rule 1: the witness forgets what it has applied.
    WitnessForgetsApplied,
    /// Rule 1: `data_durable` is believed whichever term it is of.
    DataDurableOfOldTerm,
    /// Rule 1: a new leader does not count what its log has forgotten.
    NewLeaderCountsNothing,
    /// Rule 2: the witness never steps in.
    PriorityNeverRaised,
    /// Rule 4: reads from a lease.
    LeaseReads,
    /// Rule 5: the role is what Raft's state says.
    RoleByRaftState,
    /// Rule 6: promises leave before fdatasync.
    AcknowledgeBeforeSync,
    /// Rule 7: the state does not know request ids again.
    RequestIdsOff,
    /// Rule 7: a request that is sent again gets another id.
    NewIdWhenSentAgain,
    /// Spec 6: the state does not know idempotency keys again.
    IdempotencyKeysOff,
    /// Rule 10: bad bytes below the mark are cut as if torn.
    MarkIgnored,
    /// Rule 11: a data node goes on without its state.
    EmptyStateAccepted,
    /// Rule 11: a node whose log was lost comes back under its id.
    OldIdAfterWipe,
    /// The library joins appends.
    AppendsJoined,
    /// A snapshot counts as applied before it is durable.
    SnapshotAppliedEarly,
    /// A fetched state makes the log's last entries committed.
    FetchedStateCommits,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::WitnessForgetsApplied,
        Self::DataDurableOfOldTerm,
        Self::NewLeaderCountsNothing,
        Self::PriorityNeverRaised,
        Self::LeaseReads,
        Self::RoleByRaftState,
        Self::AcknowledgeBeforeSync,
        Self::RequestIdsOff,
        Self::NewIdWhenSentAgain,
        Self::IdempotencyKeysOff,
        Self::MarkIgnored,
        Self::EmptyStateAccepted,
        Self::OldIdAfterWipe,
        Self::AppendsJoined,
        Self::SnapshotAppliedEarly,
        Self::FetchedStateCommits,
    ];
}

thread_local! {
    static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Makes this mistake from now on, on this thread.
pub fn set(mutant: Option<Mutant>) {
    ON.set(mutant);
}

/// Whether this mistake is made.
pub fn on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}

/// The wrong value where the mistake is made, else the right one.
pub(crate) fn instead<T>(mutant: Mutant, right: T, wrong: T) -> T {
    if on(mutant) { wrong } else { right }
}
