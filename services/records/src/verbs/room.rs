//! Room in a chain: at most a hundred records of a chain take part in dialling, so requests and imports add no more (spec 6, TOO_MANY).
//!
//! Never writes. Called by the verbs that add records.

use outbound::{CHAIN_RECORDS_MAX, Refusal, RefusalCode, key};

use crate::{acknowledge::int, lookup, turn::Turn, view::View};

/// Whether a chain with a last position may have another record.
pub(super) fn is_behind<V: View>(end: u64, list: u32, chain_id: u64, turn: &Turn<'_, '_, V>) -> bool {
    // positions are unique, from 0: the last position bounds the count, and short chains are not counted
    if end < CHAIN_RECORDS_MAX - 1 {
        return true;
    }
    let records_max = usize::try_from(CHAIN_RECORDS_MAX).unwrap_or(usize::MAX);
    lookup::chain(turn.overlay, list, chain_id).take(records_max).count() < records_max
}

/// The refusal of a record for which a chain has no room.
pub(super) fn no_room(chain_id: u64) -> Refusal {
    let message = format!("Chain {chain_id} has {CHAIN_RECORDS_MAX} records, and may not have another one");
    let refusal = Refusal::new(RefusalCode::TooMany, message).with(key::RECORDS, int(CHAIN_RECORDS_MAX));
    refusal.with(key::CHAIN_ID, int(chain_id))
}
