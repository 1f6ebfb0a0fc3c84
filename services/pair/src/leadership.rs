//! The node that takes updates now, derived from the core's status: readers are woken only when this changes.
//!
//! The one place where Raft's leader becomes the primary to send to. The result is a guess to act on, never a proof
//! (R5 leader-is-not-primary): the receiving node decides.

use std::sync::Arc;

use chassis::tasks::{AtEnd, Tasks};
use consensus::{Kind, RaftId, Status};
use dispatch::{Standing, Target};
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

/// Where updates go, as this node's core sees it.
pub fn standing(status: &Status) -> Standing {
    let leader_has_data = status.peers.iter().any(|peer| peer.id == status.leader && peer.kind == Kind::Data);
    let serves = status.serving && !status.transferring;
    standing_of(status.id, status.term, status.leader, serves, leader_has_data)
}

/// As [`standing`], from the facts alone. `serves`: this node takes updates; `leader_has_data`: the leader is a data node.
pub fn standing_of(own: RaftId, term: u64, leader: RaftId, serves: bool, leader_has_data: bool) -> Standing {
    let target = match serves {
        true => Some(own),
        false => Some(leader).filter(|leader| *leader != own && leader_has_data),
    };
    Standing { era: term, target: target.map(Target) }
}

/// The place behind a standing, for the node with this id.
pub fn primary_of(standing: Standing, own: RaftId) -> Primary {
    match standing.target {
        Some(Target(id)) if id == own => Primary::Here,
        Some(Target(id)) => Primary::At(id),
        None => Primary::None,
    }
}

/// Follows the core's status; wakes its readers only when the standing changes. A node follows once, for all readers.
pub fn follow(mut status: watch::Receiver<Arc<Status>>, tasks: &Tasks) -> watch::Receiver<Standing> {
    let (sender, receiver) = watch::channel(standing(&status.borrow_and_update()));
    let stopping = tasks.stopping();
    tasks.spawn("leadership", AtEnd::Log, async move {
        loop {
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
            let now = standing(&status.borrow_and_update());
            sender.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
    });
    receiver
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
            assert_eq!(primary_of(standing(&status), A), primary);
            assert_eq!(standing(&status).era, 3);
        }
    }
}
