//! `GET /records/<handle>`: every attribute of the record (spec 9, Small print). Only reads.

use outbound::{Refusal, Reply, Request, Value, key};

use super::target::{self, Target};
use crate::{
    acknowledge::{Acknowledge, int},
    counters::last_stamp_us,
    date_time,
    fields::user_value,
    lookup,
    view::View,
    zones,
};

pub(super) fn decide(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    let target = target::record(request, view, || lookup::rules_version(view))?;
    Ok(acknowledge(request, &target, view))
}

fn acknowledge(request: &Request, target: &Target, view: &impl View) -> Reply {
    pairs(Acknowledge::to(request), target, view).done("Record")
}

/// Adds every attribute of a record.
pub(super) fn pairs(begun: Acknowledge, target: &Target, view: &impl View) -> Acknowledge {
    let Target { handle, record, list } = target;
    let zone_name = zones::name_of(record, list);
    let begun = begun
        .maybe(key::APPLICATION_ID, record.app_id)
        .record(&list.name, *handle)
        .text(key::PHONE, &record.contact_info)
        .pair(key::PHONE_TYPE, record.contact_info_type)
        .pair(key::RECORD_TYPE, record.record_type)
        .pair(key::RECORD_STATUS, record.record_status)
        .pair(key::CALL_RESULT, record.call_result)
        .pair(key::ATTEMPTS, record.attempt)
        .maybe(key::DATE_TIME, record.dial_sched_time.map(|at| shown_time(at, zone_name)))
        .maybe(key::CALL_TIME, record.call_time)
        .pair(key::FROM, record.daily_from)
        .pair(key::UNTIL, record.daily_till)
        .text(key::TZ_NAME, zone_name)
        .pair(key::TZ_OFFSET, zones::offset_s(zone_name, state_time_s(view)))
        .maybe(key::AGENT_ID, non_empty(&record.agent_id))
        .pair(key::CHAIN_ID, int(record.chain_id))
        .pair(key::CHAIN_N, int(record.chain_n))
        .maybe(key::TREATMENT, non_empty(&record.treatments));
    let fields = list.fields.iter().enumerate();
    fields.fold(begun, |reply, (at, field)| reply.pair(field.key(), field.held().show(user_value(list, record, at))))
}

fn shown_time(at_s: i64, zone_name: &str) -> Value {
    Value::Str(date_time::show(at_s, &zones::zone(zone_name)))
}

fn non_empty(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::text(text))
}

/// The time for a read, which has no stamp: the state's last stamp selects summer or winter time.
fn state_time_s(view: &impl View) -> i64 {
    i64::try_from(last_stamp_us(view) / 1_000_000).unwrap_or_default()
}
