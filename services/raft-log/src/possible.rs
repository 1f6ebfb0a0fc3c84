//! The numbers that a writer can have written. A record with a right checksum and other numbers is damage: the bytes changed before
//! the checksum was made, in memory or by a hand that is not the log's.
//!
//! Pure. Compares a record with the state of the records before, as far as the segments at hand tell that state. Called by recovery
//! before a record takes effect.

use super::{
    format::{self, Base, Mark, NUMBER_MAX},
    state::{Effect, LogState},
};

/// Highest offset at which a batch ends: the index of a segment keeps offsets in 32 bits.
const OFFSET_MAX: u64 = u32::MAX as u64;

/// The first rule that does not hold.
fn broken(rules: &[(bool, &'static str)]) -> Option<&'static str> {
    rules.iter().find(|(holds, _)| !holds).map(|(_, otherwise)| *otherwise)
}

/// The rule that a head at `at` breaks, in a segment of `limit` bytes; `known`: the mark of the records before, where they end here.
pub(super) fn head_rule(
    (length, before): (u32, Mark),
    at: (u64, u64),
    limit: u64,
    known: Option<Mark>,
) -> Option<&'static str> {
    let here = before.place() == at;
    broken(&[
        (length as usize >= format::head_bytes(), "a batch that is shorter than its head"),
        (at.1 + u64::from(length) <= limit.min(OFFSET_MAX), "a batch that ends behind its file, or beyond 4 GiB"),
        (before.place() <= at, "a head whose mark stands behind the head"),
        (!here || known.is_none_or(|mark| mark == before), "a head whose mark names another entry"),
    ])
}

/// The rule that the first record of a log breaks.
pub(super) fn base_rule(base: &Base) -> Option<&'static str> {
    let (first, last) = (base.start.index, base.last_index);
    let numbers = [first, base.start.term, last, base.last_term, base.hard_state.term];
    let term_fits = if first == last { base.last_term == base.start.term } else { base.last_term >= base.start.term };
    let indexes = || base.conf_states.iter().map(|(index, _)| *index);
    broken(&[
        (numbers.iter().all(|number| *number <= NUMBER_MAX), "a base with a number that cannot be"),
        (first <= last, "a base whose last entry stands before its start"),
        (term_fits, "a base whose last entry has a term that cannot be"),
        (indexes().all(|index| first < index && index <= last), "a base with a membership outside of its entries"),
        (base.conf_states.is_sorted_by(|a, b| a.0 < b.0), "a base with memberships in another order"),
    ])
}

/// The rule that a record breaks, beside the state of the records before.
pub(super) fn rule(effect: &Effect, state: &LogState) -> Option<&'static str> {
    let last = state.last_index();
    match effect {
        Effect::Base(base) => base_rule(base),
        Effect::HardState(hard_state) => broken(&[
            (hard_state.term <= NUMBER_MAX, "a hard state of a term that cannot be"),
            (hard_state.term >= state.hard_state.term, "a hard state of an earlier term than the hard state before"),
        ]),
        Effect::Start(mark) => broken(&[
            (mark.index >= state.start.index, "a start below the start before"),
            (mark.index <= last, "a start above the last entry"),
            (state.term(mark.index).is_none_or(|term| term == mark.term), "a start of another term than its entry"),
        ]),
        Effect::Reset(mark) => broken(&[
            (mark.index <= NUMBER_MAX, "a reset to an index that cannot be"),
            (mark.term <= NUMBER_MAX, "a reset to a term that cannot be"),
        ]),
        Effect::Entry { index, term, .. } => entry_rule(*index, *term, state),
        Effect::ConfState(index, _) => broken(&[(*index <= last, "a membership above the last entry")]),
    }
}

/// An entry at or below the last index is legal: the entry of a new leader takes out the entries from there on.
fn entry_rule(index: u64, term: u64, state: &LogState) -> Option<&'static str> {
    let before = state.term(index.saturating_sub(1));
    broken(&[
        (index > state.start.index, "an entry at or below the start"),
        (index <= state.last_index() + 1, "an entry that leaves a gap"),
        (index <= NUMBER_MAX, "an entry at an index that cannot be"),
        (term <= NUMBER_MAX, "an entry of a term that cannot be"),
        (before.is_none_or(|before| before <= term), "an entry of an earlier term than the entry before"),
    ])
}
