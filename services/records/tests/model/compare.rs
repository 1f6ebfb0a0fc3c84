//! The rules' replies and state against the model's.

use std::{collections::BTreeSet, sync::Arc};

use outbound::{Reply, ReplyBody};
use records::{DncScope, DncSubject, Key, MapView, RecordRow, Row, Table, View};

use crate::{
    config::{FIRST_CAMPAIGN, FIRST_GROUP, FIRST_LIST},
    model::{Answer, Entry, Model, Scope, State},
    record::{DO_NOT_CALL, NO_CALL, READY, RETRIEVED, Record, UPDATED},
    steps::Step,
};

/// The difference between a reply and the answer of the model; none: they agree.
pub fn reply(expected: &Answer, reply: &Reply) -> Option<String> {
    let agree = match (expected, &reply.body) {
        (Answer::Refused(codes), ReplyBody::Refused(refusal)) => codes.contains(&refusal.code.word()),
        (Answer::Done(event, pairs, absent), ReplyBody::Done(done)) => {
            let value = |key: &str| done.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value);
            done.event == *event
                && pairs.iter().all(|(key, expected)| value(key) == Some(expected))
                && absent.iter().all(|key| value(key).is_none())
        }
        _ => false,
    };
    (!agree || reply.replayed).then(|| format!("the model answers {expected:?}\nthe rules answer {reply:?}"))
}

/// Until when a pause or a limit holds records back, by the rules.
pub fn held_back(map: &MapView) -> Vec<Option<i64>> {
    rows(map).iter().map(|row| row.not_before_s).collect()
}

/// The rows of all records, by handle; handles have no gaps.
fn rows(map: &MapView) -> Vec<Arc<RecordRow>> {
    let row = |(_, row)| if let Row::Record(record) = row { record } else { panic!("{row:?} is no record") };
    map.table(Table::Record).into_iter().map(row).collect()
}

/// Lets the model follow what the rules do where the specification leaves the moment open: the records that a preview passes over, and
/// the end of a limit at the time of that preview. Any other change by the rules is a difference. `before`: the times of
/// [`held_back`] before the step.
pub fn follow(model: &mut Model, step: &Step, before: &[Option<i64>], map: &MapView) -> Option<String> {
    for (at, row) in rows(map).iter().enumerate().take(model.records.len()) {
        let (handle, until_s) = (model.records[at].handle, row.not_before_s);
        let Step::Preview { group, .. } = step else {
            // any step may end a limit earlier: the hand-out looks at limits anew
            let limited_s = model.records[at].limited_s;
            model.records[at].limited_s = limited_s.filter(|_| until_s >= limited_s);
            continue;
        };
        let is_ready = model.records[at].status == READY;
        let campaign = model.config.groups[*group].campaign;
        let lists = &model.config.campaigns[campaign].lists;
        let is_met = is_ready && lists.iter().any(|(list, _)| *list == model.records[at].list);
        if is_met && is_marked(row) && model.is_stopped(&model.records[at]) {
            model.records[at].stop();
            continue;
        }
        let is_held_back = until_s.is_some() && before.get(at) != Some(&until_s);
        if is_ready && is_held_back {
            let expected = model.passed_until(at, campaign).filter(|_| is_met);
            if expected != until_s {
                return Some(format!("record {handle} is held back until {until_s:?}, by the model {expected:?}"));
            }
            model.records[at].limited_s = until_s;
        }
    }
    None
}

fn is_marked(row: &RecordRow) -> bool {
    (row.record_status, row.record_type, row.call_result) == (UPDATED, NO_CALL, DO_NOT_CALL)
}

/// The first difference between the states; none: they agree.
pub fn state(model: &Model, map: &MapView) -> Option<String> {
    let rows = rows(map);
    if rows.len() != model.records.len() {
        return Some(format!("the model has {} records, the rules {}", model.records.len(), rows.len()));
    }
    let mut of_both = model.records.iter().zip(&rows);
    let of_records = of_both.find_map(|(record, row)| of_record(model, record, row));
    of_records.or_else(|| of_groups(model, map)).or_else(|| of_entries(model, map))
}

/// The hand-out, campaign, group, the pending reschedule, the GUID.
type Held = (u64, i64, i64, Option<(i64, i64)>, String);

/// What both know of a record, to be compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    place: (u32, u64, u64),
    phone: String,
    customer: String,
    status: i64,
    kind: i64,
    result: i64,
    attempt: i64,
    call_time: Option<i64>,
    treatments: String,
    /// Of a callback.
    due_s: Option<i64>,
    /// Of a Retrieved record and of a personal callback.
    agent: String,
    /// Of a Retrieved record: the hand-out, campaign, group, the pending reschedule, the GUID.
    held: Option<Held>,
}

fn of_record(model: &Model, record: &Record, row: &RecordRow) -> Option<String> {
    let (expected, found) = (shown(model, record), shown_row(record, row));
    (found != expected)
        .then(|| format!("record {}:\nthe model has {expected:?}\nthe rules have {found:?}", record.handle))
}

