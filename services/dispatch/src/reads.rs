//! Reads: a quorum first, then the state; held while no quorum answers, and then answered from the last state known, marked stale
//! (architecture, What loses what). Once no quorum was confirmed for `hold_time`, no read waits any more.

use std::time::Duration;

use outbound::{Reply, Request};
use tokio::time::Instant;

use crate::{Dispatch, Engine, policy};

/// How long one round to a quorum may take before the read counts as held.
const ROUND: Duration = Duration::from_millis(200);
/// Why a read has no confirmed answer.
const NO_QUORUM: &str = "no quorum has answered for too long";

impl<E: Engine> Dispatch<E> {
    /// Answers reads, in their order. All requests are here before the quorum is asked, so one question is enough for all (R4);
    /// where the quorum does not answer, each request is held on its own.
    pub async fn reads(&self, requests: &[(Request, Instant)]) -> Vec<Reply> {
        let Some(first) = requests.iter().map(|(_, deadline)| *deadline).min() else { return Vec::new() };
        let all: Vec<&Request> = requests.iter().map(|(request, _)| request).collect();
        let patience = self.patience();
        if patience.is_zero() {
            return all.into_iter().map(|request| self.read_stale(request, policy::unreadable(NO_QUORUM))).collect();
        }
        match self.read_at_once(&all, first, patience).await {
            Some(replies) => replies,
            None => {
                let held =
                    requests.iter().map(|(request, deadline)| self.read_held_or_stale(request, *deadline, patience));
                futures::future::join_all(held).await
            }
        }
    }

    pub(crate) async fn read(&self, request: &Request, deadline: Instant) -> Reply {
        let patience = self.patience();
        if patience.is_zero() {
            return self.read_stale(request, policy::unreadable(NO_QUORUM));
        }
        match self.read_at_once(&[request], deadline, patience).await {
            Some(mut replies) => replies.remove(0),
            None => self.read_held_or_stale(request, deadline, patience).await,
        }
    }

    /// Completes when the engine's state has everything acknowledged before the call (R4).
    ///
    /// # Errors
    /// UNAVAILABLE: no quorum answered within `hold_time`, or too much is held.
    pub async fn wait_until_readable(&self, deadline: Instant) -> Result<(), Reply> {
        let patience = self.patience();
        if patience.is_zero() {
            return Err(policy::unreadable(NO_QUORUM));
        }
        match self.read_at_once(&[], deadline, patience).await {
            Some(_) => Ok(()),
            None => self.read_held(&[], deadline, patience).await.map(drop),
        }
    }

    /// Notes whether a quorum answered a question just now. Without these notes each read finds out by itself.
    pub fn note_quorum(&self, answered: bool) {
        self.route.note_quorum(answered);
    }

    fn patience(&self) -> Duration {
        self.route.read_patience()
    }

    /// The first question to a quorum, before the request counts as held; none: no quorum answered in time.
    async fn read_at_once(&self, requests: &[&Request], deadline: Instant, patience: Duration) -> Option<Vec<Reply>> {
        let within = ROUND.min(patience).min(deadline - Instant::now());
        self.confirmed(requests, within).await.ok()
    }

    async fn read_held_or_stale(&self, request: &Request, deadline: Instant, patience: Duration) -> Reply {
        match self.read_held(&[request], deadline, patience).await {
            Ok(mut replies) => replies.remove(0),
            Err(refused) => self.read_stale(request, refused),
        }
    }

    async fn read_held(
        &self,
        requests: &[&Request],
        deadline: Instant,
        patience: Duration,
    ) -> Result<Vec<Reply>, Reply> {
        let _held = self.hold().enter(0).ok_or_else(|| policy::unreadable("too many requests are held"))?;
        let left = patience.saturating_sub(ROUND).min(deadline - Instant::now());
        self.confirmed(requests, left).await.map_err(|why| policy::unreadable(&why))
    }

    /// The answers of a state that a quorum confirms: an outage of the quorum is over.
    async fn confirmed(&self, requests: &[&Request], within: Duration) -> Result<Vec<Reply>, String> {
        let replies = self.engine().read(requests, within).await?;
        self.route.note_quorum(true);
        Ok(replies)
    }

    /// The answer of the last state known; `refused`: the answer where no state is known.
    fn read_stale(&self, request: &Request, refused: Reply) -> Reply {
        match self.engine().read_last(request) {
            Some(reply) => Reply { stale: true, ..reply },
            None => refused,
        }
    }
}
