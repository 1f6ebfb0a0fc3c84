//! Request ids: a retried command gets the reply of its id again and changes nothing (R7 unknown-is-not-failed).
//!
//! The rules forget ids in order, a node at a time; the highest forgotten id is that node's floor. An absent id at or below the
//! floor may have been applied and forgotten, so the rules never apply its command: its outcome is unknown. Ids with a token
//! have floors of their own.
//!
//! From rules version 2 on, a row holds the hash of the content beside the reply: another request under the same id never gets
//! that reply, even if a node reuses its ids.

use outbound::{ContentHash, Refusal, RefusalCode, Reply, RequestId};

use super::LazyContent;
use crate::{
    event::Event,
    rules::FORGOTTEN_PER_COMMAND,
    stored_reply::{decode, encode, unknown},
    tables::{Encoded, FloorRow, Key, RequestRow, Row, Table, ids_with_token, indexes, node_prefix},
    turn::Turn,
    view::{Bound, View},
};

/// Extra time of the oldest id, microseconds, so that an ordered read forgets a batch of ids instead of a single id.
const BATCH_US: u64 = 100_000;

/// The reply to this id without a decision; none: the id is new.
pub(crate) fn known<V: View>(id: RequestId, asked: &LazyContent<'_>, turn: &mut Turn<'_, '_, V>) -> Option<Reply> {
    #[cfg(mutant)]
    if crate::mutant::request_ids_off() {
        return None;
    }
    if let Some(Row::Request(row)) = turn.overlay.get(&Key::Request(id)) {
        if names_another(&row, asked) {
            turn.events.push(Event::RequestIdReused { id });
            return Some(reused(id));
        }
        let fresh = turn.counts(row.stamp_us, window_us(turn));
        return Some(if fresh { decode(&row.reply) } else { unknown() });
    }
    let floors = turn.counters.floors_of(id.token != 0);
    let floor = floors.iter().find(|floor| floor.node == id.node)?.id()?;
    (id <= floor).then(unknown)
}

/// Whether the row belongs to another request; a row of rules version 1 has no content to compare.
fn names_another(row: &RequestRow, asked: &LazyContent<'_>) -> bool {
    #[cfg(mutant)]
    if crate::mutant::content_passed_over() {
        return false;
    }
    !row.content.is_empty() && row.content != asked.hash()
}

/// The refusal of a reused id: the reply of the other request must never answer this request.
fn reused(id: RequestId) -> Reply {
    let message = format!("Request id {id} was given twice: the nodes' logs say more");
    Refusal::new(RefusalCode::Internal, message).into()
}

/// Remembers the reply of an id, the hash of its content, and the contents under which a repeat finds this reply.
pub(crate) fn remember<V: View>(
    id: RequestId,
    asked: Option<ContentHash>,
    reply: &Reply,
    contents: &[Key],
    turn: &mut Turn<'_, '_, V>,
) {
    let contents = contents.iter().map(|content| content.encode().into_vec()).collect();
    let content = asked.map(Vec::from).unwrap_or_default();
    let row = RequestRow { stamp_us: turn.now_us, reply: encode(reply), contents, content };
    turn.overlay.put(Key::Request(id), Row::Request(row));
    let now_us = turn.now_us;
    let floor = floor_of(turn.counters.floors_of(id.token != 0), id.node);
    if floor.oldest_stamp_us == 0 {
        floor.oldest_stamp_us = now_us;
    }
}

/// Forgets a few expired ids, of each node in turn.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    let mut left = FORGOTTEN_PER_COMMAND;
    for with_token in [false, true] {
        let mut floors = std::mem::take(turn.counters.floors_of(with_token));
        for floor in &mut floors {
            let due = floor.oldest_stamp_us != 0 && !turn.counts(floor.oldest_stamp_us, window_us(turn) + BATCH_US);
            if due && left > 0 {
                left -= forget_of_node(floor, with_token, left, turn);
            }
        }
        *turn.counters.floors_of(with_token) = floors;
    }
}

/// Raises a node's floor over at most `limit` ids; answers the count of forgotten ids.
fn forget_of_node<V: View>(floor: &mut FloorRow, with_token: bool, limit: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let from = above(floor, with_token).into_vec();
    let bound = Bound { table: Table::Request, from, prefix: node_prefix(floor.node) };
    let rows = turn.overlay.next(&bound, limit);
    let mut more = rows.len() == limit as usize;
    let mut forgotten = 0;
    for (key, row) in rows {
        let (Key::Request(id), Row::Request(row)) = (key, row) else { continue };
        if (id.token != 0) != with_token {
            more = false; // ids with a token sort after the others
            break;
        }
        if turn.counts(row.stamp_us, window_us(turn)) {
            floor.oldest_stamp_us = row.stamp_us;
            return forgotten;
        }
        floor.raise(id);
        floor.oldest_stamp_us = row.stamp_us;
        forget(id, row, turn);
        forgotten += 1;
    }
    if !more {
        floor.oldest_stamp_us = 0;
    }
    forgotten
}

/// The first key above the floor.
fn above(floor: &FloorRow, with_token: bool) -> Encoded {
    match floor.id() {
        Some(id) => Key::Request(RequestId { counter: id.counter.saturating_add(1), ..id }).encode(),
        None if with_token => ids_with_token(floor.node),
        None => Key::Request(RequestId { node: floor.node, counter: 1, ..RequestId::default() }).encode(),
    }
}

/// Forgets an id, with its contents: a content that a later request owns stays.
fn forget<V: View>(id: RequestId, row: RequestRow, turn: &mut Turn<'_, '_, V>) {
    for (content, leads_here) in indexes::of_request(id, &row) {
        turn.overlay.remove_if(content, &leads_here);
    }
    turn.overlay.remove_read(Key::Request(id), Row::Request(row));
}

/// Lifetime of request ids: at least the replay window, whose answers are rows of request ids.
fn window_us<V: View>(turn: &Turn<'_, '_, V>) -> u64 {
    turn.rules.request_window_us.max(turn.rules.replay_window_us)
}

fn floor_of(floors: &mut Vec<FloorRow>, node: u32) -> &mut FloorRow {
    let at = floors.binary_search_by_key(&node, |floor| floor.node).unwrap_or_else(|at| {
        floors.insert(at, FloorRow { node, ..FloorRow::default() });
        at
    });
    &mut floors[at]
}
