//! RecordProcessed: ends an attempt on an open record (spec 5; spec 9, Life of a record). A pending reschedule, or the treatment
//! of the result, decides on the record; without either the record and the other open records of its chain are finalised.
//!
//! Before rules version 5 there is neither, and the column `treatments` holds GSW_TREATMENT.

use outbound::{Handle, RULES_WITH_BODY_CHECKS, RULES_WITH_CAMPAIGNS, Refusal, Reply, Request, key, record_status};

use super::{
    outcome,
    target::{self, Target},
};
use crate::{
    acknowledge::Acknowledge,
    fields::{UserValues, user_values},
    given, limits,
    rules::INT_MAX,
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// The checked records with their new values.
struct Plan {
    target: Target,
    /// The other records of the chain that change.
    others: Vec<(Handle, RecordRow)>,
    /// The record at the end of its attempt, for the contact limits; none: no limit is declared.
    attempt: Option<RecordRow>,
    values: UserValues,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan, turn);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let mut target = target::open_record(request, turn)?;
    let result = given::number(request, key::CALL_RESULT)?;
    let attempts = attempts(request, turn.version)?;
    let treatment = given::word(request, key::TREATMENT)?;
    let values = user_values(request, &target.list, turn.version)?;
    let record = &mut target.record;
    record.call_result = result.unwrap_or(record.call_result);
    record.attempt = attempts.unwrap_or(record.attempt);
    record.call_time = Some(turn.now_s());
    target::set_user_values(&target.list, record, &values);
    if turn.version < RULES_WITH_CAMPAIGNS {
        let others = finish_without_treatments(&mut target, treatment, turn)?;
        return Ok(Plan { target, others, attempt: None, values });
    }
    if attempts.is_none() {
        count_attempt(&mut target.record);
    }
    let has_limits = !turn.overlay.declared().limits().is_empty();
    let attempt = has_limits.then(|| target.record.clone());
    let others = outcome::carry_out(&mut target, treatment == Some("Personal"), turn)?;
    Ok(Plan { target, others, attempt, values })
}

/// The attempts, read from rules version 3 on.
fn attempts(request: &Request, version: u32) -> Result<Option<i64>, Refusal> {
    if version < RULES_WITH_BODY_CHECKS { Ok(None) } else { given::int(request, key::ATTEMPTS, 0, INT_MAX) }
}

/// Counts the attempt for which the record was handed out, unless a client has counted it.
fn count_attempt(record: &mut RecordRow) {
    if record.record_status == record_status::RETRIEVED && !record.attempts_set {
        record.attempt = record.attempt.saturating_add(1).min(INT_MAX);
    }
}

/// Finalises the record and the other open records of its chain, before rules version 5. Answers the others.
fn finish_without_treatments<V: View>(
    target: &mut Target,
    treatment: Option<&str>,
    turn: &Turn<'_, '_, V>,
) -> Result<Vec<(Handle, RecordRow)>, Refusal> {
    let others = target::others_of_chain(target, turn, target::is_open)?;
    target.record.record_status = record_status::UPDATED;
    if let Some(treatment) = treatment {
        treatment.clone_into(&mut target.record.treatments);
    }
    let updated = |record: RecordRow| RecordRow { record_status: record_status::CHAIN_UPDATED, ..record };
    Ok(others.into_iter().map(|(handle, record)| (handle, updated(record))).collect())
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    let Plan { target: Target { handle, record, list }, others, attempt, values } = plan;
    if let Some(attempt) = attempt {
        note_attempt(handle, &attempt, &list, turn);
    }
    turn.change_record(handle, record);
    for (handle, record) in others {
        turn.change_record(handle, record);
    }
    target::tell_ignored(&list, values.ignored, turn.events);
}

/// Tells the contact limits of an attempt: of its result, or of the attempt itself if the record was not handed out.
fn note_attempt<V: View>(handle: Handle, record: &RecordRow, list: &ListRow, turn: &mut Turn<'_, '_, V>) {
    if record.record_status == record_status::RETRIEVED {
        limits::note_result(handle, record, list, record.call_result, turn);
    } else {
        limits::count(handle, record, list, None, turn);
    }
}

fn acknowledge<V: View>(request: &Request, plan: &Plan, turn: &Turn<'_, '_, V>) -> Reply {
    let Target { handle, record, list } = &plan.target;
    let begun = Acknowledge::to(request).record(&list.name, *handle);
    let with_next = if record.record_status == record_status::READY {
        begun
            .pair(key::RECORD_STATUS, record.record_status)
            .pair(key::RECORD_TYPE, record.record_type)
            .maybe(key::DATE_TIME, record.dial_sched_time.map(|at_s| target::shown_time(at_s, record, list, turn)))
    } else {
        begun
    };
    with_next.ignored(&plan.values.ignored, turn.version).done("RecordProcessedAcknowledge")
}
