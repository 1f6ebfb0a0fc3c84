//! UpdateCallCompletionStats: sets call result, attempts and user fields of an open record, which stays open
//! (spec 5; spec 9, Life of a record).

use outbound::{RULES_WITH_CAMPAIGNS, Refusal, Reply, Request, key, record_status};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    fields::{UserValues, user_values},
    given,
    rules::INT_MAX,
    turn::Turn,
    view::View,
};

/// The checked record with its new values.
struct Plan {
    target: Target,
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
    let attempts = given::int(request, key::ATTEMPTS, 0, INT_MAX)?;
    let values = user_values(request, &target.list, turn.version)?;
    let record = &mut target.record;
    record.call_result = result.unwrap_or(record.call_result);
    record.attempt = attempts.unwrap_or(record.attempt);
    if turn.version >= RULES_WITH_CAMPAIGNS && record.record_status == record_status::RETRIEVED {
        record.attempts_set |= attempts.is_some(); // RecordProcessed counts no attempt that a client counts
    }
    target::set_user_values(&target.list, record, &values);
    Ok(Plan { target, values })
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    turn.change_record(plan.target.handle, plan.target.record);
    target::tell_ignored(&plan.target.list, plan.values.ignored, turn.events);
}

fn acknowledge(request: &Request, plan: &Plan, version: u32) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    begun.ignored(&plan.values.ignored, version).done("UpdateCallCompletionStatsAcknowledge")
}
