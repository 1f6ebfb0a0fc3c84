//! AddRecord: a new record in a list (spec 5; spec 9, Life of a record).

use std::sync::Arc;

use outbound::{
    RULES_WITH_CAMPAIGNS, RULES_WITH_OFFSET_BOUND, RULES_WITH_PHONE_FORM, Refusal, RefusalCode, Reply, Request, Value,
    key, record_status, record_type,
};

use super::{room, target, unique};
use crate::{
    acknowledge::{Acknowledge, int},
    columns, customers, date_time, dnc,
    fields::{UserValues, check_form, user_value, user_values},
    given::{self, bad_value},
    lookup, phone,
    rules::{AGENT_LETTERS_MAX, DAY_END, INT_MAX, PHONE_LETTERS_MAX, TIME_MAX},
    sent,
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
    windows, zones,
};

/// The checked addition.
struct Plan {
    dbid: u32,
    list: Arc<ListRow>,
    /// Without its record_id, and without the chain_id of a new chain.
    record: RecordRow,
    is_new_chain: bool,
    values: UserValues,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let mut plan = check(request, turn)?;
    let handle = apply(&mut plan, turn);
    Ok(acknowledge(request, handle, &plan, turn))
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let (dbid, list) = target::list(request, turn.overlay)?;
    check_form(request, &list, turn.version)?;
    let phone = given::text(request, key::PHONE, PHONE_LETTERS_MAX)?.filter(|phone| !phone.trim().is_empty());
    let missing = || Refusal::new(RefusalCode::MissingAttribute, "AddRecord needs GSW_PHONE");
    let mut record = RecordRow { contact_info: phone.ok_or_else(missing)?, ..columns::blank(dbid) };
    set_numbers(request, &mut record)?;
    check_phone(&record, turn)?;
    let mut record = in_zone(request, &list, record, turn)?;
    set_time(request, &list, &mut record, turn)?;
    set_type_and_status(request, &mut record)?;
    let is_new_chain = !set_chain(request, &mut record, turn)?;
    let values = user_values(request, &list, turn.version)?;
    target::set_user_values(&list, &mut record, &values);
    if turn.version < RULES_WITH_CAMPAIGNS {
        check_do_not_call(dnc::stops(dbid, &record.contact_info, turn), &record)?;
    } else {
        record.customer = customers::value_of(&list, &record);
        check_of_list(&record, &list, turn)?;
    }
    Ok(Plan { dbid, list, record, is_new_chain, values })
}

/// The checks of rules versions from 5 on: Do-Not-Call by phone and customer, a phone once, and room for another window.
fn check_of_list<V: View>(record: &RecordRow, list: &ListRow, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    check_do_not_call(dnc::stops_record(record, list, None, turn), record)?;
    if let Some(holder) = unique::holder(record, list, turn) {
        let message = format!("The list takes a phone once, and record handle {holder} has {}", record.contact_info);
        let refusal = Refusal::new(RefusalCode::Duplicate, message).with(key::RECORD_HANDLE, int(holder.0));
        return Err(refusal.with(key::PHONE, Value::text(&record.contact_info)));
    }
    windows::check(record, turn)
}

/// Refuses a text that has lost its number, from rules version 3 on (spec 9).
fn check_phone<V: View>(record: &RecordRow, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version < RULES_WITH_PHONE_FORM {
        return Ok(());
    }
    phone::check(&record.contact_info, record.contact_info_type).map_err(|why| bad_value(key::PHONE, why))
}

fn set_numbers(request: &Request, record: &mut RecordRow) -> Result<(), Refusal> {
    let set = |place: &mut i64, given: Option<i64>| *place = given.unwrap_or(*place);
    set(&mut record.contact_info_type, given::number(request, key::PHONE_TYPE)?);
    set(&mut record.call_result, given::number(request, key::CALL_RESULT)?);
    set(&mut record.attempt, given::int(request, key::ATTEMPTS, 0, INT_MAX)?);
    set(&mut record.daily_from, given::int(request, key::FROM, 0, DAY_END)?);
    set(&mut record.daily_till, given::int(request, key::UNTIL, 0, DAY_END)?);
    record.call_time = given::int(request, key::CALL_TIME, 0, TIME_MAX)?;
    record.agent_id = given::text(request, key::AGENT_ID, AGENT_LETTERS_MAX)?.unwrap_or_default();
    Ok(())
}

