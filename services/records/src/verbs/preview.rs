//! PreviewRecordRequest: hands out the next record of a campaign group (spec 7; spec 9, The next record). Counting an attempt and
//! handing a record out are one command.

use std::sync::Arc;

use outbound::{Handle, Refusal, RefusalCode, Reply, Request, Value, key};

use super::{
    campaign::{self, Target},
    target::shown_guid,
};
use crate::{
    acknowledge::{Acknowledge, int},
    columns::{self, Column},
    date_time,
    declared::Declared,
    dialling::{self, Asker, Candidate, UsedUp},
    event::Event,
    fields::{ignored_keys, user_value},
    given, groups,
    hold::{self, HandOut},
    limits, lookup,
    rules::AGENT_LETTERS_MAX,
    tables::{Class, Key, ListRow, RecordRow, Row, Table, agent_prefix, group_state},
    turn::Turn,
    view::{Bound, View, pages},
    zones,
};

/// Default columns whose values are text; the others are numbers.
const TEXT_COLUMNS: [&str; 5] = ["contact_info", "agent_id", "treatments", "email_subject", "tz_name"];

/// The checked request.
struct Plan<'a> {
    target: Target<'a>,
    campaign_dbid: u32,
    /// Empty: no agent.
    agent: String,
    ignored: Vec<String>,
}

/// A record that is held for the asking agent.
struct Handed {
    handle: Handle,
    record: RecordRow,
    list: Arc<ListRow>,
    /// The agent has held the record already.
    is_again: bool,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let declared = turn.overlay.declared().clone();
    let plan = check(request, &declared, turn)?;
    let Ok(handed) = apply(&plan, &declared, turn) else { return Ok(Reply::again()) };
    campaign::tell_ignored(&plan.target, &plan.ignored, turn.events);
    Ok(match handed {
        Some(handed) => acknowledge(request, &plan, &handed, &declared, turn),
        None => acknowledge_empty(request, &plan, turn.version),
    })
}

fn check<'a, V: View>(request: &Request, declared: &'a Declared, turn: &Turn<'_, '_, V>) -> Result<Plan<'a>, Refusal> {
    let target = campaign::target(request, declared)?;
    let agent = given::text(request, key::AGENT_ID, AGENT_LETTERS_MAX)?.unwrap_or_default();
    let state = groups::row(turn.overlay, target.dbid).state;
    if !matches!(state, group_state::LOADED | group_state::RUNNING) {
        return Err(campaign::wrong_state(&target, state, request.verb));
    }
    if !matches!(turn.overlay.get(&Key::BringUp), Some(Row::BringUp(row)) if row.done) {
        return Err(Refusal::new(RefusalCode::Unavailable, "Records are being brought up to this release"));
    }
    let campaign_dbid = target.campaign.dbid.unwrap_or(0);
    let ignored = ignored_keys(request, &ListRow::default(), turn.version);
    Ok(Plan { target, campaign_dbid, agent, ignored })
}

/// The record that the agent holds from now on, or holds already; none: no record is dialable.
fn apply<V: View>(plan: &Plan<'_>, declared: &Declared, turn: &mut Turn<'_, '_, V>) -> Result<Option<Handed>, UsedUp> {
    if let Some(held) = held_longest(plan, turn) {
        return Ok(Some(held));
    }
    let Plan { target, campaign_dbid, agent, .. } = plan;
    let asker = Asker { agent, campaign: target.campaign, campaign_dbid: *campaign_dbid, group: target.dbid };
    let Some(next) = dialling::next(&asker, declared, turn)? else {
        turn.events.push(Event::PreviewEmpty { group: target.dbid });
        return Ok(None);
    };
    Ok(Some(hand_out(next, plan, turn)))
}

/// The record that an agent has held longest, once the agent holds as many as the group allows: an agent that lost an answer asks
/// again and loses nothing.
fn held_longest<V: View>(plan: &Plan<'_>, turn: &Turn<'_, '_, V>) -> Option<Handed> {
    let limit = usize::try_from(plan.target.group.desktop_chains_limit.unwrap_or(0)).unwrap_or(usize::MAX);
    if limit == 0 || plan.agent.is_empty() {
        return None;
    }
    let prefix = agent_prefix(plan.target.dbid, &plan.agent);
    let bound = Bound { table: Table::HeldByGroup, from: prefix.clone(), prefix };
    let mut held = pages(turn.overlay, bound).filter_map(|(key, _)| held_under(&key, turn)).take(limit);
    let longest = held.next()?;
    (held.count() + 1 == limit).then_some(longest)
}

/// The held record of an index entry; none: its list is being deleted.
fn held_under<V: View>(key: &Key, turn: &Turn<'_, '_, V>) -> Option<Handed> {
    let Key::HeldByGroup { handle, .. } = *key else { return None };
    let record = lookup::record(turn.overlay, handle)?;
    let list = lookup::list(turn.overlay, record.list).filter(|list| !list.deleting)?;
    Some(Handed { handle, record, list, is_again: true })
}

