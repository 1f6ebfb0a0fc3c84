//! The node that takes updates now, derived from the core's status: readers are woken only when this changes.
//!
//! The one place where Raft's leader becomes the primary to send to. The result is a guess to act on, never a proof
//! (R5 leader-is-not-primary): the receiving node decides.

use std::sync::Arc;

use chassis::tasks::{AtEnd, Tasks};
use consensus::{Kind, RaftId, Status};
use tokio::sync::watch;

/// Where updates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primary {
    /// To this node.
    Here,
    /// To this peer.
    At(RaftId),
    /// Nowhere: no leader, or a leader that does not serve.
    None,
}

/// The node that takes updates, and its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// Raft's term.
    pub term: u64,
    /// Where updates go.
    pub primary: Primary,
}

impl From<&Status> for Leadership {
    fn from(status: &Status) -> Self {
        let data_peer = || status.peers.iter().any(|peer| peer.id == status.leader && peer.kind == Kind::Data);
        let primary = if status.serving && !status.transferring {
            Primary::Here
        } else if status.leader != status.id && data_peer() {
            Primary::At(status.leader)
        } else {
            Primary::None
        };
        Self { term: status.term, primary }
    }
}

/// Follows the core's status; wakes its readers only when leadership changes.
pub(crate) fn follow(mut status: watch::Receiver<Arc<Status>>, tasks: &Tasks) -> watch::Receiver<Leadership> {
    let (sender, receiver) = watch::channel(Leadership::from(&**status.borrow_and_update()));
    let stopping = tasks.stopping();
    tasks.spawn("leadership", AtEnd::Log, async move {
        loop {
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
            let now = Leadership::from(&**status.borrow_and_update());
            sender.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
    });
    receiver
}

/// Completes when there is a primary other than the one that was tried: another node, or the same in a later term.
pub(crate) async fn moved(leadership: &mut watch::Receiver<Leadership>, tried: Leadership) {
    loop {
        changed(leadership).await;
        let now = *leadership.borrow();
        if now.primary != Primary::None && now != tried {
            return;
        }
    }
}

/// Completes at the next change; never, once the task that follows the core has ended (the node is stopping).
pub(crate) async fn changed(leadership: &mut watch::Receiver<Leadership>) {
    if leadership.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{A, B, W, status};

    #[test]
    fn the_primary_is_a_data_node_that_leads_and_serves() {
        let transferring = Status { transferring: true, ..status(3, A) };
        let fresh = Status { serving: false, ..status(3, A) };
        for (status, primary) in [
            (status(3, A), Primary::Here),
            (status(3, B), Primary::At(B)),
            (status(3, W), Primary::None),
            (status(3, 0), Primary::None),
            (transferring, Primary::None),
            (fresh, Primary::None),
        ] {
            assert_eq!(Leadership::from(&status), Leadership { term: 3, primary });
        }
    }
}
