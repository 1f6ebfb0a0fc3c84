//! Request ids: a command that comes a second time under its id gets its reply again and changes nothing (design rule 7).
//!
//! Ids are forgotten in their own order, a node at a time; the highest one forgotten is that node's floor. What is at
//! or below the floor and not found may have been applied and forgotten, so it is never applied: its outcome is unknown.

use outbound::{Reply, RequestId};

use super::{decode, encode, unknown};
use crate::{
    key::{Key, Table, node_prefix},
    row::{FloorRow, RequestIdRow, RequestRow, Row},
    rules::FORGOTTEN_PER_COMMAND,
    turn::Turn,
    view::{Bound, View},
};

/// How long the oldest id waits beyond its time, microseconds, so that ids go in batches and not one ordered read each.
const BATCH_US: u64 = 100_000;

/// The reply that this id must get without being decided.
pub(crate) fn known<V: View>(id: RequestId, turn: &Turn<'_, '_, V>) -> Option<Reply> {
    #[cfg(mutant)]
    if crate::mutant::request_ids_off() {
        return None;
    }
    if let Some(Row::Request(row)) = turn.overlay.get(&Key::Request(id)) {
        let fresh = turn.counts(row.stamp_us, window_us(turn));
        return Some(if fresh { decode(&row.reply) } else { unknown() });
    }
    let floor = turn.meta.floors.iter().find(|floor| floor.node == id.node)?;
    (id <= floor.id()).then(unknown)
}

/// Remembers the reply that an id got, and under which contents it is known again.
pub(crate) fn remember<V: View>(id: RequestId, reply: &Reply, contents: &[Key], turn: &mut Turn<'_, '_, V>) {
    let contents = contents.iter().map(|content| content.encode().into_vec()).collect();
    let row = RequestRow { stamp_us: turn.now_us, reply: encode(reply), contents };
    turn.overlay.put(Key::Request(id), Row::Request(row));
    let now_us = turn.now_us;
    let floor = floor_of(&mut turn.meta.floors, id.node);
    if floor.oldest_stamp_us == 0 {
        floor.oldest_stamp_us = now_us;
    }
}

/// Forgets a few ids whose time is over, of each node in turn.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    let mut floors = std::mem::take(&mut turn.meta.floors);
    let mut left = FORGOTTEN_PER_COMMAND;
    for floor in &mut floors {
        let due = floor.oldest_stamp_us != 0 && !turn.counts(floor.oldest_stamp_us, window_us(turn) + BATCH_US);
        if due && left > 0 {
            left -= forget_of_node(floor, left, turn);
        }
    }
    turn.meta.floors = floors;
}

/// Raises a node's floor over at most `limit` ids; how many were forgotten.
fn forget_of_node<V: View>(floor: &mut FloorRow, limit: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let next = RequestId { counter: floor.counter.saturating_add(1), ..floor.id() };
    let bound =
        Bound { table: Table::Request, from: Key::Request(next).encode().into_vec(), prefix: node_prefix(floor.node) };
    let rows = turn.overlay.next(&bound, limit);
    let more = rows.len() == limit as usize;
    let mut forgotten = 0;
    for (key, row) in rows {
        let (Key::Request(id), Row::Request(row)) = (key, row) else { continue };
        if turn.counts(row.stamp_us, window_us(turn)) {
            floor.oldest_stamp_us = row.stamp_us;
            return forgotten;
        }
        (floor.incarnation, floor.counter, floor.oldest_stamp_us) = (id.incarnation, id.counter, row.stamp_us);
        forget(id, row, turn);
        forgotten += 1;
    }
    if !more {
        floor.oldest_stamp_us = 0;
    }
    forgotten
}

/// The contents by which it was known go with its row ([`crate::Change::forgotten_contents`]), unless the engine never saw that row.
fn forget<V: View>(id: RequestId, row: RequestRow, turn: &mut Turn<'_, '_, V>) {
    let Some(Row::Request(row)) = turn.overlay.remove_read(Key::Request(id), Row::Request(row)) else { return };
    for content in row.contents.iter().filter_map(|content| Key::decode(Table::Content, content)) {
        // A later request with the same content may have taken the place over.
        if turn.overlay.get(&content) == Some(Row::Content(RequestIdRow::from(id))) {
            turn.overlay.remove(content);
        }
    }
}

/// The answers of the replay window stand under request ids, so these stay at least as long.
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

impl FloorRow {
    fn id(&self) -> RequestId {
        RequestId { node: self.node, incarnation: self.incarnation, counter: self.counter }
    }
}
