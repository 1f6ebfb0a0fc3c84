//! After an attempt: what its treatment makes of the record and of the rest of its chain (spec 9, Treatments).
//!
//! Called by RecordProcessed, and by due work for callbacks that no agent has fetched.

use outbound::{Handle, record_status, record_type};

use crate::{
    hold,
    tables::{Class, PendingRow, RecordRow},
    treatments::Outcome,
    turn::{Turn, chain},
    view::View,
};

/// The change of the other open records of the chain.
pub(crate) enum Rest {
    /// No change.
    Open,
    /// ChainUpdated.
    ChainUpdated,
    /// The next Ready record becomes CampaignRescheduled, due at this time, UTC seconds.
    NextAt(i64),
}

/// Writes a record whose attempt has ended by itself, and the changes in its chain. `record` has the attempt's result, and its status
/// from before the end of the attempt.
pub(crate) fn apply_outcome<V: View>(handle: Handle, record: RecordRow, outcome: Outcome, turn: &mut Turn<'_, '_, V>) {
    let (record, rest) = outcome_of(record, outcome);
    let others = rest_of_chain(handle, &record, rest, turn);
    turn.overwrite(handle, record);
    for (other, record) in others {
        turn.overwrite(other, record);
    }
}

/// The record after its attempt, and the change of the rest of its chain.
pub(crate) fn outcome_of(record: RecordRow, outcome: Outcome) -> (RecordRow, Rest) {
    let updated = |record| hold::finalised(record, record_status::UPDATED);
    match outcome {
        Outcome::Finish => (updated(record), Rest::ChainUpdated),
        Outcome::Retry { record_type, due_s, cell } => {
            (rescheduled(with_cell(record, cell), record_type, due_s), Rest::Open)
        }
        Outcome::NextInChain { due_s, cell } => {
            (updated(with_cell(record, cell)), due_s.map_or(Rest::Open, Rest::NextAt))
        }
        Outcome::AssignToGroup { cell } => (assigned(with_cell(record, cell)), Rest::Open),
        Outcome::AgentError { cell } => {
            (hold::finalised(with_cell(record, cell), record_status::AGENT_ERROR), Rest::Open)
        }
        Outcome::UpdateRecord { cell } => (updated(with_cell(record, cell)), Rest::Open),
        Outcome::UpdateChain { cell } => (updated(with_cell(record, cell)), Rest::ChainUpdated),
    }
}

fn with_cell(record: RecordRow, treatments: String) -> RecordRow {
    RecordRow { treatments, ..record }
}

/// Ready again with a time: for the agent of the attempt if the type is personal, else for any agent. A record that was Ready waits
/// with its chain as before.
fn rescheduled(record: RecordRow, record_type: i64, dial_sched_time: i64) -> RecordRow {
    let is_personal = record_type == record_type::PERSONAL_RESCHEDULED;
    let agent_id = if is_personal { record.agent_id.clone() } else { String::new() };
    let waits = record.waits;
    RecordRow { waits, ..hold::rescheduled(record, &PendingRow { record_type, dial_sched_time, agent_id }) }
}

/// Ready again, for any agent.
fn assigned(record: RecordRow) -> RecordRow {
    let is_held = record.record_status == record_status::RETRIEVED;
    for_group(if is_held { hold::give_back(record) } else { record })
}

/// A record for any agent: a personal callback or retry becomes the same kind for the campaign.
pub(crate) fn for_group(record: RecordRow) -> RecordRow {
    let record_type = match record.record_type {
        record_type::PERSONAL_CALLBACK => record_type::CAMPAIGN_CALLBACK,
        record_type::PERSONAL_RESCHEDULED => record_type::CAMPAIGN_RESCHEDULED,
        _ => return record,
    };
    RecordRow { record_type, agent_id: String::new(), ..record }
}

/// The other records of the chain that change: of a chain that an older release has left longer, the members.
fn rest_of_chain<V: View>(
    handle: Handle,
    record: &RecordRow,
    rest: Rest,
    turn: &Turn<'_, '_, V>,
) -> Vec<(Handle, RecordRow)> {
    let is_open = |record: &RecordRow| matches!(record.record_status, record_status::READY | record_status::RETRIEVED);
    match rest {
        Rest::Open => Vec::new(),
        Rest::ChainUpdated => {
            let members = chain::members(record.list, record.chain_id, turn).into_iter();
            let open = members.filter(|(other, record)| *other != handle && is_open(record));
            open.map(|(other, record)| (other, hold::finalised(record, record_status::CHAIN_UPDATED))).collect()
        }
        Rest::NextAt(due_s) => next_at(handle, record, due_s, turn).into_iter().collect(),
    }
}

/// The next record of a chain, called for the campaign at a time: behind the record by chain_n, else the first of the chain. Neither a
/// record that an agent holds nor a record of a type that is not dialled is the next.
pub(crate) fn next_at<V: View>(
    handle: Handle,
    record: &RecordRow,
    due_s: i64,
    turn: &Turn<'_, '_, V>,
) -> Option<(Handle, RecordRow)> {
    let is_ready = |other: &RecordRow| other.record_status == record_status::READY && Class::of(other).is_some();
    let members = chain::members(record.list, record.chain_id, turn).into_iter();
    let ready = members.filter(|(other, record)| *other != handle && is_ready(record));
    let (before, behind): (Vec<_>, Vec<_>) = ready.partition(|(_, other)| other.chain_n < record.chain_n);
    let (other, record) = behind.into_iter().chain(before).next()?;
    Some((other, called_at(record, due_s)))
}

/// A Ready record that is called for the campaign at a time.
fn called_at(record: RecordRow, due_s: i64) -> RecordRow {
    let record_type = record_type::CAMPAIGN_RESCHEDULED;
    RecordRow { record_type, dial_sched_time: Some(due_s), agent_id: String::new(), ..record }
}

#[cfg(test)]
mod tests;