/// The record in the zone that the request names; without a name, in the zone of its phone where the list says so (spec 9).
fn in_zone<V: View>(
    request: &Request,
    list: &ListRow,
    record: RecordRow,
    turn: &Turn<'_, '_, V>,
) -> Result<RecordRow, Refusal> {
    let has_campaigns = turn.version >= RULES_WITH_CAMPAIGNS;
    let unknown = || bad_value(key::TZ_NAME, "is no known time zone");
    match given::text(request, key::TZ_NAME, usize::MAX)? {
        Some(name) if has_campaigns => {
            Ok(zones::named(&name, turn.overlay.declared()).ok_or_else(unknown)?.put_into(record))
        }
        Some(name) => {
            let tz_name = zones::canonical(&name).ok_or_else(unknown)?;
            Ok(RecordRow { tz_dbid: Some(0), tz_name, ..record })
        }
        None if has_campaigns && list.zone_by_phone => Ok(by_phone(list, record, turn)),
        None => Ok(record),
    }
}

/// A record without a zone, in the zone of its phone.
pub(super) fn by_phone<V: View>(list: &ListRow, record: RecordRow, turn: &Turn<'_, '_, V>) -> RecordRow {
    match zones::of_phone(&record, list, turn.overlay.declared()) {
        Some(zone) => zone.put_into(record),
        None => record,
    }
}

/// A time in the past is accepted: the record is due at once (spec 9, Small print).
fn set_time<V: View>(
    request: &Request,
    list: &ListRow,
    record: &mut RecordRow,
    turn: &Turn<'_, '_, V>,
) -> Result<(), Refusal> {
    if let Some(text) = given::text(request, key::DATE_TIME, usize::MAX)? {
        let zone = zones::zone(zone_name(record, list, turn));
        let is_taken = turn.version < RULES_WITH_OFFSET_BOUND || date_time::has_offset_of_a_day(&text);
        let seconds = date_time::parse(&text, &zone).filter(|_| is_taken);
        let wrong = || bad_value(key::DATE_TIME, "must be MM/dd/yyyy HH:mm or ISO 8601");
        record.dial_sched_time = Some(seconds.ok_or_else(wrong)?);
    }
    Ok(())
}

/// The IANA name of the record's zone.
fn zone_name<'a, V: View>(record: &'a RecordRow, list: &'a ListRow, turn: &'a Turn<'_, '_, V>) -> &'a str {
    match turn.version {
        ..RULES_WITH_CAMPAIGNS => zones::name_of(record, list),
        _ => zones::name_under(record, list, turn.overlay.declared()),
    }
}

/// An explicit type wins, even a personal callback without an agent (spec 9, Small print).
fn set_type_and_status(request: &Request, record: &mut RecordRow) -> Result<(), Refusal> {
    let by_rule = match record.dial_sched_time {
        None => record_type::GENERAL,
        Some(_) if record.agent_id.is_empty() => record_type::CAMPAIGN_CALLBACK,
        Some(_) => record_type::PERSONAL_CALLBACK,
    };
    record.record_type = given::number(request, key::RECORD_TYPE)?.unwrap_or(by_rule);
    let status = given::number(request, key::RECORD_STATUS)?;
    if status.is_some_and(|status| status != record_status::READY) {
        return Err(bad_value(key::RECORD_STATUS, "of a new record can only be Ready"));
    }
    Ok(())
}

/// Puts the record behind the end of the chain that the request names; false: the request names no chain.
fn set_chain<V: View>(request: &Request, record: &mut RecordRow, turn: &Turn<'_, '_, V>) -> Result<bool, Refusal> {
    let Some(chain_id) = given::int(request, key::CHAIN_ID, 0, i64::MAX)? else { return Ok(false) };
    record.chain_id = chain_id.unsigned_abs();
    let end = lookup::chain_end(turn.overlay, record.list, record.chain_id);
    let unknown = || bad_value(key::CHAIN_ID, &format!("{chain_id} is no chain of this list"));
    let end = end.ok_or_else(unknown)?;
    record.chain_n = end.saturating_add(1);
    if turn.version >= RULES_WITH_CAMPAIGNS && !room::is_behind(end, record.list, record.chain_id, turn) {
        return Err(room::no_room(record.chain_id));
    }
    Ok(true)
}

/// Refuses a record that a Do-Not-Call entry stops.
fn check_do_not_call(is_stopped: bool, record: &RecordRow) -> Result<(), Refusal> {
    if !is_stopped {
        return Ok(());
    }
    let message = match record.customer.as_str() {
        "" => format!("Phone {} is on the Do-Not-Call list", record.contact_info),
        customer => format!("Phone {} or customer {customer} is on the Do-Not-Call list", record.contact_info),
    };
    Err(Refusal::new(RefusalCode::DoNotCall, message).with(key::PHONE, Value::text(&record.contact_info)))
}

/// Whether the phone of a request applied at `since_us` has been off the Do-Not-Call list since.
pub(super) fn is_free_since<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let list = target::list(request, turn.overlay).ok();
    let phone = given::text(request, key::PHONE, PHONE_LETTERS_MAX).ok().flatten();
    list.zip(phone).is_none_or(|((dbid, list), phone)| {
        !stops(request, dbid, &list, &phone, turn) && !dnc::was_removed(&dnc::scopes_of(dbid), &phone, since_us, turn)
    })
}

