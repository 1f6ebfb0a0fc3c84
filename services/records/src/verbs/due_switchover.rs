//! DueSwitchover: the next step of a scheduled switchover whose time has come. Proposed by the primary, from rules version 7 on.
//!
//! The state decides, so that the role moves once: the first primary behind the time begins, and once another node is primary the
//! switchover is done, whichever way the role moved. A switchover that is not done within [`SWITCHOVER_LATE_MAX_S`] lapses: a note in
//! the history of the role tells of the lapse, and a row of the audit of either end.

use outbound::{DueSwitchover, Refusal, RefusalCode, Reply, SWITCHOVER_LATE_MAX_S, Value, switchover_event};

use super::schedule_switchover::{check_version, now_s, shown};
use crate::{
    lookup,
    names::cut,
    rules::{NAME_BYTES_MAX, REASON_BYTES_MAX, ROLE_CHANGES_MAX},
    tables::{Key, RoleChangeRow, Row, ScheduledSwitchoverRow, Table},
    turn::Turn,
    view::{Below, Bound, View},
};

/// Why nothing was tried, where the primary names no reason.
const NO_PRIMARY: &str = "there was no primary";

/// The next step of a schedule whose time has come.
enum Step {
    /// The primary is to hand over.
    Attempt,
    /// This node has the role.
    Done(String),
    /// Too late.
    Lapse,
}

pub(crate) fn decide<V: View>(due: &DueSwitchover, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let row = check(due, turn)?;
    Ok(match step(due, &row, turn) {
        Step::Attempt => begin(due, row, turn),
        Step::Done(to) => done(&row, &to, turn),
        Step::Lapse => lapse(due, &row, turn),
    })
}

fn check<V: View>(due: &DueSwitchover, turn: &Turn<'_, '_, V>) -> Result<ScheduledSwitchoverRow, Refusal> {
    check_version(turn)?;
    let row = lookup::scheduled_switchover(turn.overlay).filter(|row| row.at_s == due.at_s);
    let row = row.ok_or_else(|| Refusal::new(RefusalCode::Conflict, "No switchover is scheduled for that time"))?;
    if now_s(turn) < row.at_s {
        return Err(Refusal::new(RefusalCode::Conflict, format!("{} has not come yet", shown(row.at_s))));
    }
    Ok(row)
}

fn step<V: View>(due: &DueSwitchover, row: &ScheduledSwitchoverRow, turn: &Turn<'_, '_, V>) -> Step {
    if let Some(to) = successor(due, row, turn) {
        return Step::Done(to);
    }
    if row.from.is_empty() && row.to == due.node {
        return Step::Done(due.node.clone());
    }
    let is_late = now_s(turn) - row.at_s >= SWITCHOVER_LATE_MAX_S;
    if is_late { Step::Lapse } else { Step::Attempt }
}

/// The node that has taken the role over since a primary began; none: the role has not moved. A primary with the role of a later term finds
/// the change between in the history.
fn successor<V: View>(due: &DueSwitchover, row: &ScheduledSwitchoverRow, turn: &Turn<'_, '_, V>) -> Option<String> {
    if row.from.is_empty() {
        return None;
    }
    if due.node != row.from {
        return Some(due.node.clone());
    }
    let from = Key::RoleChange(row.term.saturating_add(1)).encode().into_vec();
    let later = turn.overlay.next(&Bound { table: Table::RoleChange, from, prefix: Vec::new() }, ROLE_CHANGES_MAX);
    later.into_iter().find_map(|(_, change)| match change {
        Row::RoleChange(change) if change.to != row.from => Some(change.to),
        _ => None,
    })
}

fn begin<V: View>(due: &DueSwitchover, row: ScheduledSwitchoverRow, turn: &mut Turn<'_, '_, V>) -> Reply {
    let pairs = vec![(switchover_event::TO.to_owned(), Value::text(&row.to))];
    if row.from.is_empty() {
        let from = cut(&due.node, NAME_BYTES_MAX).to_owned();
        let begun = ScheduledSwitchoverRow { from, term: due.term, ..row };
        turn.overlay.put(Key::ScheduledSwitchover, Row::ScheduledSwitchover(begun));
    }
    Reply::done(switchover_event::BEGUN, pairs)
}

fn done<V: View>(row: &ScheduledSwitchoverRow, to: &str, turn: &mut Turn<'_, '_, V>) -> Reply {
    let how = if row.from.is_empty() { format!("{to} was primary already") } else { format!("from {}", row.from) };
    let details = format!("{}: {how}", scheduled(row));
    turn.overlay.remove(Key::ScheduledSwitchover);
    ended(switchover_event::DONE, to, &details)
}

fn lapse<V: View>(due: &DueSwitchover, row: &ScheduledSwitchoverRow, turn: &mut Turn<'_, '_, V>) -> Reply {
    let why = if due.why.is_empty() { NO_PRIMARY } else { cut(&due.why, REASON_BYTES_MAX) };
    let details = format!("{}, not done within {SWITCHOVER_LATE_MAX_S} s: {why}", scheduled(row));
    turn.overlay.remove(Key::ScheduledSwitchover);
    note(&format!("a switchover lapsed: {details}"), turn);
    ended(switchover_event::LAPSED, &row.to, &details)
}

/// The schedule in words.
fn scheduled(row: &ScheduledSwitchoverRow) -> String {
    let by = if row.principal.is_empty() { "a caller without a name" } else { row.principal.as_str() };
    format!("scheduled for {} by {by}", shown(row.at_s))
}

fn ended(event: &str, to: &str, details: &str) -> Reply {
    let pairs = [(switchover_event::TO, to), (switchover_event::DETAILS, details)];
    Reply::done(event, pairs.map(|(key, text)| (key.to_owned(), Value::text(text))).to_vec())
}

/// Leaves a note at the newest change of the role.
fn note<V: View>(text: &str, turn: &mut Turn<'_, '_, V>) {
    let newest = turn.overlay.last(&Below { table: Table::RoleChange, prefix: Vec::new(), before: None });
    let Some((key, Row::RoleChange(row))) = newest else { return };
    let note = if row.note.is_empty() { text.to_owned() } else { format!("{}; {text}", row.note) };
    let row = RoleChangeRow { note: cut(&note, REASON_BYTES_MAX).to_owned(), ..row };
    turn.overlay.put(key, Row::RoleChange(row));
}
