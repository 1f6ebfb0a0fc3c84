//! Claims about the answers to updates, one function for each decision of `dispatch::policy`, named as a claim, as in `invariants`.
//!
//! Called by `door`.

use dispatch::Standing;

use super::{
    clients::Answer,
    door::{HOLD_US, Submission},
    invariants::claim,
};

/// A known primary is asked again no sooner, microseconds.
const PAUSE_US: u64 = 5_000;

/// Spec 6, OUTCOME_UNKNOWN: every update has its answer at its deadline.
pub(super) fn an_update_ends_at_its_deadline(update: &Submission, now: u64) {
    claim!(now < update.deadline, "an update ends at its deadline", "{} at {now}: {update:?}", update.id);
}

/// Architecture, Failover: a request is held for `hold_time`.
pub(super) fn an_update_is_held_no_longer_than_hold_time(update: &Submission, now: u64) {
    let Some(since) = update.held_since.filter(|_| update.attempt.is_none()) else { return };
    claim!(now < since + HOLD_US, "an update is held no longer than hold_time", "{} at {now}: {update:?}", update.id);
}

/// Architecture, Failover: once there is another primary, the old primary may be frozen.
pub(super) fn a_primary_that_was_left_is_not_waited_for(update: &Submission, seen: Standing) {
    let left = seen != update.tried && seen.target.is_some();
    claim!(
        !left,
        "a primary that was left is not waited for",
        "{} was sent to {:?}, updates go to {seen:?}",
        update.id,
        update.tried
    );
}

/// A primary that refuses is not asked in a busy loop. A search for a record goes on at once.
pub(super) fn a_known_primary_is_asked_again_after_a_pause(update: &Submission, seen: Standing, now: u64) {
    let paused = update.ended_at.is_none_or(|ended| now >= ended + PAUSE_US);
    claim!(
        paused || update.moved || update.asks_again || seen != update.tried,
        "a known primary is asked again after a pause",
        "{} was sent to {seen:?} again at {now}, after {:?}",
        update.id,
        update.ended_at
    );
}

/// R7 unknown-is-not-failed: "not known" is told where the outcome of an attempt is not known, and "not applied" never there.
pub(super) fn an_answer_says_what_is_known(update: &Submission, answer: &Answer) {
    let right = match answer {
        // an id of an earlier request may lie below the floor of forgotten ids
        Answer::Unknown => update.unknown || update.repeated,
        Answer::Unavailable => !update.unknown,
        _ => true,
    };
    claim!(right, "an answer says what is known", "{} ends in {answer:?}: {update:?}", update.id);
}
