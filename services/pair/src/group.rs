//! The group as a node sees it: the node's calls to consensus. Implemented by the consensus handle, and by the tests' group.
//!
//! Never contains logic.

use std::{sync::Arc, time::Duration};

use consensus::{
    Confirmed, Handle, ModeError, PauseError, Proposal, RaftId, RaiseError, ReadError, Status, TransferError, Versions,
};
use outbound::{Reply, RequestId};
use tokio::sync::watch;

/// The group, through this node's driver.
#[tonic::async_trait]
pub trait RaftGroup: Send + Sync + 'static {
    /// Puts commands into the log; every waiter is answered, here or later.
    fn propose(&self, proposals: Vec<Proposal<RequestId, Reply>>);

    /// Asks a quorum for the leader.
    ///
    /// # Errors
    /// No quorum answered within `timeout`.
    async fn confirm(&self, timeout: Duration) -> Result<Confirmed, ReadError>;

    /// As `confirm`, then waits until this node has applied that index.
    ///
    /// # Errors
    /// No quorum answered, or the index was not applied, within `timeout`.
    async fn read(&self, timeout: Duration) -> Result<Confirmed, ReadError>;

    /// The core's status, always the latest.
    fn status(&self) -> watch::Receiver<Arc<Status>>;

    /// Hands leadership over, for this reason; completes when the target leads.
    ///
    /// # Errors
    /// See [`TransferError`].
    async fn transfer(&self, to: RaftId, why: &str) -> Result<(), TransferError>;

    /// Pauses automatic failover, or resumes it; completes when the change is committed.
    ///
    /// # Errors
    /// See [`PauseError`].
    async fn set_paused(&self, paused: bool) -> Result<(), PauseError>;

    /// Marks the state here as wrong: the state serves no more, and is fetched from another data node.
    fn distrust(&self, reason: String);

    /// Tells the peers from now on whether an operator has drained this node.
    fn set_drained(&self, drained: bool);

    /// Ends single-copy; completes when the other voters' membership holds.
    ///
    /// # Errors
    /// See [`ModeError`].
    async fn leave_single_copy(&self) -> Result<(), ModeError>;

    /// Raises the group's versions; completes when the raise is committed. The caller has checked that every member knows them.
    ///
    /// # Errors
    /// See [`RaiseError`].
    async fn raise(&self, to: Versions) -> Result<(), RaiseError>;
}

#[tonic::async_trait]
impl RaftGroup for Handle<RequestId, Reply> {
    fn propose(&self, proposals: Vec<Proposal<RequestId, Reply>>) {
        Handle::propose(self, proposals);
    }

    async fn confirm(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        Handle::confirm(self, timeout).await
    }

    async fn read(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        Handle::read(self, timeout).await
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        Handle::status(self)
    }

    async fn transfer(&self, to: RaftId, why: &str) -> Result<(), TransferError> {
        Handle::transfer(self, to, why).await
    }

    async fn set_paused(&self, paused: bool) -> Result<(), PauseError> {
        Handle::set_paused(self, paused).await
    }

    fn distrust(&self, reason: String) {
        Handle::distrust(self, reason);
    }

    fn set_drained(&self, drained: bool) {
        Handle::set_drained(self, drained);
    }

    async fn leave_single_copy(&self) -> Result<(), ModeError> {
        Handle::leave_single_copy(self).await
    }

    async fn raise(&self, to: Versions) -> Result<(), RaiseError> {
        Handle::raise(self, to.formats, to.rules).await
    }
}
