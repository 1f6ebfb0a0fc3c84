//! Deliberate mistakes of the policy, one for each of its decisions: compiled in only by `--cfg mutant`, to show that the
//! simulator finds them.
//!
//! Never part of a product. Set by the simulator for its own thread.

use std::cell::Cell;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// An unknown outcome is told as not applied.
    UnknownToldAsFailed,
    /// An attempt that is refused after another was handed over is told as refused.
    RefusedAfterHandedTold,
    /// An update that was never handed over is told as not known.
    NotAppliedToldAsUnknown,
    /// An update that is sent again gets another id.
    NewIdWhenSentAgain,
    /// Another primary is not attempted while the old primary is silent.
    MoveNotFollowed,
    /// A known primary is asked again without a pause.
    PauseSkipped,
    /// An update is held for longer than `hold_time`.
    HeldBeyondHoldTime,
    /// An update has no end at its deadline.
    DeadlinePassedOver,
    /// A reply that asks for another attempt is told as the answer.
    AgainToldAsAnswer,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::UnknownToldAsFailed,
        Self::RefusedAfterHandedTold,
        Self::NotAppliedToldAsUnknown,
        Self::NewIdWhenSentAgain,
        Self::MoveNotFollowed,
        Self::PauseSkipped,
        Self::HeldBeyondHoldTime,
        Self::DeadlinePassedOver,
        Self::AgainToldAsAnswer,
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
pub(crate) fn on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}
