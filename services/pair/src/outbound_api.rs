//! The native door: answers the requests of HTTP Proxy's link and of the control API, on any data node.
//!
//! Reads ask a quorum and then the local state (R4 reads-ask-a-quorum); updates get their request id here, once, and go to the
//! primary by [`Forward`]. Never decides anything about a record, and never knows HTTP. Called by the link and by
//! the control API.

use std::{sync::Arc, time::Duration};

use dispatch::RequestIds;
use outbound::{Body, Origin, Refusal, RefusalCode, Reply, Request, RequestId};
use tokio::time::Instant;

use crate::{EncodedBody, Forward, Group, StateReader, Submission};

/// How long one round to a quorum may take before the read counts as held.
const ROUND: Duration = Duration::from_millis(200);

/// The door of one data node.
pub struct OutboundApi {
    ids: RequestIds,
    forward: Arc<Forward>,
    group: Arc<dyn Group>,
    state: Arc<dyn StateReader>,
}

impl OutboundApi {
    /// Puts the door together.
    pub fn new(ids: RequestIds, forward: Arc<Forward>, group: Arc<dyn Group>, state: Arc<dyn StateReader>) -> Self {
        Self { ids, forward, group, state }
    }

    /// Marks the state here as wrong: the state serves no more, and is fetched from another data node.
    pub fn distrust(&self, reason: String) {
        self.group.distrust(reason);
    }

    /// Answers one request, on any data node, before `deadline`. Dropping the future ends the wait; an update that was handed
    /// over goes on.
    pub async fn answer(&self, body: Body, origin: Origin, deadline: Instant) -> Reply {
        match &body {
            Body::Request(request) if request.verb.reads() => self.read(request, deadline).await,
            _ => match Submission::new(self.give_id(), origin, EncodedBody::of(body), deadline) {
                Ok(submission) => self.forward.submit(&submission).await,
                Err(refused) => refused,
            },
        }
    }

    fn give_id(&self) -> RequestId {
        self.ids.give(self.state.rules_version())
    }

    /// Answers updates that came together, each before its deadline; calls `answered` with every reply and the place of its
    /// update, as soon as the reply is known.
    pub async fn answer_updates<F: Future<Output = ()> + Send>(
        &self,
        updates: Vec<(EncodedBody, Instant)>,
        origin: Origin,
        answered: impl Fn(usize, Reply) -> F + Send + Sync,
    ) {
        let (mut places, mut submissions) = (Vec::with_capacity(updates.len()), Vec::with_capacity(updates.len()));
        for (place, (body, deadline)) in updates.into_iter().enumerate() {
            match Submission::new(self.give_id(), origin, body, deadline) {
                Ok(submission) => {
                    places.push(place);
                    submissions.push(submission);
                }
                Err(refused) => answered(place, refused).await,
            }
        }
        self.forward.submit_all(&submissions, |at, reply| answered(places[at], reply)).await;
    }

    /// Answers reads, in their order. All requests are here before the quorum is asked, so one question is enough for all (R4);
    /// where the quorum does not answer, each request is held on its own.
    pub async fn answer_reads(&self, requests: &[(Request, Instant)]) -> Vec<Reply> {
        let Some(first) = requests.iter().map(|(_, deadline)| *deadline).min() else { return Vec::new() };
        if self.ask(first).await {
            return self.state.read_all(&requests.iter().map(|(request, _)| request).collect::<Vec<_>>());
        }
        let held = requests.iter().map(|(request, deadline)| async {
            let readable = self.wait_held(*deadline).await;
            self.read_if(readable, request)
        });
        futures::future::join_all(held).await
    }

    async fn read(&self, request: &Request, deadline: Instant) -> Reply {
        let readable = self.wait_until_readable(deadline).await;
        self.read_if(readable, request)
    }

    /// A read; where no quorum answered for `hold_time`, from this node's last state, marked stale
    /// (architecture, What loses what).
    fn read_if(&self, readable: Result<(), Reply>, request: &Request) -> Reply {
        match readable {
            Ok(()) => self.state.read(request),
            Err(_) if self.knows_a_state() => Reply { stale: true, ..self.state.read(request) },
            Err(refused) => refused,
        }
    }

    fn knows_a_state(&self) -> bool {
        let status = self.group.status().borrow().clone();
        status.applied > 0 && !status.fetching && !status.frozen
    }

    /// Completes when the local state has everything acknowledged before the call (R4).
    ///
    /// # Errors
    /// UNAVAILABLE: no quorum answered within `hold_time`, or too much is held.
    pub async fn wait_until_readable(&self, deadline: Instant) -> Result<(), Reply> {
        if self.ask(deadline).await { Ok(()) } else { self.wait_held(deadline).await }
    }

    /// The first question to a quorum, before the request counts as held.
    async fn ask(&self, deadline: Instant) -> bool {
        self.group.read(ROUND.min(deadline - Instant::now())).await.is_ok()
    }

    async fn wait_held(&self, deadline: Instant) -> Result<(), Reply> {
        let _held = self.forward.hold().enter(0).ok_or_else(|| unreadable("too many requests are held"))?;
        let left = self.forward.hold().time().saturating_sub(ROUND).min(deadline - Instant::now());
        self.group.read(left).await.map(|_| ()).map_err(|error| unreadable(&error.to_string()))
    }

    /// The state of this node, for callers that have waited with [`Self::wait_until_readable`].
    pub fn state(&self) -> &Arc<dyn StateReader> {
        &self.state
    }

    /// The way to the primary, for its counters and for forwarded requests.
    pub fn forward(&self) -> &Arc<Forward> {
        &self.forward
    }
}

/// The refusal of a read, which is known not to have changed anything.
fn unreadable(why: &str) -> Reply {
    Refusal::new(RefusalCode::Unavailable, format!("The record cannot be read now: {why}")).into()
}

#[cfg(test)]
mod tests;
