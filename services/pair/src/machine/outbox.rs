//! A page of the outbox, from one state. Called by the reader.

use outbound::{KeptEffect, OUTBOX_PAGE_MAX, OutboxPage};
use records::{OutboxMarkRow, OutboxRow, View, outbox_behind, outbox_mark};

/// The effects behind a number, with the counters of the same state.
pub(super) fn page(state: &impl View, after: u64, rows_max: u32) -> OutboxPage {
    let OutboxMarkRow { last, gone, dropped, .. } = outbox_mark(state);
    let rows = outbox_behind(state, after.max(gone), rows_max.min(OUTBOX_PAGE_MAX));
    let kept = |(number, row): (u64, OutboxRow)| KeptEffect {
        number,
        epoch: row.epoch,
        stamp_us: row.stamp_us,
        effect: row.effect(),
    };
    OutboxPage { effects: rows.into_iter().map(kept).collect(), last, gone, dropped }
}
