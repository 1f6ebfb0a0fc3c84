//! The pair as an engine: an update goes to this node's log or to the primary's node, reads ask a quorum and then the local state
//! (R4 reads-ask-a-quorum).
//!
//! Never waits for a primary and never attempts again: `dispatch::policy` decides on both. Called by `dispatch`; by the peers' side
//! for forwarded requests.

use std::{
    collections::VecDeque,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use consensus::{ProposeError, RaftId};
use dispatch::{Engine, Heard, NotTaken, Standing, Submission};
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use ocs_proto::peer::ForwardReply;
use outbound::{Answers, Query, Refusal, Reply, Request};
use tokio::sync::watch;

use crate::{
    ForwardTo, Forwarded, Primary, PrimaryDoor, RaftGroup, StateReader,
    batch::{Awaited, heard},
    forward, leadership,
};

/// The entrance to a pair.
pub type Door = dispatch::Dispatch<Pair>;

/// One data node of a pair.
pub struct Pair {
    own: RaftId,
    door: PrimaryDoor,
    peers: Arc<dyn ForwardTo>,
    group: Arc<dyn RaftGroup>,
    state: Arc<dyn StateReader>,
    standing: watch::Receiver<Standing>,
}

impl Pair {
    /// Forwards through `peers`. `standing`: where updates go, as [`crate::follow`] tells.
    pub fn new(
        door: PrimaryDoor,
        peers: Arc<dyn ForwardTo>,
        group: Arc<dyn RaftGroup>,
        state: Arc<dyn StateReader>,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        let own = group.status().borrow().id;
        Self { own, door, peers, group, state, standing }
    }

    /// The state of this node, for callers that have waited with [`Door::wait_until_readable`].
    pub fn state(&self) -> &Arc<dyn StateReader> {
        &self.state
    }

    /// Nodes whose clock is odd, as far as this node sees.
    pub fn odd_clocks(&self) -> watch::Receiver<Vec<RaftId>> {
        self.door.odd_clocks()
    }

    /// Marks the state here as wrong: the state serves no more, and is fetched from another data node.
    pub fn distrust(&self, reason: String) {
        self.group.distrust(reason);
    }

    /// Answers a forwarded request: proposes it here or says that this node is not the primary; never a second hop. Must be polled to
    /// its end for the peer to hear the outcome.
    pub async fn on_forward(&self, from: RaftId, request: Forwarded) -> ForwardReply {
        let serves = self.primary(*self.standing.borrow()) == Primary::Here;
        forward::answer(&self.door, serves, from, request).await
    }

    fn primary(&self, standing: Standing) -> Primary {
        leadership::primary_of(standing, self.own)
    }
}

impl Engine for Pair {
    type Attempts = Attempts;

    fn submit(&self, batch: &[Submission], at: Standing) -> Attempts {
        match self.primary(at) {
            Primary::Here => Attempts::here(&self.door, batch),
            Primary::At(peer) => Attempts::There(
                (0..).zip(batch).map(|(position, one)| forward::attempt(&self.peers, peer, position, one)).collect(),
            ),
            Primary::None => Attempts::Nowhere(0..batch.len()),
        }
    }

    async fn read(&self, requests: &[&Request], within: Duration) -> Result<Vec<Reply>, String> {
        self.group.read(within).await.map_err(|error| error.to_string())?;
        Ok(if requests.is_empty() { Vec::new() } else { self.state.read_all(requests) })
    }

    fn read_last(&self, request: &Request) -> Option<Reply> {
        let status = self.group.status().borrow().clone();
        let knows_a_state = status.applied > 0 && !status.fetching && !status.frozen;
        knows_a_state.then(|| self.state.read(request))
    }

    fn query(&self, query: Query) -> Result<Answers, Refusal> {
        self.state.query(query)
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    fn rules_version(&self) -> u32 {
        self.state.rules_version()
    }
}

/// The outcomes of the attempts of one batch.
pub enum Attempts {
    /// At this node's log: the outcomes come in the order of the log, so that waiting for one after the other delays none.
    Here {
        /// Updates that the queue refused.
        known: VecDeque<(usize, Heard)>,
        /// Updates in the queue or in the log.
        awaited: VecDeque<(usize, Awaited)>,
    },
    /// At a peer.
    There(FuturesUnordered<BoxFuture<'static, (usize, Heard)>>),
    /// There is no primary.
    Nowhere(Range<usize>),
}

impl Attempts {
    fn here(door: &PrimaryDoor, batch: &[Submission]) -> Self {
        let (mut known, mut awaited) = (VecDeque::new(), VecDeque::with_capacity(batch.len()));
        for (position, update) in batch.iter().enumerate() {
            match door.enqueue(update.id, update.origin, update.body.clone()) {
                Ok(answer) => awaited.push_back((position, answer)),
                Err(error) => known.push_back((position, heard(Err(error)))),
            }
        }
        Self::Here { known, awaited }
    }
}

impl Stream for Attempts {
    type Item = (usize, Heard);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Here { known, awaited } => {
                if let Some(refused) = known.pop_front() {
                    return Poll::Ready(Some(refused));
                }
                let Some((position, answer)) = awaited.front_mut() else { return Poll::Ready(None) };
                // A waiter that is dropped tells nothing about its command.
                let answer = ready!(answer.poll_unpin(context)).unwrap_or(Err(ProposeError::Overtaken));
                let position = *position;
                awaited.pop_front();
                Poll::Ready(Some((position, heard(answer))))
            }
            Self::There(attempts) => attempts.poll_next_unpin(context),
            Self::Nowhere(left) => {
                Poll::Ready(left.next().map(|position| (position, Heard::NotTaken(NotTaken::NotServing))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
