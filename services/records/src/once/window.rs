//! The replay window: a request without a key that repeats the content of a recently applied request gets that request's answer
//! (spec 6, Exactly once). A client's library sends such repeats by itself when a connection breaks.
//!
//! A load balancer gives all its retries of a request the same key. Such a request still takes part in the window, since its
//! client gave no key and may retry under another key of the balancer. A repeat finds the request under the balancer's key for
//! as long as its request id is remembered.
//!
//! From rules version 3 on, the window ends early: for a request on a record once another request has changed that record, for
//! AddRecord and DoNotCall once the phone's Do-Not-Call entry has changed, and for AddRecord once its record is deleted. An
//! entry made and taken back in between counts as changed: the record of the first AddRecord may be NoCall. An update
//! acknowledged in between is thus not lost: A, B, A ends with A. A balancer's key names one passage through the balancer: its
//! retries are the same request even after a change of the record.
//!
//! From rules version 5 on, the window of a cancel by phone or customer ends with a change of a record that matches. Previews and
//! campaign control take no part in the window, since an agent that asks twice wants two records: only a key names their repeats. So
//! does PatchRecord: two clients that read the same version may ask for the same change.
//!
//! Only applied requests open a window: a refused request changed nothing, so a second decision is harmless, and its client may
//! have fixed the cause. A repeat does not extend the window.

use outbound::{
    Handle, RULES_WITH_WINDOW_ENDS, Reply, ReplyBody, Request, RequestId, Resource, Value, Verb, content_under, key,
};

use super::LazyContent;
use crate::{
    lookup,
    stored_reply::decode,
    tables::{Key, RequestIdRow, Row, Scope},
    turn::Turn,
    verbs,
    view::View,
};

/// The prefix of a load balancer's keys (`deploy/haproxy.cfg`).
const BALANCERS: &[u8] = b"balancer-";

/// Whether this key is from the client, and not from a load balancer.
pub(crate) fn is_clients(key: &[u8]) -> bool {
    !key.starts_with(BALANCERS)
}

/// The answer of the repeated request, or a new answer; with the content keys that point to this request.
pub(crate) fn answer<V: View>(
    id: RequestId,
    request: &Request,
    asked: &LazyContent<'_>,
    scope: Scope,
    turn: &mut Turn<'_, '_, V>,
    decide: impl FnOnce(&mut Turn<'_, '_, V>) -> Reply,
) -> (Reply, Vec<Key>) {
    let under = |key: &[u8]| Key::Content(content_under(&asked.hash(), key), scope.clone());
    let attempt = request.idempotency_key.as_deref().map(under);
    let attempt_us = turn.rules.request_window_us;
    if let Some(first) = attempt.as_ref().and_then(|place| repeated(place, asked, attempt_us, turn)) {
        return (Reply { replayed: true, ..first.reply }, Vec::new());
    }
    let window_us = turn.rules.replay_window_us;
    let is_apart = matches!(request.resource, Resource::CampaignGroup(_)) || request.verb == Verb::PatchRecord;
    let content = (window_us != 0 && !is_apart).then(|| Key::Content(asked.hash(), scope));
    let first = content.as_ref().and_then(|place| repeated(place, asked, window_us, turn));
    if let Some(First { reply, .. }) = first.filter(|first| !has_ended(request, first, turn)) {
        let places = stand(id, attempt.into_iter().collect(), turn);
        return (Reply { replayed: true, ..reply }, places);
    }
    let reply = decide(turn);
    match reply.body {
        ReplyBody::Done(_) => (reply, stand(id, content.into_iter().chain(attempt).collect(), turn)),
        _ => (reply, Vec::new()),
    }
}

/// Points these content keys to a request.
fn stand<V: View>(id: RequestId, places: Vec<Key>, turn: &mut Turn<'_, '_, V>) -> Vec<Key> {
    for place in &places {
        turn.overlay.put(place.clone(), Row::Content(RequestIdRow::from(id)));
    }
    places
}

/// The request to which a content points.
struct First {
    stamp_us: u64,
    reply: Reply,
}

/// The first request with a content; a row of another content is skipped.
fn repeated<V: View>(content: &Key, asked: &LazyContent<'_>, window_us: u64, turn: &Turn<'_, '_, V>) -> Option<First> {
    let Some(Row::Content(first)) = turn.overlay.get(content) else { return None };
    let Some(Row::Request(row)) = turn.overlay.get(&Key::Request((&first).into())) else { return None };
    let same = row.content.is_empty() || row.content == asked.hash();
    let counts = same && turn.counts(row.stamp_us, window_us);
    counts.then(|| First { stamp_us: row.stamp_us, reply: decode(&row.reply) })
}

/// Whether the window of the first request has ended early.
fn has_ended<V: View>(request: &Request, first: &First, turn: &Turn<'_, '_, V>) -> bool {
    if turn.version < RULES_WITH_WINDOW_ENDS {
        return false;
    }
    has_changed(request, first.stamp_us, turn)
        || verbs::entry_has_changed(request, first.stamp_us, turn)
        || added_record_is_gone(request, &first.reply, turn)
}

/// Whether the record of an AddRecord has been deleted with its list since: a new list of the same name lacks this record.
fn added_record_is_gone<V: View>(request: &Request, reply: &Reply, turn: &Turn<'_, '_, V>) -> bool {
    let (Resource::List(_), ReplyBody::Done(done)) = (&request.resource, &reply.body) else { return false };
    let handle = done.attributes.iter().find_map(|(name, value)| match value {
        Value::Int(number) if name == key::RECORD_HANDLE => u64::try_from(*number).ok(),
        _ => None,
    });
    let record = handle.and_then(|handle| lookup::record(turn.overlay, Handle(handle)));
    record.and_then(|record| lookup::list(turn.overlay, record.list)).is_none_or(|list| list.deleting)
}

/// Whether another request has changed the record of a request, or one of its records, after `since_us`.
fn has_changed<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    match &request.resource {
        Resource::Record(handle) => {
            let row = turn.overlay.get(&Key::Record(*handle));
            matches!(row, Some(Row::Record(record)) if record.changed_us > since_us)
        }
        // the records of a large DoNotCall go on changing by themselves: only its entry counts
        Resource::Phone(_) | Resource::Customer(_) if request.verb == Verb::DoNotCall => false,
        Resource::Phone(_) | Resource::Customer(_) => verbs::records_have_changed(request, since_us, turn),
        Resource::List(_) | Resource::CampaignGroup(_) => false,
    }
}
