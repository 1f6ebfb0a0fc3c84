//! The audit: a row for each order of an operator, and for each change of settings, tokens, lists, campaigns, groups and Do-Not-Call
//! by an operator, from rules version 7 on. A command and its row are one change of the state; a refused change leaves a row too.
//!
//! Rows are numbered without a gap, so that a missing row shows, and have a bounded length. No row has a secret, a customer id or a
//! value of a record, and of a phone only its end. A client's update of a record is no row: a list may keep the history of its records
//! (`history`). Rows go once they are older than `audit_days`, or beyond [`AUDIT_ROWS_MAX`]: no client fills a disk by refused
//! requests. Called by `decide` at the end of a command, by the verbs Audited and RoleChange, and by every command, which forgets a
//! few old rows.

mod words;

use std::sync::Arc;

use outbound::{AUDIT_ROWS_MAX, Audited, Body, Command, Effect, RULES_WITH_AUDIT, Reply, holds_token};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    event::Event,
    names::cut,
    rules::{FORGOTTEN_PER_COMMAND, NAME_BYTES_MAX},
    tables::{AuditRow, Key, Row, Table},
    turn::Turn,
    view::{Below, Bound, View},
};

/// Bytes of an address.
const ADDRESS_BYTES_MAX: usize = 64;
/// Bytes of the name of a change or of an order, and of an outcome.
const WORD_BYTES_MAX: usize = 64;
/// Bytes of the details.
const DETAILS_BYTES_MAX: usize = 1_024;
/// A command without a row looks for old rows once in so many commands: an ordered read in every command would cost more than the
/// removals.
const FORGETS_ONE_IN: u64 = 64;
/// Rows among which an order is looked for before its row is written: more than an hour of orders.
const LOOKED_AT_MAX: u32 = 1_000;

/// Leaves the row of a decided command, if the command is audited; `first_event`: the first of the command's events. A repeat that got
/// the reply of an earlier command has left its row there.
pub(crate) fn note<V: View>(command: &Command, reply: &Reply, first_event: usize, turn: &mut Turn<'_, '_, V>) {
    let details = std::mem::take(&mut turn.differences);
    if turn.version < RULES_WITH_AUDIT || reply.replayed {
        return;
    }
    // the primary's node proposes a raise again until its state shows the raise
    let is_raise = |event: &Event| matches!(event, Event::Effect(Effect::RulesRaised { .. }));
    if matches!(command.body, Body::RaiseRules(_)) && !turn.events[first_event..].iter().any(is_raise) {
        return;
    }
    if let Some(row) = words::row_of(command, reply, &details) {
        write(row, command, turn);
    }
}

/// Leaves the row of an order that a node has carried out.
pub(crate) fn note_order<V: View>(order: &Audited, command: &Command, turn: &mut Turn<'_, '_, V>) {
    let Audited { node, at_us, what, about, details, outcome, .. } = order.clone();
    write(AuditRow { what, about, details, outcome, node, acted_us: at_us, ..AuditRow::default() }, command, turn);
}

/// Whether the audit has an order, since a node asks again after an outcome that is not known: node and time name the order, and its
/// row is later than the stamp that the order names.
pub(crate) fn has_order<V: View>(order: &Audited, turn: &Turn<'_, '_, V>) -> bool {
    let from = Key::Audit { stamp_us: order.after_us, number: 0 }.encode().into_vec();
    let rows = turn.overlay.next(&Bound { table: Table::Audit, from, prefix: Vec::new() }, LOOKED_AT_MAX);
    let node = cut(&order.node, NAME_BYTES_MAX);
    let is_orders = |row: &Row| matches!(row, Row::Audit(row) if row.acted_us == order.at_us && row.node == node);
    rows.iter().any(|(_, row)| is_orders(row))
}

/// Writes a row behind all others, by the caller in the command's head, and forgets a few old ones.
fn write<V: View>(row: AuditRow, command: &Command, turn: &mut Turn<'_, '_, V>) {
    let row = AuditRow {
        principal: cut(&command.principal, NAME_BYTES_MAX).to_owned(),
        address: cut(&command.address, ADDRESS_BYTES_MAX).to_owned(),
        what: cut(&row.what, WORD_BYTES_MAX).to_owned(),
        about: without_token(&row.about, NAME_BYTES_MAX),
        details: without_token(&row.details, DETAILS_BYTES_MAX),
        outcome: cut(&row.outcome, WORD_BYTES_MAX).to_owned(),
        node: cut(&row.node, NAME_BYTES_MAX).to_owned(),
        acted_us: row.acted_us,
    };
    let number = last_number(turn).map_or(1, |last| last + 1);
    turn.overlay.put(Key::Audit { stamp_us: turn.now_us, number }, Row::Audit(Arc::new(row)));
    forget(number, turn);
}

/// A text cut to a length; a text in which the text of a token stands, as where an operator named a token by its text, is left out.
fn without_token(text: &str, bytes_max: usize) -> String {
    if holds_token(text) { "***".to_owned() } else { cut(text, bytes_max).to_owned() }
}

/// The number of the newest row; none: there is no row.
fn last_number<V: View>(turn: &Turn<'_, '_, V>) -> Option<u64> {
    match turn.overlay.last(&Below { table: Table::Audit, prefix: Vec::new(), before: None }) {
        Some((Key::Audit { number, .. }, _)) => Some(number),
        _ => None,
    }
}

/// Forgets a few old rows in some of the commands. The stamp decides in which: all nodes forget the same rows.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    if turn.version < RULES_WITH_AUDIT || !xxh3_64(&turn.now_us.to_be_bytes()).is_multiple_of(FORGETS_ONE_IN) {
        return;
    }
    if let Some(last) = last_number(turn) {
        forget(last, turn);
    }
}

/// Forgets rows beyond their time and their count; `last`: the number of the newest row, which stays, so that numbers go on.
fn forget<V: View>(last: u64, turn: &mut Turn<'_, '_, V>) {
    let all = Bound { table: Table::Audit, from: Vec::new(), prefix: Vec::new() };
    for (key, row) in turn.overlay.next(&all, FORGOTTEN_PER_COMMAND) {
        let Key::Audit { stamp_us, number } = key else { return };
        let is_kept = turn.counts(stamp_us, turn.rules.audit_window_us) && number + AUDIT_ROWS_MAX > last;
        if is_kept || number >= last {
            return;
        }
        turn.overlay.remove_read(key, row);
    }
}