fn shown(model: &Model, record: &Record) -> Shown {
    let held = record.held.as_ref().map(|held| {
        let pending = held.pending.as_ref().map(|pending| (pending.kind, pending.due_s));
        let (group, campaign) = (held.group, model.config.groups[held.group].campaign);
        let dbid = |first: u32, at: usize| i64::from(first) + i64::try_from(at).unwrap();
        (held.since_us, dbid(FIRST_CAMPAIGN, campaign), dbid(FIRST_GROUP, group), pending, held.guid.clone())
    });
    Shown {
        place: (FIRST_LIST + u32::try_from(record.list).unwrap(), record.chain, record.n),
        phone: record.phone.clone(),
        customer: record.customer.clone(),
        status: record.status,
        kind: record.kind,
        result: record.result,
        attempt: record.attempt,
        call_time: record.call_time,
        treatments: record.treatments.clone(),
        due_s: record.due_s.filter(|_| record.is_callback()),
        agent: if has_agent(record) { record.agent.clone() } else { String::new() },
        held,
    }
}

/// What a row says where the model's record says something.
fn shown_row(record: &Record, row: &RecordRow) -> Shown {
    let pending = row.pending.as_ref().map(|pending| (pending.record_type, pending.dial_sched_time));
    let (campaign, group) = (row.campaign_id.unwrap_or(0), row.group_id.unwrap_or(0));
    let guid = row.attempt_guid.iter().map(|byte| format!("{byte:02X}")).collect();
    let is_held = row.record_status == RETRIEVED;
    Shown {
        place: (row.list, row.chain_id, row.chain_n),
        phone: row.contact_info.clone(),
        customer: row.customer.clone(),
        status: row.record_status,
        kind: row.record_type,
        result: row.call_result,
        attempt: row.attempt,
        call_time: row.call_time,
        treatments: row.treatments.clone(),
        due_s: row.dial_sched_time.filter(|_| record.is_callback()),
        agent: if has_agent(record) { row.agent_id.clone() } else { String::new() },
        held: is_held.then_some((row.held_since_us, campaign, group, pending, guid)),
    }
}

/// Whether the agent of a record matters: no decision depends on the agent of another record.
fn has_agent(record: &Record) -> bool {
    record.status == RETRIEVED || (record.status == READY && record.is_personal())
}

fn of_groups(model: &Model, map: &MapView) -> Option<String> {
    let difference = |(dbid, state): (u32, &State)| {
        let found = match map.get(&Key::Group(dbid)) {
            Some(Row::Group(row)) => row.state,
            _ => records::group_state::NOT_LOADED,
        };
        let expected = match state {
            State::NotLoaded => records::group_state::NOT_LOADED,
            State::Loaded => records::group_state::LOADED,
            State::Running => records::group_state::RUNNING,
            State::Stopped => records::group_state::STOPPED,
            State::Unloading => records::group_state::UNLOADING,
        };
        (found != expected).then(|| format!("group {dbid} is {state:?} in the model, and {found} by the rules"))
    };
    (FIRST_GROUP..).zip(&model.states).find_map(difference).or_else(|| of_turns(model, map))
}

/// The current weights of the round robin, without those that are 0.
fn of_turns(model: &Model, map: &MapView) -> Option<String> {
    let list_of = |list: usize| FIRST_LIST + u32::try_from(list).unwrap();
    let difference = |group: usize| {
        let found = match map.get(&Key::Group(FIRST_GROUP + u32::try_from(group).unwrap())) {
            Some(Row::Group(row)) => row.turns.iter().map(|turn| (turn.list, turn.current)).collect(),
            _ => Vec::new(),
        };
        let found: Vec<(u32, i64)> = found.into_iter().filter(|(_, current)| *current != 0).collect();
        let of_group = model.weights.iter().filter(|((of, _), current)| *of == group && **current != 0);
        let expected: Vec<(u32, i64)> = of_group.map(|((_, list), current)| (list_of(*list), *current)).collect();
        (found != expected)
            .then(|| format!("group {group} has the turns {expected:?} in the model, and {found:?} by the rules"))
    };
    (0..model.states.len()).find_map(difference)
}

fn of_entries(model: &Model, map: &MapView) -> Option<String> {
    let scope_of = |scope: &Scope| match scope {
        Scope::Tenant(tenant) => format!("tenant {tenant}"),
        Scope::List(at) => format!("list {}", FIRST_LIST as usize + at),
    };
    let shown = |entry: &Entry| match entry {
        Entry::Phone(scope, phone) => format!("{} phone {phone}", scope_of(scope)),
        Entry::Customer(scope, customer) => format!("{} customer {customer}", scope_of(scope)),
    };
    let expected: BTreeSet<String> = model.entries.iter().map(shown).collect();
    let found: BTreeSet<String> = map.table(Table::Dnc).into_iter().map(|(key, _)| shown_entry(&key)).collect();
    (found != expected).then(|| format!("the model has entries {expected:?}\nthe rules have {found:?}"))
}

fn shown_entry(key: &Key) -> String {
    let Key::Dnc(scope, subject) = key else { panic!("{key:?} is no entry") };
    let scope = match scope {
        DncScope::Tenant(tenant) => format!("tenant {tenant}"),
        DncScope::List(dbid) => format!("list {dbid}"),
        DncScope::Campaign(dbid) => format!("campaign {dbid}"),
    };
    match subject {
        DncSubject::Phone(phone) => format!("{scope} phone {phone}"),
        DncSubject::Customer(customer) => format!("{scope} customer {customer}"),
    }
}