/// Whether an entry stops calls to the phone of a request; from rules version 5 on, or to its customer.
fn stops<V: View>(request: &Request, dbid: u32, list: &ListRow, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    if turn.version < RULES_WITH_CAMPAIGNS {
        return dnc::stops(dbid, phone, turn);
    }
    let mut record = RecordRow { contact_info: phone.to_owned(), ..columns::blank(dbid) };
    if let Ok(values) = user_values(request, list, turn.version) {
        target::set_user_values(list, &mut record, &values);
    }
    record.customer = customers::value_of(list, &record);
    dnc::stops_record(&record, list, None, turn)
}

fn apply<V: View>(plan: &mut Plan, turn: &mut Turn<'_, '_, V>) -> outbound::Handle {
    let mut counters = turn.list_counters(plan.dbid, &plan.list);
    plan.record.record_id = turn.new_record_id(plan.dbid, &counters);
    if plan.is_new_chain {
        plan.record.chain_id = turn.new_chain_id(plan.dbid, &counters);
    }
    let handle = turn.add_record(&mut counters, plan.record.clone(), !plan.is_new_chain);
    if turn.version >= RULES_WITH_CAMPAIGNS {
        windows::note(&plan.record, turn);
    }
    turn.put_list_counters(plan.dbid, &plan.list, counters);
    target::tell_ignored(&plan.list, plan.values.ignored.clone(), turn.events);
    handle
}

fn acknowledge<V: View>(request: &Request, handle: outbound::Handle, plan: &Plan, turn: &Turn<'_, '_, V>) -> Reply {
    let Plan { list, record, .. } = plan;
    let begun = Acknowledge::to(request)
        .text(key::CALLING_LIST, &list.name)
        .text(key::PHONE, &record.contact_info)
        .pair(key::CHAIN_ID, int(record.chain_id))
        .pair(key::CHAIN_N, int(record.chain_n))
        .pair(key::RECORD_HANDLE, int(handle.0));
    let zone_name = zone_name(record, list, turn);
    let shown = what_was_set(request, record, zone_name, shown_zone(record, list, turn)).into_iter();
    let with_known = shown.fold(begun, |reply, (key, value)| reply.pair(key, value));
    let columns = sent::pairs_given(request, list, record, zone_name).into_iter();
    let with_columns = columns.fold(with_known, |reply, (key, value)| reply.pair(&key, value));
    let user = plan.values.set.iter().map(|(at, _)| &list.fields[*at]).zip(plan.values.set.iter());
    let done = user.fold(with_columns, |reply, (field, (at, _))| {
        reply.pair(field.key(), field.held().show(user_value(list, record, *at)))
    });
    done.ignored(&plan.values.ignored, turn.version).done("AddRecordAcknowledge")
}

/// The name of the record's zone in answers.
fn shown_zone<'a, V: View>(record: &'a RecordRow, list: &'a ListRow, turn: &'a Turn<'_, '_, V>) -> &'a str {
    match turn.version {
        ..RULES_WITH_CAMPAIGNS => zones::name_of(record, list),
        _ => zones::shown_under(record, list, turn.overlay.declared()),
    }
}

/// The known attributes that the request gave, with their present values. `zone`: the IANA name of the record's zone;
/// `shown_zone`: its name in answers.
fn what_was_set<'a>(request: &Request, record: &RecordRow, zone: &str, shown_zone: &str) -> Vec<(&'a str, Value)> {
    let date_time = record.dial_sched_time.map(|at| date_time::show(at, &zones::zone(zone)));
    let pairs = [
        (key::PHONE_TYPE, Some(Value::Int(record.contact_info_type))),
        (key::RECORD_TYPE, Some(Value::Int(record.record_type))),
        (key::RECORD_STATUS, Some(Value::Int(record.record_status))),
        (key::CALL_RESULT, Some(Value::Int(record.call_result))),
        (key::ATTEMPTS, Some(Value::Int(record.attempt))),
        (key::DATE_TIME, date_time.map(Value::Str)),
        (key::CALL_TIME, record.call_time.map(Value::Int)),
        (key::FROM, Some(Value::Int(record.daily_from))),
        (key::UNTIL, Some(Value::Int(record.daily_till))),
        (key::TZ_NAME, Some(Value::text(shown_zone))),
        (key::AGENT_ID, Some(Value::text(&record.agent_id))),
    ];
    let given =
        |(key, value): (&'a str, Option<Value>)| request.attributes.get(key).and(value).map(|value| (key, value));
    pairs.into_iter().filter_map(given).collect()
}
