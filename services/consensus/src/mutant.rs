//! Deliberate mistakes, one at a time: compiled in by `--cfg mutant` alone, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread; asked at the sites of the rules.

use std::cell::Cell;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// R12: a node takes part before its start is confirmed.
    StartNotConfirmed,
    /// R12: the start that a voter keeps is not compared.
    StartsNotCompared,
    /// R12: nor the term.
    TermsNotCompared,
    /// R12: nor the index.
    IndexesNotCompared,
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
    /// Rule 1: a data node takes a snapshot without its state.
    EmptySnapshotAccepted,
    /// Rule 1: the id that was replaced goes on counting.
    OldIdCounts,
    /// Rule 1: a data node forgets what its state does not have durable.
    ForgetsUnpersisted,
    /// Rule 2: the witness serves.
    WitnessServes,
    /// Rule 2: the witness keeps the lead.
    WitnessKeepsLeading,
    /// Rule 5: a start does not make questions unique.
    QuestionsRepeat,
    /// Rule 6: a vote is not kept.
    VoteNotKept,
    /// Rule 6: a failed fdatasync is tried again.
    FailedSyncRetried,
    /// Rule 6: what a start reads counts as durable, though a failed fdatasync may have left it behind.
    ReadCountsAsDurable,
    /// Rule 7: what is not known is told as not applied.
    UnknownToldAsFailed,
    /// Rule 7: waiters are woken in their order.
    WaitersByOrder,
    /// Rule 7: a node that lost its disk begins its request ids again.
    RequestIdsBeginAgain,
    /// Rule 4: a read is answered before its index is applied.
    ReadBeforeApplied,
    /// Rule 11: a learner votes before it has caught up.
    LearnerVotesAtOnce,
    /// Rule 11: the old and the new id change places at once.
    JointSkipped,
    /// Rule 11: whoever asks for a number gets the id that was given last.
    TokenIgnored,
    /// Design 6: the witness passes over changes of the membership when it starts.
    MembershipNotReplayed,
    /// A snapshot that brought no answer is not sent again.
    SnapshotNotSentAgain,
    /// A state that could not be fetched is not asked for again.
    FetchNotTriedAgain,
    /// Design 1: while failover is paused anybody takes over.
    PauseNotHeld,
    /// Design 1: a leader serves while failover is paused for another.
    ServesUnnamed,
    /// Design 1: who is forced drops what it does not know committed.
    ForcedDropsUncommitted,
    /// Rule 11: what comes out of an epoch that is over is heard.
    LowerEpochHeard,
    /// Design 1: single-copy ends without its operator.
    SingleCopyEndsByItself,
    /// Design 1: at the end of single-copy somebody votes who lacks what the log has forgotten.
    UnfedVotes,
    /// Rule 11: a state that is known to be wrong serves reads.
    DistrustedServes,
    /// Rule 11: a state whose digest differs is replaced, whichever node is wrong.
    DifferenceCondemns,
    /// Design 2: stamps are this node's wall clock.
    StampIsWallClock,
    /// Design 2: a median far ahead is followed though no other clock stands behind it.
    OddClockFollowed,
    /// Design 8: options come from the node's own file, though the state has them.
    OwnOptions,
    /// Spec 6: a remembered answer is given, whatever was asked under its id.
    ContentPassedOver,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 51] = [
        Self::StartNotConfirmed,
        Self::StartsNotCompared,
        Self::TermsNotCompared,
        Self::IndexesNotCompared,
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
        Self::EmptySnapshotAccepted,
        Self::OldIdCounts,
        Self::ForgetsUnpersisted,
        Self::WitnessServes,
        Self::WitnessKeepsLeading,
        Self::QuestionsRepeat,
        Self::VoteNotKept,
        Self::FailedSyncRetried,
        Self::ReadCountsAsDurable,
        Self::UnknownToldAsFailed,
        Self::WaitersByOrder,
        Self::RequestIdsBeginAgain,
        Self::ReadBeforeApplied,
        Self::LearnerVotesAtOnce,
        Self::JointSkipped,
        Self::TokenIgnored,
        Self::MembershipNotReplayed,
        Self::SnapshotNotSentAgain,
        Self::FetchNotTriedAgain,
        Self::PauseNotHeld,
        Self::ServesUnnamed,
        Self::ForcedDropsUncommitted,
        Self::LowerEpochHeard,
        Self::SingleCopyEndsByItself,
        Self::UnfedVotes,
        Self::DistrustedServes,
        Self::DifferenceCondemns,
        Self::StampIsWallClock,
        Self::OddClockFollowed,
        Self::OwnOptions,
        Self::ContentPassedOver,
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
