//! RecordReschedule and ScheduledRecordReschedule: the time of the next attempt (spec 5; spec 9, Life of a record).
//!
//! A Ready record takes the time at once and stays Ready. A Retrieved record keeps the reschedule until RecordProcessed, or until
//! its time without a request is over. A later reschedule replaces an earlier one. ScheduledRecordReschedule is for a record that
//! is itself a callback.

use outbound::{Refusal, RefusalCode, Reply, Request, Verb, key, record_status, record_type};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    date_time,
    fields::{UserValues, user_values},
    given::{self, bad_value},
    rules::AGENT_LETTERS_MAX,
    tables::{ListRow, PendingRow, RecordRow},
    turn::Turn,
    view::View,
    zones,
};

/// Seconds of a minute.
const MINUTE_S: i64 = 60;

/// The checked record with its other new values, and the reschedule.
struct Plan {
    target: Target,
    to: PendingRow,
    values: UserValues,
}

pub(crate) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan, turn);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let mut target = target::open_record(request, turn)?;
    check_is_callback(request, &target)?;
    let to = reschedule(request, &target, turn)?;
    let result = given::number(request, key::CALL_RESULT)?;
    let values = user_values(request, &target.list, turn.version)?;
    let record = &mut target.record;
    record.call_result = result.unwrap_or(record.call_result);
    target::set_user_values(&target.list, record, &values);
    Ok(Plan { target, to, values })
}

fn check_is_callback(request: &Request, target: &Target) -> Result<(), Refusal> {
    let callbacks = record_type::CAMPAIGN_RESCHEDULED..=record_type::CAMPAIGN_CALLBACK;
    if request.verb != Verb::ScheduledRecordReschedule || callbacks.contains(&target.record.record_type) {
        return Ok(());
    }
    let what = "is no callback: RecordReschedule makes it one";
    Err(target::refusal(RefusalCode::Conflict, target.handle, what))
}

/// The reschedule that a request asks for.
fn reschedule<V: View>(request: &Request, target: &Target, turn: &Turn<'_, '_, V>) -> Result<PendingRow, Refusal> {
    let dial_sched_time = time(request, target, turn)?;
    let agent = given::text(request, key::AGENT_ID, AGENT_LETTERS_MAX)?;
    if given::word(request, key::CALLBACK_TYPE)? != Some("Personal") {
        let record_type = record_type::CAMPAIGN_RESCHEDULED;
        return Ok(PendingRow { record_type, dial_sched_time, agent_id: String::new() });
    }
    let record = &target.record;
    let holder = || (record.record_status == record_status::RETRIEVED).then(|| record.agent_id.clone());
    let agent = agent.filter(|agent| !agent.is_empty()).or_else(holder).filter(|agent| !agent.is_empty());
    let nobody = || {
        let message = format!("A personal {} needs GSW_AGENT_ID: nobody holds the record", request.verb.name());
        Refusal::new(RefusalCode::MissingAttribute, message)
    };
    let record_type = record_type::PERSONAL_RESCHEDULED;
    Ok(PendingRow { record_type, dial_sched_time, agent_id: agent.ok_or_else(nobody)? })
}

/// The time, UTC seconds. The minute that runs now is not past.
fn time<V: View>(request: &Request, target: &Target, turn: &Turn<'_, '_, V>) -> Result<i64, Refusal> {
    let missing = || {
        let message = format!("{} needs GSW_DATE_TIME", request.verb.name());
        Refusal::new(RefusalCode::MissingAttribute, message)
    };
    let text = given::text(request, key::DATE_TIME, usize::MAX)?.filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(missing)?;
    let zone = zones::zone(&zone_name(request, &target.record, &target.list, turn)?);
    let seconds = date_time::parse(&text, &zone).filter(|_| date_time::has_offset_of_a_day(&text));
    let wrong = || bad_value(key::DATE_TIME, "must be MM/dd/yyyy HH:mm or ISO 8601");
    let seconds = seconds.ok_or_else(wrong)?;
    let this_minute_s = turn.now_s() - turn.now_s().rem_euclid(MINUTE_S);
    if seconds < this_minute_s {
        let what = format!("cannot be called at {}, which is past", date_time::show(seconds, &zone));
        return Err(target::refusal(RefusalCode::Conflict, target.handle, &what));
    }
    Ok(seconds)
}

/// The zone in which the request means its time: that of GSW_TZ_NAME, configured names first, else the record's.
fn zone_name<V: View>(
    request: &Request,
    record: &RecordRow,
    list: &ListRow,
    turn: &Turn<'_, '_, V>,
) -> Result<String, Refusal> {
    let declared = turn.overlay.declared();
    let Some(name) = given::text(request, key::TZ_NAME, usize::MAX)? else {
        return Ok(zones::name_under(record, list, declared).to_owned());
    };
    let configured = declared.zone(&name).and_then(|zone| zone.time_zone.clone());
    let known = configured.or_else(|| zones::canonical(&name));
    known.ok_or_else(|| bad_value(key::TZ_NAME, "is no known time zone"))
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    let Plan { target: Target { handle, record, list }, to, values } = plan;
    let record = if record.record_status == record_status::RETRIEVED {
        RecordRow { pending: Some(to), ..record }
    } else {
        // a pause, a limit and the chain hold the record back as before
        let PendingRow { record_type, dial_sched_time, agent_id } = to;
        RecordRow { record_type, dial_sched_time: Some(dial_sched_time), agent_id, ..record }
    };
    turn.change_record(handle, record);
    target::tell_ignored(&list, values.ignored, turn.events);
}

fn acknowledge<V: View>(request: &Request, plan: &Plan, turn: &Turn<'_, '_, V>) -> Reply {
    let Plan { target: Target { handle, record, list }, to, values } = plan;
    let is_personal = to.record_type == record_type::PERSONAL_RESCHEDULED;
    let begun = Acknowledge::to(request)
        .record(&list.name, *handle)
        .pair(key::DATE_TIME, target::shown_time(to.dial_sched_time, record, list, turn))
        .text(key::CALLBACK_TYPE, if is_personal { "Personal" } else { "Campaign" });
    let with_agent = if is_personal { begun.text(key::AGENT_ID, &to.agent_id) } else { begun };
    with_agent.ignored(&values.ignored, turn.version).done(request.verb.event())
}
