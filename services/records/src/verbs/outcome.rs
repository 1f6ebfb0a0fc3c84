//! The outcome for a record whose attempt has ended: a pending reschedule is carried out, else the treatment of its result
//! (spec 9, Life of a record, Treatments).
//!
//! Reads the state and changes rows; the caller writes them. Called by RecordProcessed.

use outbound::{Handle, Refusal, record_status, record_type};

use super::target::{self, Target};
use crate::{
    hold,
    tables::{Class, PendingRow, RecordRow},
    treatments::{self, Outcome},
    turn::{Turn, chain},
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
    let others = others(target, &outcome, turn)?;
    target.record = with_outcome(std::mem::take(&mut target.record), outcome);
    Ok(others)
}

/// The other records of the chain that change.
fn others<V: View>(
    target: &Target,
    outcome: &Outcome,
    turn: &Turn<'_, '_, V>,
) -> Result<Vec<(Handle, RecordRow)>, Refusal> {
    match outcome {
        Outcome::Finish | Outcome::UpdateChain { .. } => {
            let open = target::others_of_chain(target, turn, target::is_open)?.into_iter();
            let updated = |record| hold::finalised(record, record_status::CHAIN_UPDATED);
            Ok(open.map(|(handle, record)| (handle, updated(record))).collect())
        }
        Outcome::NextInChain { due_s: Some(due_s), .. } => {
            Ok(next_in_chain(target, *due_s, turn).into_iter().collect())
        }
        Outcome::NextInChain { due_s: None, .. }
        | Outcome::Retry { .. }
        | Outcome::AssignToGroup { .. }
        | Outcome::AgentError { .. }
        | Outcome::UpdateRecord { .. } => Ok(Vec::new()),
    }
}

/// The next record of the chain by chain_n, else the first: CampaignRescheduled at a time. Neither a record that is called now nor
/// one that is never called is the next.
fn next_in_chain<V: View>(target: &Target, due_s: i64, turn: &Turn<'_, '_, V>) -> Option<(Handle, RecordRow)> {
    let may_be_called = |(handle, record): &(Handle, RecordRow)| {
        *handle != target.handle && record.record_status == record_status::READY && Class::of(record).is_some()
    };
    let members = chain::members(target.record.list, target.record.chain_id, turn).into_iter().filter(may_be_called);
    let is_before = |(_, record): &(Handle, RecordRow)| record.chain_n < target.record.chain_n;
    let (before, behind): (Vec<_>, Vec<_>) = members.partition(is_before);
    let (handle, record) = behind.into_iter().chain(before).next()?;
    let record_type = record_type::CAMPAIGN_RESCHEDULED;
    Some((handle, RecordRow { record_type, dial_sched_time: Some(due_s), agent_id: String::new(), ..record }))
}

/// The record as a treatment leaves it.
fn with_outcome(record: RecordRow, outcome: Outcome) -> RecordRow {
    let with = |cell: String, record: RecordRow| RecordRow { treatments: cell, ..record };
    match outcome {
        Outcome::Finish => hold::finalised(record, record_status::UPDATED),
        Outcome::NextInChain { cell, .. } | Outcome::UpdateRecord { cell } | Outcome::UpdateChain { cell } => {
            hold::finalised(with(cell, record), record_status::UPDATED)
        }
        Outcome::AgentError { cell } => hold::finalised(with(cell, record), record_status::AGENT_ERROR),
        Outcome::Retry { record_type, due_s, cell } => again(with(cell, record), record_type, due_s),
        Outcome::AssignToGroup { cell } => assigned(with(cell, record)),
    }
}

/// A record that is called again: a personal one for the agent of the ended attempt.
fn again(record: RecordRow, to_type: i64, due_s: i64) -> RecordRow {
    let is_personal = to_type == record_type::PERSONAL_RESCHEDULED;
    let agent_id = if is_personal { record.agent_id.clone() } else { String::new() };
    let waits = record.waits; // a Ready record waits with its chain as before
    let to = PendingRow { record_type: to_type, dial_sched_time: due_s, agent_id };
    RecordRow { waits, ..hold::rescheduled(record, &to) }
}

