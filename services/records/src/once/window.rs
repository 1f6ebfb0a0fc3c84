//! The replay window: a request without a key that repeats the content of one applied a moment ago gets its answer
//! (spec 6). That is what a client's library sends by itself when a connection breaks.
//!
//! Only what was applied counts: a refused request changed nothing, so deciding it once more is harmless, and its
//! client may have mended the cause. A repeat does not lengthen the window.

use outbound::{Reply, ReplyBody, Request, RequestId};

use super::decode;
use crate::{
    key::{Key, Scope},
    row::{RequestIdRow, Row},
    turn::Turn,
    view::View,
};

/// The answer of the request that this one repeats, or a new one; with the content key under which it stands.
pub(crate) fn answer<V: View>(
    id: RequestId,
    request: &Request,
    scope: Scope,
    turn: &mut Turn<'_, '_, V>,
    decide: impl FnOnce(&mut Turn<'_, '_, V>) -> Reply,
) -> (Reply, Option<Key>) {
    if turn.rules.replay_window_us == 0 {
        return (decide(turn), None);
    }
    let content = Key::Content(request.content(), scope);
    if let Some(first) = repeated(&content, turn) {
        return (Reply { replayed: true, ..first }, None);
    }
    let reply = decide(turn);
    if !matches!(reply.body, ReplyBody::Done(_)) {
        return (reply, None);
    }
    turn.overlay.put(content.clone(), Row::Content(RequestIdRow::from(id)));
    (reply, Some(content))
}

fn repeated<V: View>(content: &Key, turn: &Turn<'_, '_, V>) -> Option<Reply> {
    let Some(Row::Content(first)) = turn.overlay.get(content) else { return None };
    let Some(Row::Request(row)) = turn.overlay.get(&Key::Request((&first).into())) else { return None };
    turn.counts(row.stamp_us, turn.rules.replay_window_us).then(|| decode(&row.reply))
}
