//! Due: does the next work that is due by the stamp (spec 9, Life of a record; The next record; Campaign groups; Do-Not-Call).
//! Requested by the primary itself, when its state shows something due.
//!
//! Never decides by a node's clock, and never counts as a request on a record.

use outbound::{
    DUE_RECORDS_MAX, Due, Handle, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, Reply, Value, call_result, record_status,
};

use crate::{
    after, dnc, due,
    event::Event,
    groups, hold, lookup,
    tables::{Class, Key, RecordRow, Table, callback_prefix},
    treatments::{self, Outcome},
    turn::{Turn, chain},
    view::{Bound, View},
};

pub(crate) fn decide<V: View>(asked: Due, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    check(asked, turn)?;
    let done = apply(asked.rows_max, turn);
    Ok(acknowledge(&done))
}

fn check<V: View>(asked: Due, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version < RULES_WITH_CAMPAIGNS {
        let message = format!("Nothing comes due by itself under rules version {}", turn.version);
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    if !(1..=DUE_RECORDS_MAX).contains(&asked.rows_max) {
        let message = format!("A command changes 1 to {DUE_RECORDS_MAX} due records, not {}", asked.rows_max);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(())
}

/// Changes of a command by their causes.
#[derive(Debug, Default)]
struct Changed {
    /// Room for further changes.
    left: u32,
    /// Retrieved records on which no request came for too long.
    returned: u32,
    /// Personal callbacks that their agents have not fetched.
    overdue: u32,
    /// Callbacks that were not handed out in time.
    missed: u32,
    /// All others.
    other: u32,
}

impl Changed {
    /// Does a step while there is room; answers the count of its changes.
    fn step(&mut self, change: impl FnOnce(u32) -> u32) -> u32 {
        let changed = if self.left > 0 { change(self.left) } else { 0 };
        self.left = self.left.saturating_sub(changed);
        changed
    }

    fn all(&self) -> u32 {
        self.returned + self.overdue + self.missed + self.other
    }

    /// An event for each cause that has an event of its own and changed records.
    fn events(&self) -> impl Iterator<Item = Event> {
        let causes = [
            (self.returned, Event::Returned { records: self.returned }),
            (self.overdue, Event::Overdue { records: self.overdue }),
            (self.missed, Event::Missed { records: self.missed }),
        ];
        causes.into_iter().filter(|(records, _)| *records > 0).map(|(_, event)| event)
    }
}

fn apply<V: View>(rows_max: u32, turn: &mut Turn<'_, '_, V>) -> Changed {
    let mut changed = Changed { left: rows_max, ..Changed::default() };
    changed.returned = changed.step(|room| return_held(room, turn));
    changed.overdue = changed.step(|room| end_overdue(room, turn));
    changed.missed = changed.step(|room| miss_expired(true, room, turn));
    changed.missed += changed.step(|room| miss_expired(false, room, turn));
    changed.other = changed.step(|room| free_waiting(room, turn));
    changed.other += changed.step(|room| groups::give_back_of_unloaded(room, turn));
    changed.other += changed.step(|_| groups::finish_unloading(turn));
    changed.other += changed.step(|room| dnc::mark_rest(room, turn));
    turn.events.extend(changed.events());
    changed
}

/// Retrieved records on which no request came for `retrieved_timeout`: a pending reschedule is carried out, else the record is Ready
/// again as before its hand-out.
fn return_held<V: View>(room: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let is_due = |key: &Key| match key {
        Key::HeldByTime { changed_us, handle } => {
            due::is_held_too_long(*changed_us, &turn.rules, turn.now_us).then_some(*handle)
        }
        _ => None,
    };
    let held = first_due(Table::HeldByTime, Vec::new(), room, turn, is_due);
    change_each(&held, turn, |record| match record.pending.clone() {
        Some(to) => hold::rescheduled(record, &to),
        None => hold::give_back(record),
    })
}

/// Personal callbacks that their agents have not fetched within `personal_callback_grace`: the list's treatment of AgentCallBackError
/// decides, and without one they become the same kind of campaign callback.
fn end_overdue<V: View>(room: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let is_due = |key: &Key| match key {
        Key::CallbackByDue { due_s, handle, .. } => {
            due::is_overdue(*due_s, &turn.rules, turn.now_us).then_some(*handle)
        }
        _ => None,
    };
    let overdue = first_due(Table::CallbackByDue, callback_prefix(true), room, turn, is_due);
    let mut changed = 0;
    for handle in overdue {
        // the treatment of another record of the chain may have ended this one
        let Some(record) = lookup::record(turn.overlay, handle).filter(is_personal) else { continue };
        end_personal(handle, record, turn);
        changed += 1;
    }
    changed
}

fn is_personal(record: &RecordRow) -> bool {
    chain::is_callback(record) && matches!(Class::of(record), Some(Class::Personal(_)))
}

fn end_personal<V: View>(handle: Handle, record: RecordRow, turn: &mut Turn<'_, '_, V>) {
    let list = lookup::list(turn.overlay, record.list).unwrap_or_default();
    let record = RecordRow { call_result: call_result::AGENT_CALL_BACK_ERROR, ..record };
    match treatments::outcome(&record, &list, false, turn) {
        Outcome::Finish => turn.overwrite(handle, after::for_group(record)),
        outcome => after::apply_outcome(handle, record, outcome, turn),
    }
}

/// Callbacks that were not handed out within `callback_expiry`.
fn miss_expired<V: View>(personal: bool, room: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let is_due = |key: &Key| match key {
        Key::CallbackByDue { due_s, handle, .. } => {
            due::is_expired(*due_s, &turn.rules, turn.now_us).then_some(*handle)
        }
        _ => None,
    };
    let expired = first_due(Table::CallbackByDue, callback_prefix(personal), room, turn, is_due);
    change_each(&expired, turn, |record| hold::finalised(record, record_status::MISSED_CALLBACK))
}

/// Records whose pause or limit is over.
fn free_waiting<V: View>(room: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let is_due = |key: &Key| match key {
        Key::WaitingUntil { until_s, handle } => due::is_over(*until_s, turn.now_us).then_some(*handle),
        _ => None,
    };
    let over = first_due(Table::WaitingUntil, Vec::new(), room, turn, is_due);
    change_each(&over, turn, hold::freed)
}

/// The records of the first rows of a queue, as long as they are due.
fn first_due<V: View>(
    table: Table,
    prefix: Vec<u8>,
    room: u32,
    turn: &Turn<'_, '_, V>,
    is_due: impl Fn(&Key) -> Option<Handle>,
) -> Vec<Handle> {
    let rows = turn.overlay.next(&Bound { table, from: prefix.clone(), prefix }, room);
    rows.iter().map_while(|(key, _)| is_due(key)).collect()
}

/// Changes records by themselves; answers their count.
fn change_each<V: View>(
    handles: &[Handle],
    turn: &mut Turn<'_, '_, V>,
    change: impl Fn(RecordRow) -> RecordRow,
) -> u32 {
    let mut changed = 0;
    for handle in handles {
        if let Some(record) = lookup::record(turn.overlay, *handle) {
            turn.overwrite(*handle, change(record));
            changed += 1;
        }
    }
    changed
}

/// `more`: the command had no room left.
fn acknowledge(done: &Changed) -> Reply {
    let pairs = [
        ("changed", done.all()),
        ("more", u32::from(done.left == 0)),
        ("returned", done.returned),
        ("overdue", done.overdue),
        ("missed", done.missed),
    ];
    let pairs = pairs.map(|(key, count)| (key.to_owned(), Value::Int(count.into())));
    Reply::done("DueDone", pairs.to_vec())
}
