//! ApplyDeclaration: applies a file of declarations, all or nothing (spec 11). Requested through the control API.
//!
//! [`crate::plan_declaration`] gives the changes; this verb refuses a file with faults, or one shown against another revision,
//! and writes the rows.

use outbound::{ApplyDeclaration, Effect, Refusal, RefusalCode, Reply, Value};

use super::{delete_list, set_settings};
use crate::{
    acknowledge::int,
    declare::{Fault, NextList, Plan, plan_declaration},
    event::Event,
    lookup,
    tables::{BringUpRow, CustomersRow, HeldBackRow, Key, ListCountersRow, ListRow, Row, Table, indexes},
    turn::Turn,
    view::{Bound, View},
};

/// Faults that a refusal names as attributes, at most.
const FAULTS_SHOWN_MAX: usize = 20;

pub(crate) fn decide<V: View>(apply: &ApplyDeclaration, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let mut plan = check(apply, turn)?;
    let (changed, revision) = (plan.differences.len(), plan.revision + u64::from(!plan.differences.is_empty()));
    if changed > 0 {
        turn.differences = std::mem::take(&mut plan.differences);
        write(plan, turn);
    }
    Ok(acknowledge(revision, changed))
}

fn check<V: View>(apply: &ApplyDeclaration, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let stands = turn.overlay.declared().revision();
    if apply.revision != stands {
        let message = format!(
            "The difference was shown against revision {}, and revision {stands} is declared now: show it again",
            apply.revision
        );
        return Err(Refusal::new(RefusalCode::Conflict, message).with("revision", int(stands)));
    }
    let plan = plan_declaration(turn.overlay, apply);
    match plan.faults.split_first() {
        None => Ok(plan),
        Some((first, others)) => Err(refusal(first, others, &plan.faults)),
    }
}

/// The refusal of a file: its first fault as a sentence, and the first ones as attributes, a path once.
fn refusal(first: &Fault, others: &[Fault], all: &[Fault]) -> Refusal {
    let more = match others.len() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!("{}: {}{more}", first.path, first.message);
    let mut refusal = Refusal::new(RefusalCode::BadValue, message);
    for Fault { path, message } in all {
        let is_there = refusal.attributes.iter().any(|(other, _)| other == path);
        if !is_there && refusal.attributes.len() < FAULTS_SHOWN_MAX {
            refusal = refusal.with(path, Value::text(message));
        }
    }
    refusal
}

fn write<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    let next = plan.next;
    if let Some(before) = turn.overlay.settings().filter(|_| !next.settings.is_empty()).cloned()
        && let Ok(settings) = before.with(&next.settings)
    {
        set_settings::tell_changes(&before.values_before(&next.settings), &settings, turn.events);
        turn.overlay.put_settings(settings);
    }
    turn.overlay.put_declared(next.row.into());
    for dbid in next.gone_groups {
        turn.overlay.remove(Key::Group(dbid));
    }
    for dbid in next.gone_lists {
        if let Some(list) = lookup::list(turn.overlay, dbid) {
            let counters = turn.list_counters(dbid, &list);
            delete_list::apply(dbid, list, counters, turn);
        }
    }
    write_lists(next.lists, turn);
    free_held_back(turn);
}

/// Has the records that a limit holds back freed: limits, campaigns and the attempts of lists may have changed.
fn free_held_back<V: View>(turn: &mut Turn<'_, '_, V>) {
    let waiting = Bound { table: Table::WaitingUntil, from: Vec::new(), prefix: Vec::new() };
    if !turn.overlay.next(&waiting, 1).is_empty() {
        let progress = lookup::bring_up(turn.overlay);
        let held_back = Some(HeldBackRow::default());
        turn.overlay.put(Key::BringUp, Row::BringUp(BringUpRow { held_back, ..progress }));
    }
}

/// Writes lists. Those that get another DBID leave their old one first, since another list may get it.
fn write_lists<V: View>(lists: Vec<NextList>, turn: &mut Turn<'_, '_, V>) {
    let mut moved = Vec::new();
    for list in &lists {
        let counters = match list.standing {
            Some(dbid) => leave(dbid, list.dbid, turn),
            None => ListCountersRow::first(),
        };
        moved.push(counters);
    }
    let given: Vec<u32> = lists.iter().filter_map(|list| list.dbid).collect();
    for (list, counters) in lists.into_iter().zip(moved) {
        let dbid = list.dbid.unwrap_or_else(|| free_dbid(&given, turn));
        if list.standing.is_none() {
            turn.events.push(Event::Effect(Effect::ListCreated { list: dbid }));
        }
        if list.changes_customers {
            bring_up_customers(dbid, turn);
        }
        put(dbid, list.row, counters, turn);
    }
}

/// The counters of a standing list; a list with another DBID in the plan is removed.
fn leave<V: View>(dbid: u32, next: Option<u32>, turn: &mut Turn<'_, '_, V>) -> ListCountersRow {
    let Some(list) = lookup::list(turn.overlay, dbid) else { return ListCountersRow::first() };
    let counters = turn.list_counters(dbid, &list);
    if next != Some(dbid) {
        turn.remove_list(dbid, &list);
    }
    counters
}

/// The next DBID that no list has, and none of those that the file gives.
fn free_dbid<V: View>(given: &[u32], turn: &mut Turn<'_, '_, V>) -> u32 {
    loop {
        let dbid = turn.new_dbid();
        if !given.contains(&dbid) && lookup::list(turn.overlay, dbid).is_none() {
            return dbid;
        }
    }
}

/// Writes a list with its index entry; the next list that is given a DBID gets a higher one.
fn put<V: View>(dbid: u32, list: ListRow, counters: ListCountersRow, turn: &mut Turn<'_, '_, V>) {
    let (name, number) = indexes::of_list(dbid, &list);
    turn.overlay.put(name, number);
    turn.put_list(dbid, list, counters);
    turn.counters.last_list = turn.counters.last_list.max(dbid);
}

/// Has the customers of a list's records set anew, after those of lists that changed before.
fn bring_up_customers<V: View>(list: u32, turn: &mut Turn<'_, '_, V>) {
    let mut row = lookup::bring_up(turn.overlay);
    row.customers.retain(|customers| customers.list != list);
    row.customers.push(CustomersRow { list, record_id: 0 });
    turn.overlay.put(Key::BringUp, Row::BringUp(row));
}

fn acknowledge(revision: u64, changed: usize) -> Reply {
    let pairs = [("revision", int(revision)), ("changed", int(changed as u64))];
    Reply::done("DeclarationApplied", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
