//! Reads: a quorum first, then the state; held while no quorum answers, and then answered from the last state known, marked stale
//! (architecture, What loses what).

use std::time::Duration;

use outbound::{Reply, Request};
use tokio::time::Instant;

use crate::{Dispatch, Engine, policy};

/// How long one round to a quorum may take before the read counts as held.
const ROUND: Duration = Duration::from_millis(200);

impl<E: Engine> Dispatch<E> {
    /// Answers reads, in their order. All requests are here before the quorum is asked, so one question is enough for all (R4);
    /// where the quorum does not answer, each request is held on its own.
    pub async fn reads(&self, requests: &[(Request, Instant)]) -> Vec<Reply> {
        let Some(first) = requests.iter().map(|(_, deadline)| *deadline).min() else { return Vec::new() };
        let all: Vec<&Request> = requests.iter().map(|(request, _)| request).collect();
        match self.read_at_once(&all, first).await {
            Some(replies) => replies,
            None => {
                let held = requests.iter().map(|(request, deadline)| self.read_held_or_stale(request, *deadline));
                futures::future::join_all(held).await
            }
        }
    }

    pub(crate) async fn read(&self, request: &Request, deadline: Instant) -> Reply {
        match self.read_at_once(&[request], deadline).await {
            Some(mut replies) => replies.remove(0),
            None => self.read_held_or_stale(request, deadline).await,
        }
    }

    /// Completes when the engine's state has everything acknowledged before the call (R4).
    ///
    /// # Errors
    /// UNAVAILABLE: no quorum answered within `hold_time`, or too much is held.
    pub async fn wait_until_readable(&self, deadline: Instant) -> Result<(), Reply> {
        match self.read_at_once(&[], deadline).await {
            Some(_) => Ok(()),
            None => self.read_held(&[], deadline).await.map(drop),
        }
    }

    /// The first question to a quorum, before the request counts as held; none: no quorum answered in time.
    async fn read_at_once(&self, requests: &[&Request], deadline: Instant) -> Option<Vec<Reply>> {
        self.engine().read(requests, ROUND.min(deadline - Instant::now())).await.ok()
    }

    async fn read_held_or_stale(&self, request: &Request, deadline: Instant) -> Reply {
        match self.read_held(&[request], deadline).await {
            Ok(mut replies) => replies.remove(0),
            Err(refused) => match self.engine().read_last(request) {
                Some(reply) => Reply { stale: true, ..reply },
                None => refused,
            },
        }
    }

    async fn read_held(&self, requests: &[&Request], deadline: Instant) -> Result<Vec<Reply>, Reply> {
        let _held = self.hold().enter(0).ok_or_else(|| policy::unreadable("too many requests are held"))?;
        let left = self.hold().time().saturating_sub(ROUND).min(deadline - Instant::now());
        self.engine().read(requests, left).await.map_err(|why| policy::unreadable(&why))
    }
}
