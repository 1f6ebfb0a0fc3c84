//! Chains: which of a chain's records wait for another one (spec 9, The next record, condition 4).
//!
//! A person with a promised callback, or in a call, is not called at another number meanwhile: the rest of a chain waits
//! while one of its records is Retrieved, and for its earliest callback. The mark stands in each record that waits
//! ([`RecordRow::waits`]), so that the index of dialling follows from a single row. Called by the turn.

use outbound::{CHAIN_RECORDS_MAX, Handle, RULES_WITH_FREED_CHAINS, record_status};

use super::Turn;
use crate::{
    hold, lookup,
    tables::{Class, RecordRow},
    view::View,
};

/// The first records of a chain by chain_n, at most as many as take part in dialling.
pub(crate) fn members<V: View>(list: u32, chain_id: u64, turn: &Turn<'_, '_, V>) -> Vec<(Handle, RecordRow)> {
    let handles = lookup::chain(turn.overlay, list, chain_id);
    let first = handles.take(usize::try_from(CHAIN_RECORDS_MAX).unwrap_or(usize::MAX));
    first.filter_map(|handle| Some((handle, lookup::record(turn.overlay, handle)?))).collect()
}

/// The end of the pause of a whole chain, UTC seconds, while the pause lasts: a record that joins the chain shares the pause.
pub(crate) fn pause<V: View>(list: u32, chain_id: u64, turn: &Turn<'_, '_, V>) -> Option<i64> {
    let paused = members(list, chain_id, turn).into_iter().filter(|(_, record)| record.chain_paused);
    paused.filter_map(|(_, record)| record.not_before_s).max().filter(|until_s| *until_s > turn.now_s())
}

/// Marks the records of a chain that wait, and those that do not wait any more: the latter are free of a pause that is over.
pub(crate) fn settle<V: View>(list: u32, chain_id: u64, turn: &mut Turn<'_, '_, V>) {
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::ChainNotSettled) {
        return;
    }
    let members = members(list, chain_id, turn);
    let is_held = members.iter().any(|(_, record)| record.record_status == record_status::RETRIEVED);
    let callbacks = members.iter().filter(|(_, record)| is_callback(record));
    let earliest = callbacks.map(|(_, record)| record.dial_sched_time.unwrap_or(0)).min();
    for (handle, record) in members {
        let waits = record.record_status == record_status::READY && (is_held || comes_later(&record, earliest));
        if waits != record.waits {
            // a pause that ended while the record waited stands in no index by time: nothing else would free the record now
            let is_over = turn.version >= RULES_WITH_FREED_CHAINS && !waits;
            let is_free = is_over && record.not_before_s.is_some_and(|until_s| until_s <= turn.now_s());
            let record = if is_free { hold::freed(record) } else { record };
            turn.overwrite(handle, RecordRow { waits, ..record });
        }
    }
}

/// Whether a Ready record waits for its chain's earliest callback.
fn comes_later(record: &RecordRow, earliest: Option<i64>) -> bool {
    match earliest {
        Some(earliest) if is_callback(record) => record.dial_sched_time.unwrap_or(0) > earliest,
        earliest => earliest.is_some(),
    }
}

/// Whether a record is a Ready callback or retry.
pub(crate) fn is_callback(record: &RecordRow) -> bool {
    let class = Class::of(record).filter(|_| record.record_status == record_status::READY);
    matches!(class, Some(Class::Personal(_) | Class::Callback))
}
