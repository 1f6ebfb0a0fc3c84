//! The outbox: effects of decisions as numbered rows, which survive a failover until a reader has acknowledged them.
//!
//! Rows are written for the kinds of effects that the option `outbox_effects` names, none by default, and from rules version 4 on.
//! Beyond `outbox_rows_max` rows the oldest are dropped and counted: a dead reader never fills a disk. Called by `decide` at the end of
//! a command, and by AcknowledgeEffects.

use outbound::{Effect, RULES_WITH_OUTBOX, RequestId};

use crate::{
    event::Event,
    lookup,
    rules::OUTBOX_DROPPED_PER_COMMAND,
    tables::{Key, OutboxMarkRow, OutboxRow, Row, Table},
    turn::Turn,
    view::{Bound, View},
};

/// Keeps the effects among the events of a command: the turn's events from `first` on.
pub(crate) fn keep<V: View>(id: RequestId, first: usize, turn: &mut Turn<'_, '_, V>) {
    let kinds = turn.rules.outbox_effects;
    if kinds == 0 || turn.version < RULES_WITH_OUTBOX {
        return;
    }
    let is_kept = |effect: &Effect| 1u32.checked_shl(effect.kind()).is_some_and(|bit| kinds & bit != 0);
    let effects: Vec<Effect> =
        turn.events[first..].iter().filter_map(effect_of).filter(|effect| is_kept(effect)).cloned().collect();
    if effects.is_empty() {
        return;
    }
    let mut mark = lookup::outbox_mark(turn.overlay);
    #[cfg(mutant)]
    if mark.rows() == 0 && crate::mutant::outbox_begins_again() {
        mark = OutboxMarkRow::default();
    }
    // a command that a node gave in an earlier epoch may stand behind a command of a later one
    mark.epoch = mark.epoch.max(id.epoch());
    for effect in &effects {
        mark.last += 1;
        let row = OutboxRow::new(mark.epoch, turn.now_us, effect);
        turn.overlay.put(Key::Outbox(mark.last), Row::Outbox(row));
    }
    drop_oldest(effects.len() as u64, &mut mark, turn);
    turn.overlay.put(Key::OutboxMark, Row::OutboxMark(mark));
}

/// Drops rows beyond the limit: as many as were just written, and a piece of the excess that a lower limit leaves.
fn drop_oldest<V: View>(written: u64, mark: &mut OutboxMarkRow, turn: &mut Turn<'_, '_, V>) {
    let excess = mark.rows().saturating_sub(turn.rules.outbox_rows_max);
    let dropped = excess.min(written + OUTBOX_DROPPED_PER_COMMAND);
    if dropped > 0 {
        remove(dropped, mark, turn);
        mark.dropped += dropped;
    }
}

/// Removes the rows of the lowest numbers, at most as many as there are. The caller writes the mark.
pub(crate) fn remove<V: View>(count: u64, mark: &mut OutboxMarkRow, turn: &mut Turn<'_, '_, V>) {
    let from = Key::Outbox(mark.gone + 1).encode().into_vec();
    let bound = Bound { table: Table::Outbox, from, prefix: Vec::new() };
    let rows = turn.overlay.uncached().next(&bound, u32::try_from(count).unwrap_or(u32::MAX));
    for (key, row) in rows {
        turn.overlay.remove_read(key, row);
    }
    mark.gone += count;
}

/// The effect of an event. Events that only describe how a request was read, remembered or searched for have none.
fn effect_of(event: &Event) -> Option<&Effect> {
    match event {
        Event::Effect(effect) => Some(effect),
        Event::KeyIgnored { .. }
        | Event::RequestIdReused { .. }
        | Event::KeysShortened { .. }
        | Event::HandedOut { .. }
        | Event::PreviewEmpty { .. }
        | Event::MetOnDoNotCall
        | Event::HeldBack
        | Event::Returned { .. }
        | Event::Overdue { .. }
        | Event::Missed { .. } => None,
    }
}