fn hand_out<V: View>(next: Candidate, plan: &Plan<'_>, turn: &mut Turn<'_, '_, V>) -> Handed {
    let Candidate { handle, record, list, class } = next;
    let group = plan.target.dbid;
    let (campaign, guid) = (plan.campaign_dbid, new_guid(turn));
    let to = HandOut { agent: &plan.agent, campaign, group, guid, now_us: turn.now_us };
    let record = hold::hand_out(record, &to);
    turn.change_record(handle, record.clone());
    limits::count(handle, &record, &list, Some(campaign), turn);
    turn.events.push(Event::HandedOut { group, class });
    Handed { handle, record, list, is_again: false }
}

/// The GUID of an attempt, from stamp and chance of the command: stamps alone never repeat.
fn new_guid<V: View>(turn: &Turn<'_, '_, V>) -> Vec<u8> {
    let mut chance = [0; 8];
    let drawn = turn.random.len().min(chance.len());
    chance[..drawn].copy_from_slice(&turn.random[..drawn]);
    [turn.now_us.to_be_bytes(), chance].concat()
}

/// PreviewRecord, its keys in the order of spec 7.
fn acknowledge<V: View>(
    request: &Request,
    plan: &Plan<'_>,
    handed: &Handed,
    declared: &Declared,
    turn: &Turn<'_, '_, V>,
) -> Reply {
    let Handed { handle, record, list, is_again } = handed;
    let (zone, zone_name) = (zones::name_under(record, list, declared), shown_zone(record, list, declared));
    let begun = Acknowledge::plain(request)
        .pair(key::APPLICATION_ID, application_id(request, record, turn))
        .maybe(key::CAMPAIGN_NAME, request.attributes.get(key::CAMPAIGN_NAME).cloned());
    let reply = campaign::with_group(begun, &plan.target)
        .text(key::CALLING_LIST, &list.name)
        .pair(key::CALLING_LIST_DBID, i64::from(record.list))
        .text(key::PHONE, &record.contact_info)
        .pair(key::PHONE_TYPE, record.contact_info_type)
        .pair(key::ATTEMPTS, record.attempt)
        .pair(key::CALL_RESULT, record.call_result)
        .text(key::CALL_ATTEMPT_GUID, &shown_guid(&record.attempt_guid))
        .text(key::TZ_NAME, zone_name)
        .pair(key::TZ_OFFSET, zones::offset_s(zone, turn.now_s()))
        .text(key::AGENT_ID, &record.agent_id)
        .pair(key::RECORD_HANDLE, int(handle.0))
        .pair(key::CHAIN_ID, int(record.chain_id))
        .pair(key::CHAIN_N, int(record.chain_n))
        .text("InteractionType", "Outbound")
        .text("InteractionSubtype", "OutboundNew");
    let reply = with_promise(reply, record, zone).maybe(key::MESSAGE, is_again.then(|| Value::text("held")));
    with_fields(reply, record, list, turn.version).ignored(&plan.ignored, turn.version).done("PreviewRecord")
}

fn acknowledge_empty(request: &Request, plan: &Plan<'_>, version: u32) -> Reply {
    let reply = campaign::with_group(Acknowledge::to(request), &plan.target);
    reply.ignored(&plan.ignored, version).done("PreviewRecordEmpty")
}

/// The request's, else the record's, else that of the options (spec 7).
fn application_id<V: View>(request: &Request, record: &RecordRow, turn: &Turn<'_, '_, V>) -> Value {
    let of_request = request.attributes.get(key::APPLICATION_ID).cloned();
    of_request.unwrap_or_else(|| Value::Int(record.app_id.unwrap_or(turn.rules.application_id)))
}

/// The configured zone's name where the record's DBID names a zone, else the IANA name (spec 8).
fn shown_zone<'a>(record: &'a RecordRow, list: &'a ListRow, declared: &'a Declared) -> &'a str {
    let configured = record.tz_dbid.and_then(|dbid| declared.zone_of_dbid(dbid));
    match configured {
        Some(zone) if record.tz_name.is_empty() => &zone.name,
        _ => zones::name_under(record, list, declared),
    }
}

/// Adds time and type of a callback, so that an agent sees the promise (spec 7).
fn with_promise(reply: Acknowledge, record: &RecordRow, zone: &str) -> Acknowledge {
    let Some(Class::Personal(_) | Class::Callback) = Class::of(record) else { return reply };
    let date_time = record.dial_sched_time.map(|at_s| Value::Str(date_time::show(at_s, &zones::zone(zone))));
    reply.maybe(key::DATE_TIME, date_time).pair(key::RECORD_TYPE, record.record_type)
}

/// Adds the user-defined fields, and the default columns that travel under a key of the list (spec 7).
fn with_fields(reply: Acknowledge, record: &RecordRow, list: &ListRow, version: u32) -> Acknowledge {
    let fields = list.fields.iter().enumerate();
    let with_user = fields
        .fold(reply, |reply, (at, field)| reply.pair(field.key(), field.held().show(user_value(list, record, at))));
    list.send_attributes.iter().fold(with_user, |reply, sent| match columns::named(list, &sent.column, version) {
        Some(column) => reply.pair(&sent.key, shown_cell(column, record)),
        None => reply,
    })
}

/// The value of a default column: a number, but for columns of text and for an absent number.
fn shown_cell(column: &Column, record: &RecordRow) -> Value {
    let cell = (column.show)(record);
    match cell.parse() {
        Ok(number) if !TEXT_COLUMNS.contains(&column.name) => Value::Int(number),
        _ => Value::Str(cell),
    }
}
