//! After an attempt: what its treatment makes of the record and of the rest of its chain (spec 9, Treatments).
//!
//! Called by RecordProcessed, and by due work for callbacks that no agent has fetched.

use outbound::{Handle, record_status, record_type};

use crate::{
    hold, lookup,
    tables::{Class, ListRow, PendingRow, RecordRow},
    treatments::Outcome,
    turn::Turn,
    view::View,
};

/// The change of the other open records of the chain.
enum Rest {
    /// No change.
    Open,
    /// ChainUpdated.
    ChainUpdated,
    /// The next Ready record becomes CampaignRescheduled, due at this time, UTC seconds.
    NextAt(i64),
}

/// Writes a record, and the changes in its chain, as the outcome of its attempt says. Answers the record as written.
///
/// `record` has the attempt's result and its count of attempts already, and its status from before the end of the attempt.
/// `by_request`: a request ended the attempt; else the attempt ended by itself.
pub(crate) fn apply_outcome<V: View>(
    handle: Handle,
    record: RecordRow,
    _: &ListRow,
    outcome: Outcome,
    by_request: bool,
    turn: &mut Turn<'_, '_, V>,
) -> RecordRow {
    let (record, rest) = outcome_of(record, outcome);
    let others = rest_of_chain(handle, &record, rest, turn);
    let record = write(handle, record, by_request, turn);
    for (other, record) in others {
        write(other, record, by_request, turn);
    }
    record
}

/// The record after its attempt, and the change of the rest of its chain.
fn outcome_of(record: RecordRow, outcome: Outcome) -> (RecordRow, Rest) {
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

/// The other records of the chain that change.
fn rest_of_chain<V: View>(
    handle: Handle,
    record: &RecordRow,
    rest: Rest,
    turn: &Turn<'_, '_, V>,
) -> Vec<(Handle, RecordRow)> {
    match rest {
        Rest::Open => Vec::new(),
        Rest::ChainUpdated => {
            let updated = |(other, record)| (other, hold::finalised(record, record_status::CHAIN_UPDATED));
            open_others(handle, record, turn).into_iter().map(updated).collect()
        }
        Rest::NextAt(due_s) => {
            let next = next_of(record, open_others(handle, record, turn));
            next.map(|(other, record)| (other, called_at(record, due_s))).into_iter().collect()
        }
    }
}

/// The next record of a chain: behind the record by chain_n, else the first of the chain. Neither a record that an agent holds nor a
/// record of a type that is not dialled is the next.
fn next_of(record: &RecordRow, others: Vec<(Handle, RecordRow)>) -> Option<(Handle, RecordRow)> {
    let is_ready = |other: &RecordRow| other.record_status == record_status::READY && Class::of(other).is_some();
    let ready = others.into_iter().filter(|(_, other)| is_ready(other));
    let (before, behind): (Vec<_>, Vec<_>) = ready.partition(|(_, other)| other.chain_n < record.chain_n);
    behind.into_iter().chain(before).next()
}

/// A Ready record that is called for the campaign at a time.
fn called_at(record: RecordRow, due_s: i64) -> RecordRow {
    let record_type = record_type::CAMPAIGN_RESCHEDULED;
    RecordRow { record_type, dial_sched_time: Some(due_s), agent_id: String::new(), ..record }
}

/// The other open records of a chain by chain_n, as many as a request may change: an older release may have left a longer chain.
fn open_others<V: View>(handle: Handle, record: &RecordRow, turn: &Turn<'_, '_, V>) -> Vec<(Handle, RecordRow)> {
    let max = usize::try_from(turn.rules.records_per_request_max).unwrap_or(usize::MAX);
    let others = lookup::chain(turn.overlay, record.list, record.chain_id).filter(|other| *other != handle);
    let with_record = others.filter_map(|other| Some((other, lookup::record(&turn.overlay.uncached(), other)?)));
    let is_open = |record: &RecordRow| matches!(record.record_status, record_status::READY | record_status::RETRIEVED);
    with_record.filter(|(_, record)| is_open(record)).take(max).collect()
}

/// Writes a record; answers the record as written.
fn write<V: View>(handle: Handle, record: RecordRow, by_request: bool, turn: &mut Turn<'_, '_, V>) -> RecordRow {
    if by_request {
        let record = RecordRow { changed_us: turn.now_us, ..record };
        turn.change_record(handle, record.clone());
        record
    } else {
        turn.overwrite(handle, record.clone());
        record
    }
}

#[cfg(test)]
mod tests;
