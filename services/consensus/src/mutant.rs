//! Deliberate mistakes, one at a time: compiled in by `--cfg mutant` alone, to show that the simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread; asked at the sites of the rules.

use std::cell::Cell;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// R12 disks-are-evidence: a node takes part before its start is confirmed.
    StartNotConfirmed,
    /// R12: the start that a voter keeps is not compared.
    StartsNotCompared,
    /// R12: nor the term.
    TermsNotCompared,
    /// R12: nor the index.
    IndexesNotCompared,
    /// R1 forget-what-both-have: the witness forgets all applied entries.
    WitnessForgetsApplied,
    /// R1: a `data_durable` of any term is believed.
    DataDurableOfOldTerm,
    /// R1: a new leader does not count the entries that its log has forgotten.
    NewLeaderCountsNothing,
    /// R2 witness-never-serves: the witness never steps in.
    PriorityNeverRaised,
    /// R4 reads-ask-a-quorum: reads from a lease.
    LeaseReads,
    /// R5 leader-is-not-primary: the role follows Raft's state alone.
    RoleByRaftState,
    /// R6 durable-before-acknowledged: promises leave before fdatasync.
    AcknowledgeBeforeSync,
    /// R7 unknown-is-not-failed: the state does not know request ids again.
    RequestIdsOff,
    /// Spec 6, Exactly once: the state does not know idempotency keys again.
    IdempotencyKeysOff,
    /// R10 torn-is-cut-corrupt-is-kept: bad bytes below the mark are cut as if torn.
    MarkIgnored,
    /// R11 one-id-one-log: a data node goes on without its state.
    EmptyStateAccepted,
    /// R11: a node whose log was lost comes back under its id.
    OldIdAfterWipe,
    /// The library joins appends.
    AppendsJoined,
    /// A snapshot counts as applied before its mark is durable.
    SnapshotAppliedEarly,
    /// A fetched state makes the log's last entries committed.
    FetchedStateCommits,
    /// R1: a data node takes a snapshot without its state.
    EmptySnapshotAccepted,
    /// R1: the id that was replaced goes on counting.
    OldIdCounts,
    /// R1: a data node forgets entries that its state does not have durable.
    ForgetsUnpersisted,
    /// R2: the witness serves.
    WitnessServes,
    /// R2: the witness keeps the lead.
    WitnessKeepsLeading,
    /// R5: a start does not make questions unique.
    QuestionsRepeat,
    /// R6: a vote is not kept.
    VoteNotKept,
    /// R6: a failed fdatasync is tried again.
    FailedSyncRetried,
    /// R6: bytes that a start reads count as durable, though a failed fdatasync may have left them behind.
    ReadCountsAsDurable,
    /// R7: waiters are woken in their order.
    WaitersByOrder,
    /// R7: a node that lost its disk begins its request ids again.
    RequestIdsBeginAgain,
    /// R4: a read is answered before its index is applied.
    ReadBeforeApplied,
    /// R11: a learner votes before catching up.
    LearnerVotesAtOnce,
    /// R11: the old and the new id change places at once.
    JointSkipped,
    /// R11: every asker for a number gets the id that was given last.
    TokenIgnored,
    /// Architecture, raft-rs: the witness passes over changes of the membership at its start.
    MembershipNotReplayed,
    /// A snapshot that brought no answer is not sent again.
    SnapshotNotSentAgain,
    /// A state that could not be fetched is not asked for again.
    FetchNotTriedAgain,
    /// Architecture, services/consensus: while failover is paused any node takes over.
    PauseNotHeld,
    /// Architecture, services/consensus: a leader serves while failover is paused for another.
    ServesUnnamed,
    /// Decision 0011: a forced node drops the entries that are not known committed.
    ForcedDropsUncommitted,
    /// R11: frames of an ended epoch are heard.
    LowerEpochHeard,
    /// Decision 0011: single-copy ends without its operator.
    SingleCopyEndsByItself,
    /// Decision 0011: at the end of single-copy a node that lacks forgotten entries votes.
    UnfedVotes,
    /// R11: a state that is known to be wrong serves reads.
    DistrustedServes,
    /// R11: a state whose digest differs is replaced, whichever node is wrong.
    DifferenceCondemns,
    /// Architecture, Stamped time: stamps are this node's wall clock.
    StampIsWallClock,
    /// Architecture, Stamped time: a median far ahead is followed though no other clock stands behind it.
    OddClockFollowed,
    /// R13 versions-are-replicated: options come from the node's own file, though the state has them.
    OwnOptions,
    /// Spec 6, Exactly once: a remembered answer is given without a comparison of the requests.
    ContentPassedOver,
    /// Architecture, The outbox: an empty outbox gives its numbers again.
    OutboxBeginsAgain,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 50] = [
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
        Self::OutboxBeginsAgain,
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
