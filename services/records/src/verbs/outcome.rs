//! The outcome for a record whose attempt has ended: a pending reschedule is carried out, else the treatment of its result
//! (spec 9, Life of a record, Treatments).
//!
//! Reads the state and changes rows; the caller writes them. Called by RecordProcessed.

use outbound::{Handle, Refusal, record_status};

use super::target::{self, Target};
use crate::{
    after::{self, Rest},
    hold,
    tables::RecordRow,
    treatments,
    turn::Turn,
    view::View,
};

/// Ends the attempt of the target, whose row has the result and the count of attempts already, and is still held. Answers the
/// other records of its chain that change, with their new values. `personally`: a treatment calls again for the agent of the
/// ended attempt.
///
/// # Errors
/// TOO_MANY, for a chain of more records than one request may change.
pub(super) fn carry_out<V: View>(
    target: &mut Target,
    personally: bool,
    turn: &Turn<'_, '_, V>,
) -> Result<Vec<(Handle, RecordRow)>, Refusal> {
    if let Some(to) = target.record.pending.take() {
        target.record = hold::rescheduled(std::mem::take(&mut target.record), &to);
        return Ok(Vec::new());
    }
    let outcome = treatments::outcome(&target.record, &target.list, personally, turn);
    let (record, rest) = after::outcome_of(target.record.clone(), outcome);
    let others = match rest {
        Rest::Open => Vec::new(),
        Rest::NextAt(due_s) => after::next_at(target.handle, &record, due_s, turn).into_iter().collect(),
        Rest::ChainUpdated => {
            let open = target::others_of_chain(target, turn, target::is_open)?.into_iter();
            open.map(|(handle, record)| (handle, hold::finalised(record, record_status::CHAIN_UPDATED))).collect()
        }
    };
    target.record = record;
    Ok(others)
}
