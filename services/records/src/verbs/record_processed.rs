//! RecordProcessed: finalises an open record and the other open records of its chain (spec 5; spec 9, Life of a record).
//!
//! Once RecordReschedule exists, a record with a pending reschedule will become Ready here instead.

use outbound::{Handle, RULES_WITH_BODY_CHECKS, Refusal, Reply, Request, key, record_status};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    fields::{UserValues, user_values},
    given,
    rules::INT_MAX,
    tables::RecordRow,
    turn::Turn,
    view::View,
};

/// The checked records with their new values.
struct Plan {
    target: Target,
    others: Vec<(Handle, RecordRow)>,
    values: UserValues,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan, turn.version);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let mut target = target::open_record(request, turn)?;
    let result = given::number(request, key::CALL_RESULT)?;
    let attempts = attempts(request, turn.version)?;
    let treatment = given::word(request, key::TREATMENT)?;
    let values = user_values(request, &target.list, turn.version)?;
    let others = target::others_of_chain(&target, turn, target::is_open)?;
    let record = &mut target.record;
    record.call_result = result.unwrap_or(record.call_result);
    record.attempt = attempts.unwrap_or(record.attempt);
    record.record_status = record_status::UPDATED;
    record.call_time = Some(turn.now_s());
    if let Some(treatment) = treatment {
        record.treatments = treatment.to_owned();
    }
    target::set_user_values(&target.list, record, &values);
    Ok(Plan { target, others, values })
}

/// The attempts, read from rules version 3 on.
fn attempts(request: &Request, version: u32) -> Result<Option<i64>, Refusal> {
    if version < RULES_WITH_BODY_CHECKS { Ok(None) } else { given::int(request, key::ATTEMPTS, 0, INT_MAX) }
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    turn.change_record(plan.target.handle, plan.target.record);
    for (handle, record) in plan.others {
        turn.change_record(handle, RecordRow { record_status: record_status::CHAIN_UPDATED, ..record });
    }
    target::tell_ignored(&plan.target.list, plan.values.ignored, turn.events);
}

fn acknowledge(request: &Request, plan: &Plan, version: u32) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    begun.ignored(&plan.values.ignored, version).done("RecordProcessedAcknowledge")
}
