//! The way of an update to the primary's node, one hop, and the answer there.
//!
//! A request never makes a second hop: a forwarded request that finds no primary here is answered so at once. Never attempts twice:
//! `dispatch::policy` decides on the next attempt. Called by [`crate::Pair`].

mod forwarded;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::{
    lines::Causes,
    spans::{OpenSpan, SpanContext},
};
use consensus::RaftId;
use dispatch::{EncodedBody, Heard, NotTaken, Submission, policy};
use futures::{FutureExt, future::BoxFuture};
use ocs_proto::peer::{ForwardOutcome, ForwardReply, ForwardRequest};
use outbound::{Refusal, RefusalCode, Reply};
use tokio::time::Instant;

pub use forwarded::Forwarded;

use crate::{PrimaryDoor, batch::heard};

/// Lines about requests of peers that cannot be read, a minute.
static UNREAD: Causes = Causes::new(1);

/// The outcome of a request that was sent to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum ForwardResult {
    /// The peer's answer.
    Reply(ForwardReply),
    /// The request never left this node, for this reason: safe to send elsewhere.
    NotSent(&'static str),
    /// The request left this node, and no answer will come: the outcome is not known.
    Lost,
}

/// The way to a peer that is primary. Dropping the future ends the wait; the request is not called back.
#[tonic::async_trait]
pub trait ForwardTo: Send + Sync + 'static {
    /// Sends one request and waits for its answer, or for the loss of the stream.
    async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult;
}

/// One attempt at a peer.
pub(crate) fn attempt(
    peers: &Arc<dyn ForwardTo>,
    peer: RaftId,
    position: usize,
    update: &Submission,
) -> BoxFuture<'static, (usize, Heard)> {
    let (peers, request) = (peers.clone(), to_peer(update));
    async move { (position, outcome(peers.forward(peer, request).await)) }.boxed()
}

pub(crate) fn to_peer(update: &Submission) -> Forwarded {
    let left = (update.deadline - Instant::now()).as_millis();
    let head = ForwardRequest {
        id: Some(update.id.into()),
        deadline_ms: u32::try_from(left).unwrap_or(u32::MAX),
        origin: outbound::wire::origin_to_wire(update.origin).into(),
        principal: update.body.operator().to_owned(),
        address: update.body.address().to_owned(),
        trace: update.body.trace().map(|trace| Bytes::copy_from_slice(&trace.to_bytes())).unwrap_or_default(),
    };
    Forwarded { head, body: update.body.bytes().clone() }
}

fn outcome(result: ForwardResult) -> Heard {
    let reply = match result {
        ForwardResult::Reply(reply) => reply,
        ForwardResult::NotSent(_) => return Heard::NotTaken(NotTaken::NotServing),
        ForwardResult::Lost => return Heard::Lost,
    };
    let outcome = reply.outcome();
    let told = reply.reply.map(outbound::wire::reply_from_wire);
    match (outcome, told) {
        (ForwardOutcome::Reply, Some(Ok(reply))) => Heard::Reply(reply),
        (ForwardOutcome::Refused, Some(Ok(reply))) => Heard::NotTaken(NotTaken::Refused(reply)),
        (ForwardOutcome::NotPrimary, _) => Heard::NotTaken(NotTaken::NotServing),
        // The outcome is unknown there, or this version cannot read the answer.
        _ => Heard::Lost,
    }
}

/// Answers a forwarded request; `serves`: this node takes updates.
pub(crate) async fn answer(door: &PrimaryDoor, serves: bool, from: RaftId, request: Forwarded) -> ForwardReply {
    let id = request.head.id;
    let answer = |outcome: ForwardOutcome, reply: Option<Reply>| ForwardReply {
        id,
        outcome: outcome.into(),
        reply: reply.map(outbound::wire::reply_into_wire),
    };
    if !serves {
        return answer(ForwardOutcome::NotPrimary, None);
    }
    let update = match from_peer(request) {
        Ok(update) => update,
        Err(refused) => {
            if let Some(more) = UNREAD.line("unread") {
                tracing::warn!(
                    peer = from,
                    "a forwarded request cannot be read: is the peer newer than this node?{more}"
                );
            }
            return answer(ForwardOutcome::Refused, Some(refused));
        }
    };
    let span = OpenSpan::within("forwarded submission", update.body.trace());
    let body = update.body.traced(span.as_ref().map(OpenSpan::context));
    let proposed = door.propose(update.id, update.origin, body);
    let heard = tokio::time::timeout_at(update.deadline, proposed).await.map_or(Heard::Lost, heard);
    if let Some(span) = span {
        span.end(Vec::new(), !matches!(heard, Heard::Reply(_)));
    }
    match heard {
        Heard::Reply(reply) => answer(ForwardOutcome::Reply, Some(reply)),
        Heard::NotTaken(why) => match policy::refused(why) {
            Some(refusal) => answer(ForwardOutcome::Refused, Some(refusal)),
            None => answer(ForwardOutcome::NotPrimary, None),
        },
        Heard::Lost | Heard::Moved(_) => answer(ForwardOutcome::Unknown, None),
    }
}

fn from_peer(Forwarded { head, body }: Forwarded) -> Result<Submission, Reply> {
    let unreadable = |what: String| Reply::refused(Refusal::new(RefusalCode::Internal, what));
    let deadline = Instant::now() + Duration::from_millis(head.deadline_ms.into());
    let id = head.id.ok_or_else(|| unreadable("The forwarded request lacks its id".to_owned()))?;
    let origin = outbound::wire::origin_from_wire(head.origin).map_err(|error| unreadable(error.to_string()))?;
    let body = EncodedBody::read(body).map_err(|error| unreadable(format!("A forwarded request: {error}")))?;
    let body = body.by(&head.principal).at(&head.address).traced(SpanContext::from_bytes(&head.trace));
    Submission::new(id.into(), origin, body, deadline)
}

#[cfg(test)]
mod tests {
    use outbound::{Origin, RequestId};

    use super::*;
    use crate::fakes::add_record;

    #[test]
    fn a_trace_goes_along_and_a_request_that_is_not_traced_carries_none() {
        let body = EncodedBody::of(add_record("1"));
        let update = |trace| {
            let (id, deadline) = (RequestId { node: 1, counter: 9, ..RequestId::default() }, Instant::now());
            Submission::new(id, Origin::Http, body.clone().traced(trace), deadline + Duration::from_secs(9)).unwrap()
        };
        let trace = SpanContext::from_bytes(&[7; 24]);
        assert!(trace.is_some());
        let sent = to_peer(&update(trace));
        let taken = from_peer(Forwarded::decode(&sent.encode()).unwrap()).unwrap();
        assert_eq!((taken.body.trace(), taken.body.bytes()), (trace, body.bytes()));
        assert!(to_peer(&update(None)).head.trace.is_empty());
    }
}
