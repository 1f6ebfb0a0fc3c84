//! A node's own handle on its Raft driver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    time::Duration,
};

use ocs_proto::peer::PeerFrame;
use tokio::sync::{oneshot, watch};

use crate::{
    Confirmed, FetchedState, JoinAsk, JoinError, ModeError, PauseError, Proposal, ProposeError, RaftId, RaiseError,
    ReadError, Status, TransferError, event::Event,
};

/// Frames and proposals that may wait for the Raft loop; beyond, frames are dropped and proposals refused.
const QUEUED_MAX: usize = 16 * 1024;

/// The way into a driver. Cheap to clone; no method blocks the caller's thread.
#[derive(Debug)]
pub struct Handle<I, R> {
    pub(crate) events: Sender<Event<I, R>>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// Frames and proposals in flight: the bound of the queue.
    pub(crate) queued: Arc<AtomicUsize>,
}

impl<I, R> Clone for Handle<I, R> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone(), status: self.status.clone(), queued: self.queued.clone() }
    }
}

impl<I: Send + 'static, R: Send + 'static> Handle<I, R> {
    /// Puts commands into the log, as few entries as the limits allow. Every waiter is answered, here or later.
    pub fn propose(&self, proposals: Vec<Proposal<I, R>>) {
        let count = proposals.len();
        if !self.admit(count) {
            return proposals.into_iter().for_each(|proposal| refuse(proposal, ProposeError::Busy));
        }
        if let Err(unsent) = self.events.send(Event::Propose(proposals))
            && let Event::Propose(proposals) = unsent.0
        {
            proposals.into_iter().for_each(|proposal| refuse(proposal, ProposeError::Stopped));
        }
    }

    /// Asks a quorum for the leader in the next ReadIndex round. Completes on followers too.
    ///
    /// # Errors
    /// [`ReadError::Unconfirmed`] after `timeout`.
    pub async fn confirm(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        self.ask(timeout, false).await
    }

    /// As [`Handle::confirm`], then waits until this node has applied that index: a read of the local state is then
    /// linearizable (R4 reads-ask-a-quorum).
    ///
    /// # Errors
    /// [`ReadError::Unconfirmed`] after `timeout` in all.
    pub async fn read(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        self.ask(timeout, true).await
    }

    async fn ask(&self, timeout: Duration, read: bool) -> Result<Confirmed, ReadError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Ask { answer, read }).map_err(|_| ReadError::Stopped)?;
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(confirmed)) => Ok(confirmed),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::Unconfirmed),
        }
    }

    /// The latest status. A change of a role, a leader, a membership or a reason not to serve wakes a watcher; a change of an
    /// index does not.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// A frame came from a peer. False: the inbox is full and the frame was dropped (Raft sends again).
    pub fn receive(&self, frame: PeerFrame) -> bool {
        self.admit(1) && self.events.send(Event::Frame(frame)).is_ok()
    }

    /// The stream from or to a peer ended; `refused`: and an immediate reconnect was refused (architecture, Failover).
    pub fn peer_lost(&self, peer: RaftId, refused: bool) {
        let _ = self.events.send(Event::PeerLost { peer, refused }); // a driver that ended needs no news
    }

    /// A state that the driver asked for was fetched, or why not.
    pub fn fetched(&self, state: Result<FetchedState, String>) {
        let _ = self.events.send(Event::Fetched(state)); // a driver that ended needs no news
    }

    /// The state here is wrong: the driver replaces the state from another data node, as soon as such a node can serve instead.
    pub fn distrust(&self, reason: String) {
        let _ = self.events.send(Event::Distrust(reason)); // a driver that ended needs no news
    }

    /// A digest differed at this index, and nothing shows this node's state wrong.
    pub fn vouch(&self, index: u64) {
        let _ = self.events.send(Event::Vouch(index)); // a driver that ended needs no news
    }

    /// Tells the peers from now on whether an operator has drained this node.
    pub fn set_drained(&self, drained: bool) {
        let _ = self.events.send(Event::Drained(drained)); // a driver that ended needs no news
    }

    /// Hands leadership to a data node, for this reason; completes when that node leads.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub async fn transfer(&self, to: RaftId, why: &str) -> Result<(), TransferError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Transfer { to, why: why.to_owned(), answer }).map_err(|_| TransferError::Stopped)?;
        answered.await.unwrap_or(Err(TransferError::Stopped))
    }

    /// Admits a node that lost its log under a new id, as a learner; completes when the change is committed. A retry is safe.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn join(&self, ask: JoinAsk) -> Result<RaftId, JoinError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Join { ask, answer }).map_err(|_| JoinError::Stopped)?;
        answered.await.unwrap_or(Err(JoinError::Stopped))
    }

    /// Pauses automatic failover, or resumes it; completes when the change is committed. Without a leader a resume makes this
    /// node campaign. A retry is safe.
    ///
    /// # Errors
    /// See [`PauseError`].
    pub async fn set_paused(&self, paused: bool) -> Result<(), PauseError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Pause { paused, answer }).map_err(|_| PauseError::Stopped)?;
        answered.await.unwrap_or(Err(PauseError::Stopped))
    }

    /// Raises the versions of the cluster's formats and rules (R13); completes when the change is committed. A retry is safe. The
    /// caller has checked that every member knows them.
    ///
    /// # Errors
    /// See [`RaiseError`].
    pub async fn raise(&self, formats: u32, rules_wanted: u32) -> Result<(), RaiseError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Raise { formats, rules_wanted, answer }).map_err(|_| RaiseError::Stopped)?;
        answered.await.unwrap_or(Err(RaiseError::Stopped))
    }

    /// Ends single-copy: learners that have caught up become voters; completes when the new membership holds. A retry is safe,
    /// and finishes a change in flight.
    ///
    /// # Errors
    /// See [`ModeError`].
    pub async fn leave_single_copy(&self) -> Result<(), ModeError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::LeaveSingleCopy { answer }).map_err(|_| ModeError::Stopped)?;
        answered.await.unwrap_or(Err(ModeError::Stopped))
    }

    /// Stops the driver: waiters are answered "stopped" or "overtaken"; log and state are synced.
    pub fn stop(&self) {
        let _ = self.events.send(Event::Stop); // the driver may have ended already
    }

    fn admit(&self, count: usize) -> bool {
        let before = self.queued.fetch_add(count, Ordering::Relaxed);
        let admitted = before + count <= QUEUED_MAX;
        if !admitted {
            self.queued.fetch_sub(count, Ordering::Relaxed);
        }
        admitted
    }
}

fn refuse<I, R>(proposal: Proposal<I, R>, refusal: ProposeError) {
    let _ = proposal.waiter.send(Err(refusal)); // a client that hung up needs no answer
}
