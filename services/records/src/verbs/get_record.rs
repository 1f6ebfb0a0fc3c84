//! `GET /records/<handle>`: every attribute of the record (spec 9, Small print). Only reads.

use outbound::{RULES_WITH_CAMPAIGNS, Refusal, Reply, Request, Value, key, record_status, record_type};

use super::target::{self, Target};
use crate::{
    acknowledge::{Acknowledge, int},
    counters::last_stamp_us,
    date_time,
    declared::{Declared, group_name},
    fields::user_value,
    lookup, sent,
    tables::RecordRow,
    view::View,
    zones,
};

/// Words of GSW_CALLBACK_TYPE, and of GSW_TREATMENT.
const WORDS: [&str; 2] = ["Campaign", "Personal"];

pub(super) fn decide(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    let target = target::record(request, view, || lookup::rules_version(view))?;
    Ok(acknowledge(request, &target, view))
}

fn acknowledge(request: &Request, target: &Target, view: &impl View) -> Reply {
    pairs(Acknowledge::to(request), target, view).done("Record")
}

/// Adds every attribute of a record.
pub(super) fn pairs(begun: Acknowledge, target: &Target, view: &impl View) -> Acknowledge {
    let Target { record, list, .. } = target;
    let declared = (lookup::rules_version(view) >= RULES_WITH_CAMPAIGNS).then(|| lookup::declared(view));
    let (zone_name, shown_zone) = match &declared {
        Some(declared) => (zones::name_under(record, list, declared), zones::shown_under(record, list, declared)),
        None => (zones::name_of(record, list), zones::name_of(record, list)),
    };
    let offset_s = zones::offset_s(zone_name, state_time_s(view));
    let treatment = Some(record.treatments.as_str()).filter(|text| declared.is_none() || WORDS.contains(text));
    let begun = of_columns(begun, target, zone_name)
        .text(key::TZ_NAME, shown_zone)
        .pair(key::TZ_OFFSET, offset_s)
        .maybe(key::AGENT_ID, non_empty(&record.agent_id))
        .pair(key::CHAIN_ID, int(record.chain_id))
        .pair(key::CHAIN_N, int(record.chain_n))
        .maybe(key::TREATMENT, treatment.and_then(non_empty));
    let with_campaigns = match &declared {
        Some(declared) => of_campaigns(begun, record, declared),
        None => begun,
    };
    let columns = sent::pairs(list, record, zone_name).into_iter();
    let with_columns = columns.fold(with_campaigns, |reply, (key, value)| reply.pair(&key, value));
    let fields = list.fields.iter().enumerate();
    fields.fold(with_columns, |reply, (at, field)| {
        reply.pair(field.key(), field.held().show(user_value(list, record, at)))
    })
}

/// Adds the attributes before those of the zone. `zone_name`: IANA name of the record's zone.
fn of_columns(reply: Acknowledge, target: &Target, zone_name: &str) -> Acknowledge {
    let Target { handle, record, list } = target;
    reply
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
}

/// Adds the attributes that records have from rules version 5 on.
fn of_campaigns(reply: Acknowledge, record: &RecordRow, declared: &Declared) -> Acknowledge {
    let reply = reply
        .maybe(key::CALLBACK_TYPE, callback_type(record).map(Value::text))
        .maybe(key::CUSTOMER_ID, non_empty(&record.customer));
    if record.record_status != record_status::RETRIEVED {
        return reply;
    }
    let dbid = |column: Option<i64>| column.and_then(|dbid| u32::try_from(dbid).ok());
    let campaign = dbid(record.campaign_id).and_then(|dbid| declared.campaign(dbid));
    let group = dbid(record.group_id).and_then(|dbid| declared.group(dbid));
    reply
        .maybe(key::CAMPAIGN_NAME, campaign.map(|campaign| Value::text(&campaign.name)))
        .maybe(key::CAMPAIGN_GROUP_NAME, group.map(|group| Value::Str(group_name(group))))
        .maybe(key::CAMPAIGN_GROUP_DBID, record.group_id)
        .maybe(key::CALL_ATTEMPT_GUID, guid(&record.attempt_guid))
}

/// Where a callback or a retry calls again; none: the record is none.
fn callback_type(record: &RecordRow) -> Option<&'static str> {
    match record.record_type {
        record_type::CAMPAIGN_RESCHEDULED | record_type::CAMPAIGN_CALLBACK => Some(WORDS[0]),
        record_type::PERSONAL_RESCHEDULED | record_type::PERSONAL_CALLBACK => Some(WORDS[1]),
        _ => None,
    }
}

/// The GUID of an attempt, two letters a byte (spec 7).
fn guid(bytes: &[u8]) -> Option<Value> {
    let text: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    non_empty(&text)
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
