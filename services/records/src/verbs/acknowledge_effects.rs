//! AcknowledgeEffects: removes the effects that every reader has taken from the outbox, up to a number and a piece at a time. A
//! repeat changes nothing. Requested by the primary itself.

use outbound::{ACKNOWLEDGED_EFFECTS_MAX, AcknowledgeEffects, RULES_WITH_OUTBOX, Refusal, RefusalCode, Reply};

use crate::{
    acknowledge::int,
    lookup, outbox,
    tables::{Key, OutboxMarkRow, Row},
    turn::Turn,
    view::View,
};

pub(crate) fn decide<V: View>(asked: AcknowledgeEffects, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let mark = check(asked, turn)?;
    let left = apply(asked.up_to, mark, turn);
    Ok(acknowledge(left))
}

/// The counters of the outbox.
fn check<V: View>(asked: AcknowledgeEffects, turn: &Turn<'_, '_, V>) -> Result<OutboxMarkRow, Refusal> {
    if turn.version < RULES_WITH_OUTBOX {
        let message = format!("There is no outbox under rules version {}", turn.version);
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    let mark = lookup::outbox_mark(turn.overlay);
    if asked.up_to > mark.last {
        let message = format!("Effect {} is not acknowledged: the last effect has number {}", asked.up_to, mark.last);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(mark)
}

/// Removes the next acknowledged rows; answers the count of acknowledged rows that are left.
fn apply<V: View>(up_to: u64, mut mark: OutboxMarkRow, turn: &mut Turn<'_, '_, V>) -> u64 {
    let acknowledged = up_to.saturating_sub(mark.gone);
    let removed = acknowledged.min(ACKNOWLEDGED_EFFECTS_MAX.into());
    if removed > 0 {
        outbox::remove(removed, &mut mark, turn);
        turn.overlay.put(Key::OutboxMark, Row::OutboxMark(mark));
    }
    acknowledged - removed
}

fn acknowledge(left: u64) -> Reply {
    Reply::done("EffectsAcknowledged", vec![("left".to_owned(), int(left))])
}
