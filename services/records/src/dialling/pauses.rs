//! Pauses: the end of the time for which a rejection or a contact limit holds a Ready record back (spec 9, The next record).
//!
//! The search ends pauses itself, so that pauses end on time with any backlog of due work.

use outbound::Handle;

use crate::{
    hold, lookup,
    tables::{Key, Table},
    turn::Turn,
    view::{Bound, View},
};

/// Frees up to `rows_max` records whose pause is over, the earliest first; answers their count.
pub(super) fn free_paused<V: View>(rows_max: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    // most commands find no pause that is over: one row tells
    if over(1, turn).is_empty() {
        return 0;
    }
    let mut freed = 0;
    for handle in over(rows_max, turn) {
        let Some(record) = lookup::record(turn.overlay, handle) else { continue };
        turn.overwrite(handle, hold::freed(record));
        freed += 1;
    }
    freed
}

/// The first records whose pause is over.
fn over<V: View>(rows_max: u32, turn: &Turn<'_, '_, V>) -> Vec<Handle> {
    let now_s = u64::try_from(turn.now_s()).unwrap_or(0);
    let paused = Bound { table: Table::WaitingUntil, from: Vec::new(), prefix: Vec::new() };
    let is_over = |(key, _)| match key {
        Key::WaitingUntil { until_s, handle } if until_s <= now_s => Some(handle),
        _ => None,
    };
    turn.overlay.next(&paused, rows_max).into_iter().map_while(is_over).collect()
}
