//! Idempotency keys (spec 6, Exactly once): a client names its request, and the name holds for a day, over both nodes and a
//! failover.
//!
//! A key keeps a refusal of the rules as well: a refusal is an answer too.

use outbound::{Refusal, RefusalCode, Reply, ReplyBody};

use super::{LazyContent, is_remembered};
use crate::{
    event::Event,
    rules::{FORGOTTEN_PER_COMMAND, NAME_BYTES_MAX},
    stored_reply::{decode, encode},
    tables::{IdempotencyRow, Key, Row, Scope, Table, indexes},
    turn::Turn,
    view::View,
};

/// The first answer under this key, or a new answer to remember.
pub(crate) fn answer<V: View>(
    asked: &LazyContent<'_>,
    scope: Scope,
    key: &[u8],
    turn: &mut Turn<'_, '_, V>,
    decide: impl FnOnce(&mut Turn<'_, '_, V>) -> Reply,
) -> Reply {
    if key.is_empty() || key.len() > NAME_BYTES_MAX {
        return Refusal::new(RefusalCode::BadValue, "Idempotency-Key must have 1 to 255 bytes").into();
    }
    let place = Key::Idempotency(scope, key.to_vec());
    let content = asked.hash();
    let stands = row_of(&place, turn);
    #[cfg(mutant)]
    let stands = stands.filter(|_| !crate::mutant::keys_off());
    match stands.as_ref().filter(|row| turn.counts(row.stamp_us, turn.rules.idempotency_window_us)) {
        Some(row) if row.content == content => Reply { replayed: true, ..decode(&row.reply) },
        Some(_) => Refusal::new(RefusalCode::KeyReused, "This Idempotency-Key was used for another request").into(),
        None => {
            let reply = decide(turn);
            if is_remembered(&reply) && !is_unavailable(&reply) {
                remember(place, content.to_vec(), &reply, stands.as_ref(), turn);
            }
            reply
        }
    }
}

fn remember<V: View>(
    place: Key,
    content: Vec<u8>,
    reply: &Reply,
    expired: Option<&IdempotencyRow>,
    turn: &mut Turn<'_, '_, V>,
) {
    if let Some(row) = expired {
        turn.overlay.remove(indexes::of_idempotency(&place, row).0);
    }
    let sequence = turn.counters.keys_next;
    if turn.counters.keys_first == sequence {
        turn.counters.keys_first_stamp_us = turn.now_us;
    }
    turn.counters.keys_next += 1;
    let row = IdempotencyRow { stamp_us: turn.now_us, content, reply: encode(reply), sequence };
    let (by_age, entry) = indexes::of_idempotency(&place, &row);
    turn.overlay.put(by_age, entry);
    turn.overlay.put(place, Row::Idempotency(row));
    shorten(turn);
}

/// Whether the request may succeed a moment later: such a refusal answers no later request under the same key.
fn is_unavailable(reply: &Reply) -> bool {
    matches!(&reply.body, ReplyBody::Refused(refusal) if refusal.code == RefusalCode::Unavailable)
}

/// Forgets a few expired keys.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    let window_us = turn.rules.idempotency_window_us;
    forget_while(turn, |turn| !turn.counts(turn.counters.keys_first_stamp_us, window_us));
}

/// Forgets the oldest keys beyond the limit.
fn shorten<V: View>(turn: &mut Turn<'_, '_, V>) {
    let max = turn.rules.idempotency_keys_max;
    let keys = forget_while(turn, |turn| turn.counters.keys_next - turn.counters.keys_first > max);
    if keys > 0 {
        turn.events.push(Event::KeysShortened { keys });
    }
}

/// Forgets a few keys, oldest first; answers their count. The sequence of a reused key is empty and skipped.
fn forget_while<V: View>(turn: &mut Turn<'_, '_, V>, condition: impl Fn(&Turn<'_, '_, V>) -> bool) -> u32 {
    let mut keys = 0;
    for _ in 0..FORGOTTEN_PER_COMMAND {
        if turn.counters.keys_first == turn.counters.keys_next || !condition(turn) {
            break;
        }
        keys += u32::from(forget_first(turn));
        turn.counters.keys_first_stamp_us = first_stamp_us(turn);
    }
    keys
}

/// Removes the oldest key; false: its sequence was empty.
fn forget_first<V: View>(turn: &mut Turn<'_, '_, V>) -> bool {
    let by_age = Key::KeyByAge(turn.counters.keys_first);
    turn.counters.keys_first += 1;
    let Some(place) = place_of(&by_age, turn) else { return false };
    turn.overlay.remove(by_age);
    turn.overlay.remove(place);
    true
}

/// The stamp of the oldest key; 0, which is expired, for an empty sequence: the next round skips this sequence.
fn first_stamp_us<V: View>(turn: &Turn<'_, '_, V>) -> u64 {
    let place = place_of(&Key::KeyByAge(turn.counters.keys_first), turn);
    place.and_then(|place| row_of(&place, turn)).map_or(0, |row| row.stamp_us)
}

fn place_of<V: View>(by_age: &Key, turn: &Turn<'_, '_, V>) -> Option<Key> {
    match turn.overlay.get(by_age) {
        Some(Row::KeyByAge(row)) => Key::decode(Table::Idempotency, &row.key),
        _ => None,
    }
}

fn row_of<V: View>(place: &Key, turn: &Turn<'_, '_, V>) -> Option<IdempotencyRow> {
    match turn.overlay.get(place) {
        Some(Row::Idempotency(row)) => Some(row),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use outbound::{Body, Command, Origin, RULES_NEWEST, RequestId};

    use super::*;
    use crate::{map::MapView, numbers::OneByOne, overlay::Overlay, rules::Rules};

    #[test]
    fn a_reply_that_asks_for_another_proposal_is_kept_under_no_key_and_the_answer_behind_it_is() {
        let (map, own) = (MapView::default(), Rules::default());
        let body = Body::DeleteList("a body".to_owned());
        let command = Command::new(RULES_NEWEST, RequestId::default(), 1, Origin::Http, body);
        let (mut overlay, mut numbers, mut events) = (Overlay::new(&map), OneByOne, Vec::new());
        let mut turn = Turn::begin(&command, &mut overlay, &own, &mut numbers, &mut events);
        let asked = LazyContent::of(&command.body);
        let mut ask = |decided: Reply| answer(&asked, Scope::default(), b"key", &mut turn, |_| decided);
        let done = || Reply::done("PreviewRecord", Vec::new());
        assert_eq!(ask(Reply::again()), Reply::again());
        assert_eq!(ask(Reply::again()), Reply::again(), "decided anew");
        assert_eq!(ask(done()), done());
        assert_eq!(ask(Reply::again()), Reply { replayed: true, ..done() }, "the answer is kept");
    }
}