/// A record for anybody: a personal callback becomes a callback of the campaign.
fn assigned(record: RecordRow) -> RecordRow {
    let is_held = record.record_status == record_status::RETRIEVED;
    let record = if is_held { hold::give_back(record) } else { record };
    let to_type = match record.record_type {
        record_type::PERSONAL_CALLBACK => record_type::CAMPAIGN_CALLBACK,
        record_type::PERSONAL_RESCHEDULED => record_type::CAMPAIGN_RESCHEDULED,
        _ => return record,
    };
    RecordRow { record_type: to_type, agent_id: String::new(), ..record }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "6.1.2";

    /// A record that agent `a` holds.
    fn held(record_type: i64) -> RecordRow {
        RecordRow {
            record_type,
            record_status: record_status::RETRIEVED,
            agent_id: "a".to_owned(),
            agent_before: "own".to_owned(),
            held_since_us: 5,
            attempt_guid: vec![7; 16],
            attempts_set: true,
            ..RecordRow::default()
        }
    }

    #[test]
    fn every_outcome_ends_the_attempt_in_its_status() {
        use record_type::{CAMPAIGN_CALLBACK, CAMPAIGN_RESCHEDULED, GENERAL, PERSONAL_CALLBACK, PERSONAL_RESCHEDULED};
        let cell = || CELL.to_owned();
        let retry = |record_type| Outcome::Retry { record_type, due_s: 9, cell: cell() };
        let (ready, updated) = (record_status::READY, record_status::UPDATED);
        for (before, outcome, status, after, agent, due_s, column) in [
            (GENERAL, Outcome::Finish, updated, GENERAL, "a", None, ""),
            (GENERAL, Outcome::NextInChain { due_s: Some(9), cell: cell() }, updated, GENERAL, "a", None, CELL),
            (GENERAL, Outcome::UpdateRecord { cell: cell() }, updated, GENERAL, "a", None, CELL),
            (GENERAL, Outcome::UpdateChain { cell: cell() }, updated, GENERAL, "a", None, CELL),
            (GENERAL, Outcome::AgentError { cell: cell() }, record_status::AGENT_ERROR, GENERAL, "a", None, CELL),
            (GENERAL, retry(CAMPAIGN_RESCHEDULED), ready, CAMPAIGN_RESCHEDULED, "", Some(9), CELL),
            (GENERAL, retry(PERSONAL_RESCHEDULED), ready, PERSONAL_RESCHEDULED, "a", Some(9), CELL),
            (GENERAL, Outcome::AssignToGroup { cell: cell() }, ready, GENERAL, "own", None, CELL),
            (PERSONAL_CALLBACK, Outcome::AssignToGroup { cell: cell() }, ready, CAMPAIGN_CALLBACK, "", None, CELL),
            (
                PERSONAL_RESCHEDULED,
                Outcome::AssignToGroup { cell: cell() },
                ready,
                CAMPAIGN_RESCHEDULED,
                "",
                None,
                CELL,
            ),
        ] {
            let record = with_outcome(held(before), outcome.clone());
            assert_eq!((record.record_status, record.record_type), (status, after), "{outcome:?}");
            assert_eq!((record.agent_id.as_str(), record.dial_sched_time), (agent, due_s), "{outcome:?}");
            assert_eq!(record.treatments, column, "{outcome:?}");
            assert_eq!((record.held_since_us, record.attempts_set, record.agent_before.as_str()), (0, false, ""));
            assert_eq!(record.attempt_guid, [7; 16], "a late answer is recognised");
        }
    }

    #[test]
    fn a_ready_record_that_is_called_again_waits_with_its_chain_as_before() {
        let ready = RecordRow { waits: true, record_status: record_status::READY, ..held(record_type::GENERAL) };
        let outcome =
            || Outcome::Retry { record_type: record_type::CAMPAIGN_RESCHEDULED, due_s: 9, cell: CELL.to_owned() };
        assert!(with_outcome(ready, outcome()).waits);
        assert!(!with_outcome(held(record_type::GENERAL), outcome()).waits);
    }
}
