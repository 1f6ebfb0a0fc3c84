//! Readings: where the specification leaves a choice, the one that the model makes, each in a place of its own.

use crate::model::Model;

/// A record that is added to a chain within the pause after a reject waits for the end of the pause too: "neither it nor its chain is
/// handed out again".
pub const A_NEW_RECORD_SHARES_THE_PAUSE_OF_ITS_CHAIN: bool = true;

/// The next record of a chain is the next one behind the treated record that waits to be called, else the first of the chain.
pub fn next_in_chain(model: &Model, at: usize) -> Option<usize> {
    let others: Vec<usize> =
        model.others(at).into_iter().filter(|other| model.records[*other].is_to_be_called()).collect();
    let is_behind = |other: &&usize| model.records[**other].n > model.records[at].n;
    others.iter().find(is_behind).or(others.first()).copied()
}

/// A reschedule that the end of `retrieved_timeout` carries out is not counted as an attempt of the record.
pub const A_TIMEOUT_COUNTS_AN_ATTEMPT: bool = false;

/// A group that is loaded again begins anew with the turns of its lists: the specification only says that the turns are replicated.
pub const UNLOADING_FORGETS_THE_ROUND_ROBIN: bool = true;

/// A record marked as Do-Not-Call in a preview frees its chain in the same preview.
pub const A_MARK_FREES_THE_CHAIN_AT_ONCE: bool = true;

/// A record that is met with `attempts_max` attempts is passed over for so many seconds, and frees its place in its chain meanwhile.
pub const ALL_ATTEMPTS_PAUSE_S: i64 = 3600;
